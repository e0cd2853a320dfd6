//! The coordinator at work: one state behind one lock, appends, answers, timers.
//!
//! Invariants: no await and no other lock is taken under the lock except the append itself, which must come before the state moves on
//! and must be in the state's order. An answer is sent only after its records are durable as the log's durability mode says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::command::{Answer, Command, Decision, LiveChange};
use super::config::GroupConfig;
use super::decide::decide;
use super::ids::{GroupId, TopicName, WaiterId};
use super::records::Record;
use super::state::State;
use crate::clock::Clock;
use crate::codec::ResponseError;
use crate::log::batch::BatchHeader;
use crate::log::records::{build_batch, records};
use crate::sync::lock;

/// How long a timer waits before it tries again what could not be appended.
const APPEND_RETRY_MS: i64 = 1_000;

/// Where the coordinator's records go: the partitions of `__consumer_offsets`.
pub(crate) trait OffsetsLog: Send + Sync {
    /// How many partitions there are; it must never change while records are kept.
    fn partitions(&self) -> i32;
    /// Appends one batch as a whole, or not at all.
    fn append(&self, partition: i32, batch: Bytes) -> Result<(), String>;
    /// Hands every batch of a partition, in order, to `each`.
    fn replay(&self, partition: i32, each: &mut dyn FnMut(&[u8])) -> Result<(), String>;
}

/// The group coordinator of this node.
pub(crate) struct Coordinator {
    config: GroupConfig,
    log: Arc<dyn OffsetsLog>,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// A timer was set earlier than the timer task knows of.
    timers_changed: Notify,
}

#[derive(Default)]
struct Inner {
    state: State,
    waiters: HashMap<WaiterId, oneshot::Sender<Answer>>,
    last_waiter: u64,
    timers: Timers,
    next_expiry_check_ms: i64,
}

impl Coordinator {
    /// Replays the log; groups come to life with their last complete generation.
    pub(crate) fn open(config: GroupConfig, log: Arc<dyn OffsetsLog>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let mut state = State::default();
        for partition in 0..log.partitions() {
            log.replay(partition, &mut |bytes| replay_batch(&mut state, partition, bytes))?;
        }
        let now_ms = clock.now_ms();
        state.activate(now_ms);
        let mut timers = Timers::default();
        for (group_id, entry) in state.iter() {
            timers.set(group_id, entry.live.next_deadline_ms());
        }
        let next_expiry_check_ms = now_ms.saturating_add(config.offsets_retention_check_interval_ms);
        let inner = Inner { state, timers, next_expiry_check_ms, ..Inner::default() };
        Ok(Self { config, log, clock, inner: Mutex::new(inner), timers_changed: Notify::new() })
    }

    /// Asks a group for something and waits for its answer. Dropping the future, as when the client hangs up, takes the request back.
    pub(crate) async fn ask(&self, group_id: &GroupId, command: Command) -> Answer {
        let (sender, mut receiver) = oneshot::channel();
        let waiter = self.submit(group_id, command, sender);
        if let Ok(answer) = receiver.try_recv() {
            return answer;
        }
        let mut parked = Parked { coordinator: self, group_id, waiter: Some(waiter) };
        let answer = receiver.await;
        parked.waiter = None;
        // The sender goes unused only when a timer's work could not be appended; the client finds out by asking again.
        answer.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    /// The end of a member id that nobody else has, nor can guess.
    pub(crate) fn fresh_id(&self) -> String {
        // The standard library's hash keys come from the system's random source; no other use of randomness here is worth a dependency.
        let [high, low] = [(); 2].map(|()| RandomState::new().hash_one(self.clock.now_ms()));
        format!("{high:016x}{low:016x}")
    }

    /// Reads the state. Nothing that takes long may be done in `read`.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.lock().state)
    }

