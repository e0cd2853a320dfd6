//! Terminals' features recomputed plainly: from the list of a terminal's payments and of the frauds among them, a week ago.
//!
//! Partitions are read side by side, so that a label may be there before or after a payment made in the same hour. How far apart they were is
//! measured by the features as they come; what must have been known that much earlier, and what may have been known that much later, are the
//! bounds of what is right. A payment of a time when they were a week apart is not compared.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::pipelines::fraud::features::Feature;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Frauds are looked at when all of them are known.
const DELAY_HOURS: i64 = 7 * 24;
/// What a terminal remembers at least, in hours.
const REMEMBERED_HOURS: i64 = DELAY_HOURS + 30 * 24 + 1;
/// What is kept here: what the oldest waiting payment needs.
const KEPT_MS: i64 = 50 * DAY_MS;
/// Partitions that are read well are so far apart at least, as far as anybody can tell.
const APART_MIN_MS: i64 = 2 * HOUR_MS;
/// Payments wait for what others may still tell of their time.
const WAIT_MS: i64 = DAY_MS;
/// Payments that wait; of more the oldest are compared early.
const WAITING_MAX: usize = 500_000;

/// What is recomputed, as payments and share of frauds, with the days of the window.
const WINDOWS: [(i64, Feature, Feature); 3] = [
    (1, Feature::TerminalCount1d, Feature::TerminalRisk1d),
    (7, Feature::TerminalCount7d, Feature::TerminalRisk7d),
    (30, Feature::TerminalCount30d, Feature::TerminalRisk30d),
];

/// How many features that are.
pub(super) const FEATURES: usize = 2 * WINDOWS.len();
/// Payments and share of frauds of each window, as the pipeline has them.
pub(super) type Published = [(f64, f64); WINDOWS.len()];

/// Takes them out of a score.
pub(super) fn published(of: impl Fn(Feature) -> f64) -> Published {
    WINDOWS.map(|(_, count, risk)| (of(count), of(risk)))
}

/// All terminals, and the payments that wait to be compared.
#[derive(Debug, Default)]
pub(super) struct Terminals {
    by_name: HashMap<String, u32>,
    terminals: Vec<Terminal>,
    waiting: VecDeque<Waiting>,
    newest_ms: i64,
    newest_score_ms: i64,
    /// By day, how far features came behind the newest ones.
    apart_ms: BTreeMap<i64, i64>,
    outcome: Outcome,
}

/// What was compared, what was wrong, and what could not be compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) compared: u64,
    pub(super) wrong: u64,
    pub(super) left_out: u64,
    pub(super) first: Option<String>,
}

#[derive(Debug, Default)]
struct Terminal {
    /// By the hour.
    payments: BTreeMap<i64, u32>,
    /// When they were made, when that was known, and which payment.
    frauds: Vec<(i64, i64, u64)>,
}

#[derive(Debug)]
struct Waiting {
    terminal: u32,
    ts: i64,
    published: Published,
}

impl Terminals {
    /// A number to know a terminal by.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = self.terminals.len() as u32;
        self.by_name.insert(name.to_owned(), number);
        self.terminals.push(Terminal::default());
        number
    }

    pub(super) fn payment(&mut self, terminal: u32, ts: i64) {
        self.newest_ms = self.newest_ms.max(ts);
        let Some(of) = self.terminals.get_mut(terminal as usize) else { return };
        *of.payments.entry(ts.div_euclid(HOUR_MS)).or_default() += 1;
        let from = self.newest_ms - KEPT_MS;
        while of.payments.first_key_value().is_some_and(|(hour, _)| hour * HOUR_MS < from) {
            of.payments.pop_first();
            of.frauds.retain(|(ts, ..)| *ts >= from);
        }
    }

    /// A fraud becomes known; that it is told twice counts once.
    pub(super) fn fraud(&mut self, terminal: &str, payment: u64, ts: i64, known_ms: i64) {
        let number = self.number(terminal);
        let Some(of) = self.terminals.get_mut(number as usize) else { return };
        match of.frauds.iter_mut().find(|fraud| fraud.2 == payment) {
            Some(fraud) => fraud.1 = fraud.1.min(known_ms),
            None => of.frauds.push((ts, known_ms, payment)),
        }
    }

    /// How far apart partitions are, by features as they come.
    pub(super) fn score(&mut self, ts: i64) {
        self.newest_score_ms = self.newest_score_ms.max(ts);
        let apart_ms = self.apart_ms.entry(self.newest_score_ms.div_euclid(DAY_MS)).or_default();
        *apart_ms = (*apart_ms).max(self.newest_score_ms - ts);
        let oldest = (self.newest_score_ms - KEPT_MS).div_euclid(DAY_MS);
        while self.apart_ms.first_key_value().is_some_and(|(day, _)| *day < oldest) {
            self.apart_ms.pop_first();
        }
    }

    /// A payment with the features that the pipeline gave it.
    pub(super) fn compare(&mut self, terminal: u32, ts: i64, published: Published) {
        self.waiting.push_back(Waiting { terminal, ts, published });
        while self.waiting.len() > WAITING_MAX || self.waiting.front().is_some_and(|waiting| waiting.ts + WAIT_MS < self.newest_ms) {
            let Some(waiting) = self.waiting.pop_front() else { return };
            let mut outcome = std::mem::take(&mut self.outcome);
            self.look(&waiting, &mut outcome);
            self.outcome = outcome;
        }
    }

    /// What came out; where the run is over, of those that wait too.
    pub(super) fn outcome(&self, is_over: bool) -> Outcome {
        let mut outcome = self.outcome.clone();
        self.waiting.iter().filter(|_| is_over).for_each(|waiting| self.look(waiting, &mut outcome));
        outcome
    }

    fn look(&self, waiting: &Waiting, outcome: &mut Outcome) {
        let (day, Some(of)) = (waiting.ts.div_euclid(DAY_MS), self.terminals.get(waiting.terminal as usize)) else { return };
        let apart_ms = self.apart_ms.range(day - 9..=day + 2).map(|(_, ms)| 2 * ms).max().unwrap_or(0) + APART_MIN_MS;
        if apart_ms >= 6 * DAY_MS {
            outcome.left_out += 1;
            return;
        }
        outcome.compared += 1;
        let wrong =
            WINDOWS.iter().zip(waiting.published).find_map(|((days, ..), published)| of.differs(*days, waiting.ts, apart_ms, published));
        if let Some(wrong) = wrong {
            outcome.wrong += 1;
            outcome.first.get_or_insert(wrong);
        }
    }
}

