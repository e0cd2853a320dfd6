//! Anomalies by context: what follows from what came before, learnt as rules, and how much of it comes true.
//!
//! A value is coarse-grained into few bits, each a fact. What was true a step before (its facts, and the contexts that had just come true)
//! and what is true now make a rule; what two such pairs have in common is a more general one. A step is strange when few of the rules that
//! applied come true, and when it teaches many new ones. The idea is that of the contextual anomaly detector of NAB's 2016 competition
//! (M. Smirnov, "CAD OSE"); unlike there the values' range is not known beforehand but learnt, and rules that are hardly ever used are
//! forgotten, so that memory stays bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// Bits of a value.
const BITS: u32 = 3;
/// The longest left side of a general rule.
const LEFT_MAX: usize = 7;
/// Rules that just came true and are remembered as facts of the next step.
const TRUE_MAX: usize = 15;
/// Rules that are kept; of more, the less used half is forgotten.
const RULES_MAX: usize = 4_000;
/// A range that proves too narrow grows by this share of it beyond what was seen.
const GROWTH: f64 = 0.05;
/// Facts of rules begin here; below are those of values.
const FIRST_RULE: u32 = 2 * BITS;

/// What was true, in ascending order.
type Facts = Vec<u32>;

/// If all of `left` held a step before, `right` (a set of bits) holds now.
#[derive(Clone, Debug)]
struct Rule {
    left: Facts,
    right: u8,
    came_true: u32,
    id: u32,
}

/// What is known of a series. Only the range is written; rules follow from values, and are learnt anew from the newest where they are missing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Contextual {
    range: Option<(f64, f64)>,
    #[serde(skip)]
    rules: Vec<Rule>,
    #[serde(skip)]
    next_id: u32,
    #[serde(skip)]
    left: Facts,
    #[serde(skip)]
    index: Index,
}

/// Finds rules; made anew where it is missing.
#[derive(Clone, Debug, Default)]
struct Index {
    /// The rules that have a left side, and the left sides that have a fact.
    sides: Vec<Facts>,
    rules_of: Vec<Vec<usize>>,
    side_of: BTreeMap<Facts, usize>,
    with: BTreeMap<u32, Vec<usize>>,
}

impl Contextual {
    /// Takes the next value in, with what is known of those before it, oldest first; how strange it is, 0 to 1.
    pub(super) fn observe(&mut self, value: f64, past: &VecDeque<f64>) -> f64 {
        let (low, high) = self.range.unwrap_or((value, value));
        if value < low || value > high || self.range.is_none() {
            let room = GROWTH * (high.max(value) - low.min(value));
            self.range = Some((if value < low { value - room } else { low }, if value > high { value + room } else { high }));
            self.learn_anew(past);
        } else if self.left.is_empty() {
            self.learn_anew(past);
        }
        self.step(self.facts(value))
    }

    fn learn_anew(&mut self, past: &VecDeque<f64>) {
        (self.rules, self.left, self.index) = Default::default();
        for value in past {
            self.step(self.facts(*value));
        }
    }

    /// Two facts a bit: that it is set, or that it is not.
    fn facts(&self, value: f64) -> u8 {
        let levels = f64::from(1_u32 << BITS);
        let (low, high) = self.range.unwrap_or((value, value));
        let level = if high > low { ((value - low) / (high - low) * levels).clamp(0.0, levels - 1.0) as u32 } else { 0 };
        (0..BITS).fold(0, |facts, bit| facts | 1 << (2 * bit + (level >> bit & 1)))
    }

    fn step(&mut self, facts: u8) -> f64 {
        let left = std::mem::take(&mut self.left);
        let is_new = !left.is_empty() && !self.index.knows(&self.rules, &left, facts);
        let mut held: Vec<(u32, u32)> = Vec::new();
        let (mut applied, mut general) = (0_usize, BTreeSet::new());
        for (side, common) in self.index.touched(&left) {
            let Some((of, rules)) = self.index.sides.get(side).zip(self.index.rules_of.get(side)) else { continue };
            let applies = common == of.len();
            let may_teach = is_new && common <= LEFT_MAX;
            if !applies && !may_teach {
                continue;
            }
            let mut shared: Option<Facts> = None;
            for at in rules {
                let Some(rule) = self.rules.get_mut(*at) else { continue };
                let right = rule.right & facts;
                applied += usize::from(applies);
                if applies && right == rule.right {
                    rule.came_true += 1;
                    held.push((rule.came_true, rule.id));
                } else if may_teach && right != 0 {
                    let shared = shared.get_or_insert_with(|| of.iter().copied().filter(|fact| left.binary_search(fact).is_ok()).collect());
                    general.insert((shared.clone(), right));
                }
            }
        }
        let (taught, possible) = if is_new { (self.learn(&general), general.len() + 1) } else { (0, 1) };
        if is_new {
            self.add(left, facts);
        }
        let came_true = held.len() as f64 / applied.max(1) as f64;
        held.sort_unstable();
        let newest = held.iter().rev().take(TRUE_MAX).map(|(_, id)| FIRST_RULE + id);
        self.left = (0..FIRST_RULE).filter(|fact| facts >> fact & 1 == 1).chain(newest).collect();
        self.left.sort_unstable();
        self.forget();
        (1.0 - came_true + taught as f64 / possible as f64) / 2.0
    }