    /// These topics exist no more, so neither may the offsets stored for them.
    pub(crate) fn forget_topics(&self, topics: &[TopicName]) {
        let mut inner = self.lock();
        let holds_one = |offsets: &super::state::Offsets| topics.iter().any(|topic| offsets.contains_key(topic));
        let groups = inner.state.iter().filter(|(_, entry)| holds_one(&entry.durable.offsets));
        let groups: Vec<GroupId> = groups.map(|(group_id, _)| group_id.clone()).collect();
        for group_id in groups {
            self.errand(&mut inner, &group_id, Command::ForgetTopics(topics.to_vec()));
        }
    }

    /// Serves every deadline that has come, and says when the next one does.
    pub(crate) fn run_due(&self) -> Duration {
        let mut inner = self.lock();
        let now_ms = self.clock.now_ms();
        while let Some(group_id) = inner.timers.pop_due(now_ms) {
            self.errand(&mut inner, &group_id, Command::Tick);
            // A heartbeat moves a deadline without telling the timers, and a failed append leaves one in the past.
            let next_ms = inner.state.get(group_id.as_str()).and_then(|entry| entry.live.next_deadline_ms());
            inner.timers.set(&group_id, next_ms.map(|at_ms| if at_ms <= now_ms { now_ms + APPEND_RETRY_MS } else { at_ms }));
        }
        if inner.next_expiry_check_ms <= now_ms {
            inner.next_expiry_check_ms = now_ms.saturating_add(self.config.offsets_retention_check_interval_ms);
            let groups: Vec<GroupId> = inner.state.iter().map(|(group_id, _)| group_id.clone()).collect();
            for group_id in groups {
                self.errand(&mut inner, &group_id, Command::ExpireOffsets);
            }
        }
        let next_ms = inner.timers.next_ms().map_or(inner.next_expiry_check_ms, |at_ms| at_ms.min(inner.next_expiry_check_ms));
        Duration::from_millis(u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0).max(1))
    }

    /// The timer task's body: ends only when it is dropped.
    pub(crate) async fn run_timers(&self) {
        loop {
            let wait = self.run_due();
            // Either way the next round looks at everything again.
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = self.timers_changed.notified() => {}
            }
        }
    }

    fn submit(&self, group_id: &GroupId, command: Command, sender: oneshot::Sender<Answer>) -> WaiterId {
        let mut inner = self.lock();
        inner.last_waiter += 1;
        let waiter = WaiterId(inner.last_waiter);
        inner.waiters.insert(waiter, sender);
        if let Err(error) = self.run(&mut inner, group_id, command, waiter) {
            inner.answer(waiter, Err(error));
        }
        waiter
    }

    /// Something the broker does of itself: nobody waits for the answer, and what fails is logged where it fails and tried again later.
    fn errand(&self, inner: &mut Inner, group_id: &GroupId, command: Command) {
        let _logged = self.run(inner, group_id, command, WaiterId::default());
    }

    /// Decide, append, apply, answer.
    fn run(&self, inner: &mut Inner, group_id: &GroupId, command: Command, waiter: WaiterId) -> Result<(), ResponseError> {
        let now_ms = self.clock.now_ms();
        let mut decision = decide(&inner.state, &self.config, group_id, command, waiter, now_ms);
        self.append(&decision, now_ms)?;
        // A sign of life only moves a deadline away: the timer may come early, it finds nothing to do and is set again.
        let may_be_earlier = matches!(decision.live, LiveChange::Replace(_));
        inner.state.carry_out(&mut decision);
        for (waiter, answer) in decision.answers {
            inner.answer(waiter, answer);
        }
        if !may_be_earlier {
            return Ok(());
        }
        let next_ms = inner.state.get(group_id.as_str()).and_then(|entry| entry.live.next_deadline_ms());
        if inner.timers.set(group_id, next_ms) {
            self.timers_changed.notify_one();
        }
        Ok(())
    }

    fn append(&self, decision: &Decision, now_ms: i64) -> Result<(), ResponseError> {
        if decision.records.is_empty() {
            return Ok(());
        }
        let records: Vec<(Bytes, Option<Bytes>)> = decision.records.iter().map(Record::encode).collect();
        let batch = build_batch(now_ms, records.iter().map(|(key, value)| (Some(&key[..]), value.as_deref())));
        let partition = partition_for(decision.group_id.as_str(), self.log.partitions());
        self.log.append(partition, batch).map_err(|error| {
            tracing::error!(group = %decision.group_id, partition, error, "could not append to __consumer_offsets; the request is refused");
            ResponseError::CoordinatorNotAvailable
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn answer(&mut self, waiter: WaiterId, answer: Answer) {
        if let Some(sender) = self.waiters.remove(&waiter) {
            // Nobody listening means the client has gone; its Abandon is on the way.
            let _unheard = sender.send(answer);
        }
    }
}

/// A request that waits. Dropped before its answer has come, it is taken back.
struct Parked<'a> {
    coordinator: &'a Coordinator,
    group_id: &'a GroupId,
    waiter: Option<WaiterId>,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else { return };
        let mut inner = self.coordinator.lock();
        inner.waiters.remove(&waiter);
        // If it can't be written now, the member's own deadline does it later.
        let _refused = self.coordinator.run(&mut inner, self.group_id, Command::Abandon, waiter);
    }
}

