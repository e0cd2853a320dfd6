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
        let is_equal = |title: &&&String| {
            let told = self.told.get(**title).cloned().unwrap_or_default();
            let watched_ms = truth.watched_ms.get(**title).copied().unwrap_or(0);
            told.watched_ms == watched_ms && told.starts == truth.starts.get(**title).copied().unwrap_or(0)
        };
        let minutes = self.told.values().map(|stats| stats.watched_ms).sum::<i64>() / 60_000;
        let starts = self.told.values().map(|stats| stats.starts).sum::<u64>();
        let mut evidence = format!("{minutes} minutes and {starts} plays of {} titles", titles.len());
        let wrong: Vec<_> = titles.iter().filter(|title| !is_equal(title)).collect();
        if let Some(title) = wrong.first() {
            let told = self.told.get(**title).cloned().unwrap_or_default();
            let (watched_ms, starts) =
                (truth.watched_ms.get(**title).copied().unwrap_or(0), truth.starts.get(**title).copied().unwrap_or(0));
            evidence += &format!(
                "; {} titles differ, first {title}: {} ms and {} plays, not {watched_ms} ms and {starts}",
                wrong.len(),
                told.watched_ms,
                told.starts
            );
        }
        vec![check(id, wrong.is_empty(), evidence)]
    }
}
