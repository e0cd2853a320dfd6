//! Whole runs without a broker: all applications, all checks.

use std::sync::Arc;

use weir_model::{CheckVerdict, PipelineParams, RunReport};

use super::super::{
    records::{Alert, Bot},
    sabotage::Sabotage,
    settings::{ALERTS, BOTS},
    shape,
};
use crate::pipelines::{
    altered::Altered,
    shape::{Act, Shape, rehearsal::rehearse},
};

fn rehearsed(shape: &dyn Shape, params: PipelineParams) -> RunReport {
    let params = PipelineParams { speed: 60, seed: 11, ..params };
    rehearse(shape, params, &mut |_| ()).expect("topologies are right")
}

/// What became of checks, by name.
fn with(report: &RunReport, verdict: CheckVerdict) -> Vec<String> {
    let of_verdict = report.checks.iter().filter(|check| check.verdict == verdict);
    of_verdict.map(|check| format!("{}: {}", check.id, check.evidence)).collect()
}

#[test]
fn an_honest_run_is_green_and_tells_everything() {
    let report = rehearsed(&*shape(), PipelineParams { rate_per_s: 60, events_max: Some(7_000), ..PipelineParams::default() });
    for check in &report.checks {
        println!("{:?} {}: {}", check.verdict, check.id, check.evidence);
    }
    println!("{:?} {:?}", report.counts, report.scores);
    assert_eq!(with(&report, CheckVerdict::Fail), Vec::<String>::new());
    assert!(with(&report, CheckVerdict::Pass).len() >= 8, "{report:?}");
}

#[test]
fn each_sabotage_turns_its_check_red() {
    for (_, how, red) in Sabotage::ALL {
        let (rate_per_s, events) = match red {
            // What is tiny takes many to be seen.
            "ab_interval_covers_truth" => (1_000, 50_000),
            "recommendations_beat_popularity" => (60, 7_000),
            _ => (60, 4_000),
        };
        let params = PipelineParams { rate_per_s, events_max: Some(events), sabotage: Some(how.into()), ..PipelineParams::default() };
        let failed = with(&rehearsed(&*shape(), params), CheckVerdict::Fail);
        assert!(failed.iter().any(|check| check.starts_with(&format!("{red}:"))), "{how}: {failed:?}");
    }
}

#[test]
fn every_robot_that_is_named_raises_an_alert() {
    let params = PipelineParams { rate_per_s: 200, speed: 60, seed: 11, scenario: Some("bot_swarm".into()), ..PipelineParams::default() };
    let (mut named, mut alerts) = (Vec::new(), Vec::new());
    rehearse(&*shape(), params, &mut |record| match record.topic {
        BOTS => named.push(serde_json::from_slice::<Bot>(record.value.expect("a value")).expect("a robot")),
        ALERTS => alerts.push(serde_json::from_slice::<Alert>(record.value.expect("a value")).expect("an alert")),
        _ => {}
    })
    .expect("topologies are right");
    assert!(!named.is_empty() && alerts.len() == named.len(), "{} robots, {} alerts", named.len(), alerts.len());
    for (bot, alert) in named.iter().zip(&alerts) {
        assert_eq!((alert.subject_key.as_str(), alert.window_start, alert.window_end), (bot.user_id.as_str(), bot.start, bot.at));
        assert!(alert.value > 0.0 && alert.value < alert.threshold && alert.evidence.len() == 2, "{alert:?}");
    }
}

#[test]
fn more_disorder_than_grace_is_dropped_as_the_oracle_says() {
    let run = |disorder_s: f64| {
        let settings = [(Arc::from("disorder_s"), disorder_s)].into();
        let report =
            rehearsed(&*shape(), PipelineParams { rate_per_s: 100, events_max: Some(4_000), settings, ..PipelineParams::default() });
        assert_eq!(with(&report, CheckVerdict::Fail), Vec::<String>::new(), "{disorder_s} s");
        report.counts["window_late_dropped"]
    };
    assert_eq!(run(8.0), 0);
    assert!(run(120.0) > 0);
}

#[test]
fn what_a_scenario_expects_of_a_fault_is_not_seen_without_it() {
    let shape = shape();
    let mut told = Vec::new();
    for scenario in shape.scenarios() {
        let params = || PipelineParams { rate_per_s: 200, scenario: Some(scenario.id.into()), ..PipelineParams::default() };
        let (broken, unbroken) = (rehearsed(&*shape, params()), rehearsed(&Altered::unbreakable(super::super::shape()), params()));
        let verdict = |report: &RunReport, id: &str| report.checks.iter().find(|check| &*check.id == id).map(|check| check.verdict);
        for expected in scenario.steps.iter().filter_map(|step| step.expects) {
            assert_eq!(verdict(&broken, expected.id), Some(CheckVerdict::Pass), "{}: {}", scenario.id, expected.id);
            if verdict(&unbroken, expected.id) == Some(CheckVerdict::Fail) {
                told.push(expected.id);
            }
        }
        let of_faults = scenario.steps.iter().filter(|step| step.acts.iter().any(|act| matches!(act, Act::Fault(_))));
        for expected in of_faults.filter_map(|step| step.expects) {
            assert!(told.contains(&expected.id), "{} sees {} without its fault", scenario.id, expected.id);
        }
    }
    assert_eq!(told, ["robots_are_named", "sessions_merge", "late_events_are_counted"]);
}

#[test]
fn offline_phones_merge_sessions_whatever_ends_one() {
    for (gap_s, grace_s) in [(600.0, 10.0), (1_200.0, 30.0)] {
        let settings = [(Arc::from("session_gap_s"), gap_s), (Arc::from("grace_s"), grace_s)].into();
        let scenario = Some("late_phones".into());
        let report = rehearsed(&*shape(), PipelineParams { rate_per_s: 200, scenario, settings, ..PipelineParams::default() });
        assert_eq!(with(&report, CheckVerdict::Fail), Vec::<String>::new(), "a gap of {gap_s} s");
        assert!(report.counts["sessions_merged"] > 0, "a gap of {gap_s} s");
    }
}
