//! How well scores rank frauds before honest payments: average precision, and card precision as the Fraud Detection Handbook defines it
//! (Le Borgne et al. 2022, chapter "Performance metrics").

use std::collections::{BTreeMap, BTreeSet};

/// A payment with its score and its truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The card, as any number.
    pub card: u32,
    /// The day, as any number.
    pub day: i64,
    /// The score: more is more suspicious.
    pub score: f64,
    /// Whether it was a fraud.
    pub is_fraud: bool,
}

/// The area under precision over recall, as a sum over the thresholds: Σ (Rₙ - Rₙ₋₁) Pₙ. Equal scores share a threshold. `None` without
/// frauds.
pub fn average_precision(scored: &[Scored]) -> Option<f64> {
    let frauds = scored.iter().filter(|it| it.is_fraud).count();
    let mut sorted: Vec<_> = scored.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut seen, mut hits, mut sum) = (0, 0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.score == b.score) {
        let found = tied.iter().filter(|it| it.is_fraud).count();
        (seen, hits) = (seen + tied.len(), hits + found);
        sum += found as f64 * hits as f64 / seen as f64;
    }
    (frauds > 0).then(|| sum / frauds as f64)
}

/// The area under the receiver operating characteristic: how likely a fraud is scored above an honest payment, equal scores counting half
/// (Mann and Whitney 1947). `None` where one of both is missing.
pub fn roc_auc(scored: &[Scored]) -> Option<f64> {
    let mut sorted: Vec<_> = scored.iter().collect();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let (mut below, mut frauds, mut sum) = (0, 0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.score == b.score) {
        let found = tied.iter().filter(|it| it.is_fraud).count();
        let honest = tied.len() - found;
        sum += found as f64 * (below as f64 + honest as f64 / 2.0);
        (below, frauds) = (below + honest, frauds + found);
    }
    (below > 0 && frauds > 0).then(|| sum / below as f64 / frauds as f64)
}

/// The mean over the days of [`card_precisions`]. `None` without days.
pub fn card_precision(scored: &[Scored], k: usize) -> Option<f64> {
    let precisions = card_precisions(scored, k);
    (!precisions.is_empty()).then(|| precisions.iter().sum::<f64>() / precisions.len() as f64)
}

/// By day, the share of compromised cards among the `k` most suspicious ones. A card counts once a day, by its highest score; one that was
/// found is out for the days that follow.
pub fn card_precisions(scored: &[Scored], k: usize) -> Vec<f64> {
    let mut days = BTreeMap::<i64, BTreeMap<u32, (f64, bool)>>::new();
    for it in scored {
        let (score, is_fraud) = days.entry(it.day).or_default().entry(it.card).or_insert((f64::NEG_INFINITY, false));
        *score = score.max(it.score);
        *is_fraud |= it.is_fraud;
    }
    let mut found = BTreeSet::<u32>::new();
    let precision = |cards: &BTreeMap<u32, (f64, bool)>| {
        let mut ranked: Vec<_> = cards.iter().filter(|(card, _)| !found.contains(*card)).collect();
        ranked.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        let hits: Vec<_> = ranked.iter().take(k).filter(|(_, (_, is_fraud))| *is_fraud).map(|(card, _)| **card).collect();
        found.extend(&hits);
        hits.len() as f64 / k as f64
    };
    days.values().map(precision).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(rows: &[(u32, i64, f64, bool)]) -> Vec<Scored> {
        rows.iter().map(|(card, day, score, is_fraud)| Scored { card: *card, day: *day, score: *score, is_fraud: *is_fraud }).collect()
    }

    #[test]
    fn average_precision_of_small_rankings() {
        // The example of scikit-learn's average_precision_score: truth 0 0 1 1, scores .1 .4 .35 .8 give 0.8333.
        let rows = scored(&[(1, 0, 0.1, false), (2, 0, 0.4, false), (3, 0, 0.35, true), (4, 0, 0.8, true)]);
        assert!((average_precision(&rows).unwrap() - 5.0 / 6.0).abs() < 1e-12);
        // All tied: the share of frauds.
        let rows = scored(&[(1, 0, 0.5, false), (2, 0, 0.5, true), (3, 0, 0.5, false), (4, 0, 0.5, false)]);
        assert!((average_precision(&rows).unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(average_precision(&[]), None);
    }

    #[test]
    fn the_area_under_the_curve_counts_pairs() {
        // The example of scikit-learn's roc_auc_score: 3 of 4 pairs.
        let rows = scored(&[(1, 0, 0.1, false), (2, 0, 0.4, false), (3, 0, 0.35, true), (4, 0, 0.8, true)]);
        assert_eq!(roc_auc(&rows), Some(0.75));
        let rows = scored(&[(1, 0, 0.5, false), (2, 0, 0.5, true), (3, 0, 0.9, false)]);
        assert_eq!(roc_auc(&rows), Some(0.25));
        assert_eq!(roc_auc(&rows[1..2]), None);
    }

    #[test]
    fn a_card_that_was_found_is_out_from_the_next_day_on() {
        let rows = scored(&[
            (1, 0, 0.9, true),
            (1, 0, 0.1, false),
            (2, 0, 0.8, false),
            (3, 0, 0.2, true),
            // On the second day card 1 is out, so that 3 and 2 are the two most suspicious.
            (1, 1, 0.9, true),
            (3, 1, 0.7, true),
            (2, 1, 0.6, false),
        ]);
        assert_eq!(card_precision(&rows, 2), Some(0.5));
        assert_eq!(card_precision(&rows, 1), Some(1.0));
        assert_eq!(card_precision(&[], 1), None);
    }
}