/// Each group's next deadline, in order.
#[derive(Default)]
struct Timers {
    by_time: BTreeSet<(i64, GroupId)>,
    by_group: BTreeMap<GroupId, i64>,
}

impl Timers {
    /// Whether this is now the earliest of all, and earlier than before.
    fn set(&mut self, group_id: &GroupId, at_ms: Option<i64>) -> bool {
        let before_ms = self.next_ms();
        if let Some(old_ms) = self.by_group.remove(group_id) {
            self.by_time.remove(&(old_ms, group_id.clone()));
        }
        let Some(at_ms) = at_ms else { return false };
        self.by_group.insert(group_id.clone(), at_ms);
        self.by_time.insert((at_ms, group_id.clone()));
        before_ms.is_none_or(|before_ms| at_ms < before_ms)
    }

    fn next_ms(&self) -> Option<i64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    fn pop_due(&mut self, now_ms: i64) -> Option<GroupId> {
        let due = self.by_time.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms);
        let (_, group_id) = due.then(|| self.by_time.pop_first()).flatten()?;
        self.by_group.remove(&group_id);
        Some(group_id)
    }
}

/// Kafka's own placement, so that a tool that computes it finds the group where it looks: `Utils.abs(groupId.hashCode()) % partitions`.
fn partition_for(group_id: &str, partitions: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    (hash & i32::MAX) % partitions.max(1)
}

