//! The dashboard, folded from the pipeline's topics alone. Precision, recall and value come from the labels that have arrived, as they
//! would with real payments: nobody knows a fraud before its chargeback.

mod crimes;
mod desk;
mod ranking;
mod terminals;
#[cfg(test)]
mod tests;
mod widgets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use weir_model::{Dashboard, PipelineAction, Problem, TimestampMs};

use super::{
    TransactionId,
    latency::EndToEnd,
    model::Model,
    records::{Action, Alert, Case, Decision, Label, LabelSource, Ring},
    rules::RuleText,
    settings::{
        ALERTS, CASES, CHARGEBACKS, DAY_MS, DECISIONS, EXAMPLES, LABEL_DELAY_MS, LABEL_SLACK_MS, MODELS, RINGS, RULES, SCORES, SUSPENDED,
        TRANSACTIONS, TRUTH, VERDICTS,
    },
};
use crate::{
    pipelines::shape::{Emit, Observed},
    sim::fraud::Truth,
    truth::latency::DecisionLatency,
};
use crimes::Crimes;
use desk::Desk;
use ranking::Ranking;
use terminals::Terminals;

/// Days of history.
const DAYS_MAX: usize = 120;
/// Seconds of the wall clock over which the rate is shown.
const SECONDS_MAX: usize = 60;
/// Cases in the queue; above it the oldest are looked at no more.
const CASES_MAX: usize = 200;
/// Alerts in the feed.
const ALERTS_MAX: usize = 20;
/// Rings remembered.
const RINGS_MAX: usize = 50;
/// Stopped payments on the map, and as many that passed.
const PLACES_MAX: usize = 60;
/// Stopped payments whose label may still come.
const STOPPED_MAX: usize = 200_000;

/// What the topics said so far.
#[derive(Debug, Default)]
pub struct Fold {
    days: BTreeMap<i64, Day>,
    /// Decisions by second of the wall clock.
    seconds: BTreeMap<i64, u64>,
    /// Payments held or blocked, by when they were made: a label may still come.
    stopped: BTreeMap<(i64, TransactionId), i64>,
    cases: VecDeque<Case>,
    cases_all: u64,
    judged_early: BTreeSet<TransactionId>,
    verdicts: u64,
    alerts: VecDeque<Alert>,
    rings: BTreeMap<String, Ring>,
    rules: BTreeMap<String, RuleText>,
    desk: Desk,
    fired: BTreeMap<String, u64>,
    /// The newest payments that were stopped, and those that passed.
    stopped_places: VecDeque<Decision>,
    passed_places: VecDeque<Decision>,
    model: Option<(u64, i64, u64, u64)>,
    is_model_off: bool,
    newest_ms: Option<i64>,
    /// From a payment's arrival in the task that decides.
    deciding: DecisionLatency,
    end_to_end: EndToEnd,
    crimes: Crimes,
    terminals: Terminals,
    ranking: Ranking,
}

/// A day's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Day {
    caught: u64,
    missed: u64,
    false_alarms: u64,
    saved_minor: i64,
    lost_minor: i64,
}

impl Day {
    fn add(&mut self, other: &Self) {
        self.caught += other.caught;
        self.missed += other.missed;
        self.false_alarms += other.false_alarms;
        self.saved_minor += other.saved_minor;
        self.lost_minor += other.lost_minor;
    }
}

impl Fold {
    /// Takes a record of one of the pipeline's topics in; `at` is when it came. What is none is passed over.
    pub fn observe(&mut self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, at: TimestampMs) {
        let key = || String::from_utf8_lossy(key.unwrap_or_default()).into_owned();
        match (topic, value) {
            (DECISIONS, Some(value)) => read(value, |decision| self.decision(decision, at)),
            (CHARGEBACKS, Some(value)) => read(value, |label: Label| {
                self.desk.label(&label);
                self.terminals.label(&label);
                self.chargeback(&label);
            }),
            (VERDICTS, Some(value)) => read(value, |label: Label| {
                self.desk.label(&label);
                self.terminals.label(&label);
                self.verdict(&label);
            }),
            (SCORES, Some(value)) => read(value, |score| self.desk.score(score)),
            (EXAMPLES, Some(value)) => read(value, |example| self.ranking.example(&example)),
            (CASES, Some(value)) => read(value, |case| self.case(case)),
            (ALERTS, Some(value)) => read(value, |alert| self.alert(alert)),
            (TRUTH, Some(value)) => read(value, |truth: Truth| self.crimes.truth(&truth)),
            (RINGS, Some(value)) => read(value, |ring: Ring| self.ring(ring)),
            (RINGS, None) => drop(self.rings.remove(&key())),
            (RULES, Some(value)) => read(value, |rule: RuleText| drop(self.rules.insert(rule.rule_id.clone(), rule))),
            (RULES, None) => drop(self.rules.remove(&key())),
            (MODELS, value) if key() == SUSPENDED => self.is_model_off = value.is_some(),
            (MODELS, Some(value)) => read(value, |model: Model| {
                let record = model.record();
                self.model = Some((record.version, record.trained_at, record.examples, record.frauds));
            }),
            (MODELS, None) => self.model = None,
            _ => {}
        }
    }

