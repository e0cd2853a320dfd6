//! The Numenta Anomaly Benchmark's score (A. Lavin, S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms", 2015; version 1.1).
//!
//! A labelled window is found by its earliest alarm, which is worth the more the earlier it comes; a window without one costs. Every alarm
//! outside costs, a little less right behind a window. Nothing counts while a detector learns. 0 is a detector that says nothing, 100 one
//! that tells each window at its first row and nothing else.

use std::ops::RangeInclusive;

/// What things are worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// A window found at its first row.
    pub true_positive: f64,
    /// An alarm far from any window.
    pub false_positive: f64,
    /// A window without an alarm.
    pub false_negative: f64,
}

/// The benchmark's profiles.
pub const PROFILES: [Profile; 3] = [
    Profile { name: "standard", true_positive: 1.0, false_positive: 0.11, false_negative: 1.0 },
    Profile { name: "reward_low_fp", true_positive: 1.0, false_positive: 0.22, false_negative: 1.0 },
    Profile { name: "reward_low_fn", true_positive: 1.0, false_positive: 0.11, false_negative: 2.0 },
];

/// The share of a series that nobody is judged by, and the longest series it is a share of.
const PROBATION_SHARE: f64 = 0.15;
const PROBATION_OF_MAX: usize = 5_000;
/// Beyond so many widths behind a window an alarm is as wrong as it can be.
const FAR: f64 = 3.0;

/// A series with its labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// The score of each row.
    pub scores: Vec<f64>,
    /// Rows that are anomalous, first to last, in order and apart from each other.
    pub windows: Vec<RangeInclusive<usize>>,
}

/// The score of a corpus, 0 to 100 and below, with rows of at least `threshold` as alarms; `None` where nothing is labelled.
pub fn score(corpus: &[Labelled], threshold: f64, profile: &Profile) -> Option<f64> {
    let windows: usize = corpus.iter().map(|series| series.windows.len()).sum();
    let raw: f64 = corpus.iter().map(|series| raw(series, threshold, profile)).sum();
    let (nothing, everything) = (-profile.false_negative * windows as f64, profile.true_positive * windows as f64);
    (windows > 0).then(|| 100.0 * (raw - nothing) / (everything - nothing))
}

/// The best score over all thresholds, and the threshold: what the benchmark's own tables show.
pub fn best(corpus: &[Labelled], profile: &Profile) -> Option<(f64, f64)> {
    let mut thresholds: Vec<f64> = corpus.iter().flat_map(|series| series.scores.iter().copied()).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    // Of very many distinct scores some hundred are tried: between two of them little changes.
    let step = (thresholds.len() / THRESHOLDS_TRIED).max(1);
    let upper = thresholds.iter().rev().take(THRESHOLDS_TRIED);
    let tried = thresholds.iter().step_by(step).chain(upper);
    tried.filter_map(|threshold| Some((score(corpus, *threshold, profile)?, *threshold))).max_by(|one, other| one.0.total_cmp(&other.0))
}

/// See [`best`].
const THRESHOLDS_TRIED: usize = 200;

fn raw(series: &Labelled, threshold: f64, profile: &Profile) -> f64 {
    let probation = (PROBATION_SHARE * series.scores.len().min(PROBATION_OF_MAX) as f64) as usize;
    let mut found: Vec<Option<f64>> = vec![None; series.windows.len()];
    let mut sum = 0.0;
    for (row, _) in series.scores.iter().enumerate().skip(probation).filter(|(_, score)| **score >= threshold) {
        // The window it is in, or the last before it.
        let at = series.windows.partition_point(|window| *window.start() <= row).checked_sub(1);
        let window = at.and_then(|at| Some((at, series.windows.get(at)?)));
        match window {
            Some((at, window)) if window.contains(&row) => {
                let width = (window.end() - window.start() + 1) as f64;
                let worth = sigmoid(-((window.end() - row + 1) as f64) / width) / sigmoid(-1.0) * profile.true_positive;
                if let Some(best) = found.get_mut(at) {
                    *best = Some(best.map_or(worth, |best| best.max(worth)));
                }
            }
            Some((_, window)) => {
                let width = (window.end() - window.start()) as f64;
                sum += sigmoid((row - window.end()) as f64 / width) * profile.false_positive;
            }
            None => sum -= profile.false_positive,
        }
    }
    sum + found.iter().map(|found| found.unwrap_or(-profile.false_negative)).sum::<f64>()
}

/// From 1 far before the end of a window to -1 far behind it.
fn sigmoid(position: f64) -> f64 {
    if position > FAR { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 rows, of which 150 are probation; windows 200 to 299 and 600 to 699.
    fn series(alarms: &[usize]) -> Labelled {
        let mut scores = vec![0.0; 1_000];
        alarms.iter().for_each(|row| scores[*row] = 1.0);
        Labelled { scores, windows: vec![200..=299, 600..=699] }
    }

    #[test]
    fn scores_are_those_worked_out_by_hand() {
        // 2/(1+e^-2.5)-1 = 0.848284 and 2/(1+e^-5)-1 = 0.986614 (the first row); 0.848284/0.986614 = 0.859793.
        let check = |alarms: &[usize], profile: usize, expect: f64| {
            let score = score(&[series(alarms)], 0.5, &PROFILES[profile]).unwrap();
            assert!((score - expect).abs() < 1e-3, "{alarms:?} {}: {score}, not {expect}", PROFILES[profile].name);
        };
        check(&[], 0, 0.0);
        check(&[200, 600], 0, 100.0);
        check(&[200, 201, 250, 600], 0, 100.0);
        check(&[200], 0, 50.0);
        check(&[200], 2, 50.0);
        check(&[250, 600], 0, (0.859_793 + 1.0 + 2.0) / 4.0 * 100.0);
        check(&[200, 600, 160], 0, 100.0 - 0.11 / 4.0 * 100.0);
        check(&[200, 600, 160], 1, 100.0 - 0.22 / 4.0 * 100.0);
        check(&[200, 600, 999], 0, 100.0 - 0.11 / 4.0 * 100.0);
        // Right behind a window an alarm costs next to nothing: 2/(1+e^(5/99))-1 = -0.025247.
        check(&[200, 600, 300], 0, 100.0 - 0.11 * 0.025_247 / 4.0 * 100.0);
        check(&[0, 149], 0, 0.0);
    }

    #[test]
    fn the_best_threshold_is_found() {
        let mut series = series(&[]);
        (series.scores[210], series.scores[610], series.scores[400]) = (0.9, 0.8, 0.7);
        let (best, threshold) = best(&[series], &PROFILES[0]).unwrap();
        assert_eq!(threshold, 0.8);
        assert!(best > 99.0, "{best}");
        assert_eq!(score(&[Labelled::default()], 0.5, &PROFILES[0]), None);
    }
}
