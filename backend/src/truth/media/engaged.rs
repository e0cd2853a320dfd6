//! How viewers were engaged: both sides of the A/B test against what players know, and each ad against a batch job over its events.

use std::collections::{BTreeMap, HashMap};

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        records::{AbSide, AdSession},
        settings::{AB, AD_DECISIONS, AD_EVENTS, AD_SESSIONS, AD_SILENCE_MS, TRUTH},
    },
    sim::media::{AdAction, AdDecision, AdEvent, CampaignId, RequestId, TruthRecord},
    truth::{check, pending},
};

/// Ads that are compared; a longer run is judged by its first million.
const ADS_MAX: usize = 1_000_000;

/// Each partition has its own stream time.
const SLACK_MS: i64 = 10_000;

/// Compares sides and ads.
#[derive(Debug, Default)]
pub struct Engaged {
    sides: BTreeMap<String, AbSide>,
    stayed: Option<BTreeMap<String, (u64, u64)>>,
    /// What the events say of each ad, without its campaign.
    expected: HashMap<RequestId, AdSession>,
    campaigns: HashMap<RequestId, CampaignId>,
    told: HashMap<RequestId, AdSession>,
    told_twice: u64,
    newest_ms: i64,
}

impl Engaged {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            AB => {
                if let (Ok(side), Some(counts)) = (std::str::from_utf8(seen.key), seen.read()) {
                    self.sides.insert(side.to_owned(), counts);
                }
            }
            TRUTH => {
                if let Some(TruthRecord::Totals(truth)) = seen.read() {
                    self.stayed = Some(truth.stayed);
                }
            }
            AD_DECISIONS if self.campaigns.len() < ADS_MAX => {
                if let Some(AdDecision { request_id, campaign_id: Some(campaign_id), .. }) = seen.read() {
                    self.campaigns.insert(request_id, campaign_id);
                }
            }
            AD_EVENTS if self.expected.len() < ADS_MAX => {
                if let Some(event) = seen.read() {
                    self.add(event);
                }
            }
            AD_SESSIONS => {
                if let Some(session) = seen.read::<AdSession>() {
                    self.told_twice += u64::from(self.told.insert(session.request_id.clone(), session).is_some());
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, event: AdEvent) {
        let AdEvent { request_id, user_id, action, ts } = event;
        self.newest_ms = self.newest_ms.max(ts);
        let ad = self.expected.entry(request_id.clone()).or_insert_with(|| AdSession {
            request_id,
            user_id,
            campaign_id: CampaignId::default(),
            started_ms: ts,
            ended_ms: ts,
            reached: AdAction::Start,
            is_clicked: false,
            is_broken: false,
        });
        (ad.started_ms, ad.ended_ms) = (ad.started_ms.min(ts), ad.ended_ms.max(ts));
        match action {
            AdAction::Click => ad.is_clicked = true,
            AdAction::Error => ad.is_broken = true,
            quarter => ad.reached = ad.reached.max(quarter),
        }
    }

    /// The verdicts.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        vec![self.sides_equal(is_over), self.ads_equal(is_over)]
    }

    /// `ab_equals_players`: as many viewers as the players say, and as many who stayed, on each side.
    fn sides_equal(&self, is_over: bool) -> Check {
        let id = "ab_equals_players";
        let Some(truth) = self.stayed.as_ref().filter(|_| is_over) else {
            return pending(id, "players tell at the end of the run");
        };
        let told: BTreeMap<_, _> = self.sides.iter().map(|(side, counts)| (side.clone(), (counts.sessions, counts.stayed))).collect();
        let describe = |sides: &BTreeMap<String, (u64, u64)>| {
            let sides = sides.iter().map(|(side, (sessions, stayed))| format!("{side}: {stayed} of {sessions} stayed"));
            sides.collect::<Vec<_>>().join(", ")
        };
        let mut evidence = describe(&told);
        if told != *truth {
            evidence += &format!("; players say {}", describe(truth));
        }
        check(id, told == *truth, evidence)
    }

    /// `ad_sessions_equal_batch`: each ad that is over was told once, as its events have it.
    fn ads_equal(&self, is_over: bool) -> Check {
        let id = "ad_sessions_equal_batch";
        if !is_over {
            return pending(id, format!("{} ads watched so far", self.told.len()));
        }
        if self.told.is_empty() && self.expected.is_empty() {
            return pending(id, "no ad was shown");
        }
        let is_equal = |told: &&AdSession| {
            let expected = self
                .expected
                .get(&told.request_id)
                .map(|ad| AdSession { campaign_id: self.campaigns.get(&told.request_id).cloned().unwrap_or_default(), ..ad.clone() });
            expected.as_ref() == Some(told)
        };
        let is_known = |ad: &&AdSession| self.expected.contains_key(&ad.request_id) && self.campaigns.contains_key(&ad.request_id);
        let is_all_known = self.expected.len() < ADS_MAX && self.campaigns.len() < ADS_MAX;
        let (equal, different): (Vec<_>, Vec<_>) = self.told.values().filter(|ad| is_all_known || is_known(ad)).partition(is_equal);
        let is_due = |ad: &&AdSession| {
            let is_over = ad.is_broken || ad.reached == AdAction::Complete || ad.ended_ms + AD_SILENCE_MS + SLACK_MS < self.newest_ms;
            is_over && self.campaigns.contains_key(&ad.request_id) && !self.told.contains_key(&ad.request_id)
        };
        let missing = self.expected.values().filter(is_due).count();
        let mut evidence = format!(
            "{} ads as their events say, {} otherwise, {missing} missing, {} told twice",
            equal.len(),
            different.len(),
            self.told_twice
        );
        if let Some(first) = different.iter().min_by_key(|ad| &ad.request_id) {
            let (reached, of) = (first.reached, &first.request_id);
            evidence += &format!("; first {of}: {reached:?} and not {:?}", self.expected.get(of).map(|ad| ad.reached));
        }
        check(id, different.is_empty() && missing == 0 && self.told_twice == 0, evidence)
    }
}
