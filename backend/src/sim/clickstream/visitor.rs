//! A visitor's path through the shop: a state machine that ends in leaving, sometimes with a purchase.
//!
//! Whether a visit ends in a purchase is drawn when it begins, with the probability of the visitor's side of the A/B test. So the
//! true conversion is known exactly, whatever path the visit takes.

use std::cmp::Ordering;

use crate::sim::{
    Random,
    clickstream::{
        Action,
        shop::{CONVERSION, COUNTRIES, REFERRERS, Shop, wakefulness},
    },
};

/// Chance that a visit is one page and gone.
const BOUNCE: f64 = 0.38;
/// Chance that a visit without purchase still fills a cart.
const CART_ABANDONED: f64 = 0.14;
/// Chance that the next item is one that goes with the last one: what recommendations can learn.
const RELATED: f64 = 0.45;
/// Nobody looks at what they see for longer than this.
pub const THINK_MAX_MS: i64 = 600_000;
/// Nor who has decided for longer than this.
const DECIDED_MAX_MS: i64 = 60_000;
/// The device on which owners of offline phones go on.
pub(super) const DESKTOP: u8 = 1;

/// What stays the same over all visits of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) number: u64,
    pub(super) country: u8,
    pub(super) device: u8,
    pub(super) variant: u8,
}

impl Profile {
    /// A new user who comes at this time: from a country that is awake, with a phone rather in the evening.
    pub(super) fn new(number: u64, side: u64, at_ms: i64, random: &mut Random) -> Self {
        let weights = COUNTRIES.map(|(_, share, hours_ahead)| share * wakefulness(at_ms, hours_ahead));
        let country = random.weighted(&weights);
        let hour = (at_ms / 3_600_000 + COUNTRIES[country].2).rem_euclid(24);
        let mobile = if (9..17).contains(&hour) { 0.45 } else { 0.68 };
        let device = random.weighted(&[mobile, 0.94 - mobile, 0.06]);
        Self { number, country: country as u8, device: device as u8, variant: (side & 1) as u8 }
    }

    pub(super) fn is_mobile(&self) -> bool {
        self.device == 0
    }
}

/// Where in the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Home,
    Category(u8),
    Item(u16),
    Search(u8),
    Cart,
    Checkout,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The connection goes: so many steps of that are done.
    Offline {
        done: u8,
        /// How long until the owner is back, on something else.
        back_after_ms: i64,
    },
    Land,
    Glance,
    Browse {
        steps_left: u8,
    },
    FindItem,
    AddToCart,
    OpenCart,
    Checkout,
    Pay,
    Leave,
}

/// A user during a visit. Ordered by who is due first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) due_ms: i64,
    pub(super) profile: Profile,
    pub(super) visit: u32,
    pub(super) referrer: u8,
    /// Which of the referrer's campaigns, if it is an advertisement.
    pub(super) campaign: Option<u8>,
    pub(super) page: Page,
    item: u16,
    has_item: bool,
    buys: bool,
    fills_cart: bool,
    has_cart: bool,
    /// How much less is paid, by an offer.
    percent_off: u8,
    stage: Stage,
}

/// What a visitor does when due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) page: Page,
    pub(super) item: Option<u16>,
    /// Time until the next step; `None` when this was the last.
    pub(super) think_ms: Option<i64>,
    /// Where it is told from.
    pub(super) told: Told,
    /// How much less is paid, by an offer.
    pub(super) percent_off: u8,
}

/// How a step comes to the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// At once, or nearly so.
    Soon,
    /// To the millisecond when it was due.
    OnTime,
    /// Not before its owner is seen again elsewhere.
    HeldBack,
    /// From another device, after which the first one is online again.
    Elsewhere,
}

impl PartialOrd for Visitor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Visitor {
    /// Reversed, because the standard heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ms, other.profile.number).cmp(&(self.due_ms, self.profile.number))
    }
}

impl Visitor {
    /// The user comes to the shop.
    pub(super) fn arrive(profile: Profile, visit: u32, at_ms: i64, random: &mut Random) -> Self {
        let buys = random.chance(CONVERSION[usize::from(profile.variant)]);
        let referrer = random.weighted(&REFERRERS.map(|(_, share)| share)) as u8;
        let fills_cart = buys || random.chance(CART_ABANDONED);
        Self {
            due_ms: at_ms,
            profile,
            visit,
            referrer,
            campaign: None,
            page: Page::Home,
            item: 0,
            has_item: false,
            buys,
            fills_cart,
            has_cart: false,
            percent_off: 0,
            stage: Stage::Land,
        }
    }

    /// Whether the visit has just begun.
    pub(super) fn is_landing(&self) -> bool {
        self.stage == Stage::Land
    }

    /// The connection goes, and the owner is back on something else after so long. Not for who is to pay in this visit, nor has just come:
    /// tells whether it did.
    pub(super) fn lose_connection(&mut self, back_after_ms: i64) -> bool {
        let can_go = !self.buys && matches!(self.stage, Stage::Glance | Stage::Browse { .. });
        if can_go {
            self.stage = Stage::Offline { done: 0, back_after_ms };
        }
        can_go
    }

