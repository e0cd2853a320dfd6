//! What is written of a step: the event as JSON, in buffers that are filled anew for each.

use std::fmt::Write as _;

use crate::sim::{
    clickstream::{
        Action, Event, Metadata,
        crowd::user_id,
        shop::{COUNTRIES, DEVICES, QUERIES, REFERRERS, Shop, USER_AGENTS, VARIANTS},
        visitor::{Page, Profile, Step},
    },
    hash64,
};

/// What brought a visit, and which of its user's it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct By {
    pub(super) visit: u32,
    pub(super) referrer: u8,
    pub(super) campaign: Option<u8>,
}

/// Writes events.
#[derive(Debug)]
pub(super) struct Writer {
    seed: u64,
    event_id: String,
    user_id: String,
    session_id: String,
    campaign_id: String,
    ip: String,
    value: Vec<u8>,
}

impl Writer {
    pub(super) fn new(seed: u64) -> Self {
        let text = String::new;
        Self {
            seed,
            event_id: text(),
            user_id: text(),
            session_id: text(),
            campaign_id: text(),
            ip: text(),
            value: Vec::with_capacity(512),
        }
    }

    /// Whose event was written last.
    pub(super) fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The event written last.
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Writes the event with this number.
    pub(super) fn write(&mut self, shop: &Shop, profile: &Profile, by: By, step: Step, number: u64, timestamp_ms: i64) {
        let referrer = REFERRERS[usize::from(by.referrer)].0;
        let browser = self.name(profile, referrer, by, number);
        let item = step.item.map(|item| &shop.items[usize::from(item)]);
        let has_price = matches!(step.action, Action::AddToCart | Action::Purchase);
        let (page, query) = match step.page {
            Page::Home => ("/", None),
            Page::Category(category) => (&*shop.category_pages[usize::from(category)], None),
            Page::Item(item) => (&*shop.items[usize::from(item)].page, None),
            Page::Search(query) => ("/search", (step.action == Action::Search).then_some(QUERIES[usize::from(query)])),
            Page::Cart => ("/cart", None),
            Page::Checkout => ("/checkout", None),
        };
        let scrolled = || 10 + (hash64(self.seed ^ 0x5c, number) % 91) as u8;
        let event = Event {
            event_id: &self.event_id,
            user_id: &self.user_id,
            session_id: &self.session_id,
            timestamp: timestamp_ms,
            action_type: step.action,
            item_id: item.map(|item| &*item.id),
            page,
            device: DEVICES[usize::from(profile.device)],
            country: COUNTRIES[usize::from(profile.country)].0,
            referrer,
            variant: VARIANTS[usize::from(profile.variant)],
            price_minor: item.filter(|_| has_price).map(|item| item.price_minor * (100 - i64::from(step.percent_off)) / 100),
            query,
            metadata: Metadata {
                scroll_pct: (step.action == Action::Scroll).then(scrolled),
                campaign_id: by.campaign.map(|_| &*self.campaign_id),
                user_agent: USER_AGENTS[usize::from(profile.device)][browser],
                ip: &self.ip,
            },
        };
        self.value.clear();
        // A struct of texts and numbers always has a JSON form, and a Vec takes every byte.
        let _ = serde_json::to_writer(&mut self.value, &event);
    }

    /// Fills the texts; gives the browser that the user has.
    fn name(&mut self, profile: &Profile, referrer: &str, by: By, number: u64) -> usize {
        self.event_id.clear();
        self.session_id.clear();
        self.campaign_id.clear();
        self.ip.clear();
        user_id(profile.number, &mut self.user_id);
        let [.., a, b, c] = hash64(self.seed ^ 0x1b, profile.number).to_be_bytes();
        // Writing to a String can't fail.
        let _ = write!(self.event_id, "{:x}-{number:010}", self.seed);
        let _ = write!(self.session_id, "{}-{}", self.user_id, by.visit);
        let _ = write!(self.ip, "198.{}.{b}.{c}", 18 + a % 2);
        if let Some(campaign) = by.campaign {
            let _ = write!(self.campaign_id, "{referrer}-{campaign}");
        }
        usize::from(a >> 7)
    }
}
