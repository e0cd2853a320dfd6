//! Keyed state: what a task remembers between records. Its changes go to a changelog topic, from which it is rebuilt.

mod backing;
mod cache;
mod lanes;
mod merged;
mod on_disk;

use std::{
    borrow::Cow,
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    ops::RangeBounds,
    rc::Rc,
};

use super::data::{Key, Malformed, Value};
use lanes::Lanes;
use merged::{Merged, Source};
use on_disk::{OnDisk, Totals};

pub use backing::{Backing, Row, RowRange, Section};
pub use lanes::Lane;
pub(super) use lanes::WindowOf;

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

    /// Keeps what is committed there from now on, and in memory only what changed since and about so many bytes of what was used last. What is
    /// there is in it. To be called before anything else is.
    ///
    /// # Errors
    /// When what is there is not of such a store.
    fn keep_on(&mut self, backing: Rc<dyn Backing>, cache_bytes: u64) -> Result<(), Malformed>;

    /// Another limit for what is kept in memory beside the changes, where not all of it is.
    fn limit_cache(&mut self, bytes: u64);

    /// Entries in memory: all, unless it is kept elsewhere.
    fn in_memory(&self) -> usize;

    /// Its open windows, those that end first before the others, at most so many; empty for a store without windows.
    fn lanes(&self, _limit: usize) -> Vec<Lane> {
        Vec::new()
    }

    /// How many open windows there are.
    fn lane_count(&self) -> usize {
        0
    }
}

/// Where an entry is in the indexes: its expiry, and whether it is an open window of its own.
type Place = (i64, bool);

/// When an entry may go, as a time that its owner compares with stream time.
pub(super) type ExpiresAt<K, V> = fn(&K, &V) -> i64;

