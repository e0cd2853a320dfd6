//! The pipeline as it is described to be run.

use weir_model::{Dashboard, PipelineMeta, TimestampMs};

use super::{
    Fold,
    checks::Checks,
    meta::meta,
    settings::{PARTITIONS, TOPICS},
    topology::topology,
    world::Visitors,
};
use crate::{
    pipelines::shape::{AppSpec, Checker, Cleanup, DashboardFold, Observed, RunParams, Shape, TopicSpec, World},
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
        TOPICS.map(|name| TopicSpec { name, partitions: PARTITIONS, cleanup: Cleanup::Delete }).into()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        let topology = topology(&run.name, run.params.speed)?;
        Ok(vec![AppSpec { topology, guarantee: Guarantee::ExactlyOnce, instances: INSTANCES }])
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(Visitors::new(run))
    }

    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn Checker>> {
        vec![Box::new(Checks::new(run))]
    }

    fn dashboard(&self, _: &RunParams) -> Box<dyn DashboardFold> {
        Box::new(Fold::default())
    }
}

impl DashboardFold for Fold {
    fn observe(&mut self, record: &Observed<'_>, at: TimestampMs) {
        if let Some(value) = record.value {
            Fold::observe(self, record.topic, value, at);
        }
    }

    fn dashboard(&self, now: TimestampMs) -> Dashboard {
        Fold::dashboard(self, now)
    }
}
