//! Deterministic simulation: the runtime's tasks over a mock log, with transactions, rebalances, zombies, kills and restores in an order that
//! a seed chooses. No broker, no thread, no clock; thousands of interleavings a second where a real run shows one in ten.
//!
//! Real are the tasks with their queues, positions, rollbacks and notes ([`OwnedTask`], [`StreamTask`]) and their stores, most of them over
//! disks that outlive their members; the log, the coordinator, the disks and the order of a stream thread's steps are models of what `thread.rs` and the broker do. `WEIR_TEST_SIMULATIONS=20000` goes on for longer.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod folders;
mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    TaskId,
    tasks::{OwnedTask, stream_time_of, to_commit},
};
use crate::{
    sim::Random,
    stream::{Change, Forward, InputRecord, Processor, Record, Store, StoreHandle, StreamTask, TaskError, Topology},
};
use folders::Folders;
use log::{At, Log, State, partition_of};

const PARTITIONS: i32 = 2;
const RECORDS: u64 = 40;
const KEYS: u64 = 4;
const STEPS: usize = 260;
const MEMBERS: usize = 3;
/// Room for an entry or two of each store.
const CACHE_BYTES: u64 = 400;
const INPUT: &str = "in";
/// Read by the same tasks as the input.
const OTHER: &str = "other";
/// All input as it was processed.
const ORDER: &str = "order";
const OUTPUT: &str = "out";
const TICKS: &str = "ticks";

/// What the simulated runtime does wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    None,
    /// Whoever takes a task over does not read its changelogs.
    NoRestore,
    /// Reads what may still be aborted.
    ReadUncommitted,
    /// An abort leaves the stores as they are.
    NoRollback,
    /// The coordinator takes offsets of members it has given up.
    NoFencing,
    /// A transaction in which no record was read has no offsets that the coordinator could refuse.
    NoUnchangedOffsets,
    /// A restore does not wait for transactions that are open.
    NoWait,
    /// A topic is not waited for whose records were not fetched yet.
    NoOrder,
    /// The disk notes offsets before it has what led to them.
    DiskOffsetsFirst,
}

/// A stream thread.
struct Member {
    /// The assignment it knows of.
    generation: u64,
    tasks: BTreeMap<TaskId, OwnedTask>,
    /// Assigned, and waiting for the state to be readable.
    unrestored: BTreeSet<TaskId>,
    /// What to fetch next.
    positions: BTreeMap<At, usize>,
    transaction: Option<usize>,
}

struct Simulation {
    random: Random,
    sabotage: Sabotage,
    /// All input is there from the beginning, in two topics.
    is_backlog: bool,
    topology: Topology,
    log: Log,
    folders: Folders,
    generation: u64,
    owners: BTreeMap<TaskId, usize>,
    /// By number, for ever; `None` for the dead.
    members: Vec<Option<Member>>,
    written: u64,
    wall_ms: i64,
}

/// Counts on each tick of the wall clock, under the key of the task's first record.
struct Tick(StoreHandle<String, u64>);

impl Processor<String, u64, String, u64> for Tick {
    fn process(&mut self, record: &Record<String, u64>, _: &mut Forward<'_, String, u64>) {
        if self.0.borrow().iter().next().is_none() {
            self.0.borrow_mut().put(record.key.clone(), 0);
        }
    }

    fn wall_clock(&mut self, out: &mut Forward<'_, String, u64>) {
        let last = self.0.borrow().iter().next().map(|(key, last)| (key.into_owned(), *last));
        let Some((key, last)) = last else { return };
        self.0.borrow_mut().put(key.clone(), last + 1);
        out.send(&Record { key, value: last + 1, timestamp_ms: 0 });
    }
}

/// Counts and sums by another key than the input's, so that every record goes through a repartition topic; and ticks. A backlog is of two topics.
fn topology(is_backlog: bool) -> Topology {
    Topology::new("app", move |builder| {
        let input = builder.stream::<String, u64>(INPUT);
        input.process(TICKS, Store::new(), Some(1), Tick).to(TICKS);
        let all = if is_backlog { input.merge(&builder.stream(OTHER)) } else { input };
        if is_backlog {
            all.to(ORDER);
        }
        let numbers = all.group_by("sums", |record| format!("k{}", record.value % KEYS));
        numbers.aggregate(|| (0, 0), |record, sum: &mut (u64, u64)| *sum = (sum.0 + 1, sum.1 + record.value)).to_stream().to(OUTPUT);
    })
    .unwrap()
}

