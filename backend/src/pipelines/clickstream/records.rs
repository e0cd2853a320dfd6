//! What stands in the topics: the event as processors read it, and the results. Field names are a public format.
//!
//! Every result names its run, so that a reader can tell runs apart, and its source partition. Counts with a `total` are cumulative since the run's
//! start: the last record of a key holds, whatever was published before, so a result published twice changes nothing.

mod activity;
mod experiment;
mod pages;
mod stages;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{UserId, VisitId};
pub use crate::pipelines::alert::Alert;
pub(super) use activity::TIMES;
pub use activity::{Activity, Event, Tier, User};
pub use experiment::{Ab, Exposures, Lift, Side, Verdict};
pub use pages::{PagePart, PageStats, Viewed};
pub use stages::{AdClick, Attribution, Bot, Item, Merge, Offer, OfferTaken, Pair, Purchase, Recommended, Related, Sales};

/// What the topology publishes: one kind for each result topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Of `clickstream.sessions`.
    Session(Session),
    /// Of `clickstream.open_sessions`.
    Open(Option<OpenSession>),
    /// Of `clickstream.stats`.
    Stats(Stats),
    /// Of `clickstream.funnel`.
    Funnel(Funnel),
    /// Of `clickstream.devices`.
    Devices(Devices),
    /// On its way to `clickstream.ab`.
    Exposures(Exposures),
    /// Of `clickstream.merges`.
    Merge(Merge),
    /// Of `clickstream.bots`.
    Bot(Bot),
    /// Of `clickstream.purchases`.
    Purchase(Purchase),
    /// Of `clickstream.item_pairs`.
    Pair(Pair),
}

/// What no consumer but the checks is told, in `_truth.clickstream`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunTruth {
    /// Visits begun.
    pub visits: u64,
    /// Visits that ended early because the rate fell.
    pub visits_cut_short: u64,
    /// Events made.
    pub events: u64,
    /// Events sent again.
    pub repeats: u64,
    /// Purchases of visitors whom an offer brought back.
    pub offers_taken: u64,
    /// Users that are no people.
    pub bots: Vec<String>,
    /// Where given data broke off, and why.
    pub broken: Option<String>,
}

/// Why a session's result is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedBy {
    /// No event for 30 minutes.
    Gap,
    /// The run ended.
    RunEnd,
    /// Too many sessions were open: the oldest had to make room.
    Limit,
}

/// A record of `clickstream.sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Session {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity` it comes from.
    pub partition: i32,
    /// The shop's own id of the visit the session began with.
    pub session_id: VisitId,
    /// Who.
    pub user_id: UserId,
    /// Event time of the first event.
    pub start: i64,
    /// Event time of the last event.
    pub end: i64,
    /// Events in it.
    pub events: u64,
    /// Views in it.
    pub pages: u64,
    /// The page of the first event.
    pub entry_page: String,
    /// The page of the last event.
    pub exit_page: String,
    /// At most one view, and nothing else but scrolling.
    pub bounced: bool,
    /// It holds a purchase.
    pub converted: bool,
    /// How far it came, in order: 0 nothing, 1 view, 2 then cart, 3 then purchase.
    pub funnel: u8,
    /// The sum of its purchases.
    pub revenue_minor: i64,
    /// The device of the first event.
    pub device: String,
    /// The side of the A/B test at the first event.
    pub variant: String,
    /// What the user was at the first event.
    #[serde(default)]
    pub tier: Tier,
    /// Whether it is a robot's.
    #[serde(default)]
    pub is_bot: bool,
    /// Why it is final.
    pub closed_by: ClosedBy,
}

/// A record of `clickstream.open_sessions`, keyed by [`open_key`]: a session as far as it has come. Nothing under that key any more says that
/// it has ended, or has become part of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSession {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Who.
    pub user_id: UserId,
    /// Event time of the first event.
    pub start: i64,
    /// Event time of the last event.
    pub end: i64,
    /// Events in it.
    pub events: u64,
    /// Views in it.
    pub pages: u64,
}

/// The key of an open session: whose it is, and when it began.
pub fn open_key(user_id: &str, start_ms: i64) -> String {
    format!("{user_id}@{start_ms}")
}

/// A record of `clickstream.stats`, keyed by window start and partition.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Event time, included.
    pub window_start: i64,
    /// Event time, excluded.
    pub window_end: i64,
    /// How many times faster than the clock event time runs.
    pub speed: u32,
    /// Events in the window.
    pub events: u64,
    /// The same by action.
    pub actions: BTreeMap<String, u64>,
    /// Users seen in the five minutes before the window's end.
    pub active_users: u64,
    /// Sessions still open.
    pub sessions_open: u64,
    /// Cumulative figures of the partition.
    pub totals: Totals,
}

/// Figures since the run's start, of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Records taken in, whatever became of them.
    pub processed: u64,
    /// Records that are no event.
    pub malformed: u64,
    /// Events too late for their window of counts.
    pub window_late_dropped: u64,
    /// Events too late for their session.
    pub session_late_dropped: u64,
    /// Open sessions that late events made one.
    pub sessions_merged: u64,
    /// Final sessions.
    pub sessions_closed: u64,
    /// Those closed before their time, to make room.
    pub sessions_evicted: u64,
    /// Those that bounced.
    pub bounced: u64,
    /// Those with a purchase.
    pub converted: u64,
    /// The sum of their purchases.
    pub revenue_minor: i64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.processed += other.processed;
        self.malformed += other.malformed;
        self.window_late_dropped += other.window_late_dropped;
        self.session_late_dropped += other.session_late_dropped;
        self.sessions_merged += other.sessions_merged;
        self.sessions_closed += other.sessions_closed;
        self.sessions_evicted += other.sessions_evicted;
        self.bounced += other.bounced;
        self.converted += other.converted;
        self.revenue_minor += other.revenue_minor;
    }
}

/// A record of `clickstream.funnel`, keyed by partition: sessions, open and closed, that came so far, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Funnel {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Sessions with a view.
    pub view: u64,
    /// Then something in the cart.
    pub add_to_cart: u64,
    /// Then a purchase.
    pub purchase: u64,
}

/// The shop's own id of a visit, or, where it has none, one made of whose session it is and when it began.
pub fn visit_id(given: &str, user_id: &str, start_ms: i64) -> VisitId {
    if given.is_empty() { open_key(user_id, start_ms).into() } else { given.into() }
}

impl Funnel {
    /// Counts a session that came so far.
    pub fn count(&mut self, depth: u8) {
        self.view += u64::from(depth >= 1);
        self.add_to_cart += u64::from(depth >= 2);
        self.purchase += u64::from(depth >= 3);
    }
}

/// A record of `clickstream.devices`, keyed by partition: closed sessions by device.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Devices {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// By device.
    pub devices: BTreeMap<String, DeviceCount>,
}

/// Closed sessions of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceCount {
    /// Closed sessions.
    pub sessions: u64,
    /// One page and gone.
    pub bounced: u64,
    /// With a purchase.
    pub converted: u64,
}

impl Devices {
    /// Counts a closed session.
    pub fn count(&mut self, session: &Session) {
        let device = self.devices.entry(session.device.clone()).or_default();
        device.sessions += 1;
        device.bounced += u64::from(session.bounced);
        device.converted += u64::from(session.converted);
    }
}
