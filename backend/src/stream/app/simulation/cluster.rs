//! The cluster that a simulation's threads have: members of a group that fetch a little at a time, readers and disks.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Sabotage, log::At, producer::MockProducer, world::World};
use crate::{
    client::{
        Assignment, Assignor, ClientError, Committed, GroupDescription, IncomingRecord, ListedOffset, OffsetSpec, ReaderEvent, TaskEvent,
    },
    stream::app::{
        TaskId,
        cluster::{Cluster, Consumer, Disk, Membership, Reader, Step},
        disk::{DiskError, Owner},
        writer::NextOffsets,
    },
};

/// How long the group's answer to a member that joins may take to reach it.
const DEAF: Duration = Duration::from_millis(600);

/// The cluster as a process sees it.
pub(super) struct MockCluster {
    pub(super) world: Rc<World>,
    pub(super) process: usize,
    began: Instant,
}

impl MockCluster {
    pub(super) fn new(world: &Rc<World>, process: usize) -> Self {
        Self { world: Rc::clone(world), process, began: Instant::now() }
    }
}

impl Cluster for MockCluster {
    type Consumer = MockConsumer;
    type Producer = MockProducer;

    fn consumer(&self, member: &Membership<'_>) -> Result<MockConsumer, ClientError> {
        let number = self.world.group.borrow_mut().join(member.client_id, &mut self.world.random.borrow_mut());
        Ok(MockConsumer {
            world: Rc::clone(&self.world),
            process: self.process,
            member: number,
            tells_ends: member.assignor == Assignor::Range,
            deaf_until: Cell::default(),
            fetched: RefCell::default(),
        })
    }

    fn producer(&self, _: Duration) -> Result<MockProducer, ClientError> {
        Ok(MockProducer::plain(&self.world))
    }

    fn transactional(&self, id: &str, transaction_timeout: Duration) -> Result<MockProducer, ClientError> {
        if self.world.fails(20) {
            return Err(ClientError::no_answer());
        }
        Ok(MockProducer::transactional(&self.world, self.process, id, transaction_timeout))
    }

    fn group(&self, name: &str) -> Result<Option<GroupDescription>, ClientError> {
        if self.world.fails(20) {
            return Err(ClientError::no_answer());
        }
        let members = self.world.group.borrow().describe();
        let (group_id, state, assignor) = (name.to_owned(), String::new(), String::new());
        Ok(Some(GroupDescription { group_id, state, is_consumer_protocol: None, assignor, coordinator_id: None, members }))
    }

    fn reader(&self, topic: &str, starts: &[(i32, i64)]) -> Result<Box<dyn Reader>, ClientError> {
        // A replica's begins with nothing.
        let is_uncommitted_read = starts.is_empty() && self.world.sabotage == Sabotage::StandbyReadsUncommitted;
        let reader = MockReader { world: Rc::clone(&self.world), is_uncommitted_read, next: RefCell::default() };
        reader.assign(&starts.iter().map(|(partition, start)| (topic, *partition, *start)).collect::<Vec<_>>())?;
        Ok(Box::new(reader))
    }

    fn list_offsets(&self, partitions: &[(String, i32)], spec: OffsetSpec) -> Result<Vec<ListedOffset>, ClientError> {
        self.world.meanwhile();
        let log = self.world.log.borrow();
        let offset = |(topic, partition): &(String, i32)| {
            let at = (topic.as_str().into(), *partition);
            let offset = match spec {
                OffsetSpec::LatestStable if self.world.sabotage != Sabotage::NoWait => log.stable_end(&at),
                OffsetSpec::Latest | OffsetSpec::LatestStable => log.end_of(&at),
                _ => 0,
            };
            ListedOffset { topic: topic.clone(), partition: *partition, offset: Ok(Some(offset as i64)) }
        };
        Ok(partitions.iter().map(offset).collect())
    }

    fn open(&self, dir: &Path, _: &Owner, task: TaskId) -> Result<(Rc<dyn Disk>, Option<String>), DiskError> {
        Ok((self.world.disks.open(dir, task, self.world.sabotage != Sabotage::WrittenByTwo)?, None))
    }

    fn now(&self) -> Instant {
        self.began + self.world.now.get()
    }

    fn now_ms(&self) -> i64 {
        self.world.now.get().as_millis() as i64
    }

    fn sleep(&self, time: Duration) {
        self.world.pass(time);
    }

    fn leaves_out(&self, step: Step) -> bool {
        match self.world.sabotage {
            Sabotage::LeavesOut(left_out) => left_out == step,
            Sabotage::WrittenByTwo => step == Step::TakeReplica,
            _ => false,
        }
    }
}

