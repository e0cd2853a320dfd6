//! From a payment's being sent to its decision being there to be read: as long as a customer would wait.

use std::collections::{BTreeMap, HashMap};

use super::{TransactionId, settings::TRANSACTIONS};
use crate::{pipelines::shape::Observed, stream::app::SENT_AT_MS, truth::latency::DecisionLatency};

/// Payments and decisions that wait for each other; what never meets is forgotten.
const WAITING_MAX: usize = 100_000;

/// How long payments took end to end.
#[derive(Debug, Default)]
pub(super) struct EndToEnd {
    /// When payments were sent, by a hash of their ids.
    sent: HashMap<u64, i64>,
    /// When decisions came whose payment was not seen yet: topics are read side by side.
    decided: HashMap<u64, i64>,
    took: DecisionLatency,
}

impl EndToEnd {
    /// A payment, with the header that says when it was sent; without one, as in a rehearsal, nothing is timed.
    pub(super) fn payment(&mut self, payment: &TransactionId, record: &Observed<'_>) {
        let text = record.header(SENT_AT_MS).and_then(|value| std::str::from_utf8(value).ok());
        let Some(sent_ms) = text.and_then(|text| text.parse().ok()).filter(|_| record.topic == TRANSACTIONS) else { return };
        match self.decided.remove(&payment.hash()) {
            Some(at_ms) => self.took(sent_ms, at_ms),
            None => keep(&mut self.sent, payment.hash(), sent_ms),
        }
    }

    /// A decision that came now.
    pub(super) fn decision(&mut self, payment: &TransactionId, now_ms: i64) {
        match self.sent.remove(&payment.hash()) {
            Some(sent_ms) => self.took(sent_ms, now_ms),
            None => keep(&mut self.decided, payment.hash(), now_ms),
        }
    }

    /// So many of a hundred took at most this many milliseconds.
    pub(super) fn percentile_ms(&self, percent: f64) -> Option<f64> {
        self.took.percentile_ms(percent)
    }

    /// Median and 99th percentile, for the report.
    pub(super) fn scores(&self) -> BTreeMap<String, f64> {
        self.took.scores("decision")
    }

    fn took(&mut self, from_ms: i64, until_ms: i64) {
        self.took.record(until_ms.saturating_sub(from_ms).saturating_mul(1_000));
    }
}

fn keep(waiting: &mut HashMap<u64, i64>, payment: u64, at_ms: i64) {
    if waiting.len() >= WAITING_MAX {
        waiting.clear();
    }
    waiting.insert(payment, at_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_timed_until_its_decision_whichever_is_read_first() {
        let payment = |took: &mut EndToEnd, id: &str, headers| {
            let record = Observed { topic: TRANSACTIONS, partition: 0, offset: 0, timestamp_ms: 7, key: None, value: None, headers };
            took.payment(&id.into(), &record);
        };
        let sent = |at: &'static str| vec![(SENT_AT_MS, Some(at.as_bytes()))];
        let mut took = EndToEnd::default();
        payment(&mut took, "1", sent("1000"));
        took.decision(&"1".into(), 1_020);
        took.decision(&"2".into(), 1_040);
        payment(&mut took, "2", sent("1000"));
        for headers in [vec![], sent("nonsense")] {
            payment(&mut took, "3", headers);
            took.decision(&"3".into(), 9_000);
        }
        let near = |percent, ms: f64| took.percentile_ms(percent).is_some_and(|it| (it - ms).abs() < 0.5);
        assert!(near(50.0, 20.0) && near(99.0, 40.0), "{:?}", took.scores());
    }
}
