//! Card holders who are told of each payment on their phone: some see at once that one is not theirs, and call. All others find it on their
//! statement and charge it back a week later.

use std::collections::BTreeMap;

use crate::{
    pipelines::fraud::{
        records::{Label, LabelSource},
        replay::chargeback,
        settings::HOUR_MS,
    },
    sim::{
        fraud::{PaymentEvent, Scenario},
        hash64,
    },
};

/// One victim in so many calls.
const CALLERS_ONE_IN: u64 = 3;
/// How long that takes, in event time.
const CALL_MS: (i64, i64) = (HOUR_MS / 2, 6 * HOUR_MS);
/// Calls that are still to be made; more are not.
const CALLS_MAX: usize = 10_000;

/// Calls that are still to be made, by when, and the payment's number.
#[derive(Debug)]
pub(super) struct Holders {
    seed: u64,
    calls: BTreeMap<(i64, u64), Label>,
}

impl Holders {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, calls: BTreeMap::new() }
    }

    /// A fraud was done to somebody. Mules do not call: their card is what it was opened for.
    pub(super) fn rob(&mut self, event: &PaymentEvent, crime: Scenario) {
        let label = Label { source: LabelSource::Call, ..chargeback(event) };
        let drawn = hash64(self.seed ^ 0xca11, label.transaction_id.hash());
        if crime == Scenario::Ring || !drawn.is_multiple_of(CALLERS_ONE_IN) || self.calls.len() >= CALLS_MAX {
            return;
        }
        let (soonest_ms, latest_ms) = CALL_MS;
        let after_ms = soonest_ms + ((drawn / CALLERS_ONE_IN) % (latest_ms - soonest_ms).unsigned_abs()).cast_signed();
        self.calls.insert((event.ts_ms + after_ms, label.transaction_id.hash()), label);
    }

    /// The next call that was made by now, and when.
    pub(super) fn call(&mut self, now_ms: i64) -> Option<(i64, Label)> {
        let first = self.calls.first_entry()?;
        let at_ms = first.key().0;
        (at_ms <= now_ms).then(|| (at_ms, first.remove()))
    }
}
