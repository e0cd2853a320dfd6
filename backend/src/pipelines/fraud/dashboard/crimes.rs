//! Crimes and what became of them: what the world knows of payments meets what was decided, whichever is read first.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    pipelines::fraud::{
        ids::hash_of,
        records::{Action, Decision},
    },
    sim::fraud::{Scenario, Truth},
    truth::fraud::{Delay, Delays, victim},
};

/// Decisions whose truth may still be read, and frauds whose decision may; the oldest are given up.
const WAITING_MAX: usize = 50_000;

/// Frauds and decisions on their way to each other, and how soon crimes were stopped.
#[derive(Debug, Default)]
pub(super) struct Crimes {
    /// Frauds without a decision, by a hash of the payment's id.
    frauds: HashMap<u64, (Scenario, u64, i64)>,
    /// Where newly decided payments were made and whether they were stopped, oldest first in the queue.
    decided: HashMap<u64, (u64, bool)>,
    order: VecDeque<u64>,
    delays: Delays,
}

impl Crimes {
    /// What the world knows of a payment; only frauds count.
    pub(super) fn truth(&mut self, truth: &Truth) {
        let Some(kind) = truth.scenario else { return };
        let (payment, card) = (hash_of(&truth.transaction_id), hash_of(&truth.account_id));
        match self.decided.get(&payment) {
            Some((terminal, is_stopped)) => self.delays.add(kind, victim(kind, card, *terminal), truth.ts, *is_stopped),
            None if self.frauds.len() >= WAITING_MAX => {}
            None => {
                self.frauds.insert(payment, (kind, card, truth.ts));
            }
        }
    }

    /// What was decided.
    pub(super) fn decision(&mut self, decision: &Decision) {
        let (payment, is_stopped) = (decision.transaction_id.hash(), decision.action > Action::Allow);
        let terminal = decision.terminal_id.hash();
        if let Some((kind, card, ts)) = self.frauds.remove(&payment) {
            self.delays.add(kind, victim(kind, card, terminal), ts, is_stopped);
            return;
        }
        if self.decided.insert(payment, (terminal, is_stopped)).is_none() {
            self.order.push_back(payment);
        }
        if self.order.len() > WAITING_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.decided.remove(&oldest);
        }
    }

    /// The figures of each kind of crime there was.
    pub(super) fn by_kind(&self) -> BTreeMap<Scenario, Delay> {
        self.delays.by_kind()
    }
}
