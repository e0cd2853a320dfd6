//! The producers that a simulation's threads have: in transactions, which are refused and lose answers, and plain ones, whose records wait
//! in a queue and are lost with it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use super::{
    PARTITIONS, Sabotage,
    cluster::{MockConsumer, at},
    log::{At, partition_of},
    world::World,
};
use crate::{
    client::{Assignment, ClientError, Full, OutgoingRecord, TransactionError},
    stream::app::{cluster::Producer, writer::NextOffsets},
};

/// Either kind.
pub(super) enum MockProducer {
    Transactional(Transactional),
    Plain(Plain),
}

impl MockProducer {
    /// One whose earlier ones are fenced, and what they began has ended.
    pub(super) fn transactional(world: &Rc<World>, process: usize, id: &str, timeout: Duration) -> Self {
        let mut holders = world.holders.borrow_mut();
        let holder = holders.entry(id.to_owned()).or_default();
        holder.epoch += 1;
        if let Some(transaction) = holder.transaction.take() {
            let mut log = world.log.borrow_mut();
            log.end(transaction, false);
            log.finish(transaction);
        }
        let (world, id, epoch) = (Rc::clone(world), id.to_owned(), holder.epoch);
        Self::Transactional(Transactional { world, process, id, epoch, timeout, tracked: RefCell::default() })
    }

    pub(super) fn plain(world: &Rc<World>) -> Self {
        Self::Plain(Plain { world: Rc::clone(world), queue: RefCell::default(), failed: Cell::default(), tracked: RefCell::default() })
    }
}

/// Hands a call on.
macro_rules! each {
    ($of:expr, $producer:ident => $call:expr) => {
        match $of {
            MockProducer::Transactional($producer) => $call,
            MockProducer::Plain($producer) => $call,
        }
    };
}

impl Producer<MockConsumer> for MockProducer {
    fn send(&self, record: OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError> {
        each!(self, it => it.send(record))
    }

    fn send_tracked(&self, record: OutgoingRecord<'_>, number: usize) -> Result<Result<(), Full>, ClientError> {
        each!(self, it => it.send_tracked(record, number))
    }

    fn tracked(&self, number: usize) -> Option<i64> {
        each!(self, it => it.tracked(number))
    }

    fn flush(&self) -> Result<(), ClientError> {
        each!(self, it => it.flush())
    }

    fn failed(&self) -> u64 {
        each!(self, it => it.failed())
    }

    fn take_refused(&self) -> Option<ClientError> {
        each!(self, it => it.take_refused())
    }

    fn begin(&self) -> Result<(), TransactionError> {
        each!(self, it => it.begin())
    }

    fn send_offsets(&self, next: &NextOffsets, consumer: &MockConsumer) -> Result<(), TransactionError> {
        each!(self, it => it.send_offsets(next, consumer))
    }

    fn commit(&self) -> Result<(), TransactionError> {
        each!(self, it => it.commit())
    }

    fn abort(&self) -> Result<(), TransactionError> {
        each!(self, it => it.abort())
    }
}

/// Writes in transactions only.
pub(super) struct Transactional {
    world: Rc<World>,
    process: usize,
    id: String,
    epoch: u64,
    timeout: Duration,
    tracked: RefCell<BTreeMap<usize, i64>>,
}

impl Transactional {
    /// What it has begun, unless another has its id.
    fn transaction(&self) -> Result<Option<usize>, TransactionError> {
        let holders = self.world.holders.borrow();
        let holder = holders.get(&self.id).filter(|holder| holder.epoch == self.epoch);
        holder.map(|holder| holder.transaction).ok_or_else(|| TransactionError::Replace(ClientError::message("it was fenced")))
    }

