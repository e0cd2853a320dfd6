//! Writing records.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig},
};

use super::{ClientError, Connection, connection};

/// How often a flush looks whether all is delivered.
const FLUSH_CHECK: Duration = Duration::from_micros(500);

/// How long the thread that serves acknowledgements waits at once. rdkafka spends the last millisecond of each wait in a busy loop, which
/// with its own tenth of a second is a hundredth of a core for every producer that idles.
const SERVE: Duration = Duration::from_secs(1);

/// A record to write. Borrowed, as librdkafka copies it.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutgoingRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; `None` lets the partitioner choose by key.
    pub partition: Option<i32>,
    /// `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// In order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// CreateTime in epoch milliseconds; `None` for now.
    pub timestamp_ms: Option<i64>,
}

/// The producer's queue is full: try again once some records were delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Writes records in the background; its own thread serves acknowledgements.
///
/// Partitions are chosen as Java clients do (murmur2), so that records written by either are co-partitioned.
pub struct Producer {
    inner: Arc<BaseProducer<Counting>>,
    is_over: Arc<AtomicBool>,
    counts: Arc<Counts>,
    next_callback: AtomicUsize,
}

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    first_error: Mutex<Option<ClientError>>,
    /// The first since somebody asked.
    refused: Mutex<Option<ClientError>>,
    /// Callbacks by the number that travels with their record; bounded by the producer's queue.
    waiting: Mutex<HashMap<usize, OnDelivery>>,
    /// The largest offset delivered under each number.
    tracked: Vec<AtomicI64>,
}

pub(super) struct Counting(Arc<Counts>);

type OnDelivery = Box<dyn FnOnce(Result<Delivery, ClientError>) + Send>;

/// What travels with a record that has no callback.
const NO_CALLBACK: usize = 0;
/// Marks what travels with a record whose offset is kept under a number ([`Producer::send_tracked`]).
const TRACKED: usize = 1 << (usize::BITS - 1);
/// Numbers there are; what is beyond is sent all the same, and its offset is not known.
const TRACKED_MAX: usize = 4_096;
/// Nothing was delivered under a number.
const NEVER: i64 = -1;

impl Producer {
    /// An idempotent producer with acks=all.
    ///
    /// # Errors
    /// When a property is not valid.
    pub fn new(connection: &Connection) -> Result<Self, ClientError> {
        Self::with(connection, &[])
    }

