//! The processing of one partition of `user_activity`: sessions, windows of counts, funnel and the A/B test's users, over one store.

mod exposures;
mod updates;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use exposures::{Counted, Exposed};
use updates::Update;

use super::{
    ids::{ItemId, PurchaseId, UserId},
    records::{Activity, Bot, ClosedBy, Devices, Event, Funnel, Merge, Outcome, Pair, Purchase, Session, Stats, Totals, visit_id},
    sabotage::Sabotage,
    sessions::{Closed, Saved, add, close, due_ms},
    settings::{ACTIVE_MS, OPEN_SESSIONS_MAX, Windows},
};
use crate::{
    sim::clickstream::Action,
    stream::{Added, Forward, Processor, Record, SessionWindows, Store, StoreHandle},
};

/// A jump of stream time closes at most so many empty windows one by one; the rest are skipped.
const EMPTY_WINDOWS_MAX: i64 = 60;
/// Sabotage: one in so many events is passed over.
const LOST_ONE_IN: i64 = 500;
/// The key of a partition's figures; users and windows have their own prefixes.
const FIGURES: &str = "figures";

/// What the store keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    /// One user's sessions.
    Sessions(Sessions),
    /// The counts of one open window.
    Window(Counts),
    /// The partition's figures.
    Figures(Box<Figures>),
    /// One user who takes part in the A/B test.
    Exposed(Exposed),
}

/// One user's sessions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sessions {
    /// The run's: an entry must tell by itself when it expires.
    gap_ms: i64,
    list: Vec<Saved>,
}

/// The counts of one window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    actions: [u64; Action::ALL.len()],
}

/// A partition's figures since the run's start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Figures {
    /// The largest time of an event.
    now_ms: Option<i64>,
    /// The start of the next window to close; all before it are closed.
    next_window: Option<i64>,
    open: u64,
    totals: Totals,
    funnel: Funnel,
    devices: Devices,
    published: (Funnel, Devices),
    exposed: Counted,
    exposed_told: Counted,
}

/// A store for the processor. Sessions expire; the rest stays until it is deleted.
pub(super) fn store(windows: SessionWindows) -> Store<String, Kept> {
    let expires_at =
        |_: &String, kept: &Kept| if let Kept::Sessions(sessions) = kept { due_ms(sessions.gap_ms, &sessions.list) } else { i64::MAX };
    let start_ms =
        |_: &String, kept: &Kept| if let Kept::Sessions(sessions) = kept { sessions.open_spans().map(|span| span.0).next() } else { None };
    Store::expiring(expires_at).in_own_windows(start_ms, windows.closes_after_ms())
}

/// The processor.
pub(super) struct Visits {
    pub(super) run: Arc<str>,
    pub(super) windows: Windows,
    pub(super) sabotage: Option<Sabotage>,
    pub(super) store: StoreHandle<String, Kept>,
}

/// First and last event.
type Times = (i64, i64);

/// What one event brought to light.
#[derive(Default)]
struct News {
    looked_at_before: Option<Arc<str>>,
    /// The sessions before, and the one after.
    merged: Option<(Vec<Times>, Times)>,
    /// The session's start and its events, at the moment in which it became clear that it is a robot's.
    bot: Option<(i64, u64)>,
    update: Update,
}

impl News {
    fn look_at(&mut self, sessions: &mut Sessions, at_ms: i64, before: &[Times], added: Added, every_ms: i64) {
        let is_mine = |session: &&mut Saved| (session.start_ms..=session.end_ms).contains(&at_ms);
        let Some(session) = sessions.list.iter_mut().find(is_mine).filter(|_| added != Added::Late) else { return };
        self.update.look_at(session, before, every_ms);
        let whole = (session.start_ms, session.end_ms);
        if matches!(added, Added::Merged(_)) {
            let is_part = |(start, end): &&Times| whole.0 <= *start && *end <= whole.1;
            self.merged = Some((before.iter().filter(is_part).copied().collect(), whole));
        }
        if let Some(visit) = session.visit.as_mut().filter(|visit| !visit.is_told && visit.is_bot(whole.0, whole.1)) {
            visit.is_told = true;
            self.bot = Some((whole.0, visit.events));
        }
        // What robots look at says nothing of what goes together.
        if session.visit.as_ref().is_some_and(|visit| visit.is_told) {
            self.looked_at_before = None;
        }
    }
}

/// The processor at one record: the figures are taken out of the store and put back.
struct Work<'a, 'b> {
    visits: &'a Visits,
    partition: i32,
    figures: Figures,
    out: &'a mut Forward<'b, String, Outcome>,
}

