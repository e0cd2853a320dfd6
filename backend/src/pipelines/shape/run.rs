//! A run from start to report: who is started when, what is told, and how it ends.

mod member;
mod ready;
mod streams;
mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::Scope,
    time::{Duration, Instant},
};

pub use tell::failed;
use weir_model::{Phase, PipelineMeta, PipelineParams, Problem, RunReport, Update};

use super::{
    AppSpec, Checker, Cleanup, Emit, Facts, Preparation, RunParams, Shape, TopicSpec, join,
    scenario::{Scenario, ScenarioChecker, Script},
    source::{self, KILL_PROCESSOR, Rejected, Source, SourceProgress},
    topics::{Ends, Topics},
    watch::Watch,
};
use crate::{
    client::Connection,
    pipelines::{
        RunningPipeline,
        running::{Control, Worker},
    },
    stream::{
        Topology,
        app::{AppConfig, Guarantee, StreamsApp},
    },
    updates::Updates,
};

/// For how long a killed thread is shown.
const KILL_SHOWN_MS: i64 = 5_000;
/// Time between two looks at the run, and between two statuses.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
const TELL_INTERVAL: Duration = Duration::from_millis(250);
/// Results of all pipelines share the machine with the window: fewer, larger requests, for a little latency.
const RESULTS_LINGER: Duration = Duration::from_millis(10);
/// How long draining may make no progress.
const DRAIN_STALLED_MAX: Duration = Duration::from_secs(60);

/// Starts a run of any pipeline; from then on it speaks through `updates`, and ends with a report.
///
/// # Errors
/// When no thread can be started. What fails later is told through `updates`.
pub fn start(shape: Box<dyn Shape>, params: PipelineParams, connection: Connection, updates: Updates) -> Result<RunningPipeline, Problem> {
    let meta = shape.meta();
    let (rate_per_s, name) = (params.rate_per_s, meta.id.to_string());
    let (of_failure, id, failed_params) = (updates.clone(), meta.id.clone(), params.clone());
    let on_failure = move |problem: Problem| {
        of_failure.problem(&problem);
        failed(&of_failure, id, failed_params, problem);
    };
    let body = move |control: &Control| {
        let run = Run::new(&*shape, meta, params, &connection, &updates, control);
        let is_elsewhere = run.run.params.is_joining || run.run.params.is_watching;
        let outcome = if is_elsewhere { run.join() } else { run.work() };
        if let Err(problem) = outcome {
            updates.problem(&problem);
            run.tell(Phase::Failed(problem), &run.facts(false));
        }
        Ok(())
    };
    RunningPipeline::spawn(&name, rate_per_s, body, on_failure)
}

type LastFacts = (Facts, BTreeMap<String, u64>, weir_model::Latency);

struct Run<'a> {
    shape: &'a dyn Shape,
    meta: PipelineMeta,
    run: RunParams,
    connection: &'a Connection,
    updates: &'a Updates,
    control: &'a Control,
    source: SourceProgress,
    apps: Mutex<Vec<StreamsApp>>,
    checkers: Mutex<Vec<Box<dyn Checker>>>,
    is_written: AtomicBool,
    samples: tell::Samples,
    passed: streams::Passed,
    /// Of the applications, once they have left.
    last_facts: Mutex<Option<LastFacts>>,
    /// State that they should have left on disk, and did not.
    unkept: Mutex<Option<Problem>>,
}

impl<'a> Run<'a> {
    fn new(
        shape: &'a dyn Shape,
        meta: PipelineMeta,
        params: PipelineParams,
        connection: &'a Connection,
        updates: &'a Updates,
        control: &'a Control,
    ) -> Self {
        let preparation = Preparation::new(control.stopping(), updates.clone());
        let run = RunParams { connection: Some(connection.clone()), preparation, ..RunParams::new(&meta, params) };
        let source = SourceProgress::default();
        let mut checkers = shape.checkers(&run);
        if let Some(scenario) = scenario(shape, &run.params) {
            checkers.push(Box::new(ScenarioChecker::new(scenario, source.position.clone())));
        }
        Self {
            shape,
            checkers: Mutex::new(checkers),
            meta,
            run,
            connection,
            updates,
            control,
            source,
            apps: Mutex::default(),
            is_written: AtomicBool::new(false),
            samples: tell::Samples::default(),
            passed: streams::Passed::default(),
            last_facts: Mutex::default(),
            unkept: Mutex::default(),
        }
    }

    /// The topics as they are made where they are missing. Real data is of any age: kept by the clock it would be gone as soon as it is
    /// written.
    fn topics(&self) -> Vec<TopicSpec> {
        let by_size = |spec: TopicSpec| match spec.cleanup {
            Cleanup::Delete if self.run.params.input.is_some() => TopicSpec { cleanup: Cleanup::BySize, ..spec },
            _ => spec,
        };
        self.shape.topics().into_iter().map(by_size).collect()
    }

