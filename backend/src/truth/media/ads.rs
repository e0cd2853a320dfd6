//! Money: nothing is spent beyond a budget, nobody sees an ad who is not meant to or more often than its cap, each impression is billed once.

use std::collections::{BTreeMap, HashMap};

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        records::{Charge, LeaseBook, Spend},
        settings::{AD_DECISIONS, AD_EVENTS, AD_REQUESTS, CAMPAIGNS, CAP_MS, CHARGES, LEASES, PACE_MS, SPEND},
    },
    sim::media::{AdAction, AdDecision, AdEvent, AdRequest, Campaign, CampaignId, RequestId, ViewerId},
    truth::{check, latency::DecisionLatency, pending},
};

/// Requests that are compared; a longer run is judged by its first two million.
const REQUESTS_MAX: usize = 2_000_000;

/// What is known of who asks for an ad.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct User {
    device: String,
    region: String,
    segments: Vec<String>,
}

impl User {
    /// Whether a campaign is for such users; recomputed from what both say of themselves.
    fn is_wanted_by(&self, campaign: &Campaign) -> bool {
        let Campaign { devices, regions, segments, .. } = campaign;
        let is_there = |wanted: &[String], had: &[String]| wanted.is_empty() || wanted.iter().any(|value| had.contains(value));
        is_there(devices, std::slice::from_ref(&self.device))
            && is_there(regions, std::slice::from_ref(&self.region))
            && is_there(segments, &self.segments)
    }
}

/// Compares ads.
#[derive(Debug, Default)]
pub struct Ads {
    campaigns: BTreeMap<CampaignId, Campaign>,
    requests: u64,
    /// Who asks, until it is known which ad that brought; and to whom each campaign was shown, with the first of such requests.
    asking: HashMap<RequestId, User>,
    shown: BTreeMap<(CampaignId, User), RequestId>,
    decisions: HashMap<RequestId, AdDecision>,
    decided_differently: u64,
    latency: DecisionLatency,
    /// Requests whose ad was started, with the first time it was told.
    started: HashMap<RequestId, i64>,
    charges: HashMap<RequestId, Charge>,
    charged_twice: u64,
    spend: BTreeMap<CampaignId, Spend>,
    /// What was lent, by campaign: the newest book, and the first that was ahead of its plan.
    books: BTreeMap<CampaignId, LeaseBook>,
    ahead: Option<(CampaignId, LeaseBook)>,
}

