//! Gathers what the topics say, and judges. What is known of a payment whole leaves a few bytes for the scores, so that a run of hours can be
//! judged.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use weir_model::Check;

use super::{
    Batch,
    batch::{Expected, RECOMPUTED, Recomputed},
    scores::{Outcome, Outcomes},
    terminals::{self, Published, Terminals},
};
use crate::{
    pipelines::fraud::{
        RingId, TransactionId,
        records::{Action, Decision, Label, Ring, Score, Transaction},
    },
    sim::fraud::{Scenario, Truth},
    truth::{check, latency::DecisionLatency, pending},
};

/// Payments of which something is still to come; above it new ones are not looked at, and the checks say so.
const OPEN_MAX: usize = 1_000_000;
/// Payments whose truth may still come though all else is known: real data have none.
const TRUTHLESS_MAX: usize = 50_000;
/// Ids of payments that are done, so that what comes again is known; it comes soon.
const DONE_MAX: usize = 500_000;
/// Examples named as evidence.
const NAMED_MAX: usize = 3;
/// Topics are read side by side: what is missing is overdue when so many decisions that should follow it are there.
const OVERDUE_DECISIONS: u64 = 20_000;
/// Decisions between two notes of how many were held.
const NOTED_EVERY: u64 = 1_000;
/// The share of ring accounts that must be found (PIPELINES.md 4.2).
pub const RINGS_RECALL_MIN: f64 = 0.9;
/// Accounts that belong to no ring, in those found.
const INNOCENT_MAX: usize = 2;
/// A ring is one from so many accounts on that paid.
const RING_ACCOUNTS_MIN: usize = 4;
/// Features travel as 32-bit floats.
const NEAR: f64 = 1e-4;

/// A payment while something of it is still to come.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    payment: Option<Paid>,
    decided: Option<Decided>,
    has_features: bool,
    published: Option<(Recomputed, Published)>,
    truth: Option<Option<Scenario>>,
}

#[derive(Clone, Copy, Debug)]
struct Paid {
    card: u32,
    terminal: u32,
    ts: i64,
    amount_minor: i64,
    /// Both until compared.
    is_late: Option<bool>,
    expected: Option<Recomputed>,
}

#[derive(Clone, Copy, Debug)]
struct Decided {
    action: Action,
    is_late: bool,
    score: f32,
    has_model: bool,
    online_score: Option<f32>,
}

/// Gathers and judges.
#[derive(Debug, Default)]
pub struct Judge {
    /// By a hash of the transaction's id: ids are many and long.
    open: HashMap<u64, Entry>,
    /// Payments that lack only their truth, oldest first.
    truthless: VecDeque<u64>,
    done: HashSet<u64>,
    done_order: VecDeque<u64>,
    outcomes: Outcomes,
    cards: HashMap<String, u32>,
    batch: Batch,
    terminals: Terminals,
    rings: BTreeMap<RingId, Ring>,
    /// The accounts of each true ring that paid.
    true_rings: BTreeMap<u32, BTreeSet<String>>,
    /// Payments in the order in which they came, from the first undecided one on, with how many came before.
    undecided: VecDeque<(u64, u64)>,
    overdue: HashSet<u64>,
    /// How many were held, noted now and then.
    holds_noted: VecDeque<u64>,
    compared: u64,
    wrong: u64,
    late: u64,
    wrongly_late: u64,
    named: Vec<String>,
    holds: u64,
    cases: u64,
    decisions: u64,
    twice: u64,
    is_full: bool,
    payments: u64,
    decided: u64,
    by_action: [u64; 3],
    frauds: u64,
    latency: DecisionLatency,
}

impl Judge {
    /// A record of `transaction_events`; a repetition of an id is no second payment.
    pub fn payment(&mut self, payment: &Transaction) {
        let (id, card) = (payment.transaction_id.hash(), self.card(&payment.account_id.0));
        if self.entry(id).is_none_or(|entry| entry.payment.is_some()) {
            return;
        }
        let (expected, terminal) = (self.batch.add(card, payment), self.terminals.number(&payment.terminal_id.0));
        let Expected { is_late, features: expected } = expected;
        self.late += u64::from(is_late);
        self.terminals.payment(terminal, payment.ts);
        self.undecided.push_back((id, self.payments));
        self.payments += 1;
        if let Some(entry) = self.entry(id) {
            entry.payment =
                Some(Paid { card, terminal, ts: payment.ts, amount_minor: payment.amount_minor, is_late: Some(is_late), expected });
        }
        self.settle(id);
        self.look_for_overdue();
    }

