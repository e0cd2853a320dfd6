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
    let mut tally = Tally::new(corpus, profile);
    for (at, series) in corpus.iter().enumerate() {
        let alarms = series.judged().filter(|(_, score)| *score >= threshold);
        alarms.for_each(|(row, _)| tally.alarm(at, series, row));
    }
    tally.score()
}

/// The best score over all thresholds, the same for each series, and that threshold: what the benchmark's own tables show.
pub fn best(corpus: &[Labelled], profile: &Profile) -> Option<(f64, f64)> {
    let rows = |(at, series): (usize, &Labelled)| series.judged().map(move |(row, score)| (score, at, row)).collect::<Vec<_>>();
    let mut rows: Vec<(f64, usize, usize)> = corpus.iter().enumerate().flat_map(rows).collect();
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut tally = Tally::new(corpus, profile);
    // Above all scores nothing is an alarm.
    let mut best = (tally.score()?, f64::INFINITY);
    for equal in rows.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        for (_, at, row) in equal {
            corpus.get(*at).into_iter().for_each(|series| tally.alarm(*at, series, *row));
        }
        let threshold = equal.first().map_or(f64::INFINITY, |(score, ..)| *score);
        best = tally.score().filter(|score| *score > best.0).map_or(best, |score| (score, threshold));
    }
    Some(best)
}

impl Labelled {
    /// Rows that count, with their scores.
    fn judged(&self) -> impl Iterator<Item = (usize, f64)> {
        let probation = (PROBATION_SHARE * self.scores.len().min(PROBATION_OF_MAX) as f64) as usize;
        self.scores.iter().copied().enumerate().skip(probation)
    }
}

/// What the alarms so far are worth.
struct Tally<'a> {
    profile: &'a Profile,
    /// The best alarm in each window of each series.
    found: Vec<Vec<Option<f64>>>,
    windows: usize,
    raw: f64,
}

impl<'a> Tally<'a> {
    fn new(corpus: &[Labelled], profile: &'a Profile) -> Self {
        let found: Vec<_> = corpus.iter().map(|series| vec![None; series.windows.len()]).collect();
        let windows = found.iter().map(Vec::len).sum();
        Self { profile, found, windows, raw: -profile.false_negative * windows as f64 }
    }

    fn alarm(&mut self, of: usize, series: &Labelled, row: usize) {
        // The window it is in, or the last before it.
        let at = series.windows.partition_point(|window| *window.start() <= row).checked_sub(1);
        let window = at.and_then(|at| Some((at, series.windows.get(at)?)));
        match window {
            Some((at, window)) if window.contains(&row) => {
                let width = (window.end() - window.start() + 1) as f64;
                let worth = sigmoid(-((window.end() - row + 1) as f64) / width) / sigmoid(-1.0) * self.profile.true_positive;
                if let Some(best) = self.found.get_mut(of).and_then(|found| found.get_mut(at)) {
                    self.raw += (worth - best.unwrap_or(-self.profile.false_negative)).max(0.0);
                    *best = Some(best.map_or(worth, |best| best.max(worth)));
                }
            }
            Some((_, window)) => {
                let width = (window.end() - window.start()).max(1) as f64;
                self.raw += sigmoid((row - window.end()) as f64 / width) * self.profile.false_positive;
            }
            None => self.raw -= self.profile.false_positive,
        }
    }

    fn score(&self) -> Option<f64> {
        let (nothing, everything) = (-self.profile.false_negative * self.windows as f64, self.profile.true_positive * self.windows as f64);
        (self.windows > 0).then(|| 100.0 * (self.raw - nothing) / (everything - nothing))
    }
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
    fn a_corpus_is_scored_as_one() {
        let check = |corpus: &[Labelled], expect: f64| {
            let score = score(corpus, 0.5, &PROFILES[0]).unwrap();
            assert!((score - expect).abs() < 1e-3, "{score}, not {expect}");
        };
        let unlabelled = |length: usize, alarms: &[usize]| {
            let mut scores = vec![0.0; length];
            alarms.iter().for_each(|row| scores[*row] = 1.0);
            Labelled { scores, windows: Vec::new() }
        };
        // What has no window has no reward, and its alarms cost: 3 of 0.11 of 2 windows that are worth 2 each.
        check(&[series(&[200, 600]), unlabelled(1_000, &[150, 151, 999])], 100.0 - 3.0 * 0.11 / 4.0 * 100.0);
        // 15 % of 4,032 rows are 604; of 10,000 no more than of 5,000: 750.
        check(&[series(&[200, 600]), unlabelled(4_032, &[603])], 100.0);
        check(&[series(&[200, 600]), unlabelled(4_032, &[604])], 100.0 - 0.11 / 4.0 * 100.0);
        check(&[series(&[200, 600]), unlabelled(10_000, &[0, 749])], 100.0);
        check(&[series(&[200, 600]), unlabelled(10_000, &[750])], 100.0 - 0.11 / 4.0 * 100.0);
        // A window that begins while nothing counts is found by the first alarm that does, worth by where that is:
        // row 200 of 100 to 299 has 100 of 200 rows before the end: 0.848284/0.986614 = 0.859793.
        let early = Labelled { windows: vec![100..=299], ..series(&[120, 200]) };
        check(&[early], (0.859_793 + 1.0) / 2.0 * 100.0);
        // The last row of a window is worth little, but more than a miss: 2/(1+e^-0.05)-1 = 0.024995; /0.986614 = 0.025334.
        check(&[Labelled { windows: vec![200..=299], ..series(&[299]) }], (0.025_334 + 1.0) / 2.0 * 100.0);
        // Three widths behind a window an alarm is as wrong as anywhere, at two it nearly is: 2/(1+e^10)-1 = -0.999909.
        check(&[series(&[200, 600, 497])], 100.0 - 0.11 * 0.999_909 / 4.0 * 100.0);
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

    #[test]
    fn the_best_of_many_series_is_no_worse_than_any_one_threshold() {
        for seed in 0..20 {
            let mut random = crate::sim::Random::new(seed);
            // Few distinct scores, so that many rows share one.
            let mut series = || {
                let scores = (0..1_000).map(|_| (random.unit() * 50.0).floor() / 50.0 * random.unit().round()).collect();
                Labelled { scores, windows: vec![200..=299, 600..=699] }
            };
            let corpus = [series(), series(), series()];
            for profile in &PROFILES {
                let (found, threshold) = best(&corpus, profile).unwrap();
                let naive = (0..=51).map(|step| score(&corpus, f64::from(step) / 50.0, profile).unwrap()).fold(f64::MIN, f64::max);
                assert!((found - naive).abs() < 1e-9, "seed {seed} {}: {found} at {threshold}, not {naive}", profile.name);
            }
        }
    }
}
