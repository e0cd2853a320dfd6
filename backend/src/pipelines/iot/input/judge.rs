//! Judges scores of given series, by their labels where there are some.

use std::collections::BTreeMap;

use weir_model::Check;

use crate::{
    pipelines::{
        iot::{
            detect::ALARM_SCORE,
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
            let corpus: Vec<_> = self.series.values().cloned().collect();
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
    fn score(&mut self, series: &str, score: &SampleScore) {
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
