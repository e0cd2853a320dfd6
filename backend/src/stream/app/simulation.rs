//! Deterministic simulation: stream threads over a model of a cluster, with transactions, rebalances, zombies, kills and restores in an order
//! that a seed chooses. No broker, no thread, no clock; thousands of interleavings where a real run shows one in ten.
//!
//! Real are the stream threads, round by round and life by life ([`StreamThread`](super::thread::StreamThread)), with all that is theirs:
//! tasks, stores, restores, writers; and what keeps standby replicas ([`Follower`](super::standby::Follower)). Models are what they meet: the
//! log ([`log`]), the group's coordinator ([`group`]), clients ([`cluster`], [`producer`]), disks that outlive their threads ([`disks`]), and
//! time, which goes on when the scheduler says so ([`scheduler`]).
//! `WEIR_TEST_SIMULATIONS=20000` goes on for longer.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod application;
mod at_least_once;
mod cluster;
mod disks;
mod group;
mod log;
mod producer;
mod scheduler;
mod world;

use std::sync::Arc;

use super::{
    AppEventKind, Guarantee,
    cluster::Step,
    plan::{Plan, plan},
};
use crate::stream::Topology;
use application::{INPUT, OTHER};
use scheduler::{Process, Scheduler};
use world::World;

const PARTITIONS: i32 = 2;

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    None,
    /// Changelogs are not read.
    NoRestore,
    /// Consumers read what may still be aborted.
    ReadUncommitted,
    /// The coordinator takes offsets of members it has given up.
    NoFencing,
    /// Of a transaction in which no record was read there are no offsets that the coordinator could refuse.
    NoUnchangedOffsets,
    /// Committed offsets are told while a transaction is about to commit others.
    NoStableOffsets,
    /// A restore does not wait for transactions that are open.
    NoWait,
    /// What was aborted is not read again.
    NoSeek,
    /// A topic is not waited for whose records were not fetched yet.
    NoOrder,
    /// The disk notes offsets before it has what led to them.
    DiskOffsetsFirst,
    /// Records that could not be written are not told.
    NoFailed,
    /// Who takes a partition over is not told where the others were.
    NoCommittedOffsets,
    /// Replicas read what may still be aborted.
    StandbyReadsUncommitted,
    /// A task's file is opened for two: its replica and itself.
    WrittenByTwo,
    /// A thread leaves a step out.
    LeavesOut(Step),
}

const SABOTAGES: [Sabotage; 19] = [
    Sabotage::NoRestore,
    Sabotage::ReadUncommitted,
    Sabotage::NoFencing,
    Sabotage::NoUnchangedOffsets,
    Sabotage::NoStableOffsets,
    Sabotage::NoWait,
    Sabotage::NoSeek,
    Sabotage::NoOrder,
    Sabotage::DiskOffsetsFirst,
    Sabotage::NoFailed,
    Sabotage::NoCommittedOffsets,
    Sabotage::StandbyReadsUncommitted,
    Sabotage::WrittenByTwo,
    Sabotage::LeavesOut(Step::RollBack),
    Sabotage::LeavesOut(Step::CommitRevoked),
    Sabotage::LeavesOut(Step::AbortLost),
    Sabotage::LeavesOut(Step::CompareChangelogs),
    Sabotage::LeavesOut(Step::Acknowledge),
    Sabotage::LeavesOut(Step::FollowFromCopy),
];

/// What a run is of, beside its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scenario {
    guarantee: Guarantee,
    /// All input is there from the beginning, in two topics that are read together.
    is_backlog: bool,
    /// Members that answer late are thrown out and may work on for a while.
    has_zombies: bool,
    /// Each process keeps replicas of the tasks that run in the other.
    has_standbys: bool,
}

impl Scenario {
    const fn exactly_once(is_backlog: bool) -> Self {
        Self { guarantee: Guarantee::ExactlyOnce, is_backlog, has_zombies: true, has_standbys: false }
    }

    const fn at_least_once(is_backlog: bool, has_zombies: bool) -> Self {
        Self { guarantee: Guarantee::AtLeastOnce, is_backlog, has_zombies, has_standbys: false }
    }

