//! A run from start to report: who is started when, what is told, and how it ends.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::Scope,
    time::{Duration, Instant},
};

use weir_model::{Latency, Phase, PipelineParams, PipelineStatus, Problem, RunReport, TimestampMs, Update};

use crate::{
    client::Connection,
    pipelines::{
        RunningPipeline,
        clickstream::{
            ClickstreamTask,
            settings::{EVENTS, GROUP, ID},
            source::{self, SourceProgress},
            topics::{Ends, ResultEnds, Topics},
            verify::{Finished, Verdicts},
            watch,
        },
        running::{Control, Worker},
    },
    stream::runner::{MemberConfig, Progress, run_member},
    updates::Updates,
};

/// Members of the group: two, so that an assignment is there to be seen.
const MEMBERS: usize = 2;
/// Time between two looks at the run, and between two statuses.
const TICK: Duration = Duration::from_millis(250);
/// Rates are taken over this long.
const RATE_OVER: Duration = Duration::from_secs(2);
/// How long the group may take to share out the partitions.
const JOIN_MAX: Duration = Duration::from_secs(60);
/// How long draining may make no progress.
const DRAIN_STALLED_MAX: Duration = Duration::from_secs(60);

/// Starts a run.
///
/// # Errors
/// When no thread can be started. What fails later is told through `updates`.
pub fn start(params: PipelineParams, connection: Connection, updates: Updates) -> Result<RunningPipeline, Problem> {
    let of_failure = updates.clone();
    let rate_per_s = params.rate_per_s;
    let of_failed = params.clone();
    let failed = move |problem: Problem| {
        of_failure.problem(&problem);
        publish(&of_failure, of_failed, Phase::Failed(problem), Figures::default());
    };
    let body = move |control: &Control| {
        let run = Run::new(params.clone(), &connection, &updates, control);
        if let Err(problem) = run.work() {
            updates.problem(&problem);
            run.tell(Phase::Failed(problem), Vec::new());
        }
        Ok(())
    };
    RunningPipeline::spawn("clickstream", rate_per_s, body, failed)
}

/// The figures of a status.
#[derive(Default)]
struct Figures {
    produced_per_s: f64,
    processed_per_s: f64,
    counts: BTreeMap<String, u64>,
    latency: Latency,
    checks: Vec<weir_model::Check>,
    active_faults: Vec<(weir_model::FaultId, TimestampMs)>,
}

fn publish(updates: &Updates, params: PipelineParams, phase: Phase, figures: Figures) {
    let Figures { produced_per_s, processed_per_s, counts, latency, checks, active_faults } = figures;
    let id = ID.into();
    let status = PipelineStatus { id, phase, params, produced_per_s, processed_per_s, counts, latency, checks, active_faults };
    updates.publish(Update::PipelineStatus(Arc::new(status)));
}

struct Run<'a> {
    params: PipelineParams,
    connection: &'a Connection,
    updates: &'a Updates,
    control: &'a Control,
    /// Begins with the time of the start, so that the greatest name is the newest run.
    name: Arc<str>,
    source: SourceProgress,
    progress: Progress,
    is_written: AtomicBool,
    samples: std::cell::RefCell<VecDeque<(Instant, u64, u64)>>,
}

/// Where the topics stood at the run's start.
struct Starts {
    events: Ends,
    results: ResultEnds,
}

impl<'a> Run<'a> {
    fn new(params: PipelineParams, connection: &'a Connection, updates: &'a Updates, control: &'a Control) -> Self {
        Self {
            params: params.clone(),
            connection,
            updates,
            control,
            name: format!("{:013}-{:x}", TimestampMs::now().0, params.seed).into(),
            source: SourceProgress::default(),
            progress: Progress::default(),
            is_written: AtomicBool::new(false),
            samples: std::cell::RefCell::default(),
        }
    }