impl Ads {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        if self.requests >= REQUESTS_MAX as u64 {
            return;
        }
        match seen.topic {
            CAMPAIGNS => {
                if let Some(campaign) = seen.read::<Campaign>() {
                    self.campaigns.insert(campaign.campaign_id.clone(), campaign);
                }
            }
            AD_REQUESTS => {
                let Some(request) = seen.read::<AdRequest>().filter(|request| !request.request_id.is_empty()) else { return };
                self.requests += 1;
                let AdRequest { request_id, device, geo, segments, .. } = request;
                self.asking.insert(request_id.clone(), User { device, region: geo, segments });
                self.show(&request_id);
            }
            AD_DECISIONS => {
                let Some(decision) = seen.read::<AdDecision>() else { return };
                self.latency.record(decision.latency_us);
                // Decided anew after a crash it may take another time, and must come out the same.
                let decision = AdDecision { latency_us: 0, ..decision };
                let before = self.decisions.insert(decision.request_id.clone(), decision.clone());
                self.decided_differently += u64::from(before.is_some_and(|before| before != decision));
                self.show(&decision.request_id);
            }
            AD_EVENTS => {
                if let Some(event) = seen.read::<AdEvent>().filter(|event| event.action == AdAction::Start) {
                    self.started.entry(event.request_id).and_modify(|ts| *ts = (*ts).min(event.ts)).or_insert(event.ts);
                }
            }
            CHARGES => {
                if let Some(charge) = seen.read::<Charge>() {
                    self.charged_twice += u64::from(self.charges.insert(charge.request_id.clone(), charge).is_some());
                }
            }
            LEASES => {
                if let (Ok(campaign), Some(book)) = (std::str::from_utf8(seen.key), seen.read()) {
                    self.lent(campaign.into(), book);
                }
            }
            SPEND => {
                if let (Ok(campaign), Some(spend)) = (std::str::from_utf8(seen.key), seen.read()) {
                    self.spend.insert(campaign.into(), spend);
                }
            }
            _ => {}
        }
    }

    /// A request and its decision come in any order: whichever is second tells who was shown what.
    fn show(&mut self, request_id: &RequestId) {
        let Some(decision) = self.decisions.get(request_id) else { return };
        if let (Some(user), Some(campaign)) = (self.asking.remove(request_id), decision.campaign_id.clone()) {
            self.shown.entry((campaign, user)).or_insert_with(|| request_id.clone());
        }
    }

    /// `ads_within_targets`: nobody was shown an ad of a campaign that is for others.
    fn within_targets(&self) -> Check {
        let id = "ads_within_targets";
        if self.shown.is_empty() {
            return pending(id, "no ad was decided yet");
        }
        let is_wrong =
            |campaign: &CampaignId, user: &User| !self.campaigns.get(campaign).is_some_and(|campaign| user.is_wanted_by(campaign));
        let wrong: Vec<_> = self.shown.iter().filter(|((campaign, user), _)| is_wrong(campaign, user)).collect();
        let mut evidence = format!("{} kinds of users were shown what is for them", self.shown.len() - wrong.len());
        if let Some(((campaign, user), request)) = wrong.first() {
            let User { device, region, segments } = user;
            evidence +=
                &format!("; {} were not, first {request}: {campaign} for {device} in {region}, {}", wrong.len(), segments.join(" and "));
        }
        check(id, wrong.is_empty(), evidence)
    }

    /// Recomputed from the campaign itself, whatever the book says of its plan.
    fn lent(&mut self, campaign_id: CampaignId, book: LeaseBook) {
        let Some(campaign) = self.campaigns.get(&campaign_id) else { return };
        let since_ms = book.as_of_ms - book.as_of_ms.rem_euclid(PACE_MS) + PACE_MS - campaign.from_ms;
        let share = if campaign.flight_ms > 0 { (since_ms as f64 / campaign.flight_ms as f64).clamp(0.0, 1.0) } else { 1.0 };
        let lent: i64 = book.granted_micros.values().sum();
        if lent as f64 > campaign.budget_micros as f64 * share + 1.0 {
            self.ahead.get_or_insert_with(|| (campaign_id.clone(), book.clone()));
        }
        self.books.insert(campaign_id, book);
    }

    /// `leases_follow_plans`: no more of a budget is handed out than its share of the flight by then.
    fn follow_plans(&self) -> Check {
        let id = "leases_follow_plans";
        if self.books.is_empty() {
            return pending(id, "nothing was lent yet");
        }
        let sum = |of: fn(&LeaseBook) -> i64| self.books.values().map(of).sum::<i64>() as f64 / 1e6;
        let (lent, planned) = (sum(|book| book.granted_micros.values().sum()), sum(|book| book.planned_micros));
        let mut evidence = format!("{} campaigns: {lent:.2} lent of {planned:.2} planned by then", self.books.len());
        if let Some((campaign, book)) = &self.ahead {
            let lent = book.granted_micros.values().sum::<i64>() as f64 / 1e6;
            evidence += &format!("; {campaign} had lent {lent:.2} of {:.2} as of {}", book.planned_micros as f64 / 1e6, book.as_of_ms);
        }
        check(id, self.ahead.is_none(), evidence)
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        vec![
            self.all_decided(is_over),
            self.within_targets(),
            self.within_budget(),
            self.follow_plans(),
            self.caps_kept(),
            self.billed_once(is_over),
        ]
    }

    /// Figures.
    pub fn scores(&self) -> BTreeMap<String, f64> {
        let filled = self.decisions.values().filter(|decision| decision.campaign_id.is_some()).count();
        if self.decisions.is_empty() {
            return BTreeMap::new();
        }
        let mut scores = self.latency.scores("ad_decision");
        scores.insert("ad_fill_rate".to_owned(), filled as f64 / self.decisions.len() as f64);
        scores
    }

    fn all_decided(&self, is_over: bool) -> Check {
        let id = "ads_decided_once";
        let decided = self.decisions.len() as u64;
        if !is_over && decided < self.requests && self.decided_differently == 0 {
            return pending(id, format!("{decided} of {} requests decided", self.requests));
        }
        let evidence = format!("{decided} of {} requests decided, {} twice and differently", self.requests, self.decided_differently);
        check(id, decided == self.requests && self.decided_differently == 0, evidence)
    }

    fn within_budget(&self) -> Check {
        let id = "spend_within_budget";
        let mut spent = BTreeMap::<&CampaignId, i64>::new();
        for charge in self.charges.values() {
            *spent.entry(&charge.campaign_id).or_default() += charge.price_micros;
        }
        if spent.is_empty() {
            return pending(id, "no impression was billed yet");
        }
        let budget = |campaign: &CampaignId| self.campaigns.get(campaign).map_or(0, |campaign| campaign.budget_micros);
        let mut told_more = self.spend.iter().map(|(campaign, spend)| (campaign, spend.spent_micros));
        let over = spent.iter().map(|(campaign, spent)| (*campaign, *spent)).find(|(campaign, spent)| *spent > budget(campaign));
        let over = over.or_else(|| told_more.find(|(campaign, spent)| *spent > budget(campaign)));
        let all: i64 = spent.values().sum();
        let mut evidence = format!("{} campaigns spent {:.2} of {:.2}", spent.len(), all as f64 / 1e6, self.budgets() as f64 / 1e6);
        if let Some((campaign, spent)) = over {
            evidence += &format!("; {campaign} spent {:.2} of {:.2}", spent as f64 / 1e6, budget(campaign) as f64 / 1e6);
        }
        check(id, over.is_none(), evidence)
    }

    fn budgets(&self) -> i64 {
        self.campaigns.values().map(|campaign| campaign.budget_micros).sum()
    }

    fn caps_kept(&self) -> Check {
        let id = "frequency_caps_kept";
        let mut seen = BTreeMap::<(&CampaignId, &ViewerId), Vec<i64>>::new();
        for decision in self.decisions.values() {
            if let Some(campaign) = &decision.campaign_id {
                seen.entry((campaign, &decision.user_id)).or_default().push(decision.ts);
            }
        }
        if seen.is_empty() {
            return pending(id, "no ad was decided yet");
        }
        let mut over = None;
        for ((campaign, user), times) in &mut seen {
            times.sort_unstable();
            let cap = self.campaigns.get(*campaign).map_or(0, |campaign| campaign.cap_per_hour as usize);
            // One more than the cap, all within an hour.
            let is_over = times.windows(cap + 1).any(|some| some[cap] - some[0] < CAP_MS);
            if is_over {
                over = over.or_else(|| Some(format!("{user} saw {campaign} more than {cap} times in an hour")));
            }
        }
        let pairs = seen.len();
        check(id, over.is_none(), over.unwrap_or_else(|| format!("{pairs} pairs of user and campaign within their caps")))
    }

    fn billed_once(&self, is_over: bool) -> Check {
        let id = "impressions_billed_once";
        let owed = self.started.keys().filter_map(|request| self.decisions.get(request)).filter(|decision| decision.campaign_id.is_some());
        let is_billed = |decision: &&AdDecision| {
            let charge = self.charges.get(&decision.request_id);
            charge.is_some_and(|charge| {
                Some(&charge.campaign_id) == decision.campaign_id.as_ref() && charge.price_micros == decision.price_micros
            })
        };
        let (billed, missing): (Vec<_>, Vec<_>) = owed.partition(is_billed);
        let surplus = self.charges.len() - billed.len().min(self.charges.len());
        let mut evidence = format!(
            "{} impressions billed once, {} twice, {} not, {surplus} without an impression",
            billed.len(),
            self.charged_twice,
            missing.len()
        );
        let told: u64 = self.spend.values().map(|spend| spend.impressions).sum();
        let is_sum = !is_over || told == self.charges.len() as u64;
        if !is_sum {
            evidence += &format!("; the sums say {told}");
        }
        if !is_over && self.charged_twice == 0 {
            return pending(id, evidence);
        }
        check(id, self.charged_twice == 0 && missing.is_empty() && surplus == 0 && is_sum, evidence)
    }
}
