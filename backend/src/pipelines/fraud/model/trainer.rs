//! Learns: keeps labelled payments, publishes a new model when there is enough new to learn, and the online one as it goes on.
//!
//! A fraud may be known within hours, that a payment was honest is known only when nobody has said otherwise for as long as labels take. Who
//! learns from both as they come takes the last week for one of frauds. So what is known early waits until all of its time is known.

use std::collections::BTreeMap;

use super::{BoostParams, Model, Online, online::Learner, train};
use crate::{
    pipelines::fraud::{
        ids::TransactionId,
        records::Example,
        settings::{CHAMPION, HONEST_SAMPLE, LABEL_DELAY_MS, LABEL_SLACK_MS, ONLINE},
    },
    stream::{Forward, Processor, Record, Store, StoreHandle},
};
use serde::{Deserialize, Serialize};

/// When and from what to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainerParams {
    /// How trees are grown.
    pub boost: BoostParams,
    /// Examples kept; the oldest go first.
    pub examples_max: usize,
    /// A first model needs so many examples …
    pub examples_min: usize,
    /// … and so many frauds.
    pub frauds_min: usize,
    /// A next one needs so many new examples …
    pub new_examples_min: usize,
    /// … and so much stream time since.
    pub interval_ms: i64,
}

impl Default for TrainerParams {
    fn default() -> Self {
        Self {
            boost: BoostParams { honest_weight: HONEST_SAMPLE as f64, ..BoostParams::default() },
            examples_max: 60_000,
            examples_min: 500,
            frauds_min: 20,
            new_examples_min: 1_000,
            interval_ms: 86_400_000,
        }
    }
}

/// Examples between two versions of the online model.
const ONLINE_EVERY: u64 = 100;

/// What was learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::pipelines::fraud) enum Learnt {
    /// Trees.
    Model(Model),
    /// The model that learns from each example.
    Online(Online),
}

pub(in crate::pipelines::fraud) struct Trainer {
    examples: StoreHandle<TransactionId, Example>,
    params: TrainerParams,
    /// Learns anew from the examples that are kept after a restart.
    online: Option<Learner>,
    /// What is known early, by when it was made; among the examples as well.
    early: BTreeMap<(i64, TransactionId), Example>,
    online_examples: u64,
    new_examples: usize,
    trained_ms: Option<i64>,
    version: u64,
}

impl Trainer {
    pub(in crate::pipelines::fraud) const STORE: &str = "examples";

    /// Examples by when their payments were made.
    pub(in crate::pipelines::fraud) fn store() -> Store<TransactionId, Example> {
        Store::expiring(|_, example| example.ts)
    }

    pub(in crate::pipelines::fraud) fn new(examples: StoreHandle<TransactionId, Example>, params: TrainerParams) -> Self {
        Self { examples, params, online: None, early: BTreeMap::new(), online_examples: 0, new_examples: 0, trained_ms: None, version: 0 }
    }

    /// Learns what was made by `known_ms`; after a restart, of all that is kept.
    fn learn_online(&mut self, record: &Record<TransactionId, Example>, known_ms: i64, out: &mut Forward<'_, String, Learnt>) {
        let learner = self.online.get_or_insert_with(|| {
            let kept = self.examples.borrow();
            self.early = kept.iter().map(|(id, example)| ((example.ts, id.into_owned()), example.into_owned())).collect();
            Learner::new(self.params.boost.honest_weight)
        });
        self.early.insert((record.value.ts, record.key.clone()), record.value.clone());
        if self.early.len() > self.params.examples_max {
            self.early.pop_first();
        }
        let before = self.online_examples;
        while let Some(first) = self.early.first_entry().filter(|first| first.key().0 <= known_ms) {
            learner.learn(&first.remove());
            self.online_examples += 1;
        }
        self.new_examples += usize::try_from(self.online_examples - before).unwrap_or(usize::MAX);
        if self.online_examples / ONLINE_EVERY > before / ONLINE_EVERY
            && let Some(model) = learner.model()
        {
            out.send(&Record { key: ONLINE.to_owned(), value: Learnt::Online(model), timestamp_ms: out.stream_time_ms() });
        }
    }

    fn is_due(&self, now_ms: i64, known_ms: i64) -> bool {
        let Some(trained_ms) = self.trained_ms else {
            let examples = self.examples.borrow();
            // Asked with every example until there are enough: what is kept is counted first, which costs nothing.
            let known = || examples.iter().filter(|(_, example)| example.ts <= known_ms);
            return crate::stream::StateStore::len(&*examples) >= self.params.examples_min
                && known().count() >= self.params.examples_min
                && known().filter(|(_, example)| example.is_fraud).count() >= self.params.frauds_min;
        };
        self.new_examples >= self.params.new_examples_min && now_ms - trained_ms >= self.params.interval_ms
    }
}

impl Processor<TransactionId, Example, String, Learnt> for Trainer {
    fn process(&mut self, record: &Record<TransactionId, Example>, out: &mut Forward<'_, String, Learnt>) {
        let now_ms = out.stream_time_ms();
        let known_ms = now_ms - LABEL_DELAY_MS - LABEL_SLACK_MS;
        {
            let mut examples = self.examples.borrow_mut();
            examples.put(record.key.clone(), record.value.clone());
            while crate::stream::StateStore::len(&*examples) > self.params.examples_max && examples.pop_expired(i64::MAX).is_some() {}
        }
        self.learn_online(record, known_ms, out);
        if !self.is_due(now_ms, known_ms) {
            return;
        }
        // Versions are times, so that they count up after a restart too.
        self.version = (self.version + 1).max(now_ms.unsigned_abs());
        (self.new_examples, self.trained_ms) = (0, Some(now_ms));
        let examples = self.examples.borrow();
        let examples: Vec<_> = examples.iter().map(|(_, example)| example).filter(|example| example.ts <= known_ms).collect();
        let examples: Vec<_> = examples.iter().map(|example| &**example).collect();
        if let Ok(model) = Model::new(train(&examples, &self.params.boost, self.version)) {
            out.send(&Record { key: CHAMPION.to_owned(), value: Learnt::Model(model), timestamp_ms: now_ms });
        }
    }
}
