//! What comes after the sessions: advertisements, purchases, recommendations, offers, robots.

use serde::{Deserialize, Serialize};

use super::super::ids::{ClickId, ItemId, PurchaseId, UserId};

/// A record of `clickstream.ad_clicks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdClick {
    /// Which run.
    pub run: String,
    /// Unique within a run.
    pub click_id: ClickId,
    /// Who.
    pub user_id: UserId,
    /// Which advertisement.
    pub campaign: String,
    /// When, in event time.
    pub at: i64,
}

/// A record of `clickstream.purchases`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// Which run.
    pub run: String,
    /// The event's id.
    pub purchase_id: PurchaseId,
    /// Who.
    pub user_id: UserId,
    /// When, in event time.
    pub at: i64,
    /// What was paid.
    pub revenue_minor: i64,
    /// For what; empty where the event does not say.
    #[serde(default)]
    pub item_id: ItemId,
}

/// A row of `clickstream.items`: the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which run.
    pub run: String,
    /// Also the record's key.
    pub item_id: ItemId,
    /// In which part of the shop it lies.
    pub category: String,
    /// In minor units of the shop's currency.
    pub price_minor: i64,
}

/// A record of `clickstream.sales`, keyed by category: what was sold of it since the run's start.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sales {
    /// Which run.
    pub run: String,
    /// Which part of the shop; empty for items that the catalogue did not have.
    pub category: String,
    /// Purchases.
    pub purchases: u64,
    /// The sum of them.
    pub revenue_minor: i64,
}

/// A record of `ad_attribution`; the last one of a purchase holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Which run.
    pub run: String,
    /// The purchase.
    pub purchase_id: PurchaseId,
    /// Who.
    pub user_id: UserId,
    /// The advertisement.
    pub campaign: String,
    /// When it was followed last.
    pub click_id: ClickId,
    /// When that was.
    pub click_at: i64,
    /// When was paid.
    pub purchase_at: i64,
    /// What was paid.
    pub revenue_minor: i64,
}

/// A record of `clickstream.item_pairs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Which run.
    pub run: String,
    /// Who.
    pub user_id: UserId,
    /// What was looked at first.
    pub from: ItemId,
    /// And then.
    pub to: ItemId,
    /// When, in event time.
    pub at: i64,
}

/// A row of `clickstream.related_items`: what was looked at after an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Which run.
    pub run: String,
    /// After this
    pub item_id: ItemId,
    /// these, most often first.
    pub items: Vec<ItemId>,
    /// As of this event time.
    pub at: i64,
}

/// A record of `recommended_items`, keyed by user; the newest holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommended {
    /// Which run.
    pub run: String,
    /// Who
    pub user_id: UserId,
    /// looks at this
    pub item_id: ItemId,
    /// and may like these, best first.
    pub items: Vec<ItemId>,
    /// When that look was, in event time.
    pub at: i64,
}

/// A record of `offers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offer {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// To whom.
    pub user_id: UserId,
    /// The item put into the cart last.
    pub item_id: ItemId,
    /// What is in the cart.
    pub value_minor: i64,
    /// Since when.
    pub cart_at: i64,
    /// When the offer is made, in event time.
    pub at: i64,
    /// How much less.
    pub percent: u8,
}

/// A record of `clickstream.offers_taken`, keyed by user: who got an offer bought something soon after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OfferTaken {
    /// Which run.
    pub run: String,
    /// Who.
    pub user_id: UserId,
    /// When the offer was made, in event time.
    pub offer_at: i64,
    /// The purchase.
    pub purchase_id: PurchaseId,
    /// When that was.
    pub purchase_at: i64,
    /// What was paid.
    pub revenue_minor: i64,
}

/// A record of `clickstream.merges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Whose sessions.
    pub user_id: UserId,
    /// The time of the late event.
    pub late_at: i64,
    /// Stream time when it came.
    pub came_at: i64,
    /// First and last event of each session before.
    pub parts: Vec<(i64, i64)>,
    /// Of the one session after.
    pub whole: (i64, i64),
}

/// A record of `clickstream.bots`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bot {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Who.
    pub user_id: UserId,
    /// Event time of the session's first event.
    pub start: i64,
    /// Event time when it was noticed.
    pub at: i64,
    /// Events until then.
    pub events: u64,
}
