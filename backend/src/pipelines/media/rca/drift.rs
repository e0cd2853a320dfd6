//! What no combination is to blame for: what moves everywhere at once (the hour of the day, a match that everybody watches), and how far
//! rates wander by themselves, which with views by the thousand is much more than chance makes them.

use std::collections::BTreeMap;

use super::{Attribute, Leaf};

/// Failures that must be expected of an attribute before its ratio says anything.
const EXPECTED_MIN: f64 = 15.0;
/// An incident lifts the attributes it is about, and in part those that occur together with it; so look at the low end.
const QUANTILE: f64 = 0.25;
/// What happens everywhere at once by more than this is an incident itself.
const DRIFT_MAX: f64 = 2.0;

/// By which factor failures are off what was expected where nothing special happened.
pub(super) fn drift(leaves: &[Leaf]) -> f64 {
    let mut by_attribute = BTreeMap::<Attribute, (f64, f64)>::new();
    for leaf in leaves {
        for (dimension, value) in leaf.values.iter().enumerate() {
            let sums = by_attribute.entry(Attribute { dimension, value: *value }).or_default();
            *sums = (sums.0 + leaf.failures, sums.1 + leaf.expected);
        }
    }
    let telling = by_attribute.into_values().filter(|(_, expected)| *expected >= EXPECTED_MIN);
    let mut ratios: Vec<_> = telling.map(|(failures, expected)| failures / expected).collect();
    ratios.sort_by(f64::total_cmp);
    let at = (ratios.len() as f64 * QUANTILE) as usize;
    ratios.get(at).copied().unwrap_or(1.0).clamp(1.0 / DRIFT_MAX, DRIFT_MAX)
}

/// The leaves with what is expected of them at this drift, and how much what they say counts.
pub(super) fn drifted(leaves: &[Leaf]) -> Vec<Leaf> {
    let drift = drift(leaves);
    let expected = |leaf: &Leaf| (leaf.expected * drift).min(leaf.total * 0.99);
    let leaves: Vec<_> = leaves.iter().map(|leaf| Leaf { expected: expected(leaf), ..leaf.clone() }).collect();
    let wander = wander(&leaves);
    leaves.into_iter().map(|leaf| Leaf { wander: 1.0 + leaf.expected * wander, ..leaf }).collect()
}

/// Failures that must be expected of a leaf before its distance from them says how far rates wander, and such leaves.
const TELLING_EXPECTED: f64 = 8.0;
const TELLING_MIN: usize = 8;
/// The median of the square of a normal number.
const MEDIAN_SQUARE: f64 = 0.455;
/// Rates wander by half of themselves at most.
const WANDER_MAX: f64 = 0.25;

/// The variance of rates beyond that of chance, as a share of their square: by the median, which sick leaves do not move far.
fn wander(leaves: &[Leaf]) -> f64 {
    let telling = leaves.iter().filter(|leaf| leaf.expected >= TELLING_EXPECTED);
    let excess = |leaf: &Leaf| {
        let by_chance = leaf.expected * (1.0 - leaf.expected / leaf.total);
        let square = (leaf.failures - leaf.expected).powi(2);
        (square / MEDIAN_SQUARE - by_chance) / leaf.expected.powi(2)
    };
    let mut excess: Vec<_> = telling.map(excess).collect();
    if excess.len() < TELLING_MIN {
        return 0.0;
    }
    excess.sort_by(f64::total_cmp);
    excess[excess.len() / 2].clamp(0.0, WANDER_MAX)
}
