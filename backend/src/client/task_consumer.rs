//! Reading as a member of a consumer group that keeps state by partition: nothing is taken over or given up before the caller has done its part.

use std::{
    cell::Cell,
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{
        BaseConsumer, CommitMode, Consumer as _, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol, base_consumer::PartitionQueue,
    },
    error::KafkaError,
    message::OwnedMessage,
    types::RDKafkaRespErr,
};

use super::{Assignment, ClientError, Connection, IncomingRecord, connection, connection::GROUP_PROTOCOL, sys};

/// How long a seek may take: it waits for the partition's fetcher, not for the cluster.
const SEEK_MAX: Duration = Duration::from_secs(10);
/// Bytes that a fetch brings of one partition, a mebibyte unless told. Each record of it lies in the queue with some 300 bytes of librdkafka's
/// beside its own, and a fetch is put there whole: what it may bring is what the memory of a member with small records consists of. Not below
/// the `batch.size` of our producers: brokers pass a partition over whose next batch does not fit, unless it is the first of the fetch.
const FETCH_BYTES: &str = "262144";
/// Records in a queue from which on nothing is fetched into it: ten polls of a stream thread, at 400,000 records a second the 12 ms that a
/// fetch from a broker near by takes. Where the way is longer, both may be raised by these properties of the cluster.
const QUEUED_RECORDS: &str = "5000";
/// Records taken of one partition before the others are looked at, where each has a queue of its own.
const RECORDS_PER_QUEUE: usize = 100;

/// What a poll brings. A rebalance waits until the caller answers it.
pub enum TaskEvent<'a> {
    /// These partitions are to be taken over, by [`TaskConsumer::take_over`].
    Assigned(Vec<Assignment>),
    /// These partitions are to be given up, by [`TaskConsumer::give_up`]; until then commits for them are taken.
    Revoked(Vec<Assignment>),
    /// These partitions are another member's already: commits for them are refused. To be given up all the same.
    Lost(Vec<Assignment>),
    /// A record.
    Record(IncomingRecord<'a>),
    /// A partition was read to its end, as far as a fetch has told: what was in it before has come. Comes anew after every way of beginning to
    /// read elsewhere, and after more was read. Only of members that [`TaskConsumer::new`] lets join topics.
    End(Assignment),
}

/// How a group shares out partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// As evenly as can be, moving as little as can be, while the others go on (KIP-429).
    CooperativeSticky,
    /// Partitions of one number together, over all topics: what joins need.
    Range,
}

/// How the members of a group agree on who reads what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GroupProtocol {
    /// Members choose a leader, and the leader shares out. A member that dies is missed after ten seconds.
    #[default]
    Classic,
    /// The coordinator shares out, and no member waits for others (KIP-848). The cluster sets how long a dead member is waited for, 45 s
    /// as it comes.
    Consumer,
}

/// An offset to read next, with a note of the committer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub at: Assignment,
    /// The offset; `None` when there was no commit.
    pub next_offset: Option<i64>,
    /// The note.
    pub note: String,
}

/// A member of a group. Reads what is committed only.
///
/// Blocking; belongs on a thread of its own, which must poll more often than `max.poll.interval.ms`.
pub struct TaskConsumer {
    /// What the partitions have fetched, each by itself, for only so an end tells whose it is. Before the consumer, whose last owner closes it.
    queues: Vec<(Assignment, PartitionQueue<Rebalancing>)>,
    inner: Arc<BaseConsumer<Rebalancing>>,
    tells_ends: bool,
    /// Which queue is read, none for the one of the group, and how much of it was.
    turn: Cell<(usize, usize)>,
    arrived: Arc<Arrived>,
    /// A record that came in the same poll as a rebalance, until that was told.
    held: Mutex<Option<OwnedMessage>>,
}

/// That something came into a queue.
#[derive(Default)]
struct Arrived {
    has: Mutex<bool>,
    told: Condvar,
}

impl Arrived {
    fn tell(&self) {
        *lock(&self.has) = true;
        self.told.notify_one();
    }

