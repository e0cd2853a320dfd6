//! Made-up incidents as counts by minute and attributes, with their cause: what the root cause search is measured on.
//!
//! They are made to be as unpleasant as real ones: attributes depend on each other, most leaves have next to no views, rates differ
//! by leaf and wander by minute, and an incident hits the leaves of its combination unequally.

use std::collections::BTreeMap;

use crate::sim::{Random, Zipf};

/// How many attributes a cause has, and how many causes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SheetKind {
    /// One attribute.
    Single,
    /// Two attributes.
    Pair,
    /// Three attributes.
    Triple,
    /// Two causes at once, of one or two attributes each.
    Several,
    /// One to three attributes; few leaves with views by the thousand, whose rates wander: as of one live event with its millions.
    Crowded,
}

impl SheetKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Single, Self::Pair, Self::Triple, Self::Several, Self::Crowded];
}

/// Counts of one leaf in one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRow {
    /// The minute's number.
    pub minute: u32,
    /// The values, by dimension.
    pub values: Vec<u32>,
    /// Views.
    pub total: u64,
    /// Failures among them.
    pub failures: u64,
}

/// An incident and the hour before it.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Counts, by minute and leaf.
    pub rows: Vec<SheetRow>,
    /// The minute of the incident: the last one.
    pub minute: u32,
    /// Each cause: dimension and value.
    pub causes: Vec<Vec<(usize, u32)>>,
}

/// Minutes before the incident.
const MINUTES: u32 = 30;
/// A cause that has less of the views can't be told from noise.
const CAUSE_VIEWS_MIN: f64 = 60.0;

/// Means from which on a normal number stands for a count.
const NORMAL_FROM: f64 = 30.0;

struct Leaf {
    values: Vec<u32>,
    views_per_min: f64,
    rate: f64,
}

impl Sheet {
    /// The incident that belongs to a seed.
    pub fn new(seed: u64, kind: SheetKind) -> Self {
        let mut random = Random::new(seed);
        loop {
            let leaves = leaves(&mut random, kind);
            if let Some(causes) = causes(&mut random, &leaves, kind) {
                return Self::unfold(&mut random, &leaves, causes, kind);
            }
        }
    }

    fn unfold(random: &mut Random, leaves: &[Leaf], causes: Vec<Vec<(usize, u32)>>, kind: SheetKind) -> Self {
        let strengths: Vec<_> = causes.iter().map(|_| 0.08 + 0.6 * random.unit()).collect();
        let mut rows = Vec::new();
        let wander = if kind == SheetKind::Crowded { 0.15 + 0.35 * random.unit() } else { 0.3 * random.unit() };
        for minute in 0..=MINUTES {
            let tide = bell(random, 0.2);
            for leaf in leaves {
                let mean = leaf.views_per_min * bell(random, 0.15);
                let total = happen(random, mean);
                let mut rate = (leaf.rate * tide * bell(random, wander)).min(0.9);
                for (cause, strength) in causes.iter().zip(&strengths).filter(|_| minute == MINUTES) {
                    if covers(cause, &leaf.values) && !random.chance(0.1) {
                        rate += (1.0 - rate) * (strength * (0.4 + 1.2 * random.unit())).min(0.97);
                    }
                }
                let failures = fail(random, total, rate);
                if total > 0 {
                    rows.push(SheetRow { minute, values: leaf.values.clone(), total, failures });
                }
            }
        }
        Self { rows, minute: MINUTES, causes }
    }
}

fn covers(cause: &[(usize, u32)], values: &[u32]) -> bool {
    cause.iter().all(|(dimension, value)| values[*dimension] == *value)
}

