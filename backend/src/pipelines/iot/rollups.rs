//! Nodes: what the tasks counted of a node's window, and how their devices stand, put together. A task tells its count whole each time, so
//! nothing counts twice.
//!
//! Parents are not summed up from their children, as Theodolite's UC4 does it by feeding a closed window of a node back into the input for
//! its parent. A node's name is its path, so that the task a device lives in knows all four nodes above it as of the reading's own time, and
//! adds to each of them at once; counts, sums and bounds being what they are, both ways come to the same, and a site that moves takes its
//! later readings along in either. Fed back, each of the six tasks' parts of a zone would go up through site, region and fleet: of the
//! standard tree 288 records a window on repartition topics in place of at most 114, and each level would be a transaction later than the
//! one below. A parent could also no longer tell what came late from what a child had not told yet, unless children told that with their
//! sums. What it would save, three additions in memory for each reading, is worth its price in a tree that is deep, or that no single task
//! knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    records::{Partial, Rollup, Standing, Stats},
    settings::{KEPT_MS, WINDOW_MS},
    standing::Outage,
};
use crate::{
    pipelines::alert::Alert,
    stream::{Forward, Processor, Record, StoreHandle},
};

/// What tasks tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Told {
    Partial(Partial),
    Standing(Standing),
}

/// What it comes to.
#[derive(Clone, Debug)]
pub(super) enum Sum {
    Rollup(Rollup),
    Alert(Alert),
}

/// What is kept of a node: its windows under their time and its name, how all devices stand under no more than that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Node {
    Window(NodeWindow),
    Fleet(Outage),
}

impl Node {
    /// When nothing more is waited for. Tasks are apart in time, so that it is later than theirs.
    pub(super) fn expires_at(_: &String, node: &Self) -> i64 {
        match node {
            Self::Window(window) => window.start_ms + WINDOW_MS + 2 * KEPT_MS,
            Self::Fleet(_) => i64::MAX,
        }
    }
}

/// A node's window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct NodeWindow {
    start_ms: i64,
    revision: u32,
    by_task: BTreeMap<i32, Partial>,
    /// Readings of which each task told first.
    first: BTreeMap<i32, u64>,
}

impl NodeWindow {
    fn take(&mut self, partial: &Partial) {
        self.first.entry(partial.source).or_insert(partial.readings);
        // A task that tells its count again has got something late.
        self.revision += u32::from(self.by_task.insert(partial.source, partial.clone()).is_some());
    }

    fn rollup(&self, node_id: &str) -> Rollup {
        let mut metrics = BTreeMap::<String, Stats>::new();
        for (name, stats) in self.by_task.values().flat_map(|partial| &partial.stats) {
            metrics.entry(name.clone()).or_default().merge(stats);
        }
        let readings = self.by_task.values().map(|partial| partial.readings).sum::<u64>();
        Rollup {
            node_id: node_id.to_owned(),
            window_start: self.start_ms,
            window_end: self.start_ms + WINDOW_MS,
            readings,
            revision: self.revision,
            late: readings.saturating_sub(self.first.values().sum()),
            metrics: metrics.into_iter().map(|(name, stats)| (name, stats.summary())).collect(),
        }
    }
}

pub(super) struct Totals {
    pub(super) nodes: StoreHandle<String, Node>,
}

impl Processor<String, Told, String, Sum> for Totals {
    fn process(&mut self, record: &Record<String, Told>, out: &mut Forward<'_, String, Sum>) {
        let mut nodes = self.nodes.borrow_mut();
        let mut sum = None;
        match &record.value {
            Told::Partial(partial) => {
                let key = format!("{:013}/{}", partial.window_start, record.key);
                let first = || Node::Window(NodeWindow { start_ms: partial.window_start, ..NodeWindow::default() });
                nodes.update(&key, first, |node| {
                    if let Node::Window(window) = node {
                        window.take(partial);
                        sum = Some(Sum::Rollup(window.rollup(&record.key)));
                    }
                });
            }
            Told::Standing(standing) => {
                nodes.update(
                    &record.key,
                    || Node::Fleet(Outage::default()),
                    |node| {
                        if let Node::Fleet(outage) = node {
                            sum = outage.take(standing, record.timestamp_ms).map(Sum::Alert);
                        }
                    },
                );
            }
        }
        drop(nodes);
        if let Some(sum) = sum {
            out.send(&record.with_value(sum));
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, String, Sum>) {
        let now_ms = out.stream_time_ms();
        while self.nodes.borrow_mut().pop_expired(now_ms).is_some() {}
    }
}
