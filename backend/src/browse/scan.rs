//! The running account of a query: what was looked at, what matched, what was sent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::{MessageQuery, MessageRow, Offset, PartitionId, PartitionRange, Receipt, Record, StopReason, Update};

use super::{Cancel, Extent};
use crate::{client::IncomingRecord, decode::decode, updates::Updates};

/// Rows go out at the latest after this time.
const FLUSH_INTERVAL: Duration = Duration::from_millis(50);
/// A query that finds nothing still tells how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// Rows that wait to go out together.
const BATCH_ROWS_MAX: usize = 1_000;

pub(super) struct Scan<'a> {
    query: &'a MessageQuery,
    updates: &'a Updates,
    cancel: &'a Cancel,
    receipt: Receipt,
    /// How many records had been looked at when the reader last heard of it.
    told_scanned: Option<u64>,
    rows: Vec<Arc<MessageRow>>,
    started: Instant,
    flushed: Instant,
}

impl<'a> Scan<'a> {
    pub(super) fn new(query: &'a MessageQuery, updates: &'a Updates, cancel: &'a Cancel) -> Self {
        let receipt =
            Receipt { ranges: Vec::new(), records_scanned: 0, records_matched: 0, bytes_scanned: 0, stopped: None, elapsed_ms: 0 };
        let now = Instant::now();
        Self { query, updates, cancel, receipt, told_scanned: None, rows: Vec::new(), started: now, flushed: now }
    }

    /// Begins the account of a partition.
    pub(super) fn begin(&mut self, partition: i32, from: i64) {
        let ranges = &mut self.receipt.ranges;
        if let Err(at) = ranges.binary_search_by_key(&partition, |range| range.partition.0) {
            ranges.insert(at, PartitionRange { partition: PartitionId(partition), from: Offset(from), to: Offset(from), records: 0 });
        }
    }

    fn range(&mut self, partition: i32) -> Option<&mut PartitionRange> {
        let ranges = &mut self.receipt.ranges;
        ranges.binary_search_by_key(&partition, |range| range.partition.0).ok().and_then(|at| ranges.get_mut(at))
    }

    /// Looks at a record; a copy comes back when it matches.
    pub(super) fn look(&mut self, record: &IncomingRecord<'_>) -> Option<Record> {
        self.receipt.records_scanned += 1;
        self.receipt.bytes_scanned += (record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len)) as u64;
        if let Some(range) = self.range(record.partition()) {
            range.from = range.from.min(Offset(record.offset()));
            range.to = range.to.max(Offset(record.offset() + 1));
            range.records += 1;
        }
        let copy = self.matches(record)?;
        self.receipt.records_matched += 1;
        Some(copy)
    }

    fn matches(&self, record: &IncomingRecord<'_>) -> Option<Record> {
        let needle = &*self.query.contains;
        let holds = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| contains_ignoring_case(bytes, needle));
        let is_match = needle.is_empty()
            || holds(record.key())
            || holds(record.value())
            || record.headers().into_iter().any(|(name, value)| holds(Some(name.as_bytes())) || holds(value));
        is_match.then(|| record.to_record())
    }

    /// How many matched until now.
    pub(super) fn matched(&self) -> u64 {
        self.receipt.records_matched
    }

    /// The partition was looked at down to this offset, records or gaps.
    pub(super) fn reached_down(&mut self, partition: i32, from: i64) {
        if let Some(range) = self.range(partition) {
            range.from = range.from.min(Offset(from));
        }
    }

    /// The partition was looked at up to this offset, records or gaps.
    pub(super) fn reached(&mut self, partition: i32, to: i64) {
        if let Some(range) = self.range(partition) {
            range.to = range.to.max(Offset(to));
        }
    }

    /// Queues a match to go out.
    pub(super) fn emit(&mut self, record: Record) {
        self.rows.push(row(record));
    }

    /// Sends what waits when it is time to. False when the query is to end.
    pub(super) fn tick(&mut self) -> bool {
        let waited = self.flushed.elapsed();
        if self.rows.len() >= BATCH_ROWS_MAX
            || (!self.rows.is_empty() && waited >= FLUSH_INTERVAL)
            || waited >= PROGRESS_INTERVAL && self.has_moved()
        {
            self.flush();
        }
        !self.cancel.is_set()
    }

    fn has_moved(&self) -> bool {
        self.told_scanned != Some(self.receipt.records_scanned)
    }

    /// Sends the rest and the final receipt.
    pub(super) fn finish(mut self, stopped: StopReason) {
        self.receipt.stopped = Some(stopped);
        self.flush();
    }

    fn flush(&mut self) {
        self.receipt.elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let update = Update::Messages { id: self.query.id, rows: std::mem::take(&mut self.rows), receipt: Arc::new(self.receipt.clone()) };
        if !self.updates.publish_waiting(update) {
            self.cancel.cancel(); // nobody reads any more
        }
        self.flushed = Instant::now();
        self.told_scanned = Some(self.receipt.records_scanned);
    }
}

impl Extent {
    pub(super) fn is_empty(&self) -> bool {
        self.end <= self.log_start
    }
}

fn row(record: Record) -> Arc<MessageRow> {
    let (key, value) = (decode(record.key.as_deref()), decode(record.value.as_deref()));
    Arc::new(MessageRow {
        record: Arc::new(record),
        key_preview: key.preview.into(),
        value_preview: value.preview.into(),
        decoder: value.decoder,
        decoder_notes: value.notes.into(),
    })
}

/// Whether UTF-8 or other bytes hold a text, ASCII letters in any case.
fn contains_ignoring_case(bytes: &[u8], needle: &str) -> bool {
    let needle = needle.as_bytes();
    let Some(first) = needle.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte.eq_ignore_ascii_case(first)) {
        let Some(candidate) = rest.get(at..at + needle.len()) else { return false };
        if candidate.eq_ignore_ascii_case(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_any_case() {
        let check = |bytes: &str, needle: &str, expect: bool| {
            assert_eq!(contains_ignoring_case(bytes.as_bytes(), needle), expect, "{needle} in {bytes}")
        };
        check("Hello World", "world", true);
        check("aab", "ab", true);
        check("short", "shorter", false);
        check("", "x", false);
        check("anything", "", true);
    }
}
