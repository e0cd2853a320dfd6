//! What stands in the result topics. Field names are a public format. Inputs are those of [`crate::sim::iot`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::watch::Sign;
use crate::{
    pipelines::shape::text_key,
    sim::iot::{DeviceId, SensorType},
};

text_key!(DeviceId);

/// How a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is heard of.
    #[default]
    Online,
    /// It has missed two readings.
    Stale,
    /// Its last will was read, or it has missed ten.
    Offline,
}

/// A record of `device_state`: a device's twin.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct DeviceState {
    /// Which device.
    pub device_id: DeviceId,
    /// When its counter began.
    pub boot: i64,
    /// What it is.
    pub sensor_type: SensorType,
    /// Where it belongs.
    pub region: String,
    /// The same.
    pub site: String,
    /// The same.
    pub zone: String,
    /// How it is doing.
    pub status: Status,
    /// When it was last heard of, by the cluster's clock.
    pub last_seen: i64,
    /// Its newest reading.
    pub last_seq: u64,
    /// When that was measured.
    pub last_ts: i64,
    /// Readings that should be there and are not.
    pub missing: u64,
    /// The first of them.
    #[serde(default)]
    pub first_missing: Option<u64>,
    /// Readings that came after newer ones.
    pub filled: u64,
    /// Readings that came again.
    pub duplicates: u64,
    /// By how much its clock is off.
    pub clock_offset_ms: i64,
    /// The time between two of its readings.
    pub interval_ms: f64,
    /// From 0 to 100.
    pub health: f64,
    /// What it measured last, by name.
    pub values: BTreeMap<String, f64>,
    /// Its valve is open, or it runs.
    pub is_on: Option<bool>,
    /// The firmware.
    pub fw: String,
    /// What is not as it should be.
    pub anomalies: Vec<String>,
    /// By which marks it is controlled, by name.
    #[serde(default)]
    pub cfg: BTreeMap<String, f64>,
    /// As of when this is.
    pub ts: i64,
}

/// Count, sum and bounds of one figure. Thousandths, so that equal readings in any order give equal sums.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum_milli: i64,
    /// The sum of their squares.
    pub squares: f64,
    /// The least.
    pub min_milli: i64,
    /// The greatest.
    pub max_milli: i64,
}

impl Stats {
    /// One more.
    pub fn add(&mut self, value: f64) {
        let milli = (value * 1_000.0).round() as i64;
        self.merge(&Self { count: 1, sum_milli: milli, squares: value * value, min_milli: milli, max_milli: milli });
    }

    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min_milli = if self.count == 0 { other.min_milli } else { self.min_milli.min(other.min_milli) };
        self.max_milli = if self.count == 0 { other.max_milli } else { self.max_milli.max(other.max_milli) };
        self.count += other.count;
        self.sum_milli = self.sum_milli.saturating_add(other.sum_milli);
        self.squares += other.squares;
    }

    /// For people and other programs.
    pub fn summary(&self) -> Summary {
        let count = self.count.max(1) as f64;
        let avg = self.sum_milli as f64 / 1_000.0 / count;
        Summary {
            count: self.count,
            sum: self.sum_milli as f64 / 1_000.0,
            min: self.min_milli as f64 / 1_000.0,
            max: self.max_milli as f64 / 1_000.0,
            avg,
            var: (self.squares / count - avg * avg).max(0.0),
        }
    }
}

/// What Theodolite's downsampling gives (UC2).
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub avg: f64,
    /// The variance of all of them.
    pub var: f64,
}

/// Figures by name.
pub type StatsByName = BTreeMap<String, Stats>;

/// What one task counted of a node's window: told whole each time, so that telling twice changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    /// The window.
    pub window_start: i64,
    /// Which task: its partition.
    pub source: i32,
    /// Readings in it.
    pub readings: u64,
    /// Their figures.
    pub stats: StatsByName,
}

/// How the devices of one task stand: told whole each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which task: its partition.
    pub source: i32,
    /// Devices that were heard of.
    pub devices: u64,
    /// Those of them that are offline.
    pub offline: u64,
    /// Readings that should be there and are not.
    pub missing: u64,
}

/// A record of `site_rollups`: a node's window as it is known now; and of `device_rollups`, where each device is a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollup {
    /// `fleet`, or the path from the region down; or the device.
    pub node_id: String,
    /// Event time, included.
    pub window_start: i64,
    /// Event time, excluded.
    pub window_end: i64,
    /// Readings in it.
    pub readings: u64,
    /// How often something came late for it.
    pub revision: u32,
    /// Readings in it that were not there when it was first told.
    #[serde(default)]
    pub late: u64,
    /// The figures.
    pub metrics: BTreeMap<String, Summary>,
}

/// A record of `anomalies`: told when it is found, and again when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Unique.
    pub anomaly_id: String,
    /// Where.
    pub device_id: DeviceId,
    /// Of which figure; `machine` for all of them together.
    pub sensor: String,
    /// `spike`, `stuck`, `drift` or `vibration`.
    pub kind: String,
    /// How far from normal, 0 to 1.
    pub score: f64,
    /// What gave it away, and from where on it is wrong: deviations, readings that are the same, or times its limit.
    #[serde(default)]
    pub sign: Sign,
    /// Since when, event time.
    pub start: i64,
    /// When it was found, by the cluster's clock.
    pub detected_at: i64,
    /// Until when, once it is over.
    #[serde(default)]
    pub end: Option<i64>,
}
