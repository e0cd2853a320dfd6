//! Gradient boosting with histograms: trees fitted one after the other to the gradient of the logistic loss (Friedman 2001), with the
//! second-order gain and shrinkage of XGBoost (Chen and Guestrin 2016), over features cut into few bins (as in LightGBM).

use super::{ModelRecord, Node, Tree, sigmoid};
use crate::{
    pipelines::fraud::{
        features::{FEATURES, Feature, Features},
        records::Example,
    },
    sim::Random,
};

/// Bins a feature is cut into.
const BINS: usize = 160;

/// How trees are grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoostParams {
    /// How many.
    pub trees: usize,
    /// How deep.
    pub depth: usize,
    /// How much of each counts.
    pub learning_rate: f64,
    /// How much small leaves are drawn to 0.
    pub lambda: f64,
    /// The least weight of a leaf.
    pub leaf_hessian_min: f64,
    /// The share of examples each tree sees.
    pub row_share: f64,
    /// The share of features each tree sees.
    pub feature_share: f64,
    /// What each honest example stands for.
    pub honest_weight: f64,
}

impl Default for BoostParams {
    fn default() -> Self {
        Self {
            trees: 150,
            depth: 4,
            learning_rate: 0.07,
            lambda: 10.0,
            leaf_hessian_min: 2.0,
            row_share: 0.6,
            feature_share: 0.5,
            honest_weight: 1.0,
        }
    }
}

/// Trains a model. Equal examples in equal order give equal models.
pub fn train(examples: &[&Example], params: &BoostParams, version: u64) -> ModelRecord {
    let mut random = Random::new(version);
    let binned = Binned::new(examples);
    let mut fit = Fit::new(examples, params);
    let trees = (0..params.trees).map(|_| fit.grow(&binned, params, &mut random)).collect();
    ModelRecord {
        version,
        trained_at: examples.iter().map(|example| example.ts).max().unwrap_or(0),
        examples: examples.len() as u64,
        frauds: examples.iter().filter(|example| example.is_fraud).count() as u64,
        features: Feature::ALL.iter().map(|feature| feature.name().to_owned()).collect(),
        base: fit.base as f32,
        trees,
    }
}

/// The examples, each feature as the number of its bin.
struct Binned {
    /// By feature, the upper ends of all bins but the last.
    cuts: Vec<Vec<f32>>,
    /// By feature, then example.
    bins: Vec<Vec<u8>>,
}

impl Binned {
    fn new(examples: &[&Example]) -> Self {
        let cuts: Vec<_> = (0..FEATURES).map(|feature| cuts(examples, feature)).collect();
        let bin = |feature: usize, of: &Features| cuts[feature].partition_point(|cut| *cut < of.0[feature]) as u8;
        let bins = (0..FEATURES).map(|feature| examples.iter().map(|example| bin(feature, &example.features)).collect()).collect();
        Self { cuts, bins }
    }
}

/// Quantiles of a feature. Half of them are of the frauds', which are few: where they lie matters most. A cut at a fraud's value is just
/// below it, so that the fraud stands on the upper side.
fn cuts(examples: &[&Example], feature: usize) -> Vec<f32> {
    let mut cuts = Vec::with_capacity(BINS);
    for of_frauds in [false, true] {
        let wanted = examples.iter().filter(|example| example.is_fraud == of_frauds);
        let mut values: Vec<_> = wanted.map(|example| example.features.0[feature]).collect();
        values.sort_by(f32::total_cmp);
        let count = BINS / 2 - 1;
        let quantiles = (0..count).filter_map(|at| values.get(at * values.len() / count));
        cuts.extend(quantiles.map(|value| if of_frauds { value.next_down() } else { *value }));
    }
    cuts.sort_by(f32::total_cmp);
    cuts.dedup();
    cuts
}

/// The state of the fit.
struct Fit {
    base: f64,
    log_odds: Vec<f64>,
    targets: Vec<f64>,
    weights: Vec<f64>,
    /// First and second derivative of the loss by example.
    gradients: Vec<(f64, f64)>,
}

/// A node that may still be split: where it stands, and its examples.
struct Open {
    at: usize,
    depth: usize,
    rows: Vec<u32>,
    sum: (f64, f64),
}

/// The best split of a node.
struct Split {
    feature: usize,
    bin: usize,
    gain: f64,
}

