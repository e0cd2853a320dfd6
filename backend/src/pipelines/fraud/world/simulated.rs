//! The simulated world at a steady rate of payments: event time goes as fast as that takes, weeks in a minute.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{holders::Holders, rulebook, send};
use crate::{
    pipelines::{
        fraud::{
            TransactionId,
            meta::{BAD_RULE, CARD_TESTING, COPIES, FAULTS, HOLIDAY, MODEL_OFF, RING, TAKEOVER, TERMINALS},
            model::Model,
            records::{Action, Case, Label, Transaction},
            replay::{chargeback, transaction},
            rules::RuleText,
            scenarios::THIEVES_AT_TERMINALS,
            settings::{CASES, CHARGEBACKS, DAY_MS, DISORDER, HOUR_MS, MODELS, RULES, SUSPENDED, TRANSACTIONS, TRUTH, VERDICTS},
        },
        shape::{Command, Emit, EmitRecord, Observed, RunParams, World},
    },
    sim::{
        Random, Schedule,
        fraud::{self, Arrivals, Emitted, Extras, Generator, HOLIDAY_FACTOR, Trouble, Truth, WorldParams},
    },
};

/// Event time begins so long before the clock, so that it does not run into a future that brokers refuse (KIP-937).
const HISTORY_DAYS: i64 = 365;
/// One payment in so many reaches the topic twice, as producers do that retry without idempotence.
const REPEATED_SHARE: f64 = 0.002;
/// How long a reviewer takes, in event time, and how often one is wrong.
const REVIEW_MS: i64 = 2 * HOUR_MS;
/// How long a case is left in the queue for whoever watches, in time of the run; three days of event time are the most, as a chargeback
/// that comes before the verdict would take its ground away.
const REVIEW_SEEN_NS: u128 = 5_000_000_000;
const REVIEW_LATEST_MS: i64 = 3 * DAY_MS;
const REVIEW_ERROR: f64 = 0.02;
/// Cases that wait for a reviewer; more are never looked at.
const CASES_MAX: usize = 1_000;
/// Payments a second of a holiday, at most.
const HOLIDAY_RATE_MAX: u32 = 100_000;

pub(in crate::pipelines::fraud) struct PaymentWorld {
    generator: Generator,
    arrivals: Arrivals<(Transaction, Truth)>,
    schedule: Schedule,
    /// Payments a second of an ordinary day.
    rate_per_s: u32,
    random: Random,
    has_begun: bool,
    /// The topic of rules has none yet.
    needs_rules: bool,
    has_reviewers: bool,
    holders: Holders,
    /// Frauds that are not charged back yet: what reviewers find out.
    frauds: BTreeMap<TransactionId, i64>,
    /// Cases in order of arrival, with when that was: in event time, and in nanoseconds of the schedule.
    cases: VecDeque<(i64, u128, Case)>,
    /// When faults end, by name, in nanoseconds of the schedule.
    heals: BTreeMap<&'static str, u128>,
    /// What a command wrote, to go out with the next payment.
    written: Vec<EmitRecord>,
}

impl PaymentWorld {
    pub(in crate::pipelines::fraud) fn new(run: &RunParams) -> Self {
        let (seed, rate_per_s) = (run.params.seed, run.params.rate_per_s);
        let whole = |name: &str| run.setting(name).max(0.0) as u32;
        // A scenario has the crimes it tells of, and no others of their kind.
        let extras = if run.params.scenario.is_some() { 0.0 } else { run.setting("extras") };
        let is_of_terminals = run.params.scenario.as_ref().is_some_and(|scenario| scenario.as_str() == THIEVES_AT_TERMINALS);
        let terminals = whole("terminals").max(1);
        let demo = WorldParams::demo(seed).extras;
        let midnight = |ms: i64| ms - ms.rem_euclid(DAY_MS);
        let start_at_ms = run.params.start_at.map_or_else(|| midnight(run.start_at.0) - HISTORY_DAYS * DAY_MS, |at| midnight(at.0));
        let params = WorldParams {
            customers: whole("customers").max(1),
            terminals,
            // The handbook's radius for its 10,000 terminals; with fewer, as far as it takes to have as many to choose from.
            radius: 5.0 * (10_000.0 / f64::from(terminals)).sqrt(),
            start_at_ms,
            compromised_terminals_per_day: if is_of_terminals { 0 } else { whole("compromised_per_day") },
            leaked_customers_per_day: whole("leaks_per_day"),
            extras: Extras {
                rings_per_day: demo.rings_per_day * extras,
                bursts_per_day: demo.bursts_per_day * extras,
                travels_per_day: demo.travels_per_day * extras,
            },
            ..WorldParams::handbook(seed)
        };
        Self {
            generator: Generator::new(params),
            arrivals: Arrivals::new(seed, (run.setting(DISORDER) * 1_000.0) as i64),
            schedule: Schedule::new(rate_per_s),
            rate_per_s,
            random: Random::new(seed ^ 0x5eed),
            has_begun: false,
            needs_rules: !rulebook::is_kept(run),
            has_reviewers: run.setting("reviewers") >= 0.5,
            holders: Holders::new(seed),
            frauds: BTreeMap::new(),
            cases: VecDeque::new(),
            heals: BTreeMap::new(),
            written: Vec::new(),
        }
    }

