//! A stream thread: its lives, and what it does in one of them.

mod aborts;
mod commit;
mod read;
mod rebalance;
mod warm;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use weir_model::{Problem, TimestampMs};

use super::{
    AppConfig, TaskId,
    disk::DiskError,
    globals::{DeadRows, Globals},
    plan::Plan,
    shared::Shared,
    snapshot::{AppEventKind, ThreadCounts, ThreadPhase, ThreadSnapshot},
    tasks::OwnedTask,
    writer::Writer,
};
use crate::{
    client::{Admin, Assignor, ClientError, GroupProtocol, TaskConsumer},
    stream::{StreamTask, TaskError},
};
use aborts::Aborts;
use read::member;

/// The header by which a record tells when it was sent, in epoch milliseconds, as its timestamp is event time. Empty for what is no event,
/// which is processed and not counted.
pub const SENT_AT_MS: &str = "sent_at_ms";
/// How often operators hear of the wall clock, and snapshots are made.
const PUNCTUATE_INTERVAL: Duration = Duration::from_millis(100);
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);
/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The pause before a thread's next life doubles from the first to the last of these.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Lives that end in a row without one commit: then the application can't go on.
const LIVES_MAX: u32 = 8;

/// Lives until the application stops.
pub(super) fn live(config: &AppConfig, plan: &Plan, number: usize, shared: &Shared) {
    let (mut backoff, mut in_vain) = (BACKOFF[0], 0);
    while !shared.is_stopping() {
        let before = shared.of_thread(number).counts.commits;
        let life = || StreamThread::new(config, plan, number, shared).and_then(|mut thread| thread.work());
        let ended = catch_unwind(AssertUnwindSafe(life)).unwrap_or_else(|panic| Err(panicked(&*panic)));
        let mut snapshot = shared.of_thread(number);
        (snapshot.tasks, snapshot.phase) = (Vec::new(), ThreadPhase::Stopped);
        if shared.is_stopping() {
            snapshot.last_problem = ended.err().or(snapshot.last_problem);
            shared.tell(number, snapshot);
            return;
        }
        if snapshot.counts.commits > before {
            (backoff, in_vain) = (BACKOFF[0], 0);
        }
        if let Err(problem) = ended {
            tracing::info!("{}-{number}: {problem}", shared.app);
            in_vain += 1;
            if in_vain >= LIVES_MAX {
                shared.fail(problem.clone());
            }
            shared.happened(number, AppEventKind::Replaced { why: problem.to_string() });
            snapshot.last_problem = Some(problem);
        }
        snapshot.phase = ThreadPhase::Waiting;
        snapshot.counts.replaced += 1;
        shared.tell(number, snapshot);
        std::thread::sleep(backoff);
        backoff = (backoff * 2).min(BACKOFF[1]);
    }
}

/// One life.
struct StreamThread<'a> {
    config: &'a AppConfig,
    plan: &'a Plan,
    number: usize,
    shared: &'a Shared,
    // Before the consumer: an open transaction is aborted before the partitions are given up.
    writer: Writer,
    consumer: TaskConsumer,
    protocol: GroupProtocol,
    admin: Admin,
    globals: Globals,
    dead_rows: DeadRows,
    tasks: BTreeMap<TaskId, OwnedTask>,
    counts: ThreadCounts,
    published_before: u64,
    /// Records processed in all lives, and taken that are no events.
    processed: u64,
    no_events: u64,
    /// The same at the last commit: what is aborted counts when it is done again.
    committed: (u64, u64),
    /// When the records of this round were sent.
    sent_at: Vec<i64>,
    refused: Option<(Instant, Instant)>,
    aborts: Aborts,
    last_commit: Instant,
    last_punctuated: Instant,
    last_told: Option<Instant>,
    has_joined: bool,
}

impl<'a> StreamThread<'a> {
    fn new(config: &'a AppConfig, plan: &'a Plan, number: usize, shared: &'a Shared) -> Result<Self, Problem> {
        let app = config.topology.app();
        let failed = |error: ClientError| error.problem(format!("{app} can't read"));
        let admin = Admin::new(&config.connection, ANSWER_MAX).map_err(failed)?;
        let writer = Writer::new(config, number)?;
        let globals = Globals::read(&config.connection, &admin, &config.topology, plan, &config.since)?;
        let protocol = if plan.assignor == Assignor::Range { GroupProtocol::Classic } else { config.group_protocol };
        let consumer = member(config, plan, number, protocol)?;
        let counts = shared.of_thread(number).counts;
        Ok(Self {
            config,
            plan,
            number,
            shared,
            writer,
            consumer,
            protocol,
            admin,
            globals,
            dead_rows: DeadRows::default(),
            tasks: BTreeMap::new(),
            counts,
            published_before: counts.published,
            processed: counts.processed,
            no_events: 0,
            committed: (counts.processed, 0),
            sent_at: Vec::new(),
            refused: None,
            aborts: Aborts::default(),
            last_commit: Instant::now(),
            last_punctuated: Instant::now(),
            last_told: None,
            has_joined: false,
        })
    }

    fn work(&mut self) -> Result<(), Problem> {
        let ended = self.rounds();
        self.tasks.values().filter(|task| task.is_damaged()).for_each(|task| self.shared.count_damage(task.id));
        if let Some(problem) = self.writer.refused.take() {
            // The next life would meet the same.
            self.shared.fail(problem);
        }
        ended
    }

