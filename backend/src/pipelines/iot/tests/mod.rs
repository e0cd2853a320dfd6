//! The pipeline as a whole, without a broker.

mod given;
mod scenarios;

use std::collections::BTreeMap;

use weir_model::{CheckVerdict, PipelineParams, RunReport};

use super::{Sabotage, meta::FAULTS, shape};
use crate::pipelines::shape::{Command, Emit, Observed, RunParams, Shape, World, rehearsal::rehearse};

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
        let report = run(&Faulty(shape(), fault), params(9, 55, None));
        assert_eq!(failed(&report), Vec::<&str>::new(), "{fault}: {:?}", report.checks);
    }
}

/// A pipeline whose world has a fault after twenty seconds.
struct Faulty(Box<dyn Shape>, &'static str);

impl Shape for Faulty {
    fn meta(&self) -> weir_model::PipelineMeta {
        self.0.meta()
    }

    fn topics(&self) -> Vec<crate::pipelines::shape::TopicSpec> {
        self.0.topics()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<crate::pipelines::shape::AppSpec>, crate::stream::TopologyError> {
        self.0.apps(run)
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(FaultyWorld { world: self.0.world(run), fault: Some(self.1) })
    }

    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn crate::pipelines::shape::Checker>> {
        self.0.checkers(run)
    }

    fn dashboard(&self, run: &RunParams) -> Box<dyn crate::pipelines::shape::DashboardFold> {
        self.0.dashboard(run)
    }
}

struct FaultyWorld {
    world: Box<dyn World>,
    fault: Option<&'static str>,
}

impl World for FaultyWorld {
    fn due_ns(&self) -> u128 {
        self.world.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        if self.world.due_ns() > 20_000_000_000
            && let Some(fault) = self.fault.take().filter(|fault| *fault != "kill_processor")
        {
            assert!(self.world.command(&Command::parse(&fault.into())).is_some(), "{fault}");
        }
        self.world.next(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.world.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.world.events()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        self.world.command(command)
    }

    fn hears(&self) -> Vec<std::sync::Arc<str>> {
        self.world.hears()
    }

    fn hear(&mut self, record: &Observed<'_>) {
        self.world.hear(record);
    }

    fn finish(&mut self, out: &mut Emit) {
        self.world.finish(out);
    }
}
