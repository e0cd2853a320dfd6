//! A record batch (magic 2) seen from outside: its 61-byte header and its checksum. What is inside stays the client's.
//!
//! Layout (KIP-98): base offset 0..8, length 8..12, partition leader epoch 12..16, magic 16, CRC-32C 17..21 over all that follows, attributes
//! 21..23, last offset delta 23..27, base timestamp 27..35, max timestamp 35..43, producer id 43..51, producer epoch 51..53, base sequence
//! 53..57, record count 57..61. The broker may change the first two fields and the epoch without touching the checksum.

use std::borrow::Cow;

use bytes::Bytes;

use super::compression::Codec;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: usize = 61;
/// Base offset and length: what the length does not count.
pub(crate) const PREFIX_BYTES: usize = 12;
/// Base offset, length and leader epoch: what the broker writes anew.
pub(crate) const PATCHED_BYTES: usize = 16;
const MAGIC: u8 = 2;
const CRC_START: usize = 17;
const CRC_COVERS_FROM: usize = 21;
const ATTRIBUTES_AT: usize = 21;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const RECORD_COUNT_AT: usize = 57;

const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
pub(super) const TRANSACTIONAL: i16 = 0x10;
pub(super) const CONTROL: i16 = 0x20;
/// The base timestamp is the time from which tombstones and markers may go (KIP-534).
const DELETE_HORIZON: i16 = 0x40;

/// No producer id: the batch is not idempotent.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// No timestamp.
pub(crate) const NO_TIMESTAMP: i64 = -1;

/// A batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// The whole batch, header included.
    pub(crate) size: usize,
    pub(crate) crc: u32,
    pub(super) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    /// The broker's own, as the base offset: neither is under the checksum.
    pub(crate) leader_epoch: i32,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the batch itself may go on beyond them.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated);
        };
        if header[16] != MAGIC {
            return Err(BatchError::Magic(header[16]));
        }
        let length = i32_at(header, 8);
        let size = usize::try_from(length).ok().and_then(|length| length.checked_add(PREFIX_BYTES)).filter(|size| *size >= HEADER_BYTES);
        Ok(Self {
            base_offset: i64_at(header, 0),
            leader_epoch: i32_at(header, 12),
            size: size.ok_or(BatchError::Length(length))?,
            crc: u32::from_be_bytes([header[17], header[18], header[19], header[20]]),
            attributes: i16_at(header, ATTRIBUTES_AT),
            last_offset_delta: i32_at(header, 23),
            base_timestamp_ms: i64_at(header, 27),
            max_timestamp_ms: i64_at(header, MAX_TIMESTAMP_AT),
            producer_id: i64_at(header, 43),
            producer_epoch: i16_at(header, 51),
            base_sequence: i32_at(header, 53),
            record_count: i32_at(header, 57),
        })
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub(crate) fn is_compressed(&self) -> bool {
        self.attributes & COMPRESSION_MASK != 0
    }

    /// From when on its tombstones, or the marker it is, may go; `None` until compaction has met them.
    pub(super) fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp_ms)
    }

    /// A record's timestamp.
    pub(super) fn record_time_ms(&self, timestamp_delta_ms: i64) -> i64 {
        if self.uses_log_append_time() { self.max_timestamp_ms } else { self.base_timestamp_ms.wrapping_add(timestamp_delta_ms) }
    }

    /// The number of its codec.
    pub(super) fn codec_id(&self) -> i16 {
        self.attributes & COMPRESSION_MASK
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn uses_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }
}

/// Reads the header at the start of `bytes` and holds the whole batch against its checksum.
pub(crate) fn check(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::read(bytes)?;
    let batch = bytes.get(..header.size).ok_or(BatchError::Truncated)?;
    if crc32c::crc32c(&batch[CRC_COVERS_FROM..]) != header.crc {
        return Err(BatchError::Crc);
    }
    if header.last_offset_delta < 0 || header.record_count < 0 {
        return Err(BatchError::Deltas);
    }
    Ok(header)
}

/// What the broker writes at the start of a batch it stores.
pub(crate) fn patched_prefix(batch: &[u8], base_offset: i64, leader_epoch: i32) -> [u8; PATCHED_BYTES] {
    let mut prefix = [0; PATCHED_BYTES];
    prefix[..8].copy_from_slice(&base_offset.to_be_bytes());
    prefix[8..12].copy_from_slice(&batch[8..12]);
    prefix[12..].copy_from_slice(&leader_epoch.to_be_bytes());
    prefix
}

