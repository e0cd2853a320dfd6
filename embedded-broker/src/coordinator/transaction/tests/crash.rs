//! Killed at every change it makes to the disk: after the restart each transaction has happened in all its partitions and its group, or
//! nowhere, and nobody waits for one.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::clock::ManualClock;
use crate::codec::ResponseError;
use crate::config::{Durability, Limits};
use crate::coordinator::command::{Caller, Command as GroupCommand, CommitOffsets, OffsetToCommit};
use crate::coordinator::ids::GroupId;
use crate::coordinator::transaction::{Command, Phase, Reply, TopicPartition, TransactionConfig, TransactionCoordinator};
use crate::coordinator::{Coordinator, GroupConfig, InternalTopic};
use crate::disk::{Disk as _, MemoryDisk};
use crate::log::records::{build_producer_batch, records};
use crate::log::{Begins, Environment, Origin, Partition, ProducerEpoch, batch};
use crate::producer_ids::ProducerIds;
use crate::topics::configs::Overrides;
use crate::topics::{NewTopic, Topics};

const PARTITIONS: i32 = 2;

struct World {
    clock: Arc<ManualClock>,
    topics: Arc<Topics>,
    groups: Arc<Coordinator>,
    transactions: TransactionCoordinator,
}

/// What a disk holds comes to life, as after a kill.
fn open(disk: &MemoryDisk) -> Result<World, String> {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let environment = Environment::new(clock.clone(), Arc::new(disk.clone()), 4, Durability::Os);
    let topics = Arc::new(Topics::open("/data".as_ref(), Arc::new(environment), Limits::default()).map_err(|error| error.to_string())?);
    let offsets = InternalTopic::offsets(Arc::clone(&topics));
    let groups = Arc::new(Coordinator::open(GroupConfig::default(), offsets, clock.clone()));
    let ids = ProducerIds::open("/data".as_ref(), Arc::new(disk.clone())).map_err(|error| error.to_string())?;
    let (config, ids) = (TransactionConfig::default(), Arc::new(ids));
    let transactions = TransactionCoordinator::open(config, Arc::clone(&topics), Arc::clone(&groups), ids, clock.clone())?;
    Ok(World { clock, topics, groups, transactions })
}

/// A disk with the topic on it.
fn prepared() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let world = open(&disk).unwrap();
    world.topics.create(NewTopic { name: "t".into(), partitions: PARTITIONS, overrides: Overrides::default() }).unwrap();
    disk
}

impl World {
    fn log(&self, partition: i32) -> Arc<Partition> {
        self.topics.get("t").unwrap().partition(partition).unwrap()
    }

    fn init(&self) -> Result<ProducerEpoch, ResponseError> {
        match self.transactions.ask(&"x".into(), Command::Init { timeout_ms: 60_000, expected: None })? {
            Reply::Producer(producer) => Ok(producer),
            other => panic!("{other:?}"),
        }
    }

    /// Adds the partition and writes one record, as Produce does.
    fn send(&self, producer: ProducerEpoch, partition: i32, value: &str) -> Result<(), ResponseError> {
        let log = self.log(partition);
        if log.verify_transaction(producer, Begins::AtZero) {
            let partitions = vec![TopicPartition { topic: "t".into(), partition }];
            self.transactions.ask(&"x".into(), Command::Add { producer, partitions, client_version: 2 })?;
        }
        let mut batch = BytesMut::from(&build_producer_batch(1, producer, false, [(None, Some(value.as_bytes()))])[..]);
        batch[53..57].copy_from_slice(&0_i32.to_be_bytes());
        batch::seal(&mut batch);
        log.append(&batch.freeze(), Origin::Client).map(drop).map_err(|_| ResponseError::KafkaStorageError)
    }

    /// Stores an offset within the transaction, as TxnOffsetCommit does.
    async fn commit_offset(&self, producer: ProducerEpoch, offset: i64) -> Result<(), ResponseError> {
        let group_id = GroupId::from("g");
        self.groups.verify_transaction(&group_id, producer)?;
        let partitions = vec![self.transactions.offsets_partition("g")];
        self.transactions.ask(&"x".into(), Command::Add { producer, partitions, client_version: 2 })?;
        let member = Caller { generation: -1, ..Caller::default() };
        let metadata = String::new();
        let offsets = vec![OffsetToCommit { topic: "t".into(), partition: 0, offset, leader_epoch: -1, metadata, retention_ms: None }];
        let commit = CommitOffsets { member, offsets, producer: Some(producer), has_member_epoch: false };
        self.groups.ask(&group_id, GroupCommand::CommitOffsets(commit)).await.map(drop)
    }

