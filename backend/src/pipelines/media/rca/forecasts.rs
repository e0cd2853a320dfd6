//! Root causes of a measure that was forecast: orders, bytes, a success rate, by leaf as it is and as it should be.
//!
//! What a cause does to a leaf it does to all its leaves in proportion (the ripple effect, Sun et al., "HotSpot", IEEE Access 2018, for
//! quotients too as Li et al. show, "Squeeze", ISSRE 2019). So leaves of one cause deviate by the same share, give or take the error of
//! the forecast, and healthy ones do not deviate. Each combination of attributes is scored by how much likelier its leaves become when
//! they are said to deviate alike; the error's spread is learnt from the leaves themselves, by size, as small ones are forecast worse. A
//! heavy-tailed likelihood keeps single leaves from deciding. A healthy leaf within costs more than a sick one gains: of combinations
//! that share sick leaves the purest is wanted, the widest of these. What is explained is set aside, and the search goes on.

use std::collections::HashMap;

use super::{ATTRIBUTES_MAX, Attribute};

/// A leaf with what was forecast of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its values, by dimension.
    pub values: Box<[u32]>,
    /// As it is.
    pub actual: f64,
    /// As it should be.
    pub forecast: f64,
    /// How much stands behind it, in whatever unit: small leaves are forecast worse.
    pub weight: f64,
    /// What turns a quotient into something that can be added up: its divisor; else 1.
    pub scale: f64,
}

/// One of the causes of a deviation.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviating {
    /// What it is, by dimension.
    pub attributes: Vec<Attribute>,
    /// How much it explains, in nats. Only to be compared.
    pub score: f64,
    /// The sum of its leaves as they are.
    pub actual: f64,
    /// As they should be.
    pub forecast: f64,
    /// By how many deviations of its error the sum is off.
    pub deviations: f64,
}

/// Causes at once, at most.
const CAUSES_MAX: usize = 6;
/// Degrees of freedom of the error: Student's, so that no leaf says everything.
const FREEDOM: f64 = 4.0;
/// Beyond so many deviations of the error a leaf may be sick.
const SICK_FROM: f64 = 1.0;
/// Combinations of which fewer may be sick are not looked at.
const SICK_SHARE_MIN: f64 = 0.4;
/// Nats that naming one more attribute costs.
const ATTRIBUTE_NATS: f64 = 2.0;
/// A cause must explain so many nats, and this share of what the strongest explains.
const NATS_MIN: f64 = 6.0;
const FURTHER_SHARE: f64 = 0.01;
/// The sum of a cause's leaves must be off by so many deviations of its error.
const SUM_DEVIATIONS_MIN: f64 = 4.0;
/// Of the largest change among the causes each must be this share.
const CHANGE_SHARE_MIN: f64 = 0.03;
/// So many combinations are looked at in parts: a wide one may owe its score to one of them.
const NARROWED: usize = 6;
/// The error is never taken to be smaller.
const ERROR_MIN: f64 = 0.01;
/// The error is learnt from so many leaves of about the same size at least.
const ERROR_LEAVES: usize = 40;
const ERROR_BINS: usize = 10;
/// The error of whole numbers, in units.
const UNIT_ERROR: f64 = 0.6;

/// Explanations of a deviation, best first; each is a set of causes that explains it together.
pub fn explanations(leaves: &[Measured], limit: usize) -> Vec<Vec<Deviating>> {
    let mut search = Search::new(leaves);
    let mut causes: Vec<Deviating> = Vec::new();
    let mut second = None;
    while causes.len() < CAUSES_MAX {
        let mut ranked = search.ranked(if causes.is_empty() { limit.max(2) } else { 1 });
        let Some(best) = (!ranked.is_empty()).then(|| ranked.remove(0)) else { break };
        if best.score < NATS_MIN || causes.first().is_some_and(|first| best.score < first.score * FURTHER_SHARE) {
            break;
        }
        search.set_aside(&best);
        if causes.is_empty() {
            second = Some(ranked);
        }
        causes.push(best);
    }
    let largest = causes.iter().map(Deviating::change).fold(0.0, f64::max);
    causes.retain(|cause| cause.change() >= largest * CHANGE_SHARE_MIN);
    let mut sets = Vec::with_capacity(limit);
    for count in (1..=causes.len()).rev() {
        sets.push(causes[..count].to_vec());
    }
    // Another name for the strongest is likelier to be right than leaving ever more causes out.
    let others = second.into_iter().flatten().filter(|other| causes.iter().all(|cause| cause.attributes != other.attributes));
    let renamed = others.map(|other| std::iter::once(other).chain(causes.iter().skip(1).cloned()).collect());
    sets.splice(sets.len().min(1)..sets.len().min(1), renamed.take(1));
    sets.truncate(limit);
    sets
}

impl Deviating {
    fn change(&self) -> f64 {
        (self.actual - self.forecast).abs()
    }
}

struct Search<'a> {
    leaves: &'a [Measured],
    /// By which share each leaf deviates, and the spread of its error.
    shares: Vec<f64>,
    spread: Vec<f64>,
    is_explained: Vec<bool>,
}