    /// Waits for it, and forgets it.
    fn wait(&self, timeout: Duration) {
        let waited = self.told.wait_timeout_while(lock(&self.has), timeout, |has| !*has);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

#[derive(Default)]
struct Rebalancing {
    events: Mutex<VecDeque<TaskEvent<'static>>>,
    /// Nobody will answer any more.
    is_closing: AtomicBool,
}

impl TaskConsumer {
    /// Subscribes to topics as a member of that `client.id`. One that shares out by [`Assignor::Range`] joins topics: it hears of their ends.
    ///
    /// # Errors
    /// When a property or a topic name is not valid.
    pub fn new(
        connection: &Connection,
        group: &str,
        client_id: &str,
        topics: &[&str],
        (protocol, assignor): (GroupProtocol, Assignor),
    ) -> Result<Self, ClientError> {
        let mut defaults = vec![
            ("fetch.wait.max.ms", "50"),
            ("queued.max.messages.kbytes", "4096"),
            ("queued.min.messages", QUEUED_RECORDS),
            ("fetch.message.max.bytes", FETCH_BYTES),
            ("fetch.queue.backoff.ms", "2"),
        ];
        let mut fixed = vec![
            ("group.id", group),
            ("client.id", client_id),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_committed"),
        ];
        // Each protocol refuses the other's properties.
        match (protocol, assignor) {
            (GroupProtocol::Classic, Assignor::CooperativeSticky) => fixed.push(("partition.assignment.strategy", "cooperative-sticky")),
            (GroupProtocol::Classic, Assignor::Range) => fixed.push(("partition.assignment.strategy", "range")),
            (GroupProtocol::Consumer, Assignor::CooperativeSticky) => fixed.push(("group.remote.assignor", "uniform")),
            (GroupProtocol::Consumer, Assignor::Range) => fixed.push(("group.remote.assignor", "range")),
        }
        match protocol {
            GroupProtocol::Classic => defaults.push(("session.timeout.ms", "10000")),
            GroupProtocol::Consumer => fixed.push((GROUP_PROTOCOL, "consumer")),
        }
        let tells_ends = assignor == Assignor::Range;
        if tells_ends {
            fixed.push(("enable.partition.eof", "true"));
            // Each partition has a queue of its own, and the limit is a queue's.
            defaults.push(("queued.max.messages.kbytes", "2048"));
        }
        let mut inner: BaseConsumer<Rebalancing> = connection.config(&defaults, &fixed).create_with_context(Rebalancing::default())?;
        let arrived = Arc::<Arrived>::default();
        if tells_ends {
            let arrived = Arc::clone(&arrived);
            inner.set_nonempty_callback(move || arrived.tell());
        }
        inner.subscribe(topics)?;
        Ok(Self { queues: Vec::new(), inner: Arc::new(inner), tells_ends, turn: Cell::default(), arrived, held: Mutex::default() })
    }

    /// Waits for the next event. `None` when the time is over.
    ///
    /// # Errors
    /// When the cluster refuses; the consumer goes on trying at the next poll.
    pub fn poll(&self, timeout: Duration) -> Result<Option<TaskEvent<'_>>, ClientError> {
        if let Some(event) = self.take_event() {
            return Ok(Some(event));
        }
        if let Some(record) = lock(&self.held).take() {
            return Ok(Some(TaskEvent::Record(IncomingRecord::owned(record))));
        }
        if !self.tells_ends {
            return self.poll_group(timeout);
        }
        if let Some(event) = self.poll_queues()? {
            return Ok(Some(event));
        }
        if timeout.is_zero() {
            return Ok(None);
        }
        self.arrived.wait(timeout);
        self.poll_queues()
    }

    /// Looks into each queue once, beginning with the one whose turn it is.
    fn poll_queues(&self) -> Result<Option<TaskEvent<'_>>, ClientError> {
        for _ in 0..=self.queues.len() {
            let (at, taken) = self.turn.get();
            let event = match at.checked_sub(1).and_then(|at| self.queues.get(at)) {
                None => self.poll_group(Duration::ZERO)?,
                Some((partition, queue)) => match queue.poll(Duration::ZERO) {
                    None => None,
                    Some(Ok(message)) => Some(TaskEvent::Record(IncomingRecord::borrowed(message))),
                    Some(Err(KafkaError::PartitionEOF(_))) => Some(TaskEvent::End(partition.clone())),
                    Some(Err(error)) => return Err(error.into()),
                },
            };
            let is_over = event.is_none() || taken >= RECORDS_PER_QUEUE;
            self.turn.set(if is_over { ((at + 1) % (self.queues.len() + 1), 0) } else { (at, taken + 1) });
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn poll_group(&self, timeout: Duration) -> Result<Option<TaskEvent<'_>>, ClientError> {
        let polled = self.inner.poll(timeout).transpose()?;
        let Some(event) = self.take_event() else {
            return Ok(polled.map(|message| TaskEvent::Record(IncomingRecord::borrowed(message))));
        };
        // A rebalance was told inside the poll, before the record: whoever keeps state by partition must hear of it first.
        *lock(&self.held) = polled.map(|message| message.detach());
        Ok(Some(event))
    }

    /// Begins to read partitions that were assigned, from these offsets.
    ///
    /// # Errors
    /// When the client is closed.
    pub fn take_over(&mut self, starts: impl IntoIterator<Item = (Assignment, i64)>) -> Result<(), ClientError> {
        let list = offsets(starts)?;
        if self.tells_ends {
            self.split(&list);
        }
        self.assign(&list)
    }

    fn assign(&self, list: &TopicPartitionList) -> Result<(), ClientError> {
        if matches!(self.inner.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            return Ok(self.inner.incremental_assign(list)?);
        }
        Ok(self.inner.assign(list)?)
    }

    /// The offset that a partition ended at when it was last fetched, the markers of transactions included. From memory: after
    /// [`Self::take_over`] it is an earlier assignment's until something was fetched.
    pub fn fetched_end(&self, at: &Assignment) -> Option<i64> {
        sys::fetched_end(self.inner.client(), &at.topic, at.partition)
    }

    /// Gives each partition a queue of its own, before anything is fetched into the group's; it stays for the time that they come back.
    fn split(&mut self, list: &TopicPartitionList) {
        for it in list.elements() {
            let at = Assignment { topic: it.topic().to_owned(), partition: it.partition() };
            if self.queues.iter().any(|(known, _)| *known == at) {
                continue;
            }
            if let Some(mut queue) = self.inner.split_partition_queue(&at.topic, at.partition) {
                let arrived = Arc::clone(&self.arrived);
                queue.set_nonempty_callback(move || arrived.tell());
                self.queues.push((at, queue));
            }
        }
    }

    /// Gives up partitions that were revoked or lost; what was fetched of them is forgotten.
    ///
    /// # Errors
    /// When the client is closed.
    pub fn give_up(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        let is_given_up = |record: &mut OwnedMessage| is_of(record, partitions);
        drop(lock(&self.held).take_if(is_given_up));
        if matches!(self.inner.rebalance_protocol(), RebalanceProtocol::Cooperative) {
            return Ok(self.inner.incremental_unassign(&list(partitions))?);
        }
        Ok(self.inner.unassign()?)
    }

    /// Stops fetching partitions; what was fetched of them comes again after [`Self::resume`].
    ///
    /// # Errors
    /// When one is not assigned.
    pub fn pause(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        Ok(self.inner.pause(&list(partitions))?)
    }

    /// Fetches them again.
    ///
    /// # Errors
    /// When one is not assigned.
    pub fn resume(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        Ok(self.inner.resume(&list(partitions))?)
    }

    /// Reads on from other offsets; what was fetched of those partitions is forgotten.
    ///
    /// # Errors
    /// When one is not assigned.
    pub fn seek(&self, to: impl IntoIterator<Item = (Assignment, i64)>) -> Result<(), ClientError> {
        lock(&self.held).take();
        let list = offsets(to)?;
        if list.count() == 0 {
            return Ok(());
        }
        let done = self.inner.seek_partitions(list, SEEK_MAX)?;
        done.elements().iter().try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)?;
        Ok(())
    }

