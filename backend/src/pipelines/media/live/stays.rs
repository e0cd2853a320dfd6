//! When a viewer was in a room.

use serde::{Deserialize, Serialize};

/// Spans of event time, each from its first moment to before its last, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pipelines::media) struct Stays(Vec<(i64, i64)>);

/// Spans of one viewer that are remembered: somebody may come and go while a window is open, but not all the time.
const STAYS_MAX: usize = 8;

impl Stays {
    /// The viewer is there, and counts as there for so long.
    pub(super) fn see(&mut self, ts: i64, for_ms: i64) {
        match self.0.last_mut() {
            Some((_, until_ms)) if ts <= *until_ms => *until_ms = (*until_ms).max(ts + for_ms),
            _ => self.0.push((ts, ts + for_ms)),
        }
        if self.0.len() > STAYS_MAX {
            self.0.remove(0);
        }
    }

    /// The viewer leaves.
    pub(super) fn leave(&mut self, ts: i64) {
        if let Some((_, until_ms)) = self.0.last_mut() {
            *until_ms = (*until_ms).min(ts);
        }
    }

    /// Forgets spans that ended before.
    pub(super) fn forget_before(&mut self, ms: i64) {
        self.0.retain(|(_, until_ms)| *until_ms >= ms);
    }

    /// Whether the viewer was there then.
    pub(super) fn contain(&self, at_ms: i64) -> bool {
        self.0.iter().any(|(from_ms, until_ms)| (*from_ms..*until_ms).contains(&at_ms))
    }

    /// The end of the last span.
    pub(super) fn until_ms(&self) -> Option<i64> {
        self.0.last().map(|(_, until_ms)| *until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_there_from_the_first_sign_until_the_last_or_until_leaving() {
        let mut stays = Stays::default();
        stays.leave(5);
        assert_eq!(stays, Stays::default());
        stays.see(1_000, 60_000);
        stays.see(21_000, 60_000);
        assert_eq!([999, 1_000, 80_999, 81_000].map(|at_ms| stays.contain(at_ms)), [false, true, true, false]);
        stays.leave(30_000);
        stays.see(31_000, 60_000);
        assert_eq!([29_999, 30_000, 31_000].map(|at_ms| stays.contain(at_ms)), [true, false, true]);
        assert_eq!(stays.until_ms(), Some(91_000));
        stays.forget_before(30_001);
        assert!(!stays.contain(29_999) && stays.contain(31_000));
    }
}
