//! An account's windows recomputed plainly: from the list of all its payments, not from what the pipeline remembers.

use std::collections::HashMap;

/// An hour and a day in milliseconds.
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The longest window; older payments are forgotten.
const REMEMBERED_MS: i64 = 31 * DAY_MS;

/// Figures of an account as of a payment, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Spent {
    /// Payments of the last 24 hours.
    pub count_24h: u32,
    /// Their sum in minor units.
    pub sum_24h_minor: i64,
    /// Payments of the last 7 days, in whole hours.
    pub count_7d: u32,
}

/// All payments by account.
#[derive(Debug, Default)]
pub struct Batch {
    by_account: HashMap<u32, Vec<(i64, i64)>>,
}

impl Batch {
    /// A payment, in the order of its partition.
    pub fn add(&mut self, account: u32, ts: i64, amount_minor: i64) -> Spent {
        let all = self.by_account.entry(account).or_default();
        all.push((ts, amount_minor));
        if all.len().is_multiple_of(64) {
            let newest = all.iter().map(|(ts, _)| *ts).max().unwrap_or(ts);
            all.retain(|(ts, _)| *ts > newest - REMEMBERED_MS);
        }
        let (mut spent, hour) = (Spent::default(), ts.div_euclid(HOUR_MS));
        for (other, minor) in all.iter() {
            if *other > ts - DAY_MS && *other <= ts {
                spent.count_24h += 1;
                spent.sum_24h_minor += minor;
            }
            let other = other.div_euclid(HOUR_MS);
            spent.count_7d += u32::from(other > hour - 7 * 24 && other <= hour);
        }
        spent
    }
}
