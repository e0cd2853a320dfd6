//! Both applications in memory over one partition of each topic, in the order of event time: for measuring scores and for tests. The
//! operators are those of a run; only the broker is missing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::Serialize;

use super::{
    TransactionId,
    ids::AccountId,
    model::TrainerParams,
    records::{Label, LabelSource, Transaction},
    rules::RuleText,
    settings::{CHARGEBACKS, RULES, TRANSACTIONS},
    topology::{DetectorParams, detector, trainer},
};
use crate::{
    sim::fraud::PaymentEvent,
    stream::{Dropped, InputRecord, Key, Malformed, Publish, StreamTask, TaskError, Topology, TopologyError},
};

/// Inputs between two commits.
const COMMIT_INPUTS: u32 = 500;

/// The applications at work.
pub struct Replay {
    tasks: Vec<StreamTask>,
    /// Which tasks read a topic.
    readers: BTreeMap<Arc<str>, Vec<usize>>,
    offsets: BTreeMap<Arc<str>, i64>,
    inputs: u32,
}

/// Why a replay can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A topology is wrong.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// A task failed.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A record can't be written.
    #[error(transparent)]
    Record(#[from] Malformed),
}

impl Replay {
    /// Everything empty.
    ///
    /// # Errors
    /// When a topology is wrong.
    pub fn new(params: DetectorParams, learning: TrainerParams) -> Result<Self, ReplayError> {
        let mut replay = Self { tasks: Vec::new(), readers: BTreeMap::new(), offsets: BTreeMap::new(), inputs: 0 };
        for topology in [detector(params)?, trainer(learning)?] {
            replay.add(&topology);
        }
        Ok(replay)
    }

    fn add(&mut self, topology: &Topology) {
        let description = topology.description();
        for (at, part) in description.subtopologies.iter().enumerate() {
            for topic in part.source_topics.iter().chain(&description.global_topics) {
                self.readers.entry(Arc::clone(topic)).or_default().push(self.tasks.len());
            }
            self.tasks.push(StreamTask::new(topology, at));
        }
    }

    /// A payment is made.
    ///
    /// # Errors
    /// When a task fails.
    pub fn payment(&mut self, event: &PaymentEvent, out: &mut dyn FnMut(&Publish)) -> Result<(), ReplayError> {
        let transaction = transaction(event);
        self.pipe(TRANSACTIONS, &transaction.account_id.clone(), Some(&transaction), event.ts_ms, out)
    }

    /// A fraud becomes known.
    ///
    /// # Errors
    /// When a task fails.
    pub fn chargeback(&mut self, event: &PaymentEvent, at_ms: i64, out: &mut dyn FnMut(&Publish)) -> Result<(), ReplayError> {
        let label = chargeback(event);
        self.pipe(CHARGEBACKS, &label.transaction_id.clone(), Some(&label), at_ms, out)
    }

    /// A rule is published, or taken back.
    ///
    /// # Errors
    /// When a task fails.
    pub fn rule(&mut self, rule_id: &str, rule: Option<&RuleText>, at_ms: i64, out: &mut dyn FnMut(&Publish)) -> Result<(), ReplayError> {
        self.pipe(RULES, &rule_id.to_owned(), rule, at_ms, out)
    }

    /// Writes a record to a topic and runs until nothing is left to do; `out` sees everything published.
    ///
    /// # Errors
    /// When a task fails.
    pub fn pipe<K: Key, V: Serialize>(
        &mut self,
        topic: &str,
        key: &K,
        value: Option<&V>,
        timestamp_ms: i64,
        out: &mut dyn FnMut(&Publish),
    ) -> Result<(), ReplayError> {
        let value = value.map(serde_json::to_vec).transpose();
        let value = value.map_err(|error| Malformed(format!("the value can't be written as JSON: {error}")))?;
        let first = Publish { topic: topic.into(), key: Some(key.to_bytes()), value, timestamp_ms, headers: Vec::new() };
        self.run(first, out)?;
        self.inputs += 1;
        if self.inputs.is_multiple_of(COMMIT_INPUTS) {
            self.tasks.iter_mut().for_each(StreamTask::commit);
        }
        Ok(())
    }

    fn run(&mut self, first: Publish, out: &mut dyn FnMut(&Publish)) -> Result<(), ReplayError> {
        let mut waiting = VecDeque::from([first]);
        while let Some(Publish { topic, key, value, timestamp_ms, .. }) = waiting.pop_front() {
            let Some(readers) = self.readers.get(&topic) else { continue };
            let next = self.offsets.entry(Arc::clone(&topic)).or_default();
            let record = InputRecord { topic, partition: 0, offset: *next, timestamp_ms, key, value, trace_id: None };
            *next += 1;
            for reader in readers {
                self.tasks[*reader].process(&record)?;
                for published in self.tasks[*reader].take_published() {
                    out(&published);
                    waiting.push_back(published);
                }
            }
        }
        Ok(())
    }

    /// Records without effect so far, over all tasks.
    pub fn dropped(&self) -> Dropped {
        self.tasks.iter().map(StreamTask::dropped).sum()
    }
}

/// A payment of the world as it stands in the topic.
pub fn transaction(event: &PaymentEvent) -> Transaction {
    Transaction {
        transaction_id: TransactionId(event.transaction_id.clone()),
        account_id: AccountId(event.account_id.clone()),
        terminal_id: event.terminal_id.as_str().into(),
        ts: event.ts_ms,
        amount_minor: event.amount_minor,
        ccy: "EUR".to_owned(),
        channel: if event.is_online { "online" } else { "pos" }.to_owned(),
        country: event.country.to_owned(),
        lat: Some(event.place.0),
        lon: Some(event.place.1),
        device_id: event.device_id.as_str().into(),
        ip: event.ip.clone(),
        card_id: event.card_id.as_str().into(),
        user_id: event.user_id.as_str().into(),
        merchant_id: event.merchant_id.as_str().into(),
        mcc: event.mcc.to_owned(),
    }
}

/// The chargeback of a payment as it stands in the topic.
pub fn chargeback(event: &PaymentEvent) -> Label {
    Label {
        transaction_id: TransactionId(event.transaction_id.clone()),
        account_id: AccountId(event.account_id.clone()),
        terminal_id: event.terminal_id.as_str().into(),
        ts: event.ts_ms,
        amount_minor: event.amount_minor,
        is_fraud: true,
        source: LabelSource::Chargeback,
    }
}
