//! Who left a cart behind and may come back for it, if an offer is made in time.
//!
//! Who would, and when, is drawn by who it is, and the offer only decides whether there is anything to come back for: so a run does not hang on
//! how long an offer is on its way, as long as it arrives before that.

use std::collections::{BTreeMap, BinaryHeap};

use super::{AWAY_MAX, Generator, Visitor};
use crate::sim::hash64;

/// The share of those who left a cart that come back for an offer, unless told otherwise.
pub const OFFER_TAKERS: f64 = 0.4;
/// They come back so long after an offer could first be made, as shares of the silence that brings one.
const BACK_AFTER: (f64, f64) = (0.8, 1.4);

impl Generator {
    /// With a shop that makes offers after so much silence, and with such a share of those who left a cart that come back for one.
    #[must_use]
    pub fn with_offers(mut self, silence_ms: i64, takers: f64) -> Self {
        self.offers = Offers::new(self.params.seed, takers, silence_ms);
        self
    }

    /// An offer goes to a user, who may come back for it.
    pub fn offer(&mut self, user: &str, percent: u8) {
        if let Some(number) = user.strip_prefix('u').and_then(|number| number.parse().ok()) {
            self.offers.tell(number, percent);
        }
    }
}

/// Those who may come back.
#[derive(Debug)]
pub(super) struct Offers {
    seed: u64,
    share: f64,
    silence_ms: i64,
    waiting: BinaryHeap<Visitor>,
    /// By user: how much less, once they have heard of it.
    heard: BTreeMap<u64, Option<u8>>,
}

impl Offers {
    pub(super) fn new(seed: u64, share: f64, silence_ms: i64) -> Self {
        Self { seed, share, silence_ms, waiting: BinaryHeap::new(), heard: BTreeMap::new() }
    }

    /// Whether this visitor, who leaves now, may come back; if so, the visit is not over.
    pub(super) fn may_bring_back(&mut self, visitor: &Visitor, now_ms: i64) -> bool {
        let drawn = |salt: u64| hash64(self.seed ^ salt, visitor.profile.number ^ u64::from(visitor.visit) << 32) as f64 / u64::MAX as f64;
        if !visitor.left_a_cart() || self.waiting.len() >= AWAY_MAX || drawn(0x0ffe) >= self.share {
            return false;
        }
        let after = 1.0 + BACK_AFTER.0 + drawn(0x0fff) * (BACK_AFTER.1 - BACK_AFTER.0);
        let due_ms = now_ms + (self.silence_ms as f64 * after) as i64;
        self.heard.insert(visitor.profile.number, None);
        let mut visitor = visitor.clone();
        visitor.due_ms = due_ms;
        self.waiting.push(visitor);
        true
    }

    /// An offer goes to a user. Only who thinks of the cart still listens.
    pub(super) fn tell(&mut self, number: u64, percent: u8) {
        if let Some(heard) = self.heard.get_mut(&number) {
            *heard = Some(percent.clamp(1, 100));
        }
    }

    /// The next one who thinks of the cart again by now, and what was offered, if anything.
    pub(super) fn due(&mut self, now_ms: i64) -> Option<(Visitor, Option<u8>)> {
        let visitor = self.waiting.peek().is_some_and(|first| first.due_ms <= now_ms).then(|| self.waiting.pop()).flatten()?;
        let percent = self.heard.remove(&visitor.profile.number).flatten();
        Some((visitor, percent))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::sim::clickstream::GeneratorParams;

    /// Purchases at a lower price than the item's, and those the generator tells of; offers go to whoever filled a cart, again and again.
    fn taken(takers: f64, is_offered: bool) -> (usize, u64) {
        let params = GeneratorParams { seed: 3, rate_per_s: 100, speed: 60, start_at_ms: 1_800_000_000_000 };
        let mut generator = Generator::new(params).with_offers(600_000, takers);
        let prices: BTreeMap<_, _> = generator.catalogue().map(|item| (item.item_id.to_owned(), item.price_minor)).collect();
        let (mut cheap, mut sessions, mut users) = (0, BTreeSet::new(), BTreeSet::new());
        for number in 0..6_000 {
            let Some(record) = generator.generate() else { continue };
            let event: Value = serde_json::from_slice(record.value).expect("JSON");
            let user = record.key.to_owned();
            let text = |field: &str| event[field].as_str().unwrap_or_default();
            match text("action_type") {
                "add_to_cart" => {
                    sessions.insert(text("session_id").to_owned());
                    users.insert(user);
                }
                "purchase" if event["price_minor"].as_i64() != prices.get(text("item_id")).copied() => {
                    assert!(sessions.contains(text("session_id")), "{event} is of the visit that left the cart");
                    assert_eq!(event["price_minor"].as_i64(), prices.get(text("item_id")).map(|price| price * 90 / 100));
                    cheap += 1;
                }
                _ => {}
            }
            if is_offered && number % 50 == 0 {
                users.iter().for_each(|user| generator.offer(user, 10));
            }
        }
        (cheap, generator.truth().offers_taken)
    }

    #[test]
    fn some_come_back_for_an_offer_and_nobody_without() {
        let (cheap, told) = taken(OFFER_TAKERS, true);
        assert!(cheap > 10 && cheap as u64 == told, "{cheap} {told}");
        assert_eq!(taken(OFFER_TAKERS, false), (0, 0));
        assert_eq!(taken(0.0, true), (0, 0));
    }
}
