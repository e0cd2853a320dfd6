//! What stands in the topics: the event as processors read it, and the results. Field names are a public format.
//!
//! Every result names its run, so that a reader can tell runs apart, and its source partition. Counts with a `total` are cumulative since the run's
//! start: the last record of a key holds, whatever was published before, so a result published twice changes nothing.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::sim::clickstream::Action;

/// An event of `user_activity` as processors need it; any producer's JSON with these fields will do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Activity<'a> {
    /// Unique within a run.
    #[serde(borrow, default)]
    pub event_id: Cow<'a, str>,
    /// Who.
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    /// The visit as the shop counts it.
    #[serde(borrow, default)]
    pub session_id: Cow<'a, str>,
    /// Event time, epoch ms.
    pub timestamp: i64,
    /// What happened.
    pub action_type: Action,
    /// The item it is about; empty for none.
    #[serde(borrow, default)]
    pub item_id: Cow<'a, str>,
    /// Where.
    #[serde(borrow, default)]
    pub page: Cow<'a, str>,
    /// With what.
    #[serde(borrow, default)]
    pub device: Cow<'a, str>,
    /// The side of the A/B test.
    #[serde(borrow, default)]
    pub variant: Cow<'a, str>,
    /// For carts and purchases.
    #[serde(default)]
    pub price_minor: Option<i64>,
    /// What the user was at that time, which is joined to it.
    #[serde(skip)]
    pub tier: Tier,
}

impl<'a> Activity<'a> {
    /// Reads an event; `None` for anything that is none, and for times outside of the years 1970 to 2200, which would drag
    /// stream time away from every honest event.
    pub fn parse(value: Option<&'a [u8]>) -> Option<Self> {
        serde_json::from_slice(value?).ok().filter(|activity: &Self| TIMES.contains(&activity.timestamp))
    }
}

/// A record of `user_activity` as the topology reads it: an event, or the end of a run in its partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
pub enum Event {
    /// What somebody did.
    #[serde(skip_serializing)]
    Activity(Activity<'static>),
    /// This run's generator has written its last event.
    RunEnd(String),
}

/// Either, as JSON.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    event_id: String,
    user_id: Option<String>,
    #[serde(default)]
    session_id: String,
    timestamp: Option<i64>,
    action_type: Option<Action>,
    #[serde(default)]
    item_id: Option<String>,
    #[serde(default)]
    page: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    variant: String,
    #[serde(default)]
    price_minor: Option<i64>,
    run_end: Option<String>,
}

impl TryFrom<Wire> for Event {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        if let Some(run) = wire.run_end {
            return Ok(Self::RunEnd(run));
        }
        Ok(Self::Activity(Activity {
            event_id: wire.event_id.into(),
            user_id: wire.user_id.ok_or("user_id is missing")?.into(),
            session_id: wire.session_id.into(),
            timestamp: wire.timestamp.filter(|at| TIMES.contains(at)).ok_or("timestamp is missing, or no time from 1970 to 2200")?,
            action_type: wire.action_type.ok_or("action_type is missing")?,
            item_id: wire.item_id.unwrap_or_default().into(),
            page: wire.page.into(),
            device: wire.device.into(),
            variant: wire.variant.into(),
            price_minor: wire.price_minor,
            tier: Tier::Guest,
        }))
    }
}

impl Event {
    /// What tells an event from the same one sent again; empty where nothing does.
    pub fn id(&self) -> &str {
        match self {
            Self::Activity(activity) => &activity.event_id,
            Self::RunEnd(_) => "",
        }
    }

    /// With what the user was at the event's own time. `is_newest_taken` breaks that, on purpose.
    #[must_use]
    pub fn with_tier(&self, row: Option<&User>, is_newest_taken: bool) -> Self {
        let mut event = self.clone();
        if let (Self::Activity(activity), Some(row)) = (&mut event, row) {
            activity.tier = if is_newest_taken { Tier::Member } else { row.tier_at(activity.timestamp) };
        }
        event
    }
}

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nobody the shop knows.
    #[default]
    Guest,
    /// A member.
    Member,
}

/// A row of `clickstream.users`. Memberships are announced before they hold, so a row says from when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Which run.
    pub run: String,
    /// Who.
    pub user_id: String,
    /// A member from this time on.
    pub member_from: i64,
}

impl User {
    /// What the user is at a time.
    pub fn tier_at(&self, at: i64) -> Tier {
        if at >= self.member_from { Tier::Member } else { Tier::Guest }
    }
}

/// A record of `clickstream.ad_clicks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdClick {
    /// Which run.
    pub run: String,
    /// Unique within a run.
    pub click_id: String,
    /// Who.
    pub user_id: String,
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
    pub purchase_id: String,
    /// Who.
    pub user_id: String,
    /// When, in event time.
    pub at: i64,
    /// What was paid.
    pub revenue_minor: i64,
}