impl Simulation {
    fn new(seed: u64, sabotage: Sabotage, is_backlog: bool) -> Self {
        let topology = topology(is_backlog);
        let parts = topology.description().subtopologies.len();
        let tasks = (0..parts).flat_map(|subtopology| (0..PARTITIONS).map(move |partition| TaskId { subtopology, partition }));
        let owners = tasks.map(|task| (task, usize::MAX)).collect();
        let random = Random::new(seed);
        let mut simulation = Self {
            random,
            sabotage,
            is_backlog,
            topology,
            log: Log::default(),
            folders: Folders::default(),
            generation: 0,
            owners,
            members: Vec::new(),
            written: 0,
            wall_ms: 0,
        };
        simulation.start_member();
        simulation.rebalance(true);
        simulation
    }

    fn run(&mut self) -> Result<(), TaskError> {
        while self.is_backlog && self.written < RECORDS {
            self.write_input();
        }
        for _ in 0..STEPS {
            let member = self.any_member();
            match self.random.below(26) {
                0..4 => self.write_input(),
                4..10 => self.fetch(member),
                10..15 => self.process(member)?,
                15..18 => self.restore(member)?,
                18..21 => self.commit(member)?,
                21 => self.rebalance_or_zombie(),
                22 => self.kill(member),
                23..25 => self.tick(member)?,
                _ => self.start_member(),
            }
        }
        self.finish()
    }

    /// Everybody alive hears of everything until nothing is left to do.
    fn finish(&mut self) -> Result<(), TaskError> {
        while self.written < RECORDS {
            self.write_input();
        }
        self.rebalance(true);
        for _ in 0..8 {
            for member in self.alive() {
                self.expire_transactions();
                self.restore(member)?;
                self.fetch_up_to(member, usize::MAX);
                self.process(member)?;
                self.commit(member)?;
            }
        }
        Ok(())
    }

