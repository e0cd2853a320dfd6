//! Root cause search: which combination of attributes (CDN, ISP, region, device …) explains a rise of failures best.
//!
//! The measure is the scan statistic (Kulldorff, "A spatial scan statistic", 1997) with cells of a cube for regions: how much more
//! likely the counts become when every view of the combination fails by some extra share, and nothing else changes. It falls for a
//! combination that is too wide (it takes in healthy leaves) as for one that is too narrow (it leaves sick ones out). Of explanations
//! that are almost as good the one with fewer attributes wins (Occam; the succinctness of Adtributor, NSDI 2014).

mod candidates;
mod drift;
mod forecasts;
mod leaves;

use candidates::Candidates;
use drift::drifted;
pub use forecasts::{Deviating, Measured, explanations};
pub use leaves::{Attribute, History, Leaf};

/// Attributes a cause may have.
pub const ATTRIBUTES_MAX: usize = 4;
/// Causes that are compared leaf by leaf, after a first look at sums alone.
const CLOSER_LOOK: usize = 60;
/// What each attribute beyond the first must add to the explanation, as a share of it.
const SUCCINCTNESS: f64 = 0.05;
/// Causes of one rise at most, what each must explain in nats and as a share of the first, and from which share on several are likelier
/// than one.
const TOGETHER_MAX: usize = 4;
const TOGETHER_GAIN: f64 = 20.0;
const TOGETHER_SHARE: f64 = 0.1;
const CLEARLY_TOGETHER: f64 = 0.15;
const SAME_CAUSE: f64 = 0.8;
/// Two combinations whose views agree to this share mean the same.
const SAME_VIEWS: f64 = 0.98;

/// A combination of attributes under suspicion.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// What it is, by dimension.
    pub attributes: Vec<Attribute>,
    /// How much it explains, in nats of likelihood, less the price of its attributes. Only to be compared.
    pub score: f64,
    /// Views in it.
    pub total: f64,
    /// Failures among them.
    pub failures: f64,
    /// Failures that the history lets expect.
    pub expected: f64,
}

