//! What any Kafka client may rely on, through librdkafka: against the embedded broker, or against the real Kafka that
//! `tests/real-kafka/run` names. What holds there must hold here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use weir_tests::{
    broker::TestCluster,
    client::{self, DEADLINE, Deliveries, config},
};

fn admin(cluster: &TestCluster) -> AdminClient<DefaultClientContext> {
    config(cluster.bootstrap(), &[]).create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(DEADLINE)).request_timeout(Some(DEADLINE))
}

async fn create(cluster: &TestCluster, topic: &str, partitions: i32) {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let results = admin(cluster).create_topics([&new], &options()).await.unwrap();
    assert_eq!(results, vec![Ok(topic.to_owned())]);
}

fn consumer(cluster: &TestCluster, more: &[(&str, &str)]) -> BaseConsumer {
    config(cluster.bootstrap(), &[("enable.auto.commit", "false")]).set("group.id", "never-joined").create_with(more)
}

trait CreateWith {
    fn create_with(&mut self, more: &[(&str, &str)]) -> BaseConsumer;
}

impl CreateWith for rdkafka::ClientConfig {
    fn create_with(&mut self, more: &[(&str, &str)]) -> BaseConsumer {
        for (name, value) in more {
            self.set(*name, *value);
        }
        self.create().unwrap()
    }
}

fn assign(consumer: &BaseConsumer, topic: &str, partition: i32, offset: Offset) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, offset).unwrap();
    consumer.assign(&list).unwrap();
}

fn produce(cluster: &TestCluster, topic: &str, values: impl IntoIterator<Item = String>, more: &[(&str, &str)]) -> Deliveries {
    let deliveries = Deliveries::default();
    let producer = client::producer(cluster.bootstrap(), &deliveries, more).unwrap();
    for value in values {
        producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload(&value)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    deliveries
}

/// Polls until `done` says so.
fn poll_until(consumers: &[&BaseConsumer], what: &str, mut done: impl FnMut() -> bool) {
    let give_up = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < give_up, "{what}: not before the deadline");
        for consumer in consumers {
            if let Some(message) = consumer.poll(Duration::from_millis(20)) {
                message.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn every_codec_comes_back_as_it_went() {
    let cluster = TestCluster::start();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for idempotent in ["false", "true"] {
            let topic = cluster.topic(&format!("codec-{codec}-{idempotent}"));
            create(&cluster, &topic, 1).await;
            let values: Vec<String> = (0..500).map(|at| format!("value {at} {}", "y".repeat(at % 97))).collect();
            let more = [("compression.type", codec), ("enable.idempotence", idempotent), ("linger.ms", "5")];
            assert_eq!(produce(&cluster, &topic, values.clone(), &more).len(), 500, "{codec}");
            let read: Vec<String> =
                client::read_all(cluster.bootstrap(), &topic).unwrap().into_iter().map(|it| String::from_utf8(it.value).unwrap()).collect();
            assert_eq!(read, values, "{codec}");
        }
    }
}

#[tokio::test]
async fn keys_headers_and_timestamps_are_kept_duplicates_and_nulls_too() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("exact");
    create(&cluster, &topic, 1).await;
    let producer: BaseProducer = config(cluster.bootstrap(), &[]).create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(Header { key: "h", value: Some("1") })
        .insert(Header { key: "h", value: Some("2") })
        .insert(Header { key: "n", value: None::<&str> });
    let now_ms = 1_700_000_000_123;
    producer.send(BaseRecord::to(&topic).key("k").payload("").headers(headers).timestamp(now_ms)).map_err(|(error, _)| error).unwrap();
    producer.send(BaseRecord::<str, str>::to(&topic).key("").timestamp(now_ms + 1)).map_err(|(error, _)| error).unwrap();
    producer.flush(DEADLINE).unwrap();

    let consumer = consumer(&cluster, &[]);
    assign(&consumer, &topic, 0, Offset::Beginning);
    let first = consumer.poll(DEADLINE).unwrap().unwrap();
    assert_eq!((first.key(), first.payload()), (Some(&b"k"[..]), Some(&b""[..])));
    assert_eq!(first.timestamp().to_millis(), Some(now_ms));
    let headers: Vec<_> = first.headers().unwrap().iter().map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec))).collect();
    assert_eq!(headers, [("h".into(), Some(b"1".to_vec())), ("h".into(), Some(b"2".to_vec())), ("n".into(), None)]);
    let second = consumer.poll(DEADLINE).unwrap().unwrap();
    assert_eq!((second.key(), second.payload()), (Some(&b""[..]), None));
}

