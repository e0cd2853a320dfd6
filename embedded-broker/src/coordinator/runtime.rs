//! The coordinator at work: one state behind one lock, appends, answers, timers.
//!
//! Invariants: no await and no other lock is taken under the lock except the append itself, which must come before the state moves on
//! and must be in the state's order. An answer is sent only after its records are durable as the log's durability mode says.

mod timers;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::command::{Answer, Command};
use super::config::GroupConfig;
use super::decide::{Context, decide};
use super::ids::{GroupId, TopicName, WaiterId};
use super::image::Now;
use super::internal_topic::InternalTopic;
use super::records::Record;
use super::state::State;
use crate::clock::Clock;
use crate::codec::ResponseError;
use crate::log::records::{build_batch, build_producer_batch, records};
use crate::log::{AppendError, Marker, ProducerEpoch, batch};
use crate::sync::lock;
use crate::view::{EventKind, EventLog};

use timers::Timers;

/// How long a timer waits before it tries again what could not be appended.
const APPEND_RETRY_MS: i64 = 1_000;

/// The group coordinator of this node.
pub(crate) struct Coordinator {
    config: GroupConfig,
    log: InternalTopic,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// A timer was set earlier than the timer task knows of.
    timers_changed: Notify,
    /// Where changes of groups are told.
    events: OnceLock<Arc<EventLog>>,
}

#[derive(Default)]
struct Inner {
    state: State,
    waiters: HashMap<WaiterId, oneshot::Sender<Answer>>,
    last_waiter: u64,
    timers: Timers,
    next_expiry_check_ms: i64,
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").finish_non_exhaustive()
    }
}

impl Coordinator {
    /// Replays the log; groups come to life with their last complete generation.
    pub(crate) fn open(config: GroupConfig, log: InternalTopic, clock: Arc<dyn Clock>) -> Self {
        let mut state = State::default();
        for partition in 0..log.partitions() {
            log.replay(partition, |batch| replay_batch(&mut state, partition, log.partitions(), batch));
        }
        let now = now(clock.as_ref());
        state.activate(&config, now);
        let mut timers = Timers::default();
        for (group_id, entry) in state.iter() {
            timers.set(group_id, entry.next_deadline_ms());
        }
        let next_expiry_check_ms = now.deadline_ms(config.offsets_retention_check_interval_ms);
        let inner = Inner { state, timers, next_expiry_check_ms, ..Inner::default() };
        let coordinator = Self { config, log, clock, inner: Mutex::new(inner), timers_changed: Notify::new(), events: OnceLock::new() };
        coordinator.forget_lost_topics();
        coordinator
    }

    /// The offsets of topics that were deleted just before the broker was killed.
    fn forget_lost_topics(&self) {
        let image = self.log.image();
        let lost = |state: &State| {
            let stored: BTreeSet<&TopicName> = state.iter().flat_map(|(_, entry)| entry.durable.offsets.keys()).collect();
            stored.into_iter().filter(|topic| image.get(topic.as_str()).is_none()).cloned().collect::<Vec<_>>()
        };
        let lost = self.read(lost);
        if !lost.is_empty() {
            tracing::info!(topics = lost.len(), "forgetting the offsets of topics that exist no more");
            self.forget_topics(&lost);
        }
    }

