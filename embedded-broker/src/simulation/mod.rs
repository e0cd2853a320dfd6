//! Deterministic simulation of the log and both coordinators: clients, housekeeping and a clock take turns as a seed says, on a disk in
//! memory that is full, fails, or loses what was not synced, while the broker is killed and started again. What clients were promised is
//! held against what is there.
//!
//! `WEIR_SIM_SEED=17 cargo test -p weir-broker simulation` runs one schedule again; `WEIR_SIM_SCHEDULES=100000` runs more of them.

mod committer;
pub(crate) mod random;
mod table;
mod worker;
mod world;
mod writer;

use std::ops::Range;
use std::time::Duration;

use committer::Committer;
use random::Random;
use table::Table;
use worker::Worker;
use world::World;
use writer::Writer;

use crate::config::Durability;

const SCHEDULES: u64 = 2_000;
const STEPS: usize = 150;
const WRITERS: i64 = 3;
const WORKERS: usize = 2;
/// Above `transaction.timeout.ms` of the workers.
const LONG: Duration = Duration::from_secs(61);

#[test]
fn promises_hold_on_every_schedule() {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let seeds = seeds.clone().filter(move |seed| seed % threads == thread);
            scope.spawn(move || seeds.for_each(run_or_tell));
        }
    });
}

fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    match (number("WEIR_SIM_SEED"), number("WEIR_SIM_SCHEDULES")) {
        (Some(seed), None) => seed..seed + 1,
        (seed, schedules) => seed.unwrap_or(0)..seed.unwrap_or(0) + schedules.unwrap_or(SCHEDULES),
    }
}

fn run_or_tell(seed: u64) {
    let mut simulation = Simulation::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| simulation.run()));
    if let Err(panic) = outcome {
        eprintln!("{}\nWEIR_SIM_SEED={seed} shows it again", simulation.world.history().join("\n"));
        std::panic::resume_unwind(panic);
    }
}

struct Simulation {
    random: Random,
    /// `None` only while it is started again.
    world: World,
    writers: Vec<Writer>,
    workers: Vec<Worker>,
    committer: Committer,
    table: Table,
    /// Steps until what is wrong with the disk is over; the restart that ends it is a power cut or a kill.
    trouble_left: Option<usize>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let durability = if random.one_in(2) { Durability::Sync } else { Durability::Os };
        Self {
            world: World::new(durability),
            writers: (0..WRITERS).map(Writer::new).collect(),
            workers: (0..WORKERS).map(Worker::new).collect(),
            committer: Committer::default(),
            table: Table::default(),
            trouble_left: None,
            random,
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.restart(false);
        // Everyone gets to the end of what he is doing, and what nobody ends times out.
        for _ in 0..40 {
            self.workers.iter_mut().for_each(|worker| worker.step(&self.world, &mut self.random));
            self.writers.iter_mut().for_each(|writer| writer.step(&self.world, &mut self.random));
        }
        self.world.advance(LONG);
        assert!(self.world.is_settled(), "someone still waits for the end of a transaction");
        self.check();
        assert!(self.workers.iter().all(|worker| worker.committed() > 0), "a worker got nowhere");
    }

    fn step(&mut self) {
        let (world, random) = (&self.world, &mut self.random);
        match random.below(100) {
            0..30 => random.pick(&mut self.writers).step(world, random),
            30..65 => random.pick(&mut self.workers).step(world, random),
            65..70 => self.committer.step(world),
            70..80 => self.table.step(world, random),
            80..86 => world.keep_house(random),
            86..91 => world.advance(Duration::from_millis(random.below(2_000))),
            91 => world.advance(LONG),
            92 => random.pick(&mut self.writers).delete_some(world, random),
            93 => self.restart(false),
            94 => self.restart(true),
            _ => self.make_trouble(),
        }
        if let Some(left) = &mut self.trouble_left {
            *left -= 1;
            if *left == 0 {
                self.end_trouble();
            }
        }
    }

    fn make_trouble(&mut self) {
        if self.trouble_left.is_some() {
            return;
        }
        self.trouble_left = Some(1 + self.random.below(12) as usize);
        let (some, kind) = (Some(self.random.below(400)), self.random.below(3));
        self.world.tell(|| format!("trouble {} for {:?} steps, {some:?}", ["full", "off", "syncs fail"][kind as usize], self.trouble_left));
        match kind {
            0 => self.world.disk.set_space_left(some),
            1 => self.world.disk.set_changes_left(some.map(|some| some / 20)),
            _ => self.world.disk.set_syncs_fail(true),
        }
    }

    /// The disk has room again and the broker goes on; or the broker is killed as it is.
    fn end_trouble(&mut self) {
        self.trouble_left = None;
        if self.random.one_in(2) {
            return self.restart(false);
        }
        self.world.tell(|| "trouble is over".to_owned());
        self.world.disk.set_space_left(None);
        self.world.disk.set_changes_left(None);
        self.world.disk.set_syncs_fail(false);
    }

    fn restart(&mut self, is_clean: bool) {
        self.trouble_left = None;
        self.world.restart(is_clean, &mut self.random);
        self.check();
    }

    fn check(&self) {
        self.writers.iter().for_each(|writer| writer.check(&self.world));
        self.workers.iter().for_each(|worker| worker.check(&self.world));
        self.committer.check(&self.world);
        self.table.check(&self.world);
    }
}
