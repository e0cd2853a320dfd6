//! What a generator is made from, and what comes out of it.

/// With what a generator starts. Equal parameters give equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratorParams {
    /// The seed.
    pub seed: u64,
    /// Events per second of virtual time.
    pub rate_per_s: u32,
    /// How many times faster event time runs.
    pub speed: u32,
    /// Event time at virtual time zero, epoch ms.
    pub start_at_ms: i64,
}

/// What the generator knows and no consumer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Truth {
    /// Visits begun.
    pub visits: u64,
    /// Visits that ended early because the rate fell: their outcome is not what was drawn.
    pub visits_cut_short: u64,
    /// Purchases of visitors whom an offer brought back.
    pub offers_taken: u64,
}

/// A record to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The user id.
    pub key: &'a str,
    /// The event as JSON.
    pub value: &'a [u8],
}

/// Somebody followed an advertisement into the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Unique within a run.
    pub click_id: String,
    /// Who.
    pub user_id: String,
    /// Which one.
    pub campaign: String,
    /// When, in event time.
    pub at_ms: i64,
}

/// A user becomes a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Who.
    pub user_id: String,
    /// When that was said, in event time.
    pub at_ms: i64,
    /// From when on it holds.
    pub from_ms: i64,
}

/// One item of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogueItem<'a> {
    /// Its id.
    pub item_id: &'a str,
    /// Where it lies.
    pub category: &'a str,
    /// In minor units of the shop's currency.
    pub price_minor: i64,
}
