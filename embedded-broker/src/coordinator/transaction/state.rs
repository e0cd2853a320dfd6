//! All transactional ids. [`State::apply`] is the only thing that changes them, live and on recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::records::Record;
use crate::log::ProducerEpoch;

/// A producer's name for its transactions, chosen by its operator and kept over restarts.
pub(crate) type TransactionalId = Arc<str>;

/// The last epoch a producer may use: the one above is kept for the marker that fences it.
pub(super) const EPOCH_MAX: i16 = i16::MAX - 1;

/// A partition that a transaction has touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicPartition {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
}

/// Where a transaction stands (`TransactionState` in Kafka; the numbers are those of its log).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Empty = 0,
    Ongoing = 1,
    PrepareCommit = 2,
    PrepareAbort = 3,
    CompleteCommit = 4,
    CompleteAbort = 5,
}

/// A transactional id and its newest transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) producer: ProducerEpoch,
    /// The producer id before the last rotation; -1: there was none.
    pub(crate) previous_producer_id: i64,
    /// The producer id once this transaction is complete; -1: the same.
    pub(crate) next_producer_id: i64,
    pub(crate) timeout_ms: i32,
    pub(crate) phase: Phase,
    pub(crate) partitions: BTreeSet<TopicPartition>,
    /// When the transaction began; -1: none has.
    pub(crate) started_ms: i64,
    pub(crate) updated_ms: i64,
    /// 2: the client raises its epoch with each end (KIP-890).
    pub(crate) client_version: i16,
}

/// What the coordinator knows of a transaction that a partition holds open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Open here too, or about to be ended.
    Open,
    /// Committed: its marker was lost with the power.
    Committed,
    /// Nothing, so nobody was told that it committed.
    Unknown,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    by_id: BTreeMap<TransactionalId, Transaction>,
    /// When an ongoing one is to be aborted.
    deadlines: BTreeSet<(i64, TransactionalId)>,
    /// Those whose end is decided but not carried out.
    ending: BTreeSet<TransactionalId>,
    /// The epoch that a producer named when it was given a new one: it may ask again with that (KIP-360). Not durable, as in Kafka.
    replaced: BTreeMap<TransactionalId, ProducerEpoch>,
}

impl State {
    pub(crate) fn get(&self, id: &str) -> Option<&Transaction> {
        self.by_id.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TransactionalId, &Transaction)> {
        self.by_id.iter()
    }

    /// The next one to time out, and when.
    pub(crate) fn next_deadline(&self) -> Option<(i64, &TransactionalId)> {
        self.deadlines.first().map(|(at_ms, id)| (*at_ms, id))
    }

    /// Those whose end is decided but not carried out.
    pub(crate) fn ending(&self) -> impl Iterator<Item = &TransactionalId> {
        self.ending.iter()
    }

    /// What is known of a transaction that is open in a partition under this producer id and epoch.
    pub(super) fn fate(&self, producer: ProducerEpoch, at: &TopicPartition) -> Fate {
        for it in self.by_id.values() {
            let is_same_id = it.producer.producer_id == producer.producer_id;
            match it.phase {
                Phase::Ongoing | Phase::PrepareCommit | Phase::PrepareAbort if is_same_id && it.partitions.contains(at) => {
                    return Fate::Open;
                }
                // Only where each transaction has an epoch of its own can it be told from the next (KIP-890).
                Phase::CompleteCommit if it.client_version >= 2 && it.producer == producer.next() => return Fate::Committed,
                _ => {}
            }
        }
        Fate::Unknown
    }

    /// A record has become durable.
    pub(crate) fn apply(&mut self, record: &Record) {
        let (id, old) = (&record.id, self.by_id.get(&record.id));
        if let Some(deadline_ms) = old.and_then(Transaction::deadline_ms) {
            self.deadlines.remove(&(deadline_ms, Arc::clone(id)));
        }
        self.ending.remove(id);
        let Some(new) = &record.transaction else {
            self.by_id.remove(id);
            self.replaced.remove(id);
            return;
        };
        self.deadlines.extend(new.deadline_ms().map(|at_ms| (at_ms, Arc::clone(id))));
        if new.phase.is_ending() {
            self.ending.insert(Arc::clone(id));
        }
        self.by_id.insert(Arc::clone(id), new.clone());
    }

    pub(super) fn replaced(&self, id: &str) -> Option<ProducerEpoch> {
        self.replaced.get(id).copied()
    }

    pub(super) fn set_replaced(&mut self, id: &TransactionalId, by: Option<ProducerEpoch>) {
        match by {
            Some(producer) => self.replaced.insert(Arc::clone(id), producer),
            None => self.replaced.remove(id),
        };
    }
}

impl Transaction {
    /// When it is to be aborted, if it is ongoing.
    fn deadline_ms(&self) -> Option<i64> {
        (self.phase == Phase::Ongoing).then(|| self.started_ms.saturating_add(i64::from(self.timeout_ms)))
    }

    /// The producer has used up its epochs; the next needs a new id.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.producer.epoch >= EPOCH_MAX
    }
}

impl Phase {
    pub(crate) const ALL: [Self; 6] =
        [Self::Empty, Self::Ongoing, Self::PrepareCommit, Self::PrepareAbort, Self::CompleteCommit, Self::CompleteAbort];

    pub(crate) fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Kafka's name for it, as DescribeTransactions shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}