    fn alive(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|at| self.members[*at].is_some()).collect()
    }

    fn any_member(&mut self) -> usize {
        let alive = self.alive();
        alive[self.random.below(alive.len() as u64) as usize]
    }

    fn write_input(&mut self) {
        if self.written < RECORDS {
            let (key, value) = (format!("i{}", self.written % 5), self.written.to_string());
            let topic = if self.is_backlog && self.random.below(3) == 0 { OTHER } else { INPUT };
            let at = (Arc::from(topic), partition_of(key.as_bytes(), PARTITIONS));
            self.log.append(&at, None, key.as_bytes(), Some(value.as_bytes()), self.written as i64);
            self.written += 1;
        }
    }

    fn start_member(&mut self) {
        if self.alive().len() < MEMBERS {
            let member = Member {
                generation: 0,
                tasks: BTreeMap::new(),
                unrestored: BTreeSet::new(),
                positions: BTreeMap::new(),
                transaction: None,
            };
            self.members.push(Some(member));
        }
    }

    /// Its memory is gone; its transaction stays open until the coordinator's patience ends.
    fn kill(&mut self, number: usize) {
        if self.alive().len() > 1 {
            self.members[number] = None;
            self.folders.close(number);
        }
    }

    fn expire_transactions(&mut self) {
        let live: BTreeSet<_> = self.members.iter().flatten().filter_map(|member| member.transaction).collect();
        self.log.end_all(|transaction| !live.contains(&transaction), State::Aborted);
        self.log.finish_prepared();
    }

    fn rebalance_or_zombie(&mut self) {
        self.expire_transactions();
        let is_heard = self.random.below(2) == 0;
        self.rebalance(is_heard);
    }

    /// Shares tasks out anew among the living. Who does not hear of it goes on as before, until its commit is refused.
    fn rebalance(&mut self, is_heard: bool) {
        let alive = self.alive();
        let hearers: Vec<_> = alive.iter().copied().filter(|_| is_heard || self.random.below(2) == 0).collect();
        // Before the assignment changes, those who hear of it commit.
        for number in &hearers {
            self.commit(*number).unwrap();
        }
        self.generation += 1;
        for owner in self.owners.values_mut() {
            *owner = alive[self.random.below(alive.len() as u64) as usize];
        }
        for number in hearers {
            self.hear(number);
        }
    }

    /// Gives up what is another's, and makes tasks of what is new.
    fn hear(&mut self, number: usize) {
        let mine: BTreeSet<_> = self.owners.iter().filter(|(_, owner)| **owner == number).map(|(task, _)| *task).collect();
        let generation = self.generation;
        let Some(member) = &mut self.members[number] else { return };
        if member.generation + 1 < generation {
            // It missed one: its partitions are lost, even those that come back, for somebody else may have had them.
            member.tasks.clear();
        }
        member.generation = generation;
        member.tasks.retain(|task, _| mine.contains(task));
        self.folders.keep_open(number, |task| member.tasks.contains_key(&task));
        member.unrestored = mine.into_iter().filter(|task| !member.tasks.contains_key(task)).collect();
    }

    /// Makes the tasks whose state can be read.
    fn restore(&mut self, number: usize) -> Result<(), TaskError> {
        let Some(mut member) = self.members[number].take() else { return Ok(()) };
        for id in std::mem::take(&mut member.unrestored) {
            let part = &self.topology.description().subtopologies[id.subtopology];
            let changelogs: Vec<At> = part.changelogs.iter().map(|(_, topic)| (Arc::clone(topic), id.partition)).collect();
            let sources = part.source_topics.iter().map(|topic| (Arc::clone(topic), id.partition));
            let is_stable = |at: &At| self.log.stable_end(at) == self.log.end(at);
            if self.sabotage != Sabotage::NoWait && !changelogs.iter().all(is_stable) {
                member.unrestored.insert(id);
                continue;
            }
            let (mut starts, mut task) = (BTreeMap::new(), StreamTask::new(&self.topology, id.subtopology));
            for at in sources {
                let (next, note) = self.log.committed.get(&at).cloned().unwrap_or_default();
                stream_time_of(&note, "").into_iter().for_each(|time_ms| task.restore_stream_time(time_ms));
                member.positions.insert(at.clone(), next as usize);
                starts.insert(at.0, next);
            }
            let disk = self.folders.open(number, id);
            if let Some(disk) = &disk {
                task.keep_on(|changelog| disk.place(changelog))?;
                task.limit_caches(CACHE_BYTES);
            }
            for at in changelogs.iter().filter(|_| self.sabotage != Sabotage::NoRestore) {
                let first = disk.as_ref().map_or(0, |disk| disk.next(&at.0));
                for (_, entry) in self.log.committed_from(at, first) {
                    task.restore(
                        &at.0,
                        &Change { key: entry.key.clone(), value: entry.value.clone(), timestamp_ms: Some(entry.timestamp_ms) },
                    )?;
                }
            }
            task.commit();
            if let Some(disk) = disk {
                disk.write(self.ends(id));
            }
            member.tasks.insert(id, OwnedTask::new(id, task, None, &starts));
        }
        self.members[number] = Some(member);
        Ok(())
    }

    fn fetch(&mut self, number: usize) {
        let most = 1 + self.random.below(4) as usize;
        self.fetch_up_to(number, most);
    }

    /// A fetch brings some topics' records before others'.
    fn fetch_up_to(&mut self, number: usize, most: usize) {
        let Some(member) = &mut self.members[number] else { return };
        for task in member.tasks.values_mut() {
            for topic in task.next.keys().cloned().collect::<Vec<_>>() {
                if self.is_backlog && most < usize::MAX && self.random.below(2) == 0 {
                    continue;
                }
                let at = (Arc::clone(&topic), task.id.partition);
                let position = member.positions.entry(at.clone()).or_default();
                let readable = self.log.readable_from(&at, *position, self.sabotage == Sabotage::ReadUncommitted);
                for (offset, entry) in readable.take(most) {
                    *position = offset + 1;
                    task.take(InputRecord {
                        topic: Arc::clone(&topic),
                        partition: at.1,
                        offset: offset as i64,
                        timestamp_ms: entry.timestamp_ms,
                        key: Some(entry.key.clone()),
                        value: entry.value.clone(),
                        trace_id: None,
                    });
                }
                if self.log.readable_from(&at, *position, self.sabotage == Sabotage::ReadUncommitted).next().is_none() {
                    task.reached_end(&topic);
                }
            }
        }
    }

    fn process(&mut self, number: usize) -> Result<(), TaskError> {
        let Some(member) = &mut self.members[number] else { return Ok(()) };
        let (log, transaction) = (&mut self.log, &mut member.transaction);
        let task_idle = (self.sabotage != Sabotage::NoOrder).then_some(Duration::ZERO);
        for task in member.tasks.values_mut() {
            task.process(task_idle, Instant::now(), |task| {
                publish(task, log, transaction);
                Ok::<_, TaskError>(())
            })?;
            task.refill();
        }
        Ok(())
    }

    fn tick(&mut self, number: usize) -> Result<(), TaskError> {
        self.wall_ms += 1;
        let Some(member) = &mut self.members[number] else { return Ok(()) };
        for task in member.tasks.values_mut() {
            task.task.advance_wall_clock(self.wall_ms)?;
            publish(&mut task.task, &mut self.log, &mut member.transaction);
        }
        Ok(())
    }

    /// As `thread.rs` does it: changelogs, offsets, commit; what is refused is rolled back; what nobody knows ends the life.
    fn commit(&mut self, number: usize) -> Result<(), TaskError> {
        let Some(mut member) = self.members[number].take() else { return Ok(()) };
        for task in member.tasks.values() {
            for (topic, change) in task.task.changes()? {
                let transaction = *member.transaction.get_or_insert_with(|| self.log.begin());
                let at = (topic, task.id.partition);
                self.log.append(&at, Some(transaction), &change.key, change.value.as_deref(), change.timestamp_ms.unwrap_or(0));
            }
        }
        let is_transaction = member.transaction.is_some() && self.sabotage != Sabotage::NoUnchangedOffsets;
        let next = to_commit(member.tasks.values(), "", is_transaction);
        let Some(transaction) = member.transaction.take().or_else(|| (!next.is_empty()).then(|| self.log.begin())) else {
            self.members[number] = Some(member);
            return Ok(());
        };
        // A transaction that the coordinator ended already is another reason to refuse.
        let is_known = member.generation == self.generation || self.sabotage == Sabotage::NoFencing || next.is_empty();
        let is_refused = !is_known || self.log.state(transaction) != State::Open || self.random.below(10) == 0;
        let is_answer_lost = !is_refused && self.random.below(12) == 0;
        let state = if is_refused { State::Aborted } else { State::Committed };
        self.log.end_all(|it| it == transaction, if is_answer_lost { State::Prepared } else { state });
        if !is_refused {
            for (at, next, note) in next {
                self.log.committed.insert((at.topic.as_str().into(), at.partition), (next, note));
            }
            if is_answer_lost {
                // It is committed, and the answer was lost: the thread begins a new life, which waits for the markers and reads what is true.
                if self.sabotage == Sabotage::DiskOffsetsFirst {
                    member.tasks.keys().for_each(|id| self.note_offsets(number, *id));
                }
                self.members[number] = Some(Member { tasks: BTreeMap::new(), ..member });
                self.hear(number);
                return Ok(());
            }
            for task in member.tasks.values_mut() {
                task.commit(false, 0, |_, _| None).unwrap();
                self.write_disk(number, task.id);
            }
        } else if member.generation == self.generation {
            for task in member.tasks.values_mut() {
                if self.sabotage == Sabotage::NoRollback {
                    task.task.commit();
                    self.write_disk(number, task.id);
                }
                let back = task.rollback();
                member.positions.extend(back.into_iter().map(|(at, next)| ((at.topic.as_str().into(), at.partition), next as usize)));
            }
        } else {
            // Another member has had its tasks: all of them are dropped, and it joins again.
            member.tasks.clear();
            self.folders.close(number);
        }
        let is_stranger = member.generation != self.generation;
        self.members[number] = Some(member);
        if is_stranger {
            self.hear(number);
        }
        Ok(())
    }

    /// What a task has committed reaches its disk, if it has one.
    fn write_disk(&self, number: usize, id: TaskId) {
        if let Some(disk) = self.folders.of(number, id) {
            disk.write(self.ends(id));
        }
    }

    /// Only the offsets do.
    fn note_offsets(&self, number: usize, id: TaskId) {
        if let Some(disk) = self.folders.of(number, id) {
            disk.note(self.ends(id));
        }
    }

    fn ends(&self, id: TaskId) -> impl Iterator<Item = (Arc<str>, usize)> {
        let changelogs = &self.topology.description().subtopologies[id.subtopology].changelogs;
        changelogs.iter().map(move |(_, topic)| (Arc::clone(topic), self.log.end(&(Arc::clone(topic), id.partition))))
    }

    /// Every key's outputs count up by one from one, and end with all there is; a backlog is processed in time's order.
    fn check(&self) -> Result<(), String> {
        let mut expected = BTreeMap::<String, (u64, u64)>::new();
        for number in 0..RECORDS {
            let sum = expected.entry(format!("k{}", number % KEYS)).or_default();
            *sum = (sum.0 + 1, sum.1 + number);
        }
        let mut found = BTreeMap::<String, (u64, u64)>::new();
        for partition in 0..PARTITIONS {
            for (offset, entry) in self.log.committed_from(&(OUTPUT.into(), partition), 0) {
                let sum: (u64, u64) =
                    serde_json::from_slice(entry.value.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
                let last = found.entry(String::from_utf8_lossy(&entry.key).into_owned()).or_default();
                if sum.0 != last.0 + 1 {
                    return Err(format!("output {partition}@{offset}: count {} follows {}", sum.0, last.0));
                }
                *last = sum;
            }
        }
        for partition in 0..PARTITIONS {
            let mut last = BTreeMap::<Vec<u8>, u64>::new();
            for (_, entry) in self.log.committed_from(&(TICKS.into(), partition), 0) {
                let tick = serde_json::from_slice(entry.value.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
                let before = last.insert(entry.key.clone(), tick).unwrap_or(0);
                if tick != before + 1 {
                    return Err(format!("tick {tick} follows {before}"));
                }
            }
        }
        if self.is_backlog {
            for partition in 0..PARTITIONS {
                let times: Vec<_> = self.log.committed_from(&(ORDER.into(), partition), 0).map(|(_, entry)| entry.timestamp_ms).collect();
                if !times.is_sorted() {
                    return Err(format!("what was written in time's order was processed as {times:?}"));
                }
            }
        }
        if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
    }
}

fn publish(task: &mut StreamTask, log: &mut Log, transaction: &mut Option<usize>) {
    for record in task.take_published() {
        let key = record.key.unwrap_or_default();
        let at = (record.topic, partition_of(&key, PARTITIONS));
        let transaction = *transaction.get_or_insert_with(|| log.begin());
        log.append(&at, Some(transaction), &key, record.value.as_deref(), record.timestamp_ms);
    }
}

/// What is wrong after a run of that seed.
fn simulate(seed: u64, sabotage: Sabotage, is_backlog: bool) -> Result<(), String> {
    let mut simulation = Simulation::new(seed, sabotage, is_backlog);
    simulation.run().map_err(|error| error.to_string())?;
    simulation.check()
}

#[test]
fn every_interleaving_counts_every_record_once() {
    let runs = std::env::var("WEIR_TEST_SIMULATIONS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1_000);
    for seed in 0..runs {
        let is_backlog = seed % 4 == 0;
        assert_eq!(simulate(seed, Sabotage::None, is_backlog), Ok(()), "seed {seed}");
    }
}

#[test]
fn every_sabotage_is_found() {
    let sabotages = [
        Sabotage::NoRestore,
        Sabotage::ReadUncommitted,
        Sabotage::NoRollback,
        Sabotage::NoFencing,
        Sabotage::NoUnchangedOffsets,
        Sabotage::NoWait,
        Sabotage::NoOrder,
        Sabotage::DiskOffsetsFirst,
    ];
    for sabotage in sabotages {
        let finds = |seed: u64| [false, true].into_iter().any(|is_backlog| simulate(seed, sabotage, is_backlog).is_err());
        assert!((0..500).any(finds), "{sabotage:?}");
    }
}
