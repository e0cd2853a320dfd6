//! The transaction coordinator at work: one state behind one lock, appends, markers, timeouts.
//!
//! Locks are taken in this order: this one, the group coordinator's, a partition's. Everything that is asked here runs to its end before it
//! is answered; what fails halfway (a full disk) is taken up again by the timer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::config::TransactionConfig;
use super::decide::{Command, Reply, decide, needs_fresh_id};
use super::records::Record;
use super::state::{Fate, Phase, State, TopicPartition, TransactionalId};
use crate::clock::Clock;
use crate::codec::ResponseError;
use crate::coordinator::internal_topic::{InternalTopic, OFFSETS_TOPIC};
use crate::coordinator::{Coordinator, partition_for};
use crate::log::records::{build_batch, records};
use crate::log::{AppendError, Marker, ProducerEpoch, batch};
use crate::producer_ids::ProducerIds;
use crate::sync::lock;
use crate::topics::Topics;
use crate::view::{EventKind, EventLog};

/// How long the timer waits before it tries again what could not be written.
const RETRY_MS: i64 = 1_000;
/// How often ids are looked through for those that have expired (`transaction.remove.expired.transaction.cleanup.interval.ms`).
const EXPIRY_CHECK_MS: i64 = 60 * 60 * 1_000;
/// There is one coordinator and it never changes hands.
const COORDINATOR_EPOCH: i32 = 0;

/// The transaction coordinator of this node.
pub(crate) struct TransactionCoordinator {
    config: TransactionConfig,
    log: InternalTopic,
    topics: Arc<Topics>,
    groups: Arc<Coordinator>,
    producer_ids: Arc<ProducerIds>,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// Something is due earlier than the timer task knows of.
    changed: Notify,
    /// Where it is told how transactions go on.
    events: OnceLock<Arc<EventLog>>,
}

struct Inner {
    state: State,
    next_expiry_check_ms: i64,
    /// Where the markers of an end that is stuck stand already.
    marked: BTreeMap<TransactionalId, BTreeSet<TopicPartition>>,
}

impl TransactionCoordinator {
    /// Replays the log, and ends what was decided but not carried out when the broker stopped.
    pub(crate) fn open(
        config: TransactionConfig,
        topics: Arc<Topics>,
        groups: Arc<Coordinator>,
        producer_ids: Arc<ProducerIds>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let log = InternalTopic::transactions(Arc::clone(&topics));
        let mut state = State::default();
        for partition in 0..log.partitions() {
            log.replay(partition, |batch| replay_batch(&mut state, batch));
        }
        let inner = Inner { state, next_expiry_check_ms: clock.now_ms().saturating_add(EXPIRY_CHECK_MS), marked: BTreeMap::new() };
        let coordinator = Self {
            config,
            log,
            topics,
            groups,
            producer_ids,
            clock,
            inner: Mutex::new(inner),
            changed: Notify::new(),
            events: OnceLock::new(),
        };
        coordinator.note_later_transactions();
        coordinator.run_due();
        coordinator.end_orphans();
        Ok(coordinator)
    }

    /// From now on it is told there how transactions go on.
    pub(crate) fn observe(&self, events: Arc<EventLog>) {
        let _ = self.events.set(events);
    }

    /// Applies a record that is in the log.
    fn apply(&self, inner: &mut Inner, id: &TransactionalId, record: &Record) {
        let standing = |state: &State| state.get(id).map(|transaction| (transaction.phase, transaction.producer));
        let before = standing(&inner.state);
        inner.state.apply(record);
        let after = standing(&inner.state);
        if let (Some(events), Some((phase, producer))) = (self.events.get().filter(|_| before != after), after) {
            events.record(EventKind::TransactionChanged {
                transactional_id: id.to_string(),
                producer_id: producer.producer_id,
                producer_epoch: producer.epoch,
                state: phase.name(),
            });
        }
    }

    /// Asks something of a transactional id. Waits for the disk.
    pub(crate) fn ask(&self, id: &TransactionalId, command: Command) -> Result<Reply, ResponseError> {
        let mut inner = self.lock();
        let reply = self.run(&mut inner, id, &command)?;
        if reply != Reply::AbortedFirst {
            return Ok(reply);
        }
        let Command::Init { timeout_ms, expected } = command else { return Ok(reply) };
        // Nobody else can have come in between: the lock was held. Aborting has raised the epoch, so there is none to expect.
        match self.run(&mut inner, id, &Command::Init { timeout_ms, expected: None })? {
            Reply::AbortedFirst => Err(ResponseError::ConcurrentTransactions),
            reply => {
                inner.state.set_replaced(id, expected);
                Ok(reply)
            }
        }
    }

    /// The partition of `__consumer_offsets` that a transaction touches with offsets of this group.
    pub(crate) fn offsets_partition(&self, group_id: &str) -> TopicPartition {
        TopicPartition { topic: OFFSETS_TOPIC.into(), partition: self.groups.partition_of(group_id) }
    }

