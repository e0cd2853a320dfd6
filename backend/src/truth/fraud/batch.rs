//! An account's features recomputed plainly: from the list of its payments, not from what the pipeline remembers.

use std::collections::HashMap;

use crate::pipelines::fraud::{CardId, DeviceId, features::Feature, records::Transaction};

/// A minute, an hour and a day in milliseconds.
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The longest window; older payments are forgotten.
const REMEMBERED_MS: i64 = 31 * DAY_MS;
/// Velocity windows keep no more payments of a day than these, so that larger counts are not compared.
const DAY_PAYMENTS_MAX: usize = 250;
/// Card testing: an amount up to the first, then one from the second on, in minor units, within a minute.
const TEST_MINOR: (i64, i64) = (100, 30_000);
/// A payment is unusual above so many times the usual amount, which follows the last hundred payments, each counted as no more than that.
const UNUSUAL: f64 = 2.5;
const USUAL_PAYMENTS: usize = 100;
/// Unusual payments count for so long, and no more of them than these.
const UNUSUAL_MS: i64 = 14 * DAY_MS;
const UNUSUAL_MAX: usize = 16;
/// Devices an account is known by, the latest.
const DEVICES_MAX: usize = 8;
/// Cards of an account, the latest, and places of a card.
const CARDS_MAX: usize = 4;
const PLACES_MAX: usize = 8;
/// A payment that comes up to so much after a newer one of its account is judged as if it had come before that.
const LATE_MS: i64 = 60_000;
/// The mean radius of the earth, and below which distance nobody is said to have travelled.
const EARTH_KM: f64 = 6_371.0;
const TRAVEL_KM_MIN: f64 = 100.0;

/// What is recomputed here: all that rests on the account alone. What rests on rings hangs on when edges came.
pub(super) const RECOMPUTED: [Feature; 20] = [
    Feature::Amount,
    Feature::Weekend,
    Feature::Night,
    Feature::AccountCount1d,
    Feature::AccountMean1d,
    Feature::AccountCount7d,
    Feature::AccountMean7d,
    Feature::AccountCount30d,
    Feature::AccountMean30d,
    Feature::AmountRatio,
    Feature::Known,
    Feature::Unusual14d,
    Feature::Count1m,
    Feature::Count10m,
    Feature::Count1h,
    Feature::Count24h,
    Feature::Sum24h,
    Feature::TravelKmh,
    Feature::SmallThenLarge,
    Feature::NewDevice,
];

/// The values of [`RECOMPUTED`], in its order.
pub(super) type Recomputed = [f64; RECOMPUTED.len()];

/// All accounts.
#[derive(Debug, Default)]
pub struct Batch {
    by_account: HashMap<u32, History>,
}

#[derive(Debug, Default)]
struct History {
    /// In the order of their partition.
    payments: Vec<Paid>,
    known: usize,
    usual_minor: f64,
    /// In the order of time.
    unusual: Vec<i64>,
    /// The cards in the order in which they were new.
    cards: Vec<Card>,
    /// Devices in the order in which they were new.
    devices: Vec<DeviceId>,
}

#[derive(Debug)]
struct Paid {
    ts: i64,
    minor: i64,
    card: CardId,
}

#[derive(Debug, Default)]
struct Card {
    id: CardId,
    /// Where it was used, in the order of time: time, latitude, longitude.
    places: Vec<(i64, f64, f64)>,
}

/// What must be said of a payment.
#[derive(Debug)]
pub(super) struct Expected {
    /// That it came too late.
    pub(super) is_late: bool,
    /// Its features; `None` where they are not compared, as it came late or in too long a row.
    pub(super) features: Option<Recomputed>,
}

impl Batch {
    /// A payment, in the order of its partition.
    pub(super) fn add(&mut self, account: u32, payment: &Transaction) -> Expected {
        let history = self.by_account.entry(account).or_default();
        let is_late = history.payments.iter().any(|paid| paid.ts > payment.ts + LATE_MS);
        let recomputed = history.add(payment);
        let is_long = history.payments.iter().filter(|paid| paid.ts > payment.ts - DAY_MS).count() > DAY_PAYMENTS_MAX;
        Expected { is_late, features: (!is_late && !is_long).then_some(recomputed) }
    }
}

