//! Gathers what the topics say, and judges.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weir_model::Check;

use super::{Batch, Judged, Spent, weeks};
use crate::{
    pipelines::fraud::{
        features::Feature,
        records::{Action, Decision, Ring, Score, Transaction},
    },
    sim::{fraud::Truth, hash64},
    truth::{check, latency::DecisionLatency, pending, ranking},
};

/// Payments remembered; a longer run is judged by its first ones, and says so.
const PAYMENTS_MAX: usize = 3_000_000;
/// Examples named as evidence.
const NAMED_MAX: usize = 3;
/// Whole weeks are scored from this many days after the first payment on: 30 days of windows, a week of delay, and some to learn from.
const WARM_UP_DAYS: i64 = 42;
/// The share of ring accounts that must be found (PIPELINES.md 4.2).
pub const RINGS_RECALL_MIN: f64 = 0.9;
/// Accounts that belong to no ring, in those found.
const INNOCENT_MAX: usize = 2;
/// A ring is one from so many accounts on that paid.
const RING_ACCOUNTS_MIN: usize = 4;
/// Velocity windows keep no more payments than these, so larger counts are not compared.
const COUNT_24H_MAX: u32 = 250;

/// A payment and what became of it. Small, as there are millions.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    card: u32,
    ts: i64,
    amount_minor: i64,
    /// Distinct records in the input topic are payments; this tells whether there was one.
    is_payment: bool,
    decided: u8,
    action: Option<Action>,
    score: f32,
    has_truth: bool,
    is_fraud: bool,
    expected: Spent,
    published: Option<Spent>,
}

/// Gathers and judges.
#[derive(Debug, Default)]
pub struct Judge {
    /// By a hash of the transaction's id: ids are many and long.
    entries: HashMap<u64, Entry>,
    cards: HashMap<String, u32>,
    batch: Batch,
    rings: BTreeMap<String, Ring>,
    /// The accounts of each true ring that paid.
    true_rings: BTreeMap<u32, BTreeSet<String>>,
    holds: u64,
    cases: u64,
    is_full: bool,
    /// What the report counts, kept up to date: it is asked for several times a second.
    payments: u64,
    decided: u64,
    by_action: [u64; 3],
    frauds: u64,
    latency: DecisionLatency,
}

/// Decisions against truth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Confusion {
    caught: u64,
    missed: u64,
    false_alarms: u64,
    honest: u64,
    saved_minor: i64,
    lost_minor: i64,
}

impl Judge {
    /// A record of `transaction_events`; a repetition of an id is no second payment.
    pub fn payment(&mut self, payment: &Transaction) {
        let card = self.card(&payment.account_id.0);
        let Some(entry) = self.entry(&payment.transaction_id.0) else { return };
        if entry.is_payment {
            return;
        }
        (entry.is_payment, entry.card, entry.ts, entry.amount_minor) = (true, card, payment.ts, payment.amount_minor);
        self.payments += 1;
        let expected = self.batch.add(card, payment.ts, payment.amount_minor);
        if let Some(entry) = self.entry(&payment.transaction_id.0) {
            entry.expected = expected;
        }
    }

    /// A record of `decisions`.
    pub fn decision(&mut self, decision: &Decision) {
        self.holds += u64::from(decision.action == Action::Hold);
        self.latency.record(decision.latency_us);
        let Some(entry) = self.entry(&decision.transaction_id.0) else { return };
        entry.decided = entry.decided.saturating_add(1);
        entry.action = Some(decision.action);
        entry.score = decision.score.unwrap_or(0.0) as f32;
        let is_first = entry.decided == 1;
        self.decided += u64::from(is_first);
        self.by_action[decision.action as usize] += u64::from(is_first);
    }

    /// A record of `fraud_scores`.
    pub fn score(&mut self, score: &Score) {
        let of = |feature| f64::from(score.features.get(feature));
        let published = Spent {
            count_24h: of(Feature::Count24h) as u32,
            sum_24h_minor: (of(Feature::Sum24h) * 100.0).round() as i64,
            count_7d: of(Feature::AccountCount7d) as u32,
        };
        if let Some(entry) = self.entry(&score.transaction_id.0) {
            entry.published = Some(published);
        }
    }

    /// A record of the truth.
    pub fn truth(&mut self, truth: &Truth) {
        if let Some(ring) = truth.ring {
            self.true_rings.entry(ring).or_default().insert(truth.account_id.clone());
        }
        if let Some(entry) = self.entry(&truth.transaction_id) {
            let is_new_fraud = !entry.has_truth && truth.scenario.is_some();
            (entry.has_truth, entry.is_fraud) = (true, truth.scenario.is_some());
            self.frauds += u64::from(is_new_fraud);
        }
    }

