//! The records of KIP-848 groups, in the schemas of Apache Kafka's group coordinator (`ConsumerGroup*Key/Value.json`, all version 0).
//!
//! Key types: 3 the group's epoch, 4 the topics it reads, 5 a member's subscription, 6 the epoch of the target assignment, 7 a member's part
//! of it, 8 what a member holds now, 16 what a regular expression matches. Keys are plain, values flexible (KIP-482). Type 4 is what Kafka
//! up to 4.0 wrote; 4.1 keeps a hash in its place, which says less to who reads the topic.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::flexible::{Reader, put_bytes, put_count, put_no_tags, put_nullable_text, put_text, put_uvarint};
use super::{RecordError, put_string, string_of};
use crate::coordinator::command::Protocol;
use crate::coordinator::consumer::{Assignment, ClassicMember, Current, MemberState, ResolvedRegex, Subscription};
use crate::coordinator::ids::{GroupId, InstanceId, MemberId, TopicName};
use crate::coordinator::image::TopicInfo;

pub(super) const GROUP: i16 = 3;
const TOPICS: i16 = 4;
const SUBSCRIPTION: i16 = 5;
const TARGET_EPOCH: i16 = 6;
const TARGET: i16 = 7;
pub(super) const CURRENT: i16 = 8;
pub(super) const REGEX: i16 = 16;
const VALUE_VERSION: i16 = 0;
const CLASSIC_MEMBER_TAG: u32 = 0;

/// One durable fact about a KIP-848 group; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerRecord {
    Epoch(Option<i32>),
    Topics(Option<BTreeMap<TopicName, TopicInfo>>),
    Subscription(MemberId, Option<Subscription>),
    TargetEpoch(Option<i32>),
    Target(MemberId, Option<Assignment>),
    Current(MemberId, Option<Current>),
    Regex(String, Option<ResolvedRegex>),
}

impl ConsumerRecord {
    /// It takes something away.
    pub(crate) fn is_tombstone(&self) -> bool {
        matches!(
            self,
            Self::Epoch(None)
                | Self::Topics(None)
                | Self::Subscription(_, None)
                | Self::TargetEpoch(None)
                | Self::Target(_, None)
                | Self::Current(_, None)
                | Self::Regex(_, None)
        )
    }

    pub(super) fn encode(&self, group_id: &GroupId) -> (Bytes, Option<Bytes>) {
        match self {
            Self::Epoch(value) => (key(GROUP, group_id, None), value.map(|epoch| with_value(|out| out.put_i32(epoch)))),
            Self::Topics(value) => (key(TOPICS, group_id, None), value.as_ref().map(|topics| with_value(|out| put_topics(out, topics)))),
            Self::Subscription(member_id, value) => {
                (key(SUBSCRIPTION, group_id, Some(member_id.as_str())), value.as_ref().map(encode_subscription))
            }
            Self::TargetEpoch(value) => (key(TARGET_EPOCH, group_id, None), value.map(|epoch| with_value(|out| out.put_i32(epoch)))),
            Self::Target(member_id, value) => {
                let value = value.as_ref().map(|target| with_value(|out| put_assignment(out, target)));
                (key(TARGET, group_id, Some(member_id.as_str())), value)
            }
            Self::Current(member_id, value) => {
                let value = value.as_ref().map(|current| with_value(|out| put_current(out, current)));
                (key(CURRENT, group_id, Some(member_id.as_str())), value)
            }
            Self::Regex(regex, value) => {
                let value = value.as_ref().map(|resolved| with_value(|out| put_resolved(out, resolved)));
                (key(REGEX, group_id, Some(regex)), value)
            }
        }
    }

