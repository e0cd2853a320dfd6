//! What to think of a partition's lag: pure rules over a short history, each with the figures it saw.

use std::collections::VecDeque;

use weir_model::{LagVerdict, Verdict};

/// Samples kept for each partition of a group: half a minute at one a second.
pub const HISTORY_SAMPLES_MAX: usize = 30;
/// A verdict about movement needs at least this much time between the oldest and the newest sample.
const HISTORY_MIN_MS: i64 = 5_000;
/// A committed offset that stands for so long, with records waiting, has stalled. Most clients commit every five seconds.
const STALLED_MS: i64 = 12_000;
/// Growth below this share of what arrives is noise of the sampling.
const FALLING_BEHIND_SHARE: f64 = 0.02;

/// Offsets at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When, in epoch milliseconds.
    pub at_ms: i64,
    /// The committed offset.
    pub committed: Option<i64>,
    /// The high watermark.
    pub end: i64,
    /// The log start offset.
    pub log_start: i64,
}

/// The recent past of one partition of one group.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Sample>);

/// How fast a partition is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Movement {
    /// Records per second that arrive.
    pub produced_per_s: Option<f64>,
    /// Records per second that are committed.
    pub consumed_per_s: Option<f64>,
}

impl History {
    /// Adds the newest sample.
    pub fn push(&mut self, sample: Sample) {
        if self.0.len() == HISTORY_SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    /// Rates over the history; `None` while it is too short.
    pub fn movement(&self) -> Movement {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Movement::default() };
        let seconds = (last.at_ms - first.at_ms) as f64 / 1e3;
        if seconds < HISTORY_MIN_MS as f64 / 1e3 {
            return Movement::default();
        }
        let per_s = |from: i64, to: i64| (to - from).max(0) as f64 / seconds;
        Movement {
            produced_per_s: Some(per_s(first.end, last.end)),
            consumed_per_s: first.committed.zip(last.committed).map(|(from, to)| per_s(from, to)),
        }
    }

    /// Judges the newest sample in the light of those before it. `has_member` tells whether someone reads the partition.
    pub fn verdict(&self, has_member: bool) -> LagVerdict {
        let Some(last) = self.0.back() else { return verdict(Verdict::Unknown, "no offsets were read yet".to_owned()) };
        let Some(committed) = last.committed else {
            return verdict(
                Verdict::NoCommit,
                format!("the group never committed; the log holds offsets {} to {}", last.log_start, last.end),
            );
        };
        if committed < last.log_start {
            let lost = last.log_start - committed;
            return verdict(
                Verdict::DataLost,
                format!("committed {committed} < log start {}: {lost} records were deleted unread", last.log_start),
            );
        }
        let lag = last.end - committed;
        if lag <= 0 {
            // Ends are read before commits, so a commit may be ahead of the end.
            return verdict(Verdict::CaughtUp, format!("committed {committed}, nothing after it"));
        }
        self.verdict_behind(lag, has_member)
    }

    fn verdict_behind(&self, lag: i64, has_member: bool) -> LagVerdict {
        let Movement { produced_per_s: Some(produced), consumed_per_s: Some(consumed) } = self.movement() else {
            return verdict(Verdict::Unknown, format!("{lag} behind; {} s of history are needed to judge", HISTORY_MIN_MS / 1_000));
        };
        if self.stood_still_ms() >= STALLED_MS {
            let who = if has_member { "its member commits nothing" } else { "no member reads it" };
            return verdict(Verdict::Stalled, format!("{lag} behind, no commit for {} s or more, and {who}", STALLED_MS / 1_000));
        }
        if consumed == 0.0 {
            return verdict(
                Verdict::Unknown,
                format!("{lag} behind; no commit yet, {} s without one count as stalled", STALLED_MS / 1_000),
            );
        }
        let evidence = format!("{lag} behind; {produced:.1}/s arrive, {consumed:.1}/s are committed");
        if produced - consumed > produced * FALLING_BEHIND_SHARE && self.is_growing() {
            verdict(Verdict::FallingBehind, evidence)
        } else {
            verdict(Verdict::Keeping, evidence)
        }
    }

    /// For how long records have waited without the committed offset moving.
    fn stood_still_ms(&self) -> i64 {
        let Some(last) = self.0.back() else { return 0 };
        let waits =
            |sample: &&Sample| sample.committed == last.committed && sample.committed.is_some_and(|committed| sample.end > committed);
        self.0.iter().rev().take_while(waits).last().map_or(0, |first| last.at_ms - first.at_ms)
    }

    /// Whether the second half of the history has more lag than the first: one slow commit is not a trend.
    fn is_growing(&self) -> bool {
        let lags: Vec<i64> = self.0.iter().filter_map(|sample| Some(sample.end - sample.committed?)).collect();
        let (old, new) = lags.split_at(lags.len() / 2);
        let mean = |lags: &[i64]| lags.iter().sum::<i64>() as f64 / lags.len().max(1) as f64;
        mean(new) > mean(old)
    }
}

fn verdict(verdict: Verdict, evidence: String) -> LagVerdict {
    LagVerdict { verdict, evidence: evidence.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history of one sample a second, from committed offsets and ends.
    fn history(samples: &[(Option<i64>, i64)]) -> History {
        let mut history = History::default();
        for (at, (committed, end)) in samples.iter().enumerate() {
            history.push(Sample { at_ms: at as i64 * 1_000, committed: *committed, end: *end, log_start: 10 });
        }
        history
    }

    #[test]
    fn rules_fire_for_what_they_say() {
        let check = |samples: &[(Option<i64>, i64)], expect: Verdict| {
            let verdict = history(samples).verdict(true);
            assert_eq!(verdict.verdict, expect, "{}: {samples:?}", verdict.evidence);
        };
        let over = |f: fn(i64) -> (Option<i64>, i64)| (0..20).map(f).collect::<Vec<_>>();
        check(&[], Verdict::Unknown);
        check(&[(None, 100)], Verdict::NoCommit);
        check(&[(Some(5), 100)], Verdict::DataLost);
        check(&[(Some(100), 100)], Verdict::CaughtUp);
        check(&[(Some(50), 100)], Verdict::Unknown);
        check(&over(|_| (Some(50), 100)), Verdict::Stalled);
        check(&over(|at| (Some(50), 100 + at)), Verdict::Stalled);
        // Stood for long, but had nothing to read until a moment ago.
        check(&over(|at| (Some(50), if at < 12 { 50 } else { 60 })), Verdict::Unknown);
        // Moved for long, then stopped.
        check(&over(|at| (Some(50 + at.min(5)), 100 + at)), Verdict::Stalled);
        // Commits every five seconds.
        check(&over(|at| (Some(100 + at / 5 * 50), 110 + at * 10)), Verdict::Keeping);
        check(&over(|at| (Some(100 + at * 5), 200 + at * 10)), Verdict::FallingBehind);
        check(&over(|at| (Some(100 + at * 10), 1_000 + at * 5)), Verdict::Keeping);
        check(&over(|at| (Some(100 + at * 10), 130 + at * 10)), Verdict::Keeping);
    }

    #[test]
    fn movement_needs_time() {
        assert_eq!(history(&[(Some(10), 10), (Some(20), 30)]).movement(), Movement::default());
        let long: Vec<_> = (0..11).map(|at| (Some(10 + at * 3), 10 + at * 7)).collect();
        assert_eq!(history(&long).movement(), Movement { produced_per_s: Some(7.0), consumed_per_s: Some(3.0) });
    }
}
