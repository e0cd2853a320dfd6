//! The A/B test: what each partition counted of it, and what comes of all of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one partition counted of a test since the run's start; on its way to where all of them meet.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Exposures {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Which test.
    pub experiment: String,
    /// By variant, without robots.
    pub sides: BTreeMap<String, Side>,
}

/// One side of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Side {
    /// Users who saw it, each once.
    pub n: u64,
    /// Those of them who bought soon after they saw it first.
    pub conversions: u64,
}

/// A record of `clickstream.ab`, keyed by experiment and variant: the newest holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ab {
    /// Which run.
    pub run: String,
    /// Which test.
    pub experiment: String,
    /// Which side of it.
    pub variant: String,
    /// Users who saw it, each once, robots left out.
    pub n: u64,
    /// Those of them who bought soon after they saw it first.
    pub conversions: u64,
    /// Their share.
    pub rate: f64,
    /// Against the side it is compared with; none for that side itself.
    pub lift: Option<Lift>,
    /// What one may conclude, however often one looks.
    pub verdict: Verdict,
}

/// How much more often one side buys than another, with an interval that is always valid (mixture SPRT): it misses the truth in one test of
/// twenty, however often one looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    /// The side it is compared with.
    pub against: String,
    /// The difference of the rates.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// What one may conclude of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The others are compared with it.
    Control,
    /// No difference can be told yet.
    Undecided,
    /// It buys more often.
    Better,
    /// It buys less often.
    Worse,
}
