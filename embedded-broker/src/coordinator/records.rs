//! What the coordinator writes to `__consumer_offsets`, in Kafka's own key and value schemas, so that any tool that reads that topic
//! reads ours.
//!
//! Schemas: `OffsetCommitKey/Value.json` and `GroupMetadataKey/Value.json` of Apache Kafka's group coordinator. A key starts with its
//! type as an int16 (0 and 1 offset, 2 group); a value starts with its version. A null value is a tombstone. Written: OffsetCommitValue 3
//! (1 with an expiry of its own, as Kafka does), GroupMetadataValue 3. Read: offsets 0-3, groups 0-3.
//! KIP-848's types 3 to 8 and 16 are in `consumer`. Left out: share and streams groups (types 9 to 15 and 17 up), skipped on reading.

mod consumer;
mod flexible;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::ids::{GroupId, InstanceId, MemberId, TopicName};
use crate::log::ProducerEpoch;

pub(crate) use consumer::ConsumerRecord;

/// The largest int16 length; longer strings can't be written in these schemas.
pub(crate) const MAX_STRING_BYTES: usize = i16::MAX as usize;

const OFFSET_KEY_V0: i16 = 0;
const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE_WITH_EXPIRY: i16 = 1;
const OFFSET_VALUE: i16 = 3;
const GROUP_VALUE: i16 = 3;

/// One durable fact. The only thing that changes durable state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// An offset is stored, or forgotten.
    Offset { group_id: GroupId, topic: TopicName, partition: i32, value: Option<CommittedOffset> },
    /// An offset is stored in a transaction: it counts once a marker commits it (KIP-98). On disk an offset record in a transactional batch.
    Pending { producer: ProducerEpoch, group_id: GroupId, topic: TopicName, partition: i32, value: CommittedOffset },
    /// A group reached this generation, or is gone.
    Group { group_id: GroupId, value: Option<GroupMetadata> },
    /// Something about a KIP-848 group.
    Consumer { group_id: GroupId, record: ConsumerRecord },
}

/// A stored offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    /// -1: the client did not say.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) commit_timestamp_ms: i64,
    /// Only when the client asked for a retention of its own (OffsetCommit 2-4).
    pub(crate) expire_timestamp_ms: Option<i64>,
}

/// A generation of a group, as far as it must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupMetadata {
    pub(crate) protocol_type: String,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<MemberId>,
    /// -1: not known.
    pub(crate) state_timestamp_ms: i64,
    pub(crate) members: Vec<MemberMetadata>,
}

/// A member of such a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberMetadata {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

impl Record {
    /// The record's key and value as Kafka writes them; no value is a tombstone.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let mut key = BytesMut::new();
        match self {
            Record::Offset { group_id, topic, partition, value } => {
                key.put_i16(OFFSET_KEY);
                put_string(&mut key, group_id.as_str());
                put_string(&mut key, topic.as_str());
                key.put_i32(*partition);
                (key.freeze(), value.as_ref().map(encode_offset))
            }
            Record::Pending { group_id, topic, partition, value, .. } => {
                Record::Offset { group_id: group_id.clone(), topic: topic.clone(), partition: *partition, value: Some(value.clone()) }
                    .encode()
            }
            Record::Group { group_id, value } => {
                key.put_i16(GROUP_KEY);
                put_string(&mut key, group_id.as_str());
                (key.freeze(), value.as_ref().map(encode_group))
            }
            Record::Consumer { group_id, record } => record.encode(group_id),
        }
    }

    /// The record as a part of this producer's transaction, if there is one.
    pub(crate) fn in_transaction(self, producer: Option<ProducerEpoch>) -> Self {
        match (self, producer) {
            (Record::Offset { group_id, topic, partition, value: Some(value) }, Some(producer)) => {
                Record::Pending { producer, group_id, topic, partition, value }
            }
            (record, _) => record,
        }
    }

    /// Reads a record back. `Ok(None)`: a type this coordinator does not keep.
    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordError> {
        let mut key = key;
        let key_type = i16_of(&mut key)?;
        match key_type {
            OFFSET_KEY_V0 | OFFSET_KEY => {
                let group_id = GroupId::from(string_of(&mut key)?);
                let topic = TopicName::from(string_of(&mut key)?);
                let partition = i32_of(&mut key)?;
                let value = value.map(decode_offset).transpose()?;
                Ok(Some(Record::Offset { group_id, topic, partition, value }))
            }
            GROUP_KEY => {
                let group_id = GroupId::from(string_of(&mut key)?);
                let value = value.map(decode_group).transpose()?;
                Ok(Some(Record::Group { group_id, value }))
            }
            consumer::GROUP..=consumer::CURRENT | consumer::REGEX => {
                let (group_id, record) = ConsumerRecord::decode(key_type, key, value)?;
                Ok(Some(Record::Consumer { group_id, record }))
            }
            _ => Ok(None),
        }
    }
}

