//! Anomalies by context: what follows from what came before, learnt as rules, and how much of it comes true.
//!
//! A value is coarse-grained into few bits, each a fact. What was true a step before (its facts, and the rules that had just come true) and
//! what is true now make a rule; what a new one and those seen before have in common are more general ones. A step whose facts were all
//! foretold is usual. Any other is the stranger the fewer of the rules that applied come true, and the more of what it could teach is new.
//! The method is that of the contextual anomaly detector of NAB's 2016 competition (M. Smirnov, "CAD OSE"), with its figures; unlike there
//! the values' range is not given but learnt, and rules that are hardly ever used are forgotten, so that memory stays bounded.

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
const GROWTH: f64 = 0.1;
/// Facts of rules begin here; below are those of values.
const FIRST_RULE: u32 = 2 * BITS;

/// What was true, in ascending order.
type Facts = Vec<u32>;

/// If all facts of its left side held a step before, `right` (a set of bits) holds now.
#[derive(Clone, Debug)]
struct Rule {
    id: u32,
    right: u8,
    /// It was seen as it stands: general rules are made of such only.
    was_seen: bool,
    /// How often all of it came true.
    came_true: u32,
    /// The facts it foretold, and how many of them held.
    foretold: u32,
    held: u32,
}

impl Rule {
    /// How far it is to be trusted, 0 to 1.
    fn trust(&self) -> f64 {
        f64::from(self.held) / f64::from(self.foretold.max(1))
    }
}

/// What is known of a series. Only the range is written; rules follow from values, and are learnt anew from the newest where they are missing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Contextual {
    range: Option<(f64, f64)>,
    #[serde(skip)]
    rules: Rules,
    /// What was true at the newest step.
    #[serde(skip)]
    left: Facts,
    /// What the most trusted of the rules that apply to it foretell.
    #[serde(skip)]
    foretold: u8,
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
        (self.rules, self.left, self.foretold) = Default::default();
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
        let is_foretold = facts & !self.foretold == 0;
        let left = std::mem::take(&mut self.left);
        let is_new = !left.is_empty() && self.rules.see(&left, facts);
        let Applied { count, came_true, general } = self.rules.apply(&left, facts, is_new);
        // The rule itself is one of those that could be learnt.
        let possible = general.len() + 1;
        let taught = usize::from(is_new) + general.into_iter().filter_map(|(left, right)| self.rules.add(left, right)).count();
        let taught_share = if is_new { taught as f64 / possible as f64 } else { 0.0 };
        let true_share = came_true.len() as f64 / count.max(1) as f64;
        let newest = came_true.iter().rev().take(TRUE_MAX).map(|(_, id)| FIRST_RULE + id);
        self.left = (0..FIRST_RULE).filter(|fact| facts >> fact & 1 == 1).chain(newest).collect();
        self.left.sort_unstable();
        self.rules.forget();
        self.foretold = self.rules.foretell(&self.left);
        if is_foretold { 0.0 } else { (1.0 - true_share + taught_share) / 2.0 }
    }
}

/// All rules, by their left sides.
#[derive(Clone, Debug, Default)]
struct Rules {
    sides: Vec<Side>,
    side_of: BTreeMap<Facts, usize>,
    /// The left sides that have a fact.
    with: BTreeMap<u32, Vec<usize>>,
    count: usize,
    next_id: u32,
}

/// A left side, and the rules that have it: one for each right side.
#[derive(Clone, Debug, Default)]
struct Side {
    facts: Facts,
    rules: Vec<Rule>,
}

/// What a step did to the rules.
struct Applied {
    /// Rules whose whole left side held, but the one that the step itself made.
    count: usize,
    /// Those of them that came true, as (how often, id), the most used last.
    came_true: Vec<(u32, u32)>,
    /// What the step has in common with rules that were seen, known or not.
    general: BTreeSet<(Facts, u8)>,
}

impl Rules {
    /// Notes that a rule was seen as it stands; whether it is new.
    fn see(&mut self, left: &Facts, right: u8) -> bool {
        let is_new = self.add(left.clone(), right).is_some();
        let side = self.side_of.get(left).and_then(|side| self.sides.get_mut(*side));
        let rule = side.and_then(|side| side.rules.iter_mut().find(|rule| rule.right == right));
        rule.into_iter().for_each(|rule| rule.was_seen = true);
        is_new
    }

