//! A stream thread: its lives, and what it does in one of them.

mod aborts;
mod rebalance;
mod warm;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::{Problem, TimestampMs};

use super::{
    AppConfig, TaskId,
    globals::{DeadRows, Globals},
    plan::Plan,
    shared::Shared,
    snapshot::{AppEventKind, ThreadCounts, ThreadPhase, ThreadSnapshot},
    standby::client_id,
    tasks::{OwnedTask, to_commit},
    writer::{Outcome, Writer},
};
use crate::{
    client::{Admin, Assignment, Assignor, ClientError, GroupProtocol, TaskConsumer, TaskEvent},
    stream::{InputRecord, StreamTask, TaskError},
};
use aborts::Aborts;

/// The header by which a record tells when it was sent, in epoch milliseconds, as its timestamp is event time. Empty for what is no event,
/// which is processed and not counted.
pub const SENT_AT_MS: &str = "sent_at_ms";
/// How long an idle poll waits.
const POLL: Duration = Duration::from_millis(5);
/// Records polled between two rounds of processing.
const RECORDS_PER_POLL: usize = 500;
/// How often operators hear of the wall clock, and snapshots are made.
const PUNCTUATE_INTERVAL: Duration = Duration::from_millis(100);
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(100);
/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// A cluster that refuses for so long has failed.
const REFUSED_MAX: Duration = Duration::from_secs(30);
/// Errors further apart than this have nothing to do with each other.
const REFUSED_APART: Duration = Duration::from_secs(10);
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

/// A record that is processed and not counted.
struct NoEvent;

/// What a poll brought, on its own.
enum Polled {
    Assigned(Vec<Assignment>),
    Revoked(Vec<Assignment>),
    Lost(Vec<Assignment>),
    /// With the time it was sent at; `Err` for what is no event.
    Record(InputRecord, Result<Option<i64>, NoEvent>),
    End(Assignment),
    Other,
}