impl Terminal {
    /// What is wrong with a window's figures.
    fn differs(&self, days: i64, ts: i64, apart_ms: i64, (payments, risk): (f64, f64)) -> Option<String> {
        let end = ts.div_euclid(HOUR_MS) - DELAY_HOURS;
        // What a terminal remembers hangs on its newest payment, which may be a little later than this one.
        let remembered = (ts + apart_ms).div_euclid(HOUR_MS) - REMEMBERED_HOURS + 1;
        let (widest, narrowest) = (end - days * 24, (end - days * 24).max(remembered));
        let count = |from: i64| f64::from(self.payments.range(from.min(end)..end).map(|(_, payments)| payments).sum::<u32>());
        let frauds = |from: i64, known_ms: i64| {
            self.frauds.iter().filter(|fraud| (from..end).contains(&fraud.0.div_euclid(HOUR_MS)) && fraud.1 <= known_ms).count() as f64
        };
        let (least, most) = (count(narrowest), count(widest));
        let (few, many) = (frauds(narrowest, ts - apart_ms), frauds(widest, ts + apart_ms));
        let told = risk * payments.max(1.0);
        let is_right = (least..=most).contains(&payments) && told > few.min(payments) - 0.01 && told < many + 0.01;
        (!is_right).then(|| {
            format!("terminal figures of {days} days {told:.0} frauds of {payments} instead of {few} to {many} of {least} to {most}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_a_week_ago_is_told_within_how_far_partitions_were_apart() {
        const NOW: i64 = 100 * DAY_MS;
        let check = |apart_ms: i64, published: [(f64, f64); 3], expect: (u64, u64, u64)| {
            let mut terminals = Terminals::default();
            let number = terminals.number("t");
            for days in [5, 7, 8, 9, 20, 36, 38] {
                terminals.payment(number, NOW - days * DAY_MS - HOUR_MS);
            }
            // The one of a week ago is known by now, give or take an hour; that of nine days ago was told twice.
            for (days, known_ms) in
                [(5, NOW + 2 * DAY_MS), (7, NOW - HOUR_MS), (9, NOW - 2 * DAY_MS), (9, NOW - DAY_MS), (36, NOW - 29 * DAY_MS)]
            {
                terminals.fraud("t", days as u64, NOW - days * DAY_MS - HOUR_MS, known_ms);
            }
            terminals.score(NOW);
            terminals.score(NOW - apart_ms);
            terminals.compare(number, NOW, published);
            let outcome = terminals.outcome(true);
            assert_eq!((outcome.compared, outcome.wrong, outcome.left_out), expect, "{published:?} {outcome:?}");
            assert_eq!(terminals.outcome(false).compared, 0, "it waits");
        };
        let right = [(1.0, 1.0), (3.0, 2.0 / 3.0), (5.0, 3.0 / 5.0)];
        check(0, right, (1, 0, 0));
        // The label of a week ago may not have been there yet.
        check(0, [(1.0, 0.0), (3.0, 1.0 / 3.0), (5.0, 2.0 / 5.0)], (1, 0, 0));
        check(0, [(1.0, 1.0), (3.0, 0.0), (5.0, 3.0 / 5.0)], (1, 1, 0));
        check(0, [(1.0, 1.0), (3.0, 2.0 / 3.0), (6.0, 3.0 / 6.0)], (1, 1, 0));
        check(0, [(1.0, 1.0), (3.0, 1.0), (5.0, 3.0 / 5.0)], (1, 1, 0));
        // A day apart, the fraud of nine days ago may have come late as well.
        check(DAY_MS, [(1.0, 0.0), (3.0, 0.0), (5.0, 1.0 / 5.0)], (1, 0, 0));
        check(4 * DAY_MS, right, (0, 0, 1));
    }
}