/// The batch with the broker's time in place of the producer's (`message.timestamp.type=LogAppendTime`).
pub(crate) fn with_log_append_time(batch: &[u8], now_ms: i64) -> Bytes {
    let mut batch = batch.to_vec();
    let attributes = i16_at(&batch, ATTRIBUTES_AT) | LOG_APPEND_TIME;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&now_ms.to_be_bytes());
    seal(&mut batch);
    Bytes::from(batch)
}

/// The batch with other bytes behind its header, compressed as this codec does. Everything else stays as it was.
pub(super) fn with_contents(batch: &[u8], codec: Codec, contents: &[u8]) -> Bytes {
    let mut new = batch[..HEADER_BYTES].to_vec();
    let attributes = i16_at(batch, ATTRIBUTES_AT) & !COMPRESSION_MASK | codec.id();
    new[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    new.extend_from_slice(contents);
    let length = i32::try_from(new.len() - PREFIX_BYTES).unwrap_or(i32::MAX);
    new[8..12].copy_from_slice(&length.to_be_bytes());
    seal(&mut new);
    Bytes::from(new)
}

/// What compaction changes in a header. The last offset delta stays, so that offsets do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) record_count: i32,
    pub(super) max_timestamp_ms: i64,
    /// Takes the place of the base timestamp.
    pub(super) horizon_ms: Option<i64>,
}

/// The batch with fewer records; `contents` are compressed as they were.
pub(super) fn with_rest(batch: &[u8], rest: &Rest, contents: &[u8]) -> Bytes {
    let mut new = batch[..HEADER_BYTES].to_vec();
    if let Some(horizon_ms) = rest.horizon_ms {
        let attributes = i16_at(batch, ATTRIBUTES_AT) | DELETE_HORIZON;
        new[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
        new[BASE_TIMESTAMP_AT..BASE_TIMESTAMP_AT + 8].copy_from_slice(&horizon_ms.to_be_bytes());
    }
    new[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&rest.max_timestamp_ms.to_be_bytes());
    new[RECORD_COUNT_AT..HEADER_BYTES].copy_from_slice(&rest.record_count.to_be_bytes());
    new.extend_from_slice(contents);
    let length = i32::try_from(new.len() - PREFIX_BYTES).unwrap_or(i32::MAX);
    new[8..12].copy_from_slice(&length.to_be_bytes());
    seal(&mut new);
    Bytes::from(new)
}

/// What stands behind a whole batch's header, decompressed if need be, but no more than `max_bytes`.
pub(super) fn contents<'a>(batch: &'a [u8], header: &BatchHeader, max_bytes: usize) -> Result<Cow<'a, [u8]>, BatchError> {
    let contents = batch.get(HEADER_BYTES..header.size).ok_or(BatchError::Truncated)?;
    let codec = Codec::from_id(header.codec_id()).ok_or(BatchError::Contents)?;
    codec.decompress(contents, max_bytes).map_err(|_| BatchError::Contents)
}

/// Writes the checksum of a batch that is otherwise complete.
pub(crate) fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    batch[CRC_START..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// The batches of `bytes` one after the other, by their headers alone; ends at the first that is not whole.
pub(crate) fn headers(bytes: &[u8]) -> impl Iterator<Item = (usize, BatchHeader)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(position..)?;
        let header = BatchHeader::read(rest).ok().filter(|header| header.size <= rest.len())?;
        let at = position;
        position += header.size;
        Some((at, header))
    })
}

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    /// The bytes end before the batch does.
    #[error("the record batch is cut short")]
    Truncated,
    /// The format of before Kafka 0.11, or no batch at all.
    #[error("the record batch has format {0}; this broker stores format 2 (Kafka 0.11 and later)")]
    Magic(u8),
    /// A length no batch has.
    #[error("the record batch has the impossible length {0}")]
    Length(i32),
    /// The bytes were damaged.
    #[error("the record batch does not match its checksum")]
    Crc,
    /// Negative counts.
    #[error("the record batch has a negative record count or offset delta")]
    Deltas,
    /// In the log, not where it belongs.
    #[error("the record batch does not follow the one before it, or goes beyond the segment")]
    Order,
    /// Not what the codec makes, or far too much.
    #[error("the record batch can't be decompressed, or holds more than this broker opens")]
    Contents,
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    i64::from_be_bytes(value)
}
