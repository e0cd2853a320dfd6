//! What an account's past says of a payment: velocity, spending, travel, devices.

use serde::{Deserialize, Serialize};

use super::{
    features::{Feature, Features},
    ids::{AccountId, CardId, DeviceId},
    records::{Enriched, Transaction},
    settings::{DAY_MS, HOUR_MS, LATE_MS},
};
use crate::stream::{Forward, Processor, Record, Store, StoreHandle};

/// How far back spending is looked at.
const SPENDING_HOURS: i64 = 30 * 24;
/// Payments of the last day kept one by one; with more, the oldest count no more.
const RECENT_MAX: usize = 256;
/// Devices remembered per account, and network addresses; the oldest is forgotten.
const DEVICES_MAX: usize = 8;
/// Cards remembered per account, and the places of one that a late payment may still ask for; the oldest is forgotten.
const CARDS_MAX: usize = 4;
const PLACES_MAX: usize = 8;
/// A payment counts no more than so many times the usual when the usual is learnt, so that fraud does not become usual.
const CLIP: f64 = 2.5;
/// The usual follows the last so many payments.
const USUAL_PAYMENTS: u32 = 100;
/// Unusual payments remembered.
const UNUSUAL_MAX: usize = 16;
/// How long an unusual payment is remembered: as long as the handbook's leaks last.
const UNUSUAL_MS: i64 = 14 * DAY_MS;
/// Card testing: at most this, then at least that, within a minute (the example of Flink's documentation, in minor units).
const SMALL_MINOR: i64 = 100;
const LARGE_MINOR: i64 = 30_000;
const TEST_MS: i64 = 60_000;
/// Closer terminals may be one shop.
const TRAVEL_KM_MIN: f64 = 100.0;
/// The mean radius of the earth (IUGG).
const EARTH_KM: f64 = 6_371.0;

/// What is remembered of an account. Bounded: a month of hours, a day of payments, few devices.
///
/// Payments may come out of order. How much, how often, where and with what amounts before is told by event time: of a payment that comes
/// up to [`LATE_MS`] after a newer one, as if the newer one were not there yet, for which everything is kept that much longer. What is usual
/// for the account and by which devices it is known is told as of when the payment comes. A decision that was made is never made again.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Account {
    /// Hour since the epoch, payments in it, their sum; oldest first.
    hours: Vec<(i64, u32, i64)>,
    /// The last day's payments; oldest first.
    recent: Vec<Recent>,
    cards: Vec<Card>,
    devices: Vec<DeviceId>,
    addresses: Vec<String>,
    /// The mean of clipped amounts.
    usual_minor: f64,
    known: u32,
    /// When amounts were far above the usual; oldest first.
    unusual: Vec<i64>,
}

/// A payment of the last day: time, amount, and a hash of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recent(i64, i64, u32);

/// What is remembered of one card: two of an account may be in two places.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
struct Card {
    card_id: CardId,
    /// The newest payments with a place, oldest first: time, latitude, longitude.
    places: Vec<(i64, f64, f64)>,
}

impl Account {
    /// Takes a payment in, and says what the past makes of it.
    pub fn observe(&mut self, payment: &Transaction) -> Features {
        let mut features = Features::default();
        self.time_of_day(payment, &mut features);
        self.amount(payment, &mut features);
        self.spending(payment, &mut features);
        self.velocity(payment, &mut features);
        self.small_then_large(payment, &mut features);
        self.card(&payment.card_id).travel(payment, &mut features);
        self.device(payment, &mut features);
        features
    }

    /// Whether a payment comes too late for what was known when it was made to be known still.
    pub fn is_late(&self, payment: &Transaction) -> bool {
        self.recent.last().is_some_and(|newest| payment.ts < newest.0 - LATE_MS)
    }

    fn time_of_day(&self, payment: &Transaction, features: &mut Features) {
        let day = payment.ts.div_euclid(DAY_MS);
        // 1970-01-01 was a Thursday, so days 2 and 3 of each seven are the weekend.
        let is_weekend = matches!(day.rem_euclid(7), 2 | 3);
        let is_night = payment.ts.rem_euclid(DAY_MS) / HOUR_MS <= 6;
        features.set(Feature::Weekend, f64::from(u8::from(is_weekend)));
        features.set(Feature::Night, f64::from(u8::from(is_night)));
    }

