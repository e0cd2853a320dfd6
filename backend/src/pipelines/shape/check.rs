//! What judges a run.

use std::{cell::RefCell, collections::BTreeMap};

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

/// Verdicts of a run that goes on, with the records observed when they were made: they cost more the longer it is, and so are renewed ever
/// more rarely.
#[derive(Debug, Default)]
pub struct RenewedVerdicts {
    observed: u64,
    known: RefCell<(u64, Vec<Check>)>,
}

/// Verdicts are renewed after so many records, or a twentieth of all.
const RENEW_RECORDS: u64 = 5_000;

impl RenewedVerdicts {
    /// A record was observed.
    pub fn observed(&mut self) {
        self.observed += 1;
    }

    /// The verdicts; made anew where they are old, and always at the end.
    pub fn get(&self, facts: &Facts, judge: impl Fn() -> Vec<Check>) -> Vec<Check> {
        if facts.is_over {
            return judge();
        }
        let mut known = self.known.borrow_mut();
        if known.1.is_empty() || self.observed >= known.0 + RENEW_RECORDS.max(known.0 / 20) {
            *known = (self.observed, judge());
        }
        known.1.clone()
    }
}

/// The list of a shape from that of its sabotages: the name of each and the check that it turns red.
pub(in crate::pipelines) const fn names_and_checks<T, const N: usize>(
    all: &[(T, &'static str, &'static str); N],
) -> [(&'static str, &'static str); N] {
    let (mut listed, mut at) = ([("", ""); N], 0);
    while at < N {
        listed[at] = (all[at].1, all[at].2);
        at += 1;
    }
    listed
}
