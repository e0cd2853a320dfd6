//! Scenarios with their faults, and without: what they expect must come of what they do.

use weir_model::{CheckVerdict, PipelineMeta, PipelineParams, RunReport};

use super::super::shape;
use crate::{
    pipelines::shape::{
        AppSpec, Checker, Command, DashboardFold, Emit, Observed, RunParams, Scenario, Shape, TopicSpec, World, rehearsal::rehearse,
    },
    stream::TopologyError,
};

/// The pipeline with a world in which nothing can be broken.
struct Unbreakable(Box<dyn Shape>);

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

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(UnbreakableWorld(self.0.world(run)))
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

    fn hears(&self) -> Vec<std::sync::Arc<str>> {
        self.0.hears()
    }

    fn hear(&mut self, record: &Observed<'_>) {
        self.0.hear(record);
    }

    fn finish(&mut self, out: &mut Emit) {
        self.0.finish(out);
    }
}

fn run(shape: &dyn Shape, scenario: &Scenario, seed: u64) -> RunReport {
    let settings = [("devices".into(), 60.0)].into();
    let params = PipelineParams { seed, rate_per_s: 125, settings, scenario: Some(scenario.id.into()), ..PipelineParams::default() };
    rehearse(shape, params, &mut |_| {}).unwrap()
}

#[test]
fn what_a_scenario_expects_comes_with_its_faults_and_not_without() {
    for scenario in shape().scenarios() {
        let expected: Vec<_> = scenario.steps.iter().filter_map(|step| Some(step.expects?.id)).collect();
        for seed in [3, 4] {
            let check = |report: RunReport, verdict| {
                for check in report.checks.iter().filter(|check| expected.contains(&&*check.id)) {
                    assert_eq!(check.verdict, verdict, "{} seed {seed}: {} {}", scenario.id, check.id, check.evidence);
                }
            };
            check(run(&*shape(), scenario, seed), CheckVerdict::Pass);
            check(run(&Unbreakable(shape()), scenario, seed), CheckVerdict::Fail);
        }
    }
}
