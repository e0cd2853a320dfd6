//! What is sold, by category: purchases joined with the catalogue, which every task has whole, then counted where all of a category meet.
//!
//! In one stage: there are few categories, but only purchases come here, one of a visit's events at most, and neither robots nor an account
//! that everybody uses buy anything. Where it is views that are counted, it takes two stages, as [pages](super::pages) have it.

use super::{
    ids::{ItemId, UserId},
    records::{Item, Purchase, Sales},
    settings::{ITEMS, SALES},
};
use crate::stream::{Stream, StreamsBuilder};

/// Adds it to an application. `forgets_catalogue` breaks it on purpose.
pub(super) fn by_category(builder: &StreamsBuilder, purchases: &Stream<UserId, Purchase>, forgets_catalogue: bool) {
    let items = builder.global_table::<ItemId, Item>(ITEMS, "items");
    let sold = purchases.join_global(
        &items,
        |record| record.value.item_id.clone(),
        move |record, item| sold(&record.value, item.filter(|_| !forgets_catalogue)),
    );
    let by_category = sold.group_by("sales", |record| record.value.category.clone());
    let sums = by_category.aggregate(Sales::default, |record, sums| sums.add(&record.value));
    sums.to_stream().to(SALES);
}

/// One purchase as sales of its category. The catalogue of another run says nothing of this one's items.
fn sold(purchase: &Purchase, item: Option<&Item>) -> Sales {
    let category = item.filter(|item| item.run == purchase.run).map(|item| item.category.clone()).unwrap_or_default();
    Sales { run: purchase.run.clone(), category, purchases: 1, revenue_minor: purchase.revenue_minor }
}

impl Sales {
    /// Adds sales of the same category; another run begins anew.
    fn add(&mut self, more: &Self) {
        if self.run != more.run {
            *self = Self { run: more.run.clone(), category: more.category.clone(), ..Self::default() };
        }
        self.purchases += more.purchases;
        self.revenue_minor = self.revenue_minor.saturating_add(more.revenue_minor);
    }
}
