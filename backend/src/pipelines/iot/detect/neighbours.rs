//! Strangeness by nearest neighbours: how far the newest window of values is from windows of the past, beside how far those were that came
//! just before it.
//!
//! The distances and their figures are KNN-CAD's (E. Burnaev, V. Ishimtsev, "Conformalized density- and distance-based anomaly detection in
//! time-series data", 2016): windows of 19 values, 27 neighbours, distances whitened by the windows' own second moments, strangeness against
//! a calibration set as long as the training set, both sliding along. Where they count how many of the past were less strange, which is one
//! in three hundred times the same by construction, this tells by how much the usual is surpassed: a flood stands out from a ripple.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Values in a window.
const WINDOW: usize = 19;
/// Neighbours that count.
const NEIGHBOURS: usize = 27;
/// All but one in a hundred past windows are usual.
const USUAL_SHARE: f64 = 0.99;
/// What repeats itself is not stranger by its last digits.
const ROUNDING: f64 = 1e-9;
/// Surpassing the usual by so many e-folds is as strange as can be.
const EXCESS_MAX: f64 = 3.0;
/// Values of training at most; of a series whose length is known, this share of it.
const PROBATION_MAX: u64 = 750;
const PROBATION_SHARE: f64 = 0.15;
/// Values of training at least: fewer windows than neighbours have none.
const PROBATION_MIN: u64 = 2 * (WINDOW + NEIGHBOURS) as u64;

type Window = [f64; WINDOW];

/// How many values of a series of this length are learnt from before anything is said.
pub fn probation_of(values: Option<u64>) -> u64 {
    let share = values.map_or(PROBATION_MAX, |values| (values as f64 * PROBATION_SHARE) as u64);
    share.clamp(PROBATION_MIN, PROBATION_MAX)
}

/// What is remembered of a series: two training times of values, and one of strangeness.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Neighbours {
    probation: u64,
    seen: u64,
    /// The newest values, oldest first.
    values: VecDeque<f64>,
    strangeness: VecDeque<f64>,
    /// Makes distances comparable: the Cholesky factor of the windows' second moments, row by row.
    factor: Vec<f64>,
    /// The training windows, whitened; made anew where they are missing.
    #[serde(skip)]
    training: VecDeque<Window>,
}

impl Neighbours {
    /// Knows nothing; learns from so many values first ([`probation_of`]).
    pub(super) fn new(probation: u64) -> Self {
        Self {
            probation: probation.max(PROBATION_MIN),
            seen: 0,
            values: VecDeque::new(),
            strangeness: VecDeque::new(),
            factor: Vec::new(),
            training: VecDeque::new(),
        }
    }

    /// Takes the next value in; how much stranger than usual it is, 0 to 1, and 0 while it learns.
    pub(super) fn observe(&mut self, value: f64) -> f64 {
        self.values.push_back(value);
        self.seen += 1;
        if self.values.len() > self.values_max() {
            self.values.pop_front();
        }
        if self.seen < self.probation {
            return 0.0;
        }
        self.train();
        if self.strangeness.is_empty() {
            self.strangeness = self.training.iter().map(|window| strangeness(&self.training, window, NEIGHBOURS + 1)).collect();
        }
        let newest = whitened(&self.factor, &window_at(&self.values, self.values.len() - WINDOW));
        let strange = strangeness(&self.training, &newest, NEIGHBOURS);
        let excess = ((strange + ROUNDING) / (self.usual() + ROUNDING)).ln();
        self.strangeness.pop_front();
        self.strangeness.push_back(strange);
        if self.seen >= 2 * self.probation {
            self.slide();
        }
        // The root makes little more than usual count as well.
        (excess / EXCESS_MAX).clamp(0.0, 1.0).sqrt()
    }

    /// The newest values, oldest first.
    pub(super) fn values(&self) -> &VecDeque<f64> {
        &self.values
    }

    fn usual(&self) -> f64 {
        let mut past: Vec<f64> = self.strangeness.iter().copied().collect();
        if past.is_empty() {
            return 0.0;
        }
        let at = ((past.len() as f64 * USUAL_SHARE) as usize).min(past.len() - 1);
        *past.select_nth_unstable_by(at, f64::total_cmp).1
    }

    fn values_max(&self) -> usize {
        2 * self.probation as usize
    }

    /// Windows that are trained on: as many as the training time had.
    fn windows(&self) -> usize {
        self.probation as usize - WINDOW
    }

