//! The shop: its items and pages, where its visitors live, and the A/B test it runs.

use crate::sim::{Random, Zipf, hash64};

/// Categories, each a page.
const CATEGORIES: [&str; 12] =
    ["shoes", "jackets", "shirts", "trousers", "dresses", "bags", "watches", "sport", "kids", "home", "garden", "sale"];
/// Items, each a page.
const ITEMS: usize = 400;
/// How unevenly items are wanted, as an exponent of Zipf's law, unless told otherwise.
pub const SKEW: f64 = 1.0;
/// Items that go with an item.
const RELATED_ITEMS: u64 = 5;
/// What people search, most wanted first.
pub(super) const QUERIES: [&str; 12] = [
    "running shoes",
    "rain jacket",
    "backpack",
    "white shirt",
    "gift",
    "wool socks",
    "summer dress",
    "kids boots",
    "watch strap",
    "yoga mat",
    "desk lamp",
    "plant pot",
];
/// Countries: code, share of visitors, hours ahead of UTC.
pub(super) const COUNTRIES: [(&str, f64, i64); 10] = [
    ("US", 0.26, -6),
    ("IN", 0.15, 5),
    ("DE", 0.12, 1),
    ("GB", 0.10, 0),
    ("BR", 0.09, -3),
    ("FR", 0.08, 1),
    ("JP", 0.08, 9),
    ("CA", 0.05, -5),
    ("AU", 0.04, 10),
    ("NG", 0.03, 1),
];
/// Devices.
pub(super) const DEVICES: [&str; 3] = ["mobile", "desktop", "tablet"];
/// What browsers call themselves, by device.
pub(super) const USER_AGENTS: [[&str; 2]; 3] = [
    [
        "Mozilla/5.0 (Linux; Android 16; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) Version/26.1 Mobile Safari/604.1",
    ],
    [
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0 Safari/537.36",
    ],
    ["Mozilla/5.0 (iPad; CPU OS 26_1 like Mac OS X) Version/26.1 Safari/604.1", "Mozilla/5.0 (Linux; Android 16; Tablet) Chrome/142.0"],
];
/// Where visitors come from, with shares.
pub(super) const REFERRERS: [(&str, f64); 6] =
    [("direct", 0.30), ("google", 0.35), ("instagram", 0.14), ("newsletter", 0.09), ("facebook", 0.08), ("partner", 0.04)];
/// The sides of the A/B test: B has the new checkout.
pub const VARIANTS: [&str; 2] = ["A", "B"];
/// The truth behind the A/B test: the probability that a visit ends in a purchase, by side. B lifts A by a quarter.
pub const CONVERSION: [f64; 2] = [0.060, 0.075];

/// One item.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: Box<str>,
    pub(super) page: Box<str>,
    pub(super) category: &'static str,
    pub(super) price_minor: i64,
}

/// The shop as a seed makes it.
#[derive(Clone, Debug)]
pub(super) struct Shop {
    pub(super) items: Vec<Item>,
    pub(super) category_pages: Vec<Box<str>>,
    item_popularity: Zipf,
    category_popularity: Zipf,
    query_popularity: Zipf,
}

impl Shop {
    pub(super) fn new(seed: u64) -> Self {
        let items = (0..ITEMS)
            .map(|number| {
                let category = CATEGORIES[(hash64(seed, number as u64) % CATEGORIES.len() as u64) as usize];
                // 5.00 to 204.99, the last digits as shops like them.
                let price_minor = 500 + (hash64(seed ^ 1, number as u64) % 200) as i64 * 100 + 99;
                let (id, page) = (format!("item-{number:04}").into(), format!("/{category}/item-{number:04}").into());
                Item { id, page, category, price_minor }
            })
            .collect();
        Self {
            items,
            category_pages: CATEGORIES.iter().map(|name| format!("/{name}").into()).collect(),
            item_popularity: Zipf::new(ITEMS, SKEW),
            category_popularity: Zipf::new(CATEGORIES.len(), 0.7),
            query_popularity: Zipf::new(QUERIES.len(), 0.8),
        }
    }

    /// With items that are wanted by this exponent of Zipf's law.
    pub(super) fn with_skew(self, exponent: f64) -> Self {
        Self { item_popularity: Zipf::new(self.items.len(), exponent), ..self }
    }

    pub(super) fn draw_item(&self, random: &mut Random) -> u16 {
        self.item_popularity.draw(random) as u16
    }

    /// An item that goes with this one; each has a few, and they are not the most wanted ones.
    pub(super) fn related(&self, item: u16, random: &mut Random) -> u16 {
        let nth = random.below(RELATED_ITEMS);
        (hash64(0x5e1f ^ u64::from(item), nth) % self.items.len() as u64) as u16
    }

    /// Any item, as a robot takes them.
    pub(super) fn draw_any(&self, random: &mut Random) -> u16 {
        random.below(self.items.len() as u64) as u16
    }

    pub(super) fn draw_category(&self, random: &mut Random) -> u8 {
        self.category_popularity.draw(random) as u8
    }

    pub(super) fn draw_query(&self, random: &mut Random) -> u8 {
        self.query_popularity.draw(random) as u8
    }
}

/// How awake people are at an hour of their day, 0.15 at four in the morning to 1 at four in the afternoon.
pub(super) fn wakefulness(timestamp_ms: i64, hours_ahead: i64) -> f64 {
    let minute = (timestamp_ms / 60_000 + hours_ahead * 60).rem_euclid(24 * 60) as f64;
    0.575 - 0.425 * ((minute - 4.0 * 60.0) / (24.0 * 60.0) * std::f64::consts::TAU).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_sleep_at_four_and_are_awake_at_sixteen() {
        let hour = 3_600_000;
        assert!((wakefulness(4 * hour, 0) - 0.15).abs() < 1e-9);
        assert!((wakefulness(16 * hour, 0) - 1.0).abs() < 1e-9);
        assert!((wakefulness(3 * hour, 1) - 0.15).abs() < 1e-9);
    }
}