impl Fit {
    fn new(examples: &[&Example], params: &BoostParams) -> Self {
        let targets: Vec<_> = examples.iter().map(|example| f64::from(u8::from(example.is_fraud))).collect();
        let weights: Vec<_> = targets.iter().map(|target| if *target > 0.5 { 1.0 } else { params.honest_weight }).collect();
        let frauds: f64 = targets.iter().sum::<f64>().max(0.5);
        let honest = (weights.iter().sum::<f64>() - frauds).max(0.5);
        let base = (frauds / honest).ln();
        Self { base, log_odds: vec![base; examples.len()], targets, weights, gradients: vec![(0.0, 0.0); examples.len()] }
    }

    fn grow(&mut self, binned: &Binned, params: &BoostParams, random: &mut Random) -> Tree {
        for (at, gradient) in self.gradients.iter_mut().enumerate() {
            let (p, weight) = (sigmoid(self.log_odds[at]), self.weights[at]);
            *gradient = (weight * (p - self.targets[at]), weight * (p * (1.0 - p)).max(1e-6));
        }
        let rows: Vec<_> = (0..self.targets.len() as u32).filter(|_| random.chance(params.row_share)).collect();
        let features: Vec<_> = (0..FEATURES).filter(|_| random.chance(params.feature_share)).collect();
        let sum = self.sum(&rows);
        let mut tree = Tree(vec![Node(0, 0.0, 0, value(sum, params))]);
        let mut open = vec![Open { at: 0, depth: 0, rows, sum }];
        while let Some(node) = open.pop() {
            let Some(split) = self.best_split(&node, binned, &features, params) else { continue };
            let bins = &binned.bins[split.feature];
            let (left, right): (Vec<u32>, Vec<u32>) = node.rows.iter().partition(|row| usize::from(bins[**row as usize]) <= split.bin);
            let below = tree.0.len();
            let threshold = binned.cuts[split.feature][split.bin];
            tree.0[node.at] = Node(split.feature as u8, threshold, below as u16, tree.0[node.at].3);
            for (rows, at) in [(left, below), (right, below + 1)] {
                let sum = self.sum(&rows);
                tree.0.push(Node(0, 0.0, 0, value(sum, params)));
                if node.depth + 1 < params.depth {
                    open.push(Open { at, depth: node.depth + 1, rows, sum });
                }
            }
        }
        self.add(&tree, binned);
        tree
    }

    fn sum(&self, rows: &[u32]) -> (f64, f64) {
        rows.iter().map(|row| self.gradients[*row as usize]).fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    }

    fn best_split(&self, node: &Open, binned: &Binned, features: &[usize], params: &BoostParams) -> Option<Split> {
        let score = |(gradient, hessian): (f64, f64)| gradient * gradient / (hessian + params.lambda);
        let mut best: Option<Split> = None;
        for feature in features.iter().copied() {
            let mut histogram = [(0.0, 0.0); BINS];
            let bins = &binned.bins[feature];
            for row in &node.rows {
                let (gradient, sum) = (self.gradients[*row as usize], &mut histogram[usize::from(bins[*row as usize])]);
                *sum = (sum.0 + gradient.0, sum.1 + gradient.1);
            }
            let mut left = (0.0, 0.0);
            for (bin, of) in histogram.iter().enumerate().take(binned.cuts[feature].len()) {
                left = (left.0 + of.0, left.1 + of.1);
                let right = (node.sum.0 - left.0, node.sum.1 - left.1);
                if left.1 < params.leaf_hessian_min || right.1 < params.leaf_hessian_min {
                    continue;
                }
                let gain = score(left) + score(right) - score(node.sum);
                if gain > best.as_ref().map_or(1e-6, |best| best.gain) {
                    best = Some(Split { feature, bin, gain });
                }
            }
        }
        best
    }

    /// Adds a tree's values to all examples, those it did not see too.
    fn add(&mut self, tree: &Tree, binned: &Binned) {
        // Thresholds are cuts, so comparing bins and comparing values lead the same way.
        let bin_of = |node: &Node| binned.cuts[usize::from(node.0)].partition_point(|cut| *cut < node.1);
        let bins: Vec<_> = tree.0.iter().map(bin_of).collect();
        for (row, log_odds) in self.log_odds.iter_mut().enumerate() {
            let mut at = 0;
            while tree.0[at].2 > 0 {
                let Node(feature, _, below, _) = tree.0[at];
                let is_below = usize::from(binned.bins[usize::from(feature)][row]) <= bins[at];
                at = usize::from(below) + usize::from(!is_below);
            }
            *log_odds += f64::from(tree.0[at].3);
        }
    }
}

fn value((gradient, hessian): (f64, f64), params: &BoostParams) -> f32 {
    (-params.learning_rate * gradient / (hessian + params.lambda)) as f32
}
