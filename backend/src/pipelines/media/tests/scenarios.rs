//! Scenarios show what they break: without the fault nothing of it is seen.

use weir_model::{CheckVerdict, PipelineMeta, PipelineParams};

use crate::{
    pipelines::{
        media::shape,
        shape::{
            Act, AppSpec, Checker, DashboardFold, Emit, NoChecks, RunParams, Scenario, Shape, Step, TopicSpec, World, rehearsal::rehearse,
        },
    },
    stream::TopologyError,
};

/// The pipeline with one scenario, in which nothing is broken; it ends when the last fault would have shown.
struct Unbroken(Box<dyn Shape>, &'static [Scenario]);

impl Unbroken {
    fn new(scenario: &Scenario) -> Self {
        let is_fault = |act: &Act| matches!(act, Act::Fault(_));
        let acts = |step: &Step| Vec::leak(step.acts.iter().copied().filter(|act| !is_fault(act)).collect());
        let steps = scenario.steps.iter().map(|step| Step { acts: acts(step), ..*step }).collect();
        let broken = scenario.steps.iter().filter(|step| step.acts.iter().any(is_fault));
        let length_s = broken.filter_map(|step| Some(step.at_s + step.expects?.within_s + 1)).max().unwrap_or(scenario.length_s);
        Self(shape(), Vec::leak(vec![Scenario { steps: Vec::leak(steps), length_s, ..*scenario }]))
    }
}

impl Shape for Unbroken {
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
        self.0.world(run)
    }

    fn checkers(&self, _: &RunParams) -> Vec<Box<dyn Checker>> {
        vec![Box::new(NoChecks)]
    }

    fn dashboard(&self, run: &RunParams) -> Box<dyn DashboardFold> {
        self.0.dashboard(run)
    }

    fn scenarios(&self) -> &'static [Scenario] {
        self.1
    }
}

#[test]
fn a_scenario_without_its_faults_does_not_show_them() {
    for scenario in shape().scenarios() {
        let params = PipelineParams { scenario: Some(scenario.id.into()), rate_per_s: 60, seed: 42, ..PipelineParams::default() };
        let report = rehearse(&Unbroken::new(scenario), params, &mut |_| ()).expect("topologies are right");
        let is_broken = |step: &&Step| step.acts.iter().any(|act| matches!(act, Act::Fault(_)));
        let expected: Vec<_> = scenario.steps.iter().filter(is_broken).filter_map(|step| step.expects).collect();
        assert!(!expected.is_empty(), "{} breaks something that is seen", scenario.id);
        for expected in expected {
            let check = report.checks.iter().find(|check| &*check.id == expected.id).expect("each expectation is checked");
            assert_eq!(check.verdict, CheckVerdict::Fail, "{} {}: {}", scenario.id, check.id, check.evidence);
        }
    }
}
