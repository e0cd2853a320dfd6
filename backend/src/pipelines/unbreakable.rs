//! For tests: a pipeline in which nothing breaks, so that what its scenarios expect of a fault must not be seen.

use std::sync::Arc;

use weir_model::{PipelineMeta, Problem};

use super::shape::{AppSpec, Checker, Command, DashboardFold, Emit, Observed, RunParams, Scenario, Shape, TopicSpec, World};
use crate::stream::TopologyError;

/// The pipeline; its world takes every fault and does nothing about it.
pub(super) struct Unbreakable(pub(super) Box<dyn Shape>);

impl Shape for Unbreakable {
    fn meta(&self) -> PipelineMeta {
        self.0.meta()
    }

    fn topics(&self) -> Vec<TopicSpec> {
        self.0.topics()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        self.0.apps(run)
    }

    fn rows(&self, run: &RunParams, out: &mut Emit) {
        self.0.rows(run, out);
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(UnbreakableWorld(self.0.world(run)))
    }

    fn input(&self, input: &str, run: &RunParams) -> Result<Box<dyn World>, Problem> {
        self.0.input(input, run)
    }

    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn Checker>> {
        self.0.checkers(run)
    }

    fn dashboard(&self, run: &RunParams) -> Box<dyn DashboardFold> {
        self.0.dashboard(run)
    }

    fn scenarios(&self) -> &'static [Scenario] {
        self.0.scenarios()
    }
}

struct UnbreakableWorld(Box<dyn World>);

impl World for UnbreakableWorld {
    fn due_ns(&self) -> u128 {
        self.0.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        self.0.next(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.0.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.0.events()
    }

    fn command(&mut self, _: &Command) -> Option<i64> {
        Some(0)
    }

    fn hears(&self) -> Vec<Arc<str>> {
        self.0.hears()
    }

    fn hear(&mut self, record: &Observed<'_>) {
        self.0.hear(record);
    }

    fn finish(&mut self, out: &mut Emit) {
        self.0.finish(out);
    }
}