/// A sorted map with an undo log since the last commit and, where entries expire, an index of when.
///
/// It is in memory whole, or only with what changed since the last commit, where a [`Backing`] has the rest: then an entry that changes is
/// first taken over from there, so that all that is in memory counts and hides what is committed.
#[derive(Debug)]
pub struct Store<K, V> {
    /// All entries, or those that changed since the last commit.
    entries: BTreeMap<K, V>,
    /// What the changed entries were at the last commit.
    before: BTreeMap<K, Option<V>>,
    expires_at: Option<ExpiresAt<K, V>>,
    /// Of the entries in memory. No key sorts before every key, so that a range can begin at a time.
    by_expiry: BTreeSet<(i64, Option<K>)>,
    lanes: Lanes<K, V>,
    /// Bytes and number of the entries written or restored so far.
    written: Cell<(u64, u64)>,
    disk: Option<Box<OnDisk<K, V>>>,
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
            disk: None,
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
    pub fn get(&self, key: &K) -> Option<Cow<'_, V>> {
        match (self.entries.get(key), &self.disk) {
            (Some(value), _) => Some(Cow::Borrowed(value)),
            (None, Some(disk)) if !self.before.contains_key(key) => disk.get(key).map(Cow::Owned),
            (None, _) => None,
        }
    }

    /// Entries in key order. On disk they are read as they are asked for, a few at a time.
    pub fn range<'a>(&'a self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (Cow<'a, K>, Cow<'a, V>)> {
        let on_disk = self.disk.as_ref().map(|disk| {
            let rows = (range.start_bound().map(K::to_sorted_bytes), range.end_bound().map(K::to_sorted_bytes));
            disk.range(rows).filter(|(key, _)| !self.before.contains_key(key))
        });
        let in_memory = self.entries.range(range).map(|(key, value)| (Cow::Borrowed(key), Cow::Borrowed(value)));
        match on_disk {
            None => Source::Memory(in_memory),
            Some(on_disk) => Source::Merged(Merged::new(in_memory, on_disk, |left, right| left.0.cmp(&right.0))),
        }
    }

    /// All entries in key order, as [`Self::range`].
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Cow<'_, K>, Cow<'_, V>)> {
        self.range(..)
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
        if let Some(disk) = &mut self.disk {
            disk.len += usize::from(!self.entries.contains_key(key));
        }
        let old = self.entries.get(key).and_then(|value| place(self.expires_at, &self.lanes, key, value));
        let value = self.entries.entry(key.clone()).or_insert_with(init);
        change(value);
        let new = place(self.expires_at, &self.lanes, key, value);
        expire(&mut self.by_expiry, &mut self.lanes, key, old, new);
        value
    }

    /// The first entry that expires before this time, taken out.
    pub fn pop_expired(&mut self, before_ms: i64) -> Option<(K, V)> {
        let in_memory = self.by_expiry.first().filter(|(expires_ms, _)| *expires_ms < before_ms);
        let key = match &self.disk {
            None => in_memory?.1.clone()?,
            Some(disk) => {
                let on_disk = disk.soonest(|key| self.before.contains_key(key)).filter(|(expires_ms, _)| *expires_ms < before_ms);
                let in_memory = in_memory.and_then(|(expires_ms, key)| Some((*expires_ms, key.clone()?)));
                in_memory.into_iter().chain(on_disk).min()?.1
            }
        };
        let value = self.change(key.clone(), None);
        if let (None, Some(disk)) = (&value, &self.disk) {
            disk.note_missing();
        }
        Some((key, value?))
    }

    /// The entries that expire at `from_ms` or later, but before `before_ms`, in this order.
    pub(super) fn expiring_between(&self, from_ms: i64, before_ms: i64) -> impl Iterator<Item = (Cow<'_, K>, Cow<'_, V>)> {
        self.expiries(from_ms, before_ms).filter_map(|(_, key)| self.get(&key).map(|value| (key, value)))
    }

    /// When the entry that stays longest expires.
    pub(super) fn last_expiry_ms(&self) -> Option<i64> {
        let in_memory = self.by_expiry.last().map(|(expires_ms, _)| *expires_ms);
        let Some(disk) = &self.disk else { return in_memory };
        in_memory.max(disk.latest(|key| self.before.contains_key(key)).map(|(expires_ms, _)| expires_ms))
    }

    /// What changed since the last commit. What came and went in between is no change.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        let now = self.before.iter().map(|(key, before)| (key, before, self.entries.get(key)));
        now.filter(|(_, before, now)| before.is_some() || now.is_some()).map(|(key, _, now)| (key, now))
    }

    /// What was restored needs no undoing. On disk it is written with the next commit, as all that changes.
    pub(super) fn settle(&mut self) {
        if self.disk.is_none() {
            self.before.clear();
        }
    }

    /// Takes note of the length of an entry that was written or restored.
    pub(super) fn count_written(&self, bytes: usize) {
        let (sum, count) = self.written.get();
        self.written.set((sum + bytes as u64, count + 1));
    }

    /// Sets or deletes an entry, to be undone by a rollback.
    fn change(&mut self, key: K, value: Option<V>) -> Option<V> {
        self.remember(&key);
        if value.is_none() && self.before.get(&key).is_some_and(Option::is_none) {
            // It came since the last commit: once it is gone there is nothing to undo. Windows come and go by the hundred thousand.
            self.before.remove(&key);
        }
        self.set(key, value)
    }

    /// Keeps what an entry was at the last commit, before its first change since.
    fn remember(&mut self, key: &K) {
        if self.before.contains_key(key) {
            return;
        }
        let old = match &self.disk {
            None => self.entries.get(key).cloned(),
            Some(disk) => disk.take(key),
        };
        if let (Some(_), Some(value)) = (&self.disk, &old) {
            if let Some(expires_at) = self.expires_at {
                self.by_expiry.insert((expires_at(key, value), Some(key.clone())));
            }
            self.entries.insert(key.clone(), value.clone());
        }
        self.before.insert(key.clone(), old);
    }

    /// Of an entry in memory, or one that is new.
    fn set(&mut self, key: K, value: Option<V>) -> Option<V> {
        if self.expires_at.is_some() {
            let place = |value: &V| place(self.expires_at, &self.lanes, &key, value);
            let (old, new) = (self.entries.get(&key).and_then(place), value.as_ref().and_then(place));
            expire(&mut self.by_expiry, &mut self.lanes, &key, old, new);
        }
        let is_there = value.is_some();
        let old = match value {
            Some(value) => self.entries.insert(key, value),
            None => self.entries.remove(&key),
        };
        if let Some(disk) = &mut self.disk {
            disk.len = (disk.len + usize::from(is_there)).saturating_sub(usize::from(old.is_some()));
        }
        old
    }

    /// The index of expiry from `from_ms` to before `before_ms`.
    fn expiries(&self, from_ms: i64, before_ms: i64) -> impl Iterator<Item = (i64, Cow<'_, K>)> {
        let from_ms = from_ms.min(before_ms);
        let in_memory = self.by_expiry.range((from_ms, None)..(before_ms, None));
        let in_memory = in_memory.filter_map(|(expires_ms, key)| Some((*expires_ms, Cow::Borrowed(key.as_ref()?))));
        let Some(disk) = &self.disk else { return Source::Memory(in_memory) };
        let on_disk = disk.expiries(from_ms, before_ms).filter(|(_, key)| !self.before.contains_key(key));
        Source::Merged(Merged::new(in_memory, on_disk, |left, right| left.cmp(right)))
    }

    fn totals(&self, entries: usize) -> Totals {
        let open = if let Lanes::Own { open, .. } = &self.lanes { *open } else { 0 };
        let windows = if let Lanes::Shared { entries, .. } = &self.lanes {
            entries.iter().map(|((end_ms, start_ms), entries)| (*end_ms, *start_ms, *entries)).collect()
        } else {
            Vec::new()
        };
        Totals { entries, written: self.written.get(), open, windows }
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
    lanes.count(key, old.map(|(_, was_open)| was_open), new.map(|(_, is_open)| is_open));
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
        let Some(disk) = &mut self.disk else { return self.before.clear() };
        if self.before.is_empty() {
            return;
        }
        for (key, old) in std::mem::take(&mut self.before) {
            let new = self.entries.remove(&key);
            if old.is_some() || new.is_some() {
                let expires_ms = |value: &Option<V>| value.as_ref().zip(self.expires_at).map(|(value, expires_at)| expires_at(&key, value));
                let (old_ms, new_ms) = (expires_ms(&old), expires_ms(&new));
                disk.stage(key, new, old_ms, new_ms);
            }
        }
        self.by_expiry.clear();
        let entries = disk.len;
        let totals = self.totals(entries);
        self.disk.iter().for_each(|disk| disk.stage_totals(&totals));
    }

    fn rollback(&mut self) {
        for (key, before) in std::mem::take(&mut self.before) {
            self.set(key, before);
        }
        if let Some(disk) = &self.disk {
            self.entries.clear();
            self.by_expiry.clear();
            disk.look_anew();
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>, _: i64) -> Result<(), Malformed> {
        self.count_written(key.len() + value.map_or(0, <[u8]>::len));
        let value = value.map(V::from_bytes).transpose()?;
        let key = K::decode(key)?;
        if self.disk.is_some() {
            self.change(key, value)
        } else {
            self.set(key, value)
        };
        Ok(())
    }

    fn len(&self) -> usize {
        self.disk.as_ref().map_or(self.entries.len(), |disk| disk.len)
    }

    fn browse(&self, filter: &str, limit: usize) -> Vec<(String, String)> {
        let text = |value: &V| serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
        let entries = self.iter().map(|(key, value)| (format!("{key:?}"), text(&value)));
        entries.filter(|(key, value)| key.contains(filter) || value.contains(filter)).take(limit).collect()
    }

    fn approximate_bytes(&self) -> u64 {
        let (bytes, written) = self.written.get();
        bytes.checked_div(written).unwrap_or(0).saturating_mul(self.len() as u64)
    }

    fn keep_on(&mut self, backing: Rc<dyn Backing>, cache_bytes: u64) -> Result<(), Malformed> {
        let (disk, totals) = OnDisk::open(backing, cache_bytes)?;
        self.written.set(totals.written);
        match &mut self.lanes {
            Lanes::None => {}
            Lanes::Shared { entries, .. } => {
                *entries = totals.windows.into_iter().map(|(end_ms, start_ms, entries)| ((end_ms, start_ms), entries)).collect();
            }
            Lanes::Own { open, .. } => *open = totals.open,
        }
        self.disk = Some(Box::new(disk));
        Ok(())
    }

    fn limit_cache(&mut self, bytes: u64) {
        self.disk.iter_mut().for_each(|disk| disk.limit_cache(bytes));
    }

    fn in_memory(&self) -> usize {
        self.entries.len() + self.disk.as_ref().map_or(0, |disk| disk.cached())
    }

    fn lanes(&self, limit: usize) -> Vec<Lane> {
        let Lanes::Own { start_ms, closes_after_ms, .. } = &self.lanes else { return self.lanes.shared(limit) };
        let lane = |(end_ms, key): (i64, Cow<'_, K>)| {
            Some(Lane {
                key: Some(format!("{key:?}")),
                start_ms: start_ms(&key, &*self.get(&key)?)?,
                end_ms,
                closes_at_ms: end_ms.saturating_add(*closes_after_ms),
                entries: 1,
            })
        };
        self.expiries(i64::MIN, i64::MAX).filter_map(lane).take(limit).collect()
    }

    fn lane_count(&self) -> usize {
        self.lanes.len()
    }
}

#[cfg(test)]
pub(super) mod tests;
