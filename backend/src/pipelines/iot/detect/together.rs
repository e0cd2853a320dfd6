//! Figures of one machine taken together, as many as there are: Hotelling's T² along the principal components that explain what is usual,
//! and Q off them (J. E. Jackson, G. S. Mudholkar, "Control Procedures for Residuals Associated With Principal Component Analysis", 1979).
//!
//! What is usual is learnt from the first readings, as the Skoltech Anomaly Benchmark has it (400 of them); single odd readings are smoothed
//! away by a median of the newest five.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{ALARM_SCORE, detector::bounded};

/// Readings that are learnt from; of a short table, this share of it.
const LEARNS_MAX: u64 = 400;
const LEARNS_SHARE: f64 = 0.4;
const LEARNS_MIN: u64 = 20;
/// The share of the variance that principal components explain.
const EXPLAINED: f64 = 0.9;
/// Of readings that are as usual, one in a hundred is beyond a limit: the normal distribution's quantile.
const Z_99: f64 = 2.326_35;
/// Readings whose median counts.
const MEDIAN_OF: usize = 5;
/// Jacobi's method converges quadratically: few sweeps do.
const SWEEPS_MAX: usize = 30;

/// How many readings of a table of this length are learnt from.
pub fn learns_of(rows: Option<u64>) -> u64 {
    let share = rows.map_or(LEARNS_MAX, |rows| (rows as f64 * LEARNS_SHARE) as u64);
    share.clamp(LEARNS_MIN, LEARNS_MAX)
}

/// What is known of a machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Together {
    learns: u64,
    learnt: Vec<Vec<f64>>,
    usual: Option<Usual>,
    newest: VecDeque<f64>,
    is_open: bool,
}

/// What is usual.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Usual {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Principal components with their variances, in units of deviations.
    axes: Vec<(f64, Vec<f64>)>,
    t2_max: f64,
    /// `None` where the components explain everything.
    q_max: Option<f64>,
}

impl Together {
    /// Knows nothing; learns from so many readings first ([`learns_of`]).
    pub fn new(learns: u64) -> Self {
        Self { learns: learns.max(LEARNS_MIN), learnt: Vec::new(), usual: None, newest: VecDeque::new(), is_open: false }
    }

    /// Takes the next reading in; how strange it is, 0 to 1 with [`ALARM_SCORE`] at the limit, and whether it begins to be.
    pub fn observe(&mut self, figures: &[f64]) -> (f64, bool) {
        let Some(usual) = &self.usual else {
            self.learnt.push(figures.iter().copied().map(bounded).collect());
            if self.learnt.len() as u64 >= self.learns {
                self.usual = Some(Usual::of(&std::mem::take(&mut self.learnt)));
            }
            return (0.0, false);
        };
        self.newest.push_back(usual.excess(figures));
        if self.newest.len() > MEDIAN_OF {
            self.newest.pop_front();
        }
        let mut sorted: Vec<f64> = self.newest.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        // Of few readings the lower of both middles: one alone is no median.
        let excess = sorted.get((sorted.len() - 1) / 2).copied().filter(|_| sorted.len() > 2).unwrap_or_default();
        let score = excess / (excess + 1.0);
        let was_open = std::mem::replace(&mut self.is_open, score >= ALARM_SCORE);
        (score, self.is_open && !was_open)
    }
}