/// Leaves as draws from dimensions that depend on each other: the more often drawn, the more views.
fn leaves(random: &mut Random, kind: SheetKind) -> Vec<Leaf> {
    let is_crowded = kind == SheetKind::Crowded;
    let (dimensions, size_max) = if is_crowded { (3 + random.below(3) as usize, 7) } else { (4 + random.below(4) as usize, 15) };
    let sizes: Vec<_> = (0..dimensions).map(|_| 2 + random.below(size_max) as usize).collect();
    let popularity: Vec<_> = sizes.iter().map(|size| Zipf::new(*size, 0.5 + 0.8 * random.unit())).collect();
    // A dimension may follow one before it: its favourites then depend on that one's value.
    let follows: Vec<_> = (0..dimensions).map(|at| (at > 0 && random.chance(0.4)).then(|| random.below(at as u64) as usize)).collect();
    let effects: Vec<Vec<_>> = sizes.iter().map(|size| (0..*size).map(|_| bell(random, 0.3)).collect()).collect();
    let base_rate = 0.005 + 0.06 * random.unit();
    let draws = 1_500 + random.below(3_000);
    let mut weights = BTreeMap::<Vec<u32>, f64>::new();
    for _ in 0..draws {
        let mut values = Vec::with_capacity(dimensions);
        for at in 0..dimensions {
            let drawn = popularity[at].draw(random);
            let shift = follows[at].map_or(0, |of| if random.chance(0.7) { values[of] as usize * 3 } else { 0 });
            values.push(((drawn + shift) % sizes[at]) as u32);
        }
        *weights.entry(values).or_default() += 1.0;
    }
    let views_per_draw = if is_crowded { 30.0 } else { 0.7 } * 10_f64.powf(1.2 * random.unit());
    let leaf = |(values, draws): (Vec<u32>, f64)| {
        let effect: f64 = values.iter().zip(&effects).map(|(value, effects)| effects[*value as usize]).product();
        let rate = (base_rate * effect * bell(random, 0.3)).min(0.5);
        Leaf { values, views_per_min: draws * views_per_draw, rate }
    };
    weights.into_iter().map(leaf).collect()
}

/// Causes that can be seen: enough views, and no simpler combination has almost the same ones.
fn causes(random: &mut Random, leaves: &[Leaf], kind: SheetKind) -> Option<Vec<Vec<(usize, u32)>>> {
    let sizes = match kind {
        SheetKind::Single => vec![1],
        SheetKind::Pair => vec![2],
        SheetKind::Triple => vec![3],
        SheetKind::Crowded => vec![1 + random.below(3) as usize],
        SheetKind::Several => vec![1 + random.below(2) as usize, 1 + random.below(2) as usize],
    };
    let mut found = Vec::<Vec<(usize, u32)>>::new();
    for size in sizes {
        let cause = (0..50).find_map(|_| cause(random, leaves, size).filter(|cause| apart(leaves, cause, &found)))?;
        found.push(cause);
    }
    Some(found)
}

fn cause(random: &mut Random, leaves: &[Leaf], size: usize) -> Option<Vec<(usize, u32)>> {
    let leaf = &leaves[random.below(leaves.len() as u64) as usize];
    let mut dimensions: Vec<_> = (0..leaf.values.len()).collect();
    while dimensions.len() > size {
        dimensions.remove(random.below(dimensions.len() as u64) as usize);
    }
    let cause: Vec<_> = dimensions.into_iter().map(|at| (at, leaf.values[at])).collect();
    let (views, all) = (self::views(leaves, &cause), self::views(leaves, &[]));
    let simpler = (0..cause.len()).map(|without| {
        let wider: Vec<_> = cause.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, it)| *it).collect();
        self::views(leaves, &wider)
    });
    let is_told_apart = simpler.into_iter().all(|wider| views < 0.8 * wider);
    (views >= CAUSE_VIEWS_MIN && views < 0.6 * all && is_told_apart).then_some(cause)
}

/// Two causes share less than a fifth of their views.
fn apart(leaves: &[Leaf], cause: &[(usize, u32)], others: &[Vec<(usize, u32)>]) -> bool {
    others.iter().all(|other| {
        let both: Vec<_> = cause.iter().chain(other).copied().collect();
        views(leaves, &both) < 0.2 * views(leaves, cause).min(views(leaves, other))
    })
}

fn views(leaves: &[Leaf], cause: &[(usize, u32)]) -> f64 {
    leaves.iter().filter(|leaf| covers(cause, &leaf.values)).map(|leaf| leaf.views_per_min).sum()
}

/// A factor around 1, log-normal.
fn bell(random: &mut Random, deviation: f64) -> f64 {
    random.normal(0.0, deviation).exp()
}

/// How often something with this mean happens; from here on a normal number is close enough, and soon drawn.
fn happen(random: &mut Random, mean: f64) -> u64 {
    if mean < NORMAL_FROM { u64::from(random.poisson(mean)) } else { random.normal(mean, mean.sqrt()).round().max(0.0) as u64 }
}

/// How many of so many views fail.
fn fail(random: &mut Random, total: u64, rate: f64) -> u64 {
    let (mean, left) = (total as f64 * rate, total as f64 * (1.0 - rate));
    if mean.min(left) < NORMAL_FROM && total < 200 {
        return (0..total).filter(|_| random.chance(rate)).count() as u64;
    }
    if mean < NORMAL_FROM {
        return happen(random, mean).min(total);
    }
    random.normal(mean, (mean * (1.0 - rate)).sqrt()).round().clamp(0.0, total as f64) as u64
}