    /// The same for many who write little each: records wait so long for others to go with, which saves requests.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn lingering(connection: &Connection, linger: Duration) -> Result<Self, ClientError> {
        Self::with(connection, &[("linger.ms", &linger.as_millis().to_string())])
    }

    /// The same with properties that must be.
    pub(super) fn with(connection: &Connection, fixed: &[(&str, &str)]) -> Result<Self, ClientError> {
        let tracked = (0..TRACKED_MAX).map(|_| AtomicI64::new(NEVER)).collect();
        let counts = Arc::new(Counts { tracked, ..Counts::default() });
        let defaults = [
            ("partitioner", "murmur2_random"),
            ("enable.idempotence", "true"),
            ("linger.ms", "5"),
            ("batch.size", "262144"),
            // As much as Java's `buffer.memory`; a message costs its bytes and some hundred more.
            ("queue.buffering.max.messages", "50000"),
            ("queue.buffering.max.kbytes", "32768"),
            ("compression.type", "lz4"),
            ("message.timeout.ms", "60000"),
        ];
        let inner: BaseProducer<_> = connection.config(&defaults, fixed).create_with_context(Counting(Arc::clone(&counts)))?;
        let (inner, is_over) = (Arc::new(inner), Arc::new(AtomicBool::new(false)));
        let (served, is_served_out) = (Arc::clone(&inner), Arc::clone(&is_over));
        let serve = move || {
            while !is_served_out.load(Ordering::Acquire) {
                served.poll(SERVE);
            }
        };
        let spawned = thread::Builder::new().name("producer".to_owned()).spawn(serve);
        spawned.map_err(|error| ClientError::message(format!("no thread could be started: {error}")))?;
        Ok(Self { inner, is_over, counts, next_callback: AtomicUsize::new(NO_CALLBACK + 1) })
    }

    /// Queues a record; what became of it is in [`Self::delivered`] and [`Self::failed`].
    ///
    /// # Errors
    /// `Ok(Err(Full))` when the queue is full: nothing was queued. `Err` when the record can never be sent.
    pub fn send(&self, record: OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError> {
        self.queue(record, NO_CALLBACK)
    }

    /// Queues a record and calls back from the producer's thread when its fate is known.
    ///
    /// # Errors
    /// As [`Self::send`]; then the callback is not called.
    pub fn send_with(
        &self,
        record: OutgoingRecord<'_>,
        on_delivery: impl FnOnce(Result<Delivery, ClientError>) + Send + 'static,
    ) -> Result<Result<(), Full>, ClientError> {
        let number = {
            let mut waiting = self.counts.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let number = self.next_callback.fetch_add(1, Ordering::Relaxed);
            waiting.insert(number, Box::new(on_delivery));
            number
        };
        let sent = self.queue(record, number);
        if !matches!(sent, Ok(Ok(()))) {
            self.counts.take_callback(number);
        }
        sent
    }

    /// Queues a record whose offset is kept under a number: one for each partition that somebody asks about.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_tracked(&self, record: OutgoingRecord<'_>, number: usize) -> Result<Result<(), Full>, ClientError> {
        self.queue(record, if number < TRACKED_MAX { TRACKED | number } else { NO_CALLBACK })
    }

    /// The largest offset delivered under a number; `None` before the first.
    pub fn tracked(&self, number: usize) -> Option<i64> {
        Some(self.counts.tracked.get(number)?.load(Ordering::Acquire)).filter(|at| *at != NEVER)
    }

    pub(super) fn inner(&self) -> &BaseProducer<Counting> {
        &self.inner
    }

    fn queue(&self, record: OutgoingRecord<'_>, callback: usize) -> Result<Result<(), Full>, ClientError> {
        let mut outgoing: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(record.topic, callback);
        outgoing.partition = record.partition;
        outgoing.key = record.key;
        outgoing.payload = record.value;
        outgoing.timestamp = record.timestamp_ms;
        if !record.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(record.headers.len());
            outgoing.headers =
                Some(record.headers.iter().fold(empty, |headers, (key, value)| headers.insert(Header { key, value: *value })));
        }
        match self.inner.send(outgoing) {
            Ok(()) => Ok(Ok(())),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(Err(Full)),
            Err((error, _)) => Err(error.into()),
        }
    }

    /// Waits until all that was queued is delivered or has failed.
    ///
    /// # Errors
    /// When the deadline passes first.
    pub fn flush(&self, timeout: Duration) -> Result<(), ClientError> {
        // Given more time at once, rdkafka's flush waits for an event that the thread of the producer takes first: a tenth of a second.
        let give_up = Instant::now() + timeout;
        while let Err(error) = self.inner.flush(Duration::ZERO) {
            let is_waiting = matches!(error, KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
            if !is_waiting || Instant::now() >= give_up {
                return Err(error.into());
            }
            std::thread::sleep(FLUSH_CHECK);
        }
        Ok(())
    }

    /// Records acknowledged since the start.
    pub fn delivered(&self) -> u64 {
        self.counts.delivered.load(Ordering::Acquire)
    }

    /// Records that failed for good since the start.
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Acquire)
    }

    /// Records queued or on their way.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.inner.in_flight_count()).unwrap_or(0)
    }

    /// Why the first record failed that did.
    pub fn first_error(&self) -> Option<ClientError> {
        self.counts.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why a record was not written, and its topic: the first of those that failed since this was asked before.
    pub fn take_refused(&self) -> Option<ClientError> {
        self.counts.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Producer {
    /// What was not sent is not sent any more. The thread ends by itself within a second.
    fn drop(&mut self) {
        self.inner.purge(PurgeConfig::default().queue().inflight());
        self.is_over.store(true, Ordering::Release);
    }
}

impl ClientContext for Counting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        connection::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ProducerContext for Counting {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, callback: usize) {
        let outcome = match result {
            Ok(message) => {
                if let Some(last) = self.0.tracked.get(callback ^ TRACKED) {
                    last.fetch_max(message.offset(), Ordering::AcqRel);
                }
                self.0.delivered.fetch_add(1, Ordering::Release);
                Ok(Delivery { partition: message.partition(), offset: message.offset() })
            }
            Err((error, message)) => {
                let error = ClientError::from(error.clone());
                let of_topic = || error.clone().of_topic(message.topic());
                self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(of_topic);
                self.0.first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
                self.0.failed.fetch_add(1, Ordering::Release);
                Err(error)
            }
        };
        if let Some(call) = self.0.take_callback(callback) {
            call(outcome);
        }
    }
}

impl Counts {
    fn take_callback(&self, number: usize) -> Option<OnDelivery> {
        if number == NO_CALLBACK || number & TRACKED != 0 {
            return None; // the common case takes no lock
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }
}
