//! Time watched and plays, by title, against what the players themselves know.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        records::TitleStats,
        settings::{TITLE_STATS, TRUTH},
    },
    sim::media::{Truth, TruthRecord},
    truth::{check, pending},
};

/// Compares titles.
#[derive(Debug, Default)]
pub struct Watch {
    told: BTreeMap<String, TitleStats>,
    truth: Option<Truth>,
}

impl Watch {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            TITLE_STATS => {
                if let (Ok(title), Some(stats)) = (std::str::from_utf8(seen.key), seen.read()) {
                    self.told.insert(title.to_owned(), stats);
                }
            }
            TRUTH => {
                if let Some(TruthRecord::Totals(truth)) = seen.read() {
                    self.truth = Some(truth);
                }
            }
            _ => {}
        }
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let id = "watch_time_exact";
        let Some(truth) = self.truth.as_ref().filter(|_| is_over) else {
            return vec![pending(id, "players tell at the end of the run")];
        };
        let titles = truth.watched_ms.keys().chain(truth.starts.keys()).chain(self.told.keys()).collect::<std::collections::BTreeSet<_>>();
        let known = |title: &str| {
            let of = |counts: &BTreeMap<String, u64>| counts.get(title).copied().unwrap_or(0);
            (truth.watched_ms.get(title).copied().unwrap_or(0), of(&truth.starts), of(&truth.viewers))
        };
        let told = |title: &str| {
            let stats = self.told.get(title).cloned().unwrap_or_default();
            // Where players were too many to remember, nobody knows how many they are.
            (stats.watched_ms, stats.starts, if truth.viewers.is_empty() { 0 } else { stats.viewers })
        };
        let sum = |of: fn(&TitleStats) -> u64| self.told.values().map(of).sum::<u64>();
        let minutes = self.told.values().map(|stats| stats.watched_ms).sum::<i64>() / 60_000;
        let (starts, viewers) = (sum(|stats| stats.starts), sum(|stats| stats.viewers));
        let mut evidence = format!("{minutes} minutes, {starts} plays and {viewers} viewers of {} titles", titles.len());
        let wrong: Vec<_> = titles.iter().filter(|title| known(title) != told(title)).collect();
        if let Some(title) = wrong.first() {
            let (differ, told, known) = (wrong.len(), told(title), known(title));
            evidence += &format!("; {differ} titles differ, first {title}: (ms, plays, viewers) {told:?}, not {known:?}");
        }
        vec![check(id, wrong.is_empty(), evidence)]
    }
}