    /// Reads the state. Nothing that takes long may be done in `read`.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.lock().state)
    }

    /// Where a producer has begun its next transaction, the marker of the one before stands already, though `__transaction_state` has lost
    /// that. Written again it would end the next one: since KIP-890 it has that one's epoch, which is above its own records'.
    fn note_later_transactions(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        for id in inner.state.ending() {
            let Some(transaction) = inner.state.get(id).filter(|transaction| transaction.client_version >= 2) else { continue };
            let producer = transaction.producer;
            for at in &transaction.partitions {
                let log = self.topics.get(&at.topic).and_then(|topic| topic.partition(at.partition));
                let views = log.map(|log| log.producers()).unwrap_or_default();
                let mut of_it = views.iter().filter(|view| view.producer_id == producer.producer_id && view.open_from.is_some());
                if of_it.any(|view| view.epoch >= producer.epoch) {
                    inner.marked.entry(Arc::clone(id)).or_default().insert(at.clone());
                }
            }
        }
    }

    /// Ends what is open in a partition but not here: one of the two has lost its tail in a power failure, or `__transaction_state` was
    /// deleted. Left alone it would hold up every reader of committed records for ever.
    fn end_orphans(&self) {
        let inner = self.lock();
        for topic in self.topics.all() {
            for (partition, log) in (0..).zip(topic.partitions()) {
                let offsets = log.offsets();
                if offsets.last_stable_offset == offsets.high_watermark {
                    continue;
                }
                let at = TopicPartition { topic: Arc::clone(&topic.name), partition };
                for view in log.producers().into_iter().filter(|view| view.open_from.is_some()) {
                    let producer = ProducerEpoch { producer_id: view.producer_id, epoch: view.epoch };
                    let (producer, is_commit) = match inner.state.fate(producer, &at) {
                        Fate::Open => continue,
                        Fate::Committed => (producer.next(), true),
                        Fate::Unknown => (producer, false),
                    };
                    tracing::warn!(topic = &*at.topic, partition, ?producer, is_commit, "a transaction that was left open here is ended");
                    let marker = Marker { is_commit, coordinator_epoch: COORDINATOR_EPOCH };
                    if let Err(error) = self.write_marker(&at, producer, marker) {
                        tracing::error!(topic = &*at.topic, partition, %error, "it could not be ended; the next start tries again");
                    }
                }
            }
        }
    }

    /// Does everything that is due, and says when the next thing is.
    pub(crate) fn run_due(&self) -> Duration {
        let mut inner = self.lock();
        let now_ms = self.clock.now_ms();
        let mut retry_ms = i64::MAX;
        for id in inner.state.ending().cloned().collect::<Vec<_>>() {
            if !self.finish(&mut inner, &id) {
                retry_ms = now_ms + RETRY_MS;
            }
        }
        while let Some((at_ms, id)) = inner.state.next_deadline().filter(|(at_ms, _)| *at_ms <= now_ms) {
            let (id, timeout_ms) = (Arc::clone(id), now_ms - at_ms);
            tracing::info!(transactional_id = &*id, overdue_ms = timeout_ms, "a transaction took longer than its timeout and is aborted");
            if self.run(&mut inner, &id, &Command::TimedOut).is_err() {
                retry_ms = now_ms + RETRY_MS;
                break;
            }
        }
        if inner.next_expiry_check_ms <= now_ms {
            inner.next_expiry_check_ms = now_ms.saturating_add(EXPIRY_CHECK_MS);
            for id in inner.state.iter().map(|(id, _)| Arc::clone(id)).collect::<Vec<_>>() {
                // What fails is logged where it fails, and tried again next time.
                let _logged = self.run(&mut inner, &id, &Command::Expire);
            }
        }
        let deadline_ms = inner.state.next_deadline().map_or(i64::MAX, |(at_ms, _)| at_ms);
        let next_ms = deadline_ms.min(inner.next_expiry_check_ms).max(now_ms).min(retry_ms);
        Duration::from_millis(u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0).max(1))
    }

    /// The timer task's body: ends only when it is dropped.
    pub(crate) async fn run_timers(self: &Arc<Self>) {
        loop {
            let coordinator = Arc::clone(self);
            // Markers are written here, which waits for the disk.
            let Ok(wait) = tokio::task::spawn_blocking(move || coordinator.run_due()).await else { return };
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Decide, append, apply, and carry out an end.
    fn run(&self, inner: &mut Inner, id: &TransactionalId, command: &Command) -> Result<Reply, ResponseError> {
        let now_ms = self.clock.now_ms();
        let fresh_id = if needs_fresh_id(&inner.state, id, command) { Some(self.fresh_id()?) } else { None };
        let decision = decide(&inner.state, &self.config, id, command, fresh_id, now_ms);
        let before_ms = inner.state.next_deadline().map(|(at_ms, _)| at_ms);
        if let Some(record) = &decision.record {
            self.append(record, now_ms)?;
            self.apply(inner, id, record);
        }
        if let Some(replaced) = decision.replaced {
            inner.state.set_replaced(id, replaced);
        }
        let is_ending = inner.state.get(id).is_some_and(|transaction| transaction.phase.is_ending());
        let is_stuck = decision.record.is_some() && is_ending && !self.finish(inner, id);
        let after_ms = inner.state.next_deadline().map(|(at_ms, _)| at_ms);
        if is_stuck || after_ms.is_some_and(|after_ms| before_ms.is_none_or(|before_ms| after_ms < before_ms)) {
            self.changed.notify_one();
        }
        decision.reply
    }

    /// Writes the markers of a decided end, then that it is done. `false`: something could not be written; it is tried again.
    fn finish(&self, inner: &mut Inner, id: &TransactionalId) -> bool {
        let Some(transaction) = inner.state.get(id).filter(|transaction| transaction.phase.is_ending()).cloned() else { return true };
        let marker = Marker { is_commit: transaction.phase == Phase::PrepareCommit, coordinator_epoch: COORDINATOR_EPOCH };
        // What is decided is on the disk before the first partition hears of it: files reach the disk in any order, and after a power cut a
        // decision that is lost would be taken anew, perhaps the other way, for the rest of them.
        if let Err(error) = self.log.make_durable(partition_for(id, self.log.partitions())) {
            tracing::error!(transactional_id = &**id, %error, "the end of a transaction could not be synced; it is tried again");
            return false;
        }
        // A marker that is there is not written once more for the sake of one that can't be.
        let mut marked = inner.marked.remove(id).unwrap_or_default();
        for at in transaction.partitions.difference(&marked.clone()) {
            if let Err(error) = self.write_marker(at, transaction.producer, marker) {
                inner.marked.insert(Arc::clone(id), marked);
                tracing::error!(transactional_id = &**id, topic = &*at.topic, partition = at.partition, %error, "the end of a transaction could not be written; it is tried again");
                return false;
            }
            marked.insert(at.clone());
        }
        let now_ms = self.clock.now_ms();
        let decision = decide(&inner.state, &self.config, id, &Command::Completed, None, now_ms);
        let Some(record) = &decision.record else { return true };
        if self.append(record, now_ms).is_err() {
            inner.marked.insert(Arc::clone(id), marked);
            return false; // logged there
        }
        self.apply(inner, id, record);
        true
    }

    /// Ends the transaction in one partition, for good: what comes after it may forget how it ended. A partition that is gone, or where a
    /// newer producer has written, needs no end any more.
    fn write_marker(&self, at: &TopicPartition, producer: ProducerEpoch, marker: Marker) -> Result<(), AppendError> {
        let written = if &*at.topic == OFFSETS_TOPIC {
            self.groups.end_transaction(at.partition, producer, marker)
        } else {
            let log = self.topics.get(&at.topic).and_then(|topic| topic.partition(at.partition));
            log.map_or(Ok(()), |log| {
                log.append_marker(producer, marker)?;
                Ok(log.make_durable()?)
            })
        };
        match written {
            Err(AppendError::Deleted) => Ok(()),
            Err(AppendError::Fenced) => {
                tracing::warn!(topic = &*at.topic, partition = at.partition, "a newer producer has written where a transaction ends");
                Ok(())
            }
            written => written,
        }
    }

    fn append(&self, record: &Record, now_ms: i64) -> Result<(), ResponseError> {
        let (key, value) = record.encode();
        let batch = build_batch(now_ms, [(Some(&key[..]), value.as_deref())]);
        self.log.append(partition_for(&record.id, self.log.partitions()), &batch).map_err(|error| {
            tracing::error!(transactional_id = &*record.id, %error, "could not append to __transaction_state; the request is refused");
            ResponseError::CoordinatorNotAvailable
        })
    }

    fn fresh_id(&self) -> Result<i64, ResponseError> {
        self.producer_ids.next().map_err(|error| {
            tracing::error!(%error, "no producer id could be taken from the disk");
            ResponseError::CoordinatorNotAvailable
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl fmt::Debug for TransactionCoordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionCoordinator").finish_non_exhaustive()
    }
}

fn replay_batch(state: &mut State, batch: &[u8]) {
    let header = match batch::check(batch) {
        Ok(header) => header,
        Err(error) => return tracing::error!(%error, "a damaged batch in __transaction_state is skipped"),
    };
    if header.is_compressed() || header.is_control() {
        return; // not ours
    }
    for record in records(batch).map_while(Result::ok) {
        match Record::decode(record.key.unwrap_or_default(), record.value) {
            Ok(record) => state.apply(&record),
            Err(error) => tracing::warn!(%error, "unreadable record in __transaction_state"),
        }
    }
}
