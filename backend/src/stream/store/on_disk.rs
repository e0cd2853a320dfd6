//! The committed side of a store that is on disk: a bounded cache of its entries, and what was read ahead of its index of expiry.

use std::{borrow::Cow, cell::RefCell, collections::VecDeque, ops::Bound, rc::Rc};

use serde::{Deserialize, Serialize};

use super::{
    backing::{Backing, RowRange, Scan, Section},
    cache::Cache,
};
use crate::stream::data::{Key, Malformed, Value};

/// Rows of the index read ahead from either end.
const AHEAD_ROWS: usize = 64;
/// The one row of the totals.
const TOTALS: &[u8] = &[];

/// What is known of all entries, so that nothing of it must be counted when the store is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) entries: usize,
    /// Bytes and number of the entries written so far.
    pub(super) written: (u64, u64),
    /// Entries that are open windows of their own.
    pub(super) open: usize,
    /// End, start and entries of windows that all keys share.
    pub(super) windows: Vec<(i64, i64, usize)>,
}

#[derive(Debug)]
pub(super) struct OnDisk<K, V> {
    backing: Rc<dyn Backing>,
    /// Entries there are, with what is not committed.
    pub(super) len: usize,
    cache: RefCell<Cache<K, V>>,
    soonest: RefCell<Ahead<K>>,
    latest: RefCell<Ahead<K>>,
}

/// What was read of the index of expiry from one of its ends. Entries that were changed since stay changed until the next commit or rollback,
/// so what was passed over needs no second look before.
#[derive(Debug)]
struct Ahead<K> {
    rows: VecDeque<(i64, K)>,
    unread: RowRange,
    is_read: bool,
}

impl<K> Ahead<K> {
    fn new() -> Self {
        Self { rows: VecDeque::new(), unread: (Bound::Unbounded, Bound::Unbounded), is_read: false }
    }
}

impl<K: Key, V: Value> OnDisk<K, V> {
    /// With what is there.
    pub(super) fn open(backing: Rc<dyn Backing>, cache_bytes: u64) -> Result<(Self, Totals), Malformed> {
        let totals = backing.get(Section::Totals, TOTALS).map(|bytes| Totals::from_bytes(&bytes)).transpose()?.unwrap_or_default();
        let cache = RefCell::new(Cache::new(cache_bytes));
        let (soonest, latest) = (RefCell::new(Ahead::new()), RefCell::new(Ahead::new()));
        Ok((Self { backing, len: totals.entries, cache, soonest, latest }, totals))
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        let mut cache = self.cache.borrow_mut();
        if let Some(value) = cache.get(key) {
            return Some(value);
        }
        let bytes = self.backing.get(Section::Entries, &key.to_sorted_bytes())?;
        let value = self.readable(V::from_bytes(&bytes))?;
        cache.insert(key.clone(), value.clone(), bytes.len());
        Some(value)
    }

    /// As [`Self::get`], for an entry that is about to change.
    pub(super) fn take(&self, key: &K) -> Option<V> {
        if let Some(value) = self.cache.borrow_mut().remove(key) {
            return Some(value);
        }
        let bytes = self.backing.get(Section::Entries, &key.to_sorted_bytes())?;
        self.readable(V::from_bytes(&bytes))
    }

    /// Entries in key order. They do not enter the cache: a scan would push everything else out.
    pub(super) fn range(&self, range: RowRange) -> impl DoubleEndedIterator<Item = (Cow<'_, K>, Cow<'_, V>)> {
        Scan::new(&*self.backing, Section::Entries, range).filter_map(|(key, value)| {
            let entry = K::decode_sorted(&mut key.as_slice()).and_then(|key| Ok((Cow::Owned(key), Cow::Owned(V::from_bytes(&value)?))));
            self.readable(entry)
        })
    }

