//! Decides on an ad: who may show it, who pays most, and what it costs.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::pacing::step_of;

use crate::{
    pipelines::media::{
        Options, Sabotage,
        records::{LeaseBook, LeaseRequest},
        settings::CAP_MS,
    },
    sim::media::{AD_PATIENCE_MS, AdDecision, AdRequest, Campaign, CampaignId, ViewerId},
    stream::{Forward, Processor, Record, Store, StoreHandle},
};

/// A partition asks for so many impressions' worth of budget at a time.
const LEASE_IMPRESSIONS: i64 = 20;
/// And asks again when less than this is left of it.
const LOW_IMPRESSIONS: i64 = 10;
/// Ads of a campaign.
const ADS: u32 = 3;
/// The least an impression costs.
const RESERVE_MICROS: i64 = 2_000;
/// What a second-price auction adds to the second bid (Vickrey 1961, in the smallest step).
const STEP_MICROS: i64 = 1;

/// A request with everybody who might pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    request: AdRequest,
    campaigns: Vec<Campaign>,
    /// By campaign in the same order: what each partition may spend.
    books: Vec<LeaseBook>,
}

impl Asked {
    /// The campaigns that want this user: by device, by region, and by one of the audiences the user belongs to.
    pub(super) fn new(request: &AdRequest, campaigns: &Store<CampaignId, Campaign>, options: &Options) -> Self {
        let is_for_all = options.is(Sabotage::IgnoreSegments);
        let wants = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        let wants_one = |list: &[String], values: &[String]| list.is_empty() || is_for_all || values.iter().any(|it| list.contains(it));
        let eligible = campaigns.iter().map(|(_, campaign)| campaign);
        let eligible = eligible.filter(|it| wants(&it.devices, &request.device) && wants(&it.regions, &request.geo));
        let eligible = eligible.filter(|it| wants_one(&it.segments, &request.segments));
        Self { request: request.clone(), campaigns: eligible.map(Cow::into_owned).collect(), books: Vec::new() }
    }

    /// With what they may spend.
    pub(super) fn with(mut self, leases: &Store<CampaignId, LeaseBook>) -> Self {
        let book = |campaign: &Campaign| leases.get(&campaign.campaign_id).map(Cow::into_owned).unwrap_or_default();
        self.books = self.campaigns.iter().map(book).collect();
        self
    }
}

/// What a partition keeps: how often a user saw a campaign this hour, or what it has spent of a campaign's leases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) until_ms: i64,
    /// Times of impressions of the hour, or one sum of millionths.
    values: Vec<i64>,
    /// All that was asked for, and in which step of the plan.
    want_micros: i64,
    #[serde(default)]
    asked_step: i64,
}

impl Kept {
    fn new(until_ms: i64) -> Self {
        Self { until_ms, values: Vec::new(), want_micros: 0, asked_step: 0 }
    }
}

/// What comes out: by viewer, or by campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decided {
    Ad(AdDecision),
    Lease(LeaseRequest),
}

pub(super) struct Decide {
    pub(super) kept: StoreHandle<String, Kept>,
    pub(super) options: Options,
}

impl Processor<ViewerId, Asked, String, Decided> for Decide {
    fn process(&mut self, record: &Record<ViewerId, Asked>, out: &mut Forward<'_, String, Decided>) {
        let (asked, holder) = (&record.value, out.origin().partition);
        let decided_key = format!("request|{}", asked.request.request_id);
        if self.kept.borrow().get(&decided_key).is_some() {
            return; // asked twice: the first answer holds
        }
        if self.options.is(Sabotage::LoseRequests) && asked.request.ts % 10 == 0 {
            return;
        }
        let waited_ms = if asked.request.wait_ms > 0 { (record.timestamp_ms - asked.request.ts).max(0) } else { 0 };
        // The player has gone on without.
        let is_too_late = waited_ms > AD_PATIENCE_MS;
        let mut bids: Vec<_> = (0..asked.campaigns.len()).filter(|at| !is_too_late && self.is_below_cap(asked, *at)).collect();
        let is_capped = bids.is_empty();
        for at in bids.clone() {
            if let Some(lease) = self.lease(&asked.campaigns[at], &asked.books[at], (holder, record.timestamp_ms)) {
                out.send(&Record { key: lease.campaign_id.0.clone(), value: Decided::Lease(lease), timestamp_ms: record.timestamp_ms });
            }
        }
        bids.retain(|at| self.left(&asked.campaigns[*at], &asked.books[*at], holder) >= asked.campaigns[*at].bid_micros);
        bids.sort_by_key(|at| (-asked.campaigns[*at].bid_micros, asked.campaigns[*at].campaign_id.clone()));
        let winner = bids.first().map(|at| &asked.campaigns[*at]);
        let second = bids.get(1).map_or(RESERVE_MICROS, |at| asked.campaigns[*at].bid_micros + STEP_MICROS);
        let price_micros = winner.map_or(0, |winner| second.clamp(RESERVE_MICROS.min(winner.bid_micros), winner.bid_micros));
        let reason = match winner {
            Some(_) => "won",
            None if is_too_late => "the ad server was too slow",
            None if asked.campaigns.is_empty() => "no campaign wants this user",
            None if is_capped => "all campaigns reached their cap for this user",
            None => "no budget at hand",
        };
        if let Some(winner) = winner {
            self.spend(winner, price_micros, &asked.request, record.timestamp_ms);
        }
        self.kept.borrow_mut().put(decided_key, Kept::new(record.timestamp_ms));
        let decision = AdDecision {
            request_id: asked.request.request_id.clone(),
            user_id: asked.request.user_id.clone(),
            session_id: asked.request.session_id.clone(),
            campaign_id: winner.map(|winner| winner.campaign_id.clone()),
            ad_id: winner.map(|winner| ad_of(winner, &asked.request)),
            price_micros,
            ts: asked.request.ts,
            reason: reason.to_owned(),
            latency_us: waited_ms * 1_000 + out.latency_us(),
        };
        out.send(&Record { key: record.key.0.clone(), value: Decided::Ad(decision), timestamp_ms: record.timestamp_ms });
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, String, Decided>) {
        let before_ms = out.stream_time_ms().saturating_sub(CAP_MS);
        while self.kept.borrow_mut().pop_expired(before_ms).is_some() {}
    }
}

