//! The event as processors read it, and what its user is.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::super::ids::UserId;
use crate::sim::clickstream::Action;

/// An event of `user_activity` as processors need it; any producer's JSON with these fields will do, be they at the top or in `metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity<'a> {
    /// Unique within a run.
    pub event_id: Cow<'a, str>,
    /// Who.
    pub user_id: Cow<'a, str>,
    /// The visit as the shop counts it.
    pub session_id: Cow<'a, str>,
    /// Event time, epoch ms.
    pub timestamp: i64,
    /// What happened.
    pub action_type: Action,
    /// The item it is about; empty for none.
    pub item_id: Cow<'a, str>,
    /// Where.
    pub page: Cow<'a, str>,
    /// With what.
    pub device: Cow<'a, str>,
    /// The side of the A/B test.
    pub variant: Cow<'a, str>,
    /// For carts and purchases.
    pub price_minor: Option<i64>,
    /// What the user was at that time, which is joined to it.
    pub tier: Tier,
}

impl<'a> Activity<'a> {
    /// Reads an event; `None` for anything that is none, and for times outside of the years 1970 to 2200, which would drag
    /// stream time away from every honest event.
    pub fn parse(value: Option<&'a [u8]>) -> Option<Self> {
        serde_json::from_slice::<Wire<'a>>(value?).ok()?.activity().ok()
    }
}

/// A record of `user_activity` as the topology reads it: an event, or the end of a run in its partition.
#[derive(Clone, Debug, Serialize)]
pub enum Event {
    /// What somebody did.
    #[serde(skip_serializing)]
    Activity(Activity<'static>),
    /// This run's generator has written its last event.
    RunEnd(String),
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::deserialize(deserializer)?;
        match wire.run_end.take() {
            Some(run) => Ok(Self::RunEnd(run.into_owned())),
            None => wire.activity().map(|activity| Self::Activity(activity.into_owned())).map_err(Error::custom),
        }
    }
}

/// Either, as JSON.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
    timestamp: Option<i64>,
    action_type: Option<Action>,
    #[serde(borrow, default)]
    item_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    page: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    device: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    variant: Option<Cow<'a, str>>,
    #[serde(default)]
    price_minor: Option<i64>,
    #[serde(borrow, default)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    run_end: Option<Cow<'a, str>>,
}

/// What other producers tell in here.
#[derive(Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    page_url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    device_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    variant: Option<Cow<'a, str>>,
    #[serde(default)]
    price_minor: Option<i64>,
}

impl<'a> Wire<'a> {
    fn activity(self) -> Result<Activity<'a>, &'static str> {
        let metadata = self.metadata.unwrap_or_default();
        Ok(Activity {
            event_id: self.event_id.unwrap_or_default(),
            user_id: self.user_id.ok_or("user_id is missing")?,
            session_id: self.session_id.unwrap_or_default(),
            timestamp: self.timestamp.filter(|at| TIMES.contains(at)).ok_or("timestamp is missing, or no time from 1970 to 2200")?,
            action_type: self.action_type.ok_or("action_type is missing")?,
            item_id: self.item_id.unwrap_or_default(),
            page: self.page.or(metadata.page_url).ok_or("page is missing, and page_url in metadata too")?,
            device: self.device.or(metadata.device_type).unwrap_or_default(),
            variant: self.variant.or(metadata.variant).unwrap_or_default(),
            price_minor: self.price_minor.or(metadata.price_minor),
            tier: Tier::Guest,
        })
    }
}

impl Activity<'_> {
    fn into_owned(self) -> Activity<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Activity {
            event_id: owned(self.event_id),
            user_id: owned(self.user_id),
            session_id: owned(self.session_id),
            timestamp: self.timestamp,
            action_type: self.action_type,
            item_id: owned(self.item_id),
            page: owned(self.page),
            device: owned(self.device),
            variant: owned(self.variant),
            price_minor: self.price_minor,
            tier: self.tier,
        }
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
    pub user_id: UserId,
    /// A member from this time on.
    pub member_from: i64,
}

impl User {
    /// What the user is at a time.
    pub fn tier_at(&self, at: i64) -> Tier {
        if at >= self.member_from { Tier::Member } else { Tier::Guest }
    }
}
/// Times outside of the years 1970 to 2200 would drag stream time away from every honest event.
pub(in crate::pipelines::clickstream) const TIMES: std::ops::Range<i64> = 0..7_258_118_400_000;

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
            Some(br#"{"user_id":"u1","timestamp":-1,"action_type":"view","page":"/"}"#),
            Some(br#"{"user_id":"u1","timestamp":9223372036854775807,"action_type":"view","page":"/"}"#),
            Some(br#"{"user_id":"u1","timestamp":1,"action_type":"view"}"#),
            Some(br#"{"user_id":"u1","timestamp":1,"action_type":"view","metadata":{"device_type":"mobile"}}"#),
        ] {
            assert_eq!(Activity::parse(bad), None, "{:?}", bad.map(String::from_utf8_lossy));
        }
    }

    #[test]
    fn what_others_nest_is_read_like_what_stands_at_the_top() {
        let check = |rest: &str, expect: (&str, &str, &str, Option<i64>)| {
            let text = format!(r#"{{"user_id":"u1","timestamp":1,"action_type":"purchase",{rest}}}"#);
            let by_checks = Activity::parse(Some(text.as_bytes())).expect("an event");
            let Ok(Event::Activity(by_processors)) = serde_json::from_str(&text) else { panic!("{text} is no event") };
            for read in [by_checks, by_processors] {
                assert_eq!((&*read.page, &*read.device, &*read.variant, read.price_minor), expect, "{text}");
            }
        };
        check(r#""page":"/a","device":"mobile","variant":"B","price_minor":7"#, ("/a", "mobile", "B", Some(7)));
        let nested = r#""metadata":{"page_url":"/a","device_type":"mobile","variant":"B","price_minor":7,"location":"DE","query":"x"}"#;
        check(nested, ("/a", "mobile", "B", Some(7)));
        check(r#""page":"/top","price_minor":9,"metadata":{"page_url":"/a","price_minor":7}"#, ("/top", "", "", Some(9)));
        check(r#""page":null,"metadata":{"page_url":"/\u00e9"}"#, ("/é", "", "", None));
        check(r#""page":"","metadata":null"#, ("", "", "", None));
    }
}
