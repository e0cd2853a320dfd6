//! A pipeline without a broker: world, applications and checks in virtual time, as fast as they compute. For tests, and for gates over
//! many seeds.
//!
//! Every topic has one partition, every record is processed before the next is made, and nothing is ever late by accident: what holds here
//! holds of the logic; what brokers, threads and restarts do to it is for runs on a cluster.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use weir_model::{Latency, PipelineParams, RunReport};

use super::{
    Checker, Command, Emit, Facts, Observed, RunParams, Scenario, Shape, World,
    scenario::{Due, Position, ScenarioChecker, Script},
};
use crate::stream::{Malformed, Publish, TaskError, TopologyTestDriver};

/// Event time of the first event unless the parameters name one: equal seeds give equal runs.
const START_MS: i64 = 1_790_000_000_000;
/// Records that may follow from one another before it must be a loop.
const FOLLOWING_MAX: usize = 1_000_000;

/// Runs a pipeline until its scenario ends, or all events were made, and gives its report. `observe` sees every record.
///
/// # Errors
/// When a topology is not right, or a result can't be written.
///
/// # Panics
/// When the parameters name neither an end nor a scenario, or records follow from one another without end.
pub fn rehearse(shape: &dyn Shape, params: PipelineParams, observe: &mut dyn FnMut(&Observed<'_>)) -> Result<RunReport, TaskError> {
    let meta = shape.meta();
    let start_at = params.start_at.or(Some(weir_model::TimestampMs(START_MS)));
    // The name says when a run started, which no two runs have in common.
    let run = RunParams { name: "0000000000000-rehearsal".into(), ..RunParams::new(&meta, PipelineParams { start_at, ..params }) };
    let scenario = shape.scenarios().iter().find(|scenario| Some(scenario.id) == run.params.scenario.as_ref().map(|id| id.as_str()));
    assert!(scenario.is_some() || run.params.events_max.is_some(), "a rehearsal must end");
    let mut stage = Stage::new(shape, &run, scenario, observe)?;
    let mut world = shape.world(&run);
    let mut script = Script::of_run(shape, &run.params);
    let mut out = Emit { partitions: shape.topics().iter().map(|spec| (spec.name.to_owned(), 1)).collect(), ..Emit::default() };
    let is_over = |world: &dyn World, script: &Script| {
        world.is_over() || run.params.events_max.is_some_and(|max| world.events() >= max) || script.is_over(world.due_ns())
    };
    shape.rows(&run, &mut out);
    stage.play(&mut out, &mut *world)?;
    while !is_over(&*world, &script) {
        stage.position.set_ns(world.due_ns());
        while let Some(act) = script.next_due(world.due_ns()) {
            stage.act(act, &mut *world)?;
        }
        world.next(&mut out);
        stage.play(&mut out, &mut *world)?;
    }
    world.finish(&mut out);
    stage.play(&mut out, &mut *world)?;
    Ok(stage.report(&run))
}

/// An application: its driver, and the topics it reads.
struct Actor {
    driver: TopologyTestDriver,
    sources: Vec<Arc<str>>,
}

struct Stage<'a> {
    actors: Vec<Actor>,
    checkers: Vec<Box<dyn Checker>>,
    observe: &'a mut dyn FnMut(&Observed<'_>),
    heard: Vec<Arc<str>>,
    position: Position,
    offsets: BTreeMap<String, i64>,
    facts: Facts,
    id: weir_model::PipelineId,
}

