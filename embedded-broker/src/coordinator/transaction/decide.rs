//! From a command to what follows from it. Nothing is changed here.

use std::collections::BTreeSet;

use super::config::TransactionConfig;
use super::records::Record;
use super::state::{EPOCH_MAX, Phase, State, TopicPartition, Transaction, TransactionalId};
use crate::codec::ResponseError;
use crate::log::ProducerEpoch;

const NONE: i64 = -1;
/// Clients of this transaction version raise their epoch with each end (KIP-890).
const EPOCH_PER_TRANSACTION: i16 = 2;

/// One thing asked of one transactional id.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// A producer begins its life, or goes on after an error (`expected`, KIP-360).
    Init { timeout_ms: i32, expected: Option<ProducerEpoch> },
    /// The transaction reaches into these partitions.
    Add { producer: ProducerEpoch, partitions: Vec<TopicPartition>, client_version: i16 },
    /// Does the transaction reach into this one?
    Verify { producer: ProducerEpoch, partition: TopicPartition },
    /// The producer ends it.
    End { producer: ProducerEpoch, is_commit: bool, client_version: i16 },
    /// Every partition has its marker.
    Completed,
    /// Its time may be up.
    TimedOut,
    /// The id may have outlived its retention.
    Expire,
}

/// What the client learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It is done.
    Done,
    /// The producer id and epoch to go on with.
    Producer(ProducerEpoch),
    /// What was open is aborted first; ask again once it is.
    AbortedFirst,
}

/// What follows. The record is appended, then applied; then the reply is given.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) record: Option<Record>,
    pub(crate) reply: Result<Reply, ResponseError>,
    /// The producer that was given a new epoch here and may ask again with its old one; `None` leaves it as it was.
    pub(crate) replaced: Option<Option<ProducerEpoch>>,
}

/// What follows from `command`, asked of `id` at `now_ms`. `fresh_id` is there if [`needs_fresh_id`].
pub(crate) fn decide(
    state: &State,
    config: &TransactionConfig,
    id: &TransactionalId,
    command: &Command,
    fresh_id: Option<i64>,
    now_ms: i64,
) -> Decision {
    let at = At { state, config, id, now_ms, fresh_id };
    let transaction = state.get(id);
    let decided = match (command, transaction) {
        (Command::Init { timeout_ms, expected }, _) => at.init(transaction, *timeout_ms, *expected),
        (Command::Completed | Command::TimedOut | Command::Expire, None) => Ok(at.nothing(Reply::Done)),
        (_, None) => Err(ResponseError::InvalidProducerIdMapping),
        (Command::Add { producer, partitions, client_version }, Some(transaction)) => {
            at.add(transaction, *producer, partitions, *client_version)
        }
        (Command::Verify { producer, partition }, Some(transaction)) => at.verify(transaction, *producer, partition),
        (Command::End { producer, is_commit, client_version }, Some(transaction)) if *client_version >= EPOCH_PER_TRANSACTION => {
            at.end_and_raise_epoch(transaction, *producer, *is_commit, *client_version)
        }
        (Command::End { producer, is_commit, .. }, Some(transaction)) => at.end(transaction, *producer, *is_commit),
        (Command::Completed, Some(transaction)) => Ok(at.completed(transaction)),
        (Command::TimedOut, Some(transaction)) => Ok(at.timed_out(transaction)),
        (Command::Expire, Some(transaction)) => Ok(at.expire(transaction)),
    };
    decided.unwrap_or_else(|error| Decision { record: None, reply: Err(error), replaced: None })
}

/// Whether the command may give the id another producer id, which then must be fresh.
pub(crate) fn needs_fresh_id(state: &State, id: &TransactionalId, command: &Command) -> bool {
    let transaction = state.get(id);
    match command {
        Command::Init { .. } => transaction.is_none_or(Transaction::is_exhausted),
        Command::End { client_version, .. } => {
            *client_version >= EPOCH_PER_TRANSACTION && transaction.is_some_and(Transaction::is_exhausted)
        }
        _ => false,
    }
}

struct At<'a> {
    state: &'a State,
    config: &'a TransactionConfig,
    id: &'a TransactionalId,
    now_ms: i64,
    fresh_id: Option<i64>,
}

type Decided = Result<Decision, ResponseError>;