/// A record of `ad_attribution`; the last one of a purchase holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Which run.
    pub run: String,
    /// The purchase.
    pub purchase_id: String,
    /// Who.
    pub user_id: String,
    /// The advertisement.
    pub campaign: String,
    /// When it was followed last.
    pub click_id: String,
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
    pub user_id: String,
    /// What was looked at first.
    pub from: String,
    /// And then.
    pub to: String,
    /// When, in event time.
    pub at: i64,
}

/// A record of `recommended_items`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommended {
    /// Which run.
    pub run: String,
    /// Who looks at this
    pub item_id: String,
    /// may like these, best first.
    pub items: Vec<String>,
    /// As of this event time.
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
    pub user_id: String,
    /// The item put into the cart last.
    pub item_id: String,
    /// What is in the cart.
    pub value_minor: i64,
    /// Since when.
    pub cart_at: i64,
    /// When the offer is made, in event time.
    pub at: i64,
    /// How much less.
    pub percent: u8,
}

/// A record of `clickstream.merges`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Whose sessions.
    pub user_id: String,
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
    pub user_id: String,
    /// Event time of the session's first event.
    pub start: i64,
    /// Event time when it was noticed.
    pub at: i64,
    /// Events until then.
    pub events: u64,
}

/// What the topology publishes: one kind for each result topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    /// Of `clickstream.sessions`.
    Session(Session),
    /// Of `clickstream.stats`.
    Stats(Stats),
    /// Of `clickstream.pages`.
    Pages(Pages),
    /// Of `clickstream.funnel`.
    Funnel(Funnel),
    /// Of `clickstream.ab`.
    Ab(Ab),
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
    /// Users that are no people.
    pub bots: Vec<String>,
}

/// Times outside of the years 1970 to 2200 would drag stream time away from every honest event.
pub(super) const TIMES: std::ops::Range<i64> = 0..7_258_118_400_000;

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
    pub session_id: String,
    /// Who.
    pub user_id: String,
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

/// A record of `clickstream.pages`, keyed like [`Stats`].
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pages {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// Event time, included.
    pub window_start: i64,
    /// Event time, excluded.
    pub window_end: i64,
    /// Views by page.
    pub views: BTreeMap<String, u64>,
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
pub fn session_id(given: &str, user_id: &str, start_ms: i64) -> String {
    if given.is_empty() { format!("{user_id}@{start_ms}") } else { given.to_owned() }
}

impl Funnel {
    /// Counts a session that came so far.
    pub fn count(&mut self, depth: u8) {
        self.view += u64::from(depth >= 1);
        self.add_to_cart += u64::from(depth >= 2);
        self.purchase += u64::from(depth >= 3);
    }
}

/// A record of `clickstream.ab`, keyed by partition: closed sessions per variant.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ab {
    /// Which run.
    pub run: String,
    /// The partition of `user_activity`.
    pub partition: i32,
    /// By variant, without robots.
    pub variants: BTreeMap<String, AbCount>,
    /// By device.
    #[serde(default)]
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

impl Ab {
    /// Counts a closed session.
    pub fn count(&mut self, session: &Session) {
        let device = self.devices.entry(session.device.clone()).or_default();
        device.sessions += 1;
        device.bounced += u64::from(session.bounced);
        device.converted += u64::from(session.converted);
        if !session.is_bot {
            let variant = self.variants.entry(session.variant.clone()).or_default();
            variant.sessions += 1;
            variant.conversions += u64::from(session.converted);
        }
    }
}

/// One side of an A/B test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AbCount {
    /// Closed sessions.
    pub sessions: u64,
    /// Those with a purchase.
    pub conversions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_are_events() {
        let good = br#"{"user_id":"u1","timestamp":1,"action_type":"add_to_cart","page":"/\u00e9","new_field":[1]}"#;
        let activity = Activity::parse(Some(good)).expect("an event");
        assert_eq!((&*activity.user_id, &*activity.page, activity.action_type), ("u1", "/é", Action::AddToCart));
        for bad in [
            None,
            Some(&b""[..]),
            Some(b"{}"),
            Some(b"\xff\xfe"),
            Some(br#"{"user_id":"u1","timestamp":"1","action_type":"view"}"#),
            Some(br#"{"user_id":"u1","timestamp":1,"action_type":"teleport"}"#),
            Some(br#"{"user_id":"u1","timestamp":-1,"action_type":"view"}"#),
            Some(br#"{"user_id":"u1","timestamp":9223372036854775807,"action_type":"view"}"#),
        ] {
            assert_eq!(Activity::parse(bad), None, "{:?}", bad.map(String::from_utf8_lossy));
        }
    }
}
