//! Keyed state: what a task remembers between records. Its changes go to a changelog topic, from which it is rebuilt.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, btree_map::Entry as BTreeEntry},
    ops::RangeBounds,
};

use super::data::{Key, Malformed, Value};

/// A change of a store as a changelog record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's, or a tombstone.
    pub value: Option<Vec<u8>>,
    /// Event time of the value, where the store knows it.
    pub timestamp_ms: Option<i64>,
}

/// What the runner does with every store, whatever is in it.
pub trait StateStore {
    /// What changed since the last commit, each key once, with its newest value.
    ///
    /// # Errors
    /// When a value can't be written.
    fn changes(&self) -> Result<Vec<Change>, Malformed>;

    /// What changed is safe now.
    fn commit(&mut self);

    /// Takes back what changed since the last commit.
    fn rollback(&mut self);

    /// Takes a record of the changelog in.
    ///
    /// # Errors
    /// When it is not of this store.
    fn restore(&mut self, key: &[u8], value: Option<&[u8]>, timestamp_ms: i64) -> Result<(), Malformed>;

    /// Entries in it.
    fn len(&self) -> usize;

    /// Whether nothing is in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some entries for people, as text, in key order from the first that contains `filter`.
    fn browse(&self, filter: &str, limit: usize) -> Vec<(String, String)>;

    /// About how much it holds, as its changelog would write it: entries by the mean length of those written or restored so far.
    fn approximate_bytes(&self) -> u64;

    /// Its open windows, those that end first before the others, at most so many; empty for a store without windows.
    fn lanes(&self, _limit: usize) -> Vec<Lane> {
        Vec::new()
    }

    /// How many open windows there are.
    fn lane_count(&self) -> usize {
        0
    }
}

/// An open window of a store, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The key, where each has windows of its own (sessions).
    pub key: Option<String>,
    /// Where it begins.
    pub start_ms: i64,
    /// Where it ends, for now: a session grows.
    pub end_ms: i64,
    /// It is closed once stream time is here.
    pub closes_at_ms: i64,
    /// Entries in it.
    pub entries: usize,
}

/// How a store's entries lie in windows.
#[derive(Debug)]
enum Lanes<K, V> {
    None,
    /// Windows that all keys share.
    Shared {
        window_of: WindowOf<K>,
        grace_ms: i64,
        /// Entries by end and start.
        entries: BTreeMap<(i64, i64), usize>,
    },
    /// Each entry is a window of its own, up to its expiry.
    Own {
        start_ms: fn(&K, &V) -> Option<i64>,
        closes_after_ms: i64,
        /// How many are open.
        open: usize,
    },
}

impl<K, V> Lanes<K, V> {
    /// Whether an entry is an open window of its own.
    fn is_open(&self, key: &K, value: &V) -> bool {
        if let Self::Own { start_ms, .. } = self { start_ms(key, value).is_some() } else { false }
    }
}

/// Where an entry is in the indexes: its expiry, and whether it is an open window of its own.
type Place = (i64, bool);

/// When an entry may go, as a time that its owner compares with stream time.
pub(super) type ExpiresAt<K, V> = fn(&K, &V) -> i64;

/// The window that an entry lies in, by its key; `None` for one that lies in none.
pub(super) type WindowOf<K> = fn(&K) -> Option<(i64, i64)>;

/// A sorted map with an undo log since the last commit and, where entries expire, an index of when.
#[derive(Debug)]
pub struct Store<K, V> {
    entries: BTreeMap<K, V>,
    /// What the changed entries were at the last commit.
    before: BTreeMap<K, Option<V>>,
    expires_at: Option<ExpiresAt<K, V>>,
    /// No key sorts before every key, so that a range can begin at a time.
    by_expiry: BTreeSet<(i64, Option<K>)>,
    lanes: Lanes<K, V>,
    /// Bytes and number of the entries written or restored so far.
    written: Cell<(u64, u64)>,
}

