//! Consume, transform, produce, exactly once: numbers go into two partitions, and how far it got into a group, in one transaction.

use bytes::{Bytes, BytesMut};

use super::random::Random;
use super::world::{PARTITIONS, PLAIN, RESULTS, World};
use crate::codec::ResponseError;
use crate::coordinator::command::{Caller, Command as GroupCommand, CommitOffsets, OffsetToCommit};
use crate::coordinator::ids::GroupId;
use crate::coordinator::transaction::{Command, Reply, TopicPartition, TransactionalId};
use crate::log::records::build_producer_batch;
use crate::log::{Begins, Origin, ProducerEpoch, batch};

const TIMEOUT_MS: i32 = 60_000;
/// With this version of transactions each one has an epoch of its own (KIP-890).
const VERSION: i16 = 2;

pub(super) struct Worker {
    number: usize,
    transactional_id: TransactionalId,
    group_id: GroupId,
    life: Life,
    /// A life that was given up, and does not know it: a zombie.
    zombie: Option<Life>,
    /// Transactions that were answered as committed end here.
    committed: i64,
}

/// One incarnation of the program.
#[derive(Clone, Debug, Default)]
struct Life {
    producer: Option<ProducerEpoch>,
    from: i64,
    /// Numbers to write in this transaction, and how many are written.
    length: i64,
    written: i64,
    /// Sequence by partition.
    sequences: [i32; PARTITIONS as usize],
    has_committed_offset: bool,
}

impl Worker {
    pub(super) fn new(number: usize) -> Self {
        let (transactional_id, group_id) = (format!("x{number}").as_str().into(), format!("g{number}").as_str().into());
        Self { number, transactional_id, group_id, life: Life::default(), zombie: None, committed: 0 }
    }

    /// How far it knows that it got.
    pub(super) fn committed(&self) -> i64 {
        self.committed
    }

    pub(super) fn step(&mut self, world: &World, random: &mut Random) {
        if random.one_in(8)
            && let Some(mut zombie) = self.zombie.take()
        {
            // Whatever comes of it: what it does must not be seen.
            let outcome = self.go_on(world, &mut zombie, random);
            world.tell(|| format!("zombie of worker {}: {zombie:?} {outcome:?}", self.number));
            self.zombie = outcome.is_ok().then_some(zombie);
        }
        let mut life = self.life.clone();
        let outcome = self.go_on(world, &mut life, random);
        world.tell(|| format!("worker {}: {life:?} {outcome:?}", self.number));
        match outcome {
            Ok(true) => {
                self.committed = life.from;
                self.life = life;
            }
            Ok(false) => self.life = life,
            // As a program does after an error it does not understand: it begins again, perhaps in another place.
            Err(_) => {
                self.zombie = self.life.producer.is_some().then(|| std::mem::take(&mut self.life));
                self.life = Life::default();
            }
        }
    }

    /// One step of a life. `true`: it knows that a transaction is committed.
    fn go_on(&self, world: &World, life: &mut Life, random: &mut Random) -> Result<bool, ResponseError> {
        let Some(producer) = life.producer else {
            life.producer = Some(self.init(world)?);
            life.from = self.stored(world);
            life.length = 1 + random.below(4) as i64;
            return Ok(false);
        };
        if life.written < life.length {
            let number = life.from + life.written;
            let partition = (number % i64::from(PARTITIONS)) as i32;
            let sequence = &mut life.sequences[partition as usize];
            self.send(world, producer, partition, *sequence, number)?;
            *sequence += 1;
            life.written += 1;
            return Ok(false);
        }
        if !life.has_committed_offset {
            self.commit_offset(world, producer, life.from + life.length)?;
            life.has_committed_offset = true;
            return Ok(false);
        }
        let is_commit = !random.one_in(4);
        let Reply::Producer(next) = self.ask(world, Command::End { producer, is_commit, client_version: VERSION })? else {
            panic!("an end is answered with the next epoch");
        };
        let from = if is_commit { life.from + life.length } else { life.from };
        *life = Life { producer: Some(next), from, length: 1 + random.below(4) as i64, ..Life::default() };
        Ok(is_commit)
    }