#[tokio::test]
async fn a_fetch_from_the_middle_of_a_batch_begins_there() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("middle");
    create(&cluster, &topic, 1).await;
    produce(&cluster, &topic, (0..100).map(|at| at.to_string()), &[("linger.ms", "50")]);
    let consumer = consumer(&cluster, &[]);
    assign(&consumer, &topic, 0, Offset::Offset(37));
    let message = consumer.poll(DEADLINE).unwrap().unwrap();
    assert_eq!((message.offset(), message.payload()), (37, Some(&b"37"[..])));
}

#[tokio::test]
async fn an_offset_out_of_range_is_told_at_once() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("range");
    create(&cluster, &topic, 1).await;
    produce(&cluster, &topic, ["only".to_owned()], &[]);

    let resets = consumer(&cluster, &[("auto.offset.reset", "earliest")]);
    assign(&resets, &topic, 0, Offset::Offset(1_000_000));
    assert_eq!(resets.poll(DEADLINE).unwrap().unwrap().offset(), 0);

    let complains = consumer(&cluster, &[("auto.offset.reset", "error")]);
    assign(&complains, &topic, 0, Offset::Offset(1_000_000));
    let error = complains.poll(DEADLINE).unwrap().map(|it| it.offset()).unwrap_err();
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AutoOffsetReset), "{error}");
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("times");
    create(&cluster, &topic, 1).await;
    let producer: BaseProducer = config(cluster.bootstrap(), &[]).create().unwrap();
    let base_ms = 1_700_000_000_000_i64;
    for at in 0..50_i64 {
        producer.send(BaseRecord::<(), _>::to(&topic).payload("x").timestamp(base_ms + at * 10)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    let consumer = consumer(&cluster, &[]);
    let check = |timestamp_ms: i64, expect: Offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(timestamp_ms)).unwrap();
        let found = consumer.offsets_for_times(list, DEADLINE).unwrap();
        assert_eq!(found.elements()[0].offset(), expect, "first offset at or after base + {}", timestamp_ms - base_ms);
    };
    check(base_ms - 1, Offset::Offset(0));
    check(base_ms, Offset::Offset(0));
    check(base_ms + 1, Offset::Offset(1));
    check(base_ms + 490, Offset::Offset(49));
    check(base_ms + 491, Offset::End);
}

#[tokio::test]
async fn a_record_over_the_limit_is_refused_and_the_next_one_is_not() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("large");
    create(&cluster, &topic, 1).await;
    let deliveries = produce(
        &cluster,
        &topic,
        ["x".repeat(2_000_000), "small".to_owned()],
        &[("message.max.bytes", "10000000"), ("batch.num.messages", "1")],
    );
    assert_eq!(deliveries.all().into_iter().map(|it| it.value).collect::<Vec<_>>(), [b"small".to_vec()]);
}

