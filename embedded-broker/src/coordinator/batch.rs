//! Kafka record batches (magic 2) of the coordinator's own records: written whole on append, read back on start.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// A record as the log holds it. No value is a tombstone.
pub(crate) type KeyValue = (Bytes, Option<Bytes>);

/// From the start of a batch to its first record.
const HEADER_BYTES: usize = 61;
/// What comes before the part that the batch's length counts.
const LENGTH_END: usize = 12;
/// The CRC covers everything from the attributes on.
const CRC_START: usize = 17;
const ATTRIBUTES_START: usize = 21;
const COMPRESSION_BITS: i16 = 0b111;
const CONTROL_BIT: i16 = 0b10_0000;

/// One batch of these records, its base offset left at 0 for the log to fill in.
pub(crate) fn encode(records: &[KeyValue], timestamp_ms: i64) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES + records.len() * 64);
    out.put_i64(0);
    out.put_i32(0);
    out.put_i32(0);
    out.put_i8(2);
    out.put_u32(0);
    out.put_i16(0);
    out.put_i32(records.len() as i32 - 1);
    out.put_i64(timestamp_ms);
    out.put_i64(timestamp_ms);
    out.put_i64(-1);
    out.put_i16(-1);
    out.put_i32(-1);
    out.put_i32(records.len() as i32);
    let mut body = BytesMut::new();
    for (index, (key, value)) in records.iter().enumerate() {
        body.clear();
        body.put_i8(0);
        put_varint(&mut body, 0);
        put_varint(&mut body, index as i64);
        put_varint(&mut body, key.len() as i64);
        body.put_slice(key);
        put_varint(&mut body, value.as_ref().map_or(-1, |value| value.len() as i64));
        body.put_slice(value.as_deref().unwrap_or_default());
        put_varint(&mut body, 0);
        put_varint(&mut out, body.len() as i64);
        out.put_slice(&body);
    }
    let length = (out.len() - LENGTH_END) as i32;
    out[8..LENGTH_END].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&out[ATTRIBUTES_START..]);
    out[CRC_START..ATTRIBUTES_START].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

/// The records of one batch. `Ok(None)`: a batch that is none of ours to read (compressed, or a control batch).
pub(crate) fn decode(batch: &[u8]) -> Result<Option<Vec<KeyValue>>, BatchError> {
    let header = batch.get(..HEADER_BYTES).ok_or(BatchError)?;
    let mut attributes = &header[ATTRIBUTES_START..];
    let attributes = attributes.get_i16();
    if attributes & (COMPRESSION_BITS | CONTROL_BIT) != 0 {
        return Ok(None);
    }
    let mut count = &header[HEADER_BYTES - 4..];
    let count = count.get_i32();
    let mut rest = &batch[HEADER_BYTES..];
    // Not reserved ahead: the count may lie, the bytes that follow can't.
    let mut records = Vec::new();
    for _ in 0..count.max(0) {
        let body = sized(&mut rest)?.ok_or(BatchError)?;
        records.push(decode_record(body)?);
    }
    Ok(Some(records))
}

/// The bytes are not a batch of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no record batch, as if torn or written by something else; it is skipped")]
pub(crate) struct BatchError;

fn decode_record(mut body: &[u8]) -> Result<KeyValue, BatchError> {
    let body = &mut body;
    body.try_get_i8().map_err(|_| BatchError)?;
    varint(body)?;
    varint(body)?;
    let key = sized(body)?.unwrap_or_default();
    let value = sized(body)?;
    Ok((Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice)))
}

fn sized<'a>(from: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BatchError> {
    let Ok(len) = usize::try_from(varint(from)?) else { return Ok(None) };
    let (bytes, rest) = from.split_at_checked(len).ok_or(BatchError)?;
    *from = rest;
    Ok(Some(bytes))
}

/// Zigzag, seven bits a byte, lowest first: Kafka's varint and varlong alike.
fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn varint(from: &mut &[u8]) -> Result<i64, BatchError> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = from.try_get_u8().map_err(|_| BatchError)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(BatchError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_also_by_another_codec() {
        let records: Vec<KeyValue> =
            vec![(Bytes::from_static(b"key"), Some(Bytes::from(vec![7; 300]))), (Bytes::from_static(b"gone"), None)];
        let batch = encode(&records, 1_700_000_000_000);
        assert_eq!(decode(&batch), Ok(Some(records.clone())));
        let set = kafka_protocol::records::RecordBatchDecoder::decode(&mut batch.clone()).unwrap();
        let theirs: Vec<KeyValue> = set.records.into_iter().map(|record| (record.key.unwrap(), record.value)).collect();
        assert_eq!(theirs, records);
    }

    #[test]
    fn a_torn_batch_is_no_batch() {
        let batch = encode(&[(Bytes::from_static(b"key"), Some(Bytes::from_static(b"value")))], 0);
        for len in 0..batch.len() {
            assert_eq!(decode(&batch[..len]), Err(BatchError), "{len}");
        }
        // A lying count asks for records that are not there, and gets no memory for them.
        let mut lying = batch.to_vec();
        lying[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(decode(&lying), Err(BatchError));
    }

    #[test]
    fn varints_keep_their_value() {
        for value in [0, 1, -1, 63, 64, -64, -65, i64::from(i32::MAX), i64::MAX, i64::MIN] {
            let mut out = BytesMut::new();
            put_varint(&mut out, value);
            assert_eq!(varint(&mut &out[..]), Ok(value));
        }
        assert_eq!(varint(&mut &[0x80_u8; 11][..]), Err(BatchError));
    }
}
