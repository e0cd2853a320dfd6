//! How long one who used too much must wait, as arithmetic: a bucket that fills at the quota's rate and may be overdrawn.
//!
//! Over any span of time a client that waits as told uses no more than the rate allows, plus what the bucket holds and one request.

/// Debt and credit of one client against one quota.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    /// Below zero: a debt.
    credit: f64,
    filled_ms: i64,
}

/// A quota: so much a second, and so many seconds' worth kept for a burst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    pub(super) burst_seconds: f64,
}

impl Rate {
    fn most(self) -> f64 {
        self.per_second * self.burst_seconds
    }
}

impl Bucket {
    /// Full.
    pub(super) fn new(rate: Rate, now_ms: i64) -> Self {
        Self { credit: rate.most(), filled_ms: now_ms }
    }

    /// Takes what was used. Milliseconds until the debt is paid; 0 without one.
    pub(super) fn take(&mut self, rate: Rate, used: f64, now_ms: i64) -> u64 {
        self.fill(rate, now_ms);
        self.credit -= used;
        self.wait_ms(rate)
    }

    /// Takes what is wanted, if there is no debt yet. `Err`: the milliseconds until there is none.
    pub(super) fn try_take(&mut self, rate: Rate, wanted: f64, now_ms: i64) -> Result<(), u64> {
        self.fill(rate, now_ms);
        if self.credit <= 0.0 && wanted > 0.0 {
            return Err(self.wait_ms(rate).max(1));
        }
        self.credit -= wanted;
        Ok(())
    }

    /// Nothing would change if it were forgotten.
    pub(super) fn is_full(&self, rate: Rate, now_ms: i64) -> bool {
        let mut filled = *self;
        filled.fill(rate, now_ms);
        filled.credit >= rate.most()
    }

    pub(super) fn filled_ms(&self) -> i64 {
        self.filled_ms
    }

    fn fill(&mut self, rate: Rate, now_ms: i64) {
        let passed_ms = now_ms.saturating_sub(self.filled_ms);
        if passed_ms > 0 {
            self.credit += passed_ms as f64 / 1_000.0 * rate.per_second;
        }
        // A clock that was set back fills nothing; time counts on from there.
        self.filled_ms = now_ms;
        self.credit = self.credit.min(rate.most());
    }

    fn wait_ms(&self, rate: Rate) -> u64 {
        if self.credit >= 0.0 {
            return 0;
        }
        // Saturates; the debt of a rate of nearly nothing takes nearly for ever.
        (-self.credit / rate.per_second * 1_000.0).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { per_second: 1_000.0, burst_seconds: 1.0 };

    #[test]
    fn a_burst_is_free_and_a_debt_is_waited_for() {
        let mut bucket = Bucket::new(RATE, 0);
        let steps = [
            (0, 400.0, 0),
            (0, 600.0, 0),
            (0, 500.0, 500),
            (0, 100.0, 600),
            (600, 0.0, 0),
            (600, 1.0, 1),
            (60_000, 1_000.0, 0),
            (60_000, 1.0, 1),
        ];
        for (now_ms, used, expected) in steps {
            assert_eq!(bucket.take(RATE, used, now_ms), expected, "{used} at {now_ms}");
        }
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let mut bucket = Bucket::new(RATE, 0);
        assert_eq!(bucket.try_take(RATE, 1_500.0, 0), Ok(()), "there was no debt before");
        assert_eq!(bucket.try_take(RATE, 1.0, 0), Err(500));
        assert_eq!(bucket.try_take(RATE, 1.0, 499), Err(1));
        assert_eq!(bucket.try_take(RATE, 1.0, 501), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_away() {
        let mut bucket = Bucket::new(RATE, 1_000_000);
        assert_eq!(bucket.take(RATE, 2_000.0, 1_000_000), 1_000);
        assert_eq!(bucket.take(RATE, 0.0, 0), 1_000);
        assert_eq!(bucket.take(RATE, 0.0, 500), 500);
    }

    proptest! {
        /// A client that waits as it is told comes out at the quota, whatever its requests are like.
        #[test]
        fn who_waits_as_told_keeps_the_rate(per_second in 1.0..1e7_f64, requests in proptest::collection::vec((0.0..3e6_f64, 0..200_i64), 1..200)) {
            let rate = Rate { per_second, burst_seconds: 1.0 };
            let mut bucket = Bucket::new(rate, 0);
            let (mut now_ms, mut used, mut largest) = (0_i64, 0.0, 0.0_f64);
            for (bytes, pause_ms) in requests {
                let wait_ms = bucket.take(rate, bytes, now_ms);
                used += bytes;
                largest = largest.max(bytes);
                let allowed = per_second * (now_ms as f64 / 1_000.0 + 1.0) + largest;
                prop_assert!(used <= allowed * 1.000_001, "{used} used, {allowed} allowed after {now_ms} ms");
                prop_assert!(wait_ms as f64 <= (used / per_second) * 1_000.0 + 1.0, "nobody waits for more than he used");
                now_ms += wait_ms as i64 + pause_ms;
            }
        }
    }
}
