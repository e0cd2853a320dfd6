//! Reading without joining a group: nothing is committed, nobody else notices.

use std::time::{Duration, Instant};

use rdkafka::{
    Message as _, Offset, Timestamp, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    message::{BorrowedMessage, Headers, OwnedMessage},
    types::RDKafkaErrorCode,
};
use weir_model::{Offset as RecordOffset, PartitionId, Record, RecordHeader, TimestampMs, TimestampType, TopicName};

use super::{ClientError, Connection, connection::Context};

impl ConsumerContext for Context {}

/// A record as it was received; it borrows librdkafka's buffer where it can.
pub struct IncomingRecord<'a> {
    message: Received<'a>,
}

enum Received<'a> {
    /// Straight from a poll.
    Borrowed(BorrowedMessage<'a>),
    /// Kept over a poll.
    Owned(OwnedMessage),
}

/// What a poll brings.
pub enum ReaderEvent<'a> {
    /// The next record of some partition.
    Record(IncomingRecord<'a>),
    /// This partition was read up to its end, for now.
    End(i32),
}

/// Reads chosen partitions of one topic from chosen offsets.
pub struct Reader {
    inner: BaseConsumer<Context>,
    topic: String,
}

impl Reader {
    /// A reader of one topic; nothing is read until [`Self::assign`]. Aborted transactions are skipped unless `is_uncommitted_read`.
    ///
    /// # Errors
    /// When a property is not valid.
    pub fn new(connection: &Connection, topic: &str, is_uncommitted_read: bool) -> Result<Self, ClientError> {
        Self::with(connection, topic, is_uncommitted_read, &[("fetch.wait.max.ms", "250")])
    }

    /// A reader of many topics for eyes: brokers answer ten times a second, not at each record.
    ///
    /// # Errors
    /// When a property is not valid.
    pub fn calm(connection: &Connection) -> Result<Self, ClientError> {
        Self::with(connection, "", false, &[("fetch.wait.max.ms", "100"), ("fetch.min.bytes", "262144")])
    }

    fn with(connection: &Connection, topic: &str, is_uncommitted_read: bool, pace: &[(&str, &str)]) -> Result<Self, ClientError> {
        // Nobody who only looks may commit, create, or skip: no property of the user's changes that.
        let fixed = [
            // librdkafka wants a group id; assigning partitions by hand never joins it.
            ("group.id", "weir-reader"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
            ("allow.auto.create.topics", "false"),
        ];
        let mut defaults = vec![
            ("check.crcs", "true"),
            ("isolation.level", if is_uncommitted_read { "read_uncommitted" } else { "read_committed" }),
            ("fetch.queue.backoff.ms", "2"),
            ("queued.max.messages.kbytes", "32768"),
        ];
        defaults.extend(pace);
        let inner = connection.config(&defaults, &fixed).create_with_context(Context::default())?;
        Ok(Self { inner, topic: topic.to_owned() })
    }

    /// Reads these partitions from these offsets on, in place of what was assigned before.
    ///
    /// # Errors
    /// When an offset is not valid.
    pub fn assign(&self, starts: impl IntoIterator<Item = (i32, i64)>) -> Result<(), ClientError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in starts {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        }
        Ok(self.inner.assign(&list)?)
    }

    /// As [`Self::assign`], of any topics; a record says which it is of, an end does not.
    ///
    /// # Errors
    /// When an offset is not valid.
    pub fn assign_topics<'t>(&self, starts: impl IntoIterator<Item = (&'t str, i32, i64)>) -> Result<(), ClientError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in starts {
            list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        }
        Ok(self.inner.assign(&list)?)
    }

    /// Waits for the next event. `None` when the time is over.
    ///
    /// # Errors
    /// When an offset is out of range or the cluster refuses.
    pub fn poll(&self, timeout: Duration) -> Result<Option<ReaderEvent<'_>>, ClientError> {
        let deadline = Instant::now() + timeout;
        loop {
            return match self.inner.poll(deadline.saturating_duration_since(Instant::now())) {
                None => Ok(None),
                Some(Ok(message)) => Ok(Some(ReaderEvent::Record(IncomingRecord::borrowed(message)))),
                Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Some(ReaderEvent::End(partition))),
                // The client reconnects by itself; the caller's deadline decides when that took too long.
                Some(Err(error)) if is_passing(&error) && Instant::now() < deadline => {
                    self.inner.context().remember(error.into());
                    continue;
                }
                Some(Err(error)) => Err(error.into()),
            };
        }
    }

    /// Why nothing comes, if the client knows.
    pub fn take_last_error(&self) -> Option<ClientError> {
        self.inner.context().take_trouble().error
    }
}

fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::OperationTimedOut)
    )
}

/// The same expression over either kind of message: they share a trait that can't be an object.
macro_rules! each {
    ($record:expr, $message:ident => $what:expr) => {
        match &$record.message {
            Received::Borrowed($message) => $what,
            Received::Owned($message) => $what,
        }
    };
}

impl<'a> IncomingRecord<'a> {
    pub(super) fn borrowed(message: BorrowedMessage<'a>) -> Self {
        Self { message: Received::Borrowed(message) }
    }

    pub(super) fn owned(message: OwnedMessage) -> Self {
        Self { message: Received::Owned(message) }
    }

    /// One that no broker sent, without headers.
    #[cfg(test)]
    pub(crate) fn made(topic: &str, partition: i32, offset: i64, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        Self::owned(OwnedMessage::new(value, key, topic.to_owned(), Timestamp::CreateTime(timestamp_ms), partition, offset, None))
    }

    /// Its topic.
    pub fn topic(&self) -> &str {
        each!(self, message => message.topic())
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        each!(self, message => message.partition())
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        each!(self, message => message.offset())
    }

    /// Its timestamp in epoch milliseconds, when it has one.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp().to_millis()
    }

    /// Its key; `None` is null.
    pub fn key(&self) -> Option<&[u8]> {
        each!(self, message => message.key())
    }

    /// Its value; `None` is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        each!(self, message => message.payload())
    }

    /// The value of the last header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().into_iter().rfind(|(key, _)| *key == name)?.1
    }

    /// Its headers, in order.
    pub fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        each!(self, message => message.headers().map(list).unwrap_or_default())
    }

    /// A copy that stands on its own.
    pub fn to_record(&self) -> Record {
        let headers = self.headers().into_iter();
        Record {
            topic: TopicName::from(self.topic()),
            partition: PartitionId(self.partition()),
            offset: RecordOffset(self.offset()),
            timestamp: self.timestamp_ms().map(TimestampMs),
            timestamp_type: match self.timestamp() {
                Timestamp::CreateTime(_) => TimestampType::CreateTime,
                Timestamp::LogAppendTime(_) => TimestampType::LogAppendTime,
                Timestamp::NotAvailable => TimestampType::Unknown,
            },
            headers: headers.map(|(name, value)| RecordHeader { name: name.into(), value: value.map(Into::into) }).collect(),
            key: self.key().map(Into::into),
            value: self.value().map(Into::into),
        }
    }

    fn timestamp(&self) -> Timestamp {
        each!(self, message => message.timestamp())
    }
}

fn list<H: Headers>(headers: &H) -> Vec<(&str, Option<&[u8]>)> {
    headers.iter().map(|header| (header.key, header.value)).collect()
}
