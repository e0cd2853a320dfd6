//! Lends budgets, no more of each than its plan allows by then.

use std::borrow::Cow;

use super::pacing::planned_micros;
use crate::{
    pipelines::media::{
        alerts::{self, Alert},
        records::{LeaseBook, LeaseRequest},
    },
    sim::media::CampaignId,
    stream::{Forward, Processor, Record, StoreHandle},
};

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lent {
    Book(LeaseBook),
    Alert(Alert),
}

pub(super) struct Lend {
    pub(super) books: StoreHandle<CampaignId, LeaseBook>,
    /// Sabotage: plans are not looked at.
    pub(super) is_hasty: bool,
}

impl Processor<CampaignId, LeaseRequest, CampaignId, Lent> for Lend {
    fn process(&mut self, record: &Record<CampaignId, LeaseRequest>, out: &mut Forward<'_, CampaignId, Lent>) {
        let request = &record.value;
        let mut book = self.books.borrow().get(&record.key).map(Cow::into_owned).unwrap_or_default();
        let was_spent = book.is_spent();
        book.grant(request, record.timestamp_ms, self.is_hasty);
        if book.is_spent() && !was_spent {
            out.send(&record.with_value(Lent::Alert(alerts::of_budget(&record.key, &book, record.timestamp_ms))));
        }
        self.books.borrow_mut().put(record.key.clone(), book.clone());
        out.send(&record.with_value(Lent::Book(book)));
    }
}

impl LeaseBook {
    /// Whether nothing is left to lend.
    pub(super) fn is_spent(&self) -> bool {
        self.budget_micros > 0 && self.granted_micros.values().sum::<i64>() >= self.budget_micros
    }

    /// Grants what is asked for, as far as there is budget and the plan allows it by now.
    fn grant(&mut self, request: &LeaseRequest, now_ms: i64, is_hasty: bool) {
        // A budget can be raised; one that is lowered takes nothing back that was lent.
        self.budget_micros = request.budget_micros;
        // Partitions tell their time apart: the newest counts.
        self.as_of_ms = self.as_of_ms.max(now_ms);
        self.planned_micros = planned_micros(request.budget_micros, (request.from_ms, request.flight_ms), self.as_of_ms);
        let allowed = if is_hasty { self.budget_micros } else { self.planned_micros };
        let left = allowed - self.granted_micros.values().sum::<i64>();
        let granted = self.granted_micros.entry(request.holder).or_default();
        *granted += (request.want_micros - *granted).clamp(0, left.max(0));
    }
}
