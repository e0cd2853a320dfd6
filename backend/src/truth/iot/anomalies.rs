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
/// Findings that are nothing, from which on it is noise.
const NOISE_MIN: usize = 4;

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
    pub fn verdict(&self) -> Check {
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
        // A few defects more or less are chance: red is only what chance does not explain, and that is red at once.
        let can_be = |hits: usize, n: usize, least: f64| n == 0 || wilson(hits as u64, n as u64, Z_95).high >= least;
        let is_noisy = score.found - score.right >= NOISE_MIN && !can_be(score.right, score.found, PRECISION_MIN);
        let is_blind = !can_be(score.hit, score.labels, RECALL_MIN);
        if is_noisy || is_blind {
            return check(id, false, evidence);
        }
        if score.labels < LABELS_MIN {
            return pending(id, format!("{} defects so far; it takes {LABELS_MIN}", score.labels));
        }
        let holds = score.precision() >= PRECISION_MIN && score.recall() >= RECALL_MIN;
        if holds { check(id, true, evidence) } else { pending(id, evidence) }
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

#[cfg(test)]
mod tests {
    use weir_model::CheckVerdict;

    use super::*;
    use crate::pipelines::iot::watch::Sign;

    /// Labels of as many devices, of which the first are found, and findings that are nothing, as of a minute later.
    fn verdict(labels: usize, found: usize, noise: usize) -> CheckVerdict {
        let mut anomalies = Anomalies::default();
        let mut see =
            |topic, value: Vec<u8>| anomalies.observe(&Seen { topic, partition: 0, key: b"k", value: &value, timestamp_ms: 60_000 });
        let device = |at: usize| DeviceId(format!("d{at}"));
        for at in 0..labels {
            let label = TruthRecord::Label { device_id: device(at), anomaly: "drift".to_owned(), from_ms: 1_000, until_ms: 9_000 };
            see(TRUTH, serde_json::to_vec(&label).unwrap());
        }
        for at in (0..found).chain(1_000..1_000 + noise) {
            let (anomaly_id, device_id) = (format!("a{at}"), device(at));
            let (sensor, kind) = ("temperature_c".to_owned(), "drift".to_owned());
            let sign = Sign { value: 20.0, limit: 15.0 };
            let anomaly = Anomaly { anomaly_id, device_id, sensor, kind, score: 0.7, sign, start: 2_000, detected_at: 3_000, end: None };
            see(ANOMALIES, serde_json::to_vec(&anomaly).unwrap());
        }
        anomalies.verdict().verdict
    }

    #[test]
    fn what_chance_does_not_explain_is_red_at_once_and_what_it_may_explain_is_pending() {
        let check = |labels, found, noise, expect| assert_eq!(verdict(labels, found, noise), expect, "{labels} {found} {noise}");
        check(0, 0, 0, CheckVerdict::Pending);
        check(1, 0, 0, CheckVerdict::Pending);
        check(2, 0, 0, CheckVerdict::Fail);
        check(5, 0, 0, CheckVerdict::Fail);
        check(5, 3, 0, CheckVerdict::Pending);
        check(5, 4, 0, CheckVerdict::Pass);
        check(3, 3, 0, CheckVerdict::Pending);
        check(5, 5, 1, CheckVerdict::Pass);
        check(5, 5, 3, CheckVerdict::Pending);
        check(0, 0, 3, CheckVerdict::Pending);
        check(0, 0, 4, CheckVerdict::Fail);
        check(5, 5, 9, CheckVerdict::Fail);
    }
}
