//! For tests: a pipeline of which one part is another, and all the rest as it is.

use std::sync::Arc;

use weir_model::{CheckVerdict, PipelineMeta, PipelineParams};

use super::shape::{
    Act, AppSpec, Checker, Command, DashboardFold, Emit, NoChecks, Observed, RunParams, Scenario, Shape, Step, TopicSpec, World,
    rehearsal::rehearse,
};
use crate::stream::TopologyError;

/// Makes a run's world from the pipeline as it is.
type MakeWorld = dyn Fn(&dyn Shape, &RunParams) -> Box<dyn World> + Send + Sync;

/// The pipeline.
pub(super) struct Altered {
    shape: Box<dyn Shape>,
    world: Box<MakeWorld>,
    /// What takes the place of its scenarios, and judges alone.
    scenarios: Option<&'static [Scenario]>,
}

impl Altered {
    /// With another world.
    pub(super) fn world(shape: Box<dyn Shape>, world: impl Fn(&dyn Shape, &RunParams) -> Box<dyn World> + Send + Sync + 'static) -> Self {
        Self { shape, world: Box::new(world), scenarios: None }
    }

    /// In which nothing breaks, so that what its scenarios expect of a fault must not be seen: its world takes every fault and does nothing
    /// about it.
    pub(super) fn unbreakable(shape: Box<dyn Shape>) -> Self {
        Self::world(shape, |shape, run| Box::new(Deaf(shape.world(run))))
    }

    /// With one scenario without its faults, which ends when the last of them would have shown.
    fn without_faults(shape: Box<dyn Shape>, scenario: &Scenario) -> Self {
        let acts = |step: &Step| Vec::leak(step.acts.iter().copied().filter(|act| !is_fault(act)).collect());
        let steps = scenario.steps.iter().map(|step| Step { acts: acts(step), ..*step }).collect();
        let broken = scenario.steps.iter().filter(|step| step.acts.iter().any(is_fault));
        let length_s = broken.filter_map(|step| Some(step.at_s + step.expects?.within_s + 1)).max().unwrap_or(scenario.length_s);
        let scenarios = Vec::leak(vec![Scenario { steps: Vec::leak(steps), length_s, ..*scenario }]);
        Self { scenarios: Some(scenarios), ..Self::world(shape, |shape, run| shape.world(run)) }
    }
}

/// What scenarios expect of their faults is not seen without them.
pub(super) fn check_faults_are_what_is_seen(shape: fn() -> Box<dyn Shape>, rate_per_s: u32) {
    for scenario in shape().scenarios() {
        let params = PipelineParams { scenario: Some(scenario.id.into()), rate_per_s, seed: 42, ..PipelineParams::default() };
        let report = rehearse(&Altered::without_faults(shape(), scenario), params, &mut |_| ()).expect("topologies are right");
        let broken = scenario.steps.iter().filter(|step| step.acts.iter().any(is_fault));
        let expected: Vec<_> = broken.filter_map(|step| step.expects).collect();
        assert!(!expected.is_empty(), "{} breaks something that is seen", scenario.id);
        for expected in expected {
            let check = report.checks.iter().find(|check| &*check.id == expected.id).expect("each expectation is checked");
            assert_eq!(check.verdict, CheckVerdict::Fail, "{} {}: {}", scenario.id, check.id, check.evidence);
        }
    }
}

fn is_fault(act: &Act) -> bool {
    matches!(act, Act::Fault(_))
}

impl Shape for Altered {
    fn meta(&self) -> PipelineMeta {
        self.shape.meta()
    }

    fn topics(&self) -> Vec<TopicSpec> {
        self.shape.topics()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        self.shape.apps(run)
    }

    fn rows(&self, run: &RunParams, out: &mut Emit) {
        self.shape.rows(run, out);
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        (self.world)(&*self.shape, run)
    }

    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn Checker>> {
        if self.scenarios.is_some() { vec![Box::new(NoChecks)] } else { self.shape.checkers(run) }
    }

    fn dashboard(&self, run: &RunParams) -> Box<dyn DashboardFold> {
        self.shape.dashboard(run)
    }

    fn scenarios(&self) -> &'static [Scenario] {
        self.scenarios.unwrap_or_else(|| self.shape.scenarios())
    }
}

/// A world that hears no fault.
struct Deaf(Box<dyn World>);

impl World for Deaf {
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
