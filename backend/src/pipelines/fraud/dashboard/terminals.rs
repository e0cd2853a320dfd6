//! Terminals at which frauds are known: those that fell to thieves have several within days.

use std::collections::{BTreeMap, BTreeSet};

use crate::pipelines::fraud::{
    TerminalId, TransactionId,
    records::{Action, Decision, Label},
    settings::DAY_MS,
};

/// How long a known fraud counts.
const COUNTED_MS: i64 = 14 * DAY_MS;
/// Terminals with known frauds; of more, those with the oldest are forgotten.
const TERMINALS_MAX: usize = 5_000;
/// Known frauds of one, the latest.
const FRAUDS_MAX: usize = 256;

/// What is known of terminals.
#[derive(Debug, Default)]
pub(super) struct Terminals(BTreeMap<TerminalId, Known>);

/// What is known of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// When they were made.
    frauds: BTreeSet<(i64, TransactionId)>,
    /// Payments stopped since the first of them became known.
    pub(super) stopped: u64,
}

impl Terminals {
    /// A fraud becomes known; whoever says it, it counts once.
    pub(super) fn label(&mut self, label: &Label) {
        if !label.is_fraud {
            return;
        }
        let known = self.0.entry(label.terminal_id.clone()).or_default();
        known.frauds.insert((label.ts, label.transaction_id.clone()));
        if known.frauds.len() > FRAUDS_MAX {
            known.frauds.pop_first();
        }
        if self.0.len() > TERMINALS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, known)| known.newest_ms()).map(|(terminal, _)| terminal.clone())
        {
            self.0.remove(&oldest);
        }
    }

    pub(super) fn decision(&mut self, decision: &Decision) {
        if decision.action > Action::Allow
            && let Some(known) = self.0.get_mut(&decision.terminal_id)
        {
            known.stopped += 1;
        }
    }

    /// Those with the most known frauds of late, and how many.
    pub(super) fn worst(&self, now_ms: i64, shown: usize) -> Vec<(&TerminalId, usize, &Known)> {
        let frauds = |known: &Known| known.frauds.iter().filter(|(ts, _)| ts + COUNTED_MS > now_ms).count();
        let mut worst: Vec<_> = self.0.iter().map(|(terminal, known)| (terminal, frauds(known), known)).filter(|it| it.1 > 1).collect();
        worst.sort_by_key(|(terminal, frauds, _)| (std::cmp::Reverse(*frauds), *terminal));
        worst.truncate(shown);
        worst
    }
}

impl Known {
    fn newest_ms(&self) -> i64 {
        self.frauds.last().map_or(i64::MIN, |(ts, _)| *ts)
    }
}
