//! How long requests take: counts in fixed buckets that grow by about a fifth, so that no reading costs memory and none is out of range.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets per doubling.
const STEPS: u32 = 4;
/// 2^32 microseconds are over an hour: more than any request may take.
const DOUBLINGS: u32 = 32;
const BUCKETS: usize = (STEPS * DOUBLINGS) as usize;

/// Counts while they grow.
#[derive(Debug)]
pub(super) struct HistogramCell {
    buckets: [AtomicU64; BUCKETS],
    max_us: AtomicU64,
    sum_us: AtomicU64,
}

impl Default for HistogramCell {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], max_us: AtomicU64::new(0), sum_us: AtomicU64::new(0) }
    }
}

impl HistogramCell {
    pub(super) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
        // A new maximum is rare; reading is cheaper than writing.
        if us > self.max_us.load(Relaxed) {
            self.max_us.fetch_max(us, Relaxed);
        }
    }

    pub(super) fn view(&self) -> Histogram {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        Histogram { counts, max_us: self.max_us.load(Relaxed), sum_us: self.sum_us.load(Relaxed) }
    }
}

/// How often which duration was measured. Durations are in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By bucket; [`Histogram::buckets`] names their bounds.
    counts: Vec<u64>,
    max_us: u64,
    sum_us: u64,
}

impl Histogram {
    /// Durations measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest of all, exactly.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The arithmetic mean; 0 when nothing was measured.
    pub fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.count()).unwrap_or(0)
    }

    /// The duration that the share `quantile` (0 to 1) did not exceed: the upper bound of its bucket, so up to a fifth too long, never too
    /// short. `None` when nothing was measured.
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((count as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.buckets().find(|(_, _, count)| {
            seen += count;
            seen >= rank
        });
        found.filter(|_| count > 0).map(|(_, to_us, _)| to_us.min(self.max_us))
    }

    /// The buckets with something in them: from (inclusive), to (inclusive), count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let bounded = |(index, count): (usize, &u64)| (first_of(index), first_of(index + 1).saturating_sub(1), *count);
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bounded)
    }

    /// What was measured since `earlier`, an older reading of the same histogram. The maximum stays the one of all.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect();
        Self { counts, max_us: self.max_us, sum_us: self.sum_us.saturating_sub(earlier.sum_us) }
    }
}

/// 0 to 3 have a bucket each; from 4 on every doubling has four of equal width.
fn bucket_of(us: u64) -> usize {
    let Some(doubling) = us.checked_ilog2().filter(|doubling| *doubling >= 2) else { return us as usize };
    let step = (us >> (doubling - 2)) & 3;
    let bucket = (doubling - 1) as usize * STEPS as usize + step as usize;
    bucket.min(BUCKETS - 1)
}

/// The least duration that falls into a bucket.
fn first_of(bucket: usize) -> u64 {
    let (doubling, step) = (bucket as u64 / u64::from(STEPS), bucket as u64 % u64::from(STEPS));
    if doubling == 0 { step } else { (4 + step) << (doubling - 1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_touch_each_other() {
        for bucket in 0..BUCKETS - 1 {
            assert_eq!(bucket_of(first_of(bucket)), bucket);
            assert_eq!(bucket_of(first_of(bucket + 1) - 1), bucket, "the last of {bucket}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_a_quarter_too_long(mut durations in prop::collection::vec(0_u64..100_000_000, 1..200), quantile in 0.0..=1.0_f64) {
            let cell = HistogramCell::default();
            for us in &durations {
                cell.record(Duration::from_micros(*us));
            }
            durations.sort_unstable();
            let rank = ((durations.len() as f64 * quantile).ceil() as usize).max(1);
            let exact = durations[rank - 1];
            let told = cell.view().quantile_us(quantile).unwrap();
            prop_assert!(exact <= told && told <= exact + exact / 4, "{told} for {exact}");
            prop_assert_eq!(cell.view().max_us(), *durations.last().unwrap());
        }
    }

    #[test]
    fn the_difference_of_two_readings_is_what_came_between() {
        let cell = HistogramCell::default();
        assert_eq!(cell.view().quantile_us(0.5), None);
        cell.record(Duration::from_millis(1));
        let earlier = cell.view();
        cell.record(Duration::from_secs(1));
        let since = cell.view().since(&earlier);
        assert_eq!((since.count(), since.mean_us()), (1, 1_000_000));
        assert_eq!(cell.view().since(&Histogram::default()), cell.view());
    }
}
