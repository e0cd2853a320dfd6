//! What pipelines want people to know, as the topic `alerts` carries it.

use std::sync::Arc;

use crate::{PipelineId, TimestampMs};

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertSeverity {
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Somebody must look now.
    Critical,
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Unique; told again, it is the same.
    pub alert_id: Arc<str>,
    /// Who tells it.
    pub pipeline: PipelineId,
    /// By which rule.
    pub rule: Arc<str>,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// Whom it is about.
    pub subject: Arc<str>,
    /// What was measured, and against what.
    pub value: f64,
    /// The limit.
    pub threshold: f64,
    /// Why, in sentences.
    pub evidence: Vec<Arc<str>>,
    /// Event time.
    pub at: TimestampMs,
}
