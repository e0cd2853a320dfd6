//! Intervals for shares, after Wilson (1927) and Newcombe (1998).

/// The normal quantile of a two-sided 95 % interval.
pub const Z_95: f64 = 1.959_964;
/// The normal quantile of a two-sided 99.9 % interval.
pub const Z_999: f64 = 3.290_527;

/// An estimate with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// Whether a value lies in it.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Wilson's score interval for `hits` of `n` (E. B. Wilson, JASA 22, 1927): honest for small shares and small numbers,
/// where the textbook interval is not. `0..=1` when nothing was observed.
pub fn wilson(hits: u64, n: u64, z: f64) -> Interval {
    if n == 0 {
        return Interval { estimate: 0.0, low: 0.0, high: 1.0 };
    }
    let (hits, n) = (hits.min(n) as f64, n as f64);
    let (share, z2) = (hits / n, z * z);
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Interval { estimate: share, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// The interval of `b - a` from the Wilson intervals of both (R. G. Newcombe, Statistics in Medicine 17, 1998, method 10).
pub fn difference(a: Interval, b: Interval) -> Interval {
    let estimate = b.estimate - a.estimate;
    let low = estimate - (b.estimate - b.low).hypot(a.high - a.estimate);
    let high = estimate + (b.high - b.estimate).hypot(a.estimate - a.low);
    Interval { estimate, low, high }
}

/// How often an interval that is always valid may miss at all, over a whole test and not at each look: one test in twenty.
pub const ALPHA: f64 = 0.05;

/// The spread of differences that a mixture expects: a point, as changes of a shop have them.
const MIXTURE: f64 = 0.01;

/// The always-valid interval of `b - a`, each as hits of so many (R. Johari, L. Pekelis, D. Walsh, "Always Valid Inference", 2015: mixture
/// sequential probability ratio test with a normal mixture): looked at however often, it misses the truth with probability `alpha` at most.
pub fn always_valid(a: (u64, u64), b: (u64, u64), alpha: f64) -> Interval {
    if a.1 == 0 || b.1 == 0 {
        return Interval { estimate: 0.0, low: -1.0, high: 1.0 };
    }
    // Half a hit more, so that nothing seen yet is no certainty.
    let variance = |(hits, n): (u64, u64)| {
        let share = (hits as f64 + 0.5) / (n as f64 + 1.0);
        share * (1.0 - share) / n as f64
    };
    let share = |(hits, n): (u64, u64)| hits as f64 / n as f64;
    let (estimate, v, mixture) = (share(b) - share(a), variance(a) + variance(b), MIXTURE * MIXTURE);
    let half = (2.0 * v * (v + mixture) / mixture * (((v + mixture) / v).sqrt() / alpha).ln()).sqrt();
    Interval { estimate, low: (estimate - half).max(-1.0), high: (estimate + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Random;

    /// How many of so many tests were wrong at any look.
    fn misses(seed: u64, tests: u32, shares: (f64, f64), interval: fn((u64, u64), (u64, u64)) -> Interval) -> u32 {
        let mut random = Random::new(seed);
        let mut is_missed = || {
            let (mut a, mut b) = (0, 0);
            (1..=1_000_u64).any(|n| {
                a += u64::from(random.chance(shares.0));
                b += u64::from(random.chance(shares.1));
                n.is_multiple_of(20) && !interval((a, n), (b, n)).covers(shares.1 - shares.0)
            })
        };
        (0..tests).filter(|_| is_missed()).count() as u32
    }

    #[test]
    fn looking_often_does_not_mislead() {
        let valid = |a, b| always_valid(a, b, 0.05);
        let false_positives = misses(7, 1_000, (0.065, 0.065), valid);
        println!("seed 7: {false_positives} of 1000 tests of A against A found a difference, looked at 50 times each");
        assert!(false_positives <= 50, "{false_positives}");
        let missed = misses(8, 200, (0.06, 0.12), valid);
        let fixed = misses(7, 200, (0.065, 0.065), |a, b| difference(wilson(a.0, a.1, Z_95), wilson(b.0, b.1, Z_95)));
        assert!(fixed > 20, "an interval for one look misleads who looks often: {fixed} of 200");
        assert!(missed <= 10, "{missed} of 200 intervals left the true lift out");
        assert!(!always_valid((600, 10_000), (900, 10_000), 0.05).covers(0.0), "a clear difference is seen");
        assert!(always_valid((0, 0), (1, 1), 0.05).covers(0.9), "nothing known, nothing claimed");
    }

    #[test]
    fn figures_of_newcombes_paper() {
        // Newcombe 1998, table II: 56/70 against 48/80, method 10: 0.0524 to 0.3339.
        let interval = difference(wilson(48, 80, Z_95), wilson(56, 70, Z_95));
        assert!((interval.low - 0.0524).abs() < 5e-5 && (interval.high - 0.3339).abs() < 5e-5, "{interval:?}");
    }

    #[test]
    fn figures_of_wilsons_interval() {
        // Newcombe 1998 (single proportions), 81/263: 0.2553 to 0.3662; 0/20: 0 to 0.1611.
        let interval = wilson(81, 263, Z_95);
        assert!((interval.low - 0.2553).abs() < 5e-5 && (interval.high - 0.3662).abs() < 5e-5, "{interval:?}");
        let none = wilson(0, 20, Z_95);
        assert!(none.low.abs() < 1e-12 && (none.high - 0.1611).abs() < 5e-5, "{none:?}");
        assert!(wilson(0, 0, Z_95).covers(0.5));
    }
}
