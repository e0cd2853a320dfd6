//! The coordinator at work over a log in memory: restarts, full disks, parked requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::InternalTopic;
use super::super::command::{Caller, Command, CommitOffsets, Join, OffsetToCommit, Protocol, Reply};
use super::super::config::GroupConfig;
use super::super::ids::GroupId;
use super::super::runtime::Coordinator;
use crate::clock::ManualClock;
use crate::codec::ResponseError;
use crate::config::{Durability, Limits};
use crate::disk::MemoryDisk;
use crate::log::{Environment, Partition};
use crate::topics::configs::Overrides;
use crate::topics::{NewTopic, Topics};

struct World {
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    topics: Arc<Topics>,
    coordinator: Coordinator,
}

impl World {
    fn partition(&self) -> Arc<Partition> {
        self.topics.get("__consumer_offsets").expect("it was written to").partition(0).unwrap()
    }
}

/// A coordinator on what this disk holds: as after a kill, if there was one before.
fn open(disk: MemoryDisk) -> World {
    open_with(disk, true)
}

/// The same, with the topic as it is or is not.
fn open_without(disk: MemoryDisk) -> World {
    open_with(disk, false)
}

fn open_with(disk: MemoryDisk, creates_topic: bool) -> World {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let environment = Environment::new(clock.clone(), Arc::new(disk.clone()), 4, Durability::Os);
    let topics = Topics::open("/data".as_ref(), Arc::new(environment), Limits::default()).unwrap();
    if creates_topic && topics.get("t").is_none() {
        topics.create(NewTopic { name: "t".into(), partitions: 1, overrides: Overrides::default() }).unwrap();
    }
    let topics = Arc::new(topics);
    let log = InternalTopic::offsets(Arc::clone(&topics));
    let coordinator = Coordinator::open(GroupConfig::default(), log, clock.clone());
    World { disk, clock, topics, coordinator }
}

fn commit(offset: i64) -> Command {
    let member = Caller { generation: -1, ..Caller::default() };
    let offset = OffsetToCommit { topic: "t".into(), partition: 0, offset, leader_epoch: -1, metadata: String::new(), retention_ms: None };
    Command::CommitOffsets(CommitOffsets { member, offsets: vec![offset], producer: None, has_member_epoch: false })
}

fn committed(world: &World) -> Option<i64> {
    world.coordinator.read(|state| Some(state.get("g")?.durable.offsets.get("t")?.get(&0)?.offset))
}

fn join() -> Command {
    Command::Join(Join {
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::new() }],
        fresh_member_id: "m".into(),
        ..Join::default()
    })
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let world = open(MemoryDisk::default());
    let group_id = GroupId::from("g");
    assert_eq!(world.coordinator.ask(&group_id, commit(5)).await, Ok(Reply::Offsets(vec![None])));
    let world = open(world.disk);
    assert_eq!(committed(&world), Some(5));
    world.coordinator.forget_topics(&["t".into()]);
    assert_eq!(committed(&world), None);
    assert_eq!(committed(&open(world.disk)), None);
}

/// Commits until the log has some closed segments. The last offset committed.
async fn many_commits(world: &World) -> i64 {
    let group_id = GroupId::from("g");
    world.coordinator.ask(&group_id, commit(0)).await.unwrap();
    let topic = world.topics.get("__consumer_offsets").unwrap();
    let mut overrides = topic.overrides();
    overrides.insert("segment.bytes".into(), "10000".into());
    world.topics.set_overrides(&topic, overrides, false).unwrap();
    for offset in 1..=600 {
        world.coordinator.ask(&group_id, commit(offset)).await.unwrap();
    }
    600
}

#[tokio::test]
async fn a_log_that_says_little_with_many_words_is_compacted() {
    let world = open(MemoryDisk::default());
    let last = many_commits(&world).await;
    let partition = world.partition();
    let records = || {
        let bytes = partition.read(0, usize::MAX, true).unwrap();
        crate::log::batch::headers(&bytes).count()
    };
    let before = records();
    partition.seal_closed().unwrap();
    partition.clean().unwrap();
    assert!(records() < before / 2, "{} of {before} are left", records());
    assert_eq!(committed(&open(world.disk)), Some(last));
}

#[tokio::test]
async fn damage_in_the_log_costs_what_is_damaged_and_not_the_broker() {
    let world = open(MemoryDisk::default());
    let last = many_commits(&world).await;
    let is_first =
        |path: &std::path::PathBuf| path.to_string_lossy().contains("__consumer_offsets") && path.ends_with("00000000000000000000.log");
    let damaged = world.disk.paths().into_iter().find(is_first).expect("the first segment");
    // Everything that a header can say wrongly: offset, length, magic, CRC, count.
    for at in [0, 3, 8, 11, 16, 17, 21, 57] {
        let disk = world.disk.copy();
        disk.corrupt(&damaged, |bytes| bytes[2_000 + at..].iter_mut().take(40).for_each(|byte| *byte ^= 0xa5));
        assert_eq!(committed(&open(disk)), Some(last), "damaged at {at}");
    }
}

#[tokio::test]
async fn offsets_of_a_topic_that_was_deleted_just_before_a_kill_are_forgotten() {
    let world = open(MemoryDisk::default());
    world.coordinator.ask(&GroupId::from("g"), commit(7)).await.unwrap();
    world.topics.delete(&world.topics.get("t").unwrap()).unwrap();
    // Killed here: the coordinator has not been told.
    assert_eq!(committed(&world), Some(7));
    assert_eq!(committed(&open_without(world.disk)), None);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_then_not() {
    let world = open(MemoryDisk::default());
    let group_id = GroupId::from("g");
    world.disk.set_space_left(Some(10));
    assert_eq!(world.coordinator.ask(&group_id, commit(5)).await, Err(ResponseError::CoordinatorNotAvailable));
    assert_eq!(committed(&world), None);
    world.disk.set_space_left(None);
    assert!(world.coordinator.ask(&group_id, commit(6)).await.is_ok());
    assert_eq!(committed(&world), Some(6));
}

#[tokio::test]
async fn a_parked_join_is_answered_by_the_timer_or_taken_back() {
    let world = open(MemoryDisk::default());
    let group_id = GroupId::from("g");
    let is_there = || world.coordinator.read(|state| state.get("g").is_some());
    {
        let mut parked = std::pin::pin!(world.coordinator.ask(&group_id, join()));
        assert!(futures_poll_once(parked.as_mut()).await.is_none());
        assert!(is_there());
    }
    // The client hung up: nobody else knows of its member.
    assert!(!world.coordinator.read(|state| state.get("g").is_some_and(|entry| !entry.live.members.is_empty())));
    let mut parked = std::pin::pin!(world.coordinator.ask(&group_id, join()));
    assert!(futures_poll_once(parked.as_mut()).await.is_none());
    world.clock.advance(Duration::from_secs(1));
    world.coordinator.run_due();
    assert!(matches!(futures_poll_once(parked).await, Some(Ok(Reply::Joined(_)))));
}

async fn futures_poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut future = Some(future);
    std::future::poll_fn(move |context| {
        let polled = future.take().map(|future| future.poll(context));
        std::task::Poll::Ready(match polled {
            Some(std::task::Poll::Ready(output)) => Some(output),
            _ => None,
        })
    })
    .await
}