    /// A record of `rings`; `None` where another ring took it in.
    pub fn ring(&mut self, ring_id: &str, ring: Option<Ring>) {
        match ring {
            Some(ring) => drop(self.rings.insert(ring_id.to_owned(), ring)),
            None => drop(self.rings.remove(ring_id)),
        }
    }

    /// A record of `cases`.
    pub fn case(&mut self) {
        self.cases += 1;
    }

    fn entry(&mut self, transaction_id: &str) -> Option<&mut Entry> {
        let id = transaction_id.bytes().fold(0, |hash, byte| hash64(hash, u64::from(byte)));
        if !self.entries.contains_key(&id) && self.entries.len() >= PAYMENTS_MAX {
            self.is_full = true;
            return None;
        }
        Some(self.entries.entry(id).or_default())
    }

    fn card(&mut self, account_id: &str) -> u32 {
        if let Some(card) = self.cards.get(account_id) {
            return *card;
        }
        let card = self.cards.len() as u32;
        self.cards.insert(account_id.to_owned(), card);
        card
    }

    /// Payments, decisions and holds, for the report.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let of = |action: Action| self.by_action[action as usize];
        let counts = [
            ("payments", self.payments),
            ("decisions", self.decided),
            ("blocked", of(Action::Block)),
            ("held", of(Action::Hold)),
            ("frauds", self.frauds),
            ("rings", self.rings.len() as u64),
        ];
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    /// The verdicts. Before the run is over, what is missing may still come.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        if !is_over {
            let ids = ["decisions_equal_payments", "features_equal_batch", "holds_have_cases", "rings_found"];
            return ids.map(|id| pending(id, "the run goes on")).into();
        }
        vec![self.decided_once(), self.features_equal(), self.holds_have_cases(), self.rings_found()]
    }

    fn decided_once(&self) -> Check {
        let id = "decisions_equal_payments";
        let (mut payments, mut skipped, mut twice, mut unknown) = (0_u64, 0_u64, 0_u64, 0_u64);
        for entry in self.entries.values() {
            payments += u64::from(entry.is_payment);
            skipped += u64::from(entry.is_payment && entry.decided == 0);
            twice += u64::from(entry.decided > 1);
            unknown += u64::from(!entry.is_payment && entry.decided > 0);
        }
        let note = if self.is_full { format!("; more than {PAYMENTS_MAX} are not looked at") } else { String::new() };
        let evidence = format!(
            "{payments} payments: {skipped} without a decision, {twice} decided twice, {unknown} decisions without a payment{note}"
        );
        if payments == 0 {
            return pending(id, "no payment was seen");
        }
        check(id, skipped + twice + unknown == 0, evidence)
    }

    fn features_equal(&self) -> Check {
        let id = "features_equal_batch";
        let (mut compared, mut wrong, mut named) = (0_u64, 0_u64, Vec::new());
        for entry in self.entries.values().filter(|entry| entry.is_payment) {
            let Some(published) = entry.published else { continue };
            if entry.expected.count_24h > COUNT_24H_MAX {
                continue;
            }
            compared += 1;
            // Sums travel as 32-bit floats of major units: exact to a ten-millionth.
            let near = (published.sum_24h_minor - entry.expected.sum_24h_minor).abs() <= 1 + entry.expected.sum_24h_minor.abs() / 1_000_000;
            if !near || (published.count_24h, published.count_7d) != (entry.expected.count_24h, entry.expected.count_7d) {
                wrong += 1;
                if named.len() < NAMED_MAX {
                    named.push(format!("{published:?} instead of {:?}", entry.expected));
                }
            }
        }
        if compared == 0 {
            return pending(id, "no features were seen");
        }
        check(id, wrong == 0, format!("{compared} payments' windows of a day and a week recomputed, {wrong} differ {}", named.join(", ")))
    }

    fn holds_have_cases(&self) -> Check {
        check("holds_have_cases", self.holds == self.cases, format!("{} payments held, {} in the review queue", self.holds, self.cases))
    }

    fn rings_found(&self) -> Check {
        let id = "rings_found";
        let Some((recall, innocent, accounts)) = self.ring_recall() else { return pending(id, "no ring was launched") };
        let evidence = format!("{:.0} % of {accounts} accounts in rings found, with {innocent} that are in none", recall * 100.0);
        check(id, recall >= RINGS_RECALL_MIN && innocent <= INNOCENT_MAX, evidence)
    }

    /// The share of ring accounts found, innocent accounts among them, and ring accounts.
    fn ring_recall(&self) -> Option<(f64, usize, usize)> {
        let all: BTreeSet<_> = self.true_rings.values().flatten().map(String::as_str).collect();
        let large = self.true_rings.values().filter(|ring| ring.len() >= RING_ACCOUNTS_MIN);
        let wanted: BTreeSet<_> = large.flatten().map(String::as_str).collect();
        let found: BTreeSet<_> = self.rings.values().flat_map(|ring| &ring.accounts).map(|account| account.0.as_str()).collect();
        if wanted.is_empty() {
            return None;
        }
        Some((wanted.intersection(&found).count() as f64 / wanted.len() as f64, found.difference(&all).count(), wanted.len()))
    }

    /// Figures against truth.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let known = || self.entries.values().filter(|entry| entry.is_payment && entry.has_truth);
        let judged: Vec<_> = known()
            .map(|entry| Judged { card: entry.card, ts: entry.ts, score: f64::from(entry.score), is_fraud: entry.is_fraud })
            .collect();
        let mut scores = self.latency.scores("decision");
        let mut put = |name: &str, value: Option<f64>| scores.extend(value.map(|value| (name.to_owned(), value)));
        let weeks = weeks(&judged, WARM_UP_DAYS);
        let mean = |of: fn(&super::Week) -> f64| (!weeks.is_empty()).then(|| weeks.iter().map(of).sum::<f64>() / weeks.len() as f64);
        let worst = |of: fn(&super::Week) -> f64| weeks.iter().map(of).min_by(f64::total_cmp);
        put("test_weeks", (!weeks.is_empty()).then_some(weeks.len() as f64));
        put("average_precision", mean(|week| week.average_precision));
        put("average_precision_worst_week", worst(|week| week.average_precision));
        put("card_precision_100", mean(|week| week.card_precision_100));
        put("card_precision_100_worst_week", worst(|week| week.card_precision_100));
        // Over all payments, those before there was a model too: what a short run has to show.
        let all: Vec<_> = judged
            .iter()
            .map(|it| ranking::Scored { card: it.card, day: it.ts.div_euclid(86_400_000), score: it.score, is_fraud: it.is_fraud })
            .collect();
        put("average_precision_all", ranking::average_precision(&all));
        let confusion = confusion(known());
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        put("precision", share(confusion.caught, confusion.caught + confusion.false_alarms));
        put("recall", share(confusion.caught, confusion.caught + confusion.missed));
        put("false_positive_rate", share(confusion.false_alarms, confusion.false_alarms + confusion.honest));
        put("value_saved", Some(confusion.saved_minor as f64 / 100.0));
        put("value_lost", Some(confusion.lost_minor as f64 / 100.0));
        put("ring_recall", self.ring_recall().map(|(recall, ..)| recall));
        let (payments, seconds) = first_stops(known());
        put("payments_to_first_stop_median", payments);
        put("seconds_to_first_stop_median", seconds);
        scores
    }
}

