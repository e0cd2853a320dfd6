//! The coordinator at work over a log in memory: restarts, full disks, parked requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::super::command::{Caller, Command, CommitOffsets, Join, OffsetToCommit, Protocol, Reply};
use super::super::config::GroupConfig;
use super::super::ids::GroupId;
use super::super::runtime::{COMPACT_FROM_BYTES, Coordinator, OffsetsLog};
use crate::clock::ManualClock;
use crate::codec::ResponseError;

#[derive(Default)]
struct MemoryLog {
    batches: Mutex<Vec<Option<Bytes>>>,
    is_full: AtomicBool,
}

impl OffsetsLog for MemoryLog {
    fn partitions(&self) -> i32 {
        1
    }

    fn append(&self, _partition: i32, batch: Bytes) -> Result<(), String> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err("no space left".into());
        }
        self.batches.lock().unwrap().push(Some(batch));
        Ok(())
    }

    fn replay(&self, _partition: i32, each: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        self.batches.lock().unwrap().iter().flatten().for_each(|batch| each(batch));
        Ok(())
    }

    /// Counts batches, not records: all that matters here is that it grows.
    fn end_offset(&self, _partition: i32) -> i64 {
        self.batches.lock().unwrap().len() as i64
    }

    fn trim(&self, _partition: i32, before: i64) -> Result<(), String> {
        self.batches.lock().unwrap()[..before as usize].fill(None);
        Ok(())
    }
}

struct World {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    coordinator: Coordinator,
}

fn open(log: Arc<MemoryLog>) -> World {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let coordinator = Coordinator::open(GroupConfig::default(), log.clone(), clock.clone()).unwrap();
    World { log, clock, coordinator }
}

fn commit(offset: i64) -> Command {
    let member = Caller { generation: -1, ..Caller::default() };
    let offset =
        OffsetToCommit { topic: "t".into(), partition: 0, offset, leader_epoch: -1, metadata: String::new(), retention_ms: None };
    Command::CommitOffsets(CommitOffsets { member, offsets: vec![offset] })
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
    let world = open(Arc::default());
    let group_id = GroupId::from("g");
    assert_eq!(world.coordinator.ask(&group_id, commit(5)).await, Ok(Reply::Offsets(vec![None])));
    let world = open(world.log);
    assert_eq!(committed(&world), Some(5));
    world.coordinator.forget_topics(&["t".into()]);
    assert_eq!(committed(&world), None);
    assert_eq!(committed(&open(world.log)), None);
}

#[tokio::test]
async fn a_log_that_says_little_with_many_words_is_written_anew() {
    let world = open(Arc::default());
    let group_id = GroupId::from("g");
    let last = (COMPACT_FROM_BYTES / 90) as i64;
    for offset in 0..=last {
        world.coordinator.ask(&group_id, commit(offset)).await.unwrap();
    }
    let kept = |log: &MemoryLog| log.batches.lock().unwrap().iter().flatten().count();
    assert_eq!(kept(&world.log), last as usize + 1);
    world.clock.advance(Duration::from_secs(3_600));
    world.coordinator.run_due();
    assert_eq!(kept(&world.log), 1);
    assert_eq!(committed(&open(world.log)), Some(last));
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_then_not() {
    let world = open(Arc::default());
    let group_id = GroupId::from("g");
    world.log.is_full.store(true, Ordering::Relaxed);
    assert_eq!(world.coordinator.ask(&group_id, commit(5)).await, Err(ResponseError::CoordinatorNotAvailable));
    assert_eq!(committed(&world), None);
    world.log.is_full.store(false, Ordering::Relaxed);
    assert!(world.coordinator.ask(&group_id, commit(6)).await.is_ok());
    assert_eq!(committed(&world), Some(6));
}

#[tokio::test]
async fn a_parked_join_is_answered_by_the_timer_or_taken_back() {
    let world = open(Arc::default());
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
