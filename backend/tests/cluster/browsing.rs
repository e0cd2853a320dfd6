//! Every way to begin a query, and the receipt that each ends with.

use std::time::{Duration, Instant};

use weir_model::{MessageQuery, Offset, PartitionId, Receipt, Request, Start, StopReason, TimestampMs, TopicName};

use crate::support::{DEADLINE, TestBackend, TestCluster, set, unique};

/// Two partitions; times interleave: partition 0 has 0, 2, 4 …, partition 1 has 1, 3, 5 …
fn written(cluster: &TestCluster, backend: &mut TestBackend, count: i64) -> TopicName {
    let topic = backend.create_topic(&unique("messages"), 2);
    for partition in 0..2 {
        let times = (0..count).map(|at| 2 * at + i64::from(partition));
        cluster.produce(&topic, partition, times.map(|at| (1_000_000 + at, format!("value {at:06}"))));
    }
    topic
}

fn value(at: i64) -> String {
    format!("value {at:06}")
}

/// Partition, first offset, one past the last, records seen.
fn ranges(receipt: &Receipt) -> Vec<(i32, i64, i64, u64)> {
    receipt.ranges.iter().map(|it| (it.partition.0, it.from.0, it.to.0, it.records)).collect()
}

#[test]
fn each_start_reads_what_it_says() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = written(&cluster, &mut backend, 100);

    let mut check = |start: Start,
                     limit: usize,
                     expect: &mut dyn Iterator<Item = i64>,
                     stopped: StopReason,
                     looked_at: Option<&[(i32, i64, i64, u64)]>| {
        let query = backend.query(&topic, start, limit);
        let (values, receipt) = backend.read(&query);
        let expect: Vec<String> = expect.map(value).collect();
        assert_eq!(set(&values), set(&expect), "{start:?}");
        assert_eq!(values.len(), expect.len(), "{start:?}");
        assert_eq!(receipt.stopped, Some(stopped), "{start:?}");
        // Finding the newest looks at a block of each partition, and tells of all that matched there.
        assert!(receipt.records_matched == values.len() as u64 || start == Start::Newest, "{start:?}: {receipt:?}");
        if let Some(looked_at) = looked_at {
            assert_eq!(ranges(&receipt), looked_at, "{start:?}");
        }
    };
    check(Start::Beginning, 1_000, &mut (0..200), StopReason::End, Some(&[(0, 0, 100, 100), (1, 0, 100, 100)]));
    check(Start::Offset(Offset(98)), 1_000, &mut (196..200), StopReason::End, Some(&[(0, 98, 100, 2), (1, 98, 100, 2)]));
    check(Start::Offset(Offset(1_000)), 1_000, &mut (0..0), StopReason::End, Some(&[(0, 100, 100, 0), (1, 100, 100, 0)]));
    check(Start::Last(3), 1_000, &mut (194..200), StopReason::End, Some(&[(0, 97, 100, 3), (1, 97, 100, 3)]));
    check(Start::Timestamp(TimestampMs(1_000_190)), 1_000, &mut (190..200), StopReason::End, None);
    check(Start::Timestamp(TimestampMs(2_000_000)), 1_000, &mut (0..0), StopReason::End, None);
    check(Start::End, 1_000, &mut (0..0), StopReason::End, None);
    check(Start::Newest, 10, &mut (190..200), StopReason::Limit, None);
    check(Start::Newest, 1_000, &mut (0..200), StopReason::End, Some(&[(0, 0, 100, 100), (1, 0, 100, 100)]));
    check(Start::Newest, 0, &mut (0..0), StopReason::Limit, None);
}

#[test]
fn a_limit_stops_and_a_partition_can_be_chosen() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = written(&cluster, &mut backend, 100);
    let query = backend.query(&topic, Start::Beginning, 7);
    let one = MessageQuery { partitions: Some(vec![PartitionId(1)]), ..query };
    let (values, receipt) = backend.read(&one);
    assert_eq!(values, (0..7).map(|at| value(2 * at + 1)).collect::<Vec<_>>());
    assert_eq!((receipt.stopped, receipt.records_matched), (Some(StopReason::Limit), 7));
    assert_eq!(receipt.ranges.len(), 1);

    let missing = MessageQuery { partitions: Some(vec![PartitionId(9)]), ..backend.query(&topic, Start::Beginning, 7) };
    let (_, receipt) = backend.read(&missing);
    let Some(StopReason::Failed(problem)) = receipt.stopped else { panic!("{receipt:?}") };
    assert!(problem.what.contains("no partition 9"), "{problem}");
}