    fn work(&self) -> Result<(), Problem> {
        self.tell(Phase::Starting, Vec::new());
        let topics = Topics::new(self.connection)?;
        topics.create_missing()?;
        topics.wait_for_group(&|| self.control.is_stopping())?;
        let starts = Starts { events: topics.ends(EVENTS)?, results: topics.result_ends()? };
        let shared = self.shared();
        let verdicts = std::thread::scope(|scope| {
            let outcome = self.drive(scope, shared, &topics, &starts);
            if let Err(problem) = &outcome {
                // Told before the threads end, which may take as long as a cluster that is gone takes to be given up.
                self.tell(Phase::Failed(problem.clone()), Vec::new());
            }
            // Whatever happened, no thread of the run outlives it.
            self.control.stop();
            self.progress.leave();
            self.is_written.store(true, Ordering::Release);
            outcome
        })?;
        self.report(verdicts);
        Ok(())
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            connection: self.connection,
            updates: self.updates,
            control: self.control,
            source: &self.source,
            progress: &self.progress,
            is_written: &self.is_written,
            name: &self.name,
        }
    }

    fn drive<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        shared: Shared<'scope>,
        topics: &Topics,
        starts: &Starts,
    ) -> Result<Verdicts, Problem> {
        let mut workers = Workers { watch: Some(shared.spawn_watch(scope, starts.results.clone())?), ..Workers::default() };
        for number in 0..MEMBERS {
            workers.members.push(shared.spawn_member(scope, number, self.params.speed, Arc::clone(&starts.events))?);
        }
        self.wait_for_assignment(&mut workers, starts.events.len())?;
        let start_at = self.params.start_at.unwrap_or_else(TimestampMs::now);
        workers.source = Some(shared.spawn_source(scope, self.params.clone(), start_at)?);
        while !workers.is_source_done() && !self.control.is_stopping() {
            std::thread::sleep(TICK);
            workers.check()?;
            self.tell(if self.control.is_paused() { Phase::Paused } else { Phase::Running }, Vec::new());
        }
        self.tell(Phase::Stopping, Vec::new());
        self.control.stop();
        workers.join_source()?;
        let ends = topics.ends(EVENTS)?;
        self.drain(&mut workers, &ends)?;
        self.is_written.store(true, Ordering::Release);
        let results = topics.result_ends()?;
        let finished = Finished {
            connection: self.connection,
            run: &self.name,
            seed: self.params.seed,
            speed: self.params.speed,
            events: (&starts.events, &ends),
            results: (&starts.results, &results),
            generated: self.source.generated(),
            delivered: self.source.delivered(),
            truth: self.source.truth(),
        };
        let verdicts = finished.verify()?;
        workers.watch.take().map_or(Ok(()), Worker::join)?;
        Ok(verdicts)
    }

    /// The generator starts when every partition has its processor, so that nothing waits.
    fn wait_for_assignment(&self, workers: &mut Workers<'_>, partitions: usize) -> Result<(), Problem> {
        let deadline = Instant::now() + JOIN_MAX;
        while self.progress.owned() < partitions && !self.control.is_stopping() {
            if Instant::now() >= deadline {
                let why = format!("{} of {partitions} partitions were assigned within {} s", self.progress.owned(), JOIN_MAX.as_secs());
                return Err(Problem::new(format!("The group {GROUP} did not form"), why, "Look whether another program is a member of it"));
            }
            std::thread::sleep(TICK / 5);
            workers.check()?;
        }
        Ok(())
    }

    /// Waits until members have read everything, published what is open, and left.
    fn drain(&self, workers: &mut Workers<'_>, ends: &Ends) -> Result<(), Problem> {
        self.progress.end_at(Arc::clone(ends));
        let (mut before, mut moved_at) = ((0, 0), Instant::now());
        while self.progress.finished() < ends.len() {
            std::thread::sleep(TICK / 5);
            workers.check()?;
            self.tell(Phase::Stopping, Vec::new());
            let now = (self.progress.finished(), self.processed());
            if now != before {
                (before, moved_at) = (now, Instant::now());
            } else if moved_at.elapsed() > DRAIN_STALLED_MAX {
                let why = format!("{} of {} partitions were finished and nothing moved for a minute", now.0, ends.len());
                return Err(Problem::new(
                    "The run could not be drained",
                    why,
                    "Look whether the brokers are up and who else is in the group",
                ));
            }
        }
        self.progress.leave();
        workers.members.drain(..).try_for_each(Worker::join)
    }

    fn processed(&self) -> u64 {
        self.progress.counts().get("processed").copied().unwrap_or(0)
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.progress.counts();
        counts.insert("generated".to_owned(), self.source.generated());
        counts.insert("delivered".to_owned(), self.source.delivered());
        counts.insert("behind_ms".to_owned(), self.source.behind_ms());
        for name in ["processed", "sessions_closed", "late_dropped"] {
            counts.entry(name.to_owned()).or_default();
        }
        counts
    }

    fn tell(&self, phase: Phase, checks: Vec<weir_model::Check>) {
        let counts = self.counts();
        let (produced_per_s, processed_per_s) = self.rates(counts["generated"], counts["processed"]);
        let (latency, active_faults) = (self.progress.latency_ms(), self.source.active_faults());
        let params = PipelineParams { rate_per_s: self.control.rate_per_s(), ..self.params.clone() };
        let figures = Figures { produced_per_s, processed_per_s, counts, latency, checks, active_faults };
        publish(self.updates, params, phase, figures);
    }

    fn rates(&self, produced: u64, processed: u64) -> (f64, f64) {
        let mut samples = self.samples.borrow_mut();
        samples.push_back((Instant::now(), produced, processed));
        while samples.len() > 2 && samples.get(1).is_some_and(|(at, ..)| at.elapsed() >= RATE_OVER) {
            samples.pop_front();
        }
        let Some((at, produced_then, processed_then)) = samples.front().copied() else { return (0.0, 0.0) };
        let seconds = at.elapsed().as_secs_f64().max(0.001);
        let rate = |now: u64, then: u64| if samples.len() < 2 { 0.0 } else { now.saturating_sub(then) as f64 / seconds };
        (rate(produced, produced_then), rate(processed, processed_then))
    }

    fn report(&self, verdicts: Verdicts) {
        let Verdicts { checks, scores } = verdicts;
        let report = RunReport {
            pipeline: ID.into(),
            seed: self.params.seed,
            counts: self.counts(),
            latency_ms: self.progress.latency_ms(),
            checks: checks.clone(),
            scores,
        };
        self.updates.publish(Update::RunReport(Arc::new(report)));
        self.samples.borrow_mut().clear();
        self.tell(Phase::Stopped, checks);
    }
}

