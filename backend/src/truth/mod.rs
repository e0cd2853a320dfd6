//! Ground truth: plain recomputations and the checkers that hold results against them. Pure.
//!
//! Nothing here shares code with the stream core it judges; each checker has a test that shows it failing.

pub mod clickstream;
pub mod fraud;
mod interval;
pub mod iot;
pub mod latency;
pub mod media;
pub mod ranking;
mod sequence;

pub use interval::{ALPHA, Interval, Z_95, Z_999, always_valid, difference, wilson};
pub use sequence::Sequence;

use weir_model::{Check, CheckVerdict};

/// A record of one of a pipeline's topics, as its judges see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The key; empty for null.
    pub key: &'a [u8],
    /// The value; empty for a tombstone.
    pub value: &'a [u8],
    /// The record's timestamp: event time, as the pipeline writes it.
    pub timestamp_ms: i64,
}

impl Seen<'_> {
    fn read<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.value).ok()
    }
}

/// A verdict with the figures it rests on.
pub fn check(id: &str, holds: bool, evidence: impl Into<std::sync::Arc<str>>) -> Check {
    let verdict = if holds { CheckVerdict::Pass } else { CheckVerdict::Fail };
    Check { id: id.into(), verdict, evidence: evidence.into() }
}

/// A check that can't tell, with the reason.
pub fn pending(id: &str, reason: impl Into<std::sync::Arc<str>>) -> Check {
    Check { id: id.into(), verdict: CheckVerdict::Pending, evidence: reason.into() }
}
