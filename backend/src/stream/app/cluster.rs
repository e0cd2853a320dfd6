//! What a stream thread needs of the world: a cluster's clients (`KafkaClientSupplier` in Kafka Streams), a place for state, and time
//! (its `Time`).
//!
//! Applications have [`Kafka`]: librdkafka, the file system and this machine's clocks, each call handed on as it is. The simulation has a
//! model of them that a seed drives. What is promised here is therefore what both must do; threads are generic over it, so that nothing
//! stands between a thread and its client.

use std::{
    fmt::Debug,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use weir_model::TimestampMs;

use super::{
    TaskId,
    disk::{DiskError, Next, Owner, TaskDisk},
    writer::NextOffsets,
};
use crate::{
    client::{
        self, Admin, Assignment, Assignor, ClientError, Committed, Connection, Full, GroupDescription, GroupProtocol, ListedOffset,
        OffsetSpec, OutgoingRecord, ReaderEvent, TaskConsumer, TaskEvent, TransactionError,
    },
    stream::Backing,
};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A cluster as one life of a stream thread sees it, with the machine it runs on.
pub(super) trait Cluster {
    type Consumer: Consumer;
    type Producer: Producer<Self::Consumer>;

    /// Joins a group. Nothing is assigned before the consumer was polled.
    fn consumer(&self, member: &Membership<'_>) -> Result<Self::Consumer, ClientError>;

    /// A producer that writes plainly; records wait so long for others to go with.
    fn producer(&self, linger: Duration) -> Result<Self::Producer, ClientError>;

    /// A producer that writes in transactions only. Once it is there, all others of the same id are fenced and what they began has ended.
    /// Its own transactions are aborted by the coordinator once they are older than that.
    fn transactional(&self, id: &str, transaction_timeout: Duration) -> Result<Self::Producer, ClientError>;

    /// A group as its coordinator describes it; `None` where that knows none of this name.
    fn group(&self, name: &str) -> Result<Option<GroupDescription>, ClientError>;

    /// Reads partitions of a topic from these offsets on, without a group; what is committed only.
    fn reader(&self, topic: &str, starts: &[(i32, i64)]) -> Result<Box<dyn Reader>, ClientError>;

    /// Offsets of partitions, in any order.
    fn list_offsets(&self, partitions: &[(String, i32)], spec: OffsetSpec) -> Result<Vec<ListedOffset>, ClientError>;

    /// Opens what a folder has of a task. `Some` with the reason where that had to be wiped.
    fn open(&self, dir: &Path, owner: &Owner, task: TaskId) -> Result<(Rc<dyn Disk>, Option<String>), DiskError>;

    /// A clock that never goes back.
    fn now(&self) -> Instant;

    /// The wall clock, in epoch milliseconds.
    fn now_ms(&self) -> i64;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// Whether a step is left out, so that a test sees it missed. Never so outside of tests.
    fn leaves_out(&self, _: Step) -> bool {
        false
    }
}

/// What a stream thread must do, each for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Tasks take back what was aborted.
    RollBack,
    /// What was done is committed before partitions are given up.
    CommitRevoked,
    /// What was done is aborted when partitions are another's already.
    AbortLost,
    /// A task that was kept over a rebalance goes on only where nobody else has written to its changelogs.
    CompareChangelogs,
    /// Offsets are committed after all that was read before them led to was acknowledged (at least once).
    Acknowledge,
    /// A task that runs here has its replica's stores, and nobody else writes to them.
    TakeReplica,
    /// A replica is read on from where its copy ends.
    FollowFromCopy,
}

/// Who joins which group, and what it reads.
pub(super) struct Membership<'m> {
    pub(super) group: &'m str,
    pub(super) client_id: &'m str,
    pub(super) topics: &'m [&'m str],
    pub(super) protocol: GroupProtocol,
    pub(super) assignor: Assignor,
}

/// A member of a group, which reads what is committed only. A rebalance waits until what the poll brought of it is answered. One that is
/// dropped leaves its group.
pub(super) trait Consumer {
    /// Waits for the next event; `None` when the time is over. After an error the next poll tries again.
    fn poll(&self, timeout: Duration) -> Result<Option<TaskEvent<'_>>, ClientError>;

    /// Answers an assignment: begins to read these partitions from these offsets.
    fn take_over(&mut self, starts: impl IntoIterator<Item = (Assignment, i64)>) -> Result<(), ClientError>;

    /// Answers a revocation or a loss; what was fetched of these partitions is forgotten.
    fn give_up(&self, partitions: &[Assignment]) -> Result<(), ClientError>;

    /// Stops fetching; what was fetched comes again after [`Self::resume`].
    fn pause(&self, partitions: &[Assignment]) -> Result<(), ClientError>;

