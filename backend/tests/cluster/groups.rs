//! Groups, their members, offsets and lag, as other people's consumers make them.

use std::time::{Duration, Instant};

use weir_backend::client::{Assignment, GroupConsumer, GroupEvent};
use weir_model::{Group, GroupId, GroupKind, GroupState, NoticeLevel, Offset, PartitionId, Request, Store, Verdict};

use crate::support::{DEADLINE, TestBackend, TestCluster, unique};

fn group<'a>(store: &'a Store, id: &GroupId) -> Option<&'a Group> {
    store.groups.value()?.group(id)
}

/// Reads `count` records as a member of the group.
fn consume(consumer: &GroupConsumer, count: usize) {
    let deadline = Instant::now() + DEADLINE;
    let mut seen = 0;
    while seen < count {
        assert!(Instant::now() < deadline, "only {seen} of {count} records came");
        if let Some(GroupEvent::Record(_)) = consumer.poll(Duration::from_millis(100)).unwrap() {
            seen += 1;
        }
    }
}

fn at(topic: &str, partition: i32) -> Assignment {
    Assignment { topic: topic.to_owned(), partition }
}

#[test]
fn members_assignments_and_lag_are_exact() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("read"), 2);
    let id = GroupId::from(unique("readers"));
    cluster.produce(&topic, 0, (0..100).map(|at| (at, format!("value {at}"))));
    cluster.produce(&topic, 1, (0..50).map(|at| (at, format!("value {at}"))));

    let consumer = GroupConsumer::new(&cluster.connection(), id.as_str(), &[topic.as_str()], |_, _| None).unwrap();
    consume(&consumer, 150);
    consumer.commit([(at(topic.as_str(), 0), 70), (at(topic.as_str(), 1), 50)], true).unwrap();
    backend.ask(Request::Refresh);
    backend.wait("lag", |store| group(store, &id).and_then(Group::lag_records) == Some(30));

    let seen = group(&backend.store, &id).unwrap();
    assert_eq!((&seen.state, seen.kind), (&GroupState::Stable, GroupKind::Classic));
    assert!(!seen.assignor.is_empty() && seen.coordinator.is_some(), "{seen:?}");
    let [member] = seen.members.as_slice() else { panic!("{:?}", seen.members) };
    assert_eq!(&*member.client_id, "weir");
    assert_eq!(member.assignment.iter().map(|at| at.partition).collect::<Vec<_>>(), [PartitionId(0), PartitionId(1)]);
    let rows: Vec<_> = seen.partitions.iter().map(|it| (it.partition.0, it.committed_offset, it.end_offset, it.lag_records)).collect();
    assert_eq!(rows, [(0, Some(Offset(70)), Some(Offset(100)), Some(30)), (1, Some(Offset(50)), Some(Offset(50)), Some(0))]);
    assert_eq!(seen.partitions[1].verdict.verdict, Verdict::CaughtUp);
    assert!(seen.partitions.iter().all(|it| it.member_id.as_ref() == Some(&member.id)), "{seen:?}");

    // Its consumer goes; its offsets stay, and lag grows with what is written.
    drop(consumer);
    cluster.produce(&topic, 1, (50..60).map(|at| (at, format!("value {at}"))));
    backend.wait("growing lag", |store| {
        group(store, &id)
            .is_some_and(|group| group.state == GroupState::Empty && group.members.is_empty() && group.lag_records() == Some(40))
    });
    backend.wait("a verdict", |store| group(store, &id).and_then(Group::verdict).is_some_and(|it| it.verdict == Verdict::Stalled));
    let evidence = &group(&backend.store, &id).unwrap().verdict().unwrap().evidence;
    assert!(evidence.contains("no member reads it"), "{evidence}");

    let notice = backend.wait_for_notice(Request::DeleteGroup(id.clone()));
    assert_eq!(notice.level, NoticeLevel::Success, "{notice:?}");
    backend.wait("its end", |store| store.groups.value().is_some_and(|groups| groups.group(&id).is_none()));
}

