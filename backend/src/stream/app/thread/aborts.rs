//! Work that is aborted again and again is done again less and less often, and in the end not at all.

use std::time::{Duration, Instant};

/// The pause before the second try doubles from the first to the last of these.
const PAUSE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Aborts in a row after which a life ends.
const ABORTS_MAX: u32 = 8;

/// Aborts since the last commit.
#[derive(Debug, Default)]
pub(super) struct Aborts {
    count: u32,
    again_at: Option<Instant>,
}

impl Aborts {
    /// One more; `false` when there were too many. The first is done again at once: most are a rebalance's.
    pub(super) fn add(&mut self, now: Instant) -> bool {
        self.count += 1;
        let pause = self.count.checked_sub(2).map(|doubled| PAUSE[0].saturating_mul(1 << doubled.min(ABORTS_MAX)).min(PAUSE[1]));
        self.again_at = pause.map(|pause| now + pause);
        self.count < ABORTS_MAX
    }

    /// Something was committed.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing is to be done now.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        self.again_at.is_some_and(|again_at| now < again_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_it_is_over() {
        let (mut aborts, now) = (Aborts::default(), Instant::now());
        let mut pauses = Vec::new();
        while aborts.add(now) {
            pauses.push(aborts.again_at.map_or(0, |at| (at - now).as_millis()));
            assert_eq!(aborts.is_pausing(now), aborts.count > 1);
        }
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_200]);
        aborts.reset();
        assert!(!aborts.is_pausing(now) && aborts.add(now));
    }
}
