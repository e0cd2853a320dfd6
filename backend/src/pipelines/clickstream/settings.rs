//! What the pipeline is made of: names, windows, limits.

use crate::{
    pipelines::shape::RunParams,
    stream::{SessionWindows, TimeWindows, TumblingWindows},
};

/// The pipeline's short name.
pub const ID: &str = "clickstream";
/// The events, keyed by user.
pub const EVENTS: &str = "user_activity";
/// Final sessions, keyed by user.
pub const SESSIONS: &str = "clickstream.sessions";
/// Sessions that are open, keyed by user and start: a table.
pub const OPEN_SESSIONS: &str = "clickstream.open_sessions";
/// Counts per window and partition.
pub const STATS: &str = "clickstream.stats";
/// The most viewed pages of windows that hop, keyed by page.
pub const PAGE_STATS: &str = "clickstream.page_stats";
/// How far sessions came, cumulative, per partition.
pub const FUNNEL: &str = "clickstream.funnel";
/// The A/B test: users and conversions per experiment and variant, with what may be concluded.
pub const AB: &str = "clickstream.ab";
/// Closed sessions by device, cumulative, per partition.
pub const DEVICES: &str = "clickstream.devices";
/// What could not be read, with the reason.
pub const DEAD_LETTERS: &str = "clickstream-processor.dlq";
/// Members among the users, keyed by user: a table.
pub const USERS: &str = "clickstream.users";
/// The catalogue, keyed by item: a table that every task has whole.
pub const ITEMS: &str = "clickstream.items";
/// Advertisements that were followed, keyed by user.
pub const AD_CLICKS: &str = "clickstream.ad_clicks";
/// Open sessions that a late event made one, keyed by user.
pub const MERGES: &str = "clickstream.merges";
/// Users that are no people, keyed by user.
pub const BOTS: &str = "clickstream.bots";
/// Purchases, keyed by user.
pub const PURCHASES: &str = "clickstream.purchases";
/// What was looked at after what, keyed by the item looked at first.
pub const PAIRS: &str = "clickstream.item_pairs";
/// Offers for abandoned carts, keyed by user.
pub const OFFERS: &str = "offers";
/// Purchases soon after an offer, keyed by user.
pub const OFFERS_TAKEN: &str = "clickstream.offers_taken";
/// What goes with an item, keyed by item: a table that every task has whole.
pub const RELATED: &str = "clickstream.related_items";
/// What is recommended to a user, keyed by user.
pub const RECOMMENDED: &str = "recommended_items";
/// Which advertisement gets which purchase, keyed by user.
pub const ATTRIBUTION: &str = "ad_attribution";
/// Alerts of all pipelines.
pub const ALERTS: &str = "alerts";
/// What was sold, keyed by category.
pub const SALES: &str = "clickstream.sales";
/// Of the other applications.
const RECOMMENDER_DEAD_LETTERS: &str = "clickstream-recommender.dlq";
const ATTRIBUTION_DEAD_LETTERS: &str = "clickstream-attribution.dlq";
/// What only the checks are told.
pub const TRUTH: &str = "_truth.clickstream";
/// Every topic, input first.
pub const TOPICS: [&str; 26] = [
    EVENTS,
    USERS,
    ITEMS,
    AD_CLICKS,
    SESSIONS,
    OPEN_SESSIONS,
    STATS,
    PAGE_STATS,
    FUNNEL,
    AB,
    DEVICES,
    MERGES,
    BOTS,
    PURCHASES,
    PAIRS,
    OFFERS,
    OFFERS_TAKEN,
    RELATED,
    RECOMMENDED,
    ATTRIBUTION,
    SALES,
    ALERTS,
    DEAD_LETTERS,
    RECOMMENDER_DEAD_LETTERS,
    ATTRIBUTION_DEAD_LETTERS,
    TRUTH,
];
/// The consumer group of the recommender.
pub const RECOMMENDER_APP: &str = "clickstream-recommender";
/// The consumer group of what comes of purchases: attribution, and sales by category.
pub const ATTRIBUTION_APP: &str = "clickstream-attribution";
/// The consumer group of the processors.
pub const GROUP: &str = "clickstream-processor";
/// Partitions of a topic this pipeline creates.
pub const PARTITIONS: i32 = 4;

