//! The dashboard, folded from topics alone.

use weir_model::{Dashboard, TimestampMs};

use crate::pipelines::shape::{DashboardFold, Observed};

/// What the dashboard knows.
#[derive(Debug, Default)]
pub(super) struct Fold {
    since_ms: i64,
    newest_ms: Option<i64>,
}

impl Fold {
    pub(super) fn new(since_ms: i64) -> Self {
        Self { since_ms, newest_ms: None }
    }
}

impl DashboardFold for Fold {
    fn observe(&mut self, record: &Observed<'_>, _: TimestampMs) {
        if record.timestamp_ms >= self.since_ms {
            self.newest_ms = self.newest_ms.max(Some(record.timestamp_ms));
        }
    }

    fn dashboard(&self, _: TimestampMs) -> Dashboard {
        Dashboard { event_time: self.newest_ms.map(TimestampMs), widgets: Vec::new() }
    }
}
