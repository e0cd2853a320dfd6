//! How the whole fleet stands: when too much of it is offline at once, and when all that it kept has come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    records::Standing,
    settings::{FLEET_OFFLINE_PCT, FLEET_WELL_PCT, ID},
};
use crate::pipelines::alert::Alert;

/// The rule of the alert that tells of an outage, and of the one that tells that nothing is missing after it.
pub(super) const OUTAGE: &str = "fleet_offline";
pub(super) const COMPLETE: &str = "fleet_complete";
/// Of fewer devices a share says nothing.
const DEVICES_MIN: u64 = 8;

/// What the tasks told last, and since when too much is offline.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Outage {
    by_task: BTreeMap<i32, Standing>,
    since_ms: Option<i64>,
}

impl Outage {
    /// Takes in how a task's devices stand; an alert where that makes a difference.
    pub(super) fn take(&mut self, standing: &Standing, now_ms: i64) -> Option<Alert> {
        self.by_task.insert(standing.source, *standing);
        let sum = |of: fn(&Standing) -> u64| self.by_task.values().map(of).sum::<u64>();
        let (devices, offline, missing) = (sum(|of| of.devices), sum(|of| of.offline), sum(|of| of.missing));
        let pct = offline as f64 * 100.0 / devices.max(1) as f64;
        let alert = |rule: &str, severity: &str, since_ms, value, threshold, evidence| Alert {
            alert_id: format!("{ID}-{rule}-{now_ms}"),
            pipeline: ID.to_owned(),
            rule: rule.to_owned(),
            severity: severity.to_owned(),
            subject_key: "fleet".to_owned(),
            window_start: since_ms,
            window_end: now_ms,
            value,
            threshold,
            evidence: vec![evidence],
            ts: now_ms,
        };
        match self.since_ms {
            None if devices >= DEVICES_MIN && pct >= FLEET_OFFLINE_PCT => {
                self.since_ms = Some(now_ms);
                Some(alert(OUTAGE, "critical", now_ms, pct, FLEET_OFFLINE_PCT, format!("{offline} of {devices} devices are offline")))
            }
            Some(since_ms) if pct < FLEET_WELL_PCT && missing == 0 => {
                self.since_ms = None;
                let evidence = format!("{} of {devices} devices are back, and no reading is missing", devices - offline);
                Some(alert(COMPLETE, "info", since_ms, 0.0, 0.0, evidence))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_over_when_nothing_is_missing() {
        let mut outage = Outage::default();
        let mut rule = |source, devices, offline, missing, now_ms| {
            outage.take(&Standing { source, devices, offline, missing }, now_ms).map(|alert| (alert.rule, alert.window_start, alert.value))
        };
        assert_eq!(rule(0, 4, 4, 0, 500), None, "four devices are no fleet");
        assert_eq!(rule(0, 20, 2, 0, 1_000), None);
        assert_eq!(rule(1, 20, 7, 0, 1_000), None, "9 of 40");
        assert_eq!(rule(0, 20, 3, 0, 2_000), Some((OUTAGE.to_owned(), 2_000, 25.0)));
        assert_eq!(rule(0, 20, 9, 0, 3_000), None, "it was told");
        assert_eq!(rule(0, 20, 0, 40, 9_000), None);
        assert_eq!(rule(1, 20, 1, 0, 9_000), None, "readings are missing");
        assert_eq!(rule(0, 20, 0, 0, 9_500), Some((COMPLETE.to_owned(), 2_000, 0.0)));
        assert_eq!(rule(0, 20, 0, 3, 9_900), None);
    }
}