#[test]
fn a_member_without_a_commit_is_shown_and_browsing_is_no_member() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("uncommitted"), 1);
    let id = GroupId::from(unique("silent"));
    cluster.produce(&topic, 0, (0..5).map(|at| (at, format!("value {at}"))));
    let query = backend.query(&topic, weir_model::Start::Beginning, 100);
    assert_eq!(backend.read(&query).0.len(), 5);

    let consumer = GroupConsumer::new(&cluster.connection(), id.as_str(), &[topic.as_str()], |_, _| None).unwrap();
    consume(&consumer, 5);
    backend.ask(Request::Refresh);
    backend.wait("member", |store| group(store, &id).is_some_and(|group| !group.partitions.is_empty()));
    let seen = group(&backend.store, &id).unwrap();
    assert_eq!((seen.partitions[0].committed_offset, seen.partitions[0].lag_records), (None, None));
    assert_eq!(seen.verdict().unwrap().verdict, Verdict::NoCommit);
    let readers = backend.store.groups.value().unwrap().group(&GroupId::from("weir-reader"));
    assert_eq!(readers, None, "reading messages left a group behind");

    let notice = backend.wait_for_notice(Request::DeleteGroup(id));
    assert_eq!(notice.level, NoticeLevel::Error, "a group with members can't be deleted: {notice:?}");
    assert!(notice.detail.contains("Stop its members first"), "{notice:?}");
}

#[test]
fn a_rebalance_is_told_before_the_records_it_brings() {
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("shared"), 2);
    for partition in 0..2 {
        cluster.produce(&topic, partition, (0..10).map(|at| (at, format!("value {at}"))));
    }
    let id = unique("pair");
    // The second half of each partition is asked for, in place of the committed offset.
    let new = || GroupConsumer::new(&cluster.connection(), &id, &[topic.as_str()], |_, _| Some(5)).unwrap();
    let (first, mut second) = (new(), None);
    let (mut owned, mut records, mut revoked) = (Vec::new(), 0, false);
    let deadline = Instant::now() + DEADLINE;
    while !revoked {
        assert!(Instant::now() < deadline, "{owned:?} {records}");
        match first.poll(Duration::from_millis(50)).unwrap() {
            Some(GroupEvent::Assigned(partitions)) => owned.extend(partitions),
            Some(GroupEvent::Revoked(partitions)) => {
                assert!(partitions.iter().all(|it| owned.contains(it)));
                revoked = !partitions.is_empty();
            }
            Some(GroupEvent::Record(record)) => {
                assert!(owned.contains(&at(record.topic(), record.partition())), "a record of a partition that is not ours");
                assert!(record.offset() >= 5);
                records += 1;
            }
            None => {}
        }
        if records == 10 && second.is_none() {
            second = Some(new());
        }
        if let Some(second) = &second {
            second.poll(Duration::from_millis(50)).unwrap();
        }
    }
}

#[test]
fn hundreds_of_groups_are_read_together() {
    use rdkafka::{
        ClientConfig, Offset as At, TopicPartitionList,
        consumer::{BaseConsumer, CommitMode, Consumer as _},
    };

    const GROUPS: usize = 250; // more than one request holds
    let cluster = TestCluster::start();
    let mut backend = TestBackend::connected(&cluster);
    let topic = backend.create_topic(&unique("popular"), 1);
    cluster.produce(&topic, 0, (0..1_000).map(|at| (at, format!("value {at}"))));
    let prefix = unique("many");
    let name = |number: usize| format!("{prefix}-{number:03}");
    for number in 0..GROUPS {
        // A consumer that chooses its partitions by itself: it commits without ever joining.
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &cluster.bootstrap).set("group.id", name(number)).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(topic.as_str(), 0, At::Offset(i64::try_from(number).unwrap())).unwrap();
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
    }
    backend.ask(Request::Refresh);
    let is_whole = |store: &Store| (0..GROUPS).all(|number| group(store, &GroupId::from(name(number))).is_some());
    backend.wait("all groups", is_whole);
    let snapshot = backend.store.groups.value().unwrap();
    assert_eq!(snapshot.partial, []);
    for number in 0..GROUPS {
        let seen = snapshot.group(&GroupId::from(name(number))).unwrap();
        assert_eq!((seen.lag_records(), &seen.state), (Some(1_000 - number as u64), &GroupState::Empty));
    }
}
