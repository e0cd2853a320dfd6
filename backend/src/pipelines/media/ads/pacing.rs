//! Plans: how much of a budget may be handed out by when, so that it lasts for the flight.

use crate::{pipelines::media::settings::PACE_MS, sim::media::Campaign};

/// Number of the step that a time is in.
pub(super) fn step_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(PACE_MS)
}

/// All that may be handed out by the end of the step that a time is in: the budget's share of the flight, and the whole budget of what is in
/// a hurry.
pub(in crate::pipelines::media) fn planned_micros(budget_micros: i64, (from_ms, flight_ms): (i64, i64), now_ms: i64) -> i64 {
    if flight_ms <= 0 {
        return budget_micros;
    }
    let until_ms = ((step_of(now_ms) + 1) * PACE_MS).saturating_sub(from_ms).clamp(0, flight_ms);
    (i128::from(budget_micros) * i128::from(until_ms) / i128::from(flight_ms)) as i64
}

impl Campaign {
    /// All that may be spent by then.
    pub fn planned_micros(&self, now_ms: i64) -> i64 {
        planned_micros(self.budget_micros, (self.from_ms, self.flight_ms), now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_goes_up_by_steps_from_the_first_one_to_the_budget() {
        for (now_ms, flight_ms, expect) in [
            (99_999, 60_000, 0),
            (100_000, 60_000, 100),
            (109_999, 60_000, 100),
            (110_000, 60_000, 200),
            (149_000, 60_000, 500),
            (150_000, 60_000, 600),
            (i64::MAX / 2, 60_000, 600),
            (0, 0, 600),
        ] {
            assert_eq!(planned_micros(600, (100_000, flight_ms), now_ms), expect, "{now_ms} {flight_ms}");
        }
        assert_eq!(planned_micros(i64::MAX, (0, 60_000), 29_999), i64::MAX / 2, "no overflow");
    }
}
