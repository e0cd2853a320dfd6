//! What was aborted in a partition: what a read_committed reader is told to skip (KIP-98).
//!
//! Kept in memory in the order of the markers, and on disk in the segments' index files. With each goes an offset from which on no
//! transaction of a later entry can have begun, so that a look at a few kilobytes of log does not go through everything aborted since.

use std::collections::VecDeque;
use std::ops::Range;

/// A transaction that a reader must skip: this producer's data from the first offset to the marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) marker_offset: i64,
}

/// The aborted transactions of which something is still in the log.
#[derive(Clone, Debug, Default)]
pub(super) struct AbortedIndex {
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    aborted: AbortedTransaction,
    /// The last stable offset when the marker was there: whatever is aborted later has begun here or after.
    stable_from: i64,
}

impl AbortedIndex {
    /// From what the log tells, in the order of the markers; `stable_from` is the last stable offset now.
    pub(super) fn new(aborted: impl DoubleEndedIterator<Item = AbortedTransaction>, mut stable_from: i64) -> Self {
        let mut entries = VecDeque::new();
        for aborted in aborted.rev() {
            entries.push_front(Entry { aborted, stable_from });
            stable_from = stable_from.min(aborted.first_offset);
        }
        Self { entries }
    }

    /// A marker has been appended; `stable_from` is the last stable offset now.
    pub(super) fn push(&mut self, aborted: AbortedTransaction, stable_from: i64) {
        self.entries.push_back(Entry { aborted, stable_from });
    }

    /// What a reader of these offsets must skip.
    pub(super) fn overlapping(&self, offsets: Range<i64>) -> Vec<AbortedTransaction> {
        let mut found = Vec::new();
        if offsets.is_empty() {
            return found;
        }
        for Entry { aborted, stable_from } in self.entries.range(self.first_at(offsets.start)..) {
            if aborted.first_offset < offsets.end {
                found.push(*aborted);
            }
            if *stable_from >= offsets.end {
                break;
            }
        }
        found
    }

    /// Those whose markers are in a segment.
    pub(super) fn marked_in(&self, offsets: Range<i64>) -> Vec<AbortedTransaction> {
        let entries = self.entries.range(self.first_at(offsets.start)..self.first_at(offsets.end));
        entries.map(|entry| entry.aborted).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = AbortedTransaction> {
        self.entries.iter().map(|entry| entry.aborted)
    }

    /// Keeps those of which something is left. What the others said of later entries stays true of these.
    pub(super) fn retain(&mut self, is_left: impl Fn(&AbortedTransaction) -> bool) {
        self.entries.retain(|entry| is_left(&entry.aborted));
    }

    /// Everything up to here is gone from the log.
    pub(super) fn forget_before(&mut self, offset: i64) {
        self.entries.drain(..self.first_at(offset));
    }

    /// The first whose marker is here or after.
    fn first_at(&self, offset: i64) -> usize {
        self.entries.partition_point(|entry| entry.aborted.marker_offset < offset)
    }
}
