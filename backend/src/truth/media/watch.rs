//! Titles: time watched and plays against what the players themselves know; completions, retention, bad reports and stars against a plain recount.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        records::TitleStats,
        settings::{PLAYBACK, QOE, TITLE_STATS, TRUTH},
    },
    sim::media::{Playback, PlaybackAction, Qoe, SessionId, Truth, TruthRecord, VideoId},
    truth::{check, pending},
};

/// Sessions that are counted again; a longer run is judged by its first half million.
const SESSIONS_MAX: usize = 500_000;
/// From this tenth on a title is watched to its end.
const COMPLETED_TENTHS: usize = 9;

/// What is counted again of a title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Recount {
    completions: u64,
    retention: [u64; 10],
    bad_reports: u64,
    ratings: u64,
    stars: u64,
}

/// Compares titles.
#[derive(Debug, Default)]
pub struct Watch {
    told: BTreeMap<VideoId, TitleStats>,
    truth: Option<Truth>,
    /// The title of each session, and how many tenths of it were reached.
    reached: HashMap<SessionId, (VideoId, usize)>,
    bad_reports: BTreeMap<VideoId, u64>,
    /// How often each title was rated, and the sum of its stars.
    rated: BTreeMap<VideoId, (u64, u64)>,
}

impl Watch {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            TITLE_STATS => {
                if let (Ok(title), Some(stats)) = (std::str::from_utf8(seen.key), seen.read()) {
                    self.told.insert(title.into(), stats);
                }
            }
            PLAYBACK if self.reached.len() < SESSIONS_MAX => {
                if let Some(event) = seen.read() {
                    self.play(event);
                }
            }
            QOE => {
                if let Some(report) = seen.read::<Qoe>().filter(Qoe::is_bad) {
                    *self.bad_reports.entry(report.cid).or_default() += 1;
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

    fn play(&mut self, event: Playback) {
        if let (PlaybackAction::Rate, Some(stars @ 1..=5)) = (event.action, event.stars) {
            let (ratings, sum) = self.rated.entry(event.video_id.clone()).or_default();
            (*ratings, *sum) = (*ratings + 1, *sum + u64::from(stars));
        }
        let tenths = if event.length_s > 0 { (event.position_s.max(0) * 10 / event.length_s).min(10) as usize } else { 0 };
        let (_, reached) = self.reached.entry(event.session_id).or_insert((event.video_id, 0));
        *reached = tenths.max(*reached);
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        vec![self.watch_time(is_over), self.stats_equal(is_over)]
    }

    fn watch_time(&self, is_over: bool) -> Check {
        let id = "watch_time_exact";
        let Some(truth) = self.truth.as_ref().filter(|_| is_over) else {
            return pending(id, "players tell at the end of the run");
        };
        let titles = truth.watched_ms.keys().chain(truth.starts.keys()).chain(self.told.keys()).collect::<BTreeSet<_>>();
        let known = |title: &VideoId| {
            let of = |counts: &BTreeMap<VideoId, u64>| counts.get(title).copied().unwrap_or(0);
            (truth.watched_ms.get(title).copied().unwrap_or(0), of(&truth.starts), of(&truth.viewers))
        };
        let told = |title: &VideoId| {
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
        check(id, wrong.is_empty(), evidence)
    }

    /// `title_stats_equal_batch`: completions, retention, bad reports and stars as a batch job over all records has them.
    fn stats_equal(&self, is_over: bool) -> Check {
        let id = "title_stats_equal_batch";
        if !is_over {
            return pending(id, format!("{} sessions; counted again at the end", self.reached.len()));
        }
        if self.reached.is_empty() || self.reached.len() >= SESSIONS_MAX {
            return pending(id, format!("{} sessions, and at most {SESSIONS_MAX} are counted again", self.reached.len()));
        }
        let mut expected = BTreeMap::<&VideoId, Recount>::new();
        for (title, tenths) in self.reached.values() {
            let recount = expected.entry(title).or_default();
            recount.completions += u64::from(*tenths >= COMPLETED_TENTHS);
            recount.retention.iter_mut().take(*tenths).for_each(|count| *count += 1);
        }
        for (title, count) in &self.bad_reports {
            expected.entry(title).or_default().bad_reports = *count;
        }
        for (title, (ratings, stars)) in &self.rated {
            let recount = expected.entry(title).or_default();
            (recount.ratings, recount.stars) = (*ratings, *stars);
        }
        let told = |title: &VideoId| {
            let TitleStats { completions, retention, bad_reports, ratings, stars, .. } = self.told.get(title).cloned().unwrap_or_default();
            Recount { completions, retention, bad_reports, ratings, stars }
        };
        let titles: BTreeSet<_> = expected.keys().copied().chain(self.told.keys()).collect();
        let of = |title: &VideoId| expected.get(title).cloned().unwrap_or_default();
        let wrong: Vec<_> = titles.iter().filter(|title| of(title) != told(title)).collect();
        let sum = |part: fn(&Recount) -> u64| expected.values().map(part).sum::<u64>();
        let (completions, bad) = (sum(|recount| recount.completions), sum(|recount| recount.bad_reports));
        let (ratings, stars) = (sum(|recount| recount.ratings), sum(|recount| recount.stars));
        let (titles_in, sessions) = (titles.len(), self.reached.len());
        let mut evidence = format!(
            "{titles_in} titles, {completions} plays to the end, {bad} bad reports and {stars} stars of {ratings} ratings of {sessions} sessions"
        );
        if let Some(title) = wrong.first() {
            evidence += &format!("; {} differ, first {title}: {:?}, not {:?}", wrong.len(), told(title), of(title));
        }
        check(id, wrong.is_empty(), evidence)
    }
}