impl Processor<UserId, Event, String, Outcome> for Visits {
    fn process(&mut self, record: &Record<UserId, Event>, out: &mut Forward<'_, String, Outcome>) {
        let (partition, offset) = (out.origin().partition, out.origin().offset);
        // Taken out, not copied: the store keeps what they were at the last commit.
        let kept = self.store.borrow_mut().delete(&FIGURES.to_owned());
        let figures = match kept {
            Some(Kept::Figures(figures)) => *figures,
            _ => self.first_figures(partition),
        };
        let mut work = Work { visits: self, partition, figures, out };
        match &record.value {
            Event::Activity(activity) => work.take(activity, offset),
            Event::RunEnd(run) if **run == *self.run => work.finish(),
            Event::RunEnd(_) => {}
        }
        let figures = work.figures;
        self.store.borrow_mut().put(FIGURES.to_owned(), Kept::Figures(Box::new(figures)));
    }
}

impl Visits {
    fn first_figures(&self, partition: i32) -> Figures {
        let funnel = Funnel { run: self.run.to_string(), partition, ..Funnel::default() };
        let devices = Devices { run: self.run.to_string(), partition, ..Devices::default() };
        Figures { published: (funnel.clone(), devices.clone()), funnel, devices, ..Figures::default() }
    }
}

impl Work<'_, '_> {
    fn take(&mut self, activity: &Activity<'_>, offset: i64) {
        let now = self.figures.now_ms.map_or(activity.timestamp, |now| now.max(activity.timestamp));
        self.figures.now_ms = Some(now);
        if self.visits.sabotage == Some(Sabotage::LoseEvents) && offset % LOST_ONE_IN == 0 {
            return;
        }
        self.figures.totals.processed += 1;
        self.count(activity, now);
        self.add(activity, offset, now);
        self.expose(activity);
        let close_time = self.visits.windows.sessions.close_time(now);
        while self.close_one(close_time, ClosedBy::Gap) {}
        while self.figures.open > OPEN_SESSIONS_MAX && self.close_one(i64::MAX, ClosedBy::Limit) {}
        let first_open = self.visits.windows.counts.first_open(now);
        while let Some((start, counts)) = self.pop_window(first_open) {
            let stats = self.stats(start, &counts);
            self.publish_window(stats);
        }
    }

    /// Counts the event in its window.
    fn count(&mut self, activity: &Activity<'_>, now: i64) {
        let windows = self.visits.windows.counts;
        let start = windows.start_of(activity.timestamp);
        if start < windows.first_open(now) || self.figures.next_window.is_some_and(|next| start < next) {
            self.figures.totals.window_late_dropped += 1;
            return;
        }
        let change = |kept: &mut Kept| {
            if let Kept::Window(counts) = kept {
                counts.actions[activity.action_type.index()] += 1;
            }
        };
        self.visits.store.borrow_mut().update(&window_key(start), || Kept::Window(Counts::default()), change);
    }

    fn add(&mut self, activity: &Activity<'_>, offset: i64, now: i64) {
        let (mut added, mut is_kept, mut news) = (Added::Late, false, News::default());
        let (windows, every_ms) = (self.visits.windows.sessions, self.visits.windows.counts.size_ms);
        let change = |kept: &mut Kept| {
            if let Kept::Sessions(sessions) = kept {
                let open = sessions.open();
                let before: Vec<_> = sessions.open_spans().collect();
                added = add(windows, &mut sessions.list, activity.timestamp, now, |visit| {
                    news.looked_at_before = visit.add(activity, offset, |text| Arc::from(text));
                });
                self.figures.open = self.figures.open.saturating_add_signed(sessions.open() - open);
                is_kept = !sessions.list.is_empty();
                news.look_at(sessions, activity.timestamp, &before, added, every_ms);
            }
        };
        let key = user_key(&activity.user_id);
        self.visits.store.borrow_mut().update(&key, || Kept::Sessions(Sessions { gap_ms: windows.gap_ms, list: Vec::new() }), change);
        if !is_kept {
            self.visits.store.borrow_mut().delete(&key);
        }
        match added {
            Added::Accepted => {}
            Added::Merged(n) => self.figures.totals.sessions_merged += n as u64,
            Added::Late => self.figures.totals.session_late_dropped += 1,
        }
        self.tell(activity, now, news);
    }