    /// The same, unless the coordinator has ended it.
    fn open(&self) -> Result<usize, TransactionError> {
        let open = self.transaction()?.filter(|transaction| self.world.log.borrow().is_open(*transaction));
        let error = || ClientError::message("it has ended");
        open.ok_or_else(|| if self.world.fails(2) { TransactionError::Replace(error()) } else { TransactionError::Abort(error()) })
    }

    fn append(&self, record: OutgoingRecord<'_>) -> Option<i64> {
        let transaction = self.open().ok()?;
        let key = record.key.unwrap_or_default();
        let at: At = (Arc::from(record.topic), record.partition.unwrap_or_else(|| partition_of(key, PARTITIONS)));
        Some(self.world.log.borrow_mut().append(&at, Some(transaction), key, record.value, record.timestamp_ms.unwrap_or(0)))
    }

    /// Ends the transaction; the answer may come before the markers are written, or never, and then nobody knows whether the request came.
    fn end(&self, transaction: usize, is_commit: bool) -> Result<(), TransactionError> {
        let is_answer_lost = self.world.fails(16);
        if is_answer_lost && self.world.fails(3) {
            return Err(TransactionError::Replace(ClientError::no_answer()));
        }
        self.world.log.borrow_mut().end(transaction, is_commit);
        if self.world.is_calm.get() {
            self.world.log.borrow_mut().finish(transaction);
        }
        if !is_answer_lost {
            return Ok(());
        }
        if self.world.sabotage == Sabotage::DiskOffsetsFirst && is_commit {
            self.world.disks.note_ends(&World::folder(self.process), &self.world.log.borrow());
        }
        Err(TransactionError::Replace(ClientError::no_answer()))
    }
}

impl Producer<MockConsumer> for Transactional {
    fn send(&self, record: OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError> {
        // What could not be written is told by the commit.
        self.append(record);
        Ok(Ok(()))
    }

    fn send_tracked(&self, record: OutgoingRecord<'_>, number: usize) -> Result<Result<(), Full>, ClientError> {
        if let Some(offset) = self.append(record) {
            self.tracked.borrow_mut().insert(number, offset);
        }
        Ok(Ok(()))
    }

    fn tracked(&self, number: usize) -> Option<i64> {
        self.tracked.borrow().get(&number).copied()
    }

    fn flush(&self) -> Result<(), ClientError> {
        Ok(())
    }

    fn failed(&self) -> u64 {
        0
    }

    fn take_refused(&self) -> Option<ClientError> {
        None
    }

    fn begin(&self) -> Result<(), TransactionError> {
        let before = self.transaction()?;
        let mut log = self.world.log.borrow_mut();
        if let Some(before) = before {
            log.finish(before);
        }
        let transaction = log.begin(self.world.now.get() + self.timeout);
        self.world.holders.borrow_mut().entry(self.id.clone()).or_default().transaction = Some(transaction);
        Ok(())
    }

    fn send_offsets(&self, next: &NextOffsets, consumer: &MockConsumer) -> Result<(), TransactionError> {
        let transaction = self.open()?;
        let (mut log, sabotage) = (self.world.log.borrow_mut(), self.world.sabotage);
        let is_unchanged = |of: &Assignment, next: i64| log.committed.get(&at(of)).map_or(0, |(next, _)| *next) == next;
        let is_nothing =
            next.is_empty() || sabotage == Sabotage::NoUnchangedOffsets && next.iter().all(|(of, next, _)| is_unchanged(of, *next));
        if is_nothing {
            return Ok(());
        }
        let is_known = sabotage == Sabotage::NoFencing || self.world.group.borrow().is_current(consumer.member);
        if !is_known || self.world.fails(16) {
            return Err(TransactionError::Abort(ClientError::message("the coordinator refuses")));
        }
        log.add_offsets(transaction, next.iter().map(|(of, next, note)| (at(of), (*next, note.clone()))));
        Ok(())
    }

    fn commit(&self) -> Result<(), TransactionError> {
        self.world.meanwhile();
        let transaction = self.open()?;
        if self.world.fails(16) {
            return Err(TransactionError::Abort(ClientError::message("the coordinator refuses")));
        }
        self.end(transaction, true)
    }

    fn abort(&self) -> Result<(), TransactionError> {
        match self.transaction()? {
            Some(transaction) if self.world.log.borrow().is_open(transaction) => self.end(transaction, false),
            _ => Ok(()),
        }
    }
}

/// Writes plainly, in the order in which records were sent. What waits in its queue when it ends is gone.
pub(super) struct Plain {
    world: Rc<World>,
    queue: RefCell<VecDeque<Queued>>,
    /// Records that were given up. Then brokers are too far away for all that come after them too.
    failed: Cell<u64>,
    tracked: RefCell<BTreeMap<usize, i64>>,
}

/// A record that nobody has acknowledged.
struct Queued {
    at: At,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    timestamp_ms: i64,
    number: Option<usize>,
}

impl Plain {
    fn queue(&self, record: OutgoingRecord<'_>, number: Option<usize>) -> Result<(), Full> {
        if self.world.fails(40) {
            return Err(Full);
        }
        let key = record.key.unwrap_or_default();
        let at: At = (Arc::from(record.topic), record.partition.unwrap_or_else(|| partition_of(key, PARTITIONS)));
        self.world.sent(&at, record.value);
        let (key, value) = (key.to_vec(), record.value.map(<[u8]>::to_vec));
        self.queue.borrow_mut().push_back(Queued { at, key, value, timestamp_ms: record.timestamp_ms.unwrap_or(0), number });
        if self.failed.get() > 0 || self.world.fails(400) {
            self.failed.set(self.failed.get() + self.queue.take().len() as u64);
        }
        if self.world.below(3) == 0 {
            self.write_some();
        }
        Ok(())
    }

