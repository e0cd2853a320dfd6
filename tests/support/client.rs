//! librdkafka as an independent client: its codec is not ours, so it judges us.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::DeliveryResult,
    producer::{BaseProducer, ProducerContext},
};

/// No wait in a test is longer.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A record that the broker said it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its partition.
    pub partition: i32,
    /// The offset it was given.
    pub offset: i64,
    /// Its value.
    pub value: Vec<u8>,
}

/// Collects what was acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Deliveries(Arc<Mutex<Vec<Acknowledged>>>);

impl Deliveries {
    /// How many were acknowledged until now.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none was acknowledged yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn all(&self) -> Vec<Acknowledged> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(message) = result {
            let value = message.payload().unwrap_or_default().to_vec();
            let it = Acknowledged { partition: message.partition(), offset: message.offset(), value };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(it);
        }
    }
}

/// Client properties for this broker, with more of the caller's.
pub fn config(bootstrap: &str, more: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    for (name, value) in more {
        config.set(*name, *value);
    }
    config
}

/// A producer whose acknowledgements are collected in `deliveries`.
///
/// # Errors
/// When a property is not valid.
pub fn producer(bootstrap: &str, deliveries: &Deliveries, more: &[(&str, &str)]) -> Result<BaseProducer<Deliveries>, KafkaError> {
    config(bootstrap, more).create_with_context(deliveries.clone())
}

/// One record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecord {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Everything in a topic, from the log start to the high watermark, without joining a group; by partition and offset.
///
/// # Errors
/// When the cluster does not answer, or not all of it came before [`DEADLINE`].
pub fn read_all(bootstrap: &str, topic: &str) -> Result<Vec<ReadRecord>, Box<dyn std::error::Error>> {
    let consumer: BaseConsumer =
        config(bootstrap, &[("group.id", "never-joined"), ("enable.auto.commit", "false"), ("check.crcs", "true")]).create()?;
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE)?;
    let partitions: Vec<i32> = metadata.topics().iter().flat_map(|it| it.partitions()).map(|it| it.id()).collect();
    let mut assignment = TopicPartitionList::new();
    let mut missing = 0;
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, DEADLINE)?;
        missing += high - low;
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let give_up = Instant::now() + DEADLINE;
    let mut records = Vec::new();
    while missing > 0 {
        if Instant::now() > give_up {
            return Err(format!("{missing} records did not come within {DEADLINE:?}").into());
        }
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        missing -= 1;
        records.push(ReadRecord {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
        });
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}