    /// What an event brought to light beside its session.
    fn tell(&mut self, activity: &Activity<'_>, now: i64, news: News) {
        let run = || self.visits.run.to_string();
        let user_id = || UserId::from(&*activity.user_id);
        let (partition, at) = (self.partition, activity.timestamp);
        self.tell_update(&activity.user_id, news.update);
        let mut told = Vec::new();
        if let Some((parts, whole)) = news.merged {
            told.push(Outcome::Merge(Merge { run: run(), partition, user_id: user_id(), late_at: at, came_at: now, parts, whole }));
        }
        if let Some((start, events)) = news.bot.filter(|_| self.visits.sabotage != Some(Sabotage::TrustBots)) {
            self.withdraw(&activity.user_id);
            told.push(Outcome::Bot(Bot { run: run(), partition, user_id: user_id(), start, at, events }));
        }
        for outcome in told {
            self.publish(activity.user_id.to_string(), outcome);
        }
        if activity.action_type == Action::Purchase && !activity.event_id.is_empty() {
            let (purchase_id, revenue_minor) = (PurchaseId::from(&*activity.event_id), activity.price_minor.unwrap_or(0));
            let item_id = ItemId::from(&*activity.item_id);
            let purchase = Purchase { run: self.visits.run.to_string(), purchase_id, user_id: user_id(), at, revenue_minor, item_id };
            // Its own time: it is joined by it.
            self.out.send(&Record { key: activity.user_id.to_string(), value: Outcome::Purchase(purchase), timestamp_ms: at });
        }
        if let Some(from) = news.looked_at_before {
            let (key, to) = (from.to_string(), ItemId::from(&*activity.item_id));
            let pair = Pair { run: self.visits.run.to_string(), user_id: user_id(), from: key.as_str().into(), to, at };
            self.publish(key, Outcome::Pair(pair));
        }
    }

    /// Closes what is due of one user; `false` when nothing is.
    fn close_one(&mut self, close_time: i64, closed_by: ClosedBy) -> bool {
        let expired = self.visits.store.borrow_mut().pop_expired(close_time);
        let Some((key, Kept::Sessions(mut sessions))) = expired else { return false };
        for closed in close(sessions.gap_ms, &mut sessions.list, close_time) {
            self.figures.open -= 1;
            self.publish_session(key.get(1..).unwrap_or_default(), closed, closed_by);
        }
        // A mark goes with the run's end.
        if !sessions.list.is_empty() && closed_by != ClosedBy::RunEnd {
            self.visits.store.borrow_mut().put(key, Kept::Sessions(sessions));
        }
        true
    }

    /// The run is over: counts, closes and publishes what is open.
    fn finish(&mut self) {
        // Windows look at the sessions open in them, and their totals at all sessions: so count, close, publish.
        let mut windows = BTreeMap::new();
        let size_ms = self.visits.windows.counts.size_ms;
        while let Some(last) = self.windows().next_back()
            && let Some((start, counts)) = self.pop_window(last + size_ms)
        {
            windows.insert(start, self.stats(start, &counts));
        }
        while self.close_one(i64::MAX, ClosedBy::RunEnd) {}
        for stats in windows.into_values() {
            self.publish_window(stats);
        }
    }

    /// The next window that begins before this, with its start. Windows come in order and, but for long jumps, without gaps: an empty
    /// window is news too.
    fn pop_window(&mut self, end: i64) -> Option<(i64, Counts)> {
        let size_ms = self.visits.windows.counts.size_ms;
        if self.figures.next_window.is_some_and(|next| next >= end) {
            return None;
        }
        let first_kept = self.windows().next();
        let mut start = self.figures.next_window.or(first_kept)?;
        if start >= end {
            return None;
        }
        let reachable = end - EMPTY_WINDOWS_MAX * size_ms;
        if start < reachable && first_kept.is_none_or(|kept| kept > start) {
            start = first_kept.map_or(reachable, |kept| kept.min(reachable));
        }
        self.figures.next_window = Some(start + size_ms);
        let counts = match self.visits.store.borrow_mut().delete(&window_key(start)) {
            Some(Kept::Window(counts)) => counts,
            _ => Counts::default(),
        };
        Some((start, counts))
    }

    /// Starts of the windows that hold something.
    fn windows(&self) -> impl DoubleEndedIterator<Item = i64> + use<> {
        let store = self.visits.store.borrow();
        let starts = store.range("w".to_owned().."x".to_owned()).filter_map(|(key, _)| key.get(1..)?.parse().ok());
        starts.collect::<Vec<i64>>().into_iter()
    }

