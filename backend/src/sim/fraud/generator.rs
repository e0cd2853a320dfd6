//! The world as a sequence of payments and, a week later, the chargebacks of those that were frauds; in the order of event time.

use std::{collections::BTreeMap, ops::Range};

use super::{
    cities::CITIES,
    crimes::{DAY_MS, Scenario, Victims, burst, ring, travel},
    names::Names,
    params::WorldParams,
    people::World,
};
use crate::sim::{Random, hash64};

/// When a fraud becomes known: the handbook's feedback delay.
const CHARGEBACK_DELAY_MS: i64 = 7 * DAY_MS;
/// How many times the usual traffic a holiday brings.
pub const HOLIDAY_FACTOR: f64 = 10.0;
/// Bounds what a day can bring, however large the parameters.
const PAYMENTS_PER_DAY_MAX: usize = 2_000_000;

/// Who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Customer(u32),
    Mule { ring: u32, member: u32 },
}

/// A payment, before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// Event time, epoch ms.
    pub ts_ms: i64,
    pub(super) party: Party,
    /// Where, in the customers' square.
    pub terminal: Option<u32>,
    /// Or in a city far away.
    pub(super) city: Option<usize>,
    /// How much.
    pub amount_minor: i64,
    pub(super) device: String,
    pub(super) is_online: bool,
    /// By the account's first card, where the crime is about one; else by any of them.
    pub(super) is_first_card: bool,
    /// Why it is a fraud, if it is.
    pub scenario: Option<Scenario>,
}

/// What the world knows of a payment and no event tells.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Truth {
    /// Which payment.
    pub transaction_id: String,
    /// Whose.
    pub account_id: String,
    /// When.
    pub ts: i64,
    /// How much.
    pub amount_minor: i64,
    /// Why it is a fraud; `None` for honest ones.
    pub scenario: Option<Scenario>,
    /// The ring it belongs to.
    pub ring: Option<u32>,
}

/// What the world does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Emitted {
    /// Somebody pays.
    Payment(Box<PaymentEvent>, Truth),
    /// A fraud is known: the payment's truth, and when.
    Chargeback(Box<PaymentEvent>, i64),
}

/// A payment with its names.
#[derive(Clone, Debug, PartialEq)]
pub struct PaymentEvent {
    /// Unique.
    pub transaction_id: String,
    /// Whose.
    pub account_id: String,
    /// By which of the account's cards.
    pub card_id: String,
    /// The account's holder.
    pub user_id: String,
    /// Where.
    pub terminal_id: String,
    /// The merchant of the terminal.
    pub merchant_id: String,
    /// What is sold there, by its code (ISO 18245).
    pub mcc: &'static str,
    /// The country of the terminal.
    pub country: &'static str,
    /// Latitude and longitude of the terminal.
    pub place: (f64, f64),
    /// Event time, epoch ms.
    pub ts_ms: i64,
    /// How much.
    pub amount_minor: i64,
    /// With what.
    pub device_id: String,
    /// From where in the network.
    pub ip: String,
    /// Not at the counter.
    pub is_online: bool,
}

/// What can be done to the world while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A ring of mule accounts opens.
    LaunchRing,
    /// Card testing on so many cards.
    CardTesting(u32),
    /// The credentials of so many customers leak.
    LeakCredentials(u32),
    /// So many terminals are compromised.
    CompromiseTerminals(u32),
    /// Cards are copied and used far away.
    CopyCards(u32),
    /// Ten times the payments, from now on.
    Holiday,
    /// What such a command brought is over.
    End(Trouble),
}

/// What a command brings and [`Command::End`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Rings that were launched.
    Ring,
    /// Cards that are tested.
    CardTesting,
    /// Credentials that leaked.
    Leak,
    /// Terminals that were compromised.
    Terminals,
    /// Cards that were copied.
    Copies,
    /// The holiday.
    Holiday,
}

/// What is to be taken back when a trouble ends.
#[derive(Debug, Default)]
struct Brought {
    /// The running numbers of payments that were planned.
    payments: Vec<Range<u64>>,
    /// Customers or terminals.
    victims: Vec<u32>,
}

/// A world at work.
#[derive(Debug)]
pub struct Generator {
    params: WorldParams,
    world: World,
    names: Names,
    random: Random,
    victims: Victims,
    /// What is due, by time and a running number.
    due: BTreeMap<(i64, u64), Due>,
    next_day: i64,
    now_ms: i64,
    planned: u64,
    payments: u64,
    rings: u32,
    is_holiday: bool,
    brought: BTreeMap<Trouble, Brought>,
}

#[derive(Debug)]
enum Due {
    Payment(Payment),
    Chargeback(Box<PaymentEvent>),
}

impl Generator {
    /// A world before its first day.
    pub fn new(params: WorldParams) -> Self {
        let world = World::new(&params);
        Self {
            names: Names::new(params.seed, &world),
            world,
            random: Random::new(hash64(params.seed, 3)),
            victims: Victims::default(),
            due: BTreeMap::new(),
            next_day: 0,
            now_ms: params.start_at_ms,
            planned: 0,
            payments: 0,
            rings: 0,
            is_holiday: false,
            brought: BTreeMap::new(),
            params,
        }
    }

