//! The pipeline as the runner takes it.

use std::collections::BTreeMap;

use weir_model::{Check, PipelineMeta, Problem};

use super::{
    dashboard::{Fold, SeriesFold},
    input::{SeriesJudge, SeriesWorld},
    meta::{TOPICS, meta},
    network::NetworkWorld,
    sabotage::Sabotage,
    scenarios::SCENARIOS,
    settings::{ALERTS, DEVICE_STATE, DLQ, HIERARCHY, JUDGED, PARTITIONS, SITE_ROLLUPS, TRUTH},
    topology::topology,
    world::FleetWorld,
};
use crate::{
    pipelines::shape::{
        AppSpec, Checker, Cleanup, DashboardFold, Facts, Observed, RenewedVerdicts, RunParams, Scenario, Shape, TopicSpec, World,
        names_and_checks,
    },
    stream::{TopologyError, app::Guarantee},
    truth::{Seen, iot::IotTruth},
};

/// The pipeline, to be started by [`crate::pipelines::start`].
pub fn shape() -> Box<dyn Shape> {
    Box::new(Iot)
}

/// IoT.
#[derive(Clone, Copy, Debug)]
struct Iot;

impl Shape for Iot {
    fn meta(&self) -> PipelineMeta {
        meta()
    }

    fn topics(&self) -> Vec<TopicSpec> {
        let spec = |name: &'static str| {
            let partitions = if [ALERTS, TRUTH, DLQ].contains(&name) { 1 } else { PARTITIONS };
            let cleanup = match name {
                DEVICE_STATE | SITE_ROLLUPS | HIERARCHY => Cleanup::Compact,
                // As the pipelines that share it have it.
                ALERTS => Cleanup::BySize,
                _ => Cleanup::Delete,
            };
            TopicSpec { name, partitions, cleanup }
        };
        TOPICS.into_iter().chain([DLQ, TRUTH]).map(spec).collect()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        let sabotage = run.params.sabotage.as_deref().and_then(Sabotage::named);
        Ok(vec![AppSpec::new(topology(sabotage)?, Guarantee::ExactlyOnce)])
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        let alone = |why: &str| Box::new(FleetWorld::new(run, 0, why.to_owned()));
        if run.setting("mqtt") < 0.5 {
            return alone("mqtt is 0");
        }
        // Without a cluster there is nothing to bridge to.
        let Some(connection) = &run.connection else { return alone("there is no cluster to bridge to") };
        match NetworkWorld::start(run, connection, run.setting("mqtt_port") as u16) {
            Ok(world) => Box::new(world),
            Err(problem) => {
                tracing::warn!("{}: {}; devices write to Kafka themselves", problem.what, problem.why);
                alone(&format!("{}: {}", problem.what, problem.why))
            }
        }
    }

    fn input(&self, input: &str, run: &RunParams) -> Result<Box<dyn World>, Problem> {
        Ok(Box::new(SeriesWorld::open(input, run)?))
    }

    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn Checker>> {
        if run.params.input.is_some() {
            return vec![Box::new(SeriesJudge::default())];
        }
        vec![Box::new(Judge { truth: IotTruth::new(run.start_at.0), known: RenewedVerdicts::default() })]
    }

    fn dashboard(&self, run: &RunParams) -> Box<dyn DashboardFold> {
        if run.params.input.is_some() {
            return Box::new(SeriesFold::default());
        }
        Box::new(Fold::new(run.start_at.0))
    }

    fn scenarios(&self) -> &'static [Scenario] {
        SCENARIOS
    }

    fn provocations(&self, sabotage: &str) -> &'static [&'static str] {
        match sabotage {
            "drop_late" | "never_fill" | "last_write_wins" => &["offline_30"],
            "current_group" => &["reparent"],
            "sleep_through" => &["bearing", "spike"],
            _ => &[],
        }
    }

    fn judged(&self) -> &'static [(&'static str, &'static str)] {
        &JUDGED
    }

    fn sabotages(&self) -> &'static [(&'static str, &'static str)] {
        const ALL: [(&str, &str); Sabotage::ALL.len()] = names_and_checks(&Sabotage::ALL);
        &ALL
    }
}

/// The truth as a run asks it.
struct Judge {
    truth: IotTruth,
    known: RenewedVerdicts,
}

impl Checker for Judge {
    fn observe(&mut self, record: &Observed<'_>) {
        self.known.observed();
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        self.truth.observe(&Seen { topic: record.topic, partition: record.partition, key, value, timestamp_ms: record.timestamp_ms });
    }

    fn verdicts(&self, facts: &Facts) -> Vec<Check> {
        self.known.get(facts, || self.truth.verdicts(facts.is_over))
    }

    fn scores(&self, _: &Facts) -> BTreeMap<String, f64> {
        self.truth.scores()
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        self.truth.counts()
    }
}
