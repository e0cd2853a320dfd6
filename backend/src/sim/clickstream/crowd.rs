//! Visitors who are none: a swarm of robots, or one account that everybody uses.

use super::visitor::{Page, Profile, Step, Told};
use crate::sim::{
    Random,
    clickstream::{Action, shop::Shop},
};

/// The share of all events that a crowd makes while it is there; it comes on top of everybody else.
pub(super) const CROWD_SHARE: f64 = 0.6;
/// Robots at most.
const BOTS_MAX: u64 = 40;
/// How often a robot asks for a page, in event time: people need seconds.
const BOT_EVERY_MS: f64 = 600.0;
/// Numbers of users from here on are robots.
const BOTS_FROM: u64 = 9_000_000;
/// The number of the account that everybody uses.
const CELEBRITY: u64 = 9_999_999;

/// A crowd at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowd {
    /// Until when, in event time.
    pub(super) until_ms: i64,
    first: u64,
    size: u64,
    next: u64,
}

impl Crowd {
    /// As many robots as the events are enough for, each far faster than people.
    pub(super) fn bots(until_ms: i64, rate_per_s: u32, speed: u32) -> Self {
        let per_event_ms = f64::from(rate_per_s) / (1.0 - CROWD_SHARE) * CROWD_SHARE / (f64::from(speed.max(1)) * 1_000.0);
        let size = ((per_event_ms * BOT_EVERY_MS) as u64).clamp(1, BOTS_MAX);
        Self { until_ms, first: BOTS_FROM, size, next: 0 }
    }

    /// One key for all.
    pub(super) fn celebrity(until_ms: i64) -> Self {
        Self { until_ms, first: CELEBRITY, size: 1, next: 0 }
    }

    /// Who comes next, and what for.
    pub(super) fn step(&mut self, shop: &Shop, random: &mut Random) -> (Profile, Step) {
        let number = self.first + self.next % self.size;
        self.next += 1;
        let item = shop.draw_any(random);
        let step =
            Step { action: Action::View, page: Page::Item(item), item: Some(item), think_ms: None, told: Told::Soon, percent_off: 0 };
        (Profile { number, country: 0, device: 1, variant: (number & 1) as u8 }, step)
    }
}

/// What a user is called.
pub(super) fn user_id(number: u64, into: &mut String) {
    use std::fmt::Write as _;
    into.clear();
    // Writing to a String can't fail.
    let _ = match number {
        CELEBRITY => write!(into, "celebrity"),
        BOTS_FROM.. => write!(into, "bot-{:02}", number - BOTS_FROM),
        _ => write!(into, "u{number:07}"),
    };
}