impl<'a> Stage<'a> {
    fn new(
        shape: &dyn Shape,
        run: &RunParams,
        scenario: Option<&Scenario>,
        observe: &'a mut dyn FnMut(&Observed<'_>),
    ) -> Result<Self, TaskError> {
        let id = shape.meta().id;
        let specs = shape.apps(run).map_err(|error| TaskError::Topology { app: id.to_string(), source: Malformed(error.to_string()) })?;
        let actor = |spec: super::AppSpec| {
            let description = spec.topology.description();
            let mut sources: Vec<_> = description.subtopologies.iter().flat_map(|part| part.source_topics.clone()).collect();
            sources.extend(description.global_topics.iter().cloned());
            Actor { driver: TopologyTestDriver::new(&spec.topology), sources }
        };
        let position = Position::default();
        let mut checkers = shape.checkers(run);
        if let Some(scenario) = scenario {
            checkers.push(Box::new(ScenarioChecker::new(scenario, position.clone())));
        }
        let (actors, offsets, facts) = (specs.into_iter().map(actor).collect(), BTreeMap::new(), Facts::default());
        Ok(Self { actors, checkers, observe, heard: shape.world(run).hears(), position, offsets, facts, id })
    }

    fn act(&mut self, act: Due, world: &mut dyn World) -> Result<(), TaskError> {
        match act {
            Due::Rate(rate_per_s) => world.set_rate(rate_per_s),
            // What is killed forgets what is in memory, and is rebuilt from its changelogs.
            Due::Fault(fault) if fault.as_str() == super::source::KILL_PROCESSOR => {
                self.actors.iter_mut().try_for_each(|actor| actor.driver.crash_and_restore())?;
            }
            Due::Fault(fault) => {
                assert!(world.command(&Command::parse(&fault)).is_some(), "{} has no fault {fault}", self.id);
            }
        }
        Ok(())
    }

    fn play(&mut self, out: &mut Emit, world: &mut dyn World) -> Result<(), TaskError> {
        for record in out.take() {
            if record.partition.is_none() && !record.topic.starts_with("_truth.") {
                self.facts.generated += 1;
                self.facts.delivered += 1;
            }
            let (key, value, timestamp_ms) = (record.key, record.value, record.timestamp_ms);
            let mut waiting = VecDeque::from([Publish { topic: record.topic.into(), key, value, timestamp_ms, headers: Vec::new() }]);
            let mut followed = 0;
            while let Some(record) = waiting.pop_front() {
                followed += 1;
                assert!(followed < FOLLOWING_MAX, "{}: one record led to a million", self.id);
                self.pass(record, &mut waiting, world)?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, record: Publish, waiting: &mut VecDeque<Publish>, world: &mut dyn World) -> Result<(), TaskError> {
        let offset = self.offsets.entry(record.topic.to_string()).or_default();
        let observed = Observed {
            topic: &record.topic,
            partition: 0,
            offset: *offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: record.headers.iter().map(|(name, value)| (*name, Some(&**value))).collect(),
        };
        *offset += 1;
        (self.observe)(&observed);
        self.checkers.iter_mut().for_each(|checker| checker.observe(&observed));
        if self.heard.contains(&record.topic) {
            world.hear(&observed);
        }
        for actor in self.actors.iter_mut().filter(|actor| actor.sources.contains(&record.topic)) {
            self.facts.processed += 1;
            actor.driver.pipe_bytes(&record.topic, record.key.clone(), record.value.clone(), record.timestamp_ms)?;
            waiting.extend(actor.driver.take_published());
        }
        Ok(())
    }

    fn report(mut self, run: &RunParams) -> RunReport {
        self.facts.is_over = true;
        self.facts.dropped = self.actors.iter().map(|actor| actor.driver.dropped()).sum();
        let mut counts: BTreeMap<_, _> = self.checkers.iter().flat_map(|checker| checker.counts()).collect();
        counts.insert("generated".to_owned(), self.facts.generated);
        counts.insert("processed".to_owned(), self.facts.processed);
        RunReport {
            pipeline: self.id,
            version: env!("CARGO_PKG_VERSION").into(),
            seed: run.params.seed,
            scenario: run.params.scenario.clone(),
            counts,
            latency_ms: Latency::default(),
            checks: self.checkers.iter().flat_map(|checker| checker.verdicts(&self.facts)).collect(),
            scores: self.checkers.iter().flat_map(|checker| checker.scores(&self.facts)).collect(),
            error: None,
        }
    }
}