impl Usual {
    fn of(rows: &[Vec<f64>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let n = rows.len().max(1) as f64;
        let column = |at: usize| rows.iter().map(move |row| row.get(at).copied().unwrap_or_default());
        let mean: Vec<f64> = (0..width).map(|at| column(at).sum::<f64>() / n).collect();
        let deviation_of = |(at, mean): (usize, &f64)| (column(at).map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        // What never moved is taken as it is.
        let scale = |deviation: f64| if deviation > 0.0 { deviation } else { 1.0 };
        let deviation: Vec<f64> = mean.iter().enumerate().map(deviation_of).map(scale).collect();
        let scaled: Vec<Vec<f64>> = rows.iter().map(|row| scaled(row, &mean, &deviation)).collect();
        let moment = |a: usize, b: usize| scaled.iter().filter_map(|row| Some(row.get(a)? * row.get(b)?)).sum::<f64>() / n;
        let correlation = (0..width).map(|a| (0..width).map(|b| moment(a, b)).collect()).collect();
        let mut axes = eigen(correlation);
        axes.sort_by(|one, other| other.0.total_cmp(&one.0));
        let total: f64 = axes.iter().map(|(variance, _)| variance).sum();
        let mut explained = 0.0;
        let kept = axes.iter().take_while(|(variance, _)| {
            let is_needed = explained < EXPLAINED * total;
            explained += variance;
            is_needed
        });
        let kept = kept.count();
        let rest = axes.split_off(kept.min(axes.len()));
        let (sum, squares) =
            rest.iter().fold((0.0, 0.0), |(sum, squares), (variance, _)| (sum + variance.max(0.0), squares + variance * variance));
        // The rest is a sum of squares too, of as many as make its mean and its variance.
        let q_max = (sum > 1e-9).then(|| squares / sum * chi_square_99(sum * sum / squares));
        Self { mean, deviation, t2_max: chi_square_99(kept.max(1) as f64), q_max, axes }
    }

    /// How many times its limit the one of T² and Q is that is further beyond.
    fn excess(&self, figures: &[f64]) -> f64 {
        let z = scaled(figures, &self.mean, &self.deviation);
        let (mut t2, mut off) = (0.0, z.iter().map(|z| z * z).sum::<f64>());
        for (variance, axis) in &self.axes {
            let along: f64 = axis.iter().zip(&z).map(|(axis, z)| axis * z).sum();
            t2 += along * along / variance.max(1e-9);
            off -= along * along;
        }
        (t2 / self.t2_max).max(self.q_max.map_or(0.0, |q_max| off.max(0.0) / q_max))
    }
}

fn scaled(figures: &[f64], mean: &[f64], deviation: &[f64]) -> Vec<f64> {
    figures.iter().zip(mean).zip(deviation).map(|((value, mean), deviation)| (bounded(*value) - mean) / deviation).collect()
}

/// The 99 % quantile of χ² (E. B. Wilson, M. M. Hilferty 1931).
fn chi_square_99(freedom: f64) -> f64 {
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + Z_99 * part.sqrt()).powi(3)
}

/// Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations.
#[allow(clippy::indexing_slicing, clippy::needless_range_loop, reason = "square matrices of one size, as they are written in books")]
fn eigen(mut matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = matrix.len();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|row| (0..n).map(|column| f64::from(u8::from(row == column))).collect()).collect();
    for _ in 0..SWEEPS_MAX {
        let off: f64 = (0..n).flat_map(|p| (0..p).map(move |q| (p, q))).map(|(p, q)| matrix[p][q].powi(2)).sum();
        if off < 1e-18 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if matrix[p][q].abs() < 1e-15 {
                    continue;
                }
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
                let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                let sine = tangent * cosine;
                for at in 0..n {
                    let (a, b) = (matrix[at][p], matrix[at][q]);
                    (matrix[at][p], matrix[at][q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                for at in 0..n {
                    let (a, b) = (matrix[p][at], matrix[q][at]);
                    (matrix[p][at], matrix[q][at]) = (cosine * a - sine * b, sine * a + cosine * b);
                    let (a, b) = (vectors[at][p], vectors[at][q]);
                    (vectors[at][p], vectors[at][q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
            }
        }
    }
    (0..n).map(|at| (matrix[at][at], vectors.iter().map(|row| row[at]).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    #[test]
    fn eigenvectors_are_such() {
        let mut random = Random::new(4);
        let parts: Vec<Vec<f64>> = (0..6).map(|_| (0..6).map(|_| random.normal(0.0, 1.0)).collect()).collect();
        let matrix: Vec<Vec<f64>> = (0..6).map(|a| (0..6).map(|b| parts.iter().map(|part| part[a] * part[b]).sum()).collect()).collect();
        for (value, vector) in eigen(matrix.clone()) {
            for (row, part) in matrix.iter().zip(&vector) {
                let image: f64 = row.iter().zip(&vector).map(|(a, b)| a * b).sum();
                assert!((image - value * part).abs() < 1e-8, "{image} {value} {part}");
            }
            assert!((vector.iter().map(|part| part * part).sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        for (freedom, quantile) in [(1.0, 6.63), (5.0, 15.09), (10.0, 23.21)] {
            assert!((chi_square_99(freedom) - quantile).abs() < 0.15, "{freedom}: {}", chi_square_99(freedom));
        }
    }

    #[test]
    fn figures_of_any_size_have_a_score() {
        let mut random = Random::new(1);
        for odd in [[f64::MAX, -f64::MAX], [1e300, 0.0]] {
            let mut together = Together::new(50);
            for row in 0..200 {
                let usual = [random.normal(0.0, 1.0), random.normal(5.0, 1.0)];
                let is_odd = (20..22).contains(&row) || (100..110).contains(&row);
                let (score, _) = together.observe(if is_odd { &odd } else { &usual });
                assert!((0.0..=1.0).contains(&score), "{odd:?} row {row}: {score}");
            }
        }
    }

    #[test]
    fn a_broken_relation_is_found_though_each_figure_is_usual() {
        for seed in 0..5 {
            let mut random = Random::new(seed);
            let mut together = Together::new(200);
            // Where the load is as on average, nothing shows.
            let (mut wrong, mut right, mut begun) = (0, 0, 0);
            for row in 0..500 {
                let load = random.normal(0.0, 1.0);
                let off = if row >= 400 { -1.0 } else { 1.0 };
                let figures: Vec<f64> =
                    (0..6).map(|at| load * if at == 5 { off } else { 1.0 } + random.normal(0.0, 0.1) + at as f64).collect();
                let (score, begins) = together.observe(&figures);
                begun += usize::from(begins);
                match (score >= ALARM_SCORE, row) {
                    (true, 200..400) => wrong += 1,
                    (true, 405..) => right += 1,
                    _ => {}
                }
            }
            assert!(wrong <= 4 && right >= 75 && begun >= 1, "seed {seed}: {wrong} wrong, {right} right, {begun} begun");
        }
    }
}