/// A session ends after 30 minutes without an event, the web analytics convention.
pub const SESSION_GAP_MS: i64 = 30 * 60_000;
/// The setting for another gap.
pub const SESSION_GAP: &str = "session_gap_s";
/// The setting for how late events come at most.
pub const DISORDER: &str = "disorder_s";
/// The setting for how unevenly items are wanted.
pub const SKEW: &str = "skew";
/// The setting for the share of those who left a cart that come back for an offer.
pub const OFFER_TAKERS: &str = "offer_takers";
/// The setting for another grace.
pub const GRACE: &str = "grace_s";
/// How much later than its successors an event may come.
pub const GRACE_MS: i64 = 10_000;
/// An event that was sent twice is known for so long.
pub const DEDUPE_MS: i64 = 3_600_000;
/// Who fills a cart and then is silent for so long gets an offer, unless sessions end too soon for that.
pub const CART_SILENCE_MS: i64 = 10 * 60_000;
/// What is offered.
pub const OFFER_PERCENT: u8 = 10;
/// An advertisement counts for so long.
pub const ATTRIBUTION_MS: i64 = 3_600_000;
/// How much later than clicks purchases may come: they are on their way through one more application.
pub const ATTRIBUTION_GRACE_MS: i64 = 3_600_000;
/// The A/B test of the shop: its new checkout.
pub const EXPERIMENT: &str = "checkout";
/// Users per partition that take part in it; those who come after them are shown something and not counted (some 100 bytes each).
pub const EXPOSED_MAX: u64 = 250_000;
/// Items recommended to a user.
pub const RECOMMENDATIONS: usize = 10;
/// What goes with an item changes no more often than this, in event time.
pub const RELATED_EVERY_MS: i64 = 120_000;
/// So many events in one session, each so soon after the one before on average, are a robot's: people look at what they see.
pub const BOT_EVENTS_MIN: u64 = 40;
/// See [`BOT_EVENTS_MIN`].
pub const BOT_EVERY_MAX_MS: i64 = 2_000;
/// A user is active who did something in the last five minutes.
pub const ACTIVE_MS: i64 = 5 * 60_000;
/// Pages told of each window.
pub const TOP_PAGES: usize = 50;
/// Pages of a pane and partition that are counted exactly. With more, the most viewed ones are kept, with a bound.
pub const PAGES_EXACT_MAX: u64 = 10_000;
/// How many that are.
pub const PAGES_KEPT: usize = 1_000;
/// Bytes of a page's address by which it is told from others.
pub const PAGE_NAME_MAX: usize = 256;
/// Pages in one record on their way to where all partitions meet.
pub const PAGES_PER_PART: usize = 500;
/// Pages of panes and partitions that are remembered, should one of them be late (some 100 bytes each).
pub const PAGE_ENTRIES_MAX: u64 = 50_000;
/// Windows of pages hop by so many windows of counts, and are so many hops long.
const PAGE_HOP: i64 = 2;
const PAGE_HOPS: i64 = 10;
/// Open sessions per partition; beyond it the oldest close early and are counted (some 300 bytes each).
pub const OPEN_SESSIONS_MAX: u64 = 500_000;

/// A given log's lines may be this much out of order: twice the minute that web servers with buffered logs take.
pub const INPUT_GRACE_MS: i64 = 120_000;
/// Given data is counted in windows of ten minutes: it may span months, and is read in seconds.
pub const INPUT_WINDOW_MS: i64 = 600_000;

/// How events are counted and made sessions of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Of sessions.
    pub sessions: SessionWindows,
    /// Of counts.
    pub counts: TumblingWindows,
    /// Of pages.
    pub pages: TimeWindows,
    /// How many times faster than the clock event time runs, as far as anybody knows.
    pub speed: u32,
}

impl Windows {
    /// At this speed of event time. Windows of counts are one second of the wall clock, so that a dashboard moves at any speed.
    pub fn at_speed(speed: u32) -> Self {
        let speed = speed.max(1);
        Self {
            sessions: SessionWindows { gap_ms: SESSION_GAP_MS, grace_ms: GRACE_MS },
            counts: TumblingWindows { size_ms: i64::from(speed) * 1_000, grace_ms: GRACE_MS },
            pages: pages(i64::from(speed) * 1_000, GRACE_MS),
            speed,
        }
    }

    /// How long somebody with a cart is silent before there is an offer: the session must still be open.
    pub fn cart_silence_ms(&self) -> i64 {
        CART_SILENCE_MS.min(self.sessions.gap_ms / 3)
    }

    /// How long after its first sight of a side a user's purchase is the side's: before an offer could have brought it, or another visit.
    pub fn conversion_ms(&self) -> i64 {
        self.cart_silence_ms() * 3 / 2
    }

    /// How long after an offer a purchase is its work: before the same user could have come back anyway.
    pub fn offer_ms(&self) -> i64 {
        self.cart_silence_ms() * 2
    }

    /// As a run asks for them: `--set session_gap_s=…`, `--set grace_s=…`; given data has a longer grace unless one is set.
    pub fn of(run: &RunParams) -> Self {
        let mut windows = Self::at_speed(run.params.speed);
        if run.params.input.is_some() {
            windows.counts.size_ms = INPUT_WINDOW_MS;
            windows.speed = 1;
        }
        let set_ms = |name: &str| run.params.settings.get(name).map(|seconds| (seconds.max(0.0) * 1_000.0) as i64);
        windows.sessions.gap_ms = set_ms(SESSION_GAP).unwrap_or(SESSION_GAP_MS);
        let grace_ms = set_ms(GRACE).unwrap_or(if run.params.input.is_some() { INPUT_GRACE_MS } else { GRACE_MS });
        (windows.sessions.grace_ms, windows.counts.grace_ms) = (grace_ms, grace_ms);
        windows.pages = pages(windows.counts.size_ms, grace_ms);
        windows
    }
}

/// Windows of pages beside windows of counts of this length.
fn pages(counts_ms: i64, grace_ms: i64) -> TimeWindows {
    TimeWindows::hopping(counts_ms * PAGE_HOP * PAGE_HOPS, counts_ms * PAGE_HOP, grace_ms)
}

/// The checks, each with the topic that holds what it judges.
pub const JUDGED: [(&str, &str); 15] = [
    ("no_loss", EVENTS),
    ("sessions_equal_batch", SESSIONS),
    ("late_drops_equal_oracle", STATS),
    ("funnel_equal_batch", FUNNEL),
    ("top_pages_equal_batch", PAGE_STATS),
    ("open_sessions_end", OPEN_SESSIONS),
    ("offers_bring_buyers_back", OFFERS_TAKEN),
    ("ab_equals_first_exposures", AB),
    ("ab_interval_covers_truth", AB),
    ("tiers_as_of_events", PURCHASES),
    ("bots_found", BOTS),
    ("offers_equal_replay", OFFERS),
    ("attribution_equal_batch", ATTRIBUTION),
    ("recommendations_beat_popularity", RECOMMENDED),
    ("sales_equal_catalogue", SALES),
];
