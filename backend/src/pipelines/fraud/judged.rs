//! The run's judge, fed from the topics.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use weir_model::{Check, TimestampMs};

use super::{
    ids::RingId,
    latency::EndToEnd,
    records::{Decision, Label, Transaction},
    settings::{CASES, CHARGEBACKS, DEAD_LETTERS, DECISIONS, RINGS, SCORES, TRAINER_DEAD_LETTERS, TRANSACTIONS, TRUTH, VERDICTS},
};
use crate::{
    pipelines::shape::{Checker, Facts, Observed},
    truth::fraud::Judge,
};

/// Reads records for the judge.
#[derive(Debug, Default)]
pub(super) struct Judged {
    judge: Judge,
    end_to_end: EndToEnd,
    dead_letters: u64,
}

impl Checker for Judged {
    fn observe(&mut self, record: &Observed<'_>) {
        let (judge, end_to_end) = (&mut self.judge, &mut self.end_to_end);
        match (record.topic, record.value) {
            (TRANSACTIONS, Some(value)) => read(value, |payment: Transaction| {
                end_to_end.payment(&payment.transaction_id, record);
                judge.payment(&payment);
            }),
            (DECISIONS, Some(value)) => read(value, |decision: Decision| {
                end_to_end.decision(&decision.transaction_id, TimestampMs::now().0);
                judge.decision(&decision);
            }),
            (SCORES, Some(value)) => read(value, |score| judge.score(&score)),
            (CHARGEBACKS | VERDICTS, Some(value)) => read(value, |label: Label| judge.label(&label, record.timestamp_ms)),
            (TRUTH, Some(value)) => read(value, |truth| judge.truth(&truth)),
            (CASES, Some(_)) => judge.case(),
            (RINGS, value) => {
                let ring_id = RingId::from(String::from_utf8_lossy(record.key.unwrap_or_default()));
                match value {
                    Some(value) => read(value, |ring| judge.ring(ring_id, Some(ring))),
                    None => judge.ring(ring_id, None),
                }
            }
            (DEAD_LETTERS | TRAINER_DEAD_LETTERS, _) => self.dead_letters += 1,
            _ => {}
        }
    }

    fn verdicts(&self, facts: &Facts) -> Vec<Check> {
        self.judge.verdicts(facts.is_over)
    }

    fn scores(&self, facts: &Facts) -> BTreeMap<String, f64> {
        if facts.is_over { self.judge.scores().into_iter().chain(self.end_to_end.scores()).collect() } else { BTreeMap::new() }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = self.judge.counts();
        counts.insert("dead_letters".to_owned(), self.dead_letters);
        counts
    }
}

fn read<T: DeserializeOwned>(value: &[u8], then: impl FnOnce(T)) {
    if let Ok(value) = serde_json::from_slice(value) {
        then(value);
    }
}