    fn amount(&mut self, payment: &Transaction, features: &mut Features) {
        let amount = payment.amount_minor as f64;
        let ratio = if self.known == 0 || self.usual_minor < 1.0 { 1.0 } else { amount / self.usual_minor };
        let unusual = self.unusual.iter().filter(|at_ms| (payment.ts - UNUSUAL_MS + 1..=payment.ts).contains(at_ms)).count();
        features.set(Feature::Amount, amount / 100.0);
        features.set(Feature::AmountRatio, ratio);
        features.set(Feature::Known, f64::from(self.known));
        features.set(Feature::Unusual14d, unusual as f64);
        if ratio > CLIP && self.known >= 3 {
            let at = self.unusual.partition_point(|at_ms| *at_ms <= payment.ts);
            self.unusual.insert(at, payment.ts);
            self.unusual.drain(..self.unusual.len().saturating_sub(UNUSUAL_MAX));
        }
        self.known = (self.known + 1).min(USUAL_PAYMENTS);
        let clipped = if self.known > 3 { amount.min(CLIP * self.usual_minor) } else { amount };
        self.usual_minor += (clipped - self.usual_minor) / f64::from(self.known);
    }

    fn spending(&mut self, payment: &Transaction, features: &mut Features) {
        let hour = payment.ts.div_euclid(HOUR_MS);
        match self.hours.binary_search_by_key(&hour, |(hour, ..)| *hour) {
            Ok(at) => {
                self.hours[at].1 += 1;
                self.hours[at].2 += payment.amount_minor;
            }
            Err(at) => self.hours.insert(at, (hour, 1, payment.amount_minor)),
        }
        let newest = self.hours.last().map_or(hour, |(hour, ..)| *hour);
        self.hours.retain(|(hour, ..)| *hour >= newest - SPENDING_HOURS);
        // Those of its hour that were made after it do not count for it.
        let later = self.recent.iter().rev().take_while(|recent| recent.0 > payment.ts);
        let later = later.filter(|recent| recent.0.div_euclid(HOUR_MS) == hour);
        let (later, later_minor) = later.fold((0, 0), |(payments, sum), recent| (payments + 1, sum + recent.1));
        for (days, count, mean) in [
            (1, Feature::AccountCount1d, Feature::AccountMean1d),
            (7, Feature::AccountCount7d, Feature::AccountMean7d),
            (30, Feature::AccountCount30d, Feature::AccountMean30d),
        ] {
            let within = self.hours.iter().filter(|(of, ..)| (hour - days * 24 + 1..=hour).contains(of));
            let (payments, sum) = within.fold((0, 0), |(payments, sum), (_, count, minor)| (payments + count, sum + minor));
            let (payments, sum) = (payments.saturating_sub(later), sum - later_minor);
            features.set(count, f64::from(payments));
            features.set(mean, sum as f64 / 100.0 / f64::from(payments.max(1)));
        }
    }

    fn velocity(&mut self, payment: &Transaction, features: &mut Features) {
        let at = self.recent.partition_point(|recent| recent.0 <= payment.ts);
        self.recent.insert(at, Recent(payment.ts, payment.amount_minor, payment.card_id.hash() as u32));
        let newest = self.recent.last().map_or(payment.ts, |recent| recent.0);
        self.recent.retain(|recent| recent.0 > newest - DAY_MS - LATE_MS);
        let excess = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..excess);
        let within = |ms: i64| self.recent.iter().filter(move |recent| recent.0 > payment.ts - ms && recent.0 <= payment.ts);
        features.set(Feature::Count1m, within(60_000).count() as f64);
        features.set(Feature::Count10m, within(600_000).count() as f64);
        features.set(Feature::Count1h, within(HOUR_MS).count() as f64);
        features.set(Feature::Count24h, within(DAY_MS).count() as f64);
        features.set(Feature::Sum24h, within(DAY_MS).map(|recent| recent.1).sum::<i64>() as f64 / 100.0);
    }

    fn small_then_large(&self, payment: &Transaction, features: &mut Features) {
        let card = payment.card_id.hash() as u32;
        let times = payment.ts - TEST_MS..=payment.ts;
        let was_tested = self.recent.iter().any(|recent| recent.2 == card && recent.1 <= SMALL_MINOR && times.contains(&recent.0));
        features.set(Feature::SmallThenLarge, f64::from(u8::from(was_tested && payment.amount_minor >= LARGE_MINOR)));
    }

    fn card(&mut self, card_id: &CardId) -> &mut Card {
        let at = self.cards.iter().position(|card| card.card_id == *card_id).unwrap_or_else(|| {
            if self.cards.len() >= CARDS_MAX {
                self.cards.remove(0);
            }
            self.cards.push(Card { card_id: card_id.clone(), ..Card::default() });
            self.cards.len() - 1
        });
        &mut self.cards[at]
    }

    fn device(&mut self, payment: &Transaction, features: &mut Features) {
        if !payment.ip.is_empty() && !self.addresses.contains(&payment.ip) {
            keep_newest(&mut self.addresses, payment.ip.clone(), DEVICES_MAX);
        }
        if payment.device_id.is_empty() || self.devices.contains(&payment.device_id) {
            return;
        }
        features.set(Feature::NewDevice, f64::from(u8::from(!self.devices.is_empty())));
        keep_newest(&mut self.devices, payment.device_id.clone(), DEVICES_MAX);
    }

    /// Whether the account was used with this device and from this address before.
    fn knows(&self, payment: &Transaction) -> bool {
        let knows_device = payment.device_id.is_empty() || self.devices.contains(&payment.device_id);
        knows_device && (payment.ip.is_empty() || self.addresses.contains(&payment.ip))
    }
}

