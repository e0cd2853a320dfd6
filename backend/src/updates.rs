//! How backend tasks tell the window or the command line what is new, without ever waiting for a slow reader to look at state.
//!
//! State (connection, cluster, groups, a pipeline's status or dashboard) is coalesced: only the newest of each kind waits. News (messages,
//! notices, reports) waits in a bounded queue and is kept for the reader; who sends messages faster than they are read waits.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use weir_model::{Notice, NoticeLevel, PipelineId, Problem, TimestampMs, TopicName, Update};

use crate::connect::webhook::WebhookQueue;

/// News that waits for the reader; beyond it, senders of messages wait and other news is still taken.
const NEWS_MAX: usize = 256;
/// Beyond it the oldest notice makes room: nobody has looked for a long time, and a store keeps fewer than that.
const NEWS_AND_NOTICES_MAX: usize = 2_048;

/// The sending side. Clones share one mailbox.
#[derive(Clone)]
pub struct Updates {
    shared: Arc<Shared>,
}

/// The receiving side.
pub struct UpdatesReader {
    shared: Arc<Shared>,
}

struct Shared {
    mailbox: Mutex<Mailbox>,
    arrived: Condvar,
    made_room: Condvar,
    wake: Box<dyn Fn() + Send + Sync>,
    webhook: OnceLock<WebhookQueue>,
}

#[derive(Default)]
struct Mailbox {
    state: BTreeMap<StateKey, Update>,
    news: VecDeque<Update>,
    is_closed: bool,
}

/// What replaces what. The order is the order of delivery: the connection comes before what was read through it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum StateKey {
    Connection,
    Pipelines,
    Cluster,
    Groups,
    TopicConfigs(TopicName),
    PipelineStatus(PipelineId),
    Dashboard(PipelineId),
    Streams(PipelineId),
    StoreEntries(PipelineId),
}

/// A mailbox; `wake` is called, from the sender's thread, whenever it stops being empty.
pub fn channel(wake: impl Fn() + Send + Sync + 'static) -> (Updates, UpdatesReader) {
    let shared = Arc::new(Shared {
        mailbox: Mutex::new(Mailbox::default()),
        arrived: Condvar::new(),
        made_room: Condvar::new(),
        wake: Box::new(wake),
        webhook: OnceLock::new(),
    });
    (Updates { shared: Arc::clone(&shared) }, UpdatesReader { shared })
}

impl Updates {
    /// From now on alerts go there too. The first one called for counts.
    pub(crate) fn send_alerts_to(&self, webhook: WebhookQueue) {
        // Set once, by the owner of the mailbox.
        let _ = self.shared.webhook.set(webhook);
    }

    /// Tells something. Never waits: state replaces older state of its kind, news is queued.
    pub fn publish(&self, update: Update) {
        if let (Update::Alerts { alerts, .. }, Some(webhook)) = (&update, self.shared.webhook.get()) {
            webhook.offer(alerts);
        }
        let mut mailbox = self.shared.lock();
        if mailbox.is_closed {
            return;
        }
        let was_empty = mailbox.is_empty();
        match state_key(&update) {
            Some(StateKey::Connection) => {
                // What was read through the connection before must not arrive after the news that it is gone.
                mailbox.state.retain(|key, _| !matches!(key, StateKey::Cluster | StateKey::Groups | StateKey::TopicConfigs(_)));
                mailbox.state.insert(StateKey::Connection, update);
            }
            Some(key) => {
                mailbox.state.insert(key, update);
            }
            None => {
                mailbox.make_room();
                mailbox.news.push_back(update);
            }
        }
        drop(mailbox);
        self.shared.arrived.notify_one();
        if was_empty {
            (self.shared.wake)();
        }
    }

    /// Tells news that comes in masses, such as messages: waits while the reader is behind. False when there is no reader any more.
    ///
    /// Blocks; not for async workers.
    pub fn publish_waiting(&self, update: Update) -> bool {
        let mut mailbox = self.shared.lock();
        while mailbox.news.len() >= NEWS_MAX && !mailbox.is_closed {
            mailbox = self.shared.made_room.wait(mailbox).unwrap_or_else(PoisonError::into_inner);
        }
        let is_open = !mailbox.is_closed;
        drop(mailbox);
        self.publish(update);
        is_open
    }

    /// Tells a problem as a notice.
    pub fn problem(&self, problem: &Problem) {
        self.publish(Update::Notice(Notice::of_problem(problem, TimestampMs::now())));
    }