    /// Fetches again.
    fn resume(&self, partitions: &[Assignment]) -> Result<(), ClientError>;

    /// Reads on from other offsets; what was fetched of these partitions is forgotten. Fails for one that is not assigned.
    fn seek(&self, to: Vec<(Assignment, i64)>) -> Result<(), ClientError>;

    /// The end of a partition when it was last fetched, transactions' markers included; `None` before.
    fn fetched_end(&self, at: &Assignment) -> Option<i64>;

    /// Commits offsets with notes, without a transaction. Refused after a rebalance that this member has missed.
    fn commit(&self, next: &NextOffsets) -> Result<(), ClientError>;

    /// The group's committed offsets, once no transaction is about to commit others (KIP-447).
    fn committed(&self, partitions: &[Assignment]) -> Result<Vec<Committed>, ClientError>;
}

/// Writes records in the order in which they are sent.
pub(super) trait Producer<C> {
    /// Queues a record. `Ok(Err(Full))` when it was not: to be tried again soon.
    fn send(&self, record: OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError>;

    /// The same, and the offset it gets is kept under a number.
    fn send_tracked(&self, record: OutgoingRecord<'_>, number: usize) -> Result<Result<(), Full>, ClientError>;

    /// The largest offset written under a number; `None` before the first.
    fn tracked(&self, number: usize) -> Option<i64>;

    /// Waits until everything queued was written, or has failed.
    fn flush(&self) -> Result<(), ClientError>;

    /// Records that failed for good.
    fn failed(&self) -> u64;

    /// Why a record was not written: the first since this was asked before.
    fn take_refused(&self) -> Option<ClientError>;

    /// Begins a transaction.
    fn begin(&self) -> Result<(), TransactionError>;

    /// Adds offsets to the transaction. Refused where the consumer has been replaced in its group since it heard of it last; nothing is asked
    /// for no offsets.
    fn send_offsets(&self, next: &NextOffsets, consumer: &C) -> Result<(), TransactionError>;

    /// Commits the transaction, after all its records were written.
    fn commit(&self) -> Result<(), TransactionError>;

    /// Takes the transaction back.
    fn abort(&self) -> Result<(), TransactionError>;
}

/// Reads partitions without a group.
pub(super) trait Reader {
    /// Reads these partitions of any topics, in place of what was read before.
    fn assign(&self, starts: &[(&str, i32, i64)]) -> Result<(), ClientError>;

    /// Waits for the next event; `None` when the time is over. A partition's end comes each time it is reached.
    fn poll(&self, timeout: Duration) -> Result<Option<ReaderEvent<'_>>, ClientError>;
}

/// A task's stores outside memory, with what follows them in their changelogs.
pub(super) trait Disk: Debug {
    /// What follows in each changelog after what is here; empty where nothing is.
    fn next(&self) -> Result<Next, DiskError>;

    /// The place of the store that has this changelog.
    fn place(self: Rc<Self>, changelog: &str) -> Rc<dyn Backing>;

    /// Writes what the stores have committed and what follows it, all of it or nothing.
    fn write(&self, next: &Next, now_ms: i64) -> Result<(), DiskError>;

    /// Forgets everything.
    fn clear(&self) -> Result<(), DiskError>;

    /// Whether something here is not what it should be.
    fn is_damaged(&self) -> bool;

    /// Makes it fit for another thread; `None` where its places are still in use, and then it is closed with them.
    fn park(self: Rc<Self>) -> Option<Box<dyn ParkedDisk>>;
}

/// A disk on its way from thread to thread: open, and used by nobody.
pub(super) trait ParkedDisk: Send {
    /// Makes it one of this thread.
    fn unpark(self: Box<Self>) -> Rc<dyn Disk>;
}

/// A cluster by librdkafka.
pub(super) struct Kafka {
    connection: Connection,
    admin: Admin,
}

impl Kafka {
    pub(super) fn new(connection: &Connection) -> Result<Self, ClientError> {
        Self::answering_within(connection, ANSWER_MAX)
    }

    /// With less patience for what is asked of the cluster beside reading and writing.
    pub(super) fn answering_within(connection: &Connection, answer_max: Duration) -> Result<Self, ClientError> {
        Ok(Self { connection: connection.clone(), admin: Admin::new(connection, answer_max)? })
    }

    pub(super) fn admin(&self) -> &Admin {
        &self.admin
    }
}

impl Cluster for Kafka {
    type Consumer = TaskConsumer;
    type Producer = client::Producer;

    fn consumer(&self, member: &Membership<'_>) -> Result<TaskConsumer, ClientError> {
        TaskConsumer::new(&self.connection, member.group, member.client_id, member.topics, (member.protocol, member.assignor))
    }

    fn producer(&self, linger: Duration) -> Result<client::Producer, ClientError> {
        client::Producer::lingering(&self.connection, linger)
    }

    fn transactional(&self, id: &str, transaction_timeout: Duration) -> Result<client::Producer, ClientError> {
        client::Producer::transactional(&self.connection, id, transaction_timeout, ANSWER_MAX)
    }

    fn group(&self, name: &str) -> Result<Option<GroupDescription>, ClientError> {
        self.admin.describe_groups(&[name.to_owned()])?.into_iter().next().map(|(_, group)| group).transpose()
    }

    fn reader(&self, topic: &str, starts: &[(i32, i64)]) -> Result<Box<dyn Reader>, ClientError> {
        let reader = client::Reader::new(&self.connection, topic, false)?;
        reader.assign(starts.iter().copied())?;
        Ok(Box::new(reader))
    }

    fn list_offsets(&self, partitions: &[(String, i32)], spec: OffsetSpec) -> Result<Vec<ListedOffset>, ClientError> {
        self.admin.list_offsets(partitions, spec)
    }

    fn open(&self, dir: &Path, owner: &Owner, task: TaskId) -> Result<(Rc<dyn Disk>, Option<String>), DiskError> {
        let (disk, wiped) = TaskDisk::open(dir, owner, task, self.now_ms())?;
        Ok((Rc::new(disk), wiped))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn now_ms(&self) -> i64 {
        TimestampMs::now().0
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Consumer for TaskConsumer {
    fn poll(&self, timeout: Duration) -> Result<Option<TaskEvent<'_>>, ClientError> {
        self.poll(timeout)
    }

    fn take_over(&mut self, starts: impl IntoIterator<Item = (Assignment, i64)>) -> Result<(), ClientError> {
        self.take_over(starts)
    }

    fn give_up(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        self.give_up(partitions)
    }

    fn pause(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        self.pause(partitions)
    }

    fn resume(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        self.resume(partitions)
    }

    fn seek(&self, to: Vec<(Assignment, i64)>) -> Result<(), ClientError> {
        self.seek(to)
    }

    fn fetched_end(&self, at: &Assignment) -> Option<i64> {
        self.fetched_end(at)
    }

    fn commit(&self, next: &NextOffsets) -> Result<(), ClientError> {
        self.commit(next)
    }

    fn committed(&self, partitions: &[Assignment]) -> Result<Vec<Committed>, ClientError> {
        self.committed(partitions, ANSWER_MAX)
    }
}

impl Producer<TaskConsumer> for client::Producer {
    fn send(&self, record: OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError> {
        self.send(record)
    }

    fn send_tracked(&self, record: OutgoingRecord<'_>, number: usize) -> Result<Result<(), Full>, ClientError> {
        self.send_tracked(record, number)
    }

    fn tracked(&self, number: usize) -> Option<i64> {
        self.tracked(number)
    }

    fn flush(&self) -> Result<(), ClientError> {
        self.flush(ANSWER_MAX)
    }

    fn failed(&self) -> u64 {
        self.failed()
    }

    fn take_refused(&self) -> Option<ClientError> {
        self.take_refused()
    }

    fn begin(&self) -> Result<(), TransactionError> {
        self.begin()
    }

    fn send_offsets(&self, next: &NextOffsets, consumer: &TaskConsumer) -> Result<(), TransactionError> {
        self.send_offsets(next, consumer, ANSWER_MAX)
    }

    fn commit(&self) -> Result<(), TransactionError> {
        self.commit(ANSWER_MAX)
    }

    fn abort(&self) -> Result<(), TransactionError> {
        self.abort(ANSWER_MAX)
    }
}

impl Reader for client::Reader {
    fn assign(&self, starts: &[(&str, i32, i64)]) -> Result<(), ClientError> {
        self.assign_topics(starts.iter().copied())
    }

    fn poll(&self, timeout: Duration) -> Result<Option<ReaderEvent<'_>>, ClientError> {
        self.poll(timeout)
    }
}

impl Disk for TaskDisk {
    fn next(&self) -> Result<Next, DiskError> {
        self.next()
    }

    fn place(self: Rc<Self>, changelog: &str) -> Rc<dyn Backing> {
        Self::place(&self, changelog)
    }

    fn write(&self, next: &Next, now_ms: i64) -> Result<(), DiskError> {
        self.write(next, now_ms)
    }

    fn clear(&self) -> Result<(), DiskError> {
        self.clear()
    }

    fn is_damaged(&self) -> bool {
        self.is_damaged()
    }

    fn park(self: Rc<Self>) -> Option<Box<dyn ParkedDisk>> {
        Some(Box::new(Rc::into_inner(self)?))
    }
}

impl ParkedDisk for TaskDisk {
    fn unpark(self: Box<Self>) -> Rc<dyn Disk> {
        Rc::new(*self)
    }
}