    fn init(&self, world: &World) -> Result<ProducerEpoch, ResponseError> {
        match self.ask(world, Command::Init { timeout_ms: TIMEOUT_MS, expected: None })? {
            Reply::Producer(producer) => Ok(producer),
            other => panic!("{other:?}"),
        }
    }

    fn ask(&self, world: &World, command: Command) -> Result<Reply, ResponseError> {
        let reply = world.transactions().ask(&self.transactional_id, command);
        durable(world, reply)
    }

    /// As Produce does.
    fn send(&self, world: &World, producer: ProducerEpoch, partition: i32, sequence: i32, number: i64) -> Result<(), ResponseError> {
        let log = world.log(RESULTS, partition);
        if log.verify_transaction(producer, Begins::AtZero) {
            let partitions = vec![TopicPartition { topic: RESULTS.into(), partition }];
            self.ask(world, Command::Add { producer, partitions, client_version: VERSION })
                .inspect_err(|_| log.refuse_transaction(producer))?;
        }
        let value = format!("{}:{number}", self.number);
        let batch = transactional_batch(producer, sequence, &value);
        let appended = log.append(&batch, Origin::Client).map(drop).map_err(|_| ResponseError::KafkaStorageError);
        durable(world, appended)
    }

    /// As TxnOffsetCommit does.
    fn commit_offset(&self, world: &World, producer: ProducerEpoch, offset: i64) -> Result<(), ResponseError> {
        world.groups().verify_transaction(&self.group_id, producer)?;
        let partitions = vec![world.transactions().offsets_partition(self.group_id.as_str())];
        self.ask(world, Command::Add { producer, partitions, client_version: VERSION })?;
        let member = Caller { generation: -1, ..Caller::default() };
        let offset =
            OffsetToCommit { topic: PLAIN.into(), partition: 0, offset, leader_epoch: -1, metadata: String::new(), retention_ms: None };
        let commit = CommitOffsets { member, offsets: vec![offset], producer: Some(producer), has_member_epoch: false };
        let answer = futures::executor::block_on(world.groups().ask(&self.group_id, GroupCommand::CommitOffsets(commit)));
        durable(world, answer.map(drop))
    }

    fn stored(&self, world: &World) -> i64 {
        stored_offset(world, &self.group_id).unwrap_or(0)
    }

    /// Every number up to the stored offset is there once and in order, and nothing beyond.
    pub(super) fn check(&self, world: &World) {
        let stored = self.stored(world);
        let who = format!("worker {}", self.number);
        assert!(stored >= self.committed, "{who} committed up to {}, but {stored} is stored", self.committed);
        let mine = format!("{}:", self.number);
        for partition in 0..PARTITIONS {
            let seen = world.committed(RESULTS, partition);
            let seen: Vec<i64> = seen
                .iter()
                .filter_map(|record| record.value.as_deref()?.strip_prefix(&mine))
                .map(|number| number.parse().unwrap())
                .collect();
            let expected: Vec<i64> = (0..stored).filter(|number| number % i64::from(PARTITIONS) == i64::from(partition)).collect();
            assert_eq!(seen, expected, "{who}: partition {partition}, stored {stored}");
        }
    }
}

/// What a group has stored for its one partition.
pub(super) fn stored_offset(world: &World, group_id: &GroupId) -> Option<i64> {
    world.groups().read(|state| Some(state.get(group_id.as_str())?.durable.offsets.get(PLAIN)?.get(&0)?.offset))
}

/// An answer is given once what it says is as durable as it should be.
pub(super) fn durable<T>(world: &World, answer: Result<T, ResponseError>) -> Result<T, ResponseError> {
    if world.is_durable() { answer } else { Err(ResponseError::KafkaStorageError) }
}

fn transactional_batch(producer: ProducerEpoch, sequence: i32, value: &str) -> Bytes {
    let mut batch = BytesMut::from(&build_producer_batch(1_000_000_000, producer, false, [(None, Some(value.as_bytes()))])[..]);
    batch[53..57].copy_from_slice(&sequence.to_be_bytes());
    batch::seal(&mut batch);
    batch.freeze()
}