    /// Entries by their expiry, from `from_ms` to before `before_ms`.
    pub(super) fn expiries(&self, from_ms: i64, before_ms: i64) -> impl DoubleEndedIterator<Item = (i64, Cow<'_, K>)> {
        let range = (Bound::Included(from_ms.to_sorted_bytes()), Bound::Excluded(before_ms.to_sorted_bytes()));
        Scan::new(&*self.backing, Section::Expiries, range)
            .filter_map(|(row, _)| self.expiry(&row).map(|(expires_ms, key)| (expires_ms, Cow::Owned(key))))
    }

    /// The entry that expires first of those that are not changed.
    pub(super) fn soonest(&self, is_changed: impl Fn(&K) -> bool) -> Option<(i64, K)> {
        self.ahead(&self.soonest, false, is_changed)
    }

    /// The one that expires last.
    pub(super) fn latest(&self, is_changed: impl Fn(&K) -> bool) -> Option<(i64, K)> {
        self.ahead(&self.latest, true, is_changed)
    }

    fn ahead(&self, ahead: &RefCell<Ahead<K>>, is_reversed: bool, is_changed: impl Fn(&K) -> bool) -> Option<(i64, K)> {
        let mut ahead = ahead.borrow_mut();
        loop {
            match ahead.rows.front() {
                Some((_, key)) if is_changed(key) => drop(ahead.rows.pop_front()),
                Some(found) => return Some(found.clone()),
                None if ahead.is_read => return None,
                None => {
                    let rows = self.backing.scan(Section::Expiries, &ahead.unread, is_reversed, AHEAD_ROWS);
                    ahead.is_read = rows.len() < AHEAD_ROWS;
                    if let Some((last, _)) = rows.last() {
                        let end = if is_reversed { &mut ahead.unread.1 } else { &mut ahead.unread.0 };
                        *end = Bound::Excluded(last.clone());
                    }
                    ahead.rows = rows.iter().filter_map(|(row, _)| self.expiry(row)).collect();
                }
            }
        }
    }

    fn expiry(&self, mut row: &[u8]) -> Option<(i64, K)> {
        let read = i64::decode_sorted(&mut row).and_then(|expires_ms| Ok((expires_ms, K::decode_sorted(&mut row)?)));
        self.readable(read)
    }

    /// Writes what an entry is now, and when it expires and did before.
    pub(super) fn stage(&mut self, key: K, value: Option<V>, expired_ms: Option<i64>, expires_ms: Option<i64>) {
        let sorted = key.to_sorted_bytes();
        if expired_ms != expires_ms {
            for (at_ms, row) in [(expired_ms, None), (expires_ms, Some(Vec::new()))] {
                if let Some(at_ms) = at_ms {
                    self.backing.stage(Section::Expiries, [at_ms.to_sorted_bytes(), sorted.clone()].concat(), row);
                }
            }
        }
        let bytes = value.as_ref().map(V::to_bytes).transpose();
        let Some(bytes) = self.readable(bytes) else { return };
        if let (Some(value), Some(bytes)) = (value, &bytes) {
            self.cache.get_mut().insert(key, value, bytes.len());
        }
        self.backing.stage(Section::Entries, sorted, bytes);
    }

    pub(super) fn stage_totals(&self, totals: &Totals) {
        if let Some(bytes) = self.readable(totals.to_bytes()) {
            self.backing.stage(Section::Totals, TOTALS.to_vec(), Some(bytes));
        }
        self.look_anew();
    }

    /// Changed entries are no more: the index is as it is on disk.
    pub(super) fn look_anew(&self) {
        (*self.soonest.borrow_mut(), *self.latest.borrow_mut()) = (Ahead::new(), Ahead::new());
    }

    pub(super) fn limit_cache(&mut self, bytes: u64) {
        self.cache.get_mut().set_limit(bytes);
    }

    pub(super) fn cached(&self) -> usize {
        self.cache.borrow().len()
    }

    /// Notes that the index names an entry that is not there.
    pub(super) fn note_missing(&self) {
        self.backing.note_damage("an entry that is to expire is not there".to_owned());
    }

    fn readable<T>(&self, read: Result<T, Malformed>) -> Option<T> {
        read.map_err(|malformed| self.backing.note_damage(malformed.0)).ok()
    }
}
