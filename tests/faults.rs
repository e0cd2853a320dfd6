//! A real client survives each fault switch as Kafka's documentation says: retriable errors are retried, an idempotent producer writes each
//! record once and in order, a group goes on from its commit, a transaction ends as it was decided.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::time::{Duration, Instant};

use rdkafka::{
    Message as _,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseRecord, Producer as _},
};
use weir_broker::{Broker, EventKind};
use weir_tests::{
    broker,
    client::{self, DEADLINE, Deliveries, config},
};

const TOPIC: &str = "orders";
const RECORDS: usize = 100;

fn start() -> (Broker, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (broker::start(folder.path()), folder)
}

fn set(broker: &Broker, spec: &str) {
    broker.faults().set(spec.parse().unwrap()).unwrap();
}

/// A fault that nobody met proves nothing.
fn assert_met(broker: &Broker, spec: &str) {
    let is_hit = broker.faults().active().iter().any(|fault| fault.hits > 0);
    let is_over = |kind: EventKind| matches!(kind, EventKind::FaultChanged { change: "used up" | "over", .. });
    assert!(is_hit || broker.events(0).events.into_iter().any(|event| is_over(event.kind)), "{spec} was not met");
}

fn value(at: usize) -> String {
    format!("value {at}")
}

/// Produces from `from` on, in small batches, and waits until all is acknowledged.
fn produce(broker: &Broker, from: usize) -> Deliveries {
    let deliveries = Deliveries::default();
    // Waits are short, so that what is lost on the way is missed soon.
    let more = [("enable.idempotence", "true"), ("batch.num.messages", "10"), ("socket.timeout.ms", "2000"), ("retry.backoff.ms", "20")];
    let producer = client::producer(&broker.address().to_string(), &deliveries, &more).unwrap();
    for at in from..from + RECORDS {
        producer.send(BaseRecord::<(), _>::to(TOPIC).partition(0).payload(&value(at))).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(DEADLINE).unwrap();
    deliveries
}

fn read_values(broker: &Broker) -> Vec<String> {
    let records = client::read_all(&broker.address().to_string(), TOPIC).unwrap();
    records.into_iter().map(|record| String::from_utf8(record.value).unwrap()).collect()
}

fn values(count: usize) -> Vec<String> {
    (0..count).map(value).collect()
}

/// Checks every fault, all at the same time, for each waits more than it works.
fn each(specs: &[&'static str], check: fn(&'static str)) {
    std::thread::scope(|scope| {
        for spec in specs {
            scope.spawn(move || check(spec));
        }
    });
}

/// Faults a producer may meet. After each, every record is there once and in order.
const WHILE_PRODUCING: &[&str] = &[
    "delay:api=Produce,ms=10-200,seed=1",
    "drop-reply:how=close,api=Produce,count=3",
    "drop-reply:how=close,api=Produce,p=0.3,seed=2,count=5",
    "drop-reply:how=swallow,api=Produce,count=1",
    "error:api=Produce,code=NOT_LEADER_OR_FOLLOWER,count=3",
    "error:api=Produce,code=REQUEST_TIMED_OUT,when=after,count=2",
    "error:api=Produce,code=NOT_ENOUGH_REPLICAS,p=0.5,seed=3,count=5",
    "error:api=Metadata,code=LEADER_NOT_AVAILABLE,topic=orders,count=2",
    "error:api=InitProducerId,code=COORDINATOR_LOAD_IN_PROGRESS,count=2",
    "close:for=500ms",
    "disk-full:topic=orders,for=500ms",
    "load-coordinator:for=500ms",
];

#[test]
fn an_idempotent_producer_writes_each_record_once_and_in_order() {
    each(WHILE_PRODUCING, |spec| {
        let (broker, _folder) = start();
        produce(&broker, 0);
        // Non-transactional producers ask no coordinator, so they must not notice that one moves.
        let is_unnoticed = spec.starts_with("load-coordinator");
        set(&broker, spec);
        assert_eq!(produce(&broker, RECORDS).len(), RECORDS, "{spec}");
        if !is_unnoticed {
            assert_met(&broker, spec);
        }
        broker.faults().clear_all();
        assert_eq!(read_values(&broker), values(2 * RECORDS), "{spec}");
    });
}

/// Faults a member of a group may meet. It reads every record in order, and its commit arrives.
const WHILE_CONSUMING: &[&str] = &[
    "delay:api=Fetch,ms=10-200,seed=4",
    "drop-reply:how=close,api=Fetch,count=2",
    "drop-reply:how=close,api=OffsetCommit,count=1",
    "drop-reply:how=swallow,api=Heartbeat,count=1",
    "error:api=Fetch,code=NOT_LEADER_OR_FOLLOWER,topic=orders,count=3",
    "error:api=Fetch,code=KAFKA_STORAGE_ERROR,p=0.3,seed=5,count=3",
    "error:api=FindCoordinator,code=COORDINATOR_NOT_AVAILABLE,count=2",
    "error:api=JoinGroup,code=COORDINATOR_LOAD_IN_PROGRESS,count=1",
    "error:api=SyncGroup,code=REBALANCE_IN_PROGRESS,count=1",
    "error:api=Heartbeat,code=UNKNOWN_MEMBER_ID,count=1",
    "error:api=OffsetFetch,code=UNSTABLE_OFFSET_COMMIT,count=2",
    "move-coordinator:for=500ms",
    "load-coordinator:for=500ms",
    "close:count=4",
];

#[test]
fn a_member_of_a_group_reads_everything_and_commits() {
    each(WHILE_CONSUMING, |spec| {
        let (broker, _folder) = start();
        produce(&broker, 0);
        let consumer = member(&broker);
        consumer.subscribe(&[TOPIC]).unwrap();
        let mut read = Vec::new();
        // Some faults are met while the group forms, the others once it reads.
        let is_of_reading = ["=Fetch,", "Heartbeat", "OffsetCommit", "close"].iter().any(|word| spec.contains(word));
        if !is_of_reading {
            set(&broker, spec);
        }
        read_until(&consumer, &mut read, RECORDS, spec);
        if is_of_reading {
            set(&broker, spec);
        }
        produce(&broker, RECORDS);
        read_until(&consumer, &mut read, 2 * RECORDS, spec);
        commit(&consumer, spec);
        let give_up = Instant::now() + DEADLINE;
        while spec.contains("Heartbeat") && !broker.faults().active().is_empty() {
            assert!(Instant::now() < give_up, "{spec}: no heartbeat came");
            consumer.poll(Duration::from_millis(20));
        }
        assert_met(&broker, spec);
        broker.faults().clear_all();
        assert_eq!(read, values(2 * RECORDS), "{spec}");
        drop(consumer);

        let next = member(&broker);
        next.subscribe(&[TOPIC]).unwrap();
        produce(&broker, 2 * RECORDS);
        let mut rest = Vec::new();
        read_until(&next, &mut rest, RECORDS, spec);
        assert_eq!(rest[0], value(2 * RECORDS), "{spec}: it goes on from the commit");
    });
}

fn member(broker: &Broker) -> BaseConsumer {
    let more = [
        ("group.id", "readers"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("heartbeat.interval.ms", "100"),
        ("session.timeout.ms", "6000"),
        ("socket.timeout.ms", "2000"),
        ("reconnect.backoff.max.ms", "200"),
        ("retry.backoff.ms", "20"),
    ];
    config(&broker.address().to_string(), &more).create().unwrap()
}

/// Reads on until so many different values came. A member that was thrown out reads again what it had not committed (at least once): what it
/// knows already is left out, so that order and completeness stand in `read`.
fn read_until(consumer: &BaseConsumer, read: &mut Vec<String>, count: usize, spec: &str) {
    let give_up = Instant::now() + DEADLINE;
    while read.len() < count {
        assert!(Instant::now() < give_up, "{spec}: {} of {count} records came", read.len());
        // Errors a poll tells of are those the client goes on after by itself.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
            if !read.contains(&value) {
                read.push(value);
            }
        }
    }
}

/// A commit may be refused in between, as when the coordinator moves; the application tries again.
fn commit(consumer: &BaseConsumer, spec: &str) {
    let give_up = Instant::now() + DEADLINE;
    while let Err(error) = consumer.commit_consumer_state(CommitMode::Sync) {
        assert!(Instant::now() < give_up, "{spec}: {error}");
        consumer.poll(Duration::from_millis(20));
    }
}

/// Faults a transaction may meet. It is committed, once.
const WHILE_COMMITTING: &[&str] = &[
    "drop-reply:how=close,api=InitProducerId,count=1",
    "drop-reply:how=close,api=AddPartitionsToTxn,count=1",
    "drop-reply:how=close,api=EndTxn,count=1",
    "error:api=AddPartitionsToTxn,code=CONCURRENT_TRANSACTIONS,count=2",
    "error:api=EndTxn,code=COORDINATOR_LOAD_IN_PROGRESS,count=2",
    "error:api=Produce,code=NOT_LEADER_OR_FOLLOWER,count=2",
    "move-coordinator:for=500ms",
    "load-coordinator:for=500ms",
    "close:for=300ms",
];

#[test]
fn a_transaction_is_committed_once() {
    each(WHILE_COMMITTING, |spec| {
        let (broker, _folder) = start();
        let deliveries = Deliveries::default();
        let more = [("transactional.id", "transfers"), ("socket.timeout.ms", "2000"), ("retry.backoff.ms", "20")];
        let producer = client::producer(&broker.address().to_string(), &deliveries, &more).unwrap();
        set(&broker, spec);
        until_done(spec, || producer.init_transactions(DEADLINE));
        for transaction in 0..3 {
            producer.begin_transaction().unwrap();
            for at in 0..10 {
                let value = value(transaction * 10 + at);
                producer.send(BaseRecord::<(), _>::to(TOPIC).partition(0).payload(&value)).map_err(|(error, _)| error).unwrap();
            }
            until_done(spec, || producer.commit_transaction(DEADLINE));
        }
        assert_met(&broker, spec);
        broker.faults().clear_all();
        let consumer: BaseConsumer = member(&broker);
        consumer.subscribe(&[TOPIC]).unwrap();
        let mut read = Vec::new();
        read_until(&consumer, &mut read, 30, spec);
        assert_eq!(read, values(30), "{spec}");
    });
}

/// Errors that Kafka calls retriable are for the application to retry.
fn until_done(spec: &str, call: impl Fn() -> Result<(), rdkafka::error::KafkaError>) {
    let give_up = Instant::now() + DEADLINE;
    while let Err(error) = call() {
        let is_retriable = matches!(&error, rdkafka::error::KafkaError::Transaction(error) if error.is_retriable());
        assert!(is_retriable && Instant::now() < give_up, "{spec}: {error}");
    }
}

#[test]
fn an_admin_client_is_told_that_the_disk_can_not_be_synced() {
    let (broker, _folder) = start();
    set(&broker, "fail-fsync:count=1");
    let admin: rdkafka::admin::AdminClient<_> = config(&broker.address().to_string(), &[]).create().unwrap();
    let new = rdkafka::admin::NewTopic::new(TOPIC, 1, rdkafka::admin::TopicReplication::Fixed(1));
    let options = rdkafka::admin::AdminOptions::new().request_timeout(Some(DEADLINE));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let create = || runtime.block_on(admin.create_topics([&new], &options)).unwrap();
    let failed = create();
    assert_eq!(failed, vec![Err((TOPIC.to_owned(), rdkafka::error::RDKafkaErrorCode::KafkaStorageError))]);
    assert_eq!(create(), vec![Ok(TOPIC.to_owned())]);
}