    /// Writes the first so many of what waits.
    fn write(&self, count: usize) {
        for Queued { at, key, value, timestamp_ms, number } in self.queue.borrow_mut().drain(..count) {
            let offset = self.world.log.borrow_mut().append(&at, None, &key, value.as_deref(), timestamp_ms);
            self.tracked.borrow_mut().extend(number.map(|number| (number, offset)));
        }
    }

    fn write_some(&self) {
        let waiting = self.queue.borrow().len();
        self.write(self.world.below(waiting as u64 + 1) as usize);
    }

    fn no_transaction() -> TransactionError {
        TransactionError::Replace(ClientError::message("it has no transactions"))
    }
}

impl Producer<MockConsumer> for Plain {
    fn send(&self, record: OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError> {
        Ok(self.queue(record, None))
    }

    fn send_tracked(&self, record: OutgoingRecord<'_>, number: usize) -> Result<Result<(), Full>, ClientError> {
        Ok(self.queue(record, Some(number)))
    }

    fn tracked(&self, number: usize) -> Option<i64> {
        self.tracked.borrow().get(&number).copied()
    }

    fn flush(&self) -> Result<(), ClientError> {
        self.world.meanwhile();
        if self.world.fails(24) {
            self.write_some();
            return Err(ClientError::no_answer());
        }
        let waiting = self.queue.borrow().len();
        self.write(waiting);
        Ok(())
    }

    fn failed(&self) -> u64 {
        if self.world.sabotage == Sabotage::NoFailed { 0 } else { self.failed.get() }
    }

    fn take_refused(&self) -> Option<ClientError> {
        None
    }

    fn begin(&self) -> Result<(), TransactionError> {
        Err(Self::no_transaction())
    }

    fn send_offsets(&self, _: &NextOffsets, _: &MockConsumer) -> Result<(), TransactionError> {
        Err(Self::no_transaction())
    }

    fn commit(&self) -> Result<(), TransactionError> {
        Err(Self::no_transaction())
    }

    fn abort(&self) -> Result<(), TransactionError> {
        Err(Self::no_transaction())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.write_some();
    }
}
