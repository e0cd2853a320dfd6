//! Made-up deviations of a measure that was forecast by leaf, with their causes, in the manner of the published ones (Squeeze, ISSRE 2019;
//! RiskLoc, 2022): what the root cause search over forecasts is measured on.

use crate::sim::{Random, Zipf};

/// What a deviation is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviationKind {
    /// The error of the forecast as a share of a leaf, in hundredths.
    pub error_percent: u32,
    /// Causes at once.
    pub causes: usize,
    /// Attributes of each.
    pub attributes: usize,
    /// The measure is a quotient of two, such as a success rate.
    pub is_quotient: bool,
}

/// A leaf: its values, and each part of the measure (one, or dividend and divisor) as it is and as it was forecast.
pub type DeviationRow = (Vec<u32>, Vec<(f64, f64)>);

/// Leaves of one moment with the causes of their deviation.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// The leaves.
    pub rows: Vec<DeviationRow>,
    /// Each cause: dimension and value, sorted.
    pub causes: Vec<Vec<(usize, u32)>>,
}

/// Leaves that are there, of all that could be.
const PRESENT: f64 = 0.6;
/// Of all there is, a cause has this share at least, or it can't be told from errors.
const SHARE_MIN: f64 = 0.005;
/// Causes share no leaf, and a wider name for one has this many times its leaves at least.
const WIDER: usize = 2;

impl Deviation {
    /// The deviation that belongs to a seed, over dimensions of these sizes.
    pub fn new(seed: u64, kind: DeviationKind, sizes: &[usize]) -> Self {
        let mut random = Random::new(seed);
        loop {
            let leaves = leaves(&mut random, sizes);
            if let Some(causes) = causes(&mut random, &leaves, kind) {
                return Self { rows: unfold(&mut random, &leaves, &causes, kind), causes };
            }
        }
    }
}

type Leaf = (Vec<u32>, f64);

fn leaves(random: &mut Random, sizes: &[usize]) -> Vec<Leaf> {
    let popularity: Vec<Vec<f64>> =
        sizes.iter().map(|size| (0..*size).map(|at| 1.0 / (1.0 + at as f64).powf(0.3 + 0.7 * random.unit())).collect()).collect();
    let count = sizes.iter().product::<usize>();
    let mut leaves = Vec::with_capacity(count);
    for mut number in 0..count {
        if !random.chance(PRESENT) {
            continue;
        }
        let (mut values, mut mean) = (Vec::with_capacity(sizes.len()), 400.0 * random.normal(0.0, 1.0).exp());
        for (size, popularity) in sizes.iter().zip(&popularity) {
            values.push((number % size) as u32);
            mean *= popularity[number % size];
            number /= size;
        }
        leaves.push((values, mean));
    }
    leaves
}

/// Causes of one cuboid, as published sets have them.
fn causes(random: &mut Random, leaves: &[Leaf], kind: DeviationKind) -> Option<Vec<Vec<(usize, u32)>>> {
    let dimensions = leaves.first()?.0.len();
    let mut chosen: Vec<_> = (0..dimensions).collect();
    while chosen.len() > kind.attributes {
        chosen.remove(random.below(chosen.len() as u64) as usize);
    }
    let all: f64 = leaves.iter().map(|(_, mean)| mean).sum();
    let likely = Zipf::new(leaves.len(), 0.0);
    let mut causes = Vec::<Vec<(usize, u32)>>::new();
    for _ in 0..200 {
        if causes.len() == kind.causes {
            return Some(causes);
        }
        let leaf = &leaves[likely.draw(random)].0;
        let cause: Vec<_> = chosen.iter().map(|at| (*at, leaf[*at])).collect();
        let mean: f64 = leaves.iter().filter(|(values, _)| covers(&cause, values)).map(|(_, mean)| mean).sum();
        let count = |cause: &[(usize, u32)]| leaves.iter().filter(|(values, _)| covers(cause, values)).count();
        let own = count(&cause);
        let is_told_apart = (0..cause.len()).all(|without| {
            let wider: Vec<_> = cause.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, it)| *it).collect();
            count(&wider) >= own * WIDER
        });
        if mean >= all * SHARE_MIN && own >= 3 && is_told_apart && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    None
}

fn unfold(random: &mut Random, leaves: &[Leaf], causes: &[Vec<(usize, u32)>], kind: DeviationKind) -> Vec<DeviationRow> {
    let is_fall = kind.is_quotient || random.chance(0.5);
    let strengths: Vec<_> = causes.iter().map(|_| if is_fall { 0.3 + 0.6 * random.unit() } else { -0.5 - 1.5 * random.unit() }).collect();
    let error = f64::from(kind.error_percent) / 100.0;
    let row = |(values, mean): &Leaf| {
        let strength = causes.iter().zip(&strengths).find(|(cause, _)| covers(cause, values)).map_or(0.0, |(_, strength)| *strength);
        let counted = count(random, *mean);
        let forecast = (counted * (1.0 + random.normal(0.0, error))).max(0.0);
        let left = (1.0 - strength) * (1.0 + random.normal(0.0, 0.02));
        let parts = if kind.is_quotient {
            let rate = 0.9 + 0.08 * random.unit();
            // Half of the error is that of the rate.
            let rate_forecast = (rate * (1.0 + random.normal(0.0, error / 2.0))).clamp(0.0, 1.0);
            vec![((counted * rate * left).round(), (forecast * rate_forecast).round()), (counted, forecast.round())]
        } else {
            vec![((counted * left).max(0.0).round(), forecast.round())]
        };
        (values.clone(), parts)
    };
    leaves.iter().map(row).collect()
}

fn count(random: &mut Random, mean: f64) -> f64 {
    if mean < 30.0 { f64::from(random.poisson(mean)) } else { random.normal(mean, mean.sqrt()).round().max(0.0) }
}

fn covers(cause: &[(usize, u32)], values: &[u32]) -> bool {
    cause.iter().all(|(dimension, value)| values[*dimension] == *value)
}