fn confusion<'a>(entries: impl Iterator<Item = &'a Entry>) -> Confusion {
    let mut confusion = Confusion::default();
    for entry in entries {
        let is_stopped = entry.action.is_some_and(|action| action > Action::Allow);
        match (is_stopped, entry.is_fraud) {
            (true, true) => (confusion.caught, confusion.saved_minor) = (confusion.caught + 1, confusion.saved_minor + entry.amount_minor),
            (false, true) => (confusion.missed, confusion.lost_minor) = (confusion.missed + 1, confusion.lost_minor + entry.amount_minor),
            (true, false) => confusion.false_alarms += 1,
            (false, false) => confusion.honest += 1,
        }
    }
    confusion
}

/// Over the cards that were stopped: frauds up to the first that was, and seconds from the first fraud to it; medians.
fn first_stops<'a>(entries: impl Iterator<Item = &'a Entry>) -> (Option<f64>, Option<f64>) {
    let mut by_card = BTreeMap::<u32, Vec<(i64, bool)>>::new();
    for entry in entries.filter(|entry| entry.is_fraud) {
        let is_stopped = entry.action.is_some_and(|action| action > Action::Allow);
        by_card.entry(entry.card).or_default().push((entry.ts, is_stopped));
    }
    let (mut payments, mut seconds) = (Vec::new(), Vec::new());
    for frauds in by_card.values_mut() {
        frauds.sort_unstable();
        let Some(at) = frauds.iter().position(|(_, is_stopped)| *is_stopped) else { continue };
        payments.push((at + 1) as f64);
        seconds.push((frauds[at].0 - frauds[0].0) as f64 / 1_000.0);
    }
    (median(payments), median(seconds))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