/// Why bytes of `__consumer_offsets` could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// The bytes end before the record does.
    #[error("the record ends early, as if torn or written by something else; it is skipped")]
    Truncated,
    /// A string is not text.
    #[error("the record holds a string that is not UTF-8; it is skipped")]
    NotUtf8,
    /// A version of the value that this program does not know.
    #[error("the record has value version {0}, newer than this program reads; it is skipped")]
    UnknownVersion(i16),
}

fn encode_offset(value: &CommittedOffset) -> Bytes {
    let mut out = BytesMut::with_capacity(32 + value.metadata.len());
    match value.expire_timestamp_ms {
        None => {
            out.put_i16(OFFSET_VALUE);
            out.put_i64(value.offset);
            out.put_i32(value.leader_epoch);
            put_string(&mut out, &value.metadata);
            out.put_i64(value.commit_timestamp_ms);
        }
        // Version 1 has no leader epoch; the clients that can ask for a retention have none to give.
        Some(expire_timestamp_ms) => {
            out.put_i16(OFFSET_VALUE_WITH_EXPIRY);
            out.put_i64(value.offset);
            put_string(&mut out, &value.metadata);
            out.put_i64(value.commit_timestamp_ms);
            out.put_i64(expire_timestamp_ms);
        }
    }
    out.freeze()
}

fn decode_offset(mut from: &[u8]) -> Result<CommittedOffset, RecordError> {
    let version = i16_of(&mut from)?;
    if !(0..=OFFSET_VALUE).contains(&version) {
        return Err(RecordError::UnknownVersion(version));
    }
    let offset = i64_of(&mut from)?;
    let leader_epoch = if version >= 3 { i32_of(&mut from)? } else { -1 };
    let metadata = string_of(&mut from)?;
    let commit_timestamp_ms = i64_of(&mut from)?;
    let expire_timestamp_ms = if version == OFFSET_VALUE_WITH_EXPIRY { Some(i64_of(&mut from)?).filter(|at| *at >= 0) } else { None };
    Ok(CommittedOffset { offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms })
}

fn encode_group(value: &GroupMetadata) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    out.put_i16(GROUP_VALUE);
    put_string(&mut out, &value.protocol_type);
    out.put_i32(value.generation);
    put_nullable_string(&mut out, value.protocol.as_deref());
    put_nullable_string(&mut out, value.leader.as_ref().map(MemberId::as_str));
    out.put_i64(value.state_timestamp_ms);
    out.put_i32(value.members.len() as i32);
    for member in &value.members {
        put_string(&mut out, member.member_id.as_str());
        put_nullable_string(&mut out, member.instance_id.as_ref().map(InstanceId::as_str));
        put_string(&mut out, &member.client_id);
        put_string(&mut out, &member.client_host);
        out.put_i32(member.rebalance_timeout_ms);
        out.put_i32(member.session_timeout_ms);
        put_bytes(&mut out, &member.subscription);
        put_bytes(&mut out, &member.assignment);
    }
    out.freeze()
}

fn decode_group(mut from: &[u8]) -> Result<GroupMetadata, RecordError> {
    let from = &mut from;
    let version = i16_of(from)?;
    if !(0..=GROUP_VALUE).contains(&version) {
        return Err(RecordError::UnknownVersion(version));
    }
    let protocol_type = string_of(from)?;
    let generation = i32_of(from)?;
    let protocol = nullable_string_of(from)?;
    let leader = nullable_string_of(from)?.map(MemberId::from);
    let state_timestamp_ms = if version >= 2 { i64_of(from)? } else { -1 };
    let count = i32_of(from)?;
    // Not reserved ahead: the count may lie, the bytes that follow can't.
    let mut members = Vec::new();
    for _ in 0..count.max(0) {
        let member_id = MemberId::from(string_of(from)?);
        let instance_id = if version >= 3 { nullable_string_of(from)?.map(InstanceId::from) } else { None };
        let client_id = string_of(from)?;
        let client_host = string_of(from)?;
        let rebalance_timeout_ms = if version >= 1 { Some(i32_of(from)?) } else { None };
        let session_timeout_ms = i32_of(from)?;
        let subscription = bytes_of(from)?;
        let assignment = bytes_of(from)?;
        members.push(MemberMetadata {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription,
            assignment,
        });
    }
    Ok(GroupMetadata { protocol_type, generation, protocol, leader, state_timestamp_ms, members })
}

