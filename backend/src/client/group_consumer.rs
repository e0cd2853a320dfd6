//! Reading as a member of a consumer group.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol},
    error::KafkaError,
    message::OwnedMessage,
    types::RDKafkaRespErr,
};

use super::{ClientError, Connection, IncomingRecord, connection};

/// Chooses where to begin in a partition that was just assigned; `None` for the committed offset.
type StartOffset = Box<dyn Fn(&str, i32) -> Option<i64> + Send + Sync>;

/// One partition of an assignment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
}

/// What a poll brings.
pub enum GroupEvent<'a> {
    /// These partitions are ours from now on, in addition to those we have.
    Assigned(Vec<Assignment>),
    /// These partitions are another member's now; a commit for them is refused.
    Revoked(Vec<Assignment>),
    /// A record of a partition that is ours.
    Record(IncomingRecord<'a>),
}

/// A member of a group. Commits only what it is told to.
///
/// Blocking; belongs on a thread of its own, which must poll more often than `max.poll.interval.ms`.
pub struct GroupConsumer {
    inner: BaseConsumer<Rebalancing>,
    /// A record that came in the same poll as a rebalance, until that was told.
    held: Mutex<Option<OwnedMessage>>,
}

struct Rebalancing {
    start_offset: StartOffset,
    events: Mutex<VecDeque<GroupEvent<'static>>>,
}

impl GroupConsumer {
    /// Subscribes to topics. `start_offset` decides, at each assignment, where to begin; without a committed offset the default is the log start.
    ///
    /// # Errors
    /// When a property or a topic name is not valid.
    pub fn new(
        connection: &Connection,
        group: &str,
        topics: &[&str],
        start_offset: impl Fn(&str, i32) -> Option<i64> + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        let defaults = [
            ("auto.offset.reset", "earliest"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("fetch.wait.max.ms", "100"),
            ("queued.max.messages.kbytes", "16384"),
            ("fetch.queue.backoff.ms", "2"),
            ("session.timeout.ms", "10000"),
        ];
        let fixed = [("group.id", group), ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false")];
        let context = Rebalancing { start_offset: Box::new(start_offset), events: Mutex::default() };
        let inner: BaseConsumer<Rebalancing> = connection.config(&defaults, &fixed).create_with_context(context)?;
        inner.subscribe(topics)?;
        Ok(Self { inner, held: Mutex::default() })
    }

    /// Waits for the next event. `None` when the time is over.
    ///
    /// # Errors
    /// When the cluster refuses; the consumer goes on trying at the next poll.
    pub fn poll(&self, timeout: Duration) -> Result<Option<GroupEvent<'_>>, ClientError> {
        if let Some(event) = self.take_event() {
            return Ok(Some(event));
        }
        if let Some(record) = lock(&self.held).take() {
            return Ok(Some(GroupEvent::Record(IncomingRecord::owned(record))));
        }
        let polled = self.inner.poll(timeout).transpose()?;
        let Some(event) = self.take_event() else {
            return Ok(polled.map(|message| GroupEvent::Record(IncomingRecord::borrowed(message))));
        };
        // A rebalance happened inside the poll, before the record: whoever keeps state by partition must hear of it first.
        *lock(&self.held) = polled.map(|message| message.detach());
        Ok(Some(event))
    }

    /// Commits the offsets to read next. Asynchronous commits are sent in order; a lost one is made good by the next.
    ///
    /// # Errors
    /// When a synchronous commit is refused, for instance after a rebalance.
    pub fn commit(&self, next_offsets: impl IntoIterator<Item = (Assignment, i64)>, is_synchronous: bool) -> Result<(), ClientError> {
        let mut list = TopicPartitionList::new();
        for (at, offset) in next_offsets {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(offset))?;
        }
        if list.count() == 0 {
            return Ok(());
        }
        Ok(self.inner.commit(&list, if is_synchronous { CommitMode::Sync } else { CommitMode::Async })?)
    }

    /// The group's committed offsets for these partitions; `None` where there is none.
    ///
    /// # Errors
    /// When the coordinator does not answer in time.
    pub fn committed(&self, partitions: &[Assignment], timeout: Duration) -> Result<Vec<(Assignment, Option<i64>)>, ClientError> {
        let mut list = TopicPartitionList::new();
        for at in partitions {
            list.add_partition(&at.topic, at.partition);
        }
        let answer = self.inner.committed_offsets(list, timeout)?;
        Ok(answer
            .elements()
            .into_iter()
            .map(|it| (Assignment { topic: it.topic().to_owned(), partition: it.partition() }, it.offset().to_raw().filter(|at| *at >= 0)))
            .collect())
    }

    /// The partitions that are ours now.
    ///
    /// # Errors
    /// When the client is closed.
    pub fn assignment(&self) -> Result<Vec<Assignment>, ClientError> {
        Ok(assignments(&self.inner.assignment()?))
    }

    fn take_event(&self) -> Option<GroupEvent<'static>> {
        lock(&self.inner.context().events).pop_front()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn assignments(list: &TopicPartitionList) -> Vec<Assignment> {
    list.elements().iter().map(|it| Assignment { topic: it.topic().to_owned(), partition: it.partition() }).collect()
}

impl ClientContext for Rebalancing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ConsumerContext for Rebalancing {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let partitions = assignments(list);
        let (done, event) = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            for at in &partitions {
                if let Some(offset) = (self.start_offset)(&at.topic, at.partition)
                    && let Err(error) = list.set_partition_offset(&at.topic, at.partition, Offset::Offset(offset))
                {
                    tracing::warn!("{} [{}]: the start offset {offset} could not be set: {error}", at.topic, at.partition);
                }
            }
            let done = if is_cooperative { consumer.incremental_assign(list) } else { consumer.assign(list) };
            (done, GroupEvent::Assigned(partitions))
        } else {
            let done = if is_cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() };
            (done, GroupEvent::Revoked(partitions))
        };
        if let Err(error) = done {
            tracing::warn!("a rebalance was not taken over: {error}");
        }
        lock(&self.events).push_back(event);
    }
}