    /// Tells a line of news.
    pub fn notice(&self, level: NoticeLevel, title: impl Into<Arc<str>>, detail: impl Into<Arc<str>>) {
        self.publish(Update::Notice(Notice { level, title: title.into(), detail: detail.into(), at: TimestampMs::now() }));
    }
}

impl UpdatesReader {
    /// Takes at most `max` updates. Holds the mailbox only for as long as it takes to move them out.
    pub fn drain(&self, max: usize) -> Vec<Update> {
        let mut mailbox = self.shared.lock();
        let mut taken = Vec::new();
        while taken.len() < max {
            let next = mailbox.state.pop_first().map(|(_, update)| update).or_else(|| mailbox.news.pop_front());
            let Some(update) = next else { break };
            taken.push(update);
        }
        drop(mailbox);
        self.shared.made_room.notify_all();
        taken
    }

    /// Waits for an update, at most for `timeout`.
    pub fn recv(&self, timeout: Duration) -> Option<Update> {
        let deadline = Instant::now() + timeout;
        let mut mailbox = self.shared.lock();
        while mailbox.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || mailbox.is_closed {
                return None;
            }
            mailbox = self.shared.arrived.wait_timeout(mailbox, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(mailbox);
        self.drain(1).pop()
    }
}

impl Drop for UpdatesReader {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.made_room.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    fn make_room(&mut self) {
        if self.news.len() >= NEWS_AND_NOTICES_MAX
            && let Some(oldest) = self.news.iter().position(|update| matches!(update, Update::Notice(_)))
        {
            self.news.remove(oldest);
        }
    }

    fn is_empty(&self) -> bool {
        self.state.is_empty() && self.news.is_empty()
    }
}

fn state_key(update: &Update) -> Option<StateKey> {
    match update {
        Update::Connection(_) => Some(StateKey::Connection),
        Update::Pipelines(_) => Some(StateKey::Pipelines),
        Update::Cluster(_) => Some(StateKey::Cluster),
        Update::Groups(_) => Some(StateKey::Groups),
        Update::TopicConfigs(topic, _) => Some(StateKey::TopicConfigs(topic.clone())),
        Update::PipelineStatus(status) => Some(StateKey::PipelineStatus(status.id.clone())),
        Update::Dashboard(id, _) => Some(StateKey::Dashboard(id.clone())),
        Update::Streams(id, _) => Some(StateKey::Streams(id.clone())),
        Update::StoreEntries(id, _) => Some(StateKey::StoreEntries(id.clone())),
        Update::Messages { .. } | Update::Alerts { .. } | Update::PipelineReset { .. } | Update::RunReport(_) | Update::Notice(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use weir_model::ConnectionState;

    use super::*;

    #[test]
    fn state_is_coalesced_and_news_is_not() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let (updates, reader) = channel(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..10 {
            updates.publish(Update::Connection(ConnectionState::Idle));
            updates.notice(NoticeLevel::Info, "title", "detail");
        }
        assert_eq!(reader.drain(100).len(), 11);
        assert_eq!(wakes.load(Ordering::Relaxed), 1, "one wake until the reader has looked");
    }

    #[test]
    fn notices_that_nobody_reads_do_not_pile_up_and_the_newest_stay() {
        let (updates, reader) = channel(|| {});
        for at in 0..10 * NEWS_AND_NOTICES_MAX {
            updates.notice(NoticeLevel::Info, at.to_string(), "");
        }
        let kept = reader.drain(usize::MAX);
        assert_eq!(kept.len(), NEWS_AND_NOTICES_MAX);
        let Some(Update::Notice(newest)) = kept.last() else { panic!("{kept:?}") };
        assert_eq!(*newest.title, (10 * NEWS_AND_NOTICES_MAX - 1).to_string());
    }

    #[test]
    fn a_sender_of_masses_waits_for_the_reader_and_ends_with_it() {
        let (updates, reader) = channel(|| {});
        let notice = || Update::Notice(Notice { level: NoticeLevel::Info, title: "".into(), detail: "".into(), at: TimestampMs(0) });
        let sender = std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || {
                let mut sent = 0;
                while sent < 10 * NEWS_MAX && updates.publish_waiting(notice()) {
                    sent += 1;
                }
                sent
            })
            .unwrap();
        for _ in 0..NEWS_MAX {
            assert!(reader.recv(Duration::from_secs(10)).is_some());
        }
        drop(reader);
        let sent = sender.join().unwrap();
        assert!((NEWS_MAX..=3 * NEWS_MAX).contains(&sent), "{sent}");
    }
}
