//! What the coordinator writes to `__transaction_state`, in Kafka's own schemas (`TransactionLogKey/Value.json`), so that any tool that reads
//! that topic reads ours.
//!
//! The key is a version (0) and the id. The value is written in version 1, whose tagged fields hold the previous and the next producer id and
//! the client's transaction version; read are 0 and 1. A null value forgets the id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::state::{Phase, TopicPartition, Transaction, TransactionalId};
use crate::log::ProducerEpoch;

const KEY_VERSION: i16 = 0;
const VALUE_VERSION: i16 = 1;
/// `PrepareEpochFence`, which Kafka may have written in a log that is read here: the abort of a fenced producer.
const PREPARE_EPOCH_FENCE: i8 = 7;
const PREVIOUS_PRODUCER_ID_TAG: u64 = 0;
const NEXT_PRODUCER_ID_TAG: u64 = 1;
const CLIENT_VERSION_TAG: u64 = 2;
const NO_ID: i64 = -1;

/// One durable fact: what an id's newest transaction is, or that the id is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: TransactionalId,
    pub(crate) transaction: Option<Transaction>,
}

/// Why bytes of `__transaction_state` could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is no transaction, or of a newer version than this program reads; it is skipped")]
pub(crate) struct Unreadable;

impl Record {
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let mut key = BytesMut::new();
        key.put_i16(KEY_VERSION);
        key.put_i16(self.id.len() as i16);
        key.put_slice(self.id.as_bytes());
        (key.freeze(), self.transaction.as_ref().map(encode))
    }

    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, Unreadable> {
        let mut key = key;
        if key.try_get_i16() != Ok(KEY_VERSION) {
            return Err(Unreadable);
        }
        let id = text(&mut key).ok_or(Unreadable)?;
        let transaction = value.map(|value| decode(value).ok_or(Unreadable)).transpose()?;
        Ok(Self { id, transaction })
    }
}

fn encode(transaction: &Transaction) -> Bytes {
    let mut topics = BTreeMap::<&Arc<str>, Vec<i32>>::new();
    for at in &transaction.partitions {
        topics.entry(&at.topic).or_default().push(at.partition);
    }
    let mut out = BytesMut::new();
    out.put_i16(VALUE_VERSION);
    out.put_i64(transaction.producer.producer_id);
    out.put_i16(transaction.producer.epoch);
    out.put_i32(transaction.timeout_ms);
    out.put_i8(transaction.phase as i8);
    put_varint(&mut out, topics.len() as u64 + 1);
    for (topic, partitions) in topics {
        put_varint(&mut out, topic.len() as u64 + 1);
        out.put_slice(topic.as_bytes());
        put_varint(&mut out, partitions.len() as u64 + 1);
        partitions.iter().for_each(|partition| out.put_i32(*partition));
        put_varint(&mut out, 0);
    }
    out.put_i64(transaction.updated_ms);
    out.put_i64(transaction.started_ms);
    let tags = [
        (
            PREVIOUS_PRODUCER_ID_TAG,
            (transaction.previous_producer_id != NO_ID).then(|| transaction.previous_producer_id.to_be_bytes().to_vec()),
        ),
        (NEXT_PRODUCER_ID_TAG, (transaction.next_producer_id != NO_ID).then(|| transaction.next_producer_id.to_be_bytes().to_vec())),
        (CLIENT_VERSION_TAG, (transaction.client_version != 0).then(|| transaction.client_version.to_be_bytes().to_vec())),
    ];
    put_varint(&mut out, tags.iter().filter(|(_, value)| value.is_some()).count() as u64);
    for (tag, value) in tags.iter().filter_map(|(tag, value)| Some((tag, value.as_ref()?))) {
        put_varint(&mut out, *tag);
        put_varint(&mut out, value.len() as u64);
        out.put_slice(value);
    }
    out.freeze()
}

fn decode(mut from: &[u8]) -> Option<Transaction> {
    let from = &mut from;
    let version = from.try_get_i16().ok()?;
    if !(0..=VALUE_VERSION).contains(&version) {
        return None;
    }
    let producer = ProducerEpoch { producer_id: from.try_get_i64().ok()?, epoch: from.try_get_i16().ok()? };
    let timeout_ms = from.try_get_i32().ok()?;
    let status = from.try_get_i8().ok()?;
    let phase = if status == PREPARE_EPOCH_FENCE { Phase::PrepareAbort } else { *Phase::ALL.get(usize::try_from(status).ok()?)? };
    let partitions = if version == 0 { plain_partitions(from)? } else { compact_partitions(from)? };
    let (updated_ms, started_ms) = (from.try_get_i64().ok()?, from.try_get_i64().ok()?);
    let mut transaction = Transaction {
        producer,
        previous_producer_id: NO_ID,
        next_producer_id: NO_ID,
        timeout_ms,
        phase,
        partitions,
        started_ms,
        updated_ms,
        client_version: 0,
    };
    for _ in 0..if version == 0 { 0 } else { varint(from)? } {
        let (tag, length) = (varint(from)?, usize::try_from(varint(from)?).ok()?);
        let (mut value, rest) = from.split_at_checked(length)?;
        *from = rest;
        match tag {
            PREVIOUS_PRODUCER_ID_TAG => transaction.previous_producer_id = value.try_get_i64().ok()?,
            NEXT_PRODUCER_ID_TAG => transaction.next_producer_id = value.try_get_i64().ok()?,
            CLIENT_VERSION_TAG => transaction.client_version = value.try_get_i16().ok()?,
            _ => {} // of a later version
        }
    }
    Some(transaction)
}

