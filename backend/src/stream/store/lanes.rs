//! How a store's entries lie in windows, for people to see which are open.

use std::collections::{BTreeMap, btree_map::Entry};

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

/// The window that an entry lies in, by its key; `None` for one that lies in none.
pub(in crate::stream) type WindowOf<K> = fn(&K) -> Option<(i64, i64)>;

#[derive(Debug)]
pub(super) enum Lanes<K, V> {
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
    pub(super) fn is_open(&self, key: &K, value: &V) -> bool {
        if let Self::Own { start_ms, .. } = self { start_ms(key, value).is_some() } else { false }
    }

    /// Counts an entry that came, went or stayed; for windows of their own, if it was and is open.
    pub(super) fn count(&mut self, key: &K, was_open: Option<bool>, is_open: Option<bool>) {
        match self {
            Self::None => {}
            Self::Own { open, .. } => {
                let count = |is_open: Option<bool>| usize::from(is_open == Some(true));
                *open = (*open + count(is_open)).saturating_sub(count(was_open));
            }
            // An entry that stays in the store stays in its window.
            Self::Shared { window_of, entries, .. } => {
                if was_open.is_some() != is_open.is_some()
                    && let Some((start_ms, end_ms)) = window_of(key)
                {
                    match entries.entry((end_ms, start_ms)) {
                        Entry::Occupied(mut count) if is_open.is_none() => {
                            *count.get_mut() -= 1;
                            if *count.get() == 0 {
                                count.remove();
                            }
                        }
                        count => *count.or_default() += 1,
                    }
                }
            }
        }
    }

    /// The open windows that all keys share, those that end first before the others.
    pub(super) fn shared(&self, lanes_max: usize) -> Vec<Lane> {
        let Self::Shared { grace_ms, entries, .. } = self else { return Vec::new() };
        let lane = |((end_ms, start_ms), entries): (&(i64, i64), &usize)| Lane {
            key: None,
            start_ms: *start_ms,
            end_ms: *end_ms,
            closes_at_ms: end_ms.saturating_add(*grace_ms),
            entries: *entries,
        };
        entries.iter().take(lanes_max).map(lane).collect()
    }

    /// How many windows are open.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Shared { entries, .. } => entries.len(),
            Self::Own { open, .. } => *open,
        }
    }
}
