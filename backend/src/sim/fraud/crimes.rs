//! The crimes: who is their victim until when, and the payments only criminals make.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cities::CITIES,
    generator::{Party, Payment},
    people::World,
};
use crate::sim::Random;

/// One day in milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;
/// How long a terminal stays compromised.
const COMPROMISED_DAYS: i64 = 28;
/// How long leaked credentials are used.
const LEAKED_DAYS: i64 = 14;
/// The handbook's first scenario: amounts over this are frauds, in minor units.
const LIMIT_MINOR: i64 = 22_000;
/// What thieves multiply amounts with.
const LEAK_FACTOR: f64 = 5.0;

/// Why a payment is a fraud. The first three are the handbook's, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// 1: more than 220.
    Amount,
    /// 2: a compromised terminal.
    Terminal,
    /// 3: leaked credentials.
    Leak,
    /// A ring of mule accounts on shared devices and one address.
    Ring,
    /// Card testing.
    Burst,
    /// Used where its holder can't be.
    Travel,
}

impl Scenario {
    /// As it stands in the truth's records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Terminal => "terminal",
            Self::Leak => "leak",
            Self::Ring => "ring",
            Self::Burst => "burst",
            Self::Travel => "travel",
        }
    }
}

/// Who is a victim until when.
#[derive(Debug, Default)]
pub(super) struct Victims {
    /// Terminal → the end of its compromise.
    pub(super) terminals: BTreeMap<u32, i64>,
    /// Customer → the end of the leak.
    pub(super) leaked: BTreeMap<u32, i64>,
}

impl Victims {
    /// A day's new victims. As in the handbook a victim may be drawn again.
    pub(super) fn draw(&mut self, terminals: u32, customers: u32, of: &World, day_ms: i64, random: &mut Random) {
        self.terminals.retain(|_, end_ms| *end_ms > day_ms);
        self.leaked.retain(|_, end_ms| *end_ms > day_ms);
        for terminal in distinct(terminals, of.terminals.len(), random) {
            self.compromise(terminal, day_ms);
        }
        for customer in distinct(customers, of.customers.len(), random) {
            self.leak(customer, day_ms);
        }
    }

    pub(super) fn compromise(&mut self, terminal: u32, from_ms: i64) {
        self.terminals.insert(terminal, from_ms + COMPROMISED_DAYS * DAY_MS);
    }

    pub(super) fn leak(&mut self, customer: u32, from_ms: i64) {
        self.leaked.insert(customer, from_ms + LEAKED_DAYS * DAY_MS);
    }

    /// What becomes of an honest payment: the handbook's scenarios in their order, the last one wins.
    pub(super) fn strike(&self, payment: &mut Payment, random: &mut Random) {
        let (Party::Customer(customer), Some(terminal)) = (payment.party, payment.terminal) else { return };
        if payment.amount_minor > LIMIT_MINOR {
            payment.scenario = Some(Scenario::Amount);
        }
        if self.terminals.get(&terminal).is_some_and(|end_ms| payment.ts_ms < *end_ms) {
            payment.scenario = Some(Scenario::Terminal);
        }
        if self.leaked.get(&customer).is_some_and(|end_ms| payment.ts_ms < *end_ms) && random.chance(1.0 / 3.0) {
            payment.amount_minor = (payment.amount_minor as f64 * LEAK_FACTOR) as i64;
            payment.scenario = Some(Scenario::Leak);
        }
    }
}

/// So many different numbers below `of`.
fn distinct(count: u32, of: usize, random: &mut Random) -> BTreeSet<u32> {
    let mut drawn = BTreeSet::new();
    while drawn.len() < (count as usize).min(of) {
        drawn.insert(random.below(of as u64) as u32);
    }
    drawn
}

/// Mule accounts that open within hours, share a few devices and an address, and cash out at terminals of one area.
pub(super) fn ring(number: u32, from_ms: i64, world: &World, random: &mut Random) -> Vec<Payment> {
    let (accounts, devices) = (random.between(6, 12) as u32, random.between(2, 3) as u32);
    let at = random.below(world.terminals.len() as u64) as u32;
    let mut payments = Vec::new();
    for member in 0..accounts {
        for _ in 0..random.between(4, 8) {
            payments.push(Payment {
                ts_ms: from_ms + random.between(0, DAY_MS / 4),
                party: Party::Mule { ring: number, member },
                terminal: Some((at + random.below(5) as u32) % world.terminals.len().max(1) as u32),
                city: None,
                amount_minor: random.between(5_000, 20_000),
                device: format!("ring{number}-d{}", random.below(u64::from(devices))),
                is_online: false,
                is_first_card: true,
                scenario: Some(Scenario::Ring),
            });
        }
    }
    payments
}

/// Many small payments seconds apart to see whether the card works, then a large one: the pattern of Flink's `FraudDetector`.
pub(super) fn burst(customer: u32, from_ms: i64, world: &World, random: &mut Random) -> Vec<Payment> {
    let (mut ts_ms, mut payments) = (from_ms, Vec::new());
    let device = format!("bot{}", random.below(1_000_000));
    let tests = random.between(8, 15);
    for test in 0..=tests {
        ts_ms += random.between(1_000, 5_000);
        let amount_minor = if test < tests { random.between(10, 100) } else { random.between(30_000, 60_000) };
        payments.push(Payment {
            ts_ms,
            party: Party::Customer(customer),
            terminal: Some(random.below(world.terminals.len() as u64) as u32),
            city: None,
            amount_minor,
            device: device.clone(),
            is_online: true,
            is_first_card: true,
            scenario: Some(Scenario::Burst),
        });
    }
    payments
}

/// A copy of the card far away, minutes after its holder paid at home.
pub(super) fn travel(customer: u32, home_ms: i64, random: &mut Random) -> Vec<Payment> {
    let city = random.below(CITIES.len() as u64) as usize;
    let from_ms = home_ms + random.between(5, 40) * 60_000;
    (0..random.between(1, 3))
        .map(|number| Payment {
            ts_ms: from_ms + number * 120_000,
            party: Party::Customer(customer),
            terminal: None,
            city: Some(city),
            amount_minor: random.between(5_000, 40_000),
            device: format!("copy{customer}"),
            is_online: false,
            is_first_card: true,
            scenario: Some(Scenario::Travel),
        })
        .collect()
}