    /// Sees to it that there are training windows, and that distances fit them: twice in a training time.
    fn train(&mut self) {
        let is_due = self.seen.is_multiple_of(self.probation) || self.seen % self.probation == self.probation / 2;
        if !is_due && self.training.len() == self.windows() {
            return;
        }
        // Training ends where calibration begins, one training time ago; older values are not kept.
        let windows: Vec<Window> = (0..self.windows()).map(|at| window_at(&self.values, at)).collect();
        let factor = if is_due { cholesky(&windows) } else { None };
        let is_refitted = factor.is_some();
        self.factor = factor.unwrap_or_else(|| std::mem::take(&mut self.factor));
        self.training = windows.iter().map(|window| whitened(&self.factor, window)).collect();
        // Unlike in the paper the calibration windows are measured anew too: what was strange by another measure says nothing.
        let newest = self.values.len() - WINDOW;
        if is_refitted && !self.strangeness.is_empty() && newest >= self.windows() {
            let past = (newest - self.windows()..newest).map(|at| whitened(&self.factor, &window_at(&self.values, at)));
            self.strangeness = past.map(|window| strangeness(&self.training, &window, NEIGHBOURS)).collect();
        }
    }

    /// The oldest training window makes room for the oldest calibration window.
    fn slide(&mut self) {
        let next = window_at(&self.values, self.windows());
        self.training.pop_front();
        self.training.push_back(whitened(&self.factor, &next));
    }
}

fn window_at(values: &VecDeque<f64>, at: usize) -> Window {
    std::array::from_fn(|place| values.get(at + place).copied().unwrap_or(0.0))
}

/// The sum of squared distances to the nearest.
fn strangeness(training: &VecDeque<Window>, window: &Window, neighbours: usize) -> f64 {
    let distance = |other: &Window| window.iter().zip(other).map(|(one, other)| (one - other) * (one - other)).sum::<f64>();
    let mut distances: Vec<f64> = training.iter().map(distance).collect();
    let count = neighbours.min(distances.len());
    if count == 0 {
        return 0.0;
    }
    distances.select_nth_unstable_by(count - 1, f64::total_cmp);
    distances.iter().take(count).sum()
}

/// The lower triangle L with L Lᵀ = XᵀX, row by row; `None` where the windows do not span all dimensions.
fn cholesky(windows: &[Window]) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; WINDOW * WINDOW];
    for row in 0..WINDOW {
        for column in 0..=row {
            let moment: f64 = windows.iter().map(|window| window[row] * window[column]).sum();
            let known: f64 = (0..column).map(|at| factor[row * WINDOW + at] * factor[column * WINDOW + at]).sum();
            let rest = moment - known;
            factor[row * WINDOW + column] = if row == column {
                // Of what is left of a number after taking all of it away, the last digits are noise.
                if rest <= moment * 1e-12 {
                    return None;
                }
                rest.sqrt()
            } else {
                rest / factor[column * WINDOW + column]
            };
        }
    }
    Some(factor)
}

/// L⁻¹ x: plain distances between such are distances by the inverse of the second moments. The window itself without a factor.
fn whitened(factor: &[f64], window: &Window) -> Window {
    if factor.len() != WINDOW * WINDOW {
        return *window;
    }
    let mut white = [0.0; WINDOW];
    for row in 0..WINDOW {
        let known: f64 = (0..row).map(|at| factor[row * WINDOW + at] * white[at]).sum();
        white[row] = (window[row] - known) / factor[row * WINDOW + row];
    }
    white
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    #[test]
    fn training_time_is_a_share_of_what_is_known_to_come() {
        let check = |values, expect| assert_eq!(probation_of(values), expect, "{values:?}");
        check(Some(4_032), 604);
        check(Some(22_695), 750);
        check(Some(100), PROBATION_MIN);
        check(None, 750);
    }

    #[test]
    fn whitening_makes_second_moments_one() {
        let mut random = Random::new(3);
        let windows: Vec<Window> = (0..200).map(|_| std::array::from_fn(|_| random.unit() - 0.5)).collect();
        let factor = cholesky(&windows).unwrap();
        let white: Vec<Window> = windows.iter().map(|window| whitened(&factor, window)).collect();
        for row in 0..WINDOW {
            for column in 0..WINDOW {
                let moment: f64 = white.iter().map(|window| window[row] * window[column]).sum();
                assert!((moment - f64::from(u8::from(row == column))).abs() < 1e-9, "{row} {column}: {moment}");
            }
        }
    }
}