    fn end(&self, producer: ProducerEpoch, is_commit: bool) -> Result<ProducerEpoch, ResponseError> {
        match self.transactions.ask(&"x".into(), Command::End { producer, is_commit, client_version: 2 })? {
            Reply::Producer(producer) => Ok(producer),
            other => panic!("{other:?}"),
        }
    }

    /// What a read_committed reader of a partition sees.
    fn committed(&self, partition: i32) -> Vec<String> {
        let log = self.log(partition);
        let end = log.offsets().last_stable_offset;
        let aborted = log.aborted_transactions(0..end).unwrap();
        let bytes = log.read(0, 1 << 20, true).unwrap();
        let mut seen = Vec::new();
        for (at, header) in batch::headers(&bytes) {
            let offset = header.base_offset;
            let is_aborted =
                aborted.iter().any(|it| it.producer_id == header.producer_id && (it.first_offset..it.marker_offset).contains(&offset));
            if header.is_control() || is_aborted || offset >= end {
                continue;
            }
            let batch: Bytes = bytes.slice(at..at + header.size);
            seen.extend(records(&batch).map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()));
        }
        seen
    }

    fn stored_offset(&self) -> Option<i64> {
        self.groups.read(|state| Some(state.get("g")?.durable.offsets.get("t")?.get(&0)?.offset))
    }

    /// Nothing holds up a reader.
    fn is_settled(&self) -> bool {
        (0..PARTITIONS).all(|partition| {
            let offsets = self.log(partition).offsets();
            offsets.last_stable_offset == offsets.high_watermark
        }) && !self.groups.read(|state| state.is_pending("g", "t", 0))
    }
}

/// What a client knows of its transactions: how many were answered, and how the last one, that was not, would have ended.
#[derive(Debug, Default)]
struct Client {
    answered: Vec<(i64, bool)>,
    unanswered: Option<(i64, bool)>,
}

/// Transactions into both partitions and the group, until something fails.
async fn work(world: &World, client: &mut Client) -> Result<(), ResponseError> {
    let mut producer = world.init()?;
    for (number, is_commit) in [(1, true), (2, false), (3, true), (4, true)] {
        if number == 4 {
            producer = world.init()?;
        }
        world.send(producer, 0, &number.to_string())?;
        world.send(producer, 1, &number.to_string())?;
        world.commit_offset(producer, number).await?;
        client.unanswered = Some((number, is_commit));
        producer = world.end(producer, is_commit)?;
        client.unanswered = None;
        client.answered.push((number, is_commit));
    }
    Ok(())
}

