//! One score of two opinions: how far the newest values are from all that were, and how little of what usually follows did.
//!
//! The two err in different places, so that their sum has fewer false alarms than either at the same number found (the bench `anomalies`
//! has the figures). One alarm tells as much as ten: after one it rests for a fifth of the time it learnt.

use serde::{Deserialize, Serialize};

use super::{contextual::Contextual, neighbours::Neighbours};

/// From here on it is an alarm.
pub const ALARM_SCORE: f64 = 0.5;
/// What the neighbours' opinion counts beside that of context: alone it has many false alarms on noisy series.
const NEIGHBOURS_WEIGHT: f64 = 0.5;
/// The sum of both opinions that is one.
const ALARM_SUM: f64 = 0.85;

/// No measure is larger. What stands for "nothing" in some tables is, and its square is no number any more.
const VALUE_MAX: f64 = 1e60;

/// A value whose squares and their sums are numbers.
pub(super) fn bounded(value: f64) -> f64 {
    value.clamp(-VALUE_MAX, VALUE_MAX)
}

/// What is known of a series, in bounded memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    learns: u64,
    seen: u64,
    rests: u64,
    last: f64,
    neighbours: Neighbours,
    contextual: Contextual,
}

impl Detector {
    /// Knows nothing; learns from so many values first ([`super::probation_of`]).
    pub fn new(probation: u64) -> Self {
        let (neighbours, contextual) = (Neighbours::new(probation), Contextual::default());
        Self { learns: probation, seen: 0, rests: 0, last: 0.0, neighbours, contextual }
    }

    /// Takes the next value in; how strange it is, 0 to 1, and 0 while it learns or rests. What is no number is taken for the value before it.
    pub fn observe(&mut self, value: f64) -> f64 {
        let [by_neighbours, by_context] = self.opinions(value);
        let sum = by_context + NEIGHBOURS_WEIGHT * by_neighbours;
        if self.seen <= self.learns {
            return 0.0;
        }
        if self.rests > 0 {
            self.rests -= 1;
            return 0.0;
        }
        // Half at the limit, so that 0 to 1 reads as it should.
        let score = sum / (sum + ALARM_SUM);
        if Self::is_alarm(score) {
            self.rests = self.learns / 5;
        }
        score
    }

    /// Takes the next value in; how strange it is to neighbours and by context, without learning time and rest: for measuring either alone.
    pub fn opinions(&mut self, value: f64) -> [f64; 2] {
        let value = if value.is_finite() { bounded(value) } else { self.last };
        (self.last, self.seen) = (value, self.seen + 1);
        let by_context = self.contextual.observe(value, self.neighbours.values());
        [self.neighbours.observe(value), by_context]
    }

    /// Whether a score is an alarm.
    pub fn is_alarm(score: f64) -> bool {
        score >= ALARM_SCORE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    /// Noise around a wave, with a jump somewhere.
    fn series(seed: u64, length: usize, jump: std::ops::Range<usize>) -> Vec<f64> {
        let mut random = Random::new(seed);
        let value = |at: usize| {
            let wave = 10.0 * (at as f64 / 24.0 * std::f64::consts::TAU).sin();
            50.0 + wave + random.normal(0.0, 1.0) + if jump.contains(&at) { 25.0 } else { 0.0 }
        };
        (0..length).map(value).collect()
    }

    fn alarms(values: &[f64], probation: u64) -> Vec<usize> {
        let mut detector = Detector::new(probation);
        (0..values.len()).filter(|at| Detector::is_alarm(detector.observe(values[*at]))).collect()
    }

    #[test]
    fn a_jump_is_found_at_once_and_told_once() {
        for seed in 0..3 {
            let found = alarms(&series(seed, 500, 400..420), 120);
            assert!(found.iter().any(|at| (400..403).contains(at)), "seed {seed}: {found:?}");
            assert!(found.len() <= 6, "seed {seed}: {found:?}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_stands_still() {
        assert!(alarms(&[7.0; 1_000], 200).is_empty());
    }

    #[test]
    fn what_is_no_number_changes_nothing() {
        let mut detector = Detector::new(100);
        assert!([7.0, f64::NAN, f64::INFINITY].into_iter().cycle().take(600).all(|value| detector.observe(value) == 0.0));
    }

    #[test]
    fn values_of_any_size_have_a_score() {
        for size in [1e30, 1e200, f64::MAX] {
            let mut values = series(4, 600, 0..0);
            (values[300], values[301], values[450]) = (size, -size, size);
            let mut detector = Detector::new(120);
            assert!(values.iter().all(|value| (0.0..=1.0).contains(&detector.observe(*value))), "{size}");
        }
    }

    #[test]
    fn state_that_was_written_goes_on_and_finds_the_same() {
        let values = series(9, 500, 400..420);
        let mut detector = Detector::new(120);
        let mut found = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if at == 300 {
                // What was learnt before the newest values is lost; what is strange is still strange.
                detector = serde_json::from_slice(&serde_json::to_vec(&detector).unwrap()).unwrap();
            }
            found.extend(Detector::is_alarm(detector.observe(*value)).then_some(at));
        }
        assert!(found.iter().any(|at| (400..403).contains(at)), "{found:?}");
    }
}