impl History {
    fn add(&mut self, payment: &Transaction) -> Recomputed {
        let (ts, amount) = (payment.ts, payment.amount_minor as f64);
        let flag = |holds: bool| f64::from(u8::from(holds));
        let (ratio, known, unusual) = self.usual(ts, amount);
        self.payments.push(Paid { ts, minor: payment.amount_minor, card: payment.card_id.clone() });
        if self.payments.len().is_multiple_of(64) {
            let newest = self.payments.iter().map(|paid| paid.ts).max().unwrap_or(ts);
            self.payments.retain(|paid| paid.ts > newest - REMEMBERED_MS);
        }
        let travel_kmh = self.card(&payment.card_id).travel_kmh(payment);
        let is_test = |paid: &Paid| paid.card == payment.card_id && paid.minor <= TEST_MINOR.0;
        let was_tested = self.payments.iter().any(|paid| is_test(paid) && (0..=MINUTE_MS).contains(&(ts - paid.ts)));
        let day = ts.div_euclid(DAY_MS);
        let sum_24h: i64 = self.within(ts, DAY_MS).map(|paid| paid.minor).sum();
        let [(count_1d, mean_1d), (count_7d, mean_7d), (count_30d, mean_30d)] = [1, 7, 30].map(|days| self.hours(ts, days));
        [
            amount / 100.0,
            // The epoch began on a Thursday.
            flag((day + 3).rem_euclid(7) >= 5),
            flag((ts - day * DAY_MS) / HOUR_MS <= 6),
            count_1d,
            mean_1d,
            count_7d,
            mean_7d,
            count_30d,
            mean_30d,
            ratio,
            known,
            unusual,
            self.within(ts, MINUTE_MS).count() as f64,
            self.within(ts, 10 * MINUTE_MS).count() as f64,
            self.within(ts, HOUR_MS).count() as f64,
            self.within(ts, DAY_MS).count() as f64,
            sum_24h as f64 / 100.0,
            travel_kmh,
            flag(was_tested && payment.amount_minor >= TEST_MINOR.1),
            flag(self.is_new_device(&payment.device_id)),
        ]
    }

    fn within(&self, ts: i64, ms: i64) -> impl Iterator<Item = &Paid> {
        self.payments.iter().filter(move |paid| paid.ts > ts - ms && paid.ts <= ts)
    }

    /// Payments of so many days that begin with a whole hour, and their mean.
    fn hours(&self, ts: i64, days: i64) -> (f64, f64) {
        let from = (ts.div_euclid(HOUR_MS) - days * 24 + 1) * HOUR_MS;
        let within = self.payments.iter().filter(|paid| (from..=ts).contains(&paid.ts));
        let (count, sum) = within.fold((0_u32, 0_i64), |(count, sum), paid| (count + 1, sum + paid.minor));
        (f64::from(count), sum as f64 / 100.0 / f64::from(count.max(1)))
    }

    /// The amount over the usual one, payments that say what is usual, and unusual ones of late.
    fn usual(&mut self, ts: i64, amount: f64) -> (f64, f64, f64) {
        let ratio = if self.known > 0 && self.usual_minor >= 1.0 { amount / self.usual_minor } else { 1.0 };
        let lately = self.unusual.iter().rev().take(UNUSUAL_MAX).filter(|at| **at > ts - UNUSUAL_MS && **at <= ts).count();
        let told = (ratio, self.known as f64, lately as f64);
        if ratio > UNUSUAL && self.known >= 3 {
            self.unusual.push(ts);
            self.unusual.sort_unstable();
            self.unusual.drain(..self.unusual.len().saturating_sub(2 * UNUSUAL_MAX));
        }
        let counted = if self.known >= 3 { amount.min(self.usual_minor * UNUSUAL) } else { amount };
        self.known = (self.known + 1).min(USUAL_PAYMENTS);
        self.usual_minor += (counted - self.usual_minor) / self.known as f64;
        told
    }

    fn card(&mut self, id: &CardId) -> &mut Card {
        let at = self.cards.iter().position(|card| card.id == *id).unwrap_or_else(|| {
            self.cards.push(Card { id: id.clone(), ..Card::default() });
            self.cards.drain(..self.cards.len().saturating_sub(CARDS_MAX));
            self.cards.len() - 1
        });
        &mut self.cards[at]
    }

    fn is_new_device(&mut self, device: &DeviceId) -> bool {
        if device.is_empty() || self.devices.iter().rev().take(DEVICES_MAX).any(|known| known == device) {
            return false;
        }
        self.devices.push(device.clone());
        if self.devices.len() > 2 * DEVICES_MAX {
            self.devices.drain(..DEVICES_MAX);
        }
        self.devices.len() > 1
    }
}

impl Card {
    fn travel_kmh(&mut self, payment: &Transaction) -> f64 {
        let Some((lat, lon)) = payment.lat.zip(payment.lon).filter(|_| payment.channel != "online") else { return 0.0 };
        let before = self.places.iter().rev().take(PLACES_MAX).find(|(ts, ..)| *ts <= payment.ts).copied();
        self.places.push((payment.ts, lat, lon));
        self.places.sort_by_key(|(ts, ..)| *ts);
        self.places.drain(..self.places.len().saturating_sub(2 * PLACES_MAX));
        let Some((ts, from_lat, from_lon)) = before else { return 0.0 };
        let minutes = ((payment.ts - ts) as f64 / MINUTE_MS as f64).max(1.0);
        let km = distance_km((from_lat, from_lon), (lat, lon));
        if km < TRAVEL_KM_MIN { 0.0 } else { km / minutes * 60.0 }
    }
}

/// Over the earth's surface, by the angle between the two places as seen from its centre.
fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let at = |(lat, lon): (f64, f64)| {
        let (lat, lon) = (lat.to_radians(), lon.to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let ([ax, ay, az], [bx, by, bz]) = (at(from), at(to));
    let chord = ((ax - bx).powi(2) + (ay - by).powi(2) + (az - bz).powi(2)).sqrt();
    2.0 * EARTH_KM * (chord / 2.0).min(1.0).asin()
}
