//! What compaction keeps of a batch. Rules and their order are those of Kafka's `Cleaner` (KIP-534 for the delete horizon).
//!
//! - A record stays if no later one has its key; a tombstone, until the delete horizon that is written into its batch when it is first met.
//! - Data of aborted transactions goes. A marker goes when nothing of its transaction is left, after a delete horizon too.
//! - The last batch of each producer stays as a header without records: on it hangs whether the producer's next batch is a retry or a gap.
//! - Offsets, sequences and codec stay as they were.

use std::collections::{HashMap, HashSet};

use bytes::{Bytes, BytesMut};

use super::super::aborted::AbortedTransaction;
use super::super::batch::{self, BatchError, BatchHeader, NO_PRODUCER_ID};
use super::super::compression::Codec;
use super::super::producers::LastBatch;
use super::super::records::{records, records_in};
use super::super::transactions::Marker;
use super::map::OffsetMap;

/// What is left of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// As it is.
    Whole,
    /// This instead.
    Changed(Bytes),
    /// Nothing.
    Nothing,
}

/// Looks at every batch from the log's start on, in order.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    pub(super) max_batch_bytes: usize,
    pub(super) aborted: &'a Aborted,
    pub(super) last_batches: &'a HashMap<i64, LastBatch>,
    /// The last offset of the log, if nothing follows the closed segments: who reads up to the high watermark must be able to get there.
    pub(super) tail_offset: i64,
    /// Producers of whose transaction something was met since its last marker.
    pub(super) in_transaction: HashSet<i64>,
    /// Abort markers that are no more: nobody must wait for them.
    pub(super) removed_markers: Vec<i64>,
}

