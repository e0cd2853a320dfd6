//! All that a simulation's threads share: the log, the coordinators, the disks and time; and what the seed lets go wrong.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use super::{
    Sabotage, Scenario, at_least_once,
    disks::Disks,
    group::Group,
    log::{At, Log},
};
use crate::{client::Assignor, sim::Random, stream::app::plan::Plan};

/// Who holds a transactional id, and what it has begun last.
#[derive(Default)]
pub(super) struct Holder {
    pub(super) epoch: u64,
    pub(super) transaction: Option<usize>,
}

pub(super) struct World {
    pub(super) random: RefCell<Random>,
    pub(super) sabotage: Sabotage,
    pub(super) scenario: Scenario,
    pub(super) log: RefCell<Log>,
    pub(super) group: RefCell<Group>,
    pub(super) disks: Rc<Disks>,
    pub(super) holders: RefCell<BTreeMap<String, Holder>>,
    /// Since the beginning.
    pub(super) now: Cell<Duration>,
    /// Nothing goes wrong any more.
    pub(super) is_calm: Cell<bool>,
    /// Fetches that are left in this round.
    pub(super) fetches: Cell<u32>,
    /// The process that is dying: nothing it does reaches anybody.
    pub(super) dying: Cell<Option<usize>>,
    /// Offsets whose committer heard of it, of those that are committed without transactions.
    pub(super) known: RefCell<BTreeMap<At, i64>>,
    /// What was seen first that must not be.
    wrong: RefCell<Option<String>>,
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Sabotage, scenario: Scenario, plan: &Plan) -> Rc<Self> {
        let tasks = plan.tasks.iter().map(|task| {
            let is_its = |topic: &&Arc<str>| plan.task_at(topic, task.partition) == Some(*task);
            plan.topics.iter().filter(is_its).map(|topic| (Arc::clone(topic), task.partition)).collect()
        });
        let group = Group::new(plan.assignor == Assignor::Range, scenario.has_zombies, tasks.collect());
        Rc::new(Self {
            random: RefCell::new(Random::new(seed)),
            sabotage,
            scenario,
            log: RefCell::default(),
            group: RefCell::new(group),
            disks: Rc::default(),
            holders: RefCell::default(),
            now: Cell::default(),
            is_calm: Cell::default(),
            fetches: Cell::default(),
            dying: Cell::default(),
            known: RefCell::default(),
            wrong: RefCell::default(),
        })
    }

    pub(super) fn below(&self, n: u64) -> u64 {
        self.random.borrow_mut().below(n)
    }

    /// Something that goes wrong once in so many times.
    pub(super) fn fails(&self, once_in: u64) -> bool {
        !self.is_calm.get() && self.below(once_in) == 0
    }

    /// Time goes on, and coordinators do what they do in it.
    pub(super) fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
        let (random, mut log) = (&mut *self.random.borrow_mut(), self.log.borrow_mut());
        log.expire(self.now.get());
        if self.is_calm.get() || random.below(3) == 0 {
            log.finish_some(random, self.is_calm.get());
        }
        self.group.borrow_mut().complete(false, random);
    }

    /// What others may do while a thread waits for an answer.
    pub(super) fn meanwhile(&self) {
        let random = &mut *self.random.borrow_mut();
        if self.is_calm.get() {
            return;
        }
        match random.below(24) {
            0 => self.group.borrow_mut().begin(random),
            1 | 2 => self.group.borrow_mut().complete(true, random),
            3 => self.log.borrow_mut().finish_some(random, false),
            _ => {}
        }
    }

    /// Offsets a group has committed for a partition, once nobody can commit others that were sent before.
    pub(super) fn committed(&self, at: &At) -> Option<(i64, String)> {
        let mut log = self.log.borrow_mut();
        if self.sabotage != Sabotage::NoStableOffsets
            && let Some(until) = log.settle_offsets(at)
        {
            self.now.set(self.now.get().max(until));
        }
        log.committed.get(at).cloned()
    }

    /// A record is sent without a transaction.
    pub(super) fn sent(&self, to: &At, value: Option<&[u8]>) {
        if !self.scenario.has_zombies {
            self.must_be(at_least_once::check_sent(&self.log.borrow(), &self.known.borrow(), to, value));
        }
    }

    /// Offsets are committed without a transaction.
    pub(super) fn commits(&self, next: &BTreeMap<At, (i64, String)>) {
        self.must_be(at_least_once::check_commit(&self.log.borrow(), next, self.scenario.has_zombies));
    }

    fn must_be(&self, is_right: Result<(), String>) {
        if let Err(why) = is_right {
            self.wrong.borrow_mut().get_or_insert(why);
        }
    }

    /// What was seen that must not be.
    pub(super) fn wrong(&self) -> Result<(), String> {
        self.wrong.borrow().clone().map_or(Ok(()), Err)
    }

    /// The folder of a process's state.
    pub(super) fn folder(process: usize) -> PathBuf {
        PathBuf::from(process.to_string())
    }
}