impl Decide {
    fn is_below_cap(&self, asked: &Asked, at: usize) -> bool {
        let campaign = &asked.campaigns[at];
        let since_ms = asked.request.ts - CAP_MS;
        let seen = self
            .kept
            .borrow()
            .get(&cap_key(campaign, &asked.request))
            .map_or(0, |kept| kept.values.iter().filter(|seen_ms| **seen_ms > since_ms).count());
        seen < campaign.cap_per_hour as usize || self.options.is(Sabotage::IgnoreCaps)
    }

    /// What this partition may still spend.
    fn left(&self, campaign: &Campaign, book: &LeaseBook, holder: i32) -> i64 {
        if self.options.is(Sabotage::IgnoreBudgets) {
            return i64::MAX;
        }
        let spent = self.kept.borrow().get(&lease_key(campaign)).map_or(0, |kept| kept.values.iter().sum::<i64>());
        book.granted_micros.get(&holder).copied().unwrap_or(0) - spent
    }

    /// A wish for more, when little is left, and the last wish is answered in full or the plan goes on since.
    fn lease(&self, campaign: &Campaign, book: &LeaseBook, (holder, now_ms): (i32, i64)) -> Option<LeaseRequest> {
        let left = self.left(campaign, book, holder);
        let granted = book.granted_micros.get(&holder).copied().unwrap_or(0);
        let (wanted, asked_step) = self.kept.borrow().get(&lease_key(campaign)).map_or((0, 0), |kept| (kept.want_micros, kept.asked_step));
        let is_waiting = wanted > granted && (campaign.flight_ms <= 0 || step_of(now_ms) <= asked_step);
        if left >= LOW_IMPRESSIONS * campaign.bid_micros || is_waiting || book.is_spent() {
            return None;
        }
        let want_micros = granted + LEASE_IMPRESSIONS * campaign.bid_micros;
        let change = |kept: &mut Kept| (kept.want_micros, kept.asked_step) = (want_micros, step_of(now_ms));
        self.kept.borrow_mut().update(&lease_key(campaign), || Kept::new(i64::MAX), change);
        let Campaign { budget_micros, from_ms, flight_ms, .. } = *campaign;
        Some(LeaseRequest { campaign_id: campaign.campaign_id.clone(), holder, want_micros, budget_micros, from_ms, flight_ms })
    }

    fn spend(&self, campaign: &Campaign, price_micros: i64, request: &AdRequest, now_ms: i64) {
        let mut kept = self.kept.borrow_mut();
        kept.update(
            &lease_key(campaign),
            || Kept::new(i64::MAX),
            |kept| {
                let spent: i64 = kept.values.iter().sum();
                kept.values = vec![spent + price_micros];
            },
        );
        let since_ms = now_ms - CAP_MS;
        kept.update(
            &cap_key(campaign, request),
            || Kept::new(now_ms),
            |kept| {
                kept.until_ms = now_ms;
                kept.values.retain(|seen_ms| *seen_ms > since_ms);
                kept.values.push(request.ts);
            },
        );
    }
}

/// Which of a campaign's ads: each user sees one after the other, by the breaks of the session.
fn ad_of(campaign: &Campaign, request: &AdRequest) -> String {
    format!("{}-{}", campaign.campaign_id, 1 + (request.pod + request.slot) % ADS)
}

fn cap_key(campaign: &Campaign, request: &AdRequest) -> String {
    format!("cap|{}|{}", request.user_id, campaign.campaign_id)
}

fn lease_key(campaign: &Campaign) -> String {
    format!("lease|{}", campaign.campaign_id)
}
