//! Judges scores of given series, by their labels where there are some.

use std::collections::{BTreeMap, BTreeSet};

use weir_model::Check;

use crate::{
    pipelines::{
        iot::{
            detect::{ALARM_SCORE, learns_of},
            series::{Sample, SampleScore},
            settings::{DLQ, SERIES, SERIES_SCORES, TRUTH},
        },
        shape::{Checker, Facts, Observed},
    },
    sim::iot::TruthRecord,
    truth::{
        check,
        iot::nab::{self, Labelled, PROFILES},
        pending,
    },
};

/// Rows that are kept: of more, the rest is not judged.
const ROWS_MAX: u64 = 5_000_000;
/// Stands for a threshold above all scores: nothing is told.
const THRESHOLD_MAX: f64 = 1.1;

/// What came of each series.
#[derive(Debug, Default)]
pub(in crate::pipelines::iot) struct SeriesJudge {
    series: BTreeMap<String, Labelled>,
    /// Which of them are machines.
    machines: BTreeSet<String>,
    samples: u64,
    scored: u64,
    repeated: u64,
    alarms: u64,
    dead_letters: u64,
}

impl Checker for SeriesJudge {
    fn observe(&mut self, record: &Observed<'_>) {
        let Some(value) = record.value else { return };
        match record.topic {
            SERIES => self.samples += u64::from(serde_json::from_slice::<Sample>(value).is_ok()),
            SERIES_SCORES => {
                if let (Ok(score), Some(key)) = (serde_json::from_slice::<SampleScore>(value), record.key) {
                    self.score(&String::from_utf8_lossy(key), &score);
                }
            }
            TRUTH => {
                if let Ok(TruthRecord::SeriesWindow { series, first_row, last_row }) = serde_json::from_slice(value)
                    && let (Ok(first), Ok(last)) = (usize::try_from(first_row), usize::try_from(last_row))
                {
                    self.series.entry(series).or_default().windows.push(first..=last);
                }
            }
            DLQ => self.dead_letters += 1,
            _ => {}
        }
    }

    fn verdicts(&self, facts: &Facts) -> Vec<Check> {
        let evidence = format!("{} samples, {} scored, {} twice", self.samples, self.scored, self.repeated);
        vec![match facts.is_over {
            true => check("samples_scored_once", self.samples == self.scored && self.repeated == 0, evidence),
            false => pending("samples_scored_once", evidence),
        }]
    }

    fn scores(&self, facts: &Facts) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::new();
        if facts.is_over {
            let corpus: Vec<_> = self.series.iter().filter(|(name, _)| !self.machines.contains(*name)).map(|(_, of)| of.clone()).collect();
            scores.extend(Rows::of(self.series.iter().filter(|(name, _)| self.machines.contains(*name)).map(|(_, of)| of)).scores());
            for profile in &PROFILES {
                // As the benchmark does it: one threshold for the whole corpus, the best for the profile.
                let best = nab::best(&corpus, profile).into_iter();
                scores.extend(best.flat_map(|(score, threshold)| {
                    [(format!("nab_{}", profile.name), score), (format!("nab_{}_threshold", profile.name), threshold.min(THRESHOLD_MAX))]
                }));
                let live = nab::score(&corpus, ALARM_SCORE, profile);
                scores.extend(live.map(|score| (format!("nab_{}_as_told", profile.name), score)));
            }
        }
        scores
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        let windows = self.series.values().map(|series| series.windows.len() as u64).sum();
        let counts = [
            ("series", self.series.len() as u64),
            ("samples", self.samples),
            ("scored", self.scored),
            ("alarms", self.alarms),
            ("labelled_windows", windows),
            ("dead_letters", self.dead_letters),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

impl SeriesJudge {
    /// Figures of what was read so far, with the pipeline's own threshold: labels of rows that are still to come count for nothing yet.
    pub(in crate::pipelines::iot) fn scores_so_far(&self) -> BTreeMap<String, f64> {
        let is_series = |(name, _): &(&String, &Labelled)| !self.machines.contains(*name);
        let (series, machines): (Vec<_>, Vec<_>) = self.series.iter().partition(is_series);
        let mut scores = Rows::of(machines.into_iter().map(|(_, of)| of)).scores();
        let read = |of: &Labelled| Labelled {
            scores: of.scores.clone(),
            windows: of.windows.iter().filter(|window| *window.end() < of.scores.len()).cloned().collect(),
        };
        let corpus: Vec<_> = series.into_iter().map(|(_, of)| read(of)).collect();
        for profile in &PROFILES {
            scores.extend(nab::score(&corpus, ALARM_SCORE, profile).map(|score| (format!("nab_{}_as_told", profile.name), score)));
        }
        scores
    }

    fn score(&mut self, series: &str, score: &SampleScore) {
        if score.figures > 0 && !self.machines.contains(series) {
            self.machines.insert(series.to_owned());
        }
        let of = self.series.entry(series.to_owned()).or_default();
        if score.row != of.scores.len() as u64 {
            self.repeated += u64::from(score.row < of.scores.len() as u64);
            return;
        }
        if self.scored < ROWS_MAX {
            of.scores.push(score.score);
        }
        self.scored += 1;
        self.alarms += u64::from(score.is_alarm);
    }
}

/// Readings of machines row by row, as the Skoltech Anomaly Benchmark counts them: those that were learnt from do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Rows {
    found: u64,
    missed: u64,
    false_alarms: u64,
    calm: u64,
}

impl Rows {
    fn of<'a>(machines: impl Iterator<Item = &'a Labelled>) -> Self {
        let mut rows = Self::default();
        for machine in machines {
            let learns = usize::try_from(learns_of(Some(machine.scores.len() as u64))).unwrap_or(usize::MAX);
            for (row, score) in machine.scores.iter().enumerate().skip(learns) {
                let is_wrong = machine.windows.iter().any(|window| window.contains(&row));
                *match (is_wrong, *score >= ALARM_SCORE) {
                    (true, true) => &mut rows.found,
                    (true, false) => &mut rows.missed,
                    (false, true) => &mut rows.false_alarms,
                    (false, false) => &mut rows.calm,
                } += 1;
            }
        }
        rows
    }

    /// F1, and the shares of false and of missing alarms in percent; nothing where nothing is labelled.
    fn scores(self) -> BTreeMap<String, f64> {
        if self.found + self.missed == 0 {
            return BTreeMap::new();
        }
        let share = |part: u64, rest: u64| part as f64 / (part + rest).max(1) as f64;
        let f1 = 2.0 * self.found as f64 / (2 * self.found + self.false_alarms + self.missed).max(1) as f64;
        let scores = [
            ("skab_f1", f1),
            ("skab_far_pct", 100.0 * share(self.false_alarms, self.calm)),
            ("skab_mar_pct", 100.0 * share(self.missed, self.found)),
        ];
        scores.map(|(name, score)| (name.to_owned(), score)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_hand() {
        // 40 of 100 rows are learnt from; 50 to 69 are wrong, 55 to 74 are told.
        let scores = (0..100).map(|row| if (55..75).contains(&row) || row < 10 { 0.9 } else { 0.1 }).collect();
        let rows = Rows::of([Labelled { scores, windows: vec![50..=69] }].iter());
        assert_eq!(rows, Rows { found: 15, missed: 5, false_alarms: 5, calm: 35 });
        let scores = rows.scores();
        assert_eq!((scores["skab_f1"], scores["skab_far_pct"], scores["skab_mar_pct"]), (0.75, 12.5, 25.0));
        assert_eq!(Rows::default().scores(), BTreeMap::new());
    }
}
