//! Lends budgets.

use crate::{
    pipelines::media::records::{LeaseBook, LeaseRequest},
    stream::{Forward, Processor, Record, StoreHandle},
};

pub(super) struct Lend {
    pub(super) books: StoreHandle<String, LeaseBook>,
}

impl Processor<String, LeaseRequest, String, LeaseBook> for Lend {
    fn process(&mut self, record: &Record<String, LeaseRequest>, out: &mut Forward<'_, String, LeaseBook>) {
        let request = &record.value;
        let mut book = self.books.borrow().get(&record.key).cloned().unwrap_or_default();
        book.grant(request);
        self.books.borrow_mut().put(record.key.clone(), book.clone());
        out.send(&record.with_value(book));
    }
}

impl LeaseBook {
    /// Grants what is asked for, as far as there is budget.
    fn grant(&mut self, request: &LeaseRequest) {
        // A budget can be raised; one that is lowered takes nothing back that was lent.
        self.budget_micros = request.budget_micros;
        let left = self.budget_micros - self.granted_micros.values().sum::<i64>();
        let granted = self.granted_micros.entry(request.holder).or_default();
        *granted += (request.want_micros - *granted).clamp(0, left.max(0));
    }
}
