//! What judges a run.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Observed;
use crate::stream::Dropped;

/// Looks at all records of a run, each topic's partitions in order, and judges. Memory is its own affair: it must be bounded.
pub trait Checker: Send {
    /// A record of one of the pipeline's topics, inputs, results and truth alike.
    fn observe(&mut self, record: &Observed<'_>);

    /// The verdicts as of now; asked now and then, and at the end.
    fn verdicts(&self, facts: &Facts) -> Vec<Check>;

    /// Figures against truth by name.
    fn scores(&self, _facts: &Facts) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }

    /// Counters for the status and the report.
    fn counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

/// What is known of a run beside its records.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Everything was generated, processed, committed and observed: verdicts are final.
    pub is_over: bool,
    /// Events the world made; what it told as truth, or to chosen partitions, is none.
    pub generated: u64,
    /// Those acknowledged.
    pub delivered: u64,
    /// Records the applications of this process read from the pipeline's topics.
    pub processed: u64,
    /// Records without effect, by reason, over all applications of this process.
    pub dropped: Dropped,
}

/// Judges nothing: for pipelines that are looked at only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoChecks;

impl Checker for NoChecks {
    fn observe(&mut self, _: &Observed<'_>) {}

    fn verdicts(&self, _: &Facts) -> Vec<Check> {
        Vec::new()
    }
}
