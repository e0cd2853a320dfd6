//! Causes of measures that come with their forecast: nothing is to be remembered of them.

use std::collections::BTreeMap;

use super::ALTERNATIVES;
use crate::pipelines::media::{
    rca::{Deviating, Measured, explanations},
    records::{Cause, Causes, Slice},
};

/// What explains a slice's deviation, best first.
pub(super) fn causes(slice: &Slice) -> Causes {
    let mut names = Names { dimensions: &slice.dimensions, values: vec![Vec::new(); slice.dimensions.len()] };
    let mut numbers = vec![BTreeMap::<&str, u32>::new(); slice.dimensions.len()];
    let mut leaves = Vec::with_capacity(slice.forecasts.len());
    // A leaf with another number of values than there are dimensions is none; whoever writes slices may write nonsense.
    for (values, parts) in slice.forecasts.iter().filter(|(values, _)| values.len() == slice.dimensions.len()) {
        let mut numbered = Vec::with_capacity(values.len());
        for ((value, numbers), names) in values.iter().zip(&mut numbers).zip(&mut names.values) {
            let next = names.len() as u32;
            let number = *numbers.entry(value.as_str()).or_insert(next);
            if number == next {
                names.push(value.as_str());
            }
            numbered.push(number);
        }
        leaves.extend(Measured::of(numbered.into(), parts));
    }
    let sets = explanations(&leaves, ALTERNATIVES).into_iter();
    let sets: Vec<Vec<_>> = sets.map(|set| set.iter().map(|cause| names.cause(cause)).collect()).collect();
    Causes { start_ms: slice.start_ms, ranked: sets.first().cloned().unwrap_or_default(), sets }
}

struct Names<'a> {
    dimensions: &'a [String],
    /// By dimension and number.
    values: Vec<Vec<&'a str>>,
}

impl Names<'_> {
    fn cause(&self, cause: &Deviating) -> Cause {
        let name = |at: &crate::pipelines::media::rca::Attribute| {
            (self.dimensions[at.dimension].clone(), self.values[at.dimension][at.value as usize].to_owned())
        };
        let mut attributes: Vec<_> = cause.attributes.iter().map(name).collect();
        attributes.sort_unstable();
        let (total, failures, expected) = (cause.forecast, (cause.actual - cause.forecast).abs(), 0.0);
        Cause { attributes, score: cause.score, total, failures, expected }
    }
}