    /// Payments made so far.
    pub fn payments(&self) -> u64 {
        self.payments
    }

    /// Rings launched so far.
    pub fn rings(&self) -> u32 {
        self.rings
    }

    /// Event time of the newest payment.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Does something to the world, from now on.
    pub fn command(&mut self, command: Command) {
        let now_ms = self.now_ms;
        let (customers, terminals) = (self.world.customers.len() as u64, self.world.terminals.len() as u64);
        match command {
            Command::LaunchRing => self.bring(Trouble::Ring, |world| world.launch_ring(now_ms)),
            Command::CardTesting(cards) => (0..cards).for_each(|_| {
                let customer = self.random.below(customers) as u32;
                let from_ms = now_ms + self.random.between(0, 3_600_000);
                let payments = burst(customer, from_ms, &self.world, &mut self.random);
                self.bring(Trouble::CardTesting, |world| world.plan(payments));
            }),
            Command::LeakCredentials(count) => (0..count).for_each(|_| {
                let customer = self.random.below(customers) as u32;
                self.victims.leak(customer, now_ms);
                self.brought.entry(Trouble::Leak).or_default().victims.push(customer);
            }),
            Command::CompromiseTerminals(count) => (0..count).for_each(|_| {
                let terminal = self.random.below(terminals) as u32;
                self.victims.compromise(terminal, now_ms);
                self.brought.entry(Trouble::Terminals).or_default().victims.push(terminal);
            }),
            Command::CopyCards(count) => (0..count).for_each(|_| {
                let customer = self.random.below(customers) as u32;
                self.bring(Trouble::Copies, |world| world.copy_card(customer, now_ms));
            }),
            Command::Holiday => {
                self.is_holiday = true;
                let day_ms = self.params.start_at_ms + (self.next_day - 1) * DAY_MS;
                self.bring(Trouble::Holiday, |world| world.pay_all_day(day_ms, now_ms, HOLIDAY_FACTOR - 1.0));
            }
            Command::End(trouble) => self.end(trouble),
        }
    }

    /// Plans payments, and remembers which.
    fn bring(&mut self, trouble: Trouble, plan: impl FnOnce(&mut Self)) {
        let from = self.planned;
        plan(self);
        let planned = from..self.planned;
        self.brought.entry(trouble).or_default().payments.push(planned);
    }

    /// Payments that were brought and not made yet are not made, and victims are safe.
    fn end(&mut self, trouble: Trouble) {
        let Some(brought) = self.brought.remove(&trouble) else { return };
        self.due.retain(|(_, number), _| !brought.payments.iter().any(|planned| planned.contains(number)));
        for victim in &brought.victims {
            let victims = if trouble == Trouble::Leak { &mut self.victims.leaked } else { &mut self.victims.terminals };
            victims.remove(victim);
        }
        self.is_holiday &= trouble != Trouble::Holiday;
    }

    /// What happens next. The world never ends.
    pub fn generate(&mut self) -> Emitted {
        loop {
            let tomorrow_ms = self.params.start_at_ms + self.next_day * DAY_MS;
            match self.due.first_key_value() {
                Some(((ts_ms, _), _)) if *ts_ms < tomorrow_ms => {}
                _ => {
                    self.plan_day(tomorrow_ms);
                    continue;
                }
            }
            let Some(((ts_ms, _), due)) = self.due.pop_first() else { continue };
            match due {
                Due::Chargeback(event) => return Emitted::Chargeback(event, ts_ms),
                Due::Payment(payment) => return self.pay(payment),
            }
        }
    }

    fn pay(&mut self, mut payment: Payment) -> Emitted {
        self.victims.strike(&mut payment, &mut self.random);
        self.now_ms = payment.ts_ms;
        let event = self.event(&payment);
        self.payments += 1;
        let ring = if let Party::Mule { ring, .. } = payment.party { Some(ring) } else { None };
        let truth = Truth {
            transaction_id: event.transaction_id.clone(),
            account_id: event.account_id.clone(),
            ts: payment.ts_ms,
            amount_minor: payment.amount_minor,
            scenario: payment.scenario,
            ring,
        };
        let event = Box::new(event);
        if payment.scenario.is_some() {
            self.insert(payment.ts_ms + CHARGEBACK_DELAY_MS, Due::Chargeback(event.clone()));
        }
        Emitted::Payment(event, truth)
    }

