//! Topics, configurations and records, changed and seen again.

use std::time::{Duration, Instant};

use weir_model::{ConfigSource, NoticeLevel, Offset, PartitionId, ProduceRecord, RecordHeader, Request, Start, Store, TopicName};

use crate::support::{DEADLINE, TestBackend, TestCluster, unique};

#[test]
fn a_topic_is_created_seen_and_deleted() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("orders"), 3);
    // A cluster may list a topic a moment before its leaders answer for it; its offsets are unknown until then.
    let is_known = |store: &Store| store.cluster.value().and_then(|cluster| cluster.topic(&topic)?.records()).is_some();
    backend.wait("topic", is_known);

    let snapshot = backend.store.cluster.value().unwrap().clone();
    assert!(!snapshot.brokers.is_empty());
    assert!(snapshot.cluster_id.is_some() && snapshot.controller.is_some(), "{snapshot:?}");
    assert_eq!(snapshot.partial, []);
    let seen = snapshot.topic(&topic).unwrap();
    assert_eq!(seen.partitions.len(), 3);
    assert_eq!((seen.records(), seen.replication_factor(), seen.under_replicated_partitions()), (Some(0), 1, 0));

    let notice = backend.wait_for_notice(Request::DeleteTopic(topic.clone()));
    assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
    backend.wait("its end", |store| store.cluster.value().is_some_and(|cluster| cluster.topic(&topic).is_none()));
}

#[test]
fn offsets_bytes_and_rates_follow_what_is_written() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("written"), 2);
    backend.wait("topic", |store| store.cluster.value().is_some_and(|cluster| cluster.topic(&topic).is_some()));
    cluster.produce(&topic, 1, (0..1_000).map(|at| (1_700_000_000_000 + at, format!("value {at} {}", unique("incompressible")))));
    backend.wait("records", |store| store.cluster.value().and_then(|cluster| cluster.topic(&topic)?.records()) == Some(1_000));
    let seen = backend.store.cluster.value().unwrap().topic(&topic).unwrap().clone();
    assert_eq!(seen.partitions[0].high_watermark, Some(Offset(0)));
    assert_eq!(seen.partitions[1].high_watermark, Some(Offset(1_000)));
    assert_eq!(seen.partitions[1].log_start_offset, Some(Offset(0)));
    assert!(seen.bytes().unwrap() > 1_000, "{seen:?}");
    assert!(seen.rates.unwrap().records_per_s > 0.0, "{seen:?}");
    // Sizes are asked for less often than offsets.
    backend.wait("the rate of bytes", |store| {
        let rates = store.cluster.value().and_then(|cluster| cluster.topic(&topic)?.rates);
        rates.and_then(|rates| rates.bytes_per_s).is_some_and(|rate| rate > 0.0)
    });
}

#[test]
fn a_record_comes_back_as_it_was_sent() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("exact"), 1);
    let header = |name: &str, value: Option<&[u8]>| RecordHeader { name: name.into(), value: value.map(Into::into) };
    let sent = [
        ProduceRecord {
            topic: topic.clone(),
            partition: Some(PartitionId(0)),
            key: Some(b"k"[..].into()),
            value: Some(br#"{"id": 9007199254740993}"#[..].into()),
            headers: vec![header("a", Some(b"1")), header("a", Some(b"\xff")), header("none", None)],
        },
        ProduceRecord { topic: topic.clone(), partition: None, key: None, value: None, headers: Vec::new() },
        ProduceRecord { topic: topic.clone(), partition: None, key: Some([][..].into()), value: Some([][..].into()), headers: Vec::new() },
    ];
    for (at, record) in sent.iter().enumerate() {
        let notice = backend.wait_for_notice(Request::Produce(record.clone()));
        assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
        assert_eq!(&*notice.title, format!("Written to {topic} [0] at offset {at}"));
    }
    let query = backend.query(&topic, Start::Beginning, 100);
    backend.read(&query);
    let rows = &backend.store.messages.rows;
    assert_eq!(rows.len(), sent.len());
    for (row, sent) in rows.iter().zip(&sent) {
        assert_eq!((&row.record.key, &row.record.value, &row.record.headers), (&sent.key, &sent.value, &sent.headers));
    }
    assert_eq!((rows[0].decoder.0, &*rows[0].value_preview), ("json", r#"{"id":9007199254740993}"#));
    assert_eq!(rows[1].decoder.0, "null");
}

#[test]
fn a_topics_configuration_tells_what_was_set() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = TopicName::from(unique("configured"));
    let new = weir_model::NewTopic {
        name: topic.clone(),
        partitions: 1,
        replication_factor: 1,
        configs: vec![("retention.ms".into(), "123456".into())],
    };
    assert_eq!(backend.wait_for_notice(Request::CreateTopic(new)).level, NoticeLevel::Success);
    backend.ask(Request::LoadTopicConfigs(topic.clone()));
    backend.wait("configuration", |store| store.topic_configs.get(&topic).is_some_and(|it| it.value().is_some()));
    let configs = backend.store.topic_configs[&topic].value().unwrap().clone();
    let entry = |name: &str| configs.iter().find(|entry| &*entry.name == name).unwrap_or_else(|| panic!("no {name} in {configs:?}"));
    assert_eq!((entry("retention.ms").value.as_deref(), entry("retention.ms").source), (Some("123456"), ConfigSource::Topic));
    assert_ne!(entry("cleanup.policy").source, ConfigSource::Topic);
    assert!(configs.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn rows_are_exported_whole_or_not_at_all() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("exported"), 1);
    cluster.produce(&topic, 0, (0..10).map(|at| (at, format!("value {at}"))));
    let query = backend.query(&topic, Start::Beginning, 100);
    backend.read(&query);
    let rows: Vec<_> = backend.store.messages.rows.iter().cloned().collect();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let notice = backend.wait_for_notice(Request::ExportMessages { rows: rows.clone(), path: path.clone() });
    assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
    let lines: Vec<serde_json::Value> =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert_eq!((lines[3]["payload"].as_str(), lines[3]["offset"].as_i64(), lines[3]["ts"].as_i64()), (Some("value 3"), Some(3), Some(3)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the file is left");

    let nowhere = folder.path().join("missing").join("rows.jsonl");
    let notice = backend.wait_for_notice(Request::ExportMessages { rows, path: nowhere });
    assert_eq!(notice.level, NoticeLevel::Error, "{notice:?}");
}

#[test]
fn a_quiet_cluster_is_told_of_rarely_and_refresh_asks_at_once() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    backend.wait("groups", |store| store.groups.value().is_some());
    let topic = backend.create_topic(&unique("quiet"), 1);
    backend.wait("topic", |store| store.cluster.value().is_some_and(|cluster| cluster.topic(&topic).is_some()));
    backend.take_all();
    cluster.produce(&topic, 0, [(0, "one".to_owned())]);
    let asked = Instant::now();
    backend.ask(Request::Refresh);
    backend.wait("record", |store| store.cluster.value().and_then(|cluster| cluster.topic(&topic)?.records()) == Some(1));
    assert!(asked.elapsed() < DEADLINE.min(Duration::from_secs(5)), "{:?}", asked.elapsed());
}