#[tokio::test]
async fn a_transaction_that_was_cut_off_has_happened_everywhere_or_nowhere() {
    let prepared = prepared();
    for changes in 0.. {
        let disk = prepared.copy();
        let world = open(&disk).unwrap();
        disk.set_changes_left(Some(changes));
        let mut client = Client::default();
        let is_done = work(&world, &mut client).await.is_ok();
        disk.set_changes_left(None);

        // The process was killed there; the next one comes upon its files.
        let world = open(&disk.copy()).unwrap();
        let committed = world.committed(0);
        assert_eq!(committed, world.committed(1), "killed after {changes} changes");
        let answered = client.answered.iter().filter(|(_, is_commit)| *is_commit).map(|(number, _)| number.to_string()).collect::<Vec<_>>();
        let mut possible = vec![answered.clone()];
        if let Some((number, true)) = client.unanswered {
            possible.push([answered, vec![number.to_string()]].concat());
        }
        assert!(possible.contains(&committed), "killed after {changes} changes: {committed:?}, of {client:?}");
        let last = committed.last().map(|number| number.parse().unwrap());
        assert_eq!(world.stored_offset(), last, "killed after {changes} changes");

        // What was open is ended by the producer's next life.
        world.init().unwrap();
        assert!(world.is_settled(), "killed after {changes} changes");
        assert_eq!(world.committed(0), committed);
        if is_done {
            assert!(changes > 20, "{changes} changes are too few to be all");
            return;
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_full_for_a_while_holds_a_transaction_up_and_no_more() {
    let prepared = prepared();
    for changes in 0.. {
        let disk = prepared.copy();
        let world = open(&disk).unwrap();
        disk.set_changes_left(Some(changes));
        let mut client = Client::default();
        let is_done = work(&world, &mut client).await.is_ok();
        disk.set_changes_left(None);

        // Goes on: the timer writes what could not be written.
        world.clock.advance(Duration::from_secs(2));
        world.transactions.run_due();
        let ending = world.transactions.read(|state| state.iter().any(|(_, it)| it.phase.is_ending()));
        assert!(!ending, "held up after {changes} changes");
        world.init().unwrap();
        assert!(world.is_settled(), "held up after {changes} changes");
        let committed = world.committed(0);
        assert_eq!(committed, world.committed(1), "held up after {changes} changes");
        for (number, is_commit) in &client.answered {
            assert_eq!(committed.contains(&number.to_string()), *is_commit, "held up after {changes} changes");
        }
        // The same as a restart would say.
        let again = open(&disk.copy()).unwrap();
        assert_eq!((again.committed(0), again.stored_offset()), (committed, world.stored_offset()));
        if is_done {
            return;
        }
    }
}

#[tokio::test]
async fn of_two_offsets_the_one_stored_later_counts_also_after_a_restart() {
    let disk = prepared();
    let world = open(&disk).unwrap();
    let producer = world.init().unwrap();
    world.commit_offset(producer, 1).await.unwrap();
    let member = Caller { generation: -1, ..Caller::default() };
    let metadata = String::new();
    let offsets = vec![OffsetToCommit { topic: "t".into(), partition: 0, offset: 5, leader_epoch: -1, metadata, retention_ms: None }];
    let commit = CommitOffsets { member, offsets, producer: None, has_member_epoch: false };
    world.groups.ask(&GroupId::from("g"), GroupCommand::CommitOffsets(commit)).await.unwrap();
    let producer = world.end(producer, true).unwrap();
    assert_eq!((world.stored_offset(), open(&disk).unwrap().stored_offset()), (Some(5), Some(5)));
    world.commit_offset(producer, 7).await.unwrap();
    world.end(producer, true).unwrap();
    assert_eq!((world.stored_offset(), open(&disk).unwrap().stored_offset()), (Some(7), Some(7)));
}

#[tokio::test]
async fn what_takes_too_long_is_aborted_by_the_timer() {
    let world = open(&prepared()).unwrap();
    let producer = world.init().unwrap();
    world.send(producer, 0, "slow").unwrap();
    world.commit_offset(producer, 1).await.unwrap();
    let wait = world.transactions.run_due();
    assert_eq!(wait, Duration::from_secs(60));
    world.clock.advance(wait);
    world.transactions.run_due();
    assert!(world.is_settled());
    assert_eq!((world.committed(0), world.stored_offset()), (vec![], None));
    assert_eq!(world.end(producer, true), Err(ResponseError::ProducerFenced));
    assert!(world.send(producer, 1, "late").is_err());
    assert!(world.send(producer, 0, "late").is_err());
}

#[test]
fn a_transaction_that_nobody_knows_of_is_aborted_at_the_start() {
    let disk = prepared();
    let world = open(&disk).unwrap();
    let producer = world.init().unwrap();
    world.send(producer, 0, "orphan").unwrap();
    world.send(producer, 1, "orphan").unwrap();
    // One that is known stays open.
    let world = open(&disk).unwrap();
    assert!(!world.is_settled());
    assert_eq!(world.transactions.read(|state| state.get("x").map(|it| it.phase)), Some(Phase::Ongoing));
    // The topic that told of it is lost.
    let topic = world.topics.get("__transaction_state").unwrap();
    world.topics.delete(&topic).unwrap();
    let world = open(&disk).unwrap();
    assert!(world.is_settled());
    assert_eq!(world.committed(0), Vec::<String>::new());
}

#[test]
fn a_commit_whose_marker_was_lost_is_carried_out_at_the_start() {
    let disk = prepared();
    let world = open(&disk).unwrap();
    let producer = world.init().unwrap();
    world.send(producer, 0, "kept").unwrap();
    world.send(producer, 1, "kept").unwrap();
    let before = world.log(1).size_bytes();
    world.end(producer, true).unwrap();
    let is_log_of_1 = |path: &std::path::PathBuf| path.to_string_lossy().contains("/1/") && path.extension().is_some_and(|it| it == "log");
    let path = disk.paths().into_iter().find(is_log_of_1).unwrap();
    drop(world);
    disk.corrupt(&path, |bytes| bytes.truncate(usize::try_from(before).unwrap()));
    let world = open(&disk).unwrap();
    assert!(world.is_settled());
    assert_eq!((world.committed(0), world.committed(1)), (vec!["kept".to_owned()], vec!["kept".to_owned()]));
}

#[test]
fn an_end_that_is_found_again_does_not_end_the_next_transaction() {
    let disk = prepared();
    let world = open(&disk).unwrap();
    let first = world.init().unwrap();
    world.send(first, 0, "first").unwrap();
    let second = world.end(first, true).unwrap();
    world.send(second, 0, "second").unwrap();
    drop(world);
    let path = disk
        .paths()
        .into_iter()
        .find(|path| path.to_string_lossy().contains("__transaction_state~") && path.ends_with("00000000000000000000.log"));
    let path = path.unwrap();
    for size in 0..disk.size(&path).unwrap() as usize {
        let cut = disk.copy();
        cut.corrupt(&path, |bytes| bytes.truncate(size));
        assert_eq!(open(&cut).unwrap().committed(0), ["first"], "{size} bytes of __transaction_state are left");
    }
}
