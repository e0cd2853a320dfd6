//! Entries at hand that are on disk too: those used last, up to so many bytes.

use std::collections::BTreeMap;

/// What an entry costs beside its bytes: a node's share in the map and what its parts are wrapped in.
const OVERHEAD_BYTES: u64 = 64;

/// Two halves: what is used moves to the young one; when that is full it becomes the old one, and the old one is forgotten. So nothing is
/// sorted by use, and what was used among the last half of the limit is always here.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    limit_bytes: u64,
    young: BTreeMap<K, Cached<V>>,
    young_bytes: u64,
    old: BTreeMap<K, Cached<V>>,
}

#[derive(Debug)]
struct Cached<V> {
    value: V,
    bytes: u64,
}

impl<K: Ord + Clone, V: Clone> Cache<K, V> {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, young: BTreeMap::new(), young_bytes: 0, old: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(cached) = self.young.get(key) {
            return Some(cached.value.clone());
        }
        let (key, cached) = self.old.remove_entry(key)?;
        let value = cached.value.clone();
        self.add(key, cached);
        Some(value)
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let young = self.young.remove(key);
        if let Some(cached) = &young {
            self.young_bytes -= cached.bytes;
        }
        young.or_else(|| self.old.remove(key)).map(|cached| cached.value)
    }

    /// Takes an entry in that is written in so many bytes.
    pub(super) fn insert(&mut self, key: K, value: V, written_bytes: usize) {
        self.remove(&key);
        self.add(key, Cached { value, bytes: written_bytes as u64 + OVERHEAD_BYTES });
    }

    pub(super) fn set_limit(&mut self, limit_bytes: u64) {
        if limit_bytes < self.limit_bytes {
            *self = Self::new(limit_bytes);
        }
        self.limit_bytes = limit_bytes;
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn add(&mut self, key: K, cached: Cached<V>) {
        let half_bytes = self.limit_bytes / 2;
        if cached.bytes > half_bytes {
            return;
        }
        if self.young_bytes + cached.bytes > half_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += cached.bytes;
        self.young.insert(key, cached);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENTRY_BYTES: u64 = OVERHEAD_BYTES + 8;

    proptest! {
        /// It never lies, never holds more than its limit, and knows what was used among half of that.
        #[test]
        fn what_was_used_last_is_here(entries_max in 0_u64..9, steps in prop::collection::vec((0_u8..3, 0_u8..9), 0..80)) {
            let mut cache = Cache::new(entries_max * ENTRY_BYTES);
            let (mut truth, mut used) = (BTreeMap::new(), Vec::new());
            for (number, (step, key)) in steps.into_iter().enumerate() {
                let found = match step {
                    0 => {
                        cache.insert(key, number, 8);
                        truth.insert(key, number);
                        true
                    }
                    1 => {
                        cache.remove(&key);
                        truth.remove(&key);
                        false
                    }
                    _ => {
                        let found = cache.get(&key);
                        prop_assert!(found.is_none_or(|found| truth.get(&key) == Some(&found)));
                        let was_used = used.iter().rev().take((entries_max / 2) as usize).any(|it| *it == key);
                        prop_assert!(found.is_some() || !was_used || !truth.contains_key(&key));
                        found.is_some()
                    }
                };
                if found {
                    used.retain(|it| *it != key);
                    used.push(key);
                }
                prop_assert!(cache.len() as u64 <= entries_max);
            }
        }
    }

    #[test]
    fn what_is_larger_than_its_half_is_left_out() {
        let mut cache = Cache::new(2 * ENTRY_BYTES);
        cache.insert(1, 'a', 8);
        cache.insert(2, 'b', 9);
        assert_eq!((cache.get(&1), cache.get(&2)), (Some('a'), None));
        cache.set_limit(0);
        assert_eq!(cache.len(), 0);
    }
}