/// Joins the application's group.
fn member(config: &AppConfig, plan: &Plan, number: usize, protocol: GroupProtocol) -> Result<TaskConsumer, Problem> {
    let app = config.topology.app();
    let topics: Vec<&str> = plan.topics.iter().map(|topic| &**topic).collect();
    let client_id = client_id(app, &config.instance, number);
    let consumer = TaskConsumer::new(&config.connection, app, &client_id, &topics, (protocol, plan.assignor));
    consumer.map_err(|error| error.problem(format!("{app} can't read")))
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

    fn poll(&mut self) -> Result<(), Problem> {
        self.look_for_ends();
        let (task_idle, now) = (self.config.task_idle, Instant::now());
        let is_pausing = self.aborts.is_pausing(now);
        let is_busy = self.tasks.values_mut().any(|task| task.restore.is_some() || (!is_pausing && task.is_due(task_idle, now)));
        let mut wait = if is_busy { Duration::ZERO } else { POLL };
        for _ in 0..RECORDS_PER_POLL {
            let polled = match self.consumer.poll(wait) {
                Ok(None) => return Ok(()),
                Ok(Some(TaskEvent::Record(record))) => self.owned(&record),
                Ok(Some(TaskEvent::Assigned(partitions))) => Polled::Assigned(partitions),
                Ok(Some(TaskEvent::Revoked(partitions))) => Polled::Revoked(partitions),
                Ok(Some(TaskEvent::Lost(partitions))) => Polled::Lost(partitions),
                Ok(Some(TaskEvent::End(at))) => Polled::End(at),
                Err(error) => return self.refused(&error),
            };
            wait = Duration::ZERO;
            match polled {
                Polled::Record(record, sent_at) => {
                    self.refused = None;
                    self.take(record, sent_at)?;
                }
                Polled::Assigned(partitions) => self.assigned(&partitions)?,
                Polled::Revoked(partitions) => self.revoked(&partitions)?,
                Polled::Lost(partitions) => self.lost(&partitions)?,
                Polled::End(at) => {
                    if let Some(task) = self.plan.task_of(&at).and_then(|id| self.tasks.get_mut(&id)) {
                        task.reached_end(&at.topic);
                    }
                }
                Polled::Other => {}
            }
        }
        Ok(())
    }

    /// Spares tasks the fetch that would tell them what the last one told: that there is nothing more of a topic.
    fn look_for_ends(&mut self) {
        for task in self.tasks.values_mut() {
            for (at, next) in task.awaited() {
                if self.consumer.fetched_end(&at).is_some_and(|end| next >= end) {
                    task.reached_end(&at.topic);
                }
            }
        }
    }

    fn owned(&self, record: &crate::client::IncomingRecord<'_>) -> Polled {
        let Some(topic) = self.plan.topics.iter().find(|topic| ***topic == *record.topic()) else { return Polled::Other };
        let sent_at = match record.header(SENT_AT_MS) {
            Some([]) => Err(NoEvent),
            header => Ok(header.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())),
        };
        let input = InputRecord {
            topic: Arc::clone(topic),
            partition: record.partition(),
            offset: record.offset(),
            timestamp_ms: record.timestamp_ms().unwrap_or(0),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
        };
        Polled::Record(input, sent_at)
    }

    fn take(&mut self, record: InputRecord, sent_at: Result<Option<i64>, NoEvent>) -> Result<(), Problem> {
        let at = Assignment { topic: record.topic.to_string(), partition: record.partition };
        let task = self.plan.task_of(&at).and_then(|id| self.tasks.get_mut(&id)).filter(|task| !task.is_suspended);
        let Some(task) = task else { return Ok(()) }; // fetched before it was revoked
        match sent_at {
            Ok(sent_at) => self.sent_at.extend(sent_at),
            Err(NoEvent) => self.no_events += 1,
        }
        if task.take(record) {
            self.consumer.pause(&[at]).map_err(|error| error.problem("A partition could not be paused"))?;
        }
        Ok(())
    }

    /// A broker that restarts is no failure; one that stays away is.
    fn refused(&mut self, error: &ClientError) -> Result<(), Problem> {
        if self.protocol == GroupProtocol::Consumer && !self.has_joined && error.is_unknown_protocol() {
            return self.join_as_classic();
        }
        let now = Instant::now();
        let first = self.refused.filter(|(_, last)| now - *last < REFUSED_APART).map_or(now, |(first, _)| first);
        self.refused = Some((first, now));
        if now - first > REFUSED_MAX { Err(error.problem(format!("{} can't read", self.config.topology.app()))) } else { Ok(()) }
    }

    /// The cluster does not know the consumer protocol.
    fn join_as_classic(&mut self) -> Result<(), Problem> {
        tracing::info!("{} joins by the classic protocol: the cluster does not offer the other", self.config.topology.app());
        self.protocol = GroupProtocol::Classic;
        self.consumer = member(self.config, self.plan, self.number, self.protocol)?;
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
            let ended = restore.ended(task.id);
            let (changes, next) = restore.take_read(task.disk.is_some());
            if let Some(event) = task.save(&changes, &next) {
                self.shared.happened(self.number, event);
            }
            if is_over {
                self.shared.happened(self.number, ended);
                task.restore = None;
                task.forget_ends();
                task.task.commit();
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
            publish(writer, &mut task.task).map_err(|stopped| stopped.0)?;
        }
        Ok(())
    }

    /// Makes all that was done since the last commit safe, or takes it back.
    fn commit(&mut self) -> Result<(), Problem> {
        self.last_commit = Instant::now();
        let mut to_save = BTreeMap::new();
        for task in self.tasks.values().filter(|task| task.is_running()) {
            let changes = task.task.changes().map_err(broken)?;
            for (changelog, change) in &changes {
                self.writer.log(changelog, task.id.partition, change)?;
            }
            if task.disk.is_some() && !changes.is_empty() {
                to_save.insert(task.id, changes);
            }
        }
        let tells = self.tasks.values().any(|task| task.is_running() && DeadRows::are_told_by(task.id, self.plan));
        let dead_rows = if tells { self.dead_rows.unwritten() } else { Vec::new() };
        dead_rows.iter().try_for_each(|row| self.writer.publish(row))?;
        let is_transaction = self.config.guarantee == super::Guarantee::ExactlyOnce;
        let running = self.tasks.values().filter(|task| task.is_running());
        let next = to_commit(running, &self.config.run, is_transaction && self.writer.is_open());
        if next.is_empty() && !self.writer.is_open() {
            return Ok(());
        }
        let open_for = self.writer.open_for();
        let outcome = self.writer.commit(&next, &self.consumer)?;
        let is_refused = matches!(outcome, Outcome::Refused);
        if let Outcome::Aborted(error) = outcome {
            self.shared.happened(self.number, AppEventKind::Aborted { why: error.to_string() });
            if !self.aborts.add(Instant::now()) {
                return Err(error.problem(format!("{} could not commit, however often it tried", self.config.topology.app())));
            }
            return self.roll_back();
        }
        self.aborts.reset();
        self.dead_rows.written(dead_rows, self.shared);
        let took = open_for.unwrap_or_default() + self.last_commit.elapsed();
        // What is no event is counted when it is taken in, which may be before it is processed.
        let events = |(processed, no_events): (u64, u64)| processed.saturating_sub(no_events);
        let records = events((self.processed, self.no_events)).saturating_sub(events(self.committed));
        self.shared.happened(self.number, AppEventKind::Committed { records, took_ms: millis(took), is_transaction });
        for task in self.tasks.values_mut().filter(|task| task.is_running()) {
            task.commit(is_refused, |changelog, partition| self.writer.logged(changelog, partition));
            // Not before: a crash must never leave state ahead of the log.
            if let Some(event) = to_save.remove(&task.id).and_then(|changes| task.save(&changes, &task.logged.clone())) {
                self.shared.happened(self.number, event);
            }
        }
        self.counts.commits += 1;
        self.committed = (self.processed, self.no_events);
        Ok(())
    }

    /// Everything since the last commit is to be done again.
    fn roll_back(&mut self) -> Result<(), Problem> {
        self.counts.aborts += 1;
        (self.processed, self.no_events) = self.committed;
        self.sent_at.clear();
        let running = self.tasks.values_mut().filter(|task| task.is_running());
        let back: Vec<_> = running.flat_map(OwnedTask::rollback).collect();
        self.consumer.seek(back).map_err(|error| error.problem("What was aborted could not be read again"))
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

fn broken(error: TaskError) -> Problem {
    Problem::new("A task can't go on", error.to_string(), "Correct the topology; what it could not write is named above")
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let why = text.unwrap_or("a panic without a message");
    Problem::new("A stream thread ended by a defect of this program", why, "Nothing: it is replaced; please report what you did")
}
