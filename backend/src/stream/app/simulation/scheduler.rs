//! Who does something next, and what happens to it: rounds of the stream threads of two processes, in an order that a seed chooses.

use std::{rc::Rc, sync::Arc, time::Duration};

use weir_model::Problem;

use super::{
    PARTITIONS, Sabotage,
    application::{INPUT, OTHER, RECORDS, is_done},
    cluster::MockCluster,
    log::partition_of,
    world::World,
};
use crate::{
    client::Connection,
    stream::{
        Topology,
        app::{
            AppConfig,
            plan::Plan,
            shared::Shared,
            standby::Follower,
            thread::{Lives, StreamThread},
        },
    },
};

const STEPS: usize = 220;
/// Room for an entry or two of each store.
const CACHE_BYTES: u64 = 4_000;
/// Older transactions are aborted.
const TRANSACTION_TIMEOUT: Duration = Duration::from_millis(1_500);
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two steps is up to this.
const STEP_MS_MAX: u64 = 40;
/// Steps of each thread until all is done, once nothing goes wrong any more.
const CALM_STEPS: usize = 100;

/// What a process has as long as there is one, and what it shares with the one that is started after it.
pub(super) struct Process {
    config: AppConfig,
    pub(super) shared: Shared,
    cluster: MockCluster,
}

impl Process {
    pub(super) fn new((number, threads): (usize, u16), world: &Rc<World>, topology: &Topology, plan: &Plan, is_on_disk: bool) -> Self {
        let config = AppConfig {
            threads,
            instance: number.to_string().into(),
            commit_interval: COMMIT_INTERVAL,
            transaction_timeout: TRANSACTION_TIMEOUT,
            state_dir: is_on_disk.then(|| World::folder(number)),
            standby_replicas: u16::from(world.scenario.has_standbys),
            state_cache_bytes: CACHE_BYTES,
            task_idle: (world.sabotage != Sabotage::NoOrder).then_some(Duration::ZERO),
            ..AppConfig::new(Connection::new("", []), topology.clone(), world.scenario.guarantee)
        };
        let shared = Shared::new(topology, usize::from(threads), plan.tasks.len());
        Self { config, shared, cluster: MockCluster::new(world, number) }
    }
}

/// A thread of a process.
struct Slot<'a> {
    process: &'a Process,
    number: usize,
    lives: Lives<'a>,
    /// Its life, if it lives.
    thread: Option<StreamThread<'a, MockCluster>>,
    /// When it lives again.
    again_at: Duration,
}

