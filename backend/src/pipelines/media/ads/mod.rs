//! Ads: decided from local state within a task, under frequency caps and budgets; impressions billed exactly once.
//!
//! Caps belong to users and budgets to campaigns, which are other partitions. So a budget is lent: each deciding partition asks for
//! leases ahead of need, one task per campaign grants them while there is budget left, no faster than its plan allows, and a decision
//! spends only what its partition holds. All figures of leases are cumulative, so that a repeated message changes nothing.

mod billing;
mod decide;
mod lease;
pub(super) mod pacing;
mod queue;
mod sessions;

pub use billing::topology as billing_topology;

use super::{
    Options, Sabotage,
    records::{LeaseBook, LeaseRequest},
    settings::{AD_DECISIONS, AD_REQUESTS, ADS_APP, ALERTS, CAMPAIGNS, LEASE_REQUESTS, LEASES},
};
use crate::{
    sim::media::{AdRequest, Campaign, CampaignId, ViewerId},
    stream::{Store, Topology, TopologyError},
};
use decide::{Asked, Decide, Decided, Kept};
use lease::Lent;

/// Requests to decisions.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let options = options.clone();
    Topology::new(ADS_APP, move |builder| {
        let options = options.clone();
        let campaigns = builder.global_table::<CampaignId, Campaign>(CAMPAIGNS, "campaigns");
        let leases = builder.global_table::<CampaignId, LeaseBook>(LEASES, "leases");
        let requests = builder.stream::<ViewerId, AdRequest>(AD_REQUESTS);
        let requests = requests.process("queue", queue::store(), None, |waiting| queue::Queue { waiting });
        let of = options.clone();
        let offered = requests.join_whole(&campaigns, move |record, campaigns| Asked::new(&record.value, campaigns, &of));
        let asked = offered.join_whole(&leases, |record, leases| record.value.clone().with(leases));
        let decided =
            asked.process("caps", Store::<String, Kept>::expiring(|_, kept| kept.until_ms), None, |kept| Decide { kept, options });
        decided.flat_map_values(|record| if let Decided::Ad(ad) = &record.value { Some(ad.clone()) } else { None }).to(AD_DECISIONS);
        decided
            .flat_map_values(|record| if let Decided::Lease(lease) = &record.value { Some(lease.clone()) } else { None })
            .to(LEASE_REQUESTS);
    })
}

/// Lease requests to leases: one task per campaign.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn lease_topology(options: &Options) -> Result<Topology, TopologyError> {
    let is_hasty = options.is(Sabotage::LendAtOnce);
    Topology::new(super::settings::BUDGET_APP, move |builder| {
        let requests = builder.stream::<CampaignId, LeaseRequest>(LEASE_REQUESTS);
        let books = requests.process("books", Store::<CampaignId, LeaseBook>::new(), None, move |books| lease::Lend { books, is_hasty });
        books.flat_map_values(|record| if let Lent::Book(book) = &record.value { Some(book.clone()) } else { None }).to(LEASES);
        books.flat_map_values(|record| if let Lent::Alert(alert) = &record.value { Some(alert.clone()) } else { None }).to(ALERTS);
    })
}