/// A combination with its leaves.
struct Found {
    attributes: Vec<Attribute>,
    leaves: Vec<usize>,
    /// What naming it costs.
    price: f64,
    gain: f64,
}

impl Found {
    fn score(&self) -> f64 {
        self.gain - self.price
    }
}

impl<'a> Search<'a> {
    fn new(leaves: &'a [Measured]) -> Self {
        let shares: Vec<_> = leaves.iter().map(Measured::share).collect();
        let is_explained = vec![false; leaves.len()];
        let spread = spread(leaves, &shares, &is_explained);
        Self { leaves, shares, spread, is_explained }
    }

    /// The combinations that explain most of what is not explained yet.
    fn ranked(&self, limit: usize) -> Vec<Deviating> {
        let open: Vec<_> = (0..self.leaves.len()).filter(|at| !self.is_explained[*at]).collect();
        let dimensions = self.dimensions();
        let mut found = Vec::new();
        for mask in 1_u32..1 << dimensions {
            if mask.count_ones() as usize <= ATTRIBUTES_MAX {
                let chosen: Vec<_> = (0..dimensions).filter(|dimension| mask & (1 << dimension) != 0).collect();
                found.extend(self.of_cuboid(&chosen, &open, SICK_SHARE_MIN).into_iter().filter(|found| found.score() > 0.0));
            }
        }
        found.sort_by(|a, b| b.score().total_cmp(&a.score()).then_with(|| a.attributes.cmp(&b.attributes)));
        let mut ranked = Vec::<Deviating>::new();
        for wide in found {
            if ranked.len() == limit.max(NARROWED) {
                break;
            }
            let cause = self.deviating(self.narrowed(wide));
            if cause.deviations >= SUM_DEVIATIONS_MIN && !ranked.iter().any(|known| known.attributes == cause.attributes) {
                ranked.push(cause);
            }
        }
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.attributes.cmp(&b.attributes)));
        ranked.truncate(limit);
        ranked
    }

    fn dimensions(&self) -> usize {
        self.leaves.first().map_or(0, |leaf| leaf.values.len()).min(super::candidates::DIMENSIONS_MAX)
    }

    /// Combinations of these dimensions of which enough leaves may be sick.
    fn of_cuboid(&self, chosen: &[usize], open: &[usize], sick_share_min: f64) -> Vec<Found> {
        let key = |leaf: &Measured| chosen.iter().fold(0_u128, |key, at| (key << u32::BITS) | u128::from(leaf.values[*at]));
        let mut groups = HashMap::<u128, (usize, usize, Vec<usize>)>::new();
        for &at in open {
            let group = groups.entry(key(&self.leaves[at])).or_default();
            group.0 += 1;
            group.1 += usize::from(self.shares[at].abs() > SICK_FROM * self.spread[at]);
        }
        let price = (groups.len() as f64).ln() + ATTRIBUTE_NATS * chosen.len() as f64;
        groups.retain(|_, (count, sick, _)| *sick as f64 >= *count as f64 * sick_share_min);
        for &at in open {
            if let Some(group) = groups.get_mut(&key(&self.leaves[at])) {
                group.2.push(at);
            }
        }
        let found = |(_, _, leaves): (usize, usize, Vec<usize>)| {
            let first = &self.leaves[leaves[0]];
            let attributes = chosen.iter().map(|&dimension| Attribute { dimension, value: first.values[dimension] }).collect();
            let gain = self.gain(&leaves);
            Found { attributes, leaves, price, gain }
        };
        groups.into_values().map(found).collect()
    }

    /// A combination, or the best part of it when its parts say more: when some are healthy, and what that saves is worth the names of
    /// the others.
    fn narrowed(&self, wide: Found) -> Found {
        if wide.attributes.len() >= ATTRIBUTES_MAX {
            return wide;
        }
        let mut best: Option<(f64, Found)> = None;
        for dimension in (0..self.dimensions()).filter(|at| wide.attributes.iter().all(|known| known.dimension != *at)) {
            let mut chosen: Vec<_> = wide.attributes.iter().map(|at| at.dimension).chain([dimension]).collect();
            chosen.sort_unstable();
            let parts = self.of_cuboid(&chosen, &wide.leaves, 0.0);
            let price = wide.price + (parts.len() as f64).ln() + ATTRIBUTE_NATS;
            let Some(strongest) = parts.iter().max_by(|a, b| a.gain.total_cmp(&b.gain)) else { continue };
            // All that are sick of the same deviate like the strongest of them.
            let alike = self.sums(&strongest.leaves).share();
            let gains: Vec<_> = parts.iter().map(|part| self.gain_alike(&part.leaves, alike)).collect();
            let (whole, total) = (gains.iter().sum::<f64>(), gains.iter().map(|gain| (gain - price).max(0.0)).sum::<f64>());
            let saved = total - (whole.max(wide.gain) - wide.price);
            if saved > 0.0 && best.as_ref().is_none_or(|(known, _)| saved > *known) {
                let part =
                    Found { price, gain: strongest.gain, attributes: strongest.attributes.clone(), leaves: strongest.leaves.clone() };
                best = Some((saved, part));
            }
        }
        match best {
            Some((_, part)) if part.leaves.len() < wide.leaves.len() => self.narrowed(part),
            _ => wide,
        }
    }

    /// How much likelier these leaves are when they deviate alike.
    fn gain(&self, leaves: &[usize]) -> f64 {
        self.gain_alike(leaves, self.sums(leaves).share())
    }

    fn gain_alike(&self, leaves: &[usize], alike: f64) -> f64 {
        let gain = |at: &usize| {
            let (share, spread) = (self.shares[*at], self.spread[*at]);
            likelihood((share - alike) / spread) - likelihood(share / spread)
        };
        leaves.iter().map(gain).sum()
    }

    /// All of them as one leaf.
    fn sums(&self, leaves: &[usize]) -> Measured {
        let of = |part: fn(&Measured) -> f64| leaves.iter().map(|at| part(&self.leaves[*at])).sum::<f64>();
        Measured {
            values: Box::new([]),
            actual: of(|leaf| leaf.actual * leaf.scale),
            forecast: of(|leaf| leaf.forecast * leaf.scale),
            weight: of(|leaf| leaf.weight),
            scale: 1.0,
        }
    }

    fn deviating(&self, found: Found) -> Deviating {
        let sums = self.sums(&found.leaves);
        let error = |at: &usize| (self.leaves[*at].forecast * self.leaves[*at].scale * self.spread[*at]).powi(2);
        let error = found.leaves.iter().map(error).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let deviations = (sums.actual - sums.forecast).abs() / error;
        Deviating { score: found.score(), attributes: found.attributes, actual: sums.actual, forecast: sums.forecast, deviations }
    }

    fn set_aside(&mut self, cause: &Deviating) {
        for (leaf, is_explained) in self.leaves.iter().zip(&mut self.is_explained) {
            *is_explained |= cause.attributes.iter().all(|at| leaf.values.get(at.dimension) == Some(&at.value));
        }
        // With fewer sick leaves among them, the others say better how far off forecasts are.
        self.spread = spread(self.leaves, &self.shares, &self.is_explained);
    }
}