    /// A record of `decisions`.
    pub fn decision(&mut self, decision: &Decision) {
        let id = decision.transaction_id.hash();
        self.decisions += 1;
        self.holds += u64::from(decision.action == Action::Hold);
        if self.decisions.is_multiple_of(NOTED_EVERY) {
            self.holds_noted.push_back(self.holds);
            if self.holds_noted.len() as u64 > OVERDUE_DECISIONS / NOTED_EVERY {
                self.holds_noted.pop_front();
            }
        }
        self.latency.record(decision.latency_us);
        if self.done.contains(&id) || self.open.get(&id).is_some_and(|entry| entry.decided.is_some()) {
            self.twice += 1;
            return;
        }
        let Some(entry) = self.entry(id) else { return };
        let (score, has_model) = (decision.score.unwrap_or(0.0) as f32, decision.model_version > 0);
        let online_score = decision.online_score.map(|score| score as f32);
        let (action, is_late) = (decision.action, decision.is_late);
        entry.decided = Some(Decided { action, is_late, score, has_model, online_score });
        self.decided += 1;
        self.by_action[decision.action as usize] += 1;
        self.overdue.remove(&id);
        self.settle(id);
        self.look_for_overdue();
    }

    /// A record of `fraud_scores`.
    pub fn score(&mut self, score: &Score) {
        let id = score.transaction_id.hash();
        let published = RECOMPUTED.map(|feature| f64::from(score.features.get(feature)));
        let of_terminal = terminals::published(|feature| f64::from(score.features.get(feature)));
        self.terminals.score(score.ts);
        let Some(entry) = self.entry(id) else { return };
        (entry.has_features, entry.published) = (true, Some((published, of_terminal)));
        self.settle(id);
    }

    /// A record of `chargebacks` or `fraud.verdicts`, and when it was written.
    pub fn label(&mut self, label: &Label, at_ms: i64) {
        if label.is_fraud {
            self.terminals.fraud(&label.terminal_id.0, label.transaction_id.hash(), label.ts, at_ms);
        }
    }

    /// A record of the truth.
    pub fn truth(&mut self, truth: &Truth) {
        if let Some(ring) = truth.ring {
            self.true_rings.entry(ring).or_default().insert(truth.account_id.clone());
        }
        let id = TransactionId::from(truth.transaction_id.as_str()).hash();
        let Some(entry) = self.entry(id) else { return };
        let is_new_fraud = entry.truth.is_none() && truth.scenario.is_some();
        entry.truth = Some(truth.scenario);
        self.frauds += u64::from(is_new_fraud);
        self.settle(id);
    }

    /// A record of `rings`; `None` where another ring took it in.
    pub fn ring(&mut self, ring_id: RingId, ring: Option<Ring>) {
        match ring {
            Some(ring) => drop(self.rings.insert(ring_id, ring)),
            None => drop(self.rings.remove(&ring_id)),
        }
    }

    /// A record of `cases`.
    pub fn case(&mut self) {
        self.cases += 1;
    }

