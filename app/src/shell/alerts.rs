//! Critical alerts that somebody has to hear of on whatever screen: one toast for many, and not too often.

use weir_model::{Alert, AlertLog, AlertSeverity, TimestampMs};
use weir_ui_kit::format;

/// Between two toasts.
const PAUSE_MS: i64 = 30_000;

/// What was told of the critical alerts.
#[derive(Default)]
pub(super) struct CriticalAlerts {
    seen: u64,
    /// Those that came in the pause after the last toast.
    untold: usize,
    silent_until: Option<TimestampMs>,
}

impl CriticalAlerts {
    /// The headline of a toast and the rest of it, if there is something to tell now.
    pub(super) fn news(&mut self, log: &AlertLog, now: TimestampMs) -> Option<(String, String)> {
        // With another cluster the log begins anew.
        let new = usize::try_from(log.total.checked_sub(self.seen).unwrap_or(log.total)).unwrap_or(usize::MAX);
        self.seen = log.total;
        let is_new = |alert: &&Alert| alert.severity == AlertSeverity::Critical && !log.is_acknowledged(alert);
        let mut critical = log.alerts.iter().rev().take(new).filter(is_new);
        let newest = critical.next()?;
        self.untold += 1 + critical.count();
        if self.silent_until.is_some_and(|until| now < until) {
            return None;
        }
        self.silent_until = Some(TimestampMs(now.0 + PAUSE_MS));
        let title = match std::mem::take(&mut self.untold) {
            1 => "A critical alert".to_owned(),
            many => format!("{} critical alerts", format::integer(many as u64)),
        };
        Some((title, format!("{}: {} about {}", newest.pipeline, newest.rule.replace('_', " "), newest.subject)))
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{Store, Update};

    use super::*;

    fn alerts(severities: &[AlertSeverity]) -> Update {
        let alert = |(at, severity): (usize, &AlertSeverity)| Alert {
            alert_id: format!("a-{at}").into(),
            pipeline: "fraud".into(),
            rule: "impossible_travel".into(),
            severity: *severity,
            subject: format!("c-{at}").into(),
            value: 2.0,
            threshold: 1.0,
            evidence: Vec::new(),
            at: TimestampMs(0),
        };
        Update::Alerts { alerts: severities.iter().enumerate().map(alert).collect(), passed_over: 0 }
    }

    #[test]
    fn many_are_told_at_once_and_not_too_often() {
        let (mut store, mut told) = (Store::default(), CriticalAlerts::default());
        let mut check = |severities: &[AlertSeverity], at_ms: i64, expect: Option<&str>| {
            store.apply(alerts(severities));
            let news = told.news(&store.alerts, TimestampMs(at_ms));
            assert_eq!(news.as_ref().map(|(title, _)| title.as_str()), expect, "at {at_ms}");
            news
        };
        use AlertSeverity::{Critical, Info, Warning};
        check(&[Info, Warning], 0, None);
        let first = check(&[Critical], 0, Some("A critical alert"));
        assert_eq!(first.map(|(_, detail)| detail).as_deref(), Some("fraud: impossible travel about c-0"));
        check(&[], 1_000, None);
        check(&[Critical, Critical], 2_000, None);
        check(&[Critical, Warning], PAUSE_MS, Some("3 critical alerts"));
    }
}
