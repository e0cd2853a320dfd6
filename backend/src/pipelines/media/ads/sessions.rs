//! How each ad was watched: what players tell of one, bit by bit and some of it twice, becomes one record when it is over or nothing more
//! is heard of it.

use serde::{Deserialize, Serialize};

use super::billing::Told;
use crate::{
    pipelines::media::{records::AdSession, settings::AD_SILENCE_MS},
    sim::media::{AdAction, AdEvent, CampaignId, RequestId, ViewerId},
    stream::{Forward, Processor, Record, Store, StoreHandle},
};

/// Ads that are being watched, by request; due when silent.
pub(super) fn store() -> Store<RequestId, Watching> {
    let start_ms = |_: &RequestId, ad: &Watching| ad.seen.filter(|_| !ad.is_told).map(|(first_ms, ..)| first_ms);
    Store::expiring(|_, ad: &Watching| ad.last_ms).in_own_windows(start_ms, AD_SILENCE_MS)
}

/// Follows ads from the decision to the last event.
pub(super) struct Follow {
    pub(super) ads: StoreHandle<RequestId, Watching>,
    /// Sabotage: what comes after half of an ad is not heard.
    pub(super) is_cut_short: bool,
}

/// What is known of an ad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watching {
    last_ms: i64,
    user_id: ViewerId,
    /// Nothing before the decision is known; both may come first.
    campaign_id: Option<CampaignId>,
    /// First event, last event, and how far it came; `None` before the first.
    seen: Option<(i64, i64, AdAction)>,
    is_clicked: bool,
    is_broken: bool,
    /// It was told; what still comes is a repetition.
    is_told: bool,
}

impl Watching {
    fn new(user_id: &ViewerId, last_ms: i64) -> Self {
        let user_id = user_id.clone();
        Self { last_ms, user_id, campaign_id: None, seen: None, is_clicked: false, is_broken: false, is_told: false }
    }

    fn add(&mut self, event: &AdEvent) {
        let (first_ms, last_ms, reached) = self.seen.unwrap_or((event.ts, event.ts, AdAction::Start));
        let reached = if event.action <= AdAction::Complete { reached.max(event.action) } else { reached };
        self.seen = Some((first_ms.min(event.ts), last_ms.max(event.ts), reached));
        self.is_clicked |= event.action == AdAction::Click;
        self.is_broken |= event.action == AdAction::Error;
    }

    fn is_over(&self) -> bool {
        self.is_broken || self.seen.is_some_and(|(.., reached)| reached == AdAction::Complete)
    }

    /// The record, once, if it was anybody's ad and anybody saw it.
    fn tell(&mut self, request_id: &RequestId) -> Option<AdSession> {
        let (campaign_id, (started_ms, ended_ms, reached)) = (self.campaign_id.clone()?, self.seen?);
        let is_new = !std::mem::replace(&mut self.is_told, true);
        is_new.then(|| AdSession {
            request_id: request_id.clone(),
            user_id: self.user_id.clone(),
            campaign_id,
            started_ms,
            ended_ms,
            reached,
            is_clicked: self.is_clicked,
            is_broken: self.is_broken,
        })
    }
}

impl Processor<ViewerId, Told, ViewerId, AdSession> for Follow {
    fn process(&mut self, record: &Record<ViewerId, Told>, out: &mut Forward<'_, ViewerId, AdSession>) {
        let (request_id, user_id) = match &record.value {
            Told::Decided(decision) if decision.campaign_id.is_none() => return,
            Told::Decided(decision) => (&decision.request_id, &decision.user_id),
            Told::Happened(event) if self.is_cut_short && event.action > AdAction::Mid => return,
            Told::Happened(event) => (&event.request_id, &event.user_id),
        };
        let (timestamp_ms, mut told) = (record.timestamp_ms, None);
        let change = |ad: &mut Watching| {
            ad.last_ms = ad.last_ms.max(timestamp_ms);
            match &record.value {
                Told::Decided(decision) => ad.campaign_id.clone_from(&decision.campaign_id),
                Told::Happened(event) => ad.add(event),
            }
            if ad.is_over() {
                told = ad.tell(request_id);
            }
        };
        self.ads.borrow_mut().update(request_id, || Watching::new(user_id, timestamp_ms), change);
        if let Some(session) = told {
            out.send(&Record { key: session.user_id.clone(), value: session, timestamp_ms });
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, ViewerId, AdSession>) {
        let before_ms = out.stream_time_ms().saturating_sub(AD_SILENCE_MS);
        loop {
            let expired = self.ads.borrow_mut().pop_expired(before_ms);
            let Some((request_id, mut ad)) = expired else { return };
            if let Some(session) = ad.tell(&request_id) {
                let timestamp_ms = ad.last_ms;
                out.send(&Record { key: session.user_id.clone(), value: session, timestamp_ms });
            }
        }
    }
}