fn put_string(out: &mut BytesMut, text: &str) {
    // Every string comes from a request or was checked against MAX_STRING_BYTES there; cutting here keeps the record readable even so.
    let text = &text[..text.floor_char_boundary(MAX_STRING_BYTES)];
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put_i16(-1),
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

fn i16_of(from: &mut &[u8]) -> Result<i16, RecordError> {
    from.try_get_i16().map_err(|_| RecordError::Truncated)
}

fn i32_of(from: &mut &[u8]) -> Result<i32, RecordError> {
    from.try_get_i32().map_err(|_| RecordError::Truncated)
}

fn i64_of(from: &mut &[u8]) -> Result<i64, RecordError> {
    from.try_get_i64().map_err(|_| RecordError::Truncated)
}

fn string_of(from: &mut &[u8]) -> Result<String, RecordError> {
    Ok(nullable_string_of(from)?.unwrap_or_default())
}

fn nullable_string_of(from: &mut &[u8]) -> Result<Option<String>, RecordError> {
    let Ok(len) = usize::try_from(i16_of(from)?) else { return Ok(None) };
    let (text, rest) = from.split_at_checked(len).ok_or(RecordError::Truncated)?;
    *from = rest;
    String::from_utf8(text.to_vec()).map(Some).map_err(|_| RecordError::NotUtf8)
}

fn bytes_of(from: &mut &[u8]) -> Result<Bytes, RecordError> {
    let len = usize::try_from(i32_of(from)?).unwrap_or(0);
    let (bytes, rest) = from.split_at_checked(len).ok_or(RecordError::Truncated)?;
    *from = rest;
    Ok(Bytes::copy_from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, instance: Option<&str>) -> MemberMetadata {
        MemberMetadata {
            member_id: id.into(),
            instance_id: instance.map(InstanceId::from),
            client_id: "kcat".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 300_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(b"sub"),
            assignment: Bytes::new(),
        }
    }

    fn check(record: Record) {
        let (key, value) = record.encode();
        assert_eq!(Record::decode(&key, value.as_deref()), Ok(Some(record.clone())));
        if let Some(value) = value {
            // A prefix is never taken for the whole.
            for len in 0..value.len() {
                assert!(Record::decode(&key, Some(&value[..len])).is_err(), "{len} bytes of {record:?}");
            }
        }
    }

    fn offset(expire_timestamp_ms: Option<i64>) -> Option<CommittedOffset> {
        let leader_epoch = if expire_timestamp_ms.is_some() { -1 } else { 3 };
        Some(CommittedOffset { offset: 42, leader_epoch, metadata: "é".into(), commit_timestamp_ms: 7, expire_timestamp_ms })
    }

    #[test]
    fn what_is_written_is_read_back() {
        let group = |members, leader: Option<&str>| GroupMetadata {
            protocol_type: "consumer".into(),
            generation: 5,
            protocol: Some("range".into()),
            leader: leader.map(MemberId::from),
            state_timestamp_ms: 1,
            members,
        };
        for value in [None, offset(None), offset(Some(99))] {
            check(Record::Offset { group_id: "g".into(), topic: "t".into(), partition: 3, value });
        }
        for value in [None, Some(group(vec![], None)), Some(group(vec![member("a", None), member("b", Some("i"))], Some("a")))] {
            check(Record::Group { group_id: "".into(), value });
        }
    }

    #[test]
    fn the_bytes_are_kafkas() {
        // Written out by hand from the schemas, so that a mistake made alike in writing and reading shows.
        let record = Record::Offset { group_id: "g".into(), topic: "t".into(), partition: 3, value: offset(None) };
        let (key, value) = record.encode();
        assert_eq!(&key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x03");
        assert_eq!(&value.unwrap()[..], b"\0\x03\0\0\0\0\0\0\0\x2a\0\0\0\x03\0\x02\xc3\xa9\0\0\0\0\0\0\0\x07");
    }

    #[test]
    fn types_and_versions_we_do_not_keep_are_told_apart_from_garbage() {
        assert_eq!(Record::decode(b"\0\x09\0\x01g", Some(b"\0\0")), Ok(None));
        assert_eq!(Record::decode(b"\0\x03\0\x01g", Some(b"\0\x01")), Err(RecordError::UnknownVersion(1)));
        assert_eq!(Record::decode(b"\0\x02\0\x01g", Some(b"\0\x09")), Err(RecordError::UnknownVersion(9)));
        assert_eq!(Record::decode(b"\0", None), Err(RecordError::Truncated));
        assert_eq!(Record::decode(b"\0\x02\0\x01\xff", None), Err(RecordError::NotUtf8));
    }
}
