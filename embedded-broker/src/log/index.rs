//! A segment's sparse index: where in the file an offset or a time is, to within some kilobytes.
//!
//! On disk (`.index`) the segment's aborted transactions follow it, and it ends with a footer, and doubles as the segment's seal: it is
//! written only after the log file was synced, so a segment whose footer is valid and names the log's size needs no scan. It is removed
//! before anything more is appended. Both it and its loss are harmless: it is rebuilt from the log.

use bytes::{Buf as _, BufMut as _, BytesMut};

use super::aborted::AbortedTransaction;
use super::batch::{BatchHeader, NO_TIMESTAMP};

const ENTRY_BYTES: usize = 24;
/// Of Kafka's offset index, which `segment.index.bytes` is about.
const KAFKA_ENTRY_BYTES: u64 = 8;
/// Bytes of the footer: what [`Footer::read`] wants.
pub(super) const FOOTER_BYTES: usize = 52;
const MAGIC: u32 = 0x5745_4953;

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    base_offset: i64,
    position: u64,
    /// The largest timestamp in the segment before this batch.
    max_timestamp_before_ms: i64,
}

/// Where to begin to look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub(super) position: u64,
    /// Of the batch that stands there; `None` at the beginning of the segment.
    pub(super) base_offset: Option<i64>,
}

/// The index in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SparseIndex {
    entries: Vec<Entry>,
    max_timestamp_ms: i64,
    bytes_since_entry: u64,
}

impl Default for SparseIndex {
    fn default() -> Self {
        Self { entries: Vec::new(), max_timestamp_ms: NO_TIMESTAMP, bytes_since_entry: 0 }
    }
}

impl SparseIndex {
    /// Takes note of a batch that stands at `position`.
    pub(super) fn add(&mut self, header: &BatchHeader, position: u64, interval_bytes: u64) {
        if self.bytes_since_entry >= interval_bytes {
            let max_timestamp_before_ms = self.max_timestamp_ms;
            self.entries.push(Entry { base_offset: header.base_offset, position, max_timestamp_before_ms });
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += header.size as u64;
        self.max_timestamp_ms = self.max_timestamp_ms.max(header.max_timestamp_ms);
    }

    pub(super) fn max_timestamp_ms(&self) -> i64 {
        self.max_timestamp_ms
    }

    /// Whether Kafka's offset index of as many entries would fill `segment.index.bytes`.
    pub(super) fn is_full(&self, segment_index_bytes: u64) -> bool {
        (self.entries.len() as u64).saturating_mul(KAFKA_ENTRY_BYTES) >= segment_index_bytes
    }

    /// A place at or before the batch that holds `offset`.
    pub(super) fn place_of_offset(&self, offset: i64) -> Place {
        self.last_before(self.entries.partition_point(|entry| entry.base_offset <= offset))
    }

    /// A place at or before the first batch with a timestamp of at least `timestamp_ms`.
    pub(super) fn place_of_time(&self, timestamp_ms: i64) -> Place {
        self.last_before(self.entries.partition_point(|entry| entry.max_timestamp_before_ms < timestamp_ms))
    }

    fn last_before(&self, after: usize) -> Place {
        let entry = after.checked_sub(1).map(|index| self.entries[index]);
        entry.map_or_else(Place::default, |entry| Place { position: entry.position, base_offset: Some(entry.base_offset) })
    }

    /// The index file of a segment that is complete and synced.
    pub(super) fn encode(&self, log_size: u64, next_offset: i64, aborted: &[AbortedTransaction]) -> Vec<u8> {
        let mut bytes = BytesMut::with_capacity((self.entries.len() + aborted.len()) * ENTRY_BYTES + FOOTER_BYTES);
        for entry in &self.entries {
            bytes.put_i64(entry.base_offset);
            bytes.put_u64(entry.position);
            bytes.put_i64(entry.max_timestamp_before_ms);
        }
        for aborted in aborted {
            bytes.put_i64(aborted.producer_id);
            bytes.put_i64(aborted.first_offset);
            bytes.put_i64(aborted.marker_offset);
        }
        let entries_crc = crc32c::crc32c(&bytes);
        let footer_at = bytes.len();
        bytes.put_u32(MAGIC);
        bytes.put_u32(entries_crc);
        bytes.put_u64(log_size);
        bytes.put_i64(next_offset);
        bytes.put_i64(self.max_timestamp_ms);
        bytes.put_u64(self.bytes_since_entry);
        bytes.put_u64(aborted.len() as u64);
        let footer_crc = crc32c::crc32c(&bytes[footer_at..]);
        bytes.put_u32(footer_crc);
        bytes.to_vec()
    }

    /// Reads an index file back, with the segment's aborted transactions; `None` if it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, Vec<AbortedTransaction>)> {
        let (body, footer) = bytes.split_at_checked(bytes.len().checked_sub(FOOTER_BYTES)?)?;
        let footer = Footer::read(footer)?;
        if crc32c::crc32c(body) != footer.entries_crc || !body.len().is_multiple_of(ENTRY_BYTES) {
            return None;
        }
        let aborted_bytes = usize::try_from(footer.aborted_count).ok()?.checked_mul(ENTRY_BYTES)?;
        let (mut entries, mut rest) = body.split_at_checked(body.len().checked_sub(aborted_bytes)?)?;
        let mut index = Self { max_timestamp_ms: footer.max_timestamp_ms, bytes_since_entry: footer.bytes_since_entry, ..Self::default() };
        while entries.has_remaining() {
            let (base_offset, position) = (entries.get_i64(), entries.get_u64());
            index.entries.push(Entry { base_offset, position, max_timestamp_before_ms: entries.get_i64() });
        }
        let mut aborted = Vec::new();
        while rest.has_remaining() {
            let (producer_id, first_offset) = (rest.get_i64(), rest.get_i64());
            aborted.push(AbortedTransaction { producer_id, first_offset, marker_offset: rest.get_i64() });
        }
        Some((index, aborted))
    }
}

/// What the end of an index file says about its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    entries_crc: u32,
    pub(super) log_size: u64,
    pub(super) next_offset: i64,
    pub(super) max_timestamp_ms: i64,
    bytes_since_entry: u64,
    /// Aborted transactions whose markers are in the segment.
    pub(super) aborted_count: u64,
}

impl Footer {
    /// Reads a footer; `None` if it is damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (mut footer, mut crc) = bytes.split_at_checked(FOOTER_BYTES - 4)?;
        if crc.len() != 4 || crc.get_u32() != crc32c::crc32c(footer) || footer.get_u32() != MAGIC {
            return None;
        }
        Some(Self {
            entries_crc: footer.get_u32(),
            log_size: footer.get_u64(),
            next_offset: footer.get_i64(),
            max_timestamp_ms: footer.get_i64(),
            bytes_since_entry: footer.get_u64(),
            aborted_count: footer.get_u64(),
        })
    }
}
