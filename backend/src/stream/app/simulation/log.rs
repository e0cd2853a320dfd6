//! A log with transactions, as thin as the simulation needs it.

use std::{collections::BTreeMap, sync::Arc};

/// A topic and a partition.
pub(super) type At = (Arc<str>, i32);

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Decided to be committed, and the markers are not written to every partition yet (KIP-98).
    Prepared,
    Committed,
    Aborted,
}

pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp_ms: i64,
    /// `None` for what was written without.
    transaction: Option<usize>,
}

/// All partitions, transactions and committed offsets.
#[derive(Default)]
pub(super) struct Log {
    partitions: BTreeMap<At, Vec<Entry>>,
    transactions: Vec<State>,
    /// The offset to read next, with the committer's note.
    pub(super) committed: BTreeMap<At, (i64, String)>,
}

impl Log {
    pub(super) fn begin(&mut self) -> usize {
        self.transactions.push(State::Open);
        self.transactions.len() - 1
    }

    /// Ends the open transactions for which this holds.
    pub(super) fn end_all(&mut self, is_meant: impl Fn(usize) -> bool, state: State) {
        let open = self.transactions.iter_mut().enumerate().filter(|(at, it)| **it == State::Open && is_meant(*at));
        open.for_each(|(_, it)| *it = state);
    }

    /// Writes the markers that are missing.
    pub(super) fn finish_prepared(&mut self) {
        self.transactions.iter_mut().filter(|it| **it == State::Prepared).for_each(|it| *it = State::Committed);
    }

    pub(super) fn state(&self, transaction: usize) -> State {
        self.transactions[transaction]
    }

    pub(super) fn append(&mut self, at: &At, transaction: Option<usize>, key: &[u8], value: Option<&[u8]>, timestamp_ms: i64) {
        let entry = Entry { key: key.to_vec(), value: value.map(<[u8]>::to_vec), timestamp_ms, transaction };
        self.partitions.entry(at.clone()).or_default().push(entry);
    }

    pub(super) fn end(&self, at: &At) -> usize {
        self.partitions.get(at).map_or(0, Vec::len)
    }

    /// The last stable offset: where the first open transaction begins.
    pub(super) fn stable_end(&self, at: &At) -> usize {
        let is_open = |entry: &Entry| entry.transaction.is_some_and(|it| matches!(self.state(it), State::Open | State::Prepared));
        let first = self.partitions.get(at).and_then(|all| all.iter().position(is_open));
        first.unwrap_or_else(|| self.end(at))
    }

    /// What a reader of committed records sees.
    pub(super) fn committed_from(&self, at: &At, from: usize) -> impl Iterator<Item = (usize, &Entry)> {
        self.readable_from(at, from, false)
    }

    pub(super) fn readable_from(&self, at: &At, from: usize, is_uncommitted_read: bool) -> impl Iterator<Item = (usize, &Entry)> {
        let end = if is_uncommitted_read { self.end(at) } else { self.stable_end(at) };
        let all = self.partitions.get(at).map_or(&[][..], Vec::as_slice).iter().enumerate();
        let is_aborted = move |entry: &Entry| entry.transaction.is_some_and(|it| self.state(it) == State::Aborted);
        all.take(end).skip(from).filter(move |(_, entry)| is_uncommitted_read || !is_aborted(entry))
    }
}

/// Equal keys come to equal partitions.
pub(super) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    key.iter().map(|byte| i32::from(*byte)).sum::<i32>() % partitions
}
