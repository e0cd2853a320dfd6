//! Random numbers for generators: one portable algorithm, few distributions.

use rand::Rng as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

/// A seeded source of random numbers. ChaCha8 is specified to the bit, so a seed means the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The source that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..n`; 0 when `n` is 0. Multiply and shift (Lemire 2019): the bias is below n / 2^64.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low) + 1) as i64
    }

    /// A number in `0.0..1.0`, 53 bits fine.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// An exponential waiting time with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A normally distributed number (Box and Muller 1958).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        mean + deviation * radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// How often something with this mean happens (Knuth's product of uniforms: for small means).
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// An index drawn by weight; the last one when all weights are zero.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        weights
            .iter()
            .position(|weight| {
                left -= weight;
                left < 0.0
            })
            .unwrap_or(weights.len().saturating_sub(1))
    }
}

/// Zipf's law over `0..n`: the k-th is drawn in proportion to 1 / (k + 1)^exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    cumulative: Box<[f64]>,
}

impl Zipf {
    /// Over `n` things.
    pub fn new(n: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=n)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        Self { cumulative }
    }

    /// Draws an index.
    pub fn draw(&self, random: &mut Random) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = random.unit() * total;
        self.cumulative.partition_point(|sum| *sum <= at).min(self.cumulative.len().saturating_sub(1))
    }
}

/// A well mixed 64-bit value of two: what a user is follows from the seed and the user's number, so nothing is stored.
/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub fn hash64(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        let draws = |seed| (0..4).map(|_| 0).scan(Random::new(seed), |random, _| Some(random.below(1_000))).collect::<Vec<_>>();
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn zipf_favours_the_first() {
        let (zipf, mut random) = (Zipf::new(100, 1.0), Random::new(1));
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[zipf.draw(&mut random)] += 1;
        }
        // The harmonic number of 100 is 5.187: the first gets 19.3 %, the tenth a tenth of that.
        assert!((18_500..20_000).contains(&counts[0]), "{}", counts[0]);
        assert!((1_700..2_200).contains(&counts[9]), "{}", counts[9]);
    }

    #[test]
    fn normal_and_poisson_have_their_moments() {
        let mut random = Random::new(5);
        let mut moments = |draw: &mut dyn FnMut(&mut Random) -> f64| {
            let all: Vec<_> = (0..50_000).map(|_| draw(&mut random)).collect();
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            (mean, all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / all.len() as f64)
        };
        let (mean, variance) = moments(&mut |random| random.normal(10.0, 3.0));
        assert!((mean - 10.0).abs() < 0.1 && (variance - 9.0).abs() < 0.3, "{mean} {variance}");
        let (mean, variance) = moments(&mut |random| f64::from(random.poisson(2.5)));
        assert!((mean - 2.5).abs() < 0.05 && (variance - 2.5).abs() < 0.1, "{mean} {variance}");
    }

    #[test]
    fn below_stays_below_and_between_reaches_both_ends() {
        let mut random = Random::new(3);
        assert!((0..1_000).all(|_| random.below(10) < 10));
        let seen: std::collections::BTreeSet<_> = (0..1_000).map(|_| random.between(-1, 1)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-1, 0, 1]);
    }
}