    /// Whether a cart is full and nobody pays for it.
    pub(super) fn left_a_cart(&self) -> bool {
        self.has_cart && !self.buys
    }

    /// Comes back for what is in the cart, at so much less.
    pub(super) fn take_offer(&mut self, percent_off: u8) {
        (self.buys, self.percent_off, self.stage) = (true, percent_off, Stage::OpenCart);
    }

    /// Whether this visit ends in a purchase because of an offer.
    pub(super) fn is_brought_back(&self) -> bool {
        self.percent_off > 0
    }

    /// Takes one step.
    pub(super) fn step(&mut self, shop: &Shop, random: &mut Random) -> Step {
        if let Stage::Offline { done, back_after_ms } = self.stage {
            return self.offline(done, back_after_ms);
        }
        let action = match self.stage {
            Stage::Land => self.land(shop, random),
            Stage::Glance => {
                self.stage = Stage::Leave;
                Action::Scroll
            }
            Stage::Browse { steps_left } => self.browse(steps_left, shop, random),
            Stage::FindItem => {
                self.open_item(shop, random);
                self.stage = Stage::AddToCart;
                Action::View
            }
            Stage::AddToCart => {
                self.has_cart = true;
                self.stage = if self.buys || random.chance(0.5) { Stage::OpenCart } else { Stage::Leave };
                Action::AddToCart
            }
            Stage::OpenCart => {
                self.page = Page::Cart;
                self.stage = if self.buys { Stage::Checkout } else { Stage::Leave };
                Action::View
            }
            Stage::Checkout => {
                self.page = Page::Checkout;
                self.stage = Stage::Pay;
                Action::View
            }
            Stage::Pay => {
                self.stage = Stage::Leave;
                Action::Purchase
            }
            Stage::Leave | Stage::Offline { .. } => Action::Scroll,
        };
        // Who comes back for an offer knows what for.
        let think_max_ms = if self.is_brought_back() { DECIDED_MAX_MS } else { THINK_MAX_MS };
        let think_ms = (self.stage != Stage::Leave).then(|| think_ms(action, random).min(think_max_ms));
        let (page, item, percent_off) = (self.page, self.item_of(action), self.percent_off);
        Step { action, page, item, think_ms, told: Told::Soon, percent_off }
    }

    fn offline(&mut self, done: u8, back_after_ms: i64) -> Step {
        let half_ms = back_after_ms / 2;
        let (action, think_ms, told) = match done {
            0 => (Action::View, Some(half_ms), Told::OnTime),
            1 => (Action::Click, Some(back_after_ms - half_ms), Told::HeldBack),
            _ => (Action::View, None, Told::Elsewhere),
        };
        self.stage = Stage::Offline { done: done + 1, back_after_ms };
        Step { action, page: self.page, item: None, think_ms, told, percent_off: 0 }
    }

    fn land(&mut self, shop: &Shop, random: &mut Random) -> Action {
        match random.weighted(&[0.3, 0.25, 0.45]) {
            0 => self.page = Page::Home,
            1 => self.page = Page::Category(shop.draw_category(random)),
            _ => self.open_item(shop, random),
        }
        self.stage = if self.fills_cart || !random.chance(BOUNCE) {
            Stage::Browse { steps_left: 1 + random.exponential(5.0).min(40.0) as u8 }
        } else if random.chance(0.4) {
            Stage::Glance
        } else {
            Stage::Leave
        };
        Action::View
    }

    fn browse(&mut self, steps_left: u8, shop: &Shop, random: &mut Random) -> Action {
        let action = match random.weighted(&[0.28, 0.10, 0.14, 0.10, 0.34, 0.04]) {
            0 => Action::Scroll,
            1 => Action::Click,
            2 => {
                self.page = Page::Category(shop.draw_category(random));
                Action::View
            }
            3 => {
                self.page = Page::Search(shop.draw_query(random));
                Action::Search
            }
            5 => Action::Like,
            _ => {
                self.open_item(shop, random);
                Action::View
            }
        };
        self.stage = match (steps_left, self.fills_cart, self.page) {
            (2.., _, _) => Stage::Browse { steps_left: steps_left - 1 },
            (_, false, _) => Stage::Leave,
            (_, true, Page::Item(_)) => Stage::AddToCart,
            (_, true, _) => Stage::FindItem,
        };
        action
    }

    fn open_item(&mut self, shop: &Shop, random: &mut Random) {
        self.item = if self.has_item && random.chance(RELATED) { shop.related(self.item, random) } else { shop.draw_item(random) };
        self.has_item = true;
        self.page = Page::Item(self.item);
    }

    fn item_of(&self, action: Action) -> Option<u16> {
        match (action, self.page) {
            (Action::Purchase, _) => Some(self.item),
            (_, Page::Item(item)) => Some(item),
            _ => None,
        }
    }
}

/// How long people look at what they see: seconds, rarely minutes, never near the 30 minutes that end a session.
fn think_ms(action: Action, random: &mut Random) -> i64 {
    let mean_ms = match action {
        Action::View | Action::Search => 17_000.0,
        Action::AddToCart => 12_000.0,
        _ => 7_000.0,
    };
    (random.exponential(mean_ms) as i64).clamp(800, THINK_MAX_MS)
}
