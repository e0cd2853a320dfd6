//! The same client for every broker: librdkafka, with the same settings.

use std::error::Error;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

const DEADLINE: Duration = Duration::from_secs(60);

/// Sends `records` of the values in turn, until the last is acknowledged by all. Returns when the first was sent.
pub(crate) fn produce(
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    codec: &str,
    values: &[Vec<u8>],
    records: usize,
) -> Result<Instant, Box<dyn Error>> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("acks", "all")
        .set("linger.ms", "5")
        .set("batch.size", "1000000")
        .set("batch.num.messages", "10000")
        .set("queue.buffering.max.kbytes", "262144")
        .set("compression.type", codec)
        .create()?;
    producer.client().fetch_metadata(Some(topic), DEADLINE)?;
    let start = Instant::now();
    for (number, value) in values.iter().cycle().take(records).enumerate() {
        let partition = (number % partitions as usize) as i32;
        while let Err((error, _)) = producer.send(BaseRecord::<(), _>::to(topic).partition(partition).payload(value)) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(DEADLINE)?;
    Ok(start)
}

fn consumer(bootstrap: &str, topic: &str, partitions: i32) -> Result<BaseConsumer, Box<dyn Error>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "never-joined")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "262144")
        // Else it pauses for a second whenever a broker is so fast that 100,000 records wait.
        .set("queued.min.messages", "10000000")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

/// Reads `records` from the beginning. Returns when the first one came: before it the client waits half a second for itself.
pub(crate) fn consume(bootstrap: &str, topic: &str, partitions: i32, records: usize) -> Result<Instant, Box<dyn Error>> {
    let consumer = consumer(bootstrap, topic, partitions)?;
    let mut first = None;
    for at in 0..records {
        consumer.poll(DEADLINE).ok_or_else(|| format!("only {at} of {records} records came"))??;
        first.get_or_insert_with(Instant::now);
    }
    first.ok_or_else(|| "nothing was to be read".into())
}

/// One record at a time at linger 0, each timed from `send` to the consumer having it: sorted milliseconds.
pub(crate) fn latencies_ms(bootstrap: &str, topic: &str, count: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("acks", "all").set("linger.ms", "0").create()?;
    let consumer = consumer(bootstrap, topic, 1)?;
    super::timed(count, |number| {
        producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload(&number.to_be_bytes()[..])).map_err(|(error, _)| error)?;
        producer.poll(Duration::ZERO);
        let message = consumer.poll(DEADLINE).ok_or("the record did not come")??;
        if message.payload() == Some(&number.to_be_bytes()[..]) { Ok(()) } else { Err("another record came".into()) }
    })
}