    /// Counts what the rules foretold by what came, and finds the general rules that a new one teaches.
    fn apply(&mut self, left: &Facts, facts: u8, is_new: bool) -> Applied {
        let mut applied = Applied { count: 0, came_true: Vec::new(), general: BTreeSet::new() };
        // The newest rule is the one that was just seen, and says nothing about itself.
        let own = if is_new { self.next_id.checked_sub(1) } else { None };
        for (side, common) in self.touched(left) {
            let Some(Side { facts: of, rules }) = self.sides.get_mut(side) else { continue };
            let applies = common == of.len();
            let may_teach = is_new && common <= LEFT_MAX;
            if !applies && !may_teach {
                continue;
            }
            let mut shared: Option<Facts> = None;
            for rule in rules.iter_mut().filter(|rule| Some(rule.id) != own) {
                let right = rule.right & facts;
                if applies {
                    applied.count += 1;
                    rule.foretold += rule.right.count_ones();
                    rule.held += right.count_ones();
                }
                if applies && right == rule.right {
                    rule.came_true += 1;
                    applied.came_true.push((rule.came_true, rule.id));
                } else if may_teach && rule.was_seen && right != 0 {
                    let shared = shared.get_or_insert_with(|| of.iter().copied().filter(|fact| left.binary_search(fact).is_ok()).collect());
                    applied.general.insert((shared.clone(), right));
                }
            }
        }
        applied.came_true.sort_unstable();
        applied
    }

    /// What the most trusted of the rules that apply foretell together.
    fn foretell(&self, left: &Facts) -> u8 {
        let (mut best, mut facts) = (0.0, 0);
        for (side, common) in self.touched(left) {
            let Some(side) = self.sides.get(side).filter(|side| side.facts.len() == common) else { continue };
            for rule in &side.rules {
                let trust = rule.trust();
                if trust > best {
                    (best, facts) = (trust, 0);
                }
                if trust >= best {
                    facts |= rule.right;
                }
            }
        }
        facts
    }

    /// The id of the new rule; `None` if it is known.
    fn add(&mut self, left: Facts, right: u8) -> Option<u32> {
        let id = self.next_id;
        self.put(left, Rule { id, right, was_seen: false, came_true: 0, foretold: 0, held: 0 }).then(|| {
            self.next_id += 1;
            id
        })
    }

    /// Whether it was not there yet.
    fn put(&mut self, left: Facts, rule: Rule) -> bool {
        let at = match self.side_of.get(&left) {
            Some(at) => *at,
            None => {
                let at = self.sides.len();
                left.iter().for_each(|fact| self.with.entry(*fact).or_default().push(at));
                self.side_of.insert(left.clone(), at);
                self.sides.push(Side { facts: left, rules: Vec::new() });
                at
            }
        };
        let Some(side) = self.sides.get_mut(at).filter(|side| side.rules.iter().all(|known| known.right != rule.right)) else {
            return false;
        };
        side.rules.push(rule);
        self.count += 1;
        true
    }

    /// The left sides that have facts in common with these, and how many.
    fn touched(&self, facts: &Facts) -> Vec<(usize, usize)> {
        let mut common = vec![0_u8; self.sides.len()];
        for side in facts.iter().filter_map(|fact| self.with.get(fact)).flatten() {
            common.get_mut(*side).into_iter().for_each(|common| *common += 1);
        }
        common.into_iter().enumerate().filter(|(_, common)| *common > 0).map(|(side, common)| (side, usize::from(common))).collect()
    }

    fn forget(&mut self) {
        if self.count <= RULES_MAX {
            return;
        }
        let mut used: Vec<(u32, u32)> = self.sides.iter().flat_map(|side| &side.rules).map(|rule| (rule.came_true, rule.id)).collect();
        let (_, least, _) = used.select_nth_unstable(RULES_MAX / 2);
        let least = *least;
        let all = std::mem::replace(self, Self { next_id: self.next_id, ..Self::default() });
        for Side { facts, rules } in all.sides {
            for rule in rules.into_iter().filter(|rule| (rule.came_true, rule.id) >= least) {
                self.put(facts.clone(), rule);
            }
        }
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
            assert!(contextual.rules.count <= RULES_MAX);
        }
        assert!(contextual.rules.count > 1_000, "{}", contextual.rules.count);
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
