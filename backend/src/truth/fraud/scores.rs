//! What decisions were worth: ranking, money, and how soon crimes were stopped.

use std::collections::BTreeMap;

use super::{
    Delay, Delays, Judged, Week,
    bootstrap::{Intervals, intervals},
    victim,
    weeks::{since, test_weeks, weeks},
};
use crate::{
    sim::fraud::Scenario,
    truth::ranking::{average_precision, card_precision, roc_auc},
};

/// Payments scored; a longer run is scored by its first ones.
const SCORED_MAX: usize = 2_000_000;
/// Frauds whose delay is looked at.
const FRAUDS_MAX: usize = 200_000;
/// Whole weeks are scored from this many days after the first payment on: 30 days of windows, a week of delay, and some to learn from.
const WARM_UP_DAYS: i64 = 42;
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// Equal runs have equal intervals.
const SEED: u64 = 9;

/// A payment of which all is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) card: u32,
    pub(super) terminal: u32,
    pub(super) ts: i64,
    pub(super) amount_minor: i64,
    /// 0 where there was none.
    pub(super) score: f32,
    /// Whether a model scored it.
    pub(super) has_model: bool,
    /// Of the model that learns online, where there was one.
    pub(super) online_score: Option<f32>,
    pub(super) is_stopped: bool,
    /// Which crime, for a fraud.
    pub(super) truth: Option<Scenario>,
}

/// A payment as it is kept, in few bytes.
#[derive(Clone, Copy, Debug)]
struct Kept {
    card: u32,
    /// Seconds since the epoch.
    at_s: u32,
    score: f32,
    online_score: f32,
    is_fraud: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    kept: Vec<Kept>,
    /// The day of the first payment that a model scored.
    model_day: Option<i64>,
    /// The day of the first one that the online model scored.
    online_day: Option<i64>,
    /// When, card, terminal, which crime, and whether it was stopped.
    frauds: Vec<(i64, u32, u32, Scenario, bool)>,
    caught: u64,
    missed: u64,
    false_alarms: u64,
    honest: u64,
    saved_minor: i64,
    lost_minor: i64,
}

impl Outcomes {
    pub(super) fn add(&mut self, outcome: &Outcome) {
        match (outcome.is_stopped, outcome.truth.is_some()) {
            (true, true) => (self.caught, self.saved_minor) = (self.caught + 1, self.saved_minor + outcome.amount_minor),
            (false, true) => (self.missed, self.lost_minor) = (self.missed + 1, self.lost_minor + outcome.amount_minor),
            (true, false) => self.false_alarms += 1,
            (false, false) => self.honest += 1,
        }
        if let Some(kind) = outcome.truth
            && self.frauds.len() < FRAUDS_MAX
        {
            self.frauds.push((outcome.ts, outcome.card, outcome.terminal, kind, outcome.is_stopped));
        }
        let day = outcome.ts.div_euclid(DAY_MS);
        if outcome.has_model {
            self.model_day = Some(self.model_day.map_or(day, |first| first.min(day)));
        }
        if outcome.online_score.is_some() {
            self.online_day = Some(self.online_day.map_or(day, |first| first.min(day)));
        }
        if self.kept.len() < SCORED_MAX {
            let at_s = u32::try_from(outcome.ts.div_euclid(1_000)).unwrap_or_default();
            let online_score = outcome.online_score.unwrap_or(0.0);
            self.kept.push(Kept { card: outcome.card, at_s, score: outcome.score, online_score, is_fraud: outcome.truth.is_some() });
        }
    }

    /// Figures by name.
    pub(super) fn scores(&self) -> BTreeMap<String, f64> {
        let mut scores = BTreeMap::new();
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        put(&mut scores, "precision", share(self.caught, self.caught + self.false_alarms));
        put(&mut scores, "recall", share(self.caught, self.caught + self.missed));
        put(&mut scores, "false_positive_rate", share(self.false_alarms, self.false_alarms + self.honest));
        put(&mut scores, "value_saved", Some(self.saved_minor as f64 / 100.0));
        put(&mut scores, "value_lost", Some(self.lost_minor as f64 / 100.0));
        self.ranking(&mut scores);
        self.online_ranking(&mut scores);
        self.delays(&mut scores);
        scores
    }

