//! Offers for abandoned carts: somebody filled a cart, did not pay, and has been silent for ten minutes, or a third of what ends a session,
//! which so is still open. The shop's visitors hear of it, and some come back; who bought soon after an offer is told too.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    ids::{ItemId, UserId},
    records::{Event, Offer, OfferTaken, Purchase},
    settings::{ATTRIBUTION_GRACE_MS, OFFER_PERCENT, OFFERS, OFFERS_TAKEN},
};
use crate::{
    sim::clickstream::Action,
    stream::{Forward, JoinWindows, Processor, Record, Store, StoreHandle, Stream, StreamsBuilder},
};

/// Adds what offers brought to an application of purchases: those within `offer_ms` after one.
pub(super) fn taken(builder: &StreamsBuilder, purchases: &Stream<UserId, Purchase>, offer_ms: i64) {
    let windows = JoinWindows { before_ms: 0, after_ms: offer_ms, grace_ms: ATTRIBUTION_GRACE_MS };
    let taken = |_: &UserId, offer: &Offer, purchase: &Purchase| {
        (offer.run == purchase.run).then(|| OfferTaken {
            run: offer.run.clone(),
            user_id: offer.user_id.clone(),
            offer_at: offer.at,
            purchase_id: purchase.purchase_id.clone(),
            purchase_at: purchase.at,
            revenue_minor: purchase.revenue_minor,
        })
    };
    let pairs = builder.stream::<UserId, Offer>(OFFERS).join(purchases, windows, "taken", taken);
    pairs.flat_map_values(|record| record.value.clone()).to(OFFERS_TAKEN);
}

/// The key of the newest time of an event; users come after it.
const NOW: &str = "";

/// What is kept of a user with a cart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cart {
    item_id: ItemId,
    value_minor: i64,
    cart_at: i64,
    /// The newest event of the user since.
    last_at: i64,
    /// The run's: an entry must tell by itself when it expires.
    silence_ms: i64,
}

impl Cart {
    fn due_ms(&self) -> i64 {
        self.last_at + self.silence_ms
    }
}

/// A store for the processor.
pub(super) fn store() -> Store<UserId, Cart> {
    Store::expiring(|key, cart| if key.as_str() == NOW { i64::MAX } else { cart.due_ms() })
}

/// Waits for carts to be forgotten.
pub(super) struct CartWatch {
    pub(super) run: std::sync::Arc<str>,
    pub(super) store: StoreHandle<UserId, Cart>,
    pub(super) silence_ms: i64,
    /// Sabotage: whoever pays is offered something too.
    pub(super) is_blind_to_purchases: bool,
}

impl Processor<UserId, Event, UserId, Offer> for CartWatch {
    fn process(&mut self, record: &Record<UserId, Event>, out: &mut Forward<'_, UserId, Offer>) {
        let Event::Activity(activity) = &record.value else { return };
        let now = self.advance(activity.timestamp);
        let partition = out.origin().partition;
        self.offer(now, partition, out);
        let user = UserId::from(&*activity.user_id);
        let mut store = self.store.borrow_mut();
        match activity.action_type {
            Action::AddToCart => {
                let (at, price_minor) = (activity.timestamp, activity.price_minor.unwrap_or(0));
                let silence_ms = self.silence_ms;
                let first = || Cart { item_id: ItemId::default(), value_minor: 0, cart_at: at, last_at: at, silence_ms };
                store.update(&user, first, |cart| {
                    cart.item_id = (&*activity.item_id).into();
                    cart.value_minor = cart.value_minor.saturating_add(price_minor);
                    cart.last_at = cart.last_at.max(at);
                });
            }
            Action::Purchase if !self.is_blind_to_purchases => drop(store.delete(&user)),
            _ if store.get(&user).is_some_and(|cart| cart.last_at < activity.timestamp) => {
                if let Some(cart) = store.get(&user).map(Cow::into_owned) {
                    store.put(user, Cart { last_at: activity.timestamp, ..cart });
                }
            }
            _ => {}
        }
    }
}

impl CartWatch {
    /// Stream time as this processor's events have it: another source of the task must not move it.
    fn advance(&self, at: i64) -> i64 {
        let mut store = self.store.borrow_mut();
        let known = store.get(&NOW.into()).map(|cart| cart.last_at);
        if known.is_none_or(|known| known < at) {
            store.put(NOW.into(), Cart { item_id: ItemId::default(), value_minor: 0, cart_at: 0, last_at: at, silence_ms: 0 });
        }
        known.map_or(at, |known| known.max(at))
    }

    fn offer(&self, now: i64, partition: i32, out: &mut Forward<'_, UserId, Offer>) {
        loop {
            let Some((user_id, cart)) = self.store.borrow_mut().pop_expired(now) else { return };
            let at = cart.due_ms();
            let offer = Offer {
                run: self.run.to_string(),
                partition,
                user_id: user_id.clone(),
                item_id: cart.item_id,
                value_minor: cart.value_minor,
                cart_at: cart.cart_at,
                at,
                percent: OFFER_PERCENT,
            };
            out.send(&Record { key: user_id, timestamp_ms: offer.at, value: offer });
        }
    }
}
