//! A log with transactions, their markers, and the offsets that groups commit in them (KIP-98, KIP-447).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    sim::Random,
    stream::{
        Change,
        app::{TaskId, disk::Next},
    },
};

/// A topic and a partition.
pub(super) type At = (Arc<str>, i32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Committed,
    Aborted,
}

/// What is decided holds at once, and is seen in a partition once its marker is there.
struct Transaction {
    state: State,
    /// When the coordinator loses patience.
    expires_at: Duration,
    /// Partitions that were written to and have no marker yet.
    unmarked: BTreeSet<At>,
    /// Offsets that are committed with it, until they are.
    offsets: BTreeMap<At, (i64, String)>,
}

pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp_ms: i64,
    /// `None` for what was written without.
    transaction: Option<usize>,
    is_marker: bool,
}

/// All partitions, transactions and committed offsets.
#[derive(Default)]
pub(super) struct Log {
    partitions: BTreeMap<At, Vec<Entry>>,
    transactions: Vec<Transaction>,
    /// The first that may be unfinished.
    unfinished: usize,
    /// The offset to read next, with the committer's note.
    pub(super) committed: BTreeMap<At, (i64, String)>,
}

impl Log {
    pub(super) fn begin(&mut self, expires_at: Duration) -> usize {
        let (unmarked, offsets) = (BTreeSet::new(), BTreeMap::new());
        self.transactions.push(Transaction { state: State::Open, expires_at, unmarked, offsets });
        self.transactions.len() - 1
    }

    pub(super) fn is_open(&self, transaction: usize) -> bool {
        self.transactions[transaction].state == State::Open
    }

    /// Adds offsets to a transaction.
    pub(super) fn add_offsets(&mut self, transaction: usize, offsets: impl IntoIterator<Item = (At, (i64, String))>) {
        self.transactions[transaction].offsets.extend(offsets);
    }

    /// Decides an open transaction; its markers are written later.
    pub(super) fn end(&mut self, transaction: usize, is_commit: bool) {
        let it = &mut self.transactions[transaction];
        if it.state == State::Open {
            it.state = if is_commit { State::Committed } else { State::Aborted };
        }
    }

    /// Aborts what is too old.
    pub(super) fn expire(&mut self, now: Duration) {
        let old = self.transactions[self.unfinished..].iter_mut().filter(|it| it.state == State::Open && it.expires_at <= now);
        old.for_each(|it| it.state = State::Aborted);
    }

    /// Writes all markers of a transaction that is decided.
    pub(super) fn finish(&mut self, transaction: usize) {
        self.mark(transaction, || true);
        self.commit_offsets(transaction);
    }

    /// Writes some markers of those that are missing, or all.
    pub(super) fn finish_some(&mut self, random: &mut Random, is_all: bool) {
        for transaction in self.unfinished..self.transactions.len() {
            self.mark(transaction, || is_all || random.below(2) == 0);
            if is_all || random.below(2) == 0 {
                self.commit_offsets(transaction);
            }
        }
        let is_finished = |it: &Transaction| it.state != State::Open && it.unmarked.is_empty() && it.offsets.is_empty();
        while self.transactions.get(self.unfinished).is_some_and(is_finished) {
            self.unfinished += 1;
        }
    }

    fn mark(&mut self, transaction: usize, mut is_meant: impl FnMut() -> bool) {
        let it = &mut self.transactions[transaction];
        if it.state == State::Open {
            return;
        }
        for at in it.unmarked.extract_if(.., |_| is_meant()) {
            let entry = Entry { key: Vec::new(), value: None, timestamp_ms: 0, transaction: None, is_marker: true };
            self.partitions.entry(at).or_default().push(entry);
        }
    }

    fn commit_offsets(&mut self, transaction: usize) {
        let it = &mut self.transactions[transaction];
        match it.state {
            State::Open => {}
            State::Committed => self.committed.append(&mut it.offsets),
            State::Aborted => it.offsets.clear(),
        }
    }