#[tokio::test]
async fn a_group_shares_partitions_and_goes_on_from_its_commit() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("group");
    create(&cluster, &topic, 4).await;
    let producer: BaseProducer = config(cluster.bootstrap(), &[]).create().unwrap();
    for at in 0..400 {
        producer.send(BaseRecord::<(), _>::to(&topic).partition(at % 4).payload(&at.to_string())).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();

    let group = cluster.topic("sharing");
    let more = [("group.id", group.as_str()), ("auto.offset.reset", "earliest"), ("session.timeout.ms", "6000")];
    let (first, second) = (consumer(&cluster, &more), consumer(&cluster, &more));
    first.subscribe(&[&topic]).unwrap();
    second.subscribe(&[&topic]).unwrap();
    let count = |it: &BaseConsumer| it.assignment().unwrap().count();
    let mut seen = HashSet::new();
    let give_up = Instant::now() + DEADLINE;
    while seen.len() < 400 || count(&first) != 2 || count(&second) != 2 {
        assert!(Instant::now() < give_up, "{} records, {} and {} partitions", seen.len(), count(&first), count(&second));
        for consumer in [&first, &second] {
            if let Some(message) = consumer.poll(Duration::from_millis(10)) {
                let message = message.unwrap();
                seen.insert((message.partition(), message.offset()));
            }
        }
    }
    let mut end = TopicPartitionList::new();
    for partition in 0..4 {
        end.add_partition_offset(&topic, partition, Offset::Offset(100)).unwrap();
    }
    first.commit(&end, CommitMode::Sync).unwrap();
    drop(second);
    poll_until(&[&first], "the remaining member gets all partitions", || count(&first) == 4);
    drop(first);

    let later = consumer(&cluster, &more);
    produce(&cluster, &topic, ["after the commit".to_owned()], &[]);
    later.subscribe(&[&topic]).unwrap();
    let mut read = None;
    let give_up = Instant::now() + DEADLINE;
    while read.is_none() && Instant::now() < give_up {
        // A poll may return early with nothing when it served a rebalance.
        read = later.poll(Duration::from_millis(100)).map(|message| message.unwrap().payload().map(<[u8]>::to_vec));
    }
    assert_eq!(read, Some(Some(b"after the commit".to_vec())));
}

#[tokio::test]
async fn topics_are_made_grown_configured_and_removed() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("admin");
    let admin = admin(&cluster);
    let new = NewTopic::new(&topic, 2, TopicReplication::Fixed(1)).set("retention.ms", "3600000");
    assert_eq!(admin.create_topics([&new], &options()).await.unwrap(), vec![Ok(topic.clone())]);
    let again = admin.create_topics([&new], &options()).await.unwrap();
    assert_eq!(again, vec![Err((topic.clone(), RDKafkaErrorCode::TopicAlreadyExists))]);
    let bad = NewTopic::new("not a name!", 1, TopicReplication::Fixed(1));
    let refused = admin.create_topics([&bad], &options()).await.unwrap();
    assert_eq!(refused, vec![Err(("not a name!".to_owned(), RDKafkaErrorCode::InvalidTopic))]);

    let described = admin.describe_configs([&ResourceSpecifier::Topic(&topic)], &options()).await.unwrap();
    let resource = described.into_iter().next().unwrap().unwrap();
    let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone());
    assert_eq!(value("retention.ms").as_deref(), Some("3600000"));
    assert_eq!(value("cleanup.policy").as_deref(), Some("delete"));

    admin.create_partitions([&NewPartitions::new(&topic, 5)], &options()).await.unwrap()[0].as_ref().unwrap();
    let metadata = consumer(&cluster, &[]).fetch_metadata(Some(&topic), DEADLINE).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 5);

    assert_eq!(admin.delete_topics(&[&topic], &options()).await.unwrap(), vec![Ok(topic.clone())]);
    let gone = admin.delete_topics(&[&topic], &options()).await.unwrap();
    assert_eq!(gone, vec![Err((topic, RDKafkaErrorCode::UnknownTopicOrPartition))]);
}

#[tokio::test]
async fn a_waiting_consumer_is_woken_by_the_record_and_not_by_its_timeout() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("wake");
    create(&cluster, &topic, 1).await;
    // A wait far beyond the deadline: only a wake-up can end it in time.
    let consumer = consumer(&cluster, &[("fetch.wait.max.ms", "60000"), ("socket.timeout.ms", "70000")]);
    assign(&consumer, &topic, 0, Offset::Beginning);
    assert!(consumer.poll(Duration::from_millis(500)).is_none());
    produce(&cluster, &topic, ["wake up".to_owned()], &[]);
    assert_eq!(consumer.poll(DEADLINE).unwrap().unwrap().payload(), Some(&b"wake up"[..]));
}

#[tokio::test]
async fn an_unknown_topic_is_an_error_where_the_client_forbids_its_creation() {
    let cluster = TestCluster::start();
    let topic = cluster.topic("nobody-made-this");
    let consumer = consumer(&cluster, &[("allow.auto.create.topics", "false"), ("topic.metadata.propagation.max.ms", "100")]);
    assign(&consumer, &topic, 0, Offset::Beginning);
    let error: KafkaError = consumer.poll(DEADLINE).unwrap().map(|it| it.offset()).unwrap_err();
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::UnknownTopicOrPartition), "{error}");
}
