//! Plain (uncompressed) records: read one by one, or built into a batch. Nothing here allocates by a count it has not checked.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::batch::{self, BatchHeader, HEADER_BYTES, NO_PRODUCER_ID};
use super::transactions::ProducerEpoch;

/// One record of an uncompressed batch, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) timestamp_delta_ms: i64,
    pub(crate) offset_delta: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    attributes: u8,
    /// From the key's length to the last header.
    tail: &'a [u8],
}

impl Record<'_> {
    /// Writes it as it is, but for the time its timestamp counts from.
    pub(super) fn write(&self, contents: &mut BytesMut, timestamp_delta_ms: i64) {
        let mut record = BytesMut::with_capacity(self.tail.len() + RECORD_HEAD_BYTES);
        record.put_u8(self.attributes);
        put_varint(&mut record, timestamp_delta_ms);
        put_varint(&mut record, i64::from(self.offset_delta));
        record.extend_from_slice(self.tail);
        put_varint(contents, record.len() as i64);
        contents.extend_from_slice(&record);
    }
}

/// Attributes and two varints at their longest.
const RECORD_HEAD_BYTES: usize = 21;

/// The records of one whole uncompressed batch. An `Err` ends the iteration.
pub(crate) fn records(batch: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Malformed>> {
    records_in(batch.get(HEADER_BYTES..).unwrap_or_default())
}

/// The records behind a batch's header, decompressed. An `Err` ends the iteration.
pub(super) fn records_in(mut rest: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Malformed>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || failed {
            return None;
        }
        let record = read_record(&mut rest);
        failed = record.is_none();
        Some(record.ok_or(Malformed))
    })
}

/// What stands behind a batch's header, decompressed, is exactly the records the header says, with consecutive offsets; and all have keys
/// where keys are wanted.
pub(super) fn check_records(mut contents: &[u8], header: &BatchHeader, wants_keys: bool) -> Result<(), RecordFault> {
    let mut expected = 0;
    while !contents.is_empty() {
        let length = length(&mut contents).ok_or(RecordFault::Malformed)?;
        let (mut record, after) = contents.split_at_checked(length).ok_or(RecordFault::Malformed)?;
        contents = after;
        record = record.get(1..).ok_or(RecordFault::Malformed)?;
        varint(&mut record).ok_or(RecordFault::Malformed)?;
        if varint(&mut record) != Some(expected) {
            return Err(RecordFault::Malformed);
        }
        if wants_keys && varint(&mut record).ok_or(RecordFault::Malformed)? < 0 {
            return Err(RecordFault::NoKey { index: expected });
        }
        expected += 1;
    }
    if expected == i64::from(header.record_count) { Ok(()) } else { Err(RecordFault::Malformed) }
}

/// What is wrong with a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordFault {
    /// Not what the header says.
    Malformed,
    /// A compacted topic keeps the last value of each key: what has no key has no place there.
    NoKey {
        /// Which record.
        index: i64,
    },
}

/// Builds a batch of our own, all records with the same timestamp. The log gives it its offsets.
pub(crate) fn build_batch<'a>(timestamp_ms: i64, records: impl IntoIterator<Item = RecordFields<'a>>) -> Bytes {
    build(timestamp_ms, 0, ProducerEpoch { producer_id: NO_PRODUCER_ID, epoch: -1 }, records)
}

/// Builds a batch in a producer's name: part of its transaction, or the marker that ends it.
pub(crate) fn build_producer_batch<'a>(
    timestamp_ms: i64,
    producer: ProducerEpoch,
    is_marker: bool,
    records: impl IntoIterator<Item = RecordFields<'a>>,
) -> Bytes {
    let control = if is_marker { batch::CONTROL } else { 0 };
    build(timestamp_ms, batch::TRANSACTIONAL | control, producer, records)
}

/// A record's key and value.
pub(crate) type RecordFields<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn build<'a>(timestamp_ms: i64, attributes: i16, producer: ProducerEpoch, records: impl IntoIterator<Item = RecordFields<'a>>) -> Bytes {
    let mut batch = BytesMut::zeroed(HEADER_BYTES);
    let mut count = 0;
    for (key, value) in records {
        let mut record = BytesMut::new();
        record.put_u8(0); // No attributes.
        put_varint(&mut record, 0); // Timestamp delta.
        put_varint(&mut record, count);
        put_field(&mut record, key);
        put_field(&mut record, value);
        put_varint(&mut record, 0); // No headers.
        put_varint(&mut batch, record.len() as i64);
        batch.extend_from_slice(&record);
        count += 1;
    }
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let length = i32::try_from(batch.len() - batch::PREFIX_BYTES).unwrap_or(i32::MAX);
    let mut header = BytesMut::with_capacity(HEADER_BYTES);
    header.put_i64(0);
    header.put_i32(length);
    header.put_i32(0);
    header.put_u8(2);
    header.put_u32(0);
    header.put_i16(attributes);
    header.put_i32((count - 1).max(0));
    header.put_i64(timestamp_ms);
    header.put_i64(timestamp_ms);
    header.put_i64(producer.producer_id);
    header.put_i16(producer.epoch);
    header.put_i32(-1);
    header.put_i32(count);
    batch[..HEADER_BYTES].copy_from_slice(&header);
    batch::seal(&mut batch);
    batch.freeze()
}

/// The bytes are not records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch's records do not match its header")]
pub(crate) struct Malformed;

fn read_record<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let length = length(rest)?;
    let (record, after) = rest.split_at_checked(length)?;
    *rest = after;
    let (attributes, mut record) = record.split_first()?;
    let timestamp_delta_ms = varint(&mut record)?;
    let offset_delta = i32::try_from(varint(&mut record)?).ok()?;
    let tail = record;
    let key = field(&mut record)?;
    let value = field(&mut record)?;
    Some(Record { timestamp_delta_ms, offset_delta, key, value, attributes: *attributes, tail })
}

fn field<'a>(record: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint(record)?;
    if length < 0 {
        return Some(None);
    }
    let (field, rest) = record.split_at_checked(usize::try_from(length).ok()?)?;
    *record = rest;
    Some(Some(field))
}

fn length(bytes: &mut &[u8]) -> Option<usize> {
    usize::try_from(varint(bytes)?).ok()
}

/// A zigzag varint of up to ten bytes.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for index in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(index * 7)?;
        if *byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn put_varint(bytes: &mut BytesMut, value: i64) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        bytes.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.put_u8(value as u8);
}

fn put_field(record: &mut BytesMut, field: Option<&[u8]>) {
    match field {
        Some(field) => {
            put_varint(record, field.len() as i64);
            record.extend_from_slice(field);
        }
        None => put_varint(record, -1),
    }
}