pub(super) struct MockConsumer {
    world: Rc<World>,
    process: usize,
    pub(super) member: usize,
    tells_ends: bool,
    /// Until then it hears nothing of its group.
    deaf_until: Cell<Duration>,
    fetched: RefCell<Fetched>,
}

/// What a consumer has fetched, and where it is.
#[derive(Default)]
struct Fetched {
    /// What to fetch next of each partition that is assigned.
    positions: BTreeMap<At, usize>,
    paused: BTreeSet<At>,
    queue: VecDeque<(At, Event)>,
    /// Ends as the last fetch told.
    ends: BTreeMap<At, i64>,
    /// Positions for which the end was told.
    at_end: BTreeMap<At, usize>,
}

enum Event {
    Record { offset: usize, key: Vec<u8>, value: Option<Vec<u8>>, timestamp_ms: i64 },
    End,
}

impl Fetched {
    /// Forgets what was fetched of a partition; gives the first of it.
    fn forget(&mut self, at: &At) -> Option<usize> {
        let mut first = None;
        self.queue.retain(|(of, event)| {
            if of == at
                && let Event::Record { offset, .. } = event
            {
                first.get_or_insert(*offset);
            }
            of != at
        });
        self.at_end.remove(at);
        first
    }
}

pub(super) fn at(of: &Assignment) -> At {
    (of.topic.as_str().into(), of.partition)
}

impl MockConsumer {
    /// Asks for records of all partitions; brings a few of some.
    fn fetch(&self) {
        let Fetched { positions, paused, queue, ends, at_end } = &mut *self.fetched.borrow_mut();
        let log = self.world.log.borrow();
        let is_uncommitted_read = self.world.sabotage == Sabotage::ReadUncommitted;
        for (at, position) in positions.iter_mut().filter(|(at, _)| !paused.contains(*at)) {
            if self.world.fails(2) {
                continue;
            }
            let most = if self.world.is_calm.get() { usize::MAX } else { 1 + self.world.below(4) as usize };
            let before = *position;
            for (offset, entry) in log.readable_from(at, *position, is_uncommitted_read).take(most) {
                *position = offset + 1;
                let (key, value) = (entry.key.clone(), entry.value.clone());
                queue.push_back((at.clone(), Event::Record { offset, key, value, timestamp_ms: entry.timestamp_ms }));
            }
            ends.insert(at.clone(), log.end_of(at) as i64);
            let has_more = log.readable_from(at, *position, is_uncommitted_read).next().is_some();
            if self.tells_ends && !has_more && (before < *position || at_end.get(at) != Some(position)) {
                at_end.insert(at.clone(), *position);
                queue.push_back((at.clone(), Event::End));
            }
        }
    }
}