impl<K: Key, V: Value> Store<K, V> {
    /// An empty store whose entries stay until they are deleted.
    pub fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            before: BTreeMap::new(),
            expires_at: None,
            by_expiry: BTreeSet::new(),
            lanes: Lanes::None,
            written: Cell::default(),
        }
    }

    /// An empty store that tells by [`Self::pop_expired`] what may go.
    pub fn expiring(expires_at: ExpiresAt<K, V>) -> Self {
        Self { expires_at: Some(expires_at), ..Self::new() }
    }

    /// Shows its entries as windows that all keys share, from start to end, closed so long after.
    pub fn in_windows(self, window_of: WindowOf<K>, grace_ms: i64) -> Self {
        Self { lanes: Lanes::Shared { window_of, grace_ms, entries: BTreeMap::new() }, ..self }
    }

    /// Shows each entry that has a start as a window of its own, for instance a session, up to its expiry, closed so long after.
    pub fn in_own_windows(self, start_ms: fn(&K, &V) -> Option<i64>, closes_after_ms: i64) -> Self {
        Self { lanes: Lanes::Own { start_ms, closes_after_ms, open: 0 }, ..self }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// Entries in key order.
    pub fn range(&self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.range(range)
    }

    /// All entries in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// Sets a value.
    pub fn put(&mut self, key: K, value: V) {
        self.change(key, Some(value));
    }

    /// Forgets a key; gives what it was.
    pub fn delete(&mut self, key: &K) -> Option<V> {
        self.change(key.clone(), None)
    }

    /// Changes a value in place, from `init` where there is none, and gives it back.
    pub fn update(&mut self, key: &K, init: impl FnOnce() -> V, change: impl FnOnce(&mut V)) -> &V {
        self.remember(key);
        let old = self.entries.get(key).and_then(|value| place(self.expires_at, &self.lanes, key, value));
        let value = self.entries.entry(key.clone()).or_insert_with(init);
        change(value);
        let new = place(self.expires_at, &self.lanes, key, value);
        expire(&mut self.by_expiry, &mut self.lanes, key, old, new);
        value
    }

    /// The first entry that expires before this time, taken out.
    pub fn pop_expired(&mut self, before_ms: i64) -> Option<(K, V)> {
        let (expires_ms, key) = self.by_expiry.first()?;
        if *expires_ms >= before_ms {
            return None;
        }
        let key = key.clone()?;
        let value = self.change(key.clone(), None)?;
        Some((key, value))
    }

    /// The entries that expire at `from_ms` or later, but before `before_ms`, in this order.
    pub(super) fn expiring_between(&self, from_ms: i64, before_ms: i64) -> impl Iterator<Item = (&K, &V)> {
        let between = self.by_expiry.range((from_ms.min(before_ms), None)..(before_ms, None));
        between.filter_map(|(_, key)| self.entries.get_key_value(key.as_ref()?))
    }

    /// When the entry that stays longest expires.
    pub(super) fn last_expiry_ms(&self) -> Option<i64> {
        self.by_expiry.last().map(|(expires_ms, _)| *expires_ms)
    }

    /// What changed since the last commit. What came and went in between is no change.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        let now = self.before.iter().map(|(key, before)| (key, before, self.entries.get(key)));
        now.filter(|(_, before, now)| before.is_some() || now.is_some()).map(|(key, _, now)| (key, now))
    }

    /// Sets or deletes an entry, to be undone by a rollback.
    fn change(&mut self, key: K, value: Option<V>) -> Option<V> {
        self.remember(&key);
        self.set(key, value)
    }

    /// Keeps what an entry was at the last commit, before its first change since.
    fn remember(&mut self, key: &K) {
        if !self.before.contains_key(key) {
            self.before.insert(key.clone(), self.entries.get(key).cloned());
        }
    }

    fn set(&mut self, key: K, value: Option<V>) -> Option<V> {
        if self.expires_at.is_some() {
            let place = |value: &V| place(self.expires_at, &self.lanes, &key, value);
            let (old, new) = (self.entries.get(&key).and_then(place), value.as_ref().and_then(place));
            expire(&mut self.by_expiry, &mut self.lanes, &key, old, new);
        }
        match value {
            Some(value) => self.entries.insert(key, value),
            None => self.entries.remove(&key),
        }
    }

    fn count_written(&self, bytes: usize) {
        let (sum, count) = self.written.get();
        self.written.set((sum + bytes as u64, count + 1));
    }
}

