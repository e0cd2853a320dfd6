//! Alerts on their way from the topic to the window.

use std::collections::VecDeque;

use serde::Deserialize;
use weir_model::{ALERTS_TOPIC, Alert, AlertSeverity, TimestampMs, Update};

use super::Observed;
use crate::updates::Updates;

/// Alerts that wait to be told; of more, the oldest are only counted.
const WAITING_MAX: usize = 200;

/// Alerts that were read and not told yet.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    waiting: VecDeque<Alert>,
    passed_over: u64,
}

/// The schema that pipelines share.
#[derive(Deserialize)]
struct Written {
    alert_id: String,
    pipeline: String,
    rule: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    subject_key: String,
    #[serde(default)]
    value: f64,
    #[serde(default)]
    threshold: f64,
    #[serde(default)]
    evidence: Vec<String>,
    ts: i64,
}

impl Alerts {
    /// Takes a record; what is no alert of this pipeline is passed over: the others' are told by their own runs.
    pub(super) fn observe(&mut self, record: &Observed<'_>, pipeline: &str) {
        let written = (record.topic == ALERTS_TOPIC).then(|| serde_json::from_slice::<Written>(record.value?).ok()).flatten();
        let Some(written) = written.filter(|written| written.pipeline == pipeline) else { return };
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
            self.passed_over += 1;
        }
        self.waiting.push_back(Alert {
            alert_id: written.alert_id.into(),
            pipeline: written.pipeline.into(),
            rule: written.rule.into(),
            severity: match written.severity.as_str() {
                "critical" => AlertSeverity::Critical,
                "info" => AlertSeverity::Info,
                _ => AlertSeverity::Warning,
            },
            subject: written.subject_key.into(),
            value: written.value,
            threshold: written.threshold,
            evidence: written.evidence.into_iter().map(Into::into).collect(),
            at: TimestampMs(written.ts),
        });
    }

    /// Tells what waits.
    pub(super) fn tell(&mut self, updates: &Updates) {
        if !self.waiting.is_empty() {
            updates
                .publish(Update::Alerts { alerts: self.waiting.drain(..).collect(), passed_over: std::mem::take(&mut self.passed_over) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_this_pipeline_are_told_and_nothing_else() {
        let alert = |pipeline: &str| format!(r#"{{"alert_id":"a","pipeline":"{pipeline}","rule":"r","severity":"critical","ts":5}}"#);
        let check = |topic: &str, value: &str, expect: usize| {
            let mut alerts = Alerts::default();
            let value = Some(value.as_bytes());
            alerts.observe(&Observed { topic, partition: 0, offset: 0, timestamp_ms: 0, key: None, value, headers: Vec::new() }, "fraud");
            assert_eq!(alerts.waiting.len(), expect, "{topic} {value:?}");
        };
        check(ALERTS_TOPIC, &alert("fraud"), 1);
        check(ALERTS_TOPIC, &alert("iot"), 0);
        check("elsewhere", &alert("fraud"), 0);
        check(ALERTS_TOPIC, "nonsense", 0);
    }

    #[test]
    fn of_too_many_the_newest_wait() {
        let mut alerts = Alerts::default();
        for ts in 0..WAITING_MAX + 3 {
            let value = format!(r#"{{"alert_id":"a","pipeline":"p","rule":"r","ts":{ts}}}"#);
            let value = Some(value.as_bytes());
            alerts.observe(
                &Observed { topic: ALERTS_TOPIC, partition: 0, offset: 0, timestamp_ms: 0, key: None, value, headers: Vec::new() },
                "p",
            );
        }
        assert_eq!((alerts.waiting.len(), alerts.passed_over, alerts.waiting[0].at.0), (WAITING_MAX, 3, 3));
    }
}