    fn begin(&mut self, out: &mut Emit) {
        let now_ms = self.generator.now_ms();
        if self.needs_rules {
            rulebook::write_defaults(now_ms, out);
        }
        // A run that was killed may have left it.
        out.push(tombstone(RULES, BAD_RULE, now_ms));
        self.has_begun = true;
    }

    /// Ends the faults whose time is over.
    fn heal(&mut self, out: &mut Emit) {
        let (now_ns, now_ms) = (self.schedule.due_ns(), self.generator.now_ms());
        let over: Vec<_> = self.heals.iter().filter(|(_, at_ns)| **at_ns <= now_ns).map(|(fault, _)| *fault).collect();
        for fault in over {
            self.heals.remove(fault);
            match fault {
                BAD_RULE => out.push(tombstone(RULES, BAD_RULE, now_ms)),
                MODEL_OFF => out.push(tombstone(MODELS, SUSPENDED, now_ms)),
                _ => {
                    trouble(fault).into_iter().for_each(|trouble| self.generator.command(fraud::Command::End(trouble)));
                }
            }
        }
        self.pace();
    }

    /// As many payments a second as the day has.
    fn pace(&mut self) {
        let factor = if self.heals.contains_key(HOLIDAY) { HOLIDAY_FACTOR as u32 } else { 1 };
        self.schedule.set_rate(self.rate_per_s.saturating_mul(factor).min(HOLIDAY_RATE_MAX.max(self.rate_per_s)));
    }

    /// Verdicts that are due.
    fn review(&mut self, out: &mut Emit) {
        let now_ms = self.generator.now_ms();
        let now_ns = self.schedule.due_ns();
        while let Some((heard_ms, heard_ns, case)) = self.cases.pop_front() {
            let is_seen = heard_ns + REVIEW_SEEN_NS <= now_ns || heard_ms + REVIEW_LATEST_MS <= now_ms;
            if heard_ms + REVIEW_MS > now_ms || !is_seen {
                self.cases.push_front((heard_ms, heard_ns, case));
                return;
            }
            let is_fraud = self.frauds.contains_key(&case.transaction_id) != self.random.chance(REVIEW_ERROR);
            let verdict: Label = case.verdict(is_fraud);
            send(out, VERDICTS, &verdict.transaction_id, &verdict, now_ms);
        }
    }

    /// Payments that have reached the bank by now.
    fn arrive(&mut self, now_ms: i64, out: &mut Emit) {
        while let Some((payment, truth)) = self.arrivals.arrived(now_ms) {
            let times = if self.random.chance(REPEATED_SHARE) { 2 } else { 1 };
            (0..times).for_each(|_| send(out, TRANSACTIONS, &payment.account_id, &payment, payment.ts));
            send(out, TRUTH, &payment.transaction_id, &truth, payment.ts);
        }
    }

    /// A rule that holds for everybody.
    fn push_bad_rule(&self, out: &mut Emit) {
        let rule = RuleText {
            rule_id: BAD_RULE.to_owned(),
            when: "amount > 0".to_owned(),
            action: Action::Block,
            note: "A rule that was pushed without a back-test".to_owned(),
            is_paused: false,
        };
        send(out, RULES, &rule.rule_id, &rule, self.generator.now_ms());
    }
}