impl At<'_> {
    fn init(&self, transaction: Option<&Transaction>, timeout_ms: i32, expected: Option<ProducerEpoch>) -> Decided {
        if timeout_ms <= 0 || timeout_ms > self.config.max_timeout_ms {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let Some(old) = transaction else {
            if self.state.len() >= self.config.max_ids {
                return Err(ResponseError::PolicyViolation);
            }
            let producer = ProducerEpoch { producer_id: self.fresh()?, epoch: 0 };
            return Ok(self.begin_life(producer, NONE, timeout_ms, None));
        };
        let is_retry = expected.is_some() && self.state.replaced(self.id) == expected;
        if expected.is_some_and(|expected| expected != old.producer) && !is_retry {
            return Err(ResponseError::ProducerFenced);
        }
        match old.phase {
            Phase::PrepareCommit | Phase::PrepareAbort => Err(ResponseError::ConcurrentTransactions),
            Phase::Ongoing if is_retry => Err(ResponseError::ProducerFenced),
            Phase::Ongoing => Ok(Decision { reply: Ok(Reply::AbortedFirst), ..self.fence(old) }),
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort if is_retry => Ok(self.nothing(Reply::Producer(old.producer))),
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort if old.is_exhausted() => {
                let producer = ProducerEpoch { producer_id: self.fresh()?, epoch: 0 };
                Ok(self.begin_life(producer, old.producer.producer_id, timeout_ms, expected))
            }
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort => {
                Ok(self.begin_life(old.producer.next(), old.previous_producer_id, timeout_ms, expected))
            }
        }
    }

    fn begin_life(&self, producer: ProducerEpoch, previous_producer_id: i64, timeout_ms: i32, expected: Option<ProducerEpoch>) -> Decision {
        let transaction = Transaction {
            producer,
            previous_producer_id,
            next_producer_id: NONE,
            timeout_ms,
            phase: Phase::Empty,
            partitions: BTreeSet::new(),
            started_ms: NONE,
            updated_ms: self.now_ms,
            client_version: 0,
        };
        Decision { replaced: Some(expected), ..self.write(transaction, Reply::Producer(producer)) }
    }

    fn add(&self, old: &Transaction, producer: ProducerEpoch, partitions: &[TopicPartition], client_version: i16) -> Decided {
        check_producer(old, producer)?;
        let is_ongoing = match old.phase {
            Phase::PrepareCommit | Phase::PrepareAbort => return Err(ResponseError::ConcurrentTransactions),
            Phase::Ongoing => true,
            Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort => false,
        };
        if is_ongoing && partitions.iter().all(|partition| old.partitions.contains(partition)) {
            return Ok(self.nothing(Reply::Done));
        }
        let mut new = Transaction { phase: Phase::Ongoing, updated_ms: self.now_ms, client_version, ..old.clone() };
        if !is_ongoing {
            new.partitions.clear();
            new.started_ms = self.now_ms;
        }
        new.partitions.extend(partitions.iter().cloned());
        if new.partitions.len() > self.config.max_partitions {
            return Err(ResponseError::PolicyViolation);
        }
        Ok(self.write(new, Reply::Done))
    }

    fn verify(&self, transaction: &Transaction, producer: ProducerEpoch, partition: &TopicPartition) -> Decided {
        check_producer(transaction, producer)?;
        let is_in = transaction.phase == Phase::Ongoing && transaction.partitions.contains(partition);
        if is_in { Ok(self.nothing(Reply::Done)) } else { Err(ResponseError::InvalidTxnState) }
    }

    /// EndTxn up to version 4: the epoch stays, and ending again what has ended alike is no error.
    fn end(&self, old: &Transaction, producer: ProducerEpoch, is_commit: bool) -> Decided {
        check_producer(old, producer)?;
        match (old.phase, is_commit) {
            (Phase::Ongoing, _) => {
                let new = Transaction { phase: ending(is_commit), updated_ms: self.now_ms, ..old.clone() };
                Ok(self.write(new, Reply::Producer(producer)))
            }
            (Phase::CompleteCommit, true) | (Phase::CompleteAbort, false) => Ok(self.nothing(Reply::Producer(producer))),
            (Phase::PrepareCommit, true) | (Phase::PrepareAbort, false) => Err(ResponseError::ConcurrentTransactions),
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// EndTxn from version 5 (KIP-890): the epoch rises with the end, so that nothing of this transaction can reach the next one. A request
    /// that comes again with the epoch before is told what it was told then.
    fn end_and_raise_epoch(&self, old: &Transaction, producer: ProducerEpoch, is_commit: bool, client_version: i16) -> Decided {
        let is_one_on = old.producer == producer.next();
        let is_rotated = old.producer.epoch == 0 && old.previous_producer_id == producer.producer_id && producer.epoch >= EPOCH_MAX;
        let is_retry = is_one_on || is_rotated;
        match (old.phase, is_commit) {
            (Phase::PrepareCommit, true) | (Phase::PrepareAbort, false) if is_retry => return Err(ResponseError::ConcurrentTransactions),
            (Phase::CompleteCommit, true) | (Phase::CompleteAbort, false) if is_retry => {
                return Ok(self.nothing(Reply::Producer(old.producer)));
            }
            _ => check_producer(old, producer)?,
        }
        match (old.phase, is_commit) {
            (Phase::PrepareCommit | Phase::PrepareAbort, _) => return Err(ResponseError::ConcurrentTransactions),
            // Nothing was added: there is nothing to commit, but an abort is granted, for the client can't know.
            (Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort, true) => return Err(ResponseError::InvalidTxnState),
            _ => {}
        }
        let next_producer_id = if old.is_exhausted() { self.fresh()? } else { NONE };
        let raised = producer.next();
        let partitions = if old.phase == Phase::Ongoing { old.partitions.clone() } else { BTreeSet::new() };
        let new = Transaction {
            producer: raised,
            next_producer_id,
            phase: ending(is_commit),
            partitions,
            updated_ms: self.now_ms,
            client_version,
            ..old.clone()
        };
        let told = if next_producer_id == NONE { raised } else { ProducerEpoch { producer_id: next_producer_id, epoch: 0 } };
        Ok(self.write(new, Reply::Producer(told)))
    }

    fn completed(&self, old: &Transaction) -> Decision {
        let phase = match old.phase {
            Phase::PrepareCommit => Phase::CompleteCommit,
            Phase::PrepareAbort => Phase::CompleteAbort,
            _ => return self.nothing(Reply::Done),
        };
        let mut new = Transaction { phase, partitions: BTreeSet::new(), started_ms: NONE, updated_ms: self.now_ms, ..old.clone() };
        if old.next_producer_id != NONE {
            new.previous_producer_id = old.producer.producer_id;
            new.producer = ProducerEpoch { producer_id: old.next_producer_id, epoch: 0 };
            new.next_producer_id = NONE;
        }
        self.write(new, Reply::Done)
    }

    fn timed_out(&self, old: &Transaction) -> Decision {
        let is_due = old.phase == Phase::Ongoing && old.started_ms.saturating_add(i64::from(old.timeout_ms)) <= self.now_ms;
        if is_due { self.fence(old) } else { self.nothing(Reply::Done) }
    }

    /// Aborts under a raised epoch: who began it is shut out.
    fn fence(&self, old: &Transaction) -> Decision {
        let new = Transaction { producer: old.producer.next(), phase: Phase::PrepareAbort, updated_ms: self.now_ms, ..old.clone() };
        Decision { replaced: Some(None), ..self.write(new, Reply::Done) }
    }

    fn expire(&self, old: &Transaction) -> Decision {
        let is_idle = matches!(old.phase, Phase::Empty | Phase::CompleteCommit | Phase::CompleteAbort);
        if !is_idle || old.updated_ms.saturating_add(self.config.id_expiration_ms) > self.now_ms {
            return self.nothing(Reply::Done);
        }
        let record = Record { id: self.id.clone(), transaction: None };
        Decision { record: Some(record), reply: Ok(Reply::Done), replaced: None }
    }

    fn write(&self, transaction: Transaction, reply: Reply) -> Decision {
        let record = Record { id: self.id.clone(), transaction: Some(transaction) };
        Decision { record: Some(record), reply: Ok(reply), replaced: None }
    }

    fn nothing(&self, reply: Reply) -> Decision {
        Decision { record: None, reply: Ok(reply), replaced: None }
    }

    fn fresh(&self) -> Result<i64, ResponseError> {
        self.fresh_id.ok_or(ResponseError::CoordinatorNotAvailable)
    }
}

fn ending(is_commit: bool) -> Phase {
    if is_commit { Phase::PrepareCommit } else { Phase::PrepareAbort }
}

fn check_producer(transaction: &Transaction, producer: ProducerEpoch) -> Result<(), ResponseError> {
    if transaction.producer.producer_id != producer.producer_id {
        Err(ResponseError::InvalidProducerIdMapping)
    } else if transaction.producer.epoch != producer.epoch {
        Err(ResponseError::ProducerFenced)
    } else {
        Ok(())
    }
}