fn replay_batch(state: &mut State, partition: i32, batch: &[u8]) {
    // Ours are plain. Markers of transactions will be read here when there are transactions.
    if !BatchHeader::read(batch).is_ok_and(|header| !header.is_compressed() && !header.is_control()) {
        return;
    }
    for record in records(batch) {
        let decoded = match record {
            Ok(record) => Record::decode(record.key.unwrap_or_default(), record.value),
            Err(error) => return tracing::warn!(partition, %error, "unreadable batch in __consumer_offsets"),
        };
        match decoded {
            Ok(Some(record)) => state.apply(&record),
            // A later version's kind of record: kept in the log, not understood here.
            Ok(None) => {}
            Err(error) => tracing::warn!(partition, %error, "unreadable record in __consumer_offsets"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::command::{Caller, CommitOffsets, Join, OffsetToCommit, Protocol, Reply};
    use super::*;
    use crate::clock::ManualClock;

    #[derive(Default)]
    struct MemoryLog {
        batches: Mutex<Vec<Bytes>>,
        is_full: AtomicBool,
    }

    impl OffsetsLog for MemoryLog {
        fn partitions(&self) -> i32 {
            1
        }

        fn append(&self, _partition: i32, batch: Bytes) -> Result<(), String> {
            if self.is_full.load(Ordering::Relaxed) {
                return Err("no space left".into());
            }
            self.batches.lock().unwrap().push(batch);
            Ok(())
        }

        fn replay(&self, _partition: i32, each: &mut dyn FnMut(&[u8])) -> Result<(), String> {
            self.batches.lock().unwrap().iter().for_each(|batch| each(batch));
            Ok(())
        }
    }

    struct World {
        log: Arc<MemoryLog>,
        clock: Arc<ManualClock>,
        coordinator: Coordinator,
    }

    fn open(log: Arc<MemoryLog>) -> World {
        let clock = Arc::new(ManualClock::new(1_000_000));
        let coordinator = Coordinator::open(GroupConfig::default(), log.clone(), clock.clone()).unwrap();
        World { log, clock, coordinator }
    }

    fn commit(offset: i64) -> Command {
        let member = Caller { generation: -1, ..Caller::default() };
        let offset =
            OffsetToCommit { topic: "t".into(), partition: 0, offset, leader_epoch: -1, metadata: String::new(), retention_ms: None };
        Command::CommitOffsets(CommitOffsets { member, offsets: vec![offset] })
    }

    fn committed(world: &World) -> Option<i64> {
        world.coordinator.read(|state| Some(state.get("g")?.durable.offsets.get("t")?.get(&0)?.offset))
    }

    fn join() -> Command {
        Command::Join(Join {
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![Protocol { name: "range".into(), metadata: Bytes::new() }],
            fresh_member_id: "m".into(),
            ..Join::default()
        })
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart() {
        let world = open(Arc::default());
        let group_id = GroupId::from("g");
        assert_eq!(world.coordinator.ask(&group_id, commit(5)).await, Ok(Reply::Offsets(vec![None])));
        let world = open(world.log);
        assert_eq!(committed(&world), Some(5));
        world.coordinator.forget_topics(&["t".into()]);
        assert_eq!(committed(&world), None);
        assert_eq!(committed(&open(world.log)), None);
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_and_then_not() {
        let world = open(Arc::default());
        let group_id = GroupId::from("g");
        world.log.is_full.store(true, Ordering::Relaxed);
        assert_eq!(world.coordinator.ask(&group_id, commit(5)).await, Err(ResponseError::CoordinatorNotAvailable));
        assert_eq!(committed(&world), None);
        world.log.is_full.store(false, Ordering::Relaxed);
        assert!(world.coordinator.ask(&group_id, commit(6)).await.is_ok());
        assert_eq!(committed(&world), Some(6));
    }

    #[tokio::test]
    async fn a_parked_join_is_answered_by_the_timer_or_taken_back() {
        let world = open(Arc::default());
        let group_id = GroupId::from("g");
        let is_there = || world.coordinator.read(|state| state.get("g").is_some());
        {
            let mut parked = std::pin::pin!(world.coordinator.ask(&group_id, join()));
            assert!(futures_poll_once(parked.as_mut()).await.is_none());
            assert!(is_there());
        }
        // The client hung up: nobody else knows of its member.
        assert!(!world.coordinator.read(|state| state.get("g").is_some_and(|entry| !entry.live.members.is_empty())));
        let mut parked = std::pin::pin!(world.coordinator.ask(&group_id, join()));
        assert!(futures_poll_once(parked.as_mut()).await.is_none());
        world.clock.advance(Duration::from_secs(1));
        world.coordinator.run_due();
        assert!(matches!(futures_poll_once(parked).await, Some(Ok(Reply::Joined(_)))));
    }

    async fn futures_poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = Some(future);
        std::future::poll_fn(move |context| {
            let polled = future.take().map(|future| future.poll(context));
            std::task::Poll::Ready(match polled {
                Some(std::task::Poll::Ready(output)) => Some(output),
                _ => None,
            })
        })
        .await
    }

    #[test]
    fn groups_lie_where_kafka_puts_them() {
        // Java: Math.abs over String.hashCode, masked.
        let check = |group_id: &str, partitions, expect| assert_eq!(partition_for(group_id, partitions), expect, "{group_id}");
        check("", 50, 0);
        check("a", 50, 97 % 50);
        check("ab", 50, (97 * 31 + 98) % 50);
        check("mygroup", 1, 0);
        assert!((0..50).contains(&partition_for("a group with quite a long name that overflows", 50)));
    }
}
