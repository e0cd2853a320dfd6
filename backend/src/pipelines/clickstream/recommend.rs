//! What users may like: what visitors looked at after the item that a user looks at, each look counting half as much for every hour that
//! passes. The recommender learns that by item; the main application tells each user, with all of it beside the events.
//!
//! Counted in one stage, other than the most viewed [pages](super::pages): it is one item that must know all that goes with it, and an item
//! gets no hotter than people make it. What everybody opens is no pair but for who looked at something else before; an account that everybody
//! uses takes items evenly, and once it is found to be no person its looks make no pairs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ids::{ItemId, UserId},
    records::{Event, Pair, Recommended, Related},
    sabotage::Sabotage,
    settings::{PAIRS, RECOMMENDATIONS, RECOMMENDER_APP, RELATED, RELATED_EVERY_MS},
    topology::Options,
};
use crate::{
    sim::clickstream::Action,
    stream::{Forward, GlobalTable, Processor, Record, Store, StoreHandle, Stream, Topology, TopologyError},
};

/// A look counts half after this long.
const HALF_LIFE_MS: f64 = 3_600_000.0;
/// Items remembered for an item; the least of more is forgotten.
const NEIGHBOURS_MAX: usize = 100;

/// The application. Keyed by item, so that each item's neighbours are counted in one place.
pub(super) fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let is_itself = options.sabotage == Some(Sabotage::RecommendItself);
    Topology::new(RECOMMENDER_APP, move |builder| {
        let pairs = builder.stream::<ItemId, Pair>(PAIRS);
        pairs.process("neighbours", Store::new(), None, |store| Recommender { store, is_itself }).to(RELATED);
    })
}

/// What each user who looks at an item is recommended, where it is known what goes with that.
pub(super) fn for_users(events: &Stream<UserId, Event>, related: &GlobalTable<ItemId, Related>) -> Stream<UserId, Recommended> {
    let looks = events.filter(|record| item_of(&record.value).is_some());
    let known = looks.join_global(
        related,
        |record| item_of(&record.value).unwrap_or_default().into(),
        |record, related| recommended(&record.value, related?),
    );
    known.flat_map_values(|record| record.value.clone())
}

/// The item that is looked at.
fn item_of(event: &Event) -> Option<&str> {
    let Event::Activity(activity) = event else { return None };
    (activity.action_type == Action::View && !activity.item_id.is_empty()).then_some(&*activity.item_id)
}

fn recommended(event: &Event, related: &Related) -> Option<Recommended> {
    let Event::Activity(activity) = event else { return None };
    Some(Recommended {
        run: related.run.clone(),
        user_id: (&*activity.user_id).into(),
        item_id: related.item_id.clone(),
        items: related.items.clone(),
        at: activity.timestamp,
    })
}

/// What is known of an item.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Neighbours {
    run: String,
    /// Scores as they were at `at`.
    scores: BTreeMap<ItemId, f64>,
    at: i64,
    told: Vec<ItemId>,
    told_at: Option<i64>,
}

struct Recommender {
    store: StoreHandle<ItemId, Neighbours>,
    /// Sabotage: an item goes with itself.
    is_itself: bool,
}

impl Processor<ItemId, Pair, ItemId, Related> for Recommender {
    fn process(&mut self, record: &Record<ItemId, Pair>, out: &mut Forward<'_, ItemId, Related>) {
        let (pair, mut news) = (&record.value, None);
        self.store.borrow_mut().update(&record.key, Neighbours::default, |known| {
            if known.run != pair.run {
                *known = Neighbours { run: pair.run.clone(), ..Neighbours::default() };
            }
            known.add(pair);
            let best = if self.is_itself { vec![record.key.clone(); RECOMMENDATIONS] } else { known.best() };
            let is_due = known.told_at.is_none_or(|told_at| known.at >= told_at + RELATED_EVERY_MS);
            if is_due && best != known.told {
                known.told.clone_from(&best);
                known.told_at = Some(known.at);
                news = Some(Related { run: pair.run.clone(), item_id: record.key.clone(), items: best, at: known.at });
            }
        });
        if let Some(related) = news {
            out.send(&record.with_value(related));
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

    fn best(&self) -> Vec<ItemId> {
        let mut ranked: Vec<_> = self.scores.iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
        ranked.into_iter().take(RECOMMENDATIONS).map(|(item, _)| item.clone()).collect()
    }
}