    fn learn(&mut self, general: &BTreeSet<(Facts, u8)>) -> usize {
        let new: Vec<_> = general.iter().filter(|(left, right)| !self.index.knows(&self.rules, left, *right)).cloned().collect();
        let count = new.len();
        new.into_iter().for_each(|(left, right)| self.add(left, right));
        count
    }

    fn add(&mut self, left: Facts, right: u8) {
        self.index.add(self.rules.len(), &left);
        self.rules.push(Rule { left, right, came_true: 0, id: self.next_id });
        self.next_id += 1;
    }

    fn forget(&mut self) {
        if self.rules.len() <= RULES_MAX {
            return;
        }
        let mut used: Vec<(u32, u32)> = self.rules.iter().map(|rule| (rule.came_true, rule.id)).collect();
        let (_, least, _) = used.select_nth_unstable(RULES_MAX / 2);
        let least = *least;
        self.rules.retain(|rule| (rule.came_true, rule.id) >= least);
        self.reindex();
    }

    fn reindex(&mut self) {
        self.index = Index::default();
        for (at, rule) in self.rules.iter().enumerate() {
            self.index.add(at, &rule.left);
        }
    }
}

impl Index {
    fn add(&mut self, rule: usize, left: &Facts) {
        let side = match self.side_of.get(left) {
            Some(side) => *side,
            None => {
                let side = self.sides.len();
                self.sides.push(left.clone());
                self.rules_of.push(Vec::new());
                self.side_of.insert(left.clone(), side);
                left.iter().for_each(|fact| self.with.entry(*fact).or_default().push(side));
                side
            }
        };
        self.rules_of.get_mut(side).into_iter().for_each(|rules| rules.push(rule));
    }

    fn knows(&self, rules: &[Rule], left: &Facts, right: u8) -> bool {
        let known = self.side_of.get(left).and_then(|side| self.rules_of.get(*side));
        known.is_some_and(|known| known.iter().any(|rule| rules.get(*rule).is_some_and(|rule| rule.right == right)))
    }

    /// The left sides that have facts in common with these, and how many.
    fn touched(&self, facts: &Facts) -> Vec<(usize, usize)> {
        let mut common = vec![0_u8; self.sides.len()];
        for side in facts.iter().filter_map(|fact| self.with.get(fact)).flatten() {
            common.get_mut(*side).into_iter().for_each(|common| *common += 1);
        }
        common.into_iter().enumerate().filter(|(_, common)| *common > 0).map(|(side, common)| (side, usize::from(common))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let (mut contextual, mut past) = (Contextual::default(), VecDeque::new());
        let mut next = |value| {
            let score = contextual.observe(value, &past);
            past.push_back(value);
            score
        };
        values.into_iter().map(&mut next).collect()
    }

    #[test]
    fn what_follows_as_always_is_not_strange_and_what_never_did_is() {
        let wave = |at: usize| [0.0, 5.0, 9.0, 5.0][at % 4];
        // The same values in another order.
        let found = scores((0..400).map(|at| if at == 300 { 9.0 } else { wave(at) }));
        assert!(found[100..300].iter().all(|score| *score < 0.3), "{:?}", &found[100..300]);
        assert!(found[300] > 0.5, "{:?}", &found[298..304]);
    }

    #[test]
    fn rules_do_not_grow_without_end() {
        let mut random = crate::sim::Random::new(3);
        let (mut contextual, past) = (Contextual::default(), VecDeque::from([0.0, 1.0]));
        for _ in 0..600 {
            contextual.observe(random.unit(), &past);
            assert!(contextual.rules.len() <= RULES_MAX);
        }
        assert!(contextual.rules.len() > 1_000, "{}", contextual.rules.len());
    }

    #[test]
    fn values_are_facts_of_their_bits() {
        let contextual = Contextual { range: Some((0.0, 8.0)), ..Contextual::default() };
        // Bits 0 to 2, each as not set and set.
        for (value, facts) in [(0.0, 0b01_01_01), (1.0, 0b01_01_10), (5.5, 0b10_01_10), (8.0, 0b10_10_10), (99.0, 0b10_10_10)] {
            assert_eq!(contextual.facts(value), facts, "{value}");
        }
    }
}
