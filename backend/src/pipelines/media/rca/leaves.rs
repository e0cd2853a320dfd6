//! The finest cells of the cube, and what their history lets expect.

use std::collections::BTreeMap;

/// One attribute: a dimension and one of its values, both by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// Which dimension.
    pub dimension: usize,
    /// Which value of it.
    pub value: u32,
}

/// A finest cell: one value in each dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// Its values, by dimension.
    pub values: Box<[u32]>,
    /// Views now.
    pub total: f64,
    /// Failures now.
    pub failures: f64,
    /// Failures that the history lets expect of so many views.
    pub expected: f64,
    /// By which factor failures vary more than chance alone makes them: what it says counts that much less.
    pub wander: f64,
}

/// Views that a leaf's own history must have before it outweighs what its attributes let expect.
const PRIOR_VIEWS: f64 = 20.0;
/// How far an attribute alone may move what is expected, as a factor.
const EFFECT_MAX: f64 = 8.0;

/// Counts of ordinary times by leaf. Rates of leaves with few views are drawn towards what their attributes let expect.
#[derive(Clone, Debug, Default)]
pub struct History {
    leaves: BTreeMap<Box<[u32]>, (f64, f64)>,
    by_attribute: BTreeMap<Attribute, (f64, f64)>,
    all: (f64, f64),
}

impl History {
    /// Takes counts of ordinary times in; negative ones take them out again.
    pub fn add(&mut self, values: &[u32], total: f64, failures: f64) {
        let add = |sums: &mut (f64, f64)| *sums = (sums.0 + total, sums.1 + failures);
        add(self.leaves.entry(values.into()).or_default());
        for (dimension, value) in values.iter().enumerate() {
            add(self.by_attribute.entry(Attribute { dimension, value: *value }).or_default());
        }
        add(&mut self.all);
    }

    /// Views in it.
    pub fn total(&self) -> f64 {
        self.all.0
    }

    /// The share of views that fail, over everything.
    pub fn rate(&self) -> f64 {
        // One failure in two views more: a rate of zero would make the first failure infinitely surprising.
        (self.all.1 + 0.5) / (self.all.0 + 1.0)
    }

    /// The rate at which views of a leaf fail.
    pub fn rate_of(&self, values: &[u32]) -> f64 {
        let overall = self.rate();
        let effect = |(dimension, value): (usize, &u32)| {
            let (total, failures) = self.by_attribute.get(&Attribute { dimension, value: *value }).copied().unwrap_or_default();
            ((failures + PRIOR_VIEWS * overall) / (total + PRIOR_VIEWS)) / overall
        };
        let effects = values.iter().enumerate().map(effect).product::<f64>().clamp(1.0 / EFFECT_MAX, EFFECT_MAX);
        let prior = (overall * effects).clamp(1e-6, 0.95);
        let (total, failures) = self.leaves.get(values).copied().unwrap_or_default();
        ((failures + PRIOR_VIEWS * prior) / (total + PRIOR_VIEWS)).clamp(1e-6, 0.99)
    }

    /// A leaf with its counts of now.
    pub fn leaf(&self, values: &[u32], total: f64, failures: f64) -> Leaf {
        Leaf { values: values.into(), total, failures, expected: total * self.rate_of(values), wander: 1.0 }
    }
}
