//! What is usual of a sensor: where its values are, and how far they scatter, so that a few wild ones move neither.
//!
//! The median and the median absolute deviation of the first values, which are then followed step by step with two numbers of state: where
//! values are, by Huber's estimate of location (1964), in which what is far off counts no more than what is somewhat off; the deviation, by
//! stochastic approximation of its median (Robbins and Monro 1951), to which how far off a value is means nothing beyond that it is
//! farther. What a defect adds before it is found thus counts no more than noise, and does not hide the rest of it.

use serde::{Deserialize, Serialize};

/// Values of which the medians are taken exactly.
pub(super) const FIRST: u32 = 15;
/// How long the level is remembered, and how long the deviation.
const LEVEL_S: f64 = 8.0;
const DEVIATION_S: f64 = 40.0;
/// What is farther off than so many standard deviations moves the level by no more than that.
const FAR_SIGMAS: f64 = 1.5;
/// Median absolute deviations in a standard deviation of a normal distribution.
const SIGMA_PER_MAD: f64 = 1.4826;
/// Of so many values the deviation would be taken for twice as large.
const DOUBT_VALUES: f64 = 4.0;
/// A step by which the deviation follows as fast as a decayed mean of a normal distribution's would.
const MAD_STEP: f64 = 1.2;
/// A value after a long silence counts no more than this.
const WEIGHT_MAX: f64 = 0.5;

/// What is usual of a sensor.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Baseline {
    level: f64,
    mad: f64,
    seen: u32,
    /// The first values, until there are enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    first: Vec<f64>,
}

impl Baseline {
    /// Where values are.
    pub(super) fn level(&self) -> f64 {
        self.level
    }

    /// The standard deviation of normal values that scatter as much as these; of few values it is not known well, and taken for larger.
    pub(super) fn sigma(&self) -> f64 {
        self.mad * SIGMA_PER_MAD * (1.0 + DOUBT_VALUES / f64::from(self.seen.max(FIRST)))
    }

    /// Values are here from now on, and scatter as before.
    pub(super) fn move_to(&mut self, level: f64) {
        self.level = level;
    }

    /// Takes a value in, so long after the one before; deviations are not taken for smaller than `sigma_min`.
    pub(super) fn learn(&mut self, value: f64, passed_s: f64, sigma_min: f64) {
        self.seen = self.seen.saturating_add(1);
        if self.seen <= FIRST {
            self.first.push(value);
            if self.seen == FIRST {
                self.level = median(&mut self.first);
                let mut off: Vec<f64> = self.first.drain(..).map(|value| (value - self.level).abs()).collect();
                self.mad = median(&mut off);
            }
            return;
        }
        let weight = |memory_s: f64| (1.0 - (-passed_s / memory_s).exp()).max(1.0 / f64::from(self.seen)).min(WEIGHT_MAX);
        let off = value - self.level;
        let far = FAR_SIGMAS * self.sigma().max(sigma_min);
        self.level += weight(LEVEL_S) * off.clamp(-far, far);
        // From nothing no share of it leads anywhere.
        let least = sigma_min / SIGMA_PER_MAD / 2.0;
        self.mad = (self.mad * (1.0 + MAD_STEP * weight(DEVIATION_S) * (off.abs() - self.mad).signum())).max(least);
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    /// Level and deviation of so many values around 20 that deviate by 0.2, of which every so manieth is off by 10.
    fn learnt(seed: u64, values: usize, wild_every: usize) -> (f64, f64) {
        let (mut random, mut baseline) = (Random::new(seed), Baseline::default());
        for at in 0..values {
            let off = if at % wild_every == wild_every - 1 { 10.0 } else { 0.0 };
            baseline.learn(20.0 + off + random.normal(0.0, 0.2), 0.5, 0.1);
        }
        (baseline.level(), baseline.sigma())
    }

    #[test]
    fn wild_values_move_neither_level_nor_deviation() {
        for (seed, values, wild_every) in (0..20).flat_map(|seed| [(seed, 15, 5), (seed, 400, usize::MAX), (seed, 400, 10), (seed, 400, 5)])
        {
            let (level, sigma) = learnt(seed, values, wild_every);
            let is_usual = (level - 20.0).abs() < 0.3 && (0.07..0.6).contains(&sigma);
            assert!(is_usual, "seed {seed}, {values} values, one in {wild_every} wild: {level} and {sigma}");
        }
    }

    #[test]
    fn a_level_that_moves_for_good_is_followed() {
        for seed in 0..20 {
            let (mut random, mut baseline) = (Random::new(seed), Baseline::default());
            for (values, level) in [(60, 20.0), (200, 22.0)] {
                (0..values).for_each(|_| baseline.learn(level + random.normal(0.0, 0.2), 0.5, 0.1));
                assert!((baseline.level() - level).abs() < 0.2, "seed {seed}: {} for {level}", baseline.level());
            }
        }
    }
}