    const fn with_standbys(self) -> Self {
        Self { has_standbys: true, ..self }
    }

    fn topology(self) -> Topology {
        match self.guarantee {
            Guarantee::ExactlyOnce => application::topology(self.is_backlog),
            Guarantee::AtLeastOnce => at_least_once::topology(self.is_backlog),
        }
    }
}

/// What is wrong after a run of that seed.
fn simulate(seed: u64, sabotage: Sabotage, scenario: Scenario) -> Result<(), String> {
    let topology = scenario.topology();
    let plan = plan_of(&topology)?;
    let world = World::new(seed, sabotage, scenario, &plan);
    let is_on_disk = |process: usize| !(seed / 2 + process as u64).is_multiple_of(2);
    let processes = [(0, 2), (1, 1)].map(|process| Process::new(process, &world, &topology, &plan, is_on_disk(process.0)));
    Scheduler::new(&world, &plan, &processes).run()?;
    let log = world.log.borrow();
    match scenario.guarantee {
        Guarantee::ExactlyOnce => application::check(&log, scenario.is_backlog),
        Guarantee::AtLeastOnce => at_least_once::check(&log, scenario.has_zombies),
    }
}

/// How many seeds to run.
fn seeds(usually: u64) -> std::ops::Range<u64> {
    0..std::env::var("WEIR_TEST_SIMULATIONS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(usually)
}

fn plan_of(topology: &Topology) -> Result<Plan, String> {
    let mut partitions = [INPUT, OTHER].into_iter().map(|topic| (Arc::from(topic), PARTITIONS)).collect();
    plan(topology, &mut partitions).map_err(|problem| problem.to_string())
}

#[test]
fn every_interleaving_counts_every_record_once() {
    for seed in seeds(1_000) {
        assert_eq!(simulate(seed, Sabotage::None, Scenario::exactly_once(seed % 4 == 0)), Ok(()), "seed {seed}");
    }
}

#[test]
fn at_least_once_every_interleaving_loses_nothing() {
    for seed in seeds(250) {
        let scenario = Scenario::at_least_once(seed % 4 < 2, seed % 2 == 0);
        assert_eq!(simulate(seed, Sabotage::None, scenario), Ok(()), "seed {seed}");
    }
}

#[test]
fn with_standby_replicas_every_interleaving_counts_every_record_once() {
    for seed in seeds(250) {
        let is_backlog = seed % 4 == 0;
        let scenario = if seed % 3 == 0 { Scenario::at_least_once(is_backlog, false) } else { Scenario::exactly_once(is_backlog) };
        assert_eq!(simulate(seed, Sabotage::None, scenario.with_standbys()), Ok(()), "seed {seed}");
    }
}

/// With the eager protocol a rebalance takes everything from everybody first.
#[test]
fn a_task_that_comes_back_is_not_restored() {
    let topology = application::topology(true);
    let plan = plan_of(&topology).unwrap();
    let world = World::new(0, Sabotage::None, Scenario::exactly_once(true), &plan);
    let processes = [Process::new((0, 1), &world, &topology, &plan, false)];
    let mut scheduler = Scheduler::new(&world, &plan, &processes);
    let events =
        |is_meant: fn(&AppEventKind) -> bool| processes[0].shared.snapshot().events.iter().filter(|event| is_meant(&event.what)).count();
    for _ in 0..4 {
        scheduler.finish().unwrap();
    }
    assert!(events(|what| matches!(what, AppEventKind::Revoked { .. })) > 1);
    assert_eq!(events(|what| matches!(what, AppEventKind::RestoreBegan { .. })), 0);
}

#[test]
fn every_sabotage_is_found() {
    const SCENARIOS: [Scenario; 6] = [
        Scenario::exactly_once(false),
        Scenario::exactly_once(true),
        Scenario::at_least_once(false, false),
        Scenario::at_least_once(true, true),
        Scenario::exactly_once(false).with_standbys(),
        Scenario::exactly_once(true).with_standbys(),
    ];
    for sabotage in SABOTAGES {
        let finds = |seed: u64| SCENARIOS.into_iter().any(|scenario| simulate(seed, sabotage, scenario).is_err());
        assert!((0..500).any(finds), "{sabotage:?}");
    }
}