    fn work(&self) -> Result<(), Problem> {
        self.tell(Phase::Starting, &self.facts(false));
        if let Some(dir) = &self.run.params.state_dir {
            ready::usable(dir)?;
        }
        let specs = self.apps_of_shape()?;
        let topics = Topics::new(self.connection, &self.meta.title)?;
        topics.create_missing(&self.topics())?;
        for spec in &specs {
            topics.wait_for_group(spec.topology.app(), &|| self.control.is_stopping())?;
        }
        let starts = self.starts(&topics, &specs)?;
        let mut header = join::Header::new(&self.run, &starts);
        join::tell(self.connection, &self.meta.id, &header)?;
        let outcome = std::thread::scope(|scope| {
            let outcome = self.drive(scope, &topics, &specs, &starts);
            if let Err(problem) = &outcome {
                // Told before the threads end, which may take as long as a cluster that is gone takes to be given up.
                self.tell(Phase::Failed(problem.clone()), &self.facts(false));
            }
            // Whatever happened, no thread of the run outlives it.
            self.control.stop();
            self.is_written.store(true, Ordering::Release);
            lock(&self.apps).clear();
            outcome
        });
        header.is_over = true;
        join::tell(self.connection, &self.meta.id, &header)?;
        outcome?;
        self.report();
        Ok(())
    }