impl Suspect {
    /// The share of its views that failed beyond what was expected.
    pub fn extra_share(&self) -> f64 {
        ((self.failures - self.expected) / (self.total - self.expected).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }

    /// Whether a leaf's views are in it.
    pub fn covers(&self, values: &[u32]) -> bool {
        self.attributes.iter().all(|at| values.get(at.dimension) == Some(&at.value))
    }

    /// The same combination with the sums of these leaves.
    pub fn sums(&self, leaves: &[Leaf]) -> Self {
        let mut sums = Self { total: 0.0, failures: 0.0, expected: 0.0, ..self.clone() };
        for leaf in leaves.iter().filter(|leaf| self.covers(&leaf.values)) {
            sums.total += leaf.total;
            sums.failures += leaf.failures;
            sums.expected += leaf.expected;
        }
        sums
    }

    /// How much it explains of these leaves, in nats.
    pub fn gain(&self, leaves: &[Leaf]) -> f64 {
        gain_of_leaves(leaves, &self.sums(leaves))
    }

    /// Whether this says less than the other and nothing that the other does not.
    fn is_wider_than(&self, other: &Self) -> bool {
        self.attributes.len() < other.attributes.len() && self.attributes.iter().all(|at| other.attributes.contains(at))
    }
}

/// The likeliest causes, best first: alternatives, each for the whole rise.
pub fn rank(leaves: &[Leaf], limit: usize) -> Vec<Suspect> {
    rank_drifted(&drifted(leaves), limit)
}

fn rank_drifted(leaves: &[Leaf], limit: usize) -> Vec<Suspect> {
    let mut suspects = Candidates::of(leaves, ATTRIBUTES_MAX).best(CLOSER_LOOK);
    for suspect in &mut suspects {
        suspect.score = gain_of_leaves(leaves, suspect) * price(suspect.attributes.len());
    }
    sort(&mut suspects);
    let mut ranked: Vec<Suspect> = Vec::with_capacity(limit);
    for suspect in suspects {
        if ranked.len() == limit {
            break;
        }
        // The same views under a longer name are no further alternative.
        let is_known = ranked.iter().any(|known| known.is_wider_than(&suspect) && suspect.total >= known.total * SAME_VIEWS);
        if suspect.score > 0.0 && !is_known {
            ranked.push(suspect);
        }
    }
    ranked
}

/// Causes that together explain a rise, strongest first: after each, what it explains is expected, and the search goes on while
/// the next explains at least `gain_min` nats and this share of the first.
pub fn explain(leaves: &[Leaf], causes_max: usize, gain_min: f64, share_min: f64) -> Vec<Suspect> {
    let (mut leaves, mut causes) = (drifted(leaves), Vec::<Suspect>::new());
    while causes.len() < causes_max {
        let Some(best) = rank_drifted(&leaves, 1).pop() else { break };
        let enough = causes.first().map_or(gain_min, |first| gain_min.max(first.score * share_min));
        if best.score < enough {
            break;
        }
        expect(&mut leaves, &best);
        causes.push(best);
    }
    causes
}

/// Explanations of a rise, best first: one cause each, or several where one is not enough.
pub fn sets(leaves: &[Leaf], limit: usize) -> Vec<Vec<Suspect>> {
    let mut sets: Vec<_> = rank(leaves, limit).into_iter().map(|suspect| vec![suspect]).collect();
    let together = explain(leaves, TOGETHER_MAX, TOGETHER_GAIN, TOGETHER_SHARE);
    if let [first, second, ..] = &together[..] {
        // Parts of one wider combination that says almost as much are that one.
        let is_of = |part: &Suspect, wide: &Suspect| wide.is_wider_than(part);
        let is_split =
            sets.iter().flatten().any(|wide| wide.score >= first.score * SAME_CAUSE && together.iter().all(|part| is_of(part, wide)));
        let is_clear = !is_split && second.score >= first.score * CLEARLY_TOGETHER;
        sets.insert(if is_clear { 0 } else { sets.len().min(2) }, together);
    }
    sets.truncate(limit);
    sets
}

/// The leaves with what these causes explain of them expected.
pub fn without(leaves: &[Leaf], causes: impl Iterator<Item = Suspect>) -> Vec<Leaf> {
    let mut rest = leaves.to_vec();
    for cause in causes {
        let cause = cause.sums(&rest);
        expect(&mut rest, &cause);
    }
    rest
}

fn expect(leaves: &mut [Leaf], cause: &Suspect) {
    let extra = cause.extra_share();
    for leaf in leaves.iter_mut().filter(|leaf| cause.covers(&leaf.values)) {
        leaf.expected += (leaf.total - leaf.expected) * extra;
    }
}

fn price(attributes: usize) -> f64 {
    (1.0 - SUCCINCTNESS * attributes.saturating_sub(1) as f64).max(0.0)
}

fn sort(suspects: &mut [Suspect]) {
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.attributes.cmp(&b.attributes)));
}

/// How much likelier the leaves' counts are when each view of the suspect fails by its extra share.
fn gain_of_leaves(leaves: &[Leaf], suspect: &Suspect) -> f64 {
    let extra = suspect.extra_share();
    let gain = |leaf: &Leaf| {
        let before = (leaf.expected / leaf.total).clamp(1e-6, 1.0 - 1e-6);
        let after = before + (1.0 - before) * extra;
        (likelihood(leaf, after.min(1.0 - 1e-6)) - likelihood(leaf, before)) / leaf.wander
    };
    leaves.iter().filter(|leaf| leaf.total > 0.0 && suspect.covers(&leaf.values)).map(gain).sum()
}

/// The log likelihood of a leaf's failures at a rate, but for what no rate changes.
fn likelihood(leaf: &Leaf, rate: f64) -> f64 {
    leaf.failures * rate.ln() + (leaf.total - leaf.failures).max(0.0) * (1.0 - rate).ln()
}

#[cfg(test)]
mod tests;