impl Measured {
    /// A leaf of one part (a measure as it is and as forecast) or of two (dividend and divisor of a quotient); `None` when nothing is there
    /// to be compared.
    pub fn of(values: Box<[u32]>, parts: &[(f64, f64)]) -> Option<Self> {
        match *parts {
            [(actual, forecast)] if actual > 0.0 || forecast > 0.0 => {
                Some(Self { values, actual, forecast, weight: forecast.max(actual), scale: 1.0 })
            }
            [(a, a_forecast), (b, b_forecast)] if b > 0.0 && b_forecast > 0.0 => {
                Some(Self { values, actual: a / b, forecast: a_forecast / b_forecast, weight: b.min(b_forecast), scale: b })
            }
            _ => None,
        }
    }

    /// By which share it fell: 2 when nothing is left, -2 when nothing was forecast (the deviation score of Squeeze).
    fn share(&self) -> f64 {
        let sum = self.forecast + self.actual;
        if sum > 0.0 { 2.0 * (self.forecast - self.actual) / sum } else { 0.0 }
    }
}

/// The log likelihood of an error, but for what no error changes.
fn likelihood(scaled: f64) -> f64 {
    -(FREEDOM + 1.0) / 2.0 * (1.0 + scaled * scaled / FREEDOM).ln()
}

/// The spread of the error of each leaf, from the leaves of about its size: by the median, which some sick leaves do not move far.
fn spread(leaves: &[Measured], shares: &[f64], is_explained: &[bool]) -> Vec<f64> {
    let mut by_weight: Vec<_> = (0..leaves.len()).filter(|at| !is_explained[*at]).collect();
    by_weight.sort_by(|a, b| leaves[*a].weight.total_cmp(&leaves[*b].weight).then(a.cmp(b)));
    let mut spread = vec![ERROR_MIN; leaves.len()];
    let is_whole = |leaf: &Measured| (leaf.actual * leaf.scale).fract() < 1e-6 && leaf.weight.fract() == 0.0;
    let unit = if leaves.iter().all(is_whole) { UNIT_ERROR } else { 0.0 };
    for bin in by_weight.chunks((by_weight.len() / ERROR_BINS).max(ERROR_LEAVES)) {
        let mut sizes: Vec<_> = bin.iter().map(|at| shares[*at].abs()).collect();
        sizes.sort_by(f64::total_cmp);
        // The median of a normal error's size is 0.6745 deviations.
        let deviation = (sizes[sizes.len() / 2] / 0.6745).max(ERROR_MIN);
        for at in bin {
            // Where small leaves are whole numbers most do not deviate at all, and those that do, do so by a unit at least.
            spread[*at] = deviation.hypot(unit / leaves[*at].weight.max(1.0));
        }
    }
    spread
}
