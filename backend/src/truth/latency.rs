//! How long decisions took, as their records tell it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Two digits are enough to tell 9 from 10 milliseconds.
const DIGITS: u8 = 2;
/// What takes longer counts as this: a minute.
const LONGEST_US: u64 = 60_000_000;

/// A distribution of times.
#[derive(Clone, Debug)]
pub struct DecisionLatency(Option<Histogram<u64>>);

impl Default for DecisionLatency {
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST_US, DIGITS).ok())
    }
}

impl DecisionLatency {
    /// One decision.
    pub fn record(&mut self, latency_us: i64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(latency_us).unwrap_or(0));
        }
    }

    /// So many of a hundred took at most this many milliseconds; `None` before the first.
    pub fn percentile_ms(&self, percent: f64) -> Option<f64> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        Some(histogram.value_at_percentile(percent) as f64 / 1e3)
    }

    /// `<what>_p50_ms` and `<what>_p99_ms`.
    pub fn scores(&self, what: &str) -> BTreeMap<String, f64> {
        let score = |percent: f64| Some((format!("{what}_p{percent}_ms"), self.percentile_ms(percent)?));
        [50.0, 99.0].into_iter().filter_map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_told_in_milliseconds() {
        let mut latency = DecisionLatency::default();
        assert_eq!((latency.percentile_ms(99.0), latency.scores("x").len()), (None, 0));
        (1..=100).for_each(|ms| latency.record(ms * 1_000));
        let scores = latency.scores("decision");
        assert!((scores["decision_p50_ms"] - 50.0).abs() < 0.5 && (scores["decision_p99_ms"] - 99.0).abs() < 1.0, "{scores:?}");
    }
}