impl Card {
    fn travel(&mut self, payment: &Transaction, features: &mut Features) {
        let (Some(lat), Some(lon)) = (payment.lat, payment.lon) else { return };
        if payment.channel == "online" {
            return;
        }
        let after = self.places.partition_point(|(ts, ..)| *ts <= payment.ts);
        if let Some((ts, from_lat, from_lon)) = after.checked_sub(1).map(|before| self.places[before]) {
            let km = haversine_km((from_lat, from_lon), (lat, lon));
            // Less than a minute counts as a minute: clocks of terminals differ.
            let hours = (payment.ts - ts).max(60_000) as f64 / HOUR_MS as f64;
            features.set(Feature::TravelKmh, if km < TRAVEL_KM_MIN { 0.0 } else { km / hours });
        }
        self.places.insert(after, (payment.ts, lat, lon));
        // Of those before what a late payment may ask for, the newest is enough.
        let late_ms = self.places.last().map_or(payment.ts, |(ts, ..)| *ts) - LATE_MS;
        let unasked = self.places.partition_point(|(ts, ..)| *ts <= late_ms).saturating_sub(1);
        self.places.drain(..unasked.max(self.places.len().saturating_sub(PLACES_MAX)));
    }
}

/// The distance over the earth's surface (haversine).
pub fn haversine_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat, lon) = ((to.0 - from.0).to_radians(), (to.1 - from.1).to_radians());
    let a = (lat / 2.0).sin().powi(2) + from.0.to_radians().cos() * to.0.to_radians().cos() * (lon / 2.0).sin().powi(2);
    2.0 * EARTH_KM * a.sqrt().min(1.0).asin()
}

fn keep_newest<T>(all: &mut Vec<T>, newest: T, max: usize) {
    if all.len() >= max {
        all.remove(0);
    }
    all.push(newest);
}

/// An account that met a device or an address for the first time: edges of the graph in which rings are found. What is not known is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The account.
    pub account_id: AccountId,
    /// The device.
    pub device_id: DeviceId,
    /// The network address.
    pub ip: String,
}

/// What the accounts' stage passes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromAccounts {
    /// The payment.
    Payment(Box<Enriched>),
    /// Something new for the ring finder.
    Edge(Edge),
}

/// A payment and the size of the ring its account is in; 0 for none.
pub type Member = (Transaction, u32);

pub(super) struct Accounts {
    store: StoreHandle<AccountId, Account>,
    /// Broken on purpose.
    is_forgetful: bool,
}

impl Accounts {
    pub(super) const STORE: &str = "accounts";

    pub(super) fn store() -> Store<AccountId, Account> {
        Store::new()
    }

    pub(super) fn new(store: StoreHandle<AccountId, Account>, is_forgetful: bool) -> Self {
        Self { store, is_forgetful }
    }
}

impl Processor<AccountId, Member, AccountId, FromAccounts> for Accounts {
    fn process(&mut self, record: &Record<AccountId, Member>, out: &mut Forward<'_, AccountId, FromAccounts>) {
        let (transaction, ring_size) = &record.value;
        let (mut features, mut is_known, mut is_late) = (Features::default(), true, false);
        self.store.borrow_mut().update(&record.key, Account::default, |account| {
            (is_known, is_late) = (account.knows(transaction), account.is_late(transaction));
            features = account.observe(transaction);
            if self.is_forgetful {
                account.recent.clear();
            }
        });
        features.set(Feature::RingSize, f64::from(*ring_size));
        if is_late {
            out.count_late();
        }
        if !is_known {
            let (device_id, ip) = (transaction.device_id.clone(), transaction.ip.clone());
            let edge = Edge { account_id: record.key.clone(), device_id, ip };
            out.send(&record.with_value(FromAccounts::Edge(edge)));
        }
        let enriched = Enriched { transaction: transaction.clone(), features, is_late };
        out.send(&record.with_value(FromAccounts::Payment(Box::new(enriched))));
    }
}