    /// Commits offsets with notes and waits for the answer.
    ///
    /// # Errors
    /// When the coordinator refuses, for instance after a rebalance.
    pub fn commit(&self, next: &[(Assignment, i64, String)]) -> Result<(), ClientError> {
        if next.is_empty() {
            return Ok(());
        }
        Ok(self.inner.commit(&with_notes(next)?, CommitMode::Sync)?)
    }

    /// The group's committed offsets. Waits for transactions that are about to commit some (KIP-447).
    ///
    /// # Errors
    /// When the coordinator does not answer in time.
    pub fn committed(&self, partitions: &[Assignment], timeout: Duration) -> Result<Vec<Committed>, ClientError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.inner.committed_offsets(list(partitions), timeout)?;
        let committed = |it: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            it.error()?;
            Ok(Committed {
                at: Assignment { topic: it.topic().to_owned(), partition: it.partition() },
                next_offset: it.offset().to_raw().filter(|at| *at >= 0),
                note: it.metadata().to_owned(),
            })
        };
        answer.elements().iter().map(committed).collect()
    }

    pub(super) fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.inner.group_metadata()
    }

    fn take_event(&self) -> Option<TaskEvent<'static>> {
        lock(&self.inner.context().events).pop_front()
    }
}

impl Drop for TaskConsumer {
    fn drop(&mut self) {
        // Closing waits for the partitions to be given up.
        self.inner.context().is_closing.store(true, Ordering::Release);
        for event in std::mem::take(&mut *lock(&self.inner.context().events)) {
            let answered = match event {
                TaskEvent::Assigned(_) => self.assign(&TopicPartitionList::new()),
                TaskEvent::Revoked(partitions) | TaskEvent::Lost(partitions) => self.give_up(&partitions),
                TaskEvent::Record(_) | TaskEvent::End(_) => Ok(()),
            };
            if let Err(error) = answered {
                tracing::debug!("a rebalance was not answered while closing: {error}");
            }
        }
    }
}

