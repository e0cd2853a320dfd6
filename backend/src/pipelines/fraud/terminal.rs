//! What a terminal's past says of a payment: how many frauds there are known to have been.

use serde::{Deserialize, Serialize};

use super::{
    features::{Feature, Features},
    ids::{TerminalId, TransactionId},
    records::{Enriched, Label},
    settings::{DAY_MS, HOUR_MS, LABEL_DELAY_MS},
};
use crate::stream::{Forward, Processor, Record, Store, StoreHandle};

/// How far back a terminal's payments are remembered: the longest window before the delay.
const REMEMBERED_HOURS: i64 = (30 * DAY_MS + LABEL_DELAY_MS) / HOUR_MS + 1;
/// Known frauds told apart by their payment, so that one counts once.
const FRAUDS_MAX: usize = 256;

/// Payments of one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hour(i64, u32, u32);

/// What is remembered of a terminal. Bounded: hours of 37 days.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Terminal {
    /// Hour since the epoch, payments in it, those known to be frauds; oldest first.
    hours: Vec<Hour>,
    /// The payments that are known to be frauds, the latest: a reviewer and the card's holder may both say so of one.
    frauds: Vec<u64>,
}

impl Terminal {
    /// Takes a payment in, and says what the past makes of it. Its own label is none of its past, even if it was heard first.
    pub fn observe(&mut self, payment: &TransactionId, ts_ms: i64, features: &mut Features) {
        let hour = ts_ms.div_euclid(HOUR_MS);
        let own = u32::from(self.frauds.contains(&payment.hash()));
        let of = self.hour(hour);
        of.2 = of.2.saturating_sub(own);
        self.risk(hour, features);
        let of = self.hour(hour);
        (of.1, of.2) = (of.1 + 1, of.2 + own);
        let newest = self.hours.last().map_or(hour, |hour| hour.0);
        self.hours.retain(|hour| hour.0 > newest - REMEMBERED_HOURS);
    }

    /// Takes a label in; `false` when its payment is forgotten already.
    pub fn learn(&mut self, payment: &TransactionId, ts_ms: i64, is_fraud: bool) -> bool {
        let hour = ts_ms.div_euclid(HOUR_MS);
        let newest = self.hours.last().map_or(i64::MIN, |hour| hour.0);
        let is_remembered = hour > newest.saturating_sub(REMEMBERED_HOURS);
        let payment = payment.hash();
        if is_remembered && is_fraud && !self.frauds.contains(&payment) {
            if self.frauds.len() >= FRAUDS_MAX {
                self.frauds.remove(0);
            }
            self.frauds.push(payment);
            // Who calls at once may be heard before the payment has come this far: it counts as soon as that has.
            self.hour(hour).2 += 1;
        }
        is_remembered
    }

    /// The handbook's risk: shares of frauds in windows that end where all frauds are known.
    fn risk(&self, hour: i64, features: &mut Features) {
        let end = hour - LABEL_DELAY_MS / HOUR_MS;
        for (days, count, risk) in [
            (1, Feature::TerminalCount1d, Feature::TerminalRisk1d),
            (7, Feature::TerminalCount7d, Feature::TerminalRisk7d),
            (30, Feature::TerminalCount30d, Feature::TerminalRisk30d),
        ] {
            let within = self.hours.iter().filter(|hour| (end - days * 24..end).contains(&hour.0));
            let (payments, frauds) = within.fold((0, 0), |(payments, frauds), hour| (payments + hour.1, frauds + hour.2.min(hour.1)));
            features.set(count, f64::from(payments));
            features.set(risk, f64::from(frauds) / f64::from(payments.max(1)));
        }
        let remembered = hour - REMEMBERED_HOURS + 1..=hour;
        let known = || self.hours.iter().filter(|of| of.2 > 0 && remembered.contains(&of.0));
        let days_since = |of: Option<&Hour>| of.map_or(-1.0, |of| (hour - of.0) as f64 / 24.0);
        features.set(Feature::TerminalFrauds, known().map(|of| f64::from(of.2)).sum());
        features.set(Feature::TerminalFirstFraud, days_since(known().next()));
        features.set(Feature::TerminalLastFraud, days_since(known().next_back()));
    }

    fn hour(&mut self, hour: i64) -> &mut Hour {
        let at = match self.hours.binary_search_by_key(&hour, |of| of.0) {
            Ok(at) => at,
            Err(at) => {
                self.hours.insert(at, Hour(hour, 0, 0));
                at
            }
        };
        &mut self.hours[at]
    }
}

/// What comes to a terminal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtTerminal {
    /// A payment.
    Payment(Box<Enriched>),
    /// What an earlier one was.
    Label(Label),
}

pub(super) struct Terminals {
    store: StoreHandle<TerminalId, Terminal>,
    /// Broken on purpose.
    is_unteachable: bool,
}

impl Terminals {
    pub(super) const STORE: &str = "terminals";

    pub(super) fn store() -> Store<TerminalId, Terminal> {
        Store::new()
    }

    pub(super) fn new(store: StoreHandle<TerminalId, Terminal>, is_unteachable: bool) -> Self {
        Self { store, is_unteachable }
    }
}

impl Processor<TerminalId, AtTerminal, TerminalId, Enriched> for Terminals {
    fn process(&mut self, record: &Record<TerminalId, AtTerminal>, out: &mut Forward<'_, TerminalId, Enriched>) {
        match &record.value {
            AtTerminal::Payment(enriched) => {
                let mut enriched = (**enriched).clone();
                self.store.borrow_mut().update(&record.key, Terminal::default, |terminal| {
                    terminal.observe(&enriched.transaction.transaction_id, enriched.transaction.ts, &mut enriched.features);
                });
                out.send(&record.with_value(enriched));
            }
            AtTerminal::Label(_) if self.is_unteachable => {}
            AtTerminal::Label(label) => {
                let mut is_remembered = false;
                self.store.borrow_mut().update(&record.key, Terminal::default, |terminal| {
                    is_remembered = terminal.learn(&label.transaction_id, label.ts, label.is_fraud);
                });
                if !is_remembered {
                    out.count_late();
                }
            }
        }
    }
}