    /// Reads a record whose key's type has been read.
    pub(super) fn decode(key_type: i16, mut key: &[u8], value: Option<&[u8]>) -> Result<(GroupId, Self), RecordError> {
        let group_id = GroupId::from(string_of(&mut key)?);
        let mut name = || string_of(&mut key);
        let record = match key_type {
            GROUP => Self::Epoch(read(value, |reader| reader.i32())?),
            TOPICS => Self::Topics(read(value, topics_of)?),
            SUBSCRIPTION => Self::Subscription(name()?.into(), subscription_of(value)?),
            TARGET_EPOCH => Self::TargetEpoch(read(value, |reader| reader.i32())?),
            TARGET => Self::Target(name()?.into(), read(value, assignment_of)?),
            CURRENT => Self::Current(name()?.into(), read(value, current_of)?),
            _ => Self::Regex(name()?, read(value, resolved_of)?),
        };
        Ok((group_id, record))
    }
}

fn key(key_type: i16, group_id: &GroupId, second: Option<&str>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(key_type);
    put_string(&mut out, group_id.as_str());
    if let Some(second) = second {
        put_string(&mut out, second);
    }
    out.freeze()
}

fn with_value(fields: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VALUE_VERSION);
    fields(&mut out);
    put_no_tags(&mut out);
    out.freeze()
}

fn read<T>(value: Option<&[u8]>, fields: impl FnOnce(&mut Reader<'_>) -> Result<T, RecordError>) -> Result<Option<T>, RecordError> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = versioned(value)?;
    let value = fields(&mut reader)?;
    reader.skip_tags()?;
    Ok(Some(value))
}

fn versioned(value: &[u8]) -> Result<Reader<'_>, RecordError> {
    let mut reader = Reader(value);
    match reader.i16()? {
        VALUE_VERSION => Ok(reader),
        other => Err(RecordError::UnknownVersion(other)),
    }
}

fn put_topics(out: &mut BytesMut, topics: &BTreeMap<TopicName, TopicInfo>) {
    put_count(out, topics.len());
    for (name, topic) in topics {
        out.put_u128(topic.id.as_u128());
        put_text(out, name.as_str());
        out.put_i32(topic.partitions);
        // No racks: all partitions are on this one broker.
        put_count(out, 0);
        put_no_tags(out);
    }
}

fn topics_of(reader: &mut Reader<'_>) -> Result<BTreeMap<TopicName, TopicInfo>, RecordError> {
    let topic = |reader: &mut Reader<'_>| {
        let id = reader.uuid()?;
        let name = TopicName::from(reader.text()?);
        let partitions = reader.i32()?;
        reader.array(|reader| {
            reader.i32()?;
            reader.array(Reader::text)?;
            reader.skip_tags()
        })?;
        reader.skip_tags()?;
        Ok((name, TopicInfo { id, partitions }))
    };
    Ok(reader.array(topic)?.into_iter().collect())
}

fn put_assignment(out: &mut BytesMut, assignment: &Assignment) {
    put_count(out, assignment.len());
    for (topic_id, partitions) in assignment {
        out.put_u128(topic_id.as_u128());
        put_count(out, partitions.len());
        partitions.iter().for_each(|partition| out.put_i32(*partition));
        put_no_tags(out);
    }
}

fn assignment_of(reader: &mut Reader<'_>) -> Result<Assignment, RecordError> {
    let topic = |reader: &mut Reader<'_>| {
        let topic_id = reader.uuid()?;
        let partitions: BTreeSet<i32> = reader.array(Reader::i32)?.into_iter().collect();
        reader.skip_tags()?;
        Ok((topic_id, partitions))
    };
    Ok(reader.array(topic)?.into_iter().collect())
}

fn put_current(out: &mut BytesMut, current: &Current) {
    out.put_i32(current.epoch);
    out.put_i32(current.previous_epoch);
    out.put_i8(current.state as i8);
    put_assignment(out, &current.assigned);
    put_assignment(out, &current.revoking);
}

fn current_of(reader: &mut Reader<'_>) -> Result<Current, RecordError> {
    Ok(Current {
        epoch: reader.i32()?,
        previous_epoch: reader.i32()?,
        state: MemberState::from_code(reader.i8()?),
        assigned: assignment_of(reader)?,
        revoking: assignment_of(reader)?,
    })
}