    /// From now on changes of groups are told there.
    pub(crate) fn observe(&self, events: Arc<EventLog>) {
        let _ = self.events.set(events);
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

    /// The partition of `__consumer_offsets` that keeps this group.
    pub(crate) fn partition_of(&self, group_id: &str) -> i32 {
        partition_for(group_id, self.log.partitions())
    }

    /// Lets the producer's transaction store offsets of this group. Call this first, then ask the transaction coordinator.
    pub(crate) fn verify_transaction(&self, group_id: &GroupId, producer: ProducerEpoch) -> Result<(), ResponseError> {
        self.log.verify_transaction(self.partition_of(group_id.as_str()), producer).map_err(|error| {
            tracing::error!(group = %group_id, error, "__consumer_offsets can't be written; the request is refused");
            ResponseError::CoordinatorNotAvailable
        })
    }

    /// Ends the producer's transaction in a partition of `__consumer_offsets`.
    pub(crate) fn end_transaction(&self, partition: i32, producer: ProducerEpoch, marker: Marker) -> Result<(), AppendError> {
        let mut inner = self.lock();
        self.log.append_marker(partition, producer, marker)?;
        let partitions = self.log.partitions();
        let is_here = |group_id: &GroupId| partition_for(group_id.as_str(), partitions) == partition;
        inner.state.end_transaction(producer.producer_id, marker.is_commit, is_here);
        Ok(())
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
        let now_ms = self.clock.monotonic_ms();
        while let Some(group_id) = inner.timers.pop_due(now_ms) {
            self.errand(&mut inner, &group_id, Command::Tick);
            // A heartbeat moves a deadline without telling the timers, and a failed append leaves one in the past.
            let next_ms = inner.state.get(group_id.as_str()).and_then(super::state::Entry::next_deadline_ms);
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
        let context = Context { config: &self.config, topics: self.log.image(), now: now(self.clock.as_ref()) };
        let mut decision = decide(&inner.state, &context, group_id, command, waiter);
        self.append(&decision.group_id, &decision.records, context.now.wall_ms)?;
        // A sign of life only moves a deadline away: the timer may come early, it finds nothing to do and is set again.
        let may_be_earlier = decision.live.may_move_a_deadline_nearer(!decision.records.is_empty());
        let before = standing(&inner.state, group_id);
        inner.state.carry_out(&mut decision);
        self.tell(group_id, before, standing(&inner.state, group_id));
        for (waiter, answer) in decision.answers {
            inner.answer(waiter, answer);
        }
        if !may_be_earlier {
            return Ok(());
        }
        let next_ms = inner.state.get(group_id.as_str()).and_then(super::state::Entry::next_deadline_ms);
        if inner.timers.set(group_id, next_ms) {
            self.timers_changed.notify_one();
        }
        Ok(())
    }

    fn tell(&self, group_id: &GroupId, before: Standing, after: Standing) {
        let Some(events) = self.events.get().filter(|_| before != after) else { return };
        let (state, generation, members) = after.unwrap_or((DEAD, before.map_or(0, |(_, generation, _)| generation), 0));
        events.record(EventKind::GroupChanged { group_id: group_id.to_string(), state, generation, members });
    }

    fn append(&self, group_id: &GroupId, records: &[Record], now_ms: i64) -> Result<(), ResponseError> {
        if records.is_empty() {
            return Ok(());
        }
        // A decision is part of one transaction, or of none.
        let producer = records.iter().find_map(|record| if let Record::Pending { producer, .. } = record { Some(*producer) } else { None });
        let records: Vec<(Bytes, Option<Bytes>)> = records.iter().map(Record::encode).collect();
        let fields = records.iter().map(|(key, value)| (Some(&key[..]), value.as_deref()));
        let batch = match producer {
            Some(producer) => build_producer_batch(now_ms, producer, false, fields),
            None => build_batch(now_ms, fields),
        };
        let partition = partition_for(group_id.as_str(), self.log.partitions());
        self.log.append(partition, &batch).map_err(|error| match error {
            AppendError::Fenced => ResponseError::InvalidProducerEpoch,
            AppendError::NoTransaction => ResponseError::InvalidTxnState,
            error => {
                tracing::error!(group = %group_id, partition, %error, "could not append to __consumer_offsets; the request is refused");
                ResponseError::CoordinatorNotAvailable
            }
        })?;
        Ok(())
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

/// What is told of a group: state, generation, members.
type Standing = Option<(&'static str, i32, usize)>;

/// Kafka's name of the state of a group that is no more.
const DEAD: &str = "Dead";

fn standing(state: &State, group_id: &GroupId) -> Standing {
    let entry = state.get(group_id.as_str())?;
    Some(match &entry.durable.consumer {
        Some(group) => (group.state_name(), group.epoch, group.members.len()),
        None => (entry.live.phase.name(), entry.live.generation, entry.live.members.len()),
    })
}

fn now(clock: &dyn Clock) -> Now {
    Now { wall_ms: clock.now_ms(), monotonic_ms: clock.monotonic_ms() }
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

/// Kafka's own placement, so that a tool that computes it finds the group where it looks: `Utils.abs(groupId.hashCode()) % partitions`.
pub(super) fn partition_for(group_id: &str, partitions: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    (hash & i32::MAX) % partitions.max(1)
}

fn replay_batch(state: &mut State, partition: i32, partitions: i32, batch: &[u8]) {
    let header = match batch::check(batch) {
        Ok(header) => header,
        Err(error) => {
            return tracing::error!(partition, %error, "a damaged batch in __consumer_offsets is skipped: offsets may be older than they were");
        }
    };
    let producer = header.is_transactional().then_some(ProducerEpoch { producer_id: header.producer_id, epoch: header.producer_epoch });
    if header.is_control() {
        let is_here = |group_id: &GroupId| partition_for(group_id.as_str(), partitions) == partition;
        // Markers of other kinds say nothing about groups.
        if let Some(marker) = Marker::decode(batch) {
            state.end_transaction(header.producer_id, marker.is_commit, is_here);
        }
        return;
    }
    if header.is_compressed() {
        return; // ours are plain
    }
    for record in records(batch) {
        let decoded = match record {
            Ok(record) => Record::decode(record.key.unwrap_or_default(), record.value),
            Err(error) => return tracing::warn!(partition, %error, "unreadable batch in __consumer_offsets"),
        };
        match decoded {
            Ok(Some(record)) => state.apply(&record.in_transaction(producer)),
            // A later version's kind of record: kept in the log, not understood here.
            Ok(None) => {}
            Err(error) => tracing::warn!(partition, %error, "unreadable record in __consumer_offsets"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::partition_for;

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
