//! Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements", 2005): counts of the most frequent of any
//! number of things, in room for a few. A count is never too low, and too high by its error at most; what is not kept is no more frequent
//! than the least of what is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SpaceSaving {
    room: usize,
    /// Count and error.
    counts: BTreeMap<String, (u64, u64)>,
}

impl SpaceSaving {
    /// Goes on from exact counts, of which the highest are kept.
    pub(super) fn of(exact: impl IntoIterator<Item = (String, u64)>, room: usize) -> Self {
        let mut exact: Vec<_> = exact.into_iter().collect();
        exact.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        exact.truncate(room);
        Self { room, counts: exact.into_iter().map(|(name, count)| (name, (count, 0))).collect() }
    }

    /// One more.
    pub(super) fn add(&mut self, name: &str) {
        if let Some((count, _)) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        let mut least = 0;
        if self.counts.len() >= self.room
            && let Some((name, count)) =
                self.counts.iter().min_by_key(|(_, (count, _))| *count).map(|(name, (count, _))| (name.clone(), *count))
        {
            self.counts.remove(&name);
            least = count;
        }
        self.counts.insert(name.to_owned(), (least + 1, least));
    }

    /// What is not kept was counted no more often than this.
    pub(super) fn least(&self) -> u64 {
        if self.counts.len() < self.room { 0 } else { self.counts.values().map(|(count, _)| *count).min().unwrap_or(0) }
    }

    /// What is kept, with count and error.
    pub(super) fn into_counts(self) -> impl Iterator<Item = (String, (u64, u64))> {
        self.counts.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Random, Zipf};

    #[test]
    fn counts_lie_within_their_bounds() {
        const SEED: u64 = 3;
        println!("seed {SEED}");
        let (mut random, wanted) = (Random::new(SEED), Zipf::new(2_000, 1.0));
        let mut truth = BTreeMap::<String, u64>::new();
        let mut draw = |truth: &mut BTreeMap<String, u64>| {
            let name = format!("/{}", wanted.draw(&mut random));
            *truth.entry(name.clone()).or_default() += 1;
            name
        };
        (0..2_000).for_each(|_| drop(draw(&mut truth)));
        let mut sketch = SpaceSaving::of(truth.clone(), 100);
        (0..10_000).for_each(|_| sketch.add(&draw(&mut truth)));
        let least = sketch.least();
        let kept: BTreeMap<_, _> = sketch.into_counts().collect();
        assert_eq!(kept.len(), 100);
        for (name, count) in &truth {
            match kept.get(name) {
                Some((most, error)) => assert!((most - error..=*most).contains(count), "{name}: {count}, not {most} less {error}"),
                None => assert!(*count <= least, "{name}: {count} of at most {least}"),
            }
        }
        assert!(kept["/0"].1 == 0 && least < truth["/0"] / 10, "the most frequent one is known exactly");
    }

    #[test]
    fn what_fits_is_exact() {
        let mut sketch = SpaceSaving::of([("a".to_owned(), 2)], 3);
        ["a", "b", "c"].iter().for_each(|name| sketch.add(name));
        assert_eq!(sketch.least(), 1);
        assert_eq!(sketch.into_counts().collect::<Vec<_>>(), [("a".into(), (3, 0)), ("b".into(), (1, 0)), ("c".into(), (1, 0))]);
    }
}
