//! The IoT pipeline judged: what arrived, what was summed up, what was found and what was done about it.

mod anomalies;
mod control;
mod fleet;
pub mod nab;
mod rollups;

use std::collections::BTreeMap;

use weir_model::Check;

pub use anomalies::Anomalies;
pub use control::Control;
pub use fleet::Fleet;
pub use rollups::Rollups;

use super::Seen;
use crate::{pipelines::iot::settings::TRUTH, sim::iot::TruthRecord};

/// All judges of a run.
#[derive(Debug)]
pub struct IotTruth {
    /// Compacted topics still hold what runs before told; that is older than this.
    since_ms: i64,
    fleet: Fleet,
    rollups: Rollups,
    anomalies: Anomalies,
    control: Control,
    /// How many devices speak MQTT, and how many there are.
    network: Option<(u64, u64)>,
}

impl IotTruth {
    /// Judges of a run that began then.
    pub fn new(since_ms: i64) -> Self {
        let (fleet, rollups, anomalies, control, network) = Default::default();
        Self { since_ms, fleet, rollups, anomalies, control, network }
    }

    /// Takes a record in; topics in any order, each partition in the order of offsets.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        self.fleet.observe(seen, self.since_ms);
        self.rollups.observe(seen, self.since_ms);
        self.anomalies.observe(seen);
        self.control.observe(seen);
        if let (TRUTH, Some(TruthRecord::Network { mqtt_devices, devices, .. })) = (seen.topic, seen.read()) {
            self.network = Some((mqtt_devices, devices));
        }
    }

    /// The verdicts; what can be told only when everything is processed is pending until `is_over`.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let mut checks = self.fleet.verdicts(is_over);
        checks.extend(self.rollups.verdicts(is_over));
        checks.push(self.anomalies.verdict());
        checks.extend(self.control.verdicts(is_over));
        checks
    }

    /// Figures against truth.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = self.anomalies.scores();
        scores.extend(self.control.scores());
        scores
    }

    /// Counters.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.fleet.counts();
        counts.extend(self.anomalies.counts());
        counts.extend(self.control.counts());
        if let Some((mqtt_devices, devices)) = self.network {
            counts.extend([("mqtt_devices".to_owned(), mqtt_devices), ("devices".to_owned(), devices)]);
        }
        counts
    }
}