pub(super) fn with_notes(next: &[(Assignment, i64, String)]) -> Result<TopicPartitionList, ClientError> {
    let mut list = TopicPartitionList::new();
    for (at, offset, note) in next {
        let mut element = list.add_partition(&at.topic, at.partition);
        element.set_offset(Offset::Offset(*offset))?;
        element.set_metadata(note);
    }
    Ok(list)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_of(record: &OwnedMessage, partitions: &[Assignment]) -> bool {
    use rdkafka::Message as _;
    partitions.iter().any(|at| at.partition == record.partition() && at.topic == record.topic())
}

fn list(partitions: &[Assignment]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for at in partitions {
        list.add_partition(&at.topic, at.partition);
    }
    list
}

fn offsets(starts: impl IntoIterator<Item = (Assignment, i64)>) -> Result<TopicPartitionList, ClientError> {
    let mut list = TopicPartitionList::new();
    for (at, offset) in starts {
        list.add_partition_offset(&at.topic, at.partition, Offset::Offset(offset))?;
    }
    Ok(list)
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
    /// Answers nothing: librdkafka waits for (un)assign, which the caller does once its state is ready.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<_> =
            list.elements().iter().map(|it| Assignment { topic: it.topic().to_owned(), partition: it.partition() }).collect();
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if self.is_closing.load(Ordering::Acquire) {
            let done = if is_cooperative { consumer.incremental_unassign(list) } else { consumer.unassign() };
            if let Err(error) = done {
                tracing::debug!("partitions were not given up while closing: {error}");
            }
            return;
        }
        let event = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => TaskEvent::Assigned(partitions),
            _ if consumer.assignment_lost() => TaskEvent::Lost(partitions),
            _ => TaskEvent::Revoked(partitions),
        };
        lock(&self.events).push_back(event);
    }
}
