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

#[cfg(test)]
mod tests {
    use super::*;

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
