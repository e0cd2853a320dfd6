//! Turns visitors into records, one per slot of the schedule.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
};

use offers::Offers;

use crate::sim::{
    Random, Schedule,
    clickstream::{
        Action,
        crowd::{CROWD_SHARE, Crowd, user_id},
        shop::{REFERRERS, Shop},
        visitor::{DESKTOP, Profile, Step, Told, Visitor},
        writer::{By, Writer},
    },
    hash64,
};

/// How many times the rate a traffic spike brings.
pub const SPIKE_FACTOR: u32 = 20;
/// How long a traffic spike lasts, in milliseconds of virtual time.
pub const SPIKE_MS: u64 = 5_000;
/// How long a crowd stays, in milliseconds of virtual time.
pub const CROWD_MS: u64 = 5_000;
/// One in so many users who come back becomes a member, announced so long before it holds.
const MEMBERS_ONE_IN: u64 = 2;
const ANNOUNCED_MS: i64 = 2 * 3_600_000;
/// Referrers that are advertisements, and campaigns of each.
const ADS: [&str; 4] = ["instagram", "newsletter", "facebook", "partner"];
const CAMPAIGNS: u64 = 3;
/// The share of filled carts whose owner sees another advertisement at once.
const RETARGETED: f64 = 0.25;
/// The most events per second a spike may ask for; above it one core can't generate and process.
const SPIKE_RATE_MAX: u32 = 100_000;
/// How long offline phones hold their events back, in event time.
pub const OFFLINE_EVENT_MS: i64 = 120_000;
/// The share of phones that go offline.
const OFFLINE_SHARE: f64 = 0.3;
/// Owners of offline phones who go on elsewhere, for each time that phones go offline.
const ELSEWHERE_MAX: u32 = 40;
/// Events held back at most; more go out at once, as if those phones had stayed online.
const HELD_MAX: usize = 100_000;
/// Users who left and may come back; the oldest are forgotten, that is, they never return.
const AWAY_MAX: usize = 100_000;
/// A visitor who waits this long for a slot (after a drop of the rate) gives up.
const OVERDUE_MAX_MS: i64 = 120_000;
/// Events reach the log this late at most, unless told otherwise: each is stamped before it is sent.
pub const DISORDER_MS: i64 = 8_000;
/// How late they are on average, as a share of that.
const JITTER_MEAN: f64 = 0.0875;
/// A user comes back no sooner than this after what ends a session, so that a visit and a session are the same thing.
const RETURN_AFTER_GAP_MS: i64 = 5 * 60_000;
/// What ends a session, and how late an event may come, unless told otherwise.
const GAP_MS: i64 = 30 * 60_000;
const GRACE_MS: i64 = 10_000;
/// After how much silence a shop makes offers, unless told otherwise.
const SILENCE_MS: i64 = 10 * 60_000;
const RETURN_MEAN_MS: f64 = 60.0 * 60_000.0;

/// A user who left: when to come back, the user's number, the next visit's number, and country, device and variant.
type Away = (i64, u64, u32, [u8; 3]);

/// The shop's visitors as a sequence of records.
#[derive(Debug)]
pub struct Generator {
    params: GeneratorParams,
    shop: Shop,
    random: Random,
    schedule: Schedule,
    active: BinaryHeap<Visitor>,
    away: BinaryHeap<Reverse<Away>>,
    users: u64,
    events: u64,
    truth: Truth,
    spike_until_ns: Option<u128>,
    base_rate_per_s: u32,
    offline_until_ms: Option<i64>,
    held: VecDeque<(String, Vec<u8>)>,
    gap_ms: i64,
    grace_ms: i64,
    disorder_ms: i64,
    /// Owners of offline phones who may still go on elsewhere.
    elsewhere_left: u32,
    /// What their phones hold back, by user, and what came out of those.
    in_phones: BTreeMap<u64, (String, Vec<u8>)>,
    flushed: VecDeque<(String, Vec<u8>)>,
    crowd: Option<Crowd>,
    crowd_users: BTreeSet<String>,
    touches: VecDeque<Touch>,
    joined: VecDeque<Joined>,
    offers: Offers,
    writer: Writer,
}

