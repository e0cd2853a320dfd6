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

use weir_model::Problem;

use super::{
    AppConfig, TaskId,
    cluster::{Cluster, Consumer as _, Kafka},
    disk::DiskError,
    globals::{DeadRows, Globals},
    plan::Plan,
    shared::Shared,
    snapshot::{AppEventKind, ThreadCounts, ThreadPhase, ThreadSnapshot},
    tasks::OwnedTask,
    writer::Writer,
};
use crate::{
    client::{Assignor, ClientError, GroupProtocol},
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
/// The pause before a thread's next life doubles from the first to the last of these.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Lives that end in a row without one commit: then the application can't go on.
const LIVES_MAX: u32 = 8;

/// Lives until the application stops.
pub(super) fn live(config: &AppConfig, plan: &Plan, number: usize, shared: &Shared) {
    let mut lives = Lives::new(number, shared);
    while !shared.is_stopping() {
        let life = || {
            let unreachable = |error: ClientError| error.problem(format!("{} can't read", config.topology.app()));
            let cluster = Kafka::new(&config.connection).map_err(unreachable)?;
            StreamThread::new(config, plan, number, shared, &cluster).and_then(|mut thread| thread.work())
        };
        let ended = catch_unwind(AssertUnwindSafe(life)).unwrap_or_else(|panic| Err(panicked(&*panic)));
        if let Some(pause) = lives.ended(ended) {
            std::thread::sleep(pause);
        }
    }
}

/// A thread's lives, one after the other.
pub(super) struct Lives<'a> {
    number: usize,
    shared: &'a Shared,
    backoff: Duration,
    in_vain: u32,
    /// Commits before the life that is lived.
    commits: u64,
}

impl<'a> Lives<'a> {
    pub(super) fn new(number: usize, shared: &'a Shared) -> Self {
        Self { number, shared, backoff: BACKOFF[0], in_vain: 0, commits: shared.of_thread(number).counts.commits }
    }

    /// One has ended; gives the pause before the next, `None` when there is none.
    pub(super) fn ended(&mut self, ended: Result<(), Problem>) -> Option<Duration> {
        let (number, shared) = (self.number, self.shared);
        let mut snapshot = shared.of_thread(number);
        (snapshot.tasks, snapshot.phase) = (Vec::new(), ThreadPhase::Stopped);
        if shared.is_stopping() {
            snapshot.last_problem = ended.err().or(snapshot.last_problem);
            shared.tell(number, snapshot);
            return None;
        }
        if snapshot.counts.commits > self.commits {
            (self.backoff, self.in_vain) = (BACKOFF[0], 0);
        }
        self.commits = snapshot.counts.commits;
        if let Err(problem) = ended {
            tracing::info!("{}-{number}: {problem}", shared.app);
            self.in_vain += 1;
            if self.in_vain >= LIVES_MAX {
                shared.fail(problem.clone());
            }
            shared.happened(number, AppEventKind::Replaced { why: problem.to_string() });
            snapshot.last_problem = Some(problem);
        }
        snapshot.phase = ThreadPhase::Waiting;
        snapshot.counts.replaced += 1;
        shared.tell(number, snapshot);
        let pause = self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF[1]);
        Some(pause)
    }
}

/// One life.
pub(super) struct StreamThread<'a, C: Cluster> {
    config: &'a AppConfig,
    plan: &'a Plan,
    number: usize,
    shared: &'a Shared,
    // Before the consumer: an open transaction is aborted before the partitions are given up.
    writer: Writer<'a, C>,
    consumer: C::Consumer,
    protocol: GroupProtocol,
    cluster: &'a C,
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

