//! What every pipeline writes to the topic `alerts`.

use serde::{Deserialize, Serialize};

/// A record of `alerts`, in the schema that all pipelines share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique.
    pub alert_id: String,
    /// Whose it is, such as `fraud`.
    pub pipeline: String,
    /// What it says.
    pub rule: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// Whom it is about.
    pub subject_key: String,
    /// From when.
    pub window_start: i64,
    /// Until when.
    pub window_end: i64,
    /// What was measured.
    pub value: f64,
    /// What it was measured against.
    pub threshold: f64,
    /// Why.
    pub evidence: Vec<String>,
    /// Event time.
    pub ts: i64,
}
