//! Scenarios show what they break: without the fault nothing of it is seen.

use weir_model::{CheckVerdict, PipelineParams};

use crate::pipelines::{altered::check_faults_are_what_is_seen, fraud::shape, shape::rehearsal::rehearse};

#[test]
fn a_scenario_without_its_faults_does_not_show_them() {
    check_faults_are_what_is_seen(shape, 200);
}

/// With what terminals have seen, one that falls to thieves is found within ten seconds of the scenario: that is asserted of every scenario.
#[test]
fn who_learns_nothing_of_terminals_does_not_find_those_that_fell_to_thieves() {
    let (scenario, sabotage) = (Some("terminals".into()), Some("no_terminal_risk".into()));
    // Until the ten seconds are over.
    let params = PipelineParams { scenario, sabotage, rate_per_s: 500, seed: 42, events_max: Some(7_500), ..PipelineParams::default() };
    let report = rehearse(&*shape(), params, &mut |_| ()).expect("topologies are right");
    let found = report.checks.iter().find(|check| &*check.id == "terminal_is_found").expect("it is checked");
    assert_eq!(found.verdict, CheckVerdict::Fail, "{}", found.evidence);
}
