//! Scenarios with their faults, and without: what they expect must come of what they do.

use weir_model::{CheckVerdict, PipelineParams, RunReport};

use super::super::shape;
use crate::pipelines::{
    altered::Altered,
    shape::{Scenario, Shape, rehearsal::rehearse},
};

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
            check(run(&Altered::unbreakable(shape()), scenario, seed), CheckVerdict::Fail);
        }
    }
}
