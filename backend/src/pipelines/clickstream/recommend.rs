//! Items that go together: what visitors looked at after an item, each look counting half as much for every hour that passes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    records::{Pair, Recommended},
    sabotage::Sabotage,
    settings::{PAIRS, RECOMMENDATIONS, RECOMMENDED, RECOMMENDED_EVERY_MS, RECOMMENDER_APP},
    topology::Options,
};
use crate::stream::{Forward, Processor, Record, Store, StoreHandle, Topology, TopologyError};

/// A look counts half after this long.
const HALF_LIFE_MS: f64 = 3_600_000.0;
/// Items remembered for an item; the least of more is forgotten.
const NEIGHBOURS_MAX: usize = 100;

/// The application. Keyed by item, so that each item's neighbours are counted in one place.
pub(super) fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let is_itself = options.sabotage == Some(Sabotage::RecommendItself);
    Topology::new(RECOMMENDER_APP, move |builder| {
        let pairs = builder.stream::<String, Pair>(PAIRS);
        pairs.process("neighbours", Store::new(), None, |store| Recommender { store, is_itself }).to(RECOMMENDED);
    })
}

/// What is known of an item.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Neighbours {
    run: String,
    /// Scores as they were at `at`.
    scores: BTreeMap<String, f64>,
    at: i64,
    told: Vec<String>,
    told_at: Option<i64>,
}

struct Recommender {
    store: StoreHandle<String, Neighbours>,
    /// Sabotage: an item goes with itself.
    is_itself: bool,
}

impl Processor<String, Pair, String, Recommended> for Recommender {
    fn process(&mut self, record: &Record<String, Pair>, out: &mut Forward<'_, String, Recommended>) {
        let (pair, mut news) = (&record.value, None);
        self.store.borrow_mut().update(&record.key, Neighbours::default, |known| {
            if known.run != pair.run {
                *known = Neighbours { run: pair.run.clone(), ..Neighbours::default() };
            }
            known.add(pair);
            let best = if self.is_itself { vec![record.key.clone(); RECOMMENDATIONS] } else { known.best() };
            let is_due = known.told_at.is_none_or(|told_at| known.at >= told_at + RECOMMENDED_EVERY_MS);
            if is_due && best != known.told {
                known.told.clone_from(&best);
                known.told_at = Some(known.at);
                news = Some(Recommended { run: pair.run.clone(), item_id: record.key.clone(), items: best, at: known.at });
            }
        });
        if let Some(recommended) = news {
            out.send(&record.with_value(recommended));
        }
    }
}

impl Neighbours {
    fn add(&mut self, pair: &Pair) {
        let half_lives = |ms: i64| ms as f64 / HALF_LIFE_MS;
        if pair.at > self.at {
            let faded = (-half_lives(pair.at - self.at)).exp2();
            self.scores.values_mut().for_each(|score| *score *= faded);
            self.at = pair.at;
        }
        // A late look has faded already.
        *self.scores.entry(pair.to.clone()).or_default() += (-half_lives(self.at - pair.at)).exp2();
        if self.scores.len() > NEIGHBOURS_MAX
            && let Some(least) = self.scores.iter().min_by(|a, b| a.1.total_cmp(b.1)).map(|(item, _)| item.clone())
        {
            self.scores.remove(&least);
        }
    }

    fn best(&self) -> Vec<String> {
        let mut ranked: Vec<_> = self.scores.iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
        ranked.into_iter().take(RECOMMENDATIONS).map(|(item, _)| item.clone()).collect()
    }
}