    fn rounds(&mut self) -> Result<(), Problem> {
        while !self.shared.is_stopping() {
            if self.shared.take_kill(self.number) {
                return Err(Problem::new("A stream thread was killed", "on purpose", "Nothing: it is replaced"));
            }
            self.poll()?;
            self.follow_globals()?;
            self.restore()?;
            self.process()?;
            self.punctuate()?;
            if self.last_commit.elapsed() >= self.config.commit_interval {
                self.commit()?;
            }
            self.answer();
            self.tell(false);
        }
        if !self.shared.is_crashing() {
            self.commit()?;
        }
        self.tell(true);
        Ok(())
    }

    fn follow_globals(&mut self) -> Result<(), Problem> {
        for record in self.globals.poll()? {
            for task in self.tasks.values_mut() {
                let dead = task.task.process_global(&record, DeadRows::are_told_by(task.id, self.plan)).map_err(broken)?;
                self.dead_rows.add(dead, self.shared);
            }
        }
        Ok(())
    }

    fn restore(&mut self) -> Result<(), Problem> {
        for task in self.tasks.values_mut() {
            let Some(restore) = &mut task.restore else { continue };
            let is_over = restore.step(&mut task.task, &self.config.connection, &self.admin)?;
            let (ended, next) = (restore.ended(task.id), restore.next().clone());
            task.commit_restored(&next).map_err(|error| unwritten(task.id, &error))?;
            if is_over {
                self.shared.happened(self.number, ended);
                task.restore = None;
                task.forget_ends();
                self.consumer.resume(&task.partitions()).map_err(|error| error.problem("A partition could not be resumed"))?;
            }
        }
        Ok(())
    }

    fn process(&mut self) -> Result<(), Problem> {
        if self.aborts.is_pausing(Instant::now()) {
            return Ok(());
        }
        self.look_for_ends();
        let (now, writer) = (Instant::now(), &mut self.writer);
        for task in self.tasks.values_mut().filter(|task| task.is_running()) {
            self.processed += task.process(self.config.task_idle, now, |task| publish(writer, task)).map_err(|stopped| stopped.0)?;
            let room = task.refill();
            if !room.is_empty() {
                self.consumer.resume(&room).map_err(|error| error.problem("A partition could not be resumed"))?;
            }
        }
        if !self.sent_at.is_empty() {
            let now = TimestampMs::now().0;
            self.sent_at.iter_mut().for_each(|at| *at = now - *at);
            self.shared.record_latencies(&self.sent_at);
            self.sent_at.clear();
        }
        Ok(())
    }

    fn punctuate(&mut self) -> Result<(), Problem> {
        if self.last_punctuated.elapsed() < PUNCTUATE_INTERVAL || self.aborts.is_pausing(Instant::now()) {
            return Ok(());
        }
        self.last_punctuated = Instant::now();
        let (now_ms, writer) = (TimestampMs::now().0, &mut self.writer);
        for task in self.tasks.values_mut().filter(|task| task.is_running()) {
            task.task.advance_wall_clock(now_ms).map_err(broken)?;
            if let Some(after) = self.config.idle_advance {
                task.advance_idle(after, self.last_punctuated).map_err(broken)?;
            }
            publish(writer, &mut task.task).map_err(|stopped| stopped.0)?;
        }
        Ok(())
    }

    fn answer(&self) {
        while let Some(query) = self.shared.next_query(self.number) {
            let stores = self.tasks.values().filter(|task| task.is_running()).filter_map(|task| task.task.store(&query.store));
            let entries = stores.flat_map(|store| store.borrow().browse(&query.filter, query.limit)).collect();
            // Who asked may have gone.
            let _ = query.reply.try_send(entries);
        }
    }

    fn tell(&mut self, is_over: bool) {
        if !is_over && self.last_told.is_some_and(|at| at.elapsed() < SNAPSHOT_INTERVAL) {
            return;
        }
        self.last_told = Some(Instant::now());
        self.counts.processed = self.processed.saturating_sub(self.no_events);
        self.counts.published = self.published_before + self.writer.published;
        let phase = match () {
            () if is_over => ThreadPhase::Stopped,
            () if !self.has_joined => ThreadPhase::Starting,
            () if self.tasks.values().any(|task| task.restore.is_some()) => ThreadPhase::Restoring,
            () => ThreadPhase::Running,
        };
        let last_problem = self.shared.of_thread(self.number).last_problem;
        let transaction_age_ms = self.writer.open_for().filter(|_| self.config.guarantee == super::Guarantee::ExactlyOnce).map(millis);
        let tasks = self.tasks.values().map(OwnedTask::snapshot).collect();
        self.shared.tell(self.number, ThreadSnapshot { phase, tasks, counts: self.counts, last_problem, transaction_age_ms });
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn publish(writer: &mut Writer, task: &mut StreamTask) -> Result<(), Stopped> {
    task.take_published().iter().try_for_each(|record| writer.publish(record)).map_err(Stopped)
}

/// Why a life ends.
struct Stopped(Problem);

impl From<TaskError> for Stopped {
    fn from(error: TaskError) -> Self {
        Self(broken(error))
    }
}

pub(super) fn broken(error: TaskError) -> Problem {
    let what_to_do = match error {
        TaskError::Topology { .. } => "Correct the topology; what it could not write is named above",
        TaskError::Damaged { .. } => "Nothing: the state is made again; look after the disk if it happens again",
    };
    Problem::new("A task can't go on", error.to_string(), what_to_do)
}

fn unwritten(task: TaskId, error: &DiskError) -> Problem {
    let what = format!("The state of task {task} could not be written to disk");
    Problem::new(what, error.to_string(), "Nothing: it is made again; look after the disk if it happens again")
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let why = text.unwrap_or("a panic without a message");
    Problem::new("A stream thread ended by a defect of this program", why, "Nothing: it is replaced; please report what you did")
}