impl Consumer for MockConsumer {
    fn poll(&self, _: Duration) -> Result<Option<TaskEvent<'_>>, ClientError> {
        if self.world.fails(50) {
            return Err(ClientError::no_answer());
        }
        if self.world.now.get() >= self.deaf_until.get()
            && !self.world.fails(2)
            && let Some(event) = self.world.group.borrow_mut().hear(self.member, &mut self.world.random.borrow_mut())
        {
            return Ok(Some(event));
        }
        if self.fetched.borrow().queue.is_empty() && self.world.fetches.get() > 0 {
            self.world.fetches.set(self.world.fetches.get() - 1);
            self.fetch();
        }
        let event = self.fetched.borrow_mut().queue.pop_front();
        Ok(event.map(|((topic, partition), event)| match event {
            Event::End => TaskEvent::End(Assignment { topic: topic.to_string(), partition }),
            Event::Record { offset, key, value, timestamp_ms } => {
                TaskEvent::Record(IncomingRecord::made(&topic, partition, offset as i64, timestamp_ms, Some(&key), value.as_deref()))
            }
        }))
    }

    fn take_over(&mut self, starts: impl IntoIterator<Item = (Assignment, i64)>) -> Result<(), ClientError> {
        let fetched = self.fetched.get_mut();
        for (of, start) in starts {
            fetched.forget(&at(&of));
            fetched.positions.insert(at(&of), start as usize);
        }
        Ok(())
    }

    fn give_up(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        self.world.group.borrow_mut().give_up(self.member, partitions, &mut self.world.random.borrow_mut());
        if self.world.fails(3) {
            self.deaf_until.set(self.world.now.get() + DEAF);
        }
        let mut fetched = self.fetched.borrow_mut();
        for of in partitions {
            fetched.forget(&at(of));
            fetched.positions.remove(&at(of));
            fetched.paused.remove(&at(of));
        }
        Ok(())
    }

    fn pause(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        let mut fetched = self.fetched.borrow_mut();
        for at in partitions.iter().map(at) {
            let first = fetched.forget(&at);
            if let Some(position) = fetched.positions.get_mut(&at) {
                *position = first.unwrap_or(*position);
                fetched.paused.insert(at);
            }
        }
        Ok(())
    }

    fn resume(&self, partitions: &[Assignment]) -> Result<(), ClientError> {
        let mut fetched = self.fetched.borrow_mut();
        partitions.iter().for_each(|of| {
            fetched.paused.remove(&at(of));
        });
        Ok(())
    }

    fn seek(&self, to: Vec<(Assignment, i64)>) -> Result<(), ClientError> {
        let mut fetched = self.fetched.borrow_mut();
        for (of, next) in to.into_iter().filter(|_| self.world.sabotage != Sabotage::NoSeek) {
            fetched.forget(&at(&of));
            let position = fetched.positions.get_mut(&at(&of)).ok_or_else(|| ClientError::message("it is not assigned"))?;
            *position = next as usize;
        }
        Ok(())
    }

    fn fetched_end(&self, of: &Assignment) -> Option<i64> {
        self.fetched.borrow().ends.get(&at(of)).copied()
    }

    fn commit(&self, next: &NextOffsets) -> Result<(), ClientError> {
        self.world.meanwhile();
        if !self.world.group.borrow().is_current(self.member) || self.world.fails(16) {
            return Err(ClientError::message("the coordinator refuses"));
        }
        let next: BTreeMap<At, _> = next.iter().map(|(of, next, note)| (at(of), (*next, note.clone()))).collect();
        self.world.commits(&next);
        let is_answer_lost = self.world.fails(16);
        if !is_answer_lost {
            self.world.known.borrow_mut().extend(next.iter().map(|(at, (next, _))| (at.clone(), *next)));
        }
        self.world.log.borrow_mut().committed.extend(next);
        if is_answer_lost { Err(ClientError::no_answer()) } else { Ok(()) }
    }

    fn committed(&self, partitions: &[Assignment]) -> Result<Vec<Committed>, ClientError> {
        self.world.meanwhile();
        let committed = |of: &Assignment| {
            let is_told = self.world.sabotage != Sabotage::NoCommittedOffsets;
            let committed = self.world.committed(&at(of)).filter(|_| is_told);
            let (next_offset, note) = committed.map_or((None, String::new()), |(next, note)| (Some(next), note));
            Committed { at: of.clone(), next_offset, note }
        };
        Ok(partitions.iter().map(committed).collect())
    }
}

impl Drop for MockConsumer {
    fn drop(&mut self) {
        let mut group = self.world.group.borrow_mut();
        if self.world.dying.get() == Some(self.process) {
            group.die(self.member);
        } else {
            group.leave(self.member, &mut self.world.random.borrow_mut());
        }
    }
}

/// A reader of some partitions, which come in any order.
struct MockReader {
    world: Rc<World>,
    /// Reads what may still be aborted.
    is_uncommitted_read: bool,
    next: RefCell<Vec<Reading>>,
}

/// Where a reader is in a partition.
struct Reading {
    at: At,
    next: usize,
    /// It was told that this is the end.
    is_end_told: bool,
}

impl Reader for MockReader {
    fn assign(&self, starts: &[(&str, i32, i64)]) -> Result<(), ClientError> {
        let reading = |(topic, partition, start): &(&str, i32, i64)| {
            let at = (Arc::from(*topic), *partition);
            Reading { at, next: *start as usize, is_end_told: false }
        };
        self.next.replace(starts.iter().map(reading).collect());
        Ok(())
    }

    fn poll(&self, _: Duration) -> Result<Option<ReaderEvent<'_>>, ClientError> {
        if self.world.fails(30) {
            return Ok(None);
        }
        let log = self.world.log.borrow();
        let mut all = self.next.borrow_mut();
        let first = if all.len() > 1 { self.world.below(all.len() as u64) as usize } else { 0 };
        all.rotate_left(first);
        for Reading { at, next, is_end_told } in all.iter_mut() {
            let record = log.readable_from(at, *next, self.is_uncommitted_read).next();
            if let Some((offset, entry)) = record.filter(|_| self.world.sabotage != Sabotage::NoRestore) {
                (*next, *is_end_told) = (offset + 1, false);
                let (key, value) = (Some(entry.key.as_slice()), entry.value.as_deref());
                let record = IncomingRecord::made(&at.0, at.1, offset as i64, entry.timestamp_ms, key, value);
                return Ok(Some(ReaderEvent::Record(record)));
            }
            if !std::mem::replace(is_end_told, true) {
                return Ok(Some(ReaderEvent::End(at.1)));
            }
        }
        Ok(None)
    }
}