impl<'a, C: Cluster> StreamThread<'a, C> {
    pub(super) fn new(config: &'a AppConfig, plan: &'a Plan, number: usize, shared: &'a Shared, cluster: &'a C) -> Result<Self, Problem> {
        let writer = Writer::new(config, number, cluster)?;
        let globals = Globals::read(cluster, config, plan)?;
        let protocol = if plan.assignor == Assignor::Range { GroupProtocol::Classic } else { config.group_protocol };
        let consumer = member(cluster, config, plan, number, protocol)?;
        let now = cluster.now();
        let counts = shared.of_thread(number).counts;
        Ok(Self {
            config,
            plan,
            number,
            shared,
            writer,
            consumer,
            protocol,
            cluster,
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
            last_commit: now,
            last_punctuated: now,
            last_told: None,
            has_joined: false,
        })
    }

    fn work(&mut self) -> Result<(), Problem> {
        let ended = self.rounds();
        let why = ended.as_ref().err().map_or("", |problem| &*problem.why);
        for task in self.tasks.values().filter(|task| task.is_damaged()) {
            self.shared.count_damage(task.id, why);
            // Nobody is left to make it again.
            if self.shared.is_stopping() {
                self.shared.keeps(task.id, Some(why.to_owned()));
            }
        }
        if let Some(problem) = self.writer.refused.take() {
            // The next life would meet the same.
            self.shared.fail(problem);
        }
        ended
    }

    fn rounds(&mut self) -> Result<(), Problem> {
        while !self.shared.is_stopping() {
            self.round()?;
        }
        if !self.shared.is_crashing() {
            self.commit()?;
        }
        self.tell(true);
        Ok(())
    }

    /// What it does again and again.
    pub(super) fn round(&mut self) -> Result<(), Problem> {
        if self.shared.take_kill(self.number) {
            return Err(Problem::new("A stream thread was killed", "on purpose", "Nothing: it is replaced"));
        }
        self.poll()?;
        self.follow_globals()?;
        self.restore()?;
        self.process()?;
        self.punctuate()?;
        if self.cluster.now() - self.last_commit >= self.config.commit_interval {
            self.commit()?;
        }
        self.answer();
        self.tell(false);
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
            let is_over = restore.step(&mut task.task, self.cluster)?;
            let (ended, next) = (restore.ended(task.id, self.cluster.now()), restore.next().clone());
            task.commit_restored(&next, self.cluster.now_ms()).map_err(|error| unwritten(task.id, &error))?;
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
        if self.aborts.is_pausing(self.cluster.now()) {
            return Ok(());
        }
        self.look_for_ends();
        let (now, writer) = (self.cluster.now(), &mut self.writer);
        for task in self.tasks.values_mut().filter(|task| task.is_running()) {
            self.processed += task.process(self.config.task_idle, now, |task| publish(writer, task)).map_err(|stopped| stopped.0)?;
            let room = task.refill();
            if !room.is_empty() {
                self.consumer.resume(&room).map_err(|error| error.problem("A partition could not be resumed"))?;
            }
        }
        if !self.sent_at.is_empty() {
            let now = self.cluster.now_ms();
            self.sent_at.iter_mut().for_each(|at| *at = now - *at);
            self.shared.record_latencies(&self.sent_at);
            self.sent_at.clear();
        }
        Ok(())
    }

    fn punctuate(&mut self) -> Result<(), Problem> {
        let now = self.cluster.now();
        if now - self.last_punctuated < PUNCTUATE_INTERVAL || self.aborts.is_pausing(now) {
            return Ok(());
        }
        self.last_punctuated = now;
        let (now_ms, writer) = (self.cluster.now_ms(), &mut self.writer);
        for task in self.tasks.values_mut().filter(|task| task.is_running()) {
            task.task.advance_wall_clock(now_ms).map_err(broken)?;
            if let Some(after) = self.config.idle_advance {
                task.advance_idle(after, now).map_err(broken)?;
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
        let now = self.cluster.now();
        if !is_over && self.last_told.is_some_and(|at| now - at < SNAPSHOT_INTERVAL) {
            return;
        }
        self.last_told = Some(now);
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

fn publish<C: Cluster>(writer: &mut Writer<'_, C>, task: &mut StreamTask) -> Result<(), Stopped> {
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