/// What of the world a fault is.
fn trouble(fault: &str) -> Option<Trouble> {
    match fault {
        RING => Some(Trouble::Ring),
        CARD_TESTING => Some(Trouble::CardTesting),
        TAKEOVER => Some(Trouble::Leak),
        TERMINALS => Some(Trouble::Terminals),
        COPIES => Some(Trouble::Copies),
        HOLIDAY => Some(Trouble::Holiday),
        _ => None,
    }
}

impl World for PaymentWorld {
    fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        if !self.has_begun {
            self.begin(out);
        }
        self.written.drain(..).for_each(|record| out.push(record));
        self.heal(out);
        match self.generator.generate() {
            Emitted::Payment(event, truth) => {
                self.schedule.advance();
                let payment = transaction(&event);
                if let Some(crime) = truth.scenario {
                    self.holders.rob(&event, crime);
                    self.frauds.insert(payment.transaction_id.clone(), payment.ts);
                }
                self.arrivals.send(payment.terminal_id.hash(), payment.ts, (payment, truth));
            }
            Emitted::Chargeback(event, at_ms) => {
                let label = chargeback(&event);
                self.frauds.remove(&label.transaction_id);
                send(out, CHARGEBACKS, &label.transaction_id, &label, at_ms);
            }
        }
        self.arrive(self.generator.now_ms(), out);
        while let Some((at_ms, label)) = self.holders.call(self.generator.now_ms()) {
            send(out, CHARGEBACKS, &label.transaction_id, &label, at_ms);
        }
        self.review(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.rate_per_s = rate_per_s;
        self.pace();
    }

    fn events(&self) -> u64 {
        self.generator.payments()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        let knob = |name: &str, default: u32| command.knobs.get(name).and_then(|value| value.parse().ok()).unwrap_or(default).min(1_000);
        let (fault, _, for_ms, _) = FAULTS.into_iter().find(|(name, ..)| *name == command.fault.as_str())?;
        let mut out = Emit::default();
        match fault {
            RING => self.generator.command(fraud::Command::LaunchRing),
            CARD_TESTING => self.generator.command(fraud::Command::CardTesting(knob("cards", 20))),
            TAKEOVER => self.generator.command(fraud::Command::LeakCredentials(knob("customers", 10))),
            TERMINALS => self.generator.command(fraud::Command::CompromiseTerminals(knob("terminals", 5))),
            COPIES => self.generator.command(fraud::Command::CopyCards(knob("cards", 10))),
            // One that goes on lasts longer, and is no hundredfold one.
            HOLIDAY if self.heals.contains_key(HOLIDAY) => {}
            HOLIDAY => self.generator.command(fraud::Command::Holiday),
            MODEL_OFF => send(&mut out, MODELS, &SUSPENDED.to_owned(), &Model::blank(), self.generator.now_ms()),
            BAD_RULE => self.push_bad_rule(&mut out),
            // Not the world's to do.
            _ => return None,
        }
        self.written.extend(out.take());
        self.heals.insert(fault, self.schedule.due_ns() + u128::from(for_ms.unsigned_abs()) * 1_000_000);
        self.pace();
        Some(for_ms)
    }

    fn hears(&self) -> Vec<Arc<str>> {
        if self.has_reviewers { vec![CASES.into(), VERDICTS.into()] } else { Vec::new() }
    }

    fn hear(&mut self, record: &Observed<'_>) {
        let Some(value) = record.value else { return };
        if record.topic == VERDICTS {
            // Somebody at the desk was faster.
            let Ok(label) = serde_json::from_slice::<Label>(value) else { return };
            self.cases.retain(|(.., case)| case.transaction_id != label.transaction_id);
        } else if let Ok(case) = serde_json::from_slice::<Case>(value)
            && self.cases.len() < CASES_MAX
        {
            self.cases.push_back((self.generator.now_ms(), self.schedule.due_ns(), case));
        }
    }

    fn finish(&mut self, out: &mut Emit) {
        self.arrive(i64::MAX, out);
        self.written.drain(..).for_each(|record| out.push(record));
        // What was broken is whole again for the next run.
        self.heals.values_mut().for_each(|at_ns| *at_ns = 0);
        self.heal(out);
    }
}

fn tombstone(topic: &'static str, key: &str, timestamp_ms: i64) -> EmitRecord {
    EmitRecord { topic, partition: None, key: Some(key.as_bytes().to_vec()), value: None, timestamp_ms }
}
