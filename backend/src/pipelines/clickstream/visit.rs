//! What a session keeps of its events. Nothing depends on the order in which events come: late ones count as if they had been in time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    pipelines::clickstream::{
        records::{Activity, Tier},
        settings::{BOT_EVENTS_MIN, BOT_EVERY_MAX_MS},
    },
    sim::clickstream::Action,
    stream::SessionAggregate,
};

/// Carts remembered per session for the funnel; a session with more keeps the first ones and the latest.
const CARTS_MAX: usize = 256;

/// A place in the log: events are ordered by event time, equal times by offset.
type Place = (i64, i64);

/// What is known of a session's first event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    place: Place,
    pub(super) session_id: Box<str>,
    pub(super) page: Arc<str>,
    pub(super) device: Arc<str>,
    pub(super) variant: Arc<str>,
    pub(super) tier: Tier,
}

/// The aggregate of one session.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Visit {
    pub(super) entry: Option<Entry>,
    pub(super) exit: Option<(Place, Arc<str>)>,
    pub(super) events: u64,
    pub(super) pages: u64,
    pub(super) purchases: u64,
    pub(super) revenue_minor: i64,
    is_engaged: bool,
    first_view: Option<i64>,
    last_purchase: Option<i64>,
    carts: Vec<i64>,
    /// The item looked at last, as the log has it.
    last_item: Option<Arc<str>>,
    /// Whether it was told that this is a robot.
    pub(super) is_told: bool,
    /// The end that was told last of it while it was open.
    pub(super) told_until: Option<i64>,
}

impl Visit {
    /// Takes an event in. `name` gives the one copy of a text. Gives the item looked at before, if now another one is.
    pub(super) fn add(&mut self, activity: &Activity<'_>, offset: i64, mut name: impl FnMut(&str) -> Arc<str>) -> Option<Arc<str>> {
        let place = (activity.timestamp, offset);
        self.events += 1;
        if self.entry.as_ref().is_none_or(|entry| place < entry.place) {
            self.entry = Some(Entry {
                place,
                session_id: (*activity.session_id).into(),
                page: name(&activity.page),
                device: name(&activity.device),
                variant: name(&activity.variant),
                tier: activity.tier,
            });
        }
        if self.exit.as_ref().is_none_or(|(last, _)| place > *last) {
            self.exit = Some((place, name(&activity.page)));
        }
        match activity.action_type {
            Action::View => {
                self.pages += 1;
                self.first_view = Some(self.first_view.map_or(activity.timestamp, |first| first.min(activity.timestamp)));
            }
            Action::Scroll | Action::Load => {}
            Action::Click | Action::Search | Action::Like => self.is_engaged = true,
            Action::AddToCart => {
                self.is_engaged = true;
                self.add_cart(activity.timestamp);
            }
            Action::Purchase => {
                self.is_engaged = true;
                self.purchases += 1;
                self.revenue_minor = self.revenue_minor.saturating_add(activity.price_minor.unwrap_or(0));
                self.last_purchase = self.last_purchase.max(Some(activity.timestamp));
            }
        }
        let is_look = activity.action_type == Action::View && !activity.item_id.is_empty();
        if !is_look || self.last_item.as_deref() == Some(&*activity.item_id) {
            return None;
        }
        self.last_item.replace(name(&activity.item_id))
    }

    /// Whether a session of this length is a robot's.
    pub(super) fn is_bot(&self, start_ms: i64, end_ms: i64) -> bool {
        self.events >= BOT_EVENTS_MIN && end_ms - start_ms < BOT_EVERY_MAX_MS.saturating_mul(self.events.cast_signed())
    }

    fn add_cart(&mut self, timestamp: i64) {
        if self.carts.len() >= CARTS_MAX {
            self.carts.pop();
        }
        self.carts.push(timestamp);
    }

    /// One page and gone.
    pub(super) fn is_bounce(&self) -> bool {
        self.pages <= 1 && !self.is_engaged
    }

    /// How far it came, in order of event time, where equal times count as in order: 1 a view, 2 a cart after it, 3 a purchase
    /// after such a cart.
    pub(super) fn funnel_depth(&self) -> u8 {
        let Some(first_view) = self.first_view else { return 0 };
        let mut carts = self.carts.iter().filter(|cart| **cart >= first_view).peekable();
        if carts.peek().is_none() {
            return 1;
        }
        let is_bought = self.last_purchase.is_some_and(|last| carts.any(|cart| *cart <= last));
        if is_bought { 3 } else { 2 }
    }
}

impl SessionAggregate for Visit {
    fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.pages += other.pages;
        self.purchases += other.purchases;
        self.revenue_minor = self.revenue_minor.saturating_add(other.revenue_minor);
        self.is_engaged |= other.is_engaged;
        self.is_told |= other.is_told;
        self.last_item = self.last_item.take().or(other.last_item);
        self.first_view = match (self.first_view, other.first_view) {
            (Some(own), Some(others)) => Some(own.min(others)),
            (own, others) => own.or(others),
        };
        self.last_purchase = self.last_purchase.max(other.last_purchase);
        other.carts.into_iter().for_each(|cart| self.add_cart(cart));
        if let Some(entry) = other.entry
            && self.entry.as_ref().is_none_or(|own| entry.place < own.place)
        {
            self.entry = Some(entry);
        }
        if let Some(exit) = other.exit
            && self.exit.as_ref().is_none_or(|own| exit.0 > own.0)
        {
            self.exit = Some(exit);
        }
    }
}