    /// By the handbook's protocol over whole weeks where there are some, and plainly over all that came after the model's first day: what a
    /// short run or a short file has to show. What no model saw says nothing of one.
    fn ranking(&self, scores: &mut BTreeMap<String, f64>) {
        let judged: Vec<_> = self.kept.iter().map(Kept::judged).collect();
        let weeks = weeks(&judged, WARM_UP_DAYS);
        if !weeks.is_empty() {
            let mean = |of: fn(&Week) -> f64| Some(weeks.iter().map(of).sum::<f64>() / weeks.len() as f64);
            let worst = |of: fn(&Week) -> f64| weeks.iter().map(of).min_by(f64::total_cmp);
            put(scores, "test_weeks", Some(weeks.len() as f64));
            put(scores, "test_payments", Some(weeks.iter().map(|week| week.payments).sum::<usize>() as f64));
            put(scores, "test_frauds", Some(weeks.iter().map(|week| week.frauds).sum::<usize>() as f64));
            put(scores, "average_precision", mean(|week| week.average_precision));
            put(scores, "average_precision_worst_week", worst(|week| week.average_precision));
            put(scores, "card_precision_100", mean(|week| week.card_precision_100));
            put(scores, "card_precision_100_worst_week", worst(|week| week.card_precision_100));
            put(scores, "roc_auc", mean(|week| week.roc_auc));
            put_intervals(scores, "", &intervals(&test_weeks(&judged, WARM_UP_DAYS), SEED));
        }
        let Some(model_day) = self.model_day else { return };
        let tested = since(&judged, model_day + 1);
        let Some(average_precision) = average_precision(&tested) else { return };
        put(scores, "payments_since_model", Some(tested.len() as f64));
        put(scores, "frauds_since_model", Some(tested.iter().filter(|it| it.is_fraud).count() as f64));
        put(scores, "average_precision_since_model", Some(average_precision));
        put(scores, "card_precision_100_since_model", card_precision(&tested, 100));
        put(scores, "roc_auc_since_model", roc_auc(&tested));
        put_intervals(scores, "_since_model", &intervals(&[tested], SEED));
    }

    /// The model that learns online over the same payments, and over those since its own first day: each was scored before its label was known.
    fn online_ranking(&self, scores: &mut BTreeMap<String, f64>) {
        let Some(online_day) = self.online_day else { return };
        let judged: Vec<_> = self.kept.iter().map(|kept| Judged { score: f64::from(kept.online_score), ..kept.judged() }).collect();
        let weeks = weeks(&judged, WARM_UP_DAYS);
        if !weeks.is_empty() {
            let mean = |of: fn(&Week) -> f64| Some(weeks.iter().map(of).sum::<f64>() / weeks.len() as f64);
            put(scores, "online_average_precision", mean(|week| week.average_precision));
            put(scores, "online_card_precision_100", mean(|week| week.card_precision_100));
            put(scores, "online_roc_auc", mean(|week| week.roc_auc));
        }
        // From the day on from which both are there, so that they can be compared.
        let tested = since(&judged, self.model_day.unwrap_or(online_day).max(online_day) + 1);
        put(scores, "online_average_precision_since_model", average_precision(&tested));
        put(scores, "online_roc_auc_since_model", roc_auc(&tested));
    }

    fn delays(&self, scores: &mut BTreeMap<String, f64>) {
        let mut frauds = self.frauds.clone();
        frauds.sort_unstable();
        let (mut of_cards, mut of_kinds) = (Delays::default(), Delays::default());
        for (ts, card, terminal, kind, is_stopped) in &frauds {
            of_cards.add(*kind, u64::from(*card), *ts, *is_stopped);
            of_kinds.add(*kind, u64::from(victim(*kind, *card, *terminal)), *ts, *is_stopped);
        }
        let mut tell = |of: &str, victims: &str, delay: Delay| {
            put(scores, &format!("{of}{victims}_robbed"), Some(delay.cards as f64));
            put(scores, &format!("{of}{victims}_missed"), Some(delay.missed() as f64));
            put(scores, &format!("{of}payments_to_first_stop_median"), delay.payments_median);
            put(scores, &format!("{of}seconds_to_first_stop_median"), delay.ms_median.map(|ms| ms as f64 / 1_000.0));
        };
        tell("", "cards", of_cards.all());
        for (kind, delay) in of_kinds.by_kind() {
            tell(&format!("{}_", kind.name()), victim(kind, "cards", "victims"), delay);
        }
    }
}

impl Kept {
    fn judged(&self) -> Judged {
        Judged { card: self.card, ts: i64::from(self.at_s) * 1_000, score: f64::from(self.score), is_fraud: self.is_fraud }
    }
}

fn put(scores: &mut BTreeMap<String, f64>, name: &str, value: Option<f64>) {
    scores.extend(value.map(|value| (name.to_owned(), value)));
}

fn put_intervals(scores: &mut BTreeMap<String, f64>, of: &str, intervals: &Option<Intervals>) {
    let Some(intervals) = intervals else { return };
    for (name, (low, high)) in [("average_precision", intervals.average_precision), ("card_precision_100", intervals.card_precision_100)] {
        put(scores, &format!("{name}{of}_low"), Some(low));
        put(scores, &format!("{name}{of}_high"), Some(high));
    }
}