    /// What is known of a payment; `None` for one that is done, and when there are too many.
    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        if self.done.contains(&id) {
            return None;
        }
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&id) {
            self.is_full = true;
            return None;
        }
        Some(self.open.entry(id).or_default())
    }

    /// Compares features once both sides are there, and closes a payment of which all is known.
    fn settle(&mut self, id: u64) {
        let Some(entry) = self.open.get_mut(&id) else { return };
        let Some(paid) = &mut entry.payment else { return };
        let published = entry.published.take();
        if let Some((_, of_terminal)) = published {
            self.terminals.compare(paid.terminal, paid.ts, of_terminal);
        }
        if let Some((published, _)) = published
            && let Some(expected) = paid.expected.take()
        {
            self.compared += 1;
            let is_far = |at: &usize| (published[*at] - expected[*at]).abs() > NEAR * expected[*at].abs().max(1.0);
            if let Some(at) = (0..RECOMPUTED.len()).find(is_far) {
                self.wrong += 1;
                if self.named.len() < NAMED_MAX {
                    self.named.push(format!("{} {} instead of {}", RECOMPUTED[at].name(), published[at], expected[at]));
                }
            }
        }
        let (Some(decided), true) = (entry.decided, entry.has_features) else { return };
        let (card, terminal, ts, amount_minor) = (paid.card, paid.terminal, paid.ts, paid.amount_minor);
        self.wrongly_late += u64::from(paid.is_late.take().is_some_and(|is_late| is_late != decided.is_late));
        if let Some(truth) = entry.truth {
            self.outcomes.add(&Outcome {
                card,
                terminal,
                ts,
                amount_minor,
                score: decided.score,
                has_model: decided.has_model,
                online_score: decided.online_score,
                is_stopped: decided.action > Action::Allow,
                truth,
            });
            self.close(id);
            return;
        }
        self.truthless.push_back(id);
        if self.truthless.len() > TRUTHLESS_MAX
            && let Some(oldest) = self.truthless.pop_front()
        {
            self.close(oldest);
        }
    }

    fn close(&mut self, id: u64) {
        if self.open.remove(&id).is_none() {
            return;
        }
        self.done.insert(id);
        self.done_order.push_back(id);
        if self.done_order.len() > DONE_MAX
            && let Some(oldest) = self.done_order.pop_front()
        {
            self.done.remove(&oldest);
        }
    }

    /// A payment is overdue when so many that came after it are decided.
    fn look_for_overdue(&mut self) {
        while let Some((id, before)) = self.undecided.front().copied() {
            let is_decided = self.open.get(&id).is_none_or(|entry| entry.decided.is_some());
            if !is_decided {
                if self.decided <= before + OVERDUE_DECISIONS {
                    return;
                }
                self.overdue.insert(id);
            }
            self.undecided.pop_front();
        }
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
            ("late", self.late),
            ("frauds", self.frauds),
            ("rings", self.rings.len() as u64),
        ];
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    /// The verdicts. Before the run is over they hold of what was seen so far: what is missing may still come, unless it is overdue.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let rings = if is_over { self.rings_found() } else { pending("rings_found", "the run goes on") };
        vec![self.decided_once(is_over), self.features_equal(is_over), self.holds_have_cases(is_over), rings]
    }

    fn decided_once(&self, is_over: bool) -> Check {
        let id = "decisions_equal_payments";
        if self.payments == 0 {
            return pending(id, "no payment was seen");
        }
        let (payments, twice) = (self.payments, self.twice);
        if !is_over {
            let (waiting, overdue) = (payments.saturating_sub(self.decided), self.overdue.len());
            let evidence = format!("{payments} payments so far: {waiting} wait, {overdue} are overdue, {twice} decided twice");
            return check(id, overdue == 0 && twice == 0, evidence);
        }
        let (mut skipped, mut unknown) = (0_u64, 0_u64);
        for entry in self.open.values() {
            skipped += u64::from(entry.payment.is_some() && entry.decided.is_none());
            unknown += u64::from(entry.payment.is_none() && entry.decided.is_some());
        }
        let note = if self.is_full { format!("; with {OPEN_MAX} waiting, more were not looked at") } else { String::new() };
        let evidence = format!(
            "{payments} payments: {skipped} without a decision, {twice} decided twice, {unknown} decisions without a payment{note}"
        );
        check(id, skipped + twice + unknown == 0, evidence)
    }

    fn features_equal(&self, is_over: bool) -> Check {
        let id = "features_equal_batch";
        if self.compared == 0 {
            return pending(id, "no features were seen");
        }
        let (compared, wrong, features) = (self.compared, self.wrong, RECOMPUTED.len());
        let of_terminals = self.terminals.outcome(is_over);
        let evidence = format!("{features} features of {compared} payments recomputed, {wrong} payments differ {}", self.named.join(", "));
        let (late, wrongly_late) = (self.late, self.wrongly_late);
        let of_late = if late + wrongly_late > 0 { format!("; {late} came late, {wrongly_late} told wrongly") } else { String::new() };
        let evidence = format!(
            "{}; {} of their terminals of {}, {} differ {}{}",
            evidence.trim_end(),
            terminals::FEATURES,
            of_terminals.compared,
            of_terminals.wrong,
            of_terminals.first.unwrap_or_default(),
            if of_terminals.left_out > 0 { format!(", {} are too far apart", of_terminals.left_out) } else { String::new() }
        );
        check(id, wrong + of_terminals.wrong + wrongly_late == 0, format!("{}{of_late}", evidence.trim_end()))
    }

    fn holds_have_cases(&self, is_over: bool) -> Check {
        let (id, evidence) = ("holds_have_cases", format!("{} payments held, {} in the review queue", self.holds, self.cases));
        if is_over {
            return check(id, self.holds == self.cases, evidence);
        }
        let noted = self.holds_noted.front().filter(|_| self.holds_noted.len() as u64 == OVERDUE_DECISIONS / NOTED_EVERY);
        check(id, noted.is_none_or(|overdue| self.cases >= *overdue), format!("{evidence} so far"))
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
        let mut scores = self.latency.scores("deciding");
        scores.extend(self.outcomes.scores());
        scores.extend(self.ring_recall().map(|(recall, ..)| ("ring_recall".to_owned(), recall)));
        scores
    }
}