    /// Times payments from their being sent to their decision; `at` is when the record came.
    pub(super) fn time(&mut self, record: &Observed<'_>, at: TimestampMs) {
        /// All that is needed of payments and decisions.
        #[derive(serde::Deserialize)]
        struct Named {
            transaction_id: TransactionId,
        }
        let Some(value) = record.value else { return };
        match record.topic {
            TRANSACTIONS => read(value, |it: Named| self.end_to_end.payment(&it.transaction_id, record)),
            DECISIONS => read(value, |it: Named| self.end_to_end.decision(&it.transaction_id, at.0)),
            _ => {}
        }
    }

    /// What an analyst did: a verdict in the queue, or something with a rule.
    ///
    /// # Errors
    /// When it can't be done.
    pub fn act(&mut self, action: &PipelineAction, out: &mut Emit) -> Result<(), Problem> {
        let now_ms = self.newest_ms.unwrap_or(0);
        if &*action.widget == widgets::QUEUE {
            let case = self.cases.iter().find(|case| *case.transaction_id.0 == *action.subject);
            return self.desk.judge(case, action, now_ms, out);
        }
        self.desk.rule(self.rules.get(action.subject.trim()), action, now_ms, out)
    }

    /// The dashboard as of now.
    pub fn dashboard(&self, now: TimestampMs) -> Dashboard {
        Dashboard { event_time: self.newest_ms.map(TimestampMs), widgets: widgets::all(self, now) }
    }

    fn decision(&mut self, decision: Decision, at: TimestampMs) {
        *self.seconds.entry(at.0.div_euclid(1_000)).or_default() += 1;
        while self.seconds.len() > SECONDS_MAX {
            self.seconds.pop_first();
        }
        self.deciding.record(decision.latency_us);
        self.crimes.decision(&decision);
        self.terminals.decision(&decision);
        self.advance(decision.ts);
        for rule in &decision.rules_fired {
            *self.fired.entry(rule.clone()).or_default() += 1;
        }
        // A day without an outcome is a day all the same.
        self.day(decision.ts);
        if decision.action > Action::Allow {
            self.stopped.insert((decision.ts, decision.transaction_id.clone()), decision.amount_minor);
            if self.stopped.len() > STOPPED_MAX {
                self.stopped.pop_first();
            }
        }
        let places = if decision.action > Action::Allow { &mut self.stopped_places } else { &mut self.passed_places };
        places.push_back(decision);
        if places.len() > PLACES_MAX {
            places.pop_front();
        }
    }

    /// Time goes on: a stopped payment without a chargeback in time was honest.
    fn advance(&mut self, ts: i64) {
        self.newest_ms = self.newest_ms.max(Some(ts));
        let Some(newest) = self.newest_ms else { return };
        while let Some(((made_ms, _), _)) = self.stopped.first_key_value() {
            if made_ms + LABEL_DELAY_MS + LABEL_SLACK_MS >= newest {
                break;
            }
            let made_ms = *made_ms;
            self.stopped.pop_first();
            self.day(made_ms).false_alarms += 1;
        }
        while self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
    }

    fn chargeback(&mut self, label: &Label) {
        if !label.is_fraud || label.source != LabelSource::Chargeback {
            return;
        }
        let stopped = self.stopped.remove(&(label.ts, label.transaction_id.clone()));
        let day = self.day(label.ts);
        match stopped {
            Some(amount_minor) => (day.caught, day.saved_minor) = (day.caught + 1, day.saved_minor + amount_minor),
            None => (day.missed, day.lost_minor) = (day.missed + 1, day.lost_minor + label.amount_minor),
        }
    }

    fn day(&mut self, ts: i64) -> &mut Day {
        self.days.entry(ts.div_euclid(DAY_MS)).or_default()
    }

    fn case(&mut self, case: Case) {
        self.cases_all += 1;
        if self.judged_early.remove(&case.transaction_id) {
            return;
        }
        self.cases.push_back(case);
        if self.cases.len() > CASES_MAX {
            self.cases.pop_front();
        }
    }

    fn verdict(&mut self, label: &Label) {
        self.verdicts += 1;
        let before = self.cases.len();
        self.cases.retain(|case| case.transaction_id != label.transaction_id);
        if self.cases.len() == before {
            // Topics are read side by side: the verdict may be seen before its case.
            self.judged_early.insert(label.transaction_id.clone());
            if self.judged_early.len() > CASES_MAX {
                self.judged_early.pop_first();
            }
        }
    }

    fn alert(&mut self, alert: Alert) {
        if alert.pipeline == super::settings::ID {
            self.alerts.push_front(alert);
            self.alerts.truncate(ALERTS_MAX);
        }
    }

    fn ring(&mut self, ring: Ring) {
        self.rings.insert(ring.ring_id.to_string(), ring);
        if self.rings.len() > RINGS_MAX
            && let Some(oldest) = self.rings.values().min_by_key(|ring| ring.since).map(|ring| ring.ring_id.to_string())
        {
            self.rings.remove(&oldest);
        }
    }

    /// All days together.
    fn total(&self) -> Day {
        self.days.values().fold(Day::default(), |mut sum, day| {
            sum.add(day);
            sum
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &[u8], then: impl FnOnce(T)) {
    if let Ok(value) = serde_json::from_slice(value) {
        then(value);
    }
}