    fn scenario(&self) -> Option<&'static Scenario> {
        scenario(self.shape, &self.run.params)
    }

    fn mistake(&self, error: &crate::stream::TopologyError) -> Problem {
        Problem::new(format!("{} can't start", self.meta.title), error.to_string(), "This is a defect of this program; please report it")
    }

    fn apps_of_shape(&self) -> Result<Vec<AppSpec>, Problem> {
        self.shape.apps(&self.run).map_err(|error| self.mistake(&error))
    }

    /// Where the run begins in every topic, the applications' own included; tables are kept from run to run.
    fn starts(&self, topics: &Topics, specs: &[AppSpec]) -> Result<Ends, Problem> {
        let is_table = |name: &str| self.shape.topics().iter().any(|spec| spec.name == name && spec.cleanup == Cleanup::Compact);
        let own = self.shape.topics().into_iter().map(|spec: TopicSpec| spec.name.to_owned());
        // A set: the topic under a table is both the pipeline's own and the changelog of the table's store.
        let names: BTreeSet<_> =
            own.chain(specs.iter().flat_map(|spec| internal_topics(&spec.topology))).filter(|name| !is_table(name)).collect();
        let names: Vec<_> = names.into_iter().collect();
        let mut starts = topics.ends(&names)?;
        // Tables are read from their beginning; which of their partitions there are must be known all the same.
        let tables: Vec<_> = self.shape.topics().iter().filter(|spec| is_table(spec.name)).map(|spec| spec.name.to_owned()).collect();
        starts.extend(topics.ends(&tables)?.into_iter().map(|(topic, ends)| (topic, vec![0; ends.len()])));
        Ok(starts)
    }

    fn drive<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        topics: &Topics,
        specs: &[AppSpec],
        starts: &'scope Ends,
    ) -> Result<(), Problem> {
        let mut workers = Workers { source: None, watch: Some(self.spawn_watch(scope, &self.run, starts)?) };
        if self.run.params.input.is_none() {
            let mut rows = Emit::default();
            self.shape.rows(&self.run, &mut rows);
            source::write(self.connection, rows)?;
        }
        let since: Arc<Ends> = Arc::new(starts.clone());
        for spec in specs {
            let app = StreamsApp::start(self.config(&self.run, spec, &since))?;
            lock(&self.apps).push(app);
        }
        self.wait_for_tasks(&mut workers)?;
        workers.source = Some(self.spawn_source(scope, starts)?);
        let mut told_at = Instant::now();
        while !workers.is_source_done() && !self.control.is_stopping() {
            std::thread::sleep(LOOK_INTERVAL);
            self.look(&mut workers)?;
            if self.run.params.input.is_some() {
                let generated = self.source.generated();
                self.source.set_waiting(self.waiting(topics, specs, starts)?, generated);
            }
            if told_at.elapsed() >= TELL_INTERVAL {
                told_at = Instant::now();
                self.tell(if self.control.is_paused() { Phase::Paused } else { Phase::Running }, &self.facts(false));
            }
        }
        let is_cut_short = self.control.is_stopping();
        self.tell(Phase::Stopping, &self.facts(false));
        self.control.stop();
        workers.source.take().map_or(Ok(()), Worker::join)?;
        if let Some(input) = &self.run.params.input {
            self.tell_rejected(input, is_cut_short)?;
        }
        self.drain(&mut workers, topics, specs)?;
        self.keep_facts();
        self.close_apps();
        self.is_written.store(true, Ordering::Release);
        workers.watch.take().map_or(Ok(()), Worker::join)
    }

    fn config(&self, run: &RunParams, spec: &AppSpec, since: &Arc<Ends>) -> AppConfig {
        let guarantee = match run.params.is_exactly_once {
            Some(true) => Guarantee::ExactlyOnce,
            Some(false) => Guarantee::AtLeastOnce,
            None => spec.guarantee,
        };
        let mut config = AppConfig::new(self.connection.clone(), spec.topology.clone(), guarantee);
        config.linger = RESULTS_LINGER;
        if let Some(commit_interval) = spec.commit_interval.filter(|_| guarantee == Guarantee::ExactlyOnce) {
            config.commit_interval = commit_interval;
        }
        config.threads = run.params.instances.unwrap_or(spec.instances);
        config.state_dir.clone_from(&run.params.state_dir);
        config.state_cache_bytes = run.params.state_cache_bytes.unwrap_or(config.state_cache_bytes);
        config.standby_replicas = run.params.standby_replicas.unwrap_or(config.standby_replicas);
        config.run = Arc::clone(&run.name);
        config.since = Arc::clone(since);
        config
    }

    fn spawn_watch<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        run: &RunParams,
        starts: &Ends,
    ) -> Result<Worker<'scope>, Problem> {
        let watch = Watch {
            id: self.meta.id.clone(),
            connection: self.connection,
            updates: self.updates,
            fold: self.shape.dashboard(run),
            checkers: &self.checkers,
            control: self.control,
            is_done: &self.is_written,
        };
        let names: Vec<_> = self.shape.topics().iter().map(|spec| spec.name).collect();
        let starts = starts.iter().filter(|(topic, _)| names.contains(&topic.as_str()));
        let starts: Ends = starts.map(|(topic, ends)| (topic.clone(), ends.clone())).collect();
        Worker::spawn(scope, format!("{}-dashboard", self.meta.id), move || watch.work(&starts))
    }

    fn spawn_source<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, starts: &'scope Ends) -> Result<Worker<'scope>, Problem> {
        let mut world = match &self.run.params.input {
            Some(input) => self.shape.input(input, &self.run)?,
            None => self.shape.world(&self.run),
        };
        let source = Source::new(
            self.connection,
            self.control,
            &self.source,
            (&*world, starts),
            &self.run.params,
            Script::of_run(self.shape, &self.run.params),
        )?;
        Worker::spawn(scope, format!("{}-generator", self.meta.id), move || source.work(&mut *world))
    }

    /// Ends the applications, and tells of state that they could not keep.
    fn close_apps(&self) {
        let closed = lock(&self.apps).drain(..).map(StreamsApp::close).collect::<Vec<_>>();
        let unkept = closed.into_iter().flatten().next();
        if let Some(problem) = &unkept {
            self.updates.problem(problem);
        }
        *lock(&self.unkept) = unkept;
    }

    /// Passes faults on, and notices who ended that should not have.
    fn look(&self, workers: &mut Workers<'_>) -> Result<(), Problem> {
        while let Some(fault) = self.control.next_fault() {
            if fault.as_str() == KILL_PROCESSOR {
                lock(&self.apps).iter().for_each(|app| app.kill(0));
                self.source.fault(fault, KILL_SHOWN_MS);
            } else {
                self.source.command(fault);
            }
        }
        while let Some(fault) = self.source.next_refused() {
            self.updates.problem(&Problem::new(
                format!("{fault} did nothing"),
                format!("{} has no such fault, or not with these knobs", self.meta.title),
                "See what its faults can be told: weir run --help",
            ));
        }
        while let Some(query) = self.control.next_store_query() {
            self.browse(query);
        }
        workers.check()?;
        lock(&self.apps).iter().find_map(StreamsApp::failure).map_or(Ok(()), Err)
    }

    /// Tells of given data what could not be read, and ends the run where nothing could.
    fn tell_rejected(&self, input: &str, is_cut_short: bool) -> Result<(), Problem> {
        let Rejected { count, topic, first } = self.source.rejected();
        let help = "Look whether it is what this pipeline reads, and what its columns are called: weir run --help";
        let why = match count {
            0 => "there is no row in it".to_owned(),
            1 => format!("a row is without effect: {first}"),
            _ => format!("{count} rows are without effect; the first: {first}"),
        };
        if self.source.events() == 0 && !is_cut_short {
            return Err(Problem::new(format!("Nothing in {input} can be read"), why, help));
        }
        if count > 0 {
            self.updates.problem(&Problem::new(format!("Not all of {input} can be read"), why, format!("The topic {topic} has them all")));
        }
        Ok(())
    }

    /// Records that some application has still to read and commit, through all topics between them; markers of transactions count, a few
    /// a partition.
    fn waiting(&self, topics: &Topics, specs: &[AppSpec], starts: &Ends) -> Result<u64, Problem> {
        let mut waiting = 0;
        for spec in specs {
            let committed = topics.committed(spec.topology.app())?;
            let inputs: Vec<_> = inputs(&spec.topology).collect();
            for (topic, ends) in topics.ends(&inputs)? {
                let starts = starts.get(&topic);
                for (partition, end) in (0..).zip(ends) {
                    let start = usize::try_from(partition).ok().and_then(|at| starts?.get(at).copied()).unwrap_or(0);
                    let next = committed.get(&(topic.clone(), partition)).copied().unwrap_or(start).max(start);
                    waiting += u64::try_from(end - next).unwrap_or(0);
                }
            }
        }
        Ok(waiting)
    }

    /// Waits until the applications have processed and committed everything, through all topics between them.
    fn drain(&self, workers: &mut Workers<'_>, topics: &Topics, specs: &[AppSpec]) -> Result<(), Problem> {
        let (mut before, mut moved_at, mut told_at) = (BTreeMap::new(), Instant::now(), Instant::now());
        loop {
            let mut committed = BTreeMap::new();
            let mut is_drained = true;
            for spec in specs {
                let of_app = topics.committed(spec.topology.app())?;
                let inputs: Vec<_> = inputs(&spec.topology).collect();
                for (topic, ends) in topics.ends(&inputs)? {
                    for (partition, end) in (0..).zip(ends) {
                        let at = (topic.clone(), partition);
                        let next = of_app.get(&at).copied();
                        committed.insert((spec.topology.app().to_owned(), at.clone()), next);
                        is_drained &= next.is_some_and(|next| next >= end)
                            || (before.get(&(spec.topology.app().to_owned(), at)) == Some(&next)
                                && !topics.has_record_from(&topic, partition, next)?);
                    }
                }
            }
            // What one application wrote last is another's input: all must stand still for one look.
            if is_drained && committed == before {
                return Ok(());
            }
            if committed != before {
                (before, moved_at) = (committed, Instant::now());
            } else if moved_at.elapsed() > DRAIN_STALLED_MAX {
                let why = "nothing was committed for a minute, and records are left";
                return Err(Problem::new(
                    "The run could not be drained",
                    why,
                    "Look whether the brokers are up and who else is in the groups",
                ));
            }
            std::thread::sleep(LOOK_INTERVAL * 2);
            self.look(workers)?;
            if told_at.elapsed() >= TELL_INTERVAL {
                told_at = Instant::now();
                self.tell(Phase::Stopping, &self.facts(false));
            }
        }
    }

    fn report(&self) {
        let facts = self.facts(true);
        let checkers = lock(&self.checkers);
        let report = RunReport {
            pipeline: self.meta.id.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            seed: self.run.params.seed,
            scenario: self.run.params.scenario.clone(),
            counts: self.counts(&checkers),
            latency_ms: self.latency(),
            checks: checkers.iter().flat_map(|checker| checker.verdicts(&facts)).collect(),
            scores: checkers.iter().flat_map(|checker| checker.scores(&facts)).collect(),
            error: lock(&self.unkept).clone(),
        };
        drop(checkers);
        self.updates.publish(Update::RunReport(Arc::new(report)));
        self.samples.clear();
        self.control.end();
        self.tell(Phase::Stopped, &facts);
    }
}