fn place<K, V>(expires_at: Option<ExpiresAt<K, V>>, lanes: &Lanes<K, V>, key: &K, value: &V) -> Option<Place> {
    expires_at.map(|expires_at| (expires_at(key, value), lanes.is_open(key, value)))
}

/// Moves an entry in the indexes.
fn expire<K: Key, V>(index: &mut BTreeSet<(i64, Option<K>)>, lanes: &mut Lanes<K, V>, key: &K, old: Option<Place>, new: Option<Place>) {
    if old == new {
        return;
    }
    if let Some((old_ms, _)) = old {
        index.remove(&(old_ms, Some(key.clone())));
    }
    if let Some((new_ms, _)) = new {
        index.insert((new_ms, Some(key.clone())));
    }
    if let Lanes::Own { open, .. } = lanes {
        let count = |place: Option<Place>| usize::from(place.is_some_and(|(_, is_open)| is_open));
        *open = (*open + count(new)).saturating_sub(count(old));
    }
    // An entry that stays in the store stays in its window.
    if let Lanes::Shared { window_of, entries, .. } = lanes
        && old.is_some() != new.is_some()
        && let Some((start_ms, end_ms)) = window_of(key)
    {
        match entries.entry((end_ms, start_ms)) {
            BTreeEntry::Occupied(mut count) if new.is_none() => {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
            count => *count.or_default() += 1,
        }
    }
}

impl<K: Key, V: Value> Default for Store<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Key, V: Value> StateStore for Store<K, V> {
    fn changes(&self) -> Result<Vec<Change>, Malformed> {
        let change = |(key, value): (&K, Option<&V>)| {
            let (key, value) = (Key::to_bytes(key), value.map(Value::to_bytes).transpose()?);
            if let Some(value) = &value {
                self.count_written(key.len() + value.len());
            }
            Ok(Change { key, value, timestamp_ms: None })
        };
        self.changed().map(change).collect()
    }

    fn commit(&mut self) {
        self.before.clear();
    }

    fn rollback(&mut self) {
        for (key, before) in std::mem::take(&mut self.before) {
            self.set(key, before);
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>, _: i64) -> Result<(), Malformed> {
        self.count_written(key.len() + value.map_or(0, <[u8]>::len));
        let value = value.map(V::from_bytes).transpose()?;
        self.set(K::decode(key)?, value);
        Ok(())
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn browse(&self, filter: &str, limit: usize) -> Vec<(String, String)> {
        let text = |value: &V| serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
        let entries = self.entries.iter().map(|(key, value)| (format!("{key:?}"), text(value)));
        entries.filter(|(key, value)| key.contains(filter) || value.contains(filter)).take(limit).collect()
    }

    fn approximate_bytes(&self) -> u64 {
        approximate_bytes(self.written.get(), self.entries.len())
    }

    fn lanes(&self, limit: usize) -> Vec<Lane> {
        match &self.lanes {
            Lanes::None => Vec::new(),
            Lanes::Shared { grace_ms, entries, .. } => {
                let lane = |((end_ms, start_ms), entries): (&(i64, i64), &usize)| Lane {
                    key: None,
                    start_ms: *start_ms,
                    end_ms: *end_ms,
                    closes_at_ms: end_ms.saturating_add(*grace_ms),
                    entries: *entries,
                };
                entries.iter().take(limit).map(lane).collect()
            }
            Lanes::Own { start_ms, closes_after_ms, .. } => {
                let lane = |(end_ms, key): &(i64, Option<K>)| {
                    let key = key.as_ref()?;
                    Some(Lane {
                        key: Some(format!("{key:?}")),
                        start_ms: start_ms(key, self.entries.get(key)?)?,
                        end_ms: *end_ms,
                        closes_at_ms: end_ms.saturating_add(*closes_after_ms),
                        entries: 1,
                    })
                };
                self.by_expiry.iter().take_while(|(end_ms, _)| *end_ms < i64::MAX).filter_map(lane).take(limit).collect()
            }
        }
    }

    fn lane_count(&self) -> usize {
        match &self.lanes {
            Lanes::None => 0,
            Lanes::Shared { entries, .. } => entries.len(),
            Lanes::Own { open, .. } => *open,
        }
    }
}

/// Entries by the mean length of those written or restored so far.
pub(super) fn approximate_bytes((bytes, written): (u64, u64), entries: usize) -> u64 {
    bytes.checked_div(written).unwrap_or(0).saturating_mul(entries as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Numbers = Store<String, i64>;

    /// Three keys to a window; every seventh lies in none.
    fn window_of(key: &str) -> Option<(i64, i64)> {
        let number: i64 = key.parse().ok()?;
        let start_ms = number - number % 3;
        (number % 7 != 0).then_some((start_ms, start_ms + 3))
    }

    /// Every other value is an open window.
    fn start_of(_: &String, value: &i64) -> Option<i64> {
        (value % 2 == 0).then_some(value - 5)
    }

    impl Numbers {
        fn take(&mut self, step: Step) {
            match step {
                Step::Put(key, value) => {
                    self.update(&key.to_string(), || value, |kept| *kept = value);
                }
                Step::Delete(key) => drop(self.delete(&key.to_string())),
                Step::Expire(before) => while self.pop_expired(before).is_some() {},
                Step::Commit => self.commit(),
                Step::Rollback => self.rollback(),
            }
        }
    }

    fn contents(store: &Numbers) -> Vec<(String, i64)> {
        store.iter().map(|(key, value)| (key.clone(), *value)).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, i64),
        Delete(u8),
        Expire(i64),
        Commit,
        Rollback,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0_u8..6, 0_i64..50).prop_map(|(key, value)| Step::Put(key, value)),
            2 => (0_u8..6).prop_map(Step::Delete),
            1 => (0_i64..50).prop_map(Step::Expire),
            1 => Just(Step::Commit),
            1 => Just(Step::Rollback),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        /// A rollback returns to the last commit, the changelog rebuilds what was committed, and the index never lies.
        #[test]
        fn state_is_what_was_committed(steps in steps()) {
            let mut store = Numbers::expiring(|_, value| *value).in_windows(|key| window_of(key), 0);
            let mut own = Numbers::expiring(|_, value| *value).in_own_windows(start_of, 0);
            let (mut committed, mut replica) = (Vec::new(), Numbers::new());
            for step in steps {
                own.take(step.clone());
                match step {
                    Step::Put(key, value) => store.put(key.to_string(), value),
                    Step::Delete(key) => drop(store.delete(&key.to_string())),
                    Step::Expire(before) => {
                        while let Some((_, value)) = store.pop_expired(before) {
                            prop_assert!(value < before);
                        }
                        prop_assert!(store.iter().all(|(_, value)| *value >= before));
                    }
                    Step::Commit => {
                        for change in store.changes().unwrap() {
                            replica.restore(&change.key, change.value.as_deref(), 0).unwrap();
                        }
                        store.commit();
                        committed = contents(&store);
                        prop_assert_eq!(&contents(&replica), &committed);
                    }
                    Step::Rollback => {
                        store.rollback();
                        prop_assert_eq!(&contents(&store), &committed);
                    }
                }
                prop_assert_eq!(store.by_expiry.len(), store.len());
                prop_assert_eq!(store.last_expiry_ms(), store.iter().map(|(_, value)| *value).max());
                let between: BTreeSet<_> = store.expiring_between(10, 30).map(|(key, _)| key.clone()).collect();
                let expected = store.iter().filter(|(_, value)| (10..30).contains(*value)).map(|(key, _)| key.clone());
                prop_assert_eq!(between, expected.collect());
                let mut lanes = BTreeMap::<_, usize>::new();
                store.iter().filter_map(|(key, _)| window_of(key)).for_each(|window| *lanes.entry(window).or_default() += 1);
                let shown: BTreeMap<_, _> =
                    store.lanes(usize::MAX).into_iter().map(|lane| ((lane.start_ms, lane.end_ms), lane.entries)).collect();
                prop_assert_eq!(shown, lanes);
                prop_assert_eq!(contents(&own), contents(&store));
                let open = own.iter().filter(|(key, value)| start_of(key, value).is_some()).count();
                prop_assert_eq!((own.lane_count(), own.lanes(usize::MAX).len()), (open, open));
            }
        }
    }

    #[test]
    fn what_came_and_went_is_no_change() {
        let mut store = Numbers::new();
        store.put("a".to_owned(), 1);
        store.delete(&"a".to_owned());
        assert_eq!(store.changes(), Ok(vec![]));
    }
}
