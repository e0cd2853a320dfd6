//! Bills impressions: each decision at most once, however often its player tells of it, in whatever order both arrive. Tells how each ad was
//! watched, too.

use serde::{Deserialize, Serialize};

use super::sessions::{self, Follow};
use crate::{
    pipelines::media::{
        Options, Sabotage,
        records::{Charge, Spend},
        settings::{AD_DECISIONS, AD_EVENTS, AD_SESSIONS, BILLING_APP, CHARGES, IMPRESSION_MS, SPEND},
    },
    sim::media::{AdAction, AdDecision, AdEvent, CampaignId, RequestId, ViewerId},
    stream::{Forward, Processor, Record, Store, StoreHandle, Topology, TopologyError},
};

/// Decisions and what players tell of ads to charges, what campaigns have spent, and how ads were watched.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let (is_deduplicated, is_cut_short) = (!options.is(Sabotage::BillTwice), options.is(Sabotage::CutAdsShort));
    Topology::new(BILLING_APP, move |builder| {
        let decisions = builder.stream::<ViewerId, AdDecision>(AD_DECISIONS).map_values(|record| Told::Decided(record.value.clone()));
        let events = builder.stream::<ViewerId, AdEvent>(AD_EVENTS).map_values(|record| Told::Happened(record.value.clone()));
        let told = decisions.merge(&events);
        told.process("ad-sessions", sessions::store(), None, move |ads| Follow { ads, is_cut_short }).to(AD_SESSIONS);
        let store = Store::<RequestId, Bid>::expiring(|_, bid| bid.since_ms);
        let billable = told.filter(|record| record.value.is_billable());
        let charges = billable.process("bids", store, None, move |bids| Bill { bids, is_deduplicated });
        let charges = charges.select_key(|record| record.value.campaign_id.clone()).repartition("charges");
        charges.to(CHARGES);
        let spend = charges.group_by_key("spend").aggregate(Spend::default, |record, spend| {
            spend.impressions += 1;
            spend.spent_micros += record.value.price_micros;
        });
        spend.to_stream().to(SPEND);
    })
}

/// What there is to know of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// Which ad is to be shown.
    Decided(AdDecision),
    /// What became of it.
    Happened(AdEvent),
}

impl Told {
    fn is_billable(&self) -> bool {
        match self {
            Self::Decided(_) => true,
            Self::Happened(event) => event.action == AdAction::Start,
        }
    }
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Bid {
    since_ms: i64,
    decided: Option<(CampaignId, i64)>,
    started_ms: Option<i64>,
    is_billed: bool,
}

struct Bill {
    bids: StoreHandle<RequestId, Bid>,
    is_deduplicated: bool,
}

impl Processor<ViewerId, Told, CampaignId, Charge> for Bill {
    fn process(&mut self, record: &Record<ViewerId, Told>, out: &mut Forward<'_, CampaignId, Charge>) {
        let request_id = match &record.value {
            Told::Decided(decision) => decision.request_id.clone(),
            Told::Happened(event) => event.request_id.clone(),
        };
        let (timestamp_ms, is_deduplicated) = (record.timestamp_ms, self.is_deduplicated);
        let mut charge = None;
        self.bids.borrow_mut().update(
            &request_id,
            || Bid { since_ms: timestamp_ms, ..Bid::default() },
            |bid| {
                match &record.value {
                    Told::Decided(decision) if bid.decided.is_none() => {
                        bid.decided = decision.campaign_id.clone().map(|campaign_id| (campaign_id, decision.price_micros));
                    }
                    Told::Decided(_) => {}
                    Told::Happened(event) => bid.started_ms = Some(bid.started_ms.map_or(event.ts, |first| first.min(event.ts))),
                }
                if let (Some((campaign_id, price_micros)), Some(ts), false) =
                    (&bid.decided, bid.started_ms, bid.is_billed && is_deduplicated)
                {
                    bid.is_billed = true;
                    charge =
                        Some(Charge { request_id: request_id.clone(), campaign_id: campaign_id.clone(), price_micros: *price_micros, ts });
                }
            },
        );
        if let Some(charge) = charge {
            out.send(&Record { key: charge.campaign_id.clone(), value: charge, timestamp_ms });
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, CampaignId, Charge>) {
        let before_ms = out.stream_time_ms().saturating_sub(IMPRESSION_MS);
        while self.bids.borrow_mut().pop_expired(before_ms).is_some() {}
    }
}