/// The guided demo that was asked for.
fn scenario(shape: &dyn Shape, params: &PipelineParams) -> Option<&'static Scenario> {
    let wanted = params.scenario.as_ref()?;
    shape.scenarios().iter().find(|scenario| scenario.id == wanted.as_str())
}

/// What an application reads.
fn inputs(topology: &Topology) -> impl Iterator<Item = String> {
    topology.description().subtopologies.iter().flat_map(|part| &part.source_topics).map(|topic| topic.to_string())
}

/// What an application makes for itself.
fn internal_topics(topology: &Topology) -> impl Iterator<Item = String> {
    let parts = &topology.description().subtopologies;
    let changelogs = parts.iter().flat_map(|part| part.changelogs.iter().map(|(_, changelog)| changelog.to_string()));
    changelogs.chain(topology.description().repartition_topics.iter().map(|topic| topic.to_string()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The threads of a run.
struct Workers<'scope> {
    source: Option<Worker<'scope>>,
    watch: Option<Worker<'scope>>,
}

impl Workers<'_> {
    fn is_source_done(&self) -> bool {
        self.source.as_ref().is_none_or(Worker::is_finished)
    }

    /// The dashboard ends only when told to: if it ended, it has failed, and says why.
    fn check(&mut self) -> Result<(), Problem> {
        match self.watch.take() {
            Some(watch) if watch.is_finished() => watch.join(),
            watch => {
                self.watch = watch;
                Ok(())
            }
        }
    }
}
