//! All combinations of attributes that occur, with their sums.

use std::collections::HashMap;

use super::{Attribute, Leaf, Suspect, price, sort};

/// Combinations with their sums.
pub(super) struct Candidates {
    suspects: Vec<Suspect>,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    /// A leaf that has the combination.
    leaf: usize,
    total: f64,
    failures: f64,
    expected: f64,
    /// The variance of the failures.
    variance: f64,
}

impl Candidates {
    /// Every combination of at most so many attributes that some leaf has.
    pub(super) fn of(leaves: &[Leaf], attributes_max: usize) -> Self {
        let dimensions = leaves.first().map_or(0, |leaf| leaf.values.len()).min(DIMENSIONS_MAX);
        let mut suspects = Vec::new();
        let mut groups = HashMap::<u128, Sums>::new();
        // Each subset of the dimensions is one grouping of the leaves.
        for mask in 1_u32..1 << dimensions {
            if mask.count_ones() as usize > attributes_max {
                continue;
            }
            let chosen: Vec<_> = (0..dimensions).filter(|dimension| mask & (1 << dimension) != 0).collect();
            groups.clear();
            for (at, leaf) in leaves.iter().enumerate() {
                // Values side by side: at most four of 32 bits each.
                let key = chosen.iter().fold(0_u128, |key, dimension| (key << u32::BITS) | u128::from(leaf.values[*dimension]));
                let sums = groups.entry(key).or_insert(Sums { leaf: at, ..Sums::default() });
                sums.total += leaf.total;
                sums.failures += leaf.failures;
                sums.expected += leaf.expected;
                sums.variance += leaf.expected * leaf.wander;
            }
            let risen = groups.values().filter(|sums| sums.failures > sums.expected && sums.total > 0.0);
            suspects.extend(risen.map(|sums| suspect(&chosen, &leaves[sums.leaf].values, *sums)));
        }
        sort(&mut suspects);
        Self { suspects }
    }

    /// The best of them.
    pub(super) fn best(mut self, limit: usize) -> Vec<Suspect> {
        self.suspects.truncate(limit);
        self.suspects
    }
}

/// Dimensions beyond these are not looked at: each doubles the work.
pub(super) const DIMENSIONS_MAX: usize = 12;

fn suspect(dimensions: &[usize], values: &[u32], sums: Sums) -> Suspect {
    let attributes: Vec<_> = dimensions.iter().map(|&dimension| Attribute { dimension, value: values[dimension] }).collect();
    let wander = if sums.expected > 0.0 { sums.variance / sums.expected } else { 1.0 };
    let score = gain_of_sums(sums) / wander * price(attributes.len());
    Suspect { attributes, score, total: sums.total, failures: sums.failures, expected: sums.expected }
}

/// The scan statistic of one region: views times the Kullback-Leibler divergence of the observed rate from the expected one.
fn gain_of_sums(sums: Sums) -> f64 {
    let rate = (sums.failures / sums.total).clamp(1e-6, 1.0 - 1e-6);
    let expected = (sums.expected / sums.total).clamp(1e-6, 1.0 - 1e-6);
    sums.total * (rate * (rate / expected).ln() + (1.0 - rate) * ((1.0 - rate) / (1.0 - expected)).ln())
}
