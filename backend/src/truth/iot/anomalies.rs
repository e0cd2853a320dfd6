//! Anomalies against labels: how many of them were found, how soon, and how many were nothing.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::iot::{
        records::Anomaly,
        settings::{ANOMALIES, TRUTH},
    },
    sim::iot::{DeviceId, TruthRecord},
    truth::{Z_95, check, pending, wilson},
};

/// Labels and findings that are kept.
const KEPT_MAX: usize = 100_000;
/// A finding belongs to a label from just before it until it has died down.
const BEFORE_MS: i64 = 1_500;
const AFTER_MS: i64 = 6_000;
/// Labels younger than this may still be found.
const YOUNG_MS: i64 = 10_000;
/// What must be reached, and from how many labels on it means something.
const PRECISION_MIN: f64 = 0.8;
const RECALL_MIN: f64 = 0.75;
const LABELS_MIN: usize = 4;

/// A label.
#[derive(Clone, Debug)]
struct Label {
    device_id: DeviceId,
    anomaly: String,
    from_ms: i64,
    until_ms: i64,
}

/// Compares findings with labels.
#[derive(Debug, Default)]
pub struct Anomalies {
    labels: Vec<Label>,
    found: BTreeMap<String, (DeviceId, i64, i64)>,
    now_ms: i64,
}

/// How it stands.
#[derive(Clone, Debug, Default)]
struct Score {
    /// The first that was missed, and the first finding that was nothing.
    missed: Option<String>,
    noise: Option<String>,
    labels: usize,
    hit: usize,
    found: usize,
    right: usize,
    delay_p50_ms: i64,
    delay_max_ms: i64,
}

impl Anomalies {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            ANOMALIES => {
                let Some(anomaly) = seen.read::<Anomaly>().filter(|_| self.found.len() < KEPT_MAX) else { return };
                self.found.entry(anomaly.anomaly_id).or_insert((anomaly.device_id, anomaly.start, anomaly.detected_at));
            }
            TRUTH => {
                self.now_ms = self.now_ms.max(seen.timestamp_ms);
                if let Some(TruthRecord::Label { device_id, anomaly, from_ms, until_ms }) =
                    seen.read().filter(|_| self.labels.len() < KEPT_MAX)
                {
                    self.labels.push(Label { device_id, anomaly, from_ms, until_ms });
                }
            }
            _ => {}
        }
    }

    /// The verdict.
    pub fn verdict(&self, is_over: bool) -> Check {
        let id = "anomalies_found";
        let score = self.score();
        let mut evidence = format!(
            "{} of {} defects found (delay median {} ms, worst {} ms); {} of {} findings right: precision {:.2}, recall {:.2}",
            score.hit,
            score.labels,
            score.delay_p50_ms,
            score.delay_max_ms,
            score.right,
            score.found,
            score.precision(),
            score.recall(),
        );
        evidence += &score.missed.as_ref().map(|missed| format!("; first missed: {missed}")).unwrap_or_default();
        evidence += &score.noise.as_ref().map(|noise| format!("; first that was nothing: {noise}")).unwrap_or_default();
        // Findings without any defect are wrong whatever else there is.
        let is_noisy = score.found - score.right > 5 && score.precision() < PRECISION_MIN;
        if score.labels < LABELS_MIN && !is_noisy {
            return pending(id, format!("{} defects so far; it takes {LABELS_MIN}", score.labels));
        }
        let holds = score.precision() >= PRECISION_MIN && score.recall() >= RECALL_MIN;
        // A few defects more or less are chance: red is only what chance does not explain.
        let can_be = |hits: usize, n: usize, least: f64| wilson(hits as u64, n as u64, Z_95).high >= least;
        let is_clear = !can_be(score.right, score.found, PRECISION_MIN) || !can_be(score.hit, score.labels, RECALL_MIN);
        if holds || is_noisy || (is_over && is_clear) { check(id, holds, evidence) } else { pending(id, evidence) }
    }

    /// Figures.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let score = self.score();
        if score.labels == 0 {
            return BTreeMap::new();
        }
        let f1 = 2.0 * score.precision() * score.recall() / (score.precision() + score.recall()).max(1e-9);
        [
            ("anomaly_precision", score.precision()),
            ("anomaly_recall", score.recall()),
            ("anomaly_f1", f1),
            ("anomaly_delay_p50_ms", score.delay_p50_ms as f64),
            ("anomaly_delay_max_ms", score.delay_max_ms as f64),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Counters.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        [("defects".to_owned(), self.labels.len() as u64), ("anomalies".to_owned(), self.found.len() as u64)].into()
    }

    fn score(&self) -> Score {
        let belongs = |label: &Label, (device, start_ms, _): &(DeviceId, i64, i64)| {
            label.device_id == *device && (label.from_ms - BEFORE_MS..=label.until_ms + AFTER_MS).contains(start_ms)
        };
        let mut score = Score { found: self.found.len(), ..Score::default() };
        for (id, found) in &self.found {
            if self.labels.iter().any(|label| belongs(label, found)) {
                score.right += 1;
            } else {
                score.noise.get_or_insert_with(|| format!("{id} at {}", found.1));
            }
        }
        let mut delays = Vec::new();
        for label in &self.labels {
            let first = self.found.values().filter(|found| belongs(label, found)).map(|(.., detected_ms)| *detected_ms).min();
            // What has just begun may still be found.
            if first.is_none() && label.from_ms + YOUNG_MS > self.now_ms {
                continue;
            }
            score.labels += 1;
            score.hit += usize::from(first.is_some());
            if first.is_none() {
                score.missed.get_or_insert_with(|| format!("{} of {} from {}", label.anomaly, label.device_id, label.from_ms));
            }
            delays.extend(first.map(|detected_ms| (detected_ms - label.from_ms).max(0)));
        }
        delays.sort_unstable();
        score.delay_p50_ms = delays.get(delays.len() / 2).copied().unwrap_or(0);
        score.delay_max_ms = delays.last().copied().unwrap_or(0);
        score
    }
}

impl Score {
    fn precision(&self) -> f64 {
        if self.found == 0 { 1.0 } else { self.right as f64 / self.found as f64 }
    }

    fn recall(&self) -> f64 {
        if self.labels == 0 { 1.0 } else { self.hit as f64 / self.labels as f64 }
    }
}
