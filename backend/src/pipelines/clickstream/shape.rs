//! The pipeline as it is described to be run.

use std::sync::Arc;

use weir_model::{Dashboard, PipelineAction, PipelineMeta, Problem, TimestampMs};

use super::{
    Fold, attribution,
    checks::Checks,
    given::GivenVisitors,
    input::{Files, Lines, Nothing, Source},
    meta::meta,
    recommend,
    sabotage::Sabotage,
    scenarios::SCENARIOS,
    settings::{ALERTS, ITEMS, JUDGED, OPEN_SESSIONS, PARTITIONS, RELATED, TOPICS, USERS, Windows},
    topology::{self, Options},
    world::{self, Visitors},
};
use crate::{
    pipelines::shape::{
        AppSpec, Checker, Cleanup, DashboardFold, Emit, Observed, RunParams, Scenario, Shape, TopicSpec, World, names_and_checks,
    },
    stream::{TopologyError, app::Guarantee},
};

/// Stream threads: two, so that an assignment is there to be seen.
const INSTANCES: u16 = 2;

/// The pipeline, to be started by [`crate::pipelines::start`].
pub fn shape() -> Box<dyn Shape> {
    Box::new(Clickstream)
}

struct Clickstream;

impl Shape for Clickstream {
    fn meta(&self) -> PipelineMeta {
        meta()
    }

    fn topics(&self) -> Vec<TopicSpec> {
        let cleanup = |name| match name {
            // The users of a run are a table as long as it lasts.
            USERS | ALERTS => Cleanup::BySize,
            ITEMS | RELATED | OPEN_SESSIONS => Cleanup::Compact,
            _ => Cleanup::Delete,
        };
        // One place for the alerts of all pipelines.
        let partitions = |name| if name == ALERTS { 1 } else { PARTITIONS };
        TOPICS.map(|name| TopicSpec { name, partitions: partitions(name), cleanup: cleanup(name) }).into()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        let sabotage = run.params.sabotage.as_deref().and_then(Sabotage::named);
        let options = Options { run: Arc::clone(&run.name), windows: Windows::of(run), sabotage };
        let topology = topology::of(&options)?;
        let small = |topology| AppSpec::new(topology, Guarantee::ExactlyOnce);
        let main = AppSpec { instances: INSTANCES, ..small(topology) };
        Ok(vec![main, small(recommend::topology(&options)?), small(attribution::topology(&options)?)])
    }

    fn rows(&self, run: &RunParams, out: &mut Emit) {
        world::catalogue(run, out);
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(Visitors::new(run))
    }

    fn input(&self, input: &str, run: &RunParams) -> Result<Box<dyn World>, Problem> {
        let failed = |why: String| {
            let help = "Give access logs (common, combined or W3C format, plain or gzip), CSV with a header or JSON by lines, as \
                        FILE[,FILE…][?user=FIELD&time=FIELD…], or a topic of such records as topic:NAME";
            Problem::new(format!("Clickstream can't read {input}"), why, help)
        };
        let files = match Files::open(input, &run.preparation) {
            // Nobody waits for it any more.
            Err(_) if run.preparation.is_stopping() => {
                return Ok(Box::new(GivenVisitors::new(Box::new(Nothing), Arc::clone(&run.name))));
            }
            files => files.map_err(failed)?,
        };
        let source: Box<dyn Source> = match (files, &run.connection) {
            (Some(files), _) => Box::new(files),
            (None, Some(connection)) => Box::new(Lines::open(input, connection, &run.name).map_err(failed)?),
            (None, None) => return Err(failed("it is not there".to_owned())),
        };
        Ok(Box::new(GivenVisitors::new(source, Arc::clone(&run.name))))
    }

    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn Checker>> {
        vec![Box::new(Checks::new(run))]
    }

    fn scenarios(&self) -> &'static [Scenario] {
        SCENARIOS
    }

    fn provocations(&self, sabotage: &str) -> &'static [&'static str] {
        match sabotage {
            "grace_off" | "forget_absorbed" => &["phones_offline"],
            "trust_bots" => &["bot_swarm"],
            _ => &[],
        }
    }

    fn judged(&self) -> &'static [(&'static str, &'static str)] {
        &JUDGED
    }

    fn sabotages(&self) -> &'static [(&'static str, &'static str)] {
        const ALL: [(&str, &str); Sabotage::ALL.len()] = names_and_checks(&Sabotage::ALL);
        &ALL
    }

    fn dashboard(&self, _: &RunParams) -> Box<dyn DashboardFold> {
        Box::new(Fold::default())
    }
}

impl DashboardFold for Fold {
    fn observe(&mut self, record: &Observed<'_>, at: TimestampMs) {
        match (record.topic, record.value) {
            (OPEN_SESSIONS, value) => self.observe_open(record.key.unwrap_or_default(), value),
            (topic, Some(value)) => Fold::observe(self, topic, value, at),
            _ => {}
        }
    }

    fn dashboard(&self, now: TimestampMs) -> Dashboard {
        Fold::dashboard(self, now)
    }

    fn act(&mut self, action: &PipelineAction, _: &mut Emit) -> Result<(), Problem> {
        Fold::act(self, action)
    }
}