fn plain_partitions(from: &mut &[u8]) -> Option<BTreeSet<TopicPartition>> {
    let mut all = BTreeSet::new();
    // Nothing is reserved ahead: a count may lie, the bytes that follow can't.
    for _ in 0..from.try_get_i32().ok()?.max(0) {
        let topic = text(from)?;
        for _ in 0..from.try_get_i32().ok()?.max(0) {
            all.insert(TopicPartition { topic: Arc::clone(&topic), partition: from.try_get_i32().ok()? });
        }
    }
    Some(all)
}

fn compact_partitions(from: &mut &[u8]) -> Option<BTreeSet<TopicPartition>> {
    let mut all = BTreeSet::new();
    for _ in 1..varint(from)?.max(1) {
        let length = usize::try_from(varint(from)?.checked_sub(1)?).ok()?;
        let topic = take_text(from, length)?;
        for _ in 1..varint(from)?.max(1) {
            all.insert(TopicPartition { topic: Arc::clone(&topic), partition: from.try_get_i32().ok()? });
        }
        if varint(from)? != 0 {
            return None; // no version has tagged fields here
        }
    }
    Some(all)
}

fn text(from: &mut &[u8]) -> Option<Arc<str>> {
    let length = usize::try_from(from.try_get_i16().ok()?).ok()?;
    take_text(from, length)
}

fn take_text(from: &mut &[u8], length: usize) -> Option<Arc<str>> {
    let (text, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(std::str::from_utf8(text).ok()?.into())
}

/// An unsigned varint of at most ten bytes (KIP-482).
fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for index in 0..10 {
        let byte = from.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f).checked_shl(index * 7)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction() -> Transaction {
        let at = |topic: &str, partition| TopicPartition { topic: topic.into(), partition };
        Transaction {
            producer: ProducerEpoch { producer_id: 7, epoch: 3 },
            previous_producer_id: NO_ID,
            next_producer_id: NO_ID,
            timeout_ms: 60_000,
            phase: Phase::Ongoing,
            partitions: [at("a", 0), at("a", 2), at("é", 1)].into(),
            started_ms: 11,
            updated_ms: 12,
            client_version: 0,
        }
    }

    fn check(transaction: Option<Transaction>) {
        let record = Record { id: "my-id".into(), transaction };
        let (key, value) = record.encode();
        assert_eq!(Record::decode(&key, value.as_deref()).as_ref(), Ok(&record));
        if let Some(value) = value {
            for length in 0..value.len() {
                assert_eq!(Record::decode(&key, Some(&value[..length])), Err(Unreadable), "{length} bytes of {record:?}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        check(None);
        for phase in Phase::ALL {
            check(Some(Transaction { phase, ..transaction() }));
        }
        check(Some(Transaction { previous_producer_id: 5, next_producer_id: 9, client_version: 2, ..transaction() }));
    }

    #[test]
    fn the_bytes_are_kafkas() {
        // Written out by hand from the schemas, so that a mistake made alike in writing and reading shows.
        let one = [TopicPartition { topic: "t".into(), partition: 3 }].into();
        let (key, value) =
            Record { id: "x".into(), transaction: Some(Transaction { partitions: one, client_version: 2, ..transaction() }) }.encode();
        assert_eq!(&key[..], b"\0\0\0\x01x");
        let expected = b"\0\x01\0\0\0\0\0\0\0\x07\0\x03\0\0\xea\x60\x01\x02\x02t\x02\0\0\0\x03\0\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0\x0b\x01\x02\x02\0\x02";
        assert_eq!(&value.unwrap()[..], expected);
        let old = b"\0\0\0\0\0\0\0\0\0\x07\0\x03\0\0\xea\x60\x01\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x03\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0\x0b";
        let read = Record::decode(&key, Some(old)).unwrap().transaction.unwrap();
        assert_eq!(read.partitions.len(), 1);
    }
}
