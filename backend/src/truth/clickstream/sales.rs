//! What was sold by category, recounted from the purchases with the catalogue beside it.

use std::collections::BTreeMap;

use weir_model::Check;

use crate::{
    pipelines::clickstream::{
        ItemId,
        records::{Item, Sales},
    },
    truth::{check, pending},
};

/// What was seen of a run's sales.
#[derive(Debug, Default)]
pub struct SalesCheck {
    run: String,
    categories: BTreeMap<ItemId, String>,
    /// Item and price of each purchase.
    purchases: Vec<(ItemId, i64)>,
    /// By category, the newest.
    published: BTreeMap<String, (u64, i64)>,
}

impl SalesCheck {
    /// Nothing seen yet.
    pub fn new(run: &str) -> Self {
        Self { run: run.to_owned(), ..Self::default() }
    }

    /// A row of the catalogue.
    pub fn item(&mut self, row: Item) {
        if row.run == self.run {
            self.categories.insert(row.item_id, row.category);
        }
    }

    /// Somebody paid.
    pub fn purchase(&mut self, item_id: &str, price_minor: i64) {
        self.purchases.push((item_id.into(), price_minor));
    }

    /// Published sums of a category.
    pub fn published(&mut self, sums: Sales) {
        if sums.run == self.run {
            self.published.insert(sums.category, (sums.purchases, sums.revenue_minor));
        }
    }

    /// `sales_equal_catalogue`: of each category was sold what the purchases and the catalogue say.
    pub fn verdict(&self) -> Check {
        let id = "sales_equal_catalogue";
        if self.purchases.is_empty() {
            return pending(id, "nobody bought anything yet");
        }
        let mut expected = BTreeMap::<&str, (u64, i64)>::new();
        for (item_id, price_minor) in &self.purchases {
            let sums = expected.entry(self.categories.get(item_id).map_or("", String::as_str)).or_default();
            *sums = (sums.0 + 1, sums.1 + price_minor);
        }
        let published: BTreeMap<&str, _> = self.published.iter().map(|(category, sums)| (category.as_str(), *sums)).collect();
        let sum = |of: &BTreeMap<&str, (u64, i64)>| of.values().fold((0, 0), |sums, of| (sums.0 + of.0, sums.1 + of.1));
        let ((told, told_minor), (bought, paid_minor)) = (sum(&published), sum(&expected));
        let mut evidence = format!(
            "{told} of {bought} purchases in {} of {} categories, {told_minor} of {paid_minor} minor units",
            published.len(),
            expected.len()
        );
        let differs = |category: &&&str| published.get(**category) != expected.get(**category);
        if let Some(category) = expected.keys().chain(published.keys()).find(differs) {
            let of = |sums: &BTreeMap<&str, (u64, i64)>| sums.get(category).copied().unwrap_or_default();
            evidence += &format!("; first that differs: {category:?}, {:?}, not {:?}", of(&published), of(&expected));
        }
        check(id, published == expected, evidence)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::CheckVerdict;

    use super::*;

    #[test]
    fn sums_are_those_of_the_purchases() {
        let verdict = |published: &[(&str, u64, i64)]| {
            let mut sales = SalesCheck::new("r");
            for (item_id, category) in [("a", "shoes"), ("b", "bags")] {
                sales.item(Item { run: "r".into(), item_id: item_id.into(), category: category.into(), price_minor: 5 });
            }
            (0..99).for_each(|_| sales.purchase("a", 5));
            sales.purchase("b", 5);
            for (category, purchases, revenue_minor) in published {
                let (run, category) = ("r".to_owned(), (*category).to_owned());
                sales.published(Sales { run, category, purchases: *purchases, revenue_minor: *revenue_minor });
            }
            sales.verdict().verdict
        };
        assert_eq!(verdict(&[("shoes", 99, 495), ("bags", 1, 5)]), CheckVerdict::Pass);
        for (why, published) in [
            ("nothing told", &[][..]),
            ("one not in the catalogue", &[("shoes", 98, 490), ("bags", 1, 5), ("", 1, 5)]),
            ("one missing", &[("shoes", 98, 490), ("bags", 1, 5)]),
            ("one too many", &[("shoes", 100, 500), ("bags", 1, 5)]),
            ("wrong sum", &[("shoes", 99, 490), ("bags", 1, 5)]),
            ("wrong category", &[("shoes", 98, 490), ("bags", 2, 10)]),
            ("no catalogue", &[("", 100, 500)]),
        ] {
            assert_eq!(verdict(published), CheckVerdict::Fail, "{why}");
        }
    }
}