impl Generator {
    /// A generator before its first event.
    pub fn new(params: GeneratorParams) -> Self {
        Self {
            params,
            shop: Shop::new(params.seed),
            random: Random::new(params.seed),
            schedule: Schedule::new(params.rate_per_s),
            active: BinaryHeap::new(),
            away: BinaryHeap::new(),
            users: 0,
            events: 0,
            truth: Truth::default(),
            spike_until_ns: None,
            base_rate_per_s: params.rate_per_s,
            offline_until_ms: None,
            held: VecDeque::new(),
            gap_ms: GAP_MS,
            grace_ms: GRACE_MS,
            disorder_ms: DISORDER_MS,
            elsewhere_left: 0,
            in_phones: BTreeMap::new(),
            flushed: VecDeque::new(),
            crowd: None,
            crowd_users: BTreeSet::new(),
            touches: VecDeque::new(),
            joined: VecDeque::new(),
            offers: Offers::new(params.seed, OFFER_TAKERS, SILENCE_MS),
            writer: Writer::new(params.seed),
        }
    }

    /// For sessions that end otherwise than after half an hour, and with another grace.
    #[must_use]
    pub fn for_sessions(mut self, gap_ms: i64, grace_ms: i64) -> Self {
        (self.gap_ms, self.grace_ms) = (gap_ms, grace_ms);
        self
    }

    /// With events that come up to so late.
    #[must_use]
    pub fn with_disorder(mut self, disorder_ms: i64) -> Self {
        self.disorder_ms = disorder_ms.max(0);
        self
    }

    /// With items that are wanted by this exponent of Zipf's law: none for all alike, more for few that everybody wants.
    #[must_use]
    pub fn with_skew(mut self, exponent: f64) -> Self {
        self.shop = self.shop.with_skew(exponent);
        self
    }

    /// When the next event is due, in nanoseconds of virtual time.
    pub fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    /// Events made so far, held ones included.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Events waiting in offline phones.
    pub fn held(&self) -> usize {
        self.held.len() + self.in_phones.len()
    }