    /// Ends all that may still commit an offset of this partition; gives when that is.
    pub(super) fn settle_offsets(&mut self, at: &At) -> Option<Duration> {
        let all = self.unfinished..self.transactions.len();
        let pending: Vec<_> = all.filter(|it| self.transactions[*it].offsets.contains_key(at)).collect();
        let mut until = None;
        for transaction in pending {
            if self.is_open(transaction) {
                until = until.max(Some(self.transactions[transaction].expires_at));
                self.end(transaction, false);
            }
            self.commit_offsets(transaction);
        }
        until
    }

    /// Gives the record's offset.
    pub(super) fn append(&mut self, at: &At, transaction: Option<usize>, key: &[u8], value: Option<&[u8]>, timestamp_ms: i64) -> i64 {
        if let Some(transaction) = transaction {
            self.transactions[transaction].unmarked.insert(at.clone());
        }
        let entry = Entry { key: key.to_vec(), value: value.map(<[u8]>::to_vec), timestamp_ms, transaction, is_marker: false };
        let all = self.partitions.entry(at.clone()).or_default();
        all.push(entry);
        all.len() as i64 - 1
    }

    /// The high watermark.
    pub(super) fn end_of(&self, at: &At) -> usize {
        self.partitions.get(at).map_or(0, Vec::len)
    }

    /// The last stable offset: where the first transaction begins that has no marker here.
    pub(super) fn stable_end(&self, at: &At) -> usize {
        let is_undecided = |entry: &Entry| entry.transaction.is_some_and(|it| self.transactions[it].unmarked.contains(at));
        let first = self.partitions.get(at).and_then(|all| all.iter().position(is_undecided));
        first.unwrap_or_else(|| self.end_of(at))
    }

    /// The offset after the last record that may be read.
    pub(super) fn last_readable(&self, at: &At) -> i64 {
        self.readable_from(at, 0, false).last().map_or(0, |(offset, _)| offset as i64 + 1)
    }

    /// What a reader of committed records sees.
    pub(super) fn committed_from(&self, at: &At, from: usize) -> impl Iterator<Item = (usize, &Entry)> {
        self.readable_from(at, from, false)
    }

    /// A copy of changelogs holds the newest of each key up to where it was read.
    pub(super) fn check_copy(&self, task: TaskId, held: Vec<(Arc<str>, Change)>, next: &Next) -> Result<(), String> {
        let mut expected = BTreeMap::new();
        for (topic, next) in next {
            let at = (Arc::clone(topic), task.partition);
            for (_, entry) in self.committed_from(&at, 0).take_while(|(offset, _)| (*offset as i64) < *next) {
                expected.insert((Arc::clone(topic), entry.key.clone()), entry.value.clone());
            }
        }
        expected.retain(|_, value| value.is_some());
        let held: BTreeMap<_, _> = held.into_iter().map(|(topic, change)| ((topic, change.key), change.value)).collect();
        if held == expected { Ok(()) } else { Err(format!("the replica of {task} is {held:?} instead of {expected:?}")) }
    }

    pub(super) fn readable_from(&self, at: &At, from: usize, is_uncommitted_read: bool) -> impl Iterator<Item = (usize, &Entry)> {
        let end = if is_uncommitted_read { self.end_of(at) } else { self.stable_end(at) };
        let all = self.partitions.get(at).map_or(&[][..], Vec::as_slice).iter().enumerate();
        let is_aborted = move |entry: &Entry| entry.transaction.is_some_and(|it| self.transactions[it].state == State::Aborted);
        all.take(end).skip(from).filter(move |(_, entry)| !entry.is_marker && (is_uncommitted_read || !is_aborted(entry)))
    }
}

/// Equal keys come to equal partitions.
pub(super) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    key.iter().map(|byte| i32::from(*byte)).sum::<i32>() % partitions
}