fn put_resolved(out: &mut BytesMut, resolved: &ResolvedRegex) {
    put_count(out, resolved.topics.len());
    resolved.topics.iter().for_each(|topic| put_text(out, topic.as_str()));
    out.put_i64(resolved.version);
    out.put_i64(resolved.timestamp_ms);
}

fn resolved_of(reader: &mut Reader<'_>) -> Result<ResolvedRegex, RecordError> {
    let topics = reader.array(Reader::text)?.into_iter().map(TopicName::from).collect();
    Ok(ResolvedRegex { topics, version: reader.i64()?, timestamp_ms: reader.i64()? })
}

fn encode_subscription(value: &Subscription) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VALUE_VERSION);
    put_nullable_text(&mut out, value.instance_id.as_ref().map(InstanceId::as_str));
    put_nullable_text(&mut out, value.rack_id.as_deref());
    put_text(&mut out, &value.client_id);
    put_text(&mut out, &value.client_host);
    put_count(&mut out, value.topics.len());
    value.topics.iter().for_each(|topic| put_text(&mut out, topic.as_str()));
    put_nullable_text(&mut out, value.regex.as_deref());
    out.put_i32(value.rebalance_timeout_ms);
    put_nullable_text(&mut out, value.assignor.as_deref());
    match &value.classic {
        None => put_no_tags(&mut out),
        Some(classic) => {
            let classic = encode_classic(classic);
            put_uvarint(&mut out, 1);
            put_uvarint(&mut out, CLASSIC_MEMBER_TAG);
            put_uvarint(&mut out, u32::try_from(classic.len()).unwrap_or(u32::MAX));
            out.put_slice(&classic);
        }
    }
    out.freeze()
}

/// A nullable struct in a tagged field says first that it is there.
fn encode_classic(classic: &ClassicMember) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i8(1);
    out.put_i32(classic.session_timeout_ms);
    put_count(&mut out, classic.protocols.len());
    for protocol in &classic.protocols {
        put_text(&mut out, &protocol.name);
        put_bytes(&mut out, &protocol.metadata);
        put_no_tags(&mut out);
    }
    put_no_tags(&mut out);
    out
}

fn subscription_of(value: Option<&[u8]>) -> Result<Option<Subscription>, RecordError> {
    let Some(value) = value else { return Ok(None) };
    let mut reader = versioned(value)?;
    let mut subscription = Subscription {
        instance_id: reader.nullable_text()?.map(InstanceId::from),
        rack_id: reader.nullable_text()?,
        client_id: reader.text()?,
        client_host: reader.text()?,
        topics: reader.array(Reader::text)?.into_iter().map(TopicName::from).collect(),
        regex: reader.nullable_text()?,
        rebalance_timeout_ms: reader.i32()?,
        assignor: reader.nullable_text()?,
        classic: None,
    };
    reader.tags(|tag, bytes| {
        if tag == CLASSIC_MEMBER_TAG {
            subscription.classic = classic_of(&mut Reader(bytes))?;
        }
        Ok(())
    })?;
    Ok(Some(subscription))
}