    /// What the shop sells.
    pub fn catalogue(&self) -> impl Iterator<Item = CatalogueItem<'_>> {
        self.shop.items.iter().map(|item| CatalogueItem { item_id: &item.id, category: item.category, price_minor: item.price_minor })
    }

    /// What no consumer is told.
    pub fn truth(&self) -> Truth {
        self.truth
    }

    /// Changes the rate from the next event on; a spike at work keeps its factor.
    pub fn set_rate(&mut self, rate_per_s: u32) {
        self.base_rate_per_s = rate_per_s.max(1);
        self.apply_rate();
    }

    /// Many more visitors for [`SPIKE_MS`].
    pub fn start_spike(&mut self) {
        self.spike_until_ns = Some(self.due_ns() + u128::from(SPIKE_MS) * 1_000_000);
        self.apply_rate();
    }

    /// A share of the phones hold their events back for [`OFFLINE_EVENT_MS`] of event time. Some of their owners stay without connection
    /// until just after their session would have ended, and then go on elsewhere: what the phone held back makes two sessions one.
    pub fn start_offline(&mut self) {
        self.elsewhere_left = ELSEWHERE_MAX;
        self.offline_until_ms = Some(self.event_time_ms() + OFFLINE_EVENT_MS);
    }

    /// Robots come, for [`CROWD_MS`].
    pub fn start_bots(&mut self) {
        let until_ms = self.crowd_until_ms();
        self.crowd = Some(Crowd::bots(until_ms, self.base_rate_per_s, self.params.speed));
        self.apply_rate();
    }

    /// Everybody uses one account, for [`CROWD_MS`].
    pub fn start_celebrity(&mut self) {
        self.crowd = Some(Crowd::celebrity(self.crowd_until_ms()));
        self.apply_rate();
    }

    fn crowd_until_ms(&self) -> i64 {
        self.event_time_ms() + (CROWD_MS * u64::from(self.params.speed)).cast_signed()
    }

    /// Users that are no people, as far as they have come.
    pub fn crowd_users(&self) -> &BTreeSet<String> {
        &self.crowd_users
    }

    /// The next advertisement that somebody followed; take them out after each event.
    pub fn touch(&mut self) -> Option<Touch> {
        self.touches.pop_front()
    }

    /// The next user who becomes a member; take them out after each event.
    pub fn joined(&mut self) -> Option<Joined> {
        self.joined.pop_front()
    }

    /// Ends the faults at work: from now on [`Generator::release`] gives what phones held back.
    pub fn heal(&mut self) {
        self.spike_until_ns = None;
        self.offline_until_ms = None;
        self.flushed.extend(std::mem::take(&mut self.in_phones).into_values());
        self.crowd = None;
        self.apply_rate();
    }

    /// The next event that an offline phone held back, once it is online again.
    pub fn release(&mut self) -> Option<(String, Vec<u8>)> {
        let flushed = self.flushed.pop_front();
        if flushed.is_some() || self.offline_until_ms.is_some() {
            return flushed;
        }
        self.held.pop_front()
    }

    /// Makes the event of the next slot; `None` when an offline phone holds it back.
    pub fn generate(&mut self) -> Option<Record<'_>> {
        self.end_faults();
        self.end_crowd();
        let now_ms = self.event_time_ms();
        if let Some(mut crowd) = self.crowd
            && self.random.chance(CROWD_SHARE)
        {
            return self.generate_crowd(&mut crowd, now_ms);
        }
        let mut visitor = self.next_visitor(now_ms);
        self.touch_by(&mut visitor, now_ms);
        self.go_elsewhere(&mut visitor);
        let due_ms = visitor.due_ms.min(now_ms);
        let step = visitor.step(&self.shop, &mut self.random);
        if step.action == Action::AddToCart && self.random.chance(RETARGETED) {
            let campaign = self.draw_campaign();
            self.touch_of(&visitor, "retarget", campaign, now_ms);
        }
        let by = By { visit: visitor.visit, referrer: visitor.referrer, campaign: visitor.campaign };
        self.write(&visitor.profile, by, step, (now_ms, due_ms));
        self.schedule.advance();
        self.events += 1;
        let (number, is_soon) = (visitor.profile.number, step.told == Told::Soon);
        let is_held = is_soon && self.offline_until_ms.is_some() && self.held.len() < HELD_MAX && self.is_offline(&visitor.profile);
        self.truth.offers_taken += u64::from(step.action == Action::Purchase && visitor.is_brought_back());
        match step.think_ms {
            Some(think_ms) => {
                visitor.due_ms = if is_soon { now_ms } else { due_ms } + think_ms;
                self.active.push(visitor);
            }
            None if self.offers.may_bring_back(&visitor, now_ms) => {}
            None => self.leave(&visitor, now_ms),
        }
        let record = || (self.writer.user_id().to_owned(), self.writer.value().to_vec());
        match step.told {
            Told::HeldBack => {
                self.in_phones.insert(number, record());
                return None;
            }
            Told::Elsewhere => self.flushed.extend(self.in_phones.remove(&number)),
            Told::Soon if is_held => {
                self.held.push_back(record());
                return None;
            }
            Told::Soon | Told::OnTime => {}
        }
        Some(Record { key: self.writer.user_id(), value: self.writer.value() })
    }

    fn generate_crowd(&mut self, crowd: &mut Crowd, now_ms: i64) -> Option<Record<'_>> {
        let (profile, step) = crowd.step(&self.shop, &mut self.random);
        self.crowd = Some(*crowd);
        self.write(&profile, By { visit: 1, referrer: 0, campaign: None }, step, (now_ms, now_ms));
        if !self.crowd_users.contains(self.writer.user_id()) {
            self.crowd_users.insert(self.writer.user_id().to_owned());
        }
        self.schedule.advance();
        self.events += 1;
        Some(Record { key: self.writer.user_id(), value: self.writer.value() })
    }

    /// An offline phone's owner may be about to go on elsewhere, a little later than sessions end, so that both are open for a moment.
    fn go_elsewhere(&mut self, visitor: &mut Visitor) {
        let can_go = self.offline_until_ms.is_some() && self.elsewhere_left > 0 && self.is_offline(&visitor.profile);
        if can_go && visitor.lose_connection(self.gap_ms + self.grace_ms * 3 / 10) {
            self.elsewhere_left -= 1;
        }
    }

    fn touch_by(&mut self, visitor: &mut Visitor, now_ms: i64) {
        let referrer = REFERRERS[usize::from(visitor.referrer)].0;
        if visitor.is_landing() && ADS.contains(&referrer) {
            let campaign = self.draw_campaign();
            visitor.campaign = Some(campaign);
            // Before anything of the visit, whatever the jitter of its first event.
            self.touch_of(visitor, referrer, campaign, now_ms - self.disorder_ms - 1_000);
        }
    }

    fn draw_campaign(&self) -> u8 {
        1 + (hash64(self.params.seed ^ 0xad, self.events) % CAMPAIGNS) as u8
    }

    fn touch_of(&mut self, visitor: &Visitor, advertiser: &str, campaign: u8, at_ms: i64) {
        let (number, mut user) = (visitor.profile.number, String::new());
        user_id(number, &mut user);
        let campaign = format!("{advertiser}-{campaign}");
        self.touches.push_back(Touch { click_id: format!("c{:x}-{}", self.params.seed, self.events), user_id: user, campaign, at_ms });
    }

    fn event_time_ms(&self) -> i64 {
        let elapsed_ms = self.due_ns() * u128::from(self.params.speed) / 1_000_000;
        self.params.start_at_ms.saturating_add(i64::try_from(elapsed_ms).unwrap_or(i64::MAX))
    }

    fn apply_rate(&mut self) {
        let rate = if self.spike_until_ns.is_some() {
            self.base_rate_per_s.saturating_mul(SPIKE_FACTOR).min(SPIKE_RATE_MAX).max(self.base_rate_per_s)
        } else {
            self.base_rate_per_s
        };
        let crowded = f64::from(rate) / (1.0 - CROWD_SHARE);
        self.schedule.set_rate(if self.crowd.is_some() { crowded.min(f64::from(SPIKE_RATE_MAX.max(rate))) as u32 } else { rate });
    }

    fn end_faults(&mut self) {
        if self.spike_until_ns.is_some_and(|until| self.due_ns() >= until) {
            self.spike_until_ns = None;
            self.apply_rate();
        }
        if self.offline_until_ms.is_some_and(|until| self.event_time_ms() >= until) {
            self.offline_until_ms = None;
        }
    }

    fn end_crowd(&mut self) {
        if self.crowd.is_some_and(|crowd| self.event_time_ms() >= crowd.until_ms) {
            self.crowd = None;
            self.apply_rate();
        }
    }

    fn is_offline(&self, profile: &Profile) -> bool {
        let share = (OFFLINE_SHARE * 1_000.0) as u64;
        profile.is_mobile() && hash64(self.params.seed ^ 0x0ff1, profile.number) % 1_000 < share
    }

    /// The visitor who is due, or a new arrival.
    fn next_visitor(&mut self, now_ms: i64) -> Visitor {
        while let Some((mut visitor, offer)) = self.offers.due(now_ms) {
            if let Some(percent) = offer {
                visitor.take_offer(percent);
                return visitor;
            }
            self.leave(&visitor, now_ms);
        }
        // At very low rates and high speeds slots lie minutes apart: waiting for one is then no reason to give up.
        let slot_ms = i64::from(self.params.speed) * 1_000 / i64::from(self.schedule.rate_per_s());
        let overdue_max_ms = OVERDUE_MAX_MS.max(slot_ms * 4);
        while let Some(first) = self.active.peek() {
            if first.due_ms > now_ms {
                break;
            }
            let is_overdue = now_ms - first.due_ms > overdue_max_ms;
            let Some(visitor) = self.active.pop() else { break };
            if !is_overdue {
                return visitor;
            }
            self.truth.visits_cut_short += 1;
            self.leave(&visitor, now_ms);
        }
        self.arrive(now_ms)
    }

    fn arrive(&mut self, now_ms: i64) -> Visitor {
        self.truth.visits += 1;
        let is_back = self.away.peek().is_some_and(|Reverse((back_ms, ..))| *back_ms <= now_ms);
        if is_back && let Some(Reverse((_, number, visit, [country, device, variant]))) = self.away.pop() {
            return Visitor::arrive(Profile { number, country, device, variant }, visit, now_ms, &mut self.random);
        }
        self.users += 1;
        let side = hash64(self.params.seed ^ 0xab, self.users);
        let profile = Profile::new(self.users, side, now_ms, &mut self.random);
        Visitor::arrive(profile, 1, now_ms, &mut self.random)
    }

    fn leave(&mut self, visitor: &Visitor, now_ms: i64) {
        if self.away.len() < AWAY_MAX && self.random.chance(0.5) {
            let back_ms = now_ms + self.gap_ms + RETURN_AFTER_GAP_MS + self.random.exponential(RETURN_MEAN_MS) as i64;
            let Profile { number, country, device, variant } = visitor.profile;
            if visitor.visit == 1 && hash64(self.params.seed ^ 0x3e3, number).is_multiple_of(MEMBERS_ONE_IN) {
                let mut user = String::new();
                user_id(number, &mut user);
                self.joined.push_back(Joined { user_id: user, at_ms: now_ms, from_ms: now_ms + ANNOUNCED_MS });
            }
            self.away.push(Reverse((back_ms, number, visitor.visit + 1, [country, device, variant])));
        }
    }

    fn write(&mut self, profile: &Profile, by: By, step: Step, (now_ms, due_ms): (i64, i64)) {
        let disorder_ms = self.disorder_ms as f64;
        let jitter_ms = self.random.exponential(disorder_ms * JITTER_MEAN).min(disorder_ms) as i64;
        let timestamp_ms = if step.told == Told::Soon { now_ms - jitter_ms } else { due_ms };
        let desktop = Profile { device: DESKTOP, ..*profile };
        let profile = if step.told == Told::Elsewhere { &desktop } else { profile };
        self.writer.write(&self.shop, profile, by, step, self.events, timestamp_ms);
    }
}

mod news;
mod offers;
#[cfg(test)]
mod tests;

pub use news::{CatalogueItem, GeneratorParams, Joined, Record, Touch, Truth};
pub use offers::OFFER_TAKERS;