impl Filter<'_> {
    pub(super) fn keep(&mut self, batch: &[u8], header: &BatchHeader) -> Result<Kept, BatchError> {
        if header.is_control() {
            return Ok(self.keep_marker(batch, header));
        }
        let is_aborted = self.aborted.covers(header);
        if header.is_transactional() {
            self.in_transaction.insert(header.producer_id);
        }
        if is_aborted {
            return Ok(self.without_records(batch, header));
        }
        if header.base_offset >= self.map.end_offset {
            return Ok(Kept::Whole);
        }
        self.keep_data(batch, header)
    }

    fn keep_data(&self, batch: &[u8], header: &BatchHeader) -> Result<Kept, BatchError> {
        let contents = batch::contents(batch, header, self.max_batch_bytes)?;
        let horizon_ms = header.delete_horizon_ms();
        let is_past_horizon = horizon_ms.is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        let mut kept = Vec::new();
        let (mut seen, mut has_tombstone) = (0, false);
        for record in records_in(&contents) {
            let record = record.map_err(|_| BatchError::Contents)?;
            let offset = header.base_offset + i64::from(record.offset_delta);
            seen += 1;
            // What has no key was there before the topic was compacted.
            let Some(key) = record.key else { continue };
            let is_last = !self.map.has_later(key, offset);
            if is_last && (record.value.is_some() || !is_past_horizon) {
                has_tombstone |= record.value.is_none();
                kept.push(record);
            }
        }
        if kept.is_empty() {
            return Ok(self.without_records(batch, header));
        }
        let sets_horizon = has_tombstone && horizon_ms.is_none();
        if kept.len() == seen && !sets_horizon {
            return Ok(Kept::Whole);
        }
        let horizon_ms = horizon_ms.or(sets_horizon.then_some(self.now_ms.saturating_add(self.delete_retention_ms)));
        let base_ms = horizon_ms.unwrap_or(header.base_timestamp_ms);
        let mut new_contents = BytesMut::new();
        let mut max_timestamp_ms = i64::MIN;
        for record in &kept {
            let timestamp_ms = header.base_timestamp_ms.wrapping_add(record.timestamp_delta_ms);
            max_timestamp_ms = max_timestamp_ms.max(timestamp_ms);
            record.write(&mut new_contents, timestamp_ms.wrapping_sub(base_ms));
        }
        let rest = batch::Rest {
            record_count: i32::try_from(kept.len()).unwrap_or(i32::MAX),
            max_timestamp_ms: if header.uses_log_append_time() { header.max_timestamp_ms } else { max_timestamp_ms },
            horizon_ms,
        };
        let codec = Codec::from_id(header.codec_id()).ok_or(BatchError::Contents)?;
        let compressed = codec.compress(&new_contents).map_err(|_| BatchError::Contents)?;
        Ok(Kept::Changed(batch::with_rest(batch, &rest, &compressed)))
    }

    fn keep_marker(&mut self, batch: &[u8], header: &BatchHeader) -> Kept {
        let has_data = self.in_transaction.remove(&header.producer_id);
        if has_data || header.record_count == 0 {
            return if has_data { Kept::Whole } else { self.without_records(batch, header) };
        }
        match header.delete_horizon_ms() {
            None => self.with_horizon(batch, header),
            Some(horizon_ms) if horizon_ms > self.now_ms => Kept::Whole,
            Some(_) => {
                if Marker::decode(batch).is_some_and(|marker| !marker.is_commit) {
                    self.removed_markers.push(header.base_offset);
                }
                self.without_records(batch, header)
            }
        }
    }

    /// A marker that may go once nobody reads what it ended any more.
    fn with_horizon(&self, batch: &[u8], header: &BatchHeader) -> Kept {
        let horizon_ms = self.now_ms.saturating_add(self.delete_retention_ms);
        let mut contents = BytesMut::new();
        for record in records(batch).flatten() {
            let timestamp_ms = header.base_timestamp_ms.wrapping_add(record.timestamp_delta_ms);
            record.write(&mut contents, timestamp_ms.wrapping_sub(horizon_ms));
        }
        let (record_count, max_timestamp_ms) = (header.record_count, header.max_timestamp_ms);
        let rest = batch::Rest { record_count, max_timestamp_ms, horizon_ms: Some(horizon_ms) };
        Kept::Changed(batch::with_rest(batch, &rest, &contents))
    }

    fn without_records(&self, batch: &[u8], header: &BatchHeader) -> Kept {
        let is_end_of_log = header.last_offset() >= self.tail_offset;
        if !is_end_of_log && !self.is_last_of_producer(header) {
            return Kept::Nothing;
        }
        if header.record_count == 0 {
            return Kept::Whole;
        }
        let rest = batch::Rest { record_count: 0, max_timestamp_ms: header.max_timestamp_ms, horizon_ms: header.delete_horizon_ms() };
        Kept::Changed(batch::with_rest(batch, &rest, &[]))
    }

    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        if header.producer_id == NO_PRODUCER_ID {
            return false;
        }
        self.last_batches.get(&header.producer_id).is_some_and(|last| match last.base_offset {
            Some(base_offset) => base_offset == header.base_offset,
            None => header.is_control() && header.producer_epoch == last.epoch,
        })
    }
}

/// Aborted transactions, by producer.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    by_producer: HashMap<i64, Vec<AbortedTransaction>>,
}

impl Aborted {
    pub(super) fn new(aborted: impl IntoIterator<Item = AbortedTransaction>) -> Self {
        let mut by_producer: HashMap<i64, Vec<AbortedTransaction>> = HashMap::new();
        for one in aborted {
            by_producer.entry(one.producer_id).or_default().push(one);
        }
        Self { by_producer }
    }

    /// Whether a batch is data of one of them.
    pub(super) fn covers(&self, header: &BatchHeader) -> bool {
        if !header.is_transactional() || header.is_control() {
            return false;
        }
        // By their markers' offsets, in order: those of one producer do not overlap.
        let Some(aborted) = self.by_producer.get(&header.producer_id) else { return false };
        let after = aborted.partition_point(|one| one.marker_offset < header.base_offset);
        aborted.get(after).is_some_and(|one| one.first_offset <= header.base_offset)
    }
}