fn classic_of(reader: &mut Reader<'_>) -> Result<Option<ClassicMember>, RecordError> {
    if reader.i8()? < 0 {
        return Ok(None);
    }
    let session_timeout_ms = reader.i32()?;
    let protocols = reader.array(|reader| {
        let protocol = Protocol { name: reader.text()?, metadata: reader.bytes()? };
        reader.skip_tags()?;
        Ok(protocol)
    })?;
    reader.skip_tags()?;
    Ok(Some(ClassicMember { session_timeout_ms, protocols }))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::Record;
    use super::*;

    fn check(record: ConsumerRecord) {
        let record = Record::Consumer { group_id: "g".into(), record };
        let (key, value) = record.encode();
        assert_eq!(Record::decode(&key, value.as_deref()), Ok(Some(record.clone())));
        for len in 0..value.as_ref().map_or(0, Bytes::len) {
            assert!(Record::decode(&key, value.as_ref().map(|value| &value[..len])).is_err(), "{len} bytes of {record:?}");
        }
    }

    fn assignment() -> Assignment {
        [(Uuid::from_u128(7), [0, 300].into()), (Uuid::from_u128(9), [1].into())].into()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let plain = Subscription { client_id: "c".into(), topics: ["a".into(), "é".into()].into(), ..Subscription::default() };
        let protocols = vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"meta") }];
        let full = Subscription {
            instance_id: Some("i".into()),
            rack_id: Some("r".into()),
            client_host: "/127.0.0.1".into(),
            regex: Some("x".repeat(200)),
            rebalance_timeout_ms: 5,
            assignor: Some("uniform".into()),
            classic: Some(ClassicMember { session_timeout_ms: 9, protocols }),
            ..plain.clone()
        };
        let current = Current {
            epoch: 3,
            previous_epoch: 2,
            state: MemberState::UnreleasedPartitions,
            assigned: assignment(),
            revoking: assignment(),
        };
        let topics = [("t".into(), TopicInfo { id: Uuid::from_u128(7), partitions: 3 })].into();
        let resolved = ResolvedRegex { topics: ["t".into()].into(), version: 4, timestamp_ms: 5 };
        for record in [
            ConsumerRecord::Epoch(Some(3)),
            ConsumerRecord::Epoch(None),
            ConsumerRecord::Topics(Some(topics)),
            ConsumerRecord::Topics(None),
            ConsumerRecord::Subscription("m".into(), Some(plain)),
            ConsumerRecord::Subscription("m".into(), Some(full)),
            ConsumerRecord::Subscription("m".into(), None),
            ConsumerRecord::TargetEpoch(Some(3)),
            ConsumerRecord::TargetEpoch(None),
            ConsumerRecord::Target("m".into(), Some(assignment())),
            ConsumerRecord::Target("m".into(), None),
            ConsumerRecord::Current("m".into(), Some(current)),
            ConsumerRecord::Current("m".into(), None),
            ConsumerRecord::Regex("t.*".into(), Some(resolved)),
            ConsumerRecord::Regex("t.*".into(), None),
        ] {
            check(record);
        }
    }

    #[test]
    fn the_bytes_are_kafkas() {
        // Written out by hand from the schemas.
        let check = |record: ConsumerRecord, key: &[u8], value: &[u8]| {
            let (written_key, written) = record.encode(&"g".into());
            assert_eq!((&written_key[..], written.as_deref()), (key, Some(value)), "{record:?}");
        };
        check(ConsumerRecord::Epoch(Some(3)), b"\0\x03\0\x01g", b"\0\0\0\0\0\x03\0");
        let id = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07";
        let one: Assignment = [(Uuid::from_u128(7), [2].into())].into();
        let target = [b"\0\0\x02".as_slice(), id, b"\x02\0\0\0\x02\0\0"].concat();
        check(ConsumerRecord::Target("m".into(), Some(one.clone())), b"\0\x07\0\x01g\0\x01m", &target);
        let current =
            Current { epoch: 3, previous_epoch: 2, state: MemberState::UnrevokedPartitions, assigned: one, revoking: Assignment::new() };
        let bytes = [b"\0\0\0\0\0\x03\0\0\0\x02\x01\x02".as_slice(), id, b"\x02\0\0\0\x02\0\x01\0"].concat();
        check(ConsumerRecord::Current("m".into(), Some(current)), b"\0\x08\0\x01g\0\x01m", &bytes);
        let classic =
            ClassicMember { session_timeout_ms: 9, protocols: vec![Protocol { name: "r".into(), metadata: Bytes::from_static(b"x") }] };
        let subscription =
            Subscription { topics: ["t".into()].into(), rebalance_timeout_ms: 5, classic: Some(classic), ..Subscription::default() };
        let bytes = b"\0\0\0\0\x01\x01\x02\x02t\0\0\0\0\x05\0\x01\0\x0c\x01\0\0\0\x09\x02\x02r\x02x\0\0";
        check(ConsumerRecord::Subscription("m".into(), Some(subscription)), b"\0\x05\0\x01g\0\x01m", bytes);
    }
}