pub(super) struct Scheduler<'a> {
    world: Rc<World>,
    plan: &'a Plan,
    processes: &'a [Process],
    is_up: Vec<bool>,
    slots: Vec<Slot<'a>>,
    /// What keeps each process's replicas.
    followers: Vec<Option<Follower<'a, MockCluster>>>,
    written: u64,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(world: &Rc<World>, plan: &'a Plan, processes: &'a [Process]) -> Self {
        let slots = processes.iter().flat_map(|process| {
            (0..usize::from(process.config.threads)).map(move |number| Slot {
                process,
                number,
                lives: Lives::new(number, &process.shared),
                thread: None,
                again_at: Duration::ZERO,
            })
        });
        let (is_up, followers) = (vec![true; processes.len()], processes.iter().map(|_| None).collect());
        Self { world: Rc::clone(world), plan, processes, is_up, slots: slots.collect(), followers, written: 0 }
    }

    pub(super) fn run(&mut self) -> Result<(), String> {
        while self.world.scenario.is_backlog && self.written < RECORDS {
            self.write_input();
        }
        for _ in 0..STEPS {
            self.world.pass(Duration::from_millis(self.world.below(STEP_MS_MAX)));
            match self.world.below(if self.world.scenario.has_standbys { 34 } else { 26 }) {
                0..4 => self.write_input(),
                4..20 => self.round(self.world.below(self.slots.len() as u64) as usize)?,
                20..22 => self.world.group.borrow_mut().begin(&mut self.world.random.borrow_mut()),
                22..24 => self.world.group.borrow_mut().complete(true, &mut self.world.random.borrow_mut()),
                24 => self.kill(),
                26.. => self.follow(self.world.below(self.processes.len() as u64) as usize)?,
                _ => self.start(self.world.below(self.processes.len() as u64) as usize),
            }
        }
        self.finish()
    }

    /// Everything goes well until nothing is left to do, over a rebalance.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.world.is_calm.set(true);
        while self.written < RECORDS {
            self.write_input();
        }
        (0..self.processes.len()).for_each(|process| self.start(process));
        // The longest pause there is, and all that nobody ended has ended.
        self.world.pass(Duration::from_secs(10));
        for step in 0..CALM_STEPS {
            for slot in 0..self.slots.len() {
                self.world.pass(Duration::from_millis(STEP_MS_MAX));
                self.round(slot)?;
            }
            for process in 0..self.processes.len() {
                self.follow(process)?;
            }
            if step == 1 {
                // The dead are missed.
                self.world.group.borrow_mut().begin(&mut self.world.random.borrow_mut());
            }
            if step > 1 {
                self.world.group.borrow_mut().complete(step % 4 == 0, &mut self.world.random.borrow_mut());
            }
            if step > 2 && is_done(&self.processes[0].config.topology, &self.world.log.borrow()) {
                return Ok(());
            }
        }
        Err("it comes to no end".to_owned())
    }

    fn write_input(&mut self) {
        if self.written < RECORDS {
            let (key, value) = (format!("i{}", self.written % 5), self.written.to_string());
            let topic = if self.world.scenario.is_backlog && self.world.below(3) == 0 { OTHER } else { INPUT };
            let at = (Arc::from(topic), partition_of(key.as_bytes(), PARTITIONS));
            self.world.log.borrow_mut().append(&at, None, key.as_bytes(), Some(value.as_bytes()), self.written as i64);
            self.written += 1;
        }
    }

    /// A thread goes on.
    fn round(&mut self, slot: usize) -> Result<(), String> {
        let Slot { process, number, thread, again_at, .. } = &mut self.slots[slot];
        if !self.is_up[process.cluster.process] || self.world.now.get() < *again_at {
            return Ok(());
        }
        self.world.fetches.set(if self.world.is_calm.get() { 2 } else { self.world.below(3) as u32 });
        let went = match thread {
            Some(thread) => thread.round(),
            None => {
                StreamThread::new(&process.config, self.plan, *number, &process.shared, &process.cluster).map(|new| *thread = Some(new))
            }
        };
        self.world.wrong()?;
        let Err(problem) = went else { return Ok(()) };
        *thread = None;
        self.end(slot, problem)
    }

    /// A process's replicas follow their changelogs, or the group is looked at for which it has to keep.
    fn follow(&mut self, process: usize) -> Result<(), String> {
        if !self.is_up[process] || !self.world.scenario.has_standbys {
            return Ok(());
        }
        let (Process { config, shared, cluster }, follower) = (&self.processes[process], &mut self.followers[process]);
        let went = match follower {
            Some(follower) if self.world.below(6) == 0 => follower.look(),
            Some(follower) => follower.follow(),
            None => Follower::new(config, self.plan, shared, cluster).and_then(|new| follower.insert(new).look()),
        };
        if went.is_err() {
            *follower = None;
            shared.standbys.clear();
        }
        shared.standbys.held().into_iter().try_for_each(|(task, held, next)| self.world.log.borrow().check_copy(task, held, &next))
    }

    fn end(&mut self, slot: usize, problem: Problem) -> Result<(), String> {
        let Slot { lives, again_at, .. } = &mut self.slots[slot];
        match lives.ended(Err(problem.clone())) {
            Some(pause) => {
                *again_at = self.world.now.get() + pause;
                Ok(())
            }
            None => Err(problem.to_string()),
        }
    }

    /// Ends a thread's life, or that of a whole process: its memory is gone, and its transaction stays open until the coordinator's patience
    /// ends.
    fn kill(&mut self) {
        let slot = self.world.below(self.slots.len() as u64) as usize;
        let Slot { process, number, .. } = &self.slots[slot];
        if self.world.below(2) == 0 {
            process.shared.kill(*number);
            return;
        }
        let dying = process.cluster.process;
        self.world.dying.set(Some(dying));
        for slot in self.slots.iter_mut().filter(|slot| slot.process.cluster.process == dying) {
            (slot.thread, slot.lives, slot.again_at) = (None, Lives::new(slot.number, &slot.process.shared), Duration::ZERO);
        }
        self.followers[dying] = None;
        self.processes[dying].shared.standbys.clear();
        self.world.dying.set(None);
        self.is_up[dying] = false;
    }

    fn start(&mut self, process: usize) {
        self.is_up[process] = true;
    }
}
