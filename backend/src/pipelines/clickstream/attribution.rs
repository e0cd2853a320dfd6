//! Which advertisement gets a purchase: the last one that its user followed within the hour before. Purchases joined with clicks, then
//! the latest click of each purchase; a later click that arrives late replaces the earlier one, under the same key.

use serde::{Deserialize, Serialize};

use super::{
    ids::{ClickId, UserId},
    offers,
    records::{AdClick, Attribution, Purchase},
    sabotage::Sabotage,
    sales,
    settings::{AD_CLICKS, ATTRIBUTION, ATTRIBUTION_APP, ATTRIBUTION_GRACE_MS, ATTRIBUTION_MS, PURCHASES},
    topology::Options,
};
use crate::stream::{Forward, JoinWindows, Processor, Record, Store, StoreHandle, Topology, TopologyError};

/// The application: everything that is made of purchases.
pub(super) fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let is_first = options.sabotage == Some(Sabotage::FirstTouch);
    let forgets_catalogue = options.sabotage == Some(Sabotage::ForgetCatalogue);
    let offer_ms = if options.sabotage == Some(Sabotage::ForgetOffers) { 0 } else { options.windows.offer_ms() };
    Topology::new(ATTRIBUTION_APP, move |builder| {
        let purchases = builder.stream::<UserId, Purchase>(PURCHASES);
        let clicks = builder.stream::<UserId, AdClick>(AD_CLICKS);
        let windows = JoinWindows { before_ms: ATTRIBUTION_MS, after_ms: 0, grace_ms: ATTRIBUTION_GRACE_MS };
        let pairs = purchases.join(&clicks, windows, "touch", |_, purchase, click| attribution(purchase, click));
        pairs.process("last-touch", store(), None, |store| LastTouch { store, is_first }).to(ATTRIBUTION);
        offers::taken(builder, &purchases, offer_ms);
        sales::by_category(builder, &purchases, forgets_catalogue);
    })
}

fn attribution(purchase: &Purchase, click: &AdClick) -> Attribution {
    Attribution {
        run: purchase.run.clone(),
        purchase_id: purchase.purchase_id.clone(),
        user_id: purchase.user_id.clone(),
        campaign: click.campaign.clone(),
        click_id: click.click_id.clone(),
        click_at: click.at,
        purchase_at: purchase.at,
        revenue_minor: purchase.revenue_minor,
    }
}

/// The best click of a purchase so far.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Best {
    click_at: i64,
    click_id: ClickId,
    purchase_at: i64,
}

/// By run and purchase. One is forgotten once no click can come for it any more.
fn store() -> Store<String, Best> {
    Store::expiring(|_, best: &Best| best.purchase_at + ATTRIBUTION_MS + ATTRIBUTION_GRACE_MS)
}

struct LastTouch {
    store: StoreHandle<String, Best>,
    /// Sabotage: the first one wins.
    is_first: bool,
}

impl Processor<UserId, Attribution, UserId, Attribution> for LastTouch {
    fn process(&mut self, record: &Record<UserId, Attribution>, out: &mut Forward<'_, UserId, Attribution>) {
        let Attribution { purchase_id, click_id, click_at, purchase_at, run, .. } = &record.value;
        let key = format!("{run} {purchase_id}");
        let best = Best { click_at: *click_at, click_id: click_id.clone(), purchase_at: *purchase_at };
        if *purchase_at + ATTRIBUTION_MS + ATTRIBUTION_GRACE_MS < out.stream_time_ms() {
            out.count_late(); // its better click may be forgotten
            return;
        }
        let is_better = self.store.borrow().get(&key).is_none_or(|known| if self.is_first { best < *known } else { best > *known });
        if is_better {
            self.store.borrow_mut().put(key, best);
            out.send(record);
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, UserId, Attribution>) {
        while self.store.borrow_mut().pop_expired(out.stream_time_ms()).is_some() {}
    }
}
