//! What pipelines want people to know, as the topic `alerts` carries it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{PipelineId, TimestampMs};

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSeverity {
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Somebody must look now.
    Critical,
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Unique; told again, it is the same.
    pub alert_id: Arc<str>,
    /// Who tells it.
    pub pipeline: PipelineId,
    /// By which rule.
    pub rule: Arc<str>,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// Whom it is about.
    pub subject: Arc<str>,
    /// What was measured, and against what.
    pub value: f64,
    /// The limit.
    pub threshold: f64,
    /// Why, in sentences.
    pub evidence: Vec<Arc<str>>,
    /// Event time.
    pub at: TimestampMs,
}

/// Alerts kept.
pub const ALERTS_MAX: usize = 1_000;

/// The newest alerts, and which of them somebody has seen to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertLog {
    /// Oldest first; at most [`ALERTS_MAX`].
    pub alerts: VecDeque<Alert>,
    /// Alerts there were.
    pub total: u64,
    /// What still waits for somebody.
    pub waiting: WaitingAlerts,
    /// By `alert_id`; only of those that are kept.
    acknowledged: BTreeSet<Arc<str>>,
    /// What the last acknowledgement added.
    undo: Vec<Arc<str>>,
}

/// Alerts that nobody has acknowledged; those that are merely worth knowing wait for nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitingAlerts {
    /// Warnings, and worse.
    pub count: usize,
    /// Those of them that are critical.
    pub critical: usize,
}

impl AlertLog {
    /// Takes in new alerts, and how many more there were.
    pub(crate) fn apply(&mut self, alerts: Vec<Alert>, passed_over: u64) {
        self.total += alerts.len() as u64 + passed_over;
        self.alerts.extend(alerts);
        let surplus = self.alerts.len().saturating_sub(ALERTS_MAX);
        if surplus > 0 {
            self.alerts.drain(..surplus);
            let kept: BTreeSet<&Arc<str>> = self.alerts.iter().map(|alert| &alert.alert_id).collect();
            self.acknowledged.retain(|id| kept.contains(id));
            self.undo.retain(|id| kept.contains(id));
        }
        self.count();
    }

    /// Somebody has seen to these.
    pub fn acknowledge(&mut self, ids: Vec<Arc<str>>) {
        let kept: BTreeSet<&Arc<str>> = self.alerts.iter().map(|alert| &alert.alert_id).collect();
        let new: Vec<Arc<str>> = ids.into_iter().filter(|id| kept.contains(id) && !self.acknowledged.contains(id)).collect();
        if !new.is_empty() {
            self.acknowledged.extend(new.iter().cloned());
            self.undo = new;
            self.count();
        }
    }

    /// Takes the last acknowledgement back.
    pub fn undo_acknowledge(&mut self) {
        for id in std::mem::take(&mut self.undo) {
            self.acknowledged.remove(&id);
        }
        self.count();
    }

    /// How many the last acknowledgement was of; 0 where there is none to take back.
    pub fn undo_len(&self) -> usize {
        self.undo.len()
    }

    /// Whether somebody has seen to it.
    pub fn is_acknowledged(&self, alert: &Alert) -> bool {
        self.acknowledged.contains(&alert.alert_id)
    }

    fn count(&mut self) {
        let waiting = || self.alerts.iter().filter(|alert| alert.severity >= AlertSeverity::Warning && !self.is_acknowledged(alert));
        let critical = waiting().filter(|alert| alert.severity == AlertSeverity::Critical).count();
        self.waiting = WaitingAlerts { count: waiting().count(), critical };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: usize, severity: AlertSeverity) -> Alert {
        Alert {
            alert_id: id.to_string().into(),
            pipeline: "fraud".into(),
            rule: "rule".into(),
            severity,
            subject: "somebody".into(),
            value: 2.0,
            threshold: 1.0,
            evidence: Vec::new(),
            at: TimestampMs(0),
        }
    }

    fn waiting(log: &AlertLog) -> (usize, usize) {
        (log.waiting.count, log.waiting.critical)
    }

    #[test]
    fn alerts_wait_until_they_are_acknowledged_and_again_when_that_is_taken_back() {
        let mut log = AlertLog::default();
        log.apply(vec![alert(1, AlertSeverity::Info), alert(2, AlertSeverity::Warning), alert(3, AlertSeverity::Critical)], 5);
        assert_eq!((waiting(&log), log.total), ((2, 1), 8));
        log.acknowledge(vec!["3".into(), "unknown".into()]);
        assert_eq!((waiting(&log), log.undo_len()), ((1, 0), 1));
        log.acknowledge(vec!["1".into(), "2".into(), "3".into()]);
        assert_eq!((waiting(&log), log.undo_len()), ((0, 0), 2));
        log.undo_acknowledge();
        assert_eq!((waiting(&log), log.undo_len()), ((1, 0), 0));
        log.undo_acknowledge();
        assert_eq!(waiting(&log), (1, 0));
    }

    #[test]
    fn what_makes_room_is_forgotten() {
        let mut log = AlertLog::default();
        log.apply(vec![alert(0, AlertSeverity::Critical)], 0);
        log.acknowledge(vec!["0".into()]);
        log.apply((1..=ALERTS_MAX).map(|id| alert(id, AlertSeverity::Info)).collect(), 0);
        assert_eq!((log.alerts.len(), log.total, log.undo_len()), (ALERTS_MAX, ALERTS_MAX as u64 + 1, 0));
        assert!(log.acknowledged.is_empty());
    }
}
