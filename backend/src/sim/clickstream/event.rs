//! One event of `user_activity`, as JSON.

use serde::{Deserialize, Serialize};

/// What a visitor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Opened a page.
    View,
    /// Clicked on something in a page.
    Click,
    /// Scrolled a page.
    Scroll,
    /// Searched the shop.
    Search,
    /// Marked an item as liked.
    Like,
    /// Put an item into the cart.
    AddToCart,
    /// Paid.
    Purchase,
    /// Fetched what a page is made of, such as a picture; of real logs only.
    Load,
}

impl Action {
    /// All of them, in the order of the enum.
    pub const ALL: [Self; 8] =
        [Self::View, Self::Click, Self::Scroll, Self::Search, Self::Like, Self::AddToCart, Self::Purchase, Self::Load];

    /// Its place in [`Action::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// As the event spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Click => "click",
            Self::Scroll => "scroll",
            Self::Search => "search",
            Self::Like => "like",
            Self::AddToCart => "add_to_cart",
            Self::Purchase => "purchase",
            Self::Load => "load",
        }
    }
}

/// An event as it is written. Field names are a public format.
#[derive(Clone, Debug, Serialize)]
pub struct Event<'a> {
    /// Unique within a run: the seed and the number of the event.
    pub event_id: &'a str,
    /// Also the record's key.
    pub user_id: &'a str,
    /// The visit as the shop's own cookie counts it.
    pub session_id: &'a str,
    /// Event time, epoch ms.
    pub timestamp: i64,
    /// What happened.
    pub action_type: Action,
    /// The item it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<&'a str>,
    /// Where it happened.
    pub page: &'a str,
    /// `mobile`, `desktop` or `tablet`.
    pub device: &'a str,
    /// ISO 3166 code.
    pub country: &'a str,
    /// Where the visitor came from.
    pub referrer: &'a str,
    /// The side of the A/B test.
    pub variant: &'a str,
    /// In minor units of the shop's currency, for carts and purchases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_minor: Option<i64>,
    /// What was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<&'a str>,
    /// What else the browser told.
    pub metadata: Metadata<'a>,
}

/// What comes with every request, and is for those who ask for it.
#[derive(Clone, Debug, Serialize)]
pub struct Metadata<'a> {
    /// How far down the page, of scrolls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scroll_pct: Option<u8>,
    /// The advertisement that brought the visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<&'a str>,
    /// What the browser calls itself.
    pub user_agent: &'a str,
    /// From the range that is set aside for tests (RFC 2544).
    pub ip: &'a str,
}