    /// The window's figures, as far as they depend on the sessions open now.
    fn stats(&self, start: i64, counts: &Counts) -> Stats {
        let window_end = start + self.visits.windows.counts.size_ms;
        let active_after = window_end - ACTIVE_MS;
        let mut active_users = 0;
        self.for_each_open(|session, _| active_users += u64::from(session.end_ms > active_after));
        Stats {
            run: self.visits.run.to_string(),
            partition: self.partition,
            window_start: start,
            window_end,
            speed: self.visits.windows.speed,
            events: counts.actions.iter().sum(),
            actions: Action::ALL.iter().map(|action| (action.name().to_owned(), counts.actions[action.index()])).collect(),
            active_users,
            sessions_open: self.figures.open,
            totals: Totals::default(),
        }
    }

    fn for_each_open(&self, mut look: impl FnMut(&Saved, &super::visit::Visit)) {
        for (_, kept) in self.visits.store.borrow().range("u".to_owned().."v".to_owned()) {
            if let Kept::Sessions(sessions) = &*kept {
                sessions
                    .list
                    .iter()
                    .filter_map(|session| Some((session, session.visit.as_ref()?)))
                    .for_each(|(session, visit)| look(session, visit));
            }
        }
    }

    fn publish_window(&mut self, mut stats: Stats) {
        stats.totals = self.figures.totals;
        let key = format!("{}-{}", stats.window_start, self.partition);
        self.publish(key, Outcome::Stats(stats));
        let mut funnel = self.figures.funnel.clone();
        self.for_each_open(|_, visit| funnel.count(self.depth(visit)));
        if funnel != self.figures.published.0 {
            self.publish(self.partition.to_string(), Outcome::Funnel(funnel.clone()));
            self.figures.published.0 = funnel;
        }
        if self.figures.devices != self.figures.published.1 {
            self.publish(self.partition.to_string(), Outcome::Devices(self.figures.devices.clone()));
            self.figures.published.1 = self.figures.devices.clone();
        }
        self.publish_exposures();
    }

    fn publish_session(&mut self, user_id: &str, closed: Closed, closed_by: ClosedBy) {
        let Closed { start_ms, end_ms, visit } = closed;
        self.withdraw_session(user_id, start_ms);
        let (depth, converted, bounced) = (visit.funnel_depth(), visit.purchases > 0, visit.is_bounce());
        let is_bot = visit.is_bot(start_ms, end_ms) && self.visits.sabotage != Some(Sabotage::TrustBots);
        let counted = self.depth(&visit);
        let totals = &mut self.figures.totals;
        totals.sessions_closed += 1;
        totals.sessions_evicted += u64::from(closed_by == ClosedBy::Limit);
        totals.bounced += u64::from(bounced);
        totals.converted += u64::from(converted);
        totals.revenue_minor = totals.revenue_minor.saturating_add(visit.revenue_minor);
        self.figures.funnel.count(counted);
        let Some(entry) = visit.entry else { return };
        let session = Session {
            run: self.visits.run.to_string(),
            partition: self.partition,
            session_id: visit_id(&entry.session_id, user_id, start_ms),
            user_id: user_id.into(),
            start: start_ms,
            end: end_ms,
            events: visit.events,
            pages: visit.pages,
            entry_page: entry.page.to_string(),
            exit_page: visit.exit.map(|(_, page)| page.to_string()).unwrap_or_default(),
            bounced,
            converted,
            funnel: depth,
            revenue_minor: visit.revenue_minor,
            device: entry.device.to_string(),
            variant: entry.variant.to_string(),
            tier: entry.tier,
            is_bot,
            closed_by,
        };
        self.figures.devices.count(&session);
        self.publish(session.user_id.to_string(), Outcome::Session(session));
    }

    fn depth(&self, visit: &super::visit::Visit) -> u8 {
        let last = if self.visits.sabotage == Some(Sabotage::FunnelEndsEarly) { 2 } else { 3 };
        visit.funnel_depth().min(last)
    }

    fn publish(&mut self, key: String, value: Outcome) {
        self.out.send(&Record { key, value, timestamp_ms: self.figures.now_ms.unwrap_or(0) });
    }
}

impl Sessions {
    fn open_spans(&self) -> impl Iterator<Item = (i64, i64)> {
        self.list.iter().filter(|session| session.visit.is_some()).map(|session| (session.start_ms, session.end_ms))
    }

    fn open(&self) -> i64 {
        self.list.iter().map(|session| i64::from(session.visit.is_some())).sum()
    }
}

fn user_key(user_id: &str) -> String {
    format!("u{user_id}")
}

/// Sorted as the windows are: times of events are not negative.
fn window_key(start_ms: i64) -> String {
    format!("w{start_ms:020}")
}
