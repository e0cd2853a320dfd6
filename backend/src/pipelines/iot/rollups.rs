//! Roll-ups: what the tasks counted of a node's window, put together. A task tells its count whole each time, so nothing counts twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    records::{Partial, Rollup, Stats},
    settings::{KEPT_MS, WINDOW_MS},
};
use crate::stream::{Forward, Processor, Record, StoreHandle};

/// A node's window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct NodeWindow {
    start_ms: i64,
    revision: u32,
    by_task: BTreeMap<i32, Partial>,
}

impl NodeWindow {
    /// When nothing more is waited for. Tasks are apart in time, so that it is later than theirs.
    pub(super) fn expires_at(_: &String, window: &Self) -> i64 {
        window.start_ms + WINDOW_MS + 2 * KEPT_MS
    }
}

pub(super) struct Totals {
    pub(super) windows: StoreHandle<String, NodeWindow>,
}

impl Processor<String, Partial, String, Rollup> for Totals {
    fn process(&mut self, record: &Record<String, Partial>, out: &mut Forward<'_, String, Rollup>) {
        let partial = &record.value;
        let key = format!("{:013}/{}", partial.window_start, record.key);
        let first = || NodeWindow { start_ms: partial.window_start, ..NodeWindow::default() };
        let mut windows = self.windows.borrow_mut();
        let window = windows.update(&key, first, |window| {
            // A task that tells its count again has got something late.
            window.revision += u32::from(window.by_task.insert(partial.source, partial.clone()).is_some());
        });
        let mut metrics = BTreeMap::<String, Stats>::new();
        for (name, stats) in window.by_task.values().flat_map(|partial| &partial.stats) {
            metrics.entry(name.clone()).or_default().merge(stats);
        }
        let rollup = Rollup {
            node_id: record.key.clone(),
            window_start: partial.window_start,
            window_end: partial.window_start + WINDOW_MS,
            readings: window.by_task.values().map(|partial| partial.readings).sum(),
            revision: window.revision,
            metrics: metrics.into_iter().map(|(name, stats)| (name, stats.summary())).collect(),
        };
        drop(windows);
        out.send(&record.with_value(rollup));
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, String, Rollup>) {
        let now_ms = out.stream_time_ms();
        while self.windows.borrow_mut().pop_expired(now_ms).is_some() {}
    }
}
