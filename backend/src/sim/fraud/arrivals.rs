//! When payments reach the bank: each a moment after it was made, and those behind a line that is down all at once when it is up again.
//!
//! Terminals share lines to the bank. Time is cut into stretches as long as a payment may be late at most; who is offline in which stretch
//! follows from the seed, so that equal seeds give equal arrivals.

use std::collections::BTreeMap;

use crate::sim::{Random, hash64};

/// How late a payment is on average, as a share of the most it can be.
const JITTER_MEAN: f64 = 0.0875;
/// Lines to the bank; a merchant's terminals are spread over them.
const LINES: u64 = 20;
/// One line in so many is down in a stretch of time.
const OFFLINE_ONE_IN: u64 = 20;
/// Payments on their way; of more, those that follow arrive at once.
const WAITING_MAX: usize = 200_000;

/// Payments on their way.
#[derive(Debug)]
pub struct Arrivals<T> {
    seed: u64,
    disorder_ms: i64,
    random: Random,
    /// By when they arrive, and a running number.
    waiting: BTreeMap<(i64, u64), T>,
    taken: u64,
}

impl<T> Arrivals<T> {
    /// With payments that come up to so late; 0 for none, in the order of time.
    pub fn new(seed: u64, disorder_ms: i64) -> Self {
        let random = Random::new(hash64(seed, 4));
        Self { seed, disorder_ms: disorder_ms.max(0), random, waiting: BTreeMap::new(), taken: 0 }
    }

    /// A payment is made at a terminal. They are made in the order of time.
    pub fn send(&mut self, terminal: u64, ts_ms: i64, payment: T) {
        let late_ms = if self.waiting.len() < WAITING_MAX { self.late_ms(terminal, ts_ms) } else { 0 };
        self.waiting.insert((ts_ms + late_ms, self.taken), payment);
        self.taken += 1;
    }

    /// The next one that has arrived by now.
    pub fn arrived(&mut self, now_ms: i64) -> Option<T> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now_ms).then(|| first.remove())
    }

    fn late_ms(&mut self, terminal: u64, ts_ms: i64) -> i64 {
        if self.disorder_ms == 0 {
            return 0;
        }
        let (stretch, into_ms) = (ts_ms.div_euclid(self.disorder_ms), ts_ms.rem_euclid(self.disorder_ms));
        let jitter_ms = self.random.exponential(self.disorder_ms as f64 * JITTER_MEAN) as i64;
        let line = hash64(self.seed ^ 0x11e, terminal) % LINES;
        let is_offline = hash64(hash64(self.seed ^ 0x0ff, line), stretch.cast_unsigned()).is_multiple_of(OFFLINE_ONE_IN);
        if is_offline { self.disorder_ms - into_ms } else { jitter_ms.min(self.disorder_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: u64 = 7;
    const START_MS: i64 = 1_600_000_000_000;

    /// Which payments arrive, by their number, with when they were made and when they came: one each second at one of 200 terminals.
    fn arrivals(disorder_ms: i64) -> Vec<(u64, i64, i64)> {
        let (mut arrivals, mut all) = (Arrivals::new(SEED, disorder_ms), Vec::new());
        for number in 0..5_000 {
            let now_ms = START_MS + number * 1_000;
            arrivals.send(number.cast_unsigned() % 200, now_ms, (number.cast_unsigned(), now_ms));
            while let Some((number, ts_ms)) = arrivals.arrived(now_ms) {
                all.push((number, ts_ms, now_ms));
            }
        }
        while let Some((number, ts_ms)) = arrivals.arrived(i64::MAX) {
            all.push((number, ts_ms, ts_ms + disorder_ms));
        }
        all
    }

    #[test]
    fn every_payment_arrives_once_and_no_later_than_said() {
        println!("seed {SEED}");
        for disorder_ms in [0, 5_000, 60_000, 3_600_000] {
            let all = arrivals(disorder_ms);
            assert!(all.iter().all(|(_, ts_ms, at_ms)| (0..=disorder_ms).contains(&(at_ms - ts_ms))), "{disorder_ms}");
            let in_order = all.windows(2).filter(|pair| pair[0].1 <= pair[1].1).count();
            assert_eq!(in_order == all.len() - 1, disorder_ms == 0, "{disorder_ms}");
            let mut numbers: Vec<_> = all.iter().map(|(number, ..)| *number).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..5_000), "{disorder_ms}");
            assert_eq!(all, arrivals(disorder_ms), "equal seeds give equal arrivals");
        }
    }

    #[test]
    fn a_line_that_is_up_again_brings_all_at_once() {
        let all = arrivals(300_000);
        let largest = all.chunk_by(|a, b| a.2 == b.2).map(<[_]>::len).max();
        // A line has a twentieth of 300 payments a stretch, and the stretch ends for all at once.
        assert!(largest.is_some_and(|largest| largest >= 8), "{largest:?}");
    }
}