#[test]
fn the_newest_come_in_the_order_of_time() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = written(&cluster, &mut backend, 2_000);
    let query = backend.query(&topic, Start::Newest, 500);
    let (values, receipt) = backend.read(&query);
    assert_eq!(values, (3_500..4_000).map(value).collect::<Vec<_>>());
    assert!(receipt.records_scanned < 4_000, "the newest of a long log are found without reading all of it: {receipt:?}");
}

#[test]
fn a_filter_finds_old_and_new_matches_in_any_case() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = written(&cluster, &mut backend, 5_000);
    let mut check = |start: Start, contains: &str, expect: &[i64]| {
        let query = MessageQuery { contains: contains.into(), ..backend.query(&topic, start, 3) };
        let (values, receipt) = backend.read(&query);
        assert_eq!(values, expect.iter().copied().map(value).collect::<Vec<_>>(), "{contains}: {receipt:?}");
    };
    check(Start::Newest, "VALUE 00000", &[7, 8, 9]);
    check(Start::Newest, "0099", &[9_997, 9_998, 9_999]);
    check(Start::Newest, "value 004242", &[4_242]);
    check(Start::Newest, "nowhere", &[]);
    check(Start::Beginning, "Value 004243", &[4_243]);
}

#[test]
fn who_follows_sees_a_record_within_a_second_and_can_stop() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = written(&cluster, &mut backend, 10);
    let query = MessageQuery { follow: true, ..backend.query(&topic, Start::Newest, 5) };
    backend.open(&query);
    backend.wait("the newest", |store| store.messages.rows.len() == 5);

    let follow = MessageQuery { follow: true, ..backend.query(&topic, Start::End, 1_000) };
    backend.open(&follow);
    // The query is at the end once it has told that it looked at both partitions.
    backend.wait("receipt", |store| store.messages.receipt.as_ref().is_some_and(|receipt| receipt.ranges.len() == 2));
    cluster.produce(&topic, 0, [(5_000_000, "late".to_owned())]);
    let written_at = Instant::now();
    backend.wait("the record", |store| store.messages.rows.len() == 1);
    assert!(written_at.elapsed() < Duration::from_secs(1), "{:?}", written_at.elapsed());
    assert_eq!(backend.values(), ["late"]);

    backend.ask(Request::StopMessages(follow.id));
    backend.wait("receipt", |store| store.messages.receipt.as_ref().is_some_and(|receipt| receipt.stopped == Some(StopReason::Cancelled)));
}

#[test]
fn a_million_records_do_not_fill_the_memory_of_a_slow_reader() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = written(&cluster, &mut backend, 100_000);
    let query = backend.query(&topic, Start::Beginning, usize::MAX);
    let started = Instant::now();
    backend.open(&query);
    // Nobody looks for a while: the query waits rather than piling up rows.
    std::thread::park_timeout(Duration::from_millis(300));
    let mut rows = 0;
    let mut stopped = None;
    while stopped.is_none() {
        assert!(started.elapsed() < DEADLINE);
        if let Some(weir_model::Update::Messages { rows: more, receipt, .. }) = backend.handle.recv(Duration::from_millis(100)) {
            assert!(more.len() <= 1_000);
            rows += more.len();
            stopped = receipt.stopped.clone();
        }
    }
    assert_eq!((rows, stopped), (200_000, Some(StopReason::End)));
}

#[test]
fn transactions_leave_gaps_that_the_receipt_shows() {
    use rdkafka::{
        ClientConfig,
        producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
    };

    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("transactions"), 1);
    let id = unique("writer");
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", &cluster.bootstrap).set("transactional.id", &id).create().unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    for (round, is_committed) in [(0, true), (1, false), (2, true), (3, false)] {
        producer.begin_transaction().unwrap();
        for at in 0..5 {
            let value = format!("{round}-{at}");
            producer.send(BaseRecord::<(), _>::to(topic.as_str()).payload(&value)).unwrap();
        }
        producer.flush(DEADLINE).unwrap(); // an abort would drop what is still queued
        let done = if is_committed { producer.commit_transaction(DEADLINE) } else { producer.abort_transaction(DEADLINE) };
        done.unwrap();
    }
    let committed: Vec<String> = [0, 2].iter().flat_map(|round| (0..5).map(move |at| format!("{round}-{at}"))).collect();
    for start in [Start::Beginning, Start::Newest, Start::Offset(Offset(0))] {
        let query = backend.query(&topic, start, 1_000);
        let (values, receipt) = backend.read(&query);
        assert_eq!((&values, &receipt.stopped), (&committed, &Some(StopReason::End)), "{start:?}");
        let range = receipt.ranges[0];
        assert_eq!((range.from.0, range.records), (0, 10), "{receipt:?}");
        assert!(range.to.0 > 20, "aborted records and markers have been passed: {receipt:?}");
    }
}