/// What threads of a run share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    connection: &'a Connection,
    updates: &'a Updates,
    control: &'a Control,
    source: &'a SourceProgress,
    progress: &'a Progress,
    is_written: &'a AtomicBool,
    name: &'a Arc<str>,
}

impl<'scope> Shared<'scope> {
    fn spawn_watch(self, scope: &'scope Scope<'scope, '_>, starts: ResultEnds) -> Result<Worker<'scope>, Problem> {
        let body = move || watch::watch(self.connection, &starts, self.updates, self.is_written);
        Worker::spawn(scope, "clickstream-dashboard".to_owned(), body)
    }

    fn spawn_member(self, scope: &'scope Scope<'scope, '_>, number: usize, speed: u32, starts: Ends) -> Result<Worker<'scope>, Problem> {
        let body = move || {
            let config = MemberConfig { connection: self.connection.clone(), group: GROUP, topic: EVENTS, starts };
            run_member(&config, |partition| ClickstreamTask::new(Arc::clone(self.name), partition, speed), self.progress)
        };
        Worker::spawn(scope, format!("{ID}-processor-{number}"), body)
    }

    fn spawn_source(
        self,
        scope: &'scope Scope<'scope, '_>,
        params: PipelineParams,
        start_at: TimestampMs,
    ) -> Result<Worker<'scope>, Problem> {
        let body = move || source::generate(params, start_at, self.connection, self.control, self.source);
        Worker::spawn(scope, "clickstream-generator".to_owned(), body)
    }
}

/// The threads of a run.
#[derive(Default)]
struct Workers<'scope> {
    source: Option<Worker<'scope>>,
    members: Vec<Worker<'scope>>,
    watch: Option<Worker<'scope>>,
}

impl Workers<'_> {
    fn is_source_done(&self) -> bool {
        self.source.as_ref().is_none_or(Worker::is_finished)
    }

    fn join_source(&mut self) -> Result<(), Problem> {
        self.source.take().map_or(Ok(()), Worker::join)
    }

    /// Members and the dashboard end only when told to: one that ended has failed, and says why.
    fn check(&mut self) -> Result<(), Problem> {
        if let Some(at) = self.members.iter().position(Worker::is_finished) {
            self.members.remove(at).join()?;
        }
        match self.watch.take() {
            Some(watch) if watch.is_finished() => watch.join(),
            watch => {
                self.watch = watch;
                Ok(())
            }
        }
    }
}