    fn event(&self, payment: &Payment) -> PaymentEvent {
        let account_id = match payment.party {
            Party::Customer(number) => format!("c{number}"),
            Party::Mule { ring, member } => format!("m{ring}-{member}"),
        };
        let far = payment.city.and_then(|city| CITIES.get(city));
        let (terminal_id, (merchant_id, mcc), country, place) = match (payment.terminal, far) {
            (Some(terminal), _) => (format!("t{terminal}"), self.names.merchant(terminal), "BE", self.world.place_of(terminal)),
            (None, Some((name, country, latitude, longitude))) => {
                (format!("t-{name}"), Names::merchant_abroad(name), *country, (*latitude, *longitude))
            }
            (None, None) => ("t-unknown".to_owned(), Names::merchant_abroad("unknown"), "BE", (0.0, 0.0)),
        };
        PaymentEvent {
            transaction_id: self.payments.to_string(),
            account_id,
            card_id: self.names.card(payment, self.payments),
            user_id: Names::user(payment.party),
            terminal_id,
            merchant_id,
            mcc,
            country,
            place,
            ts_ms: payment.ts_ms,
            amount_minor: payment.amount_minor,
            device_id: Names::device(payment),
            ip: self.names.ip(payment, self.payments),
            is_online: payment.is_online,
        }
    }

    /// Draws the next day: new victims, everybody's payments, crimes.
    fn plan_day(&mut self, day_ms: i64) {
        self.next_day += 1;
        let params = self.params;
        let (terminals, customers) = (params.compromised_terminals_per_day, params.leaked_customers_per_day);
        self.victims.draw(terminals, customers, &self.world, day_ms, &mut self.random);
        self.pay_all_day(day_ms, day_ms, 1.0);
        if self.is_holiday {
            self.bring(Trouble::Holiday, |world| world.pay_all_day(day_ms, day_ms, HOLIDAY_FACTOR - 1.0));
        }
        for _ in 0..self.random.poisson(params.extras.rings_per_day) {
            let from_ms = day_ms + self.random.between(0, DAY_MS / 2);
            self.launch_ring(from_ms);
        }
        for _ in 0..self.random.poisson(params.extras.bursts_per_day) {
            let customer = self.random.below(self.world.customers.len() as u64) as u32;
            let from_ms = day_ms + self.random.between(0, DAY_MS - 1);
            let payments = burst(customer, from_ms, &self.world, &mut self.random);
            self.plan(payments);
        }
        for _ in 0..self.random.poisson(params.extras.travels_per_day) {
            let customer = self.random.below(self.world.customers.len() as u64) as u32;
            let from_ms = day_ms + self.random.between(0, DAY_MS / 2);
            self.copy_card(customer, from_ms);
        }
    }

    /// Everybody's honest payments of a day that are due after `from_ms`.
    fn pay_all_day(&mut self, day_ms: i64, from_ms: i64, factor: f64) {
        let mut payments = Vec::new();
        for (number, customer) in self.world.customers.iter().enumerate() {
            for _ in 0..self.random.poisson(customer.payments_per_day * factor) {
                // Around noon, as the handbook has it; what would fall into another day is not made.
                let at_ms = (self.random.normal(43_200.0, 20_000.0) * 1_000.0) as i64;
                let amount = self.random.normal(customer.mean_amount, customer.std_amount);
                let amount = if amount < 0.0 { self.random.unit() * 2.0 * customer.mean_amount } else { amount };
                let chosen = self.random.below(customer.terminals.len() as u64) as usize;
                let Some(terminal) = customer.terminals.get(chosen) else { continue };
                if at_ms <= 0 || at_ms >= DAY_MS || day_ms + at_ms < from_ms || payments.len() >= PAYMENTS_PER_DAY_MAX {
                    continue;
                }
                payments.push(Payment {
                    ts_ms: day_ms + at_ms,
                    party: Party::Customer(number as u32),
                    terminal: Some(*terminal),
                    city: None,
                    amount_minor: (amount * 100.0).round() as i64,
                    device: format!("d{}", customer.device),
                    is_online: false,
                    is_first_card: false,
                    scenario: None,
                });
            }
        }
        self.plan(payments);
    }

    fn launch_ring(&mut self, from_ms: i64) {
        let payments = ring(self.rings, from_ms, &self.world, &mut self.random);
        self.rings += 1;
        self.plan(payments);
    }

    /// A customer pays at home, and minutes later a copy of the card is used far away.
    fn copy_card(&mut self, customer: u32, home_ms: i64) {
        let Some(of) = self.world.customers.get(customer as usize) else { return };
        let Some(terminal) = of.terminals.first() else { return };
        let home = Payment {
            ts_ms: home_ms,
            party: Party::Customer(customer),
            terminal: Some(*terminal),
            city: None,
            amount_minor: (of.mean_amount * 100.0) as i64,
            device: format!("d{}", of.device),
            is_online: false,
            is_first_card: true,
            scenario: None,
        };
        let mut payments = travel(customer, home_ms, &mut self.random);
        payments.push(home);
        self.plan(payments);
    }

    fn plan(&mut self, payments: Vec<Payment>) {
        for payment in payments {
            self.insert(payment.ts_ms, Due::Payment(payment));
        }
    }

    fn insert(&mut self, ts_ms: i64, due: Due) {
        self.due.insert((ts_ms, self.planned), due);
        self.planned += 1;
    }
}
