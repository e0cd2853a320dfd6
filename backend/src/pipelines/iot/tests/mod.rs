//! The pipeline as a whole, without a broker.

mod given;
mod scenarios;

use std::collections::BTreeMap;

use weir_model::{CheckVerdict, PipelineParams, RunReport};

use super::{Sabotage, meta::FAULTS, shape};
use crate::pipelines::shape::{Observed, Shape, rehearsal::rehearse};

/// When the world knows what is usual.
const FAULT_AT_MS: u64 = 20_000;

fn params(seed: u64, seconds: u64, sabotage: Option<&str>) -> PipelineParams {
    let settings = BTreeMap::from([("devices".into(), 36.0), ("defects_per_min".into(), 12.0)]);
    let sabotage = sabotage.map(Into::into);
    PipelineParams { seed, rate_per_s: 75, speed: 1, events_max: Some(75 * seconds), settings, sabotage, ..PipelineParams::default() }
}

fn run(shape: &dyn Shape, params: PipelineParams) -> RunReport {
    rehearse(shape, params, &mut |_: &Observed<'_>| {}).expect("topologies are right")
}

fn failed(report: &RunReport) -> Vec<&str> {
    report.checks.iter().filter(|check| check.verdict == CheckVerdict::Fail).map(|check| &*check.id).collect()
}

#[test]
fn a_calm_run_passes_every_check() {
    for seed in [1, 2] {
        let report = run(&*shape(), params(seed, 60, None));
        for check in &report.checks {
            assert_eq!(check.verdict, CheckVerdict::Pass, "seed {seed}: {} {}", check.id, check.evidence);
        }
    }
}

#[test]
fn each_sabotage_turns_its_check_red() {
    for (sabotage, name, red) in Sabotage::ALL {
        let report = run(&*shape(), params(5, 50, Some(name)));
        let failed = failed(&report);
        assert!(failed.contains(&red), "{name}: {:?}", report.checks);
        // Who gets no command gets no water, and what counts wrongly does so for devices too.
        let too = match sabotage {
            Sabotage::Misaddress => "moisture_in_band",
            Sabotage::CountTwice | Sabotage::DropLate => "downsampled_equal_batch",
            _ => red,
        };
        let is_expected = |id: &&str| *id == red || *id == too;
        assert!(failed.iter().all(is_expected), "{name}: {:?}", report.checks);
    }
}

#[test]
fn every_fault_heals_and_leaves_every_figure_right() {
    for (fault, ..) in FAULTS {
        let report = run(&*shape(), PipelineParams { faults: vec![(FAULT_AT_MS, fault.into())], ..params(9, 55, None) });
        assert_eq!(failed(&report), Vec::<&str>::new(), "{fault}: {:?}", report.checks);
    }
}
