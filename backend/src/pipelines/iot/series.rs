//! Series of values from elsewhere, as benchmarks have them: each value gets a score, and alarms become anomalies.

use serde::{Deserialize, Serialize};

use super::{
    detect::{ALARM_SCORE, Detector, Together, learns_of, probation_of},
    records::Anomaly,
    settings::{ANOMALIES, SERIES, SERIES_SCORES},
    watch::Sign,
};
use crate::{
    sim::iot::DeviceId,
    stream::{Forward, Processor, Record, Store, StoreHandle, StreamsBuilder},
};

/// A record of [`SERIES`], keyed by the series' name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its place in the series, from 0.
    pub row: u64,
    /// When it was taken, epoch milliseconds.
    pub ts: i64,
    /// What was measured.
    pub value: f64,
    /// How many values the series has, where that is known: what is learnt from first is a share of it.
    pub rows: Option<u64>,
    /// Of a machine: all that was measured at once, to be judged together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<f64>,
}

/// A record of [`SERIES_SCORES`], keyed by the series' name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleScore {
    /// The sample's place.
    pub row: u64,
    /// When it was taken.
    pub ts: i64,
    /// What was measured.
    pub value: f64,
    /// How strange it is, 0 to 1.
    pub score: f64,
    /// Whether it is told as an anomaly.
    pub is_alarm: bool,
    /// How many figures were judged together; 0 for a plain series.
    #[serde(default, skip_serializing_if = "is_none")]
    pub figures: usize,
}

fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Scores each series, beside the fleet.
pub(super) fn series(builder: &StreamsBuilder) {
    let samples = builder.stream::<String, Sample>(SERIES);
    let scores = samples.process("series", Store::<String, Known>::new(), None, |known| Detectors { known });
    scores.to(SERIES_SCORES);
    let alarms = scores.filter(|record| record.value.is_alarm);
    alarms.map_values(|record| anomaly(&record.key, &record.value)).to(ANOMALIES);
}

/// What is known of a series.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    next_row: u64,
    detector: Kind,
}

/// Boxed, as they differ much in size.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Series(Box<Detector>),
    Machine(Box<Together>),
    /// Its last row was seen: what was learnt is of no more use.
    Over,
}

impl Kind {
    fn of(sample: &Sample) -> Self {
        if sample.figures.is_empty() {
            Self::Series(Box::new(Detector::new(probation_of(sample.rows))))
        } else {
            Self::Machine(Box::new(Together::new(learns_of(sample.rows))))
        }
    }

    /// The score, and whether an anomaly begins.
    fn observe(&mut self, sample: &Sample) -> (f64, bool) {
        match self {
            Self::Series(detector) => {
                let score = detector.observe(sample.value);
                (score, Detector::is_alarm(score))
            }
            Self::Machine(together) => together.observe(&sample.figures),
            Self::Over => (0.0, false),
        }
    }
}

impl Known {
    fn new(sample: &Sample) -> Self {
        Self { next_row: 0, detector: Kind::of(sample) }
    }

    /// The score of a sample, and whether an anomaly begins; nothing of what was scored already.
    fn take(&mut self, sample: &Sample) -> Option<(f64, bool)> {
        if sample.row == 0 && self.next_row > 0 {
            *self = Self::new(sample); // the series begins anew: another run
        }
        if sample.row < self.next_row {
            return None;
        }
        self.next_row = sample.row + 1;
        let score = self.detector.observe(sample);
        if sample.rows.is_some_and(|rows| self.next_row >= rows) {
            self.detector = Kind::Over;
        }
        Some(score)
    }
}

struct Detectors {
    known: StoreHandle<String, Known>,
}

impl Processor<String, Sample, String, SampleScore> for Detectors {
    fn process(&mut self, record: &Record<String, Sample>, out: &mut Forward<'_, String, SampleScore>) {
        let sample = &record.value;
        let mut score = None;
        self.known.borrow_mut().update(&record.key, || Known::new(sample), |known| score = known.take(sample));
        if let Some((score, is_alarm)) = score {
            let Sample { row, ts, value, .. } = *sample;
            out.send(&record.with_value(SampleScore { row, ts, value, score, is_alarm, figures: sample.figures.len() }));
        }
    }
}

fn anomaly(series: &str, score: &SampleScore) -> Anomaly {
    Anomaly {
        anomaly_id: format!("{series}:{}", score.row),
        device_id: DeviceId(series.to_owned()),
        sensor: "value".to_owned(),
        kind: "strange".to_owned(),
        score: score.score,
        sign: Sign { value: score.score, limit: ALARM_SCORE },
        start: score.ts,
        detected_at: score.ts,
        end: Some(score.ts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_scored_once_and_what_is_over_is_forgotten() {
        let sample = |row, figures: &[f64]| Sample { row, ts: 0, value: row as f64, rows: Some(3), figures: figures.to_vec() };
        for figures in [&[][..], &[1.0, 2.0]] {
            let mut known = Known::new(&sample(0, figures));
            let mut is_scored = |row| (known.take(&sample(row, figures)).is_some(), matches!(known.detector, Kind::Over));
            assert_eq!([0, 1, 1, 2, 2].map(&mut is_scored), [(true, false), (true, false), (false, false), (true, true), (false, true)]);
            assert_eq!(is_scored(0), (true, false), "it begins anew");
        }
    }
}
