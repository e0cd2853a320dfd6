//! Stored offsets: commit, fetch, delete, expire.

use crate::codec::ResponseError;

use super::command::{CommitOffsets, Decision, LiveChange, OffsetToCommit, Reply};
use super::config::GroupConfig;
use super::decide::only_answer;
use super::group::{Group, Phase, heard};
use super::ids::{GroupId, TopicName, WaiterId};
use super::records::{CommittedOffset, Record};
use super::state::{Durable, Entry};
use crate::log::ProducerEpoch;

/// The protocol type of consumers, whose metadata tells their subscriptions.
const CONSUMER_PROTOCOL: &str = "consumer";

/// OffsetCommit: by a member of this generation, or by anyone while the group has no members.
pub(super) fn commit(
    config: &GroupConfig,
    group_id: &GroupId,
    entry: Option<&Entry>,
    commit: CommitOffsets,
    waiter: WaiterId,
    now_ms: i64,
) -> Decision {
    let nobody = Group::default();
    let live = entry.map_or(&nobody, |entry| &entry.live);
    if let Err(error) = check_commit(live, entry.is_some(), &commit) {
        return only_answer(group_id, waiter, Err(error));
    }
    let mut records = Vec::with_capacity(commit.offsets.len());
    let mut results = Vec::with_capacity(commit.offsets.len());
    for offset in commit.offsets {
        if offset.metadata.len() > config.max_offset_metadata_bytes {
            results.push(Some(ResponseError::OffsetMetadataTooLarge));
            continue;
        }
        results.push(None);
        records.push(record_of(group_id, offset, commit.producer, now_ms));
    }
    Decision {
        group_id: group_id.clone(),
        records,
        live: heard(live, &commit.member.member_id, now_ms),
        answers: vec![(waiter, Ok(Reply::Offsets(results)))],
    }
}

fn check_commit(live: &Group, exists: bool, commit: &CommitOffsets) -> Result<(), ResponseError> {
    let caller = &commit.member;
    let is_stranger = caller.generation < 0;
    // Producers of before KIP-447 say nothing of themselves; their epoch alone fences them.
    if commit.producer.is_some() && is_stranger && caller.member_id.as_str().is_empty() {
        return Ok(());
    }
    if !exists {
        // A client that keeps its own partitions may store offsets under any name; a member of a generation we do not know may not.
        return if is_stranger { Ok(()) } else { Err(ResponseError::IllegalGeneration) };
    }
    if is_stranger && live.phase == Phase::Empty {
        return Ok(());
    }
    if is_stranger && caller.member_id.as_str().is_empty() && caller.instance_id.is_none() {
        return Err(ResponseError::UnknownMemberId);
    }
    live.check_caller(caller)?;
    match live.phase {
        // The partitions have been taken from everyone; the member must join and sync first.
        Phase::CompletingRebalance { .. } => Err(ResponseError::RebalanceInProgress),
        // While the others are still joining, members commit what they have done so far.
        Phase::PreparingRebalance(_) | Phase::Stable | Phase::Empty => Ok(()),
    }
}

fn record_of(group_id: &GroupId, offset: OffsetToCommit, producer: Option<ProducerEpoch>, now_ms: i64) -> Record {
    let value = CommittedOffset {
        offset: offset.offset,
        leader_epoch: if offset.retention_ms.is_some() { -1 } else { offset.leader_epoch },
        metadata: offset.metadata,
        commit_timestamp_ms: now_ms,
        expire_timestamp_ms: offset.retention_ms.map(|retention_ms| now_ms.saturating_add(retention_ms.max(0))),
    };
    let (group_id, topic, partition) = (group_id.clone(), offset.topic, offset.partition);
    match producer {
        Some(producer) => Record::Pending { producer, group_id, topic, partition, value },
        None => Record::Offset { group_id, topic, partition, value: Some(value) },
    }
}

fn tombstone(group_id: &GroupId, topic: &TopicName, partition: i32) -> Record {
    Record::Offset { group_id: group_id.clone(), topic: topic.clone(), partition, value: None }
}

/// OffsetDelete: not while a live group reads the topic, for its consumers would not notice.
pub(super) fn delete(group_id: &GroupId, entry: Option<&Entry>, partitions: Vec<(TopicName, i32)>, waiter: WaiterId) -> Decision {
    let Some(entry) = entry else { return only_answer(group_id, waiter, Err(ResponseError::GroupIdNotFound)) };
    let is_empty = entry.live.phase == Phase::Empty;
    if !is_empty && entry.live.protocol_type != CONSUMER_PROTOCOL {
        return only_answer(group_id, waiter, Err(ResponseError::NonEmptyGroup));
    }
    let subscribed = if is_empty { Some(Vec::new()) } else { entry.live.subscribed_topics() };
    let is_read = |topic: &TopicName| subscribed.as_ref().is_none_or(|topics| topics.iter().any(|read| read == topic.as_str()));
    let mut records = Vec::new();
    let mut results = Vec::with_capacity(partitions.len());
    for (topic, partition) in &partitions {
        let refused = is_read(topic).then_some(ResponseError::GroupSubscribedToTopic);
        let stored = entry.durable.offsets.get(topic).is_some_and(|stored| stored.contains_key(partition));
        if refused.is_none() && stored {
            records.push(tombstone(group_id, topic, *partition));
        }
        results.push(refused);
    }
    Decision { group_id: group_id.clone(), records, live: LiveChange::None, answers: vec![(waiter, Ok(Reply::Offsets(results)))] }
}

/// DeleteGroups: the group with all it has stored.
pub(super) fn delete_group(group_id: &GroupId, entry: Option<&Entry>, waiter: WaiterId) -> Decision {
    let Some(entry) = entry else { return only_answer(group_id, waiter, Err(ResponseError::GroupIdNotFound)) };
    if entry.live.phase != Phase::Empty {
        return only_answer(group_id, waiter, Err(ResponseError::NonEmptyGroup));
    }
    let mut records: Vec<Record> = entry.durable.each_offset().map(|(topic, partition, _)| tombstone(group_id, topic, partition)).collect();
    records.extend(group_tombstone(group_id, &entry.durable));
    Decision { group_id: group_id.clone(), records, live: LiveChange::Replace(Box::default()), answers: vec![(waiter, Ok(Reply::Done))] }
}

fn group_tombstone(group_id: &GroupId, durable: &Durable) -> Option<Record> {
    durable.metadata.as_ref().map(|_| Record::Group { group_id: group_id.clone(), value: None })
}

/// Forgets what has outlived the retention, and then a group that has nothing left. Only of groups without members: their retention
/// counts from when the last one went (KIP-211).
pub(super) fn expire(config: &GroupConfig, group_id: &GroupId, entry: Option<&Entry>, now_ms: i64) -> Decision {
    let mut decision = Decision { group_id: group_id.clone(), records: Vec::new(), live: LiveChange::None, answers: Vec::new() };
    let Some(entry) = entry.filter(|entry| entry.live.phase == Phase::Empty) else { return decision };
    let empty_since_ms = entry.durable.metadata.as_ref().map(|_| entry.live.phase_since_ms);
    let mut remaining = 0_usize;
    for (topic, partition, value) in entry.durable.each_offset() {
        let base_ms = empty_since_ms.map_or(value.commit_timestamp_ms, |since_ms| since_ms.max(value.commit_timestamp_ms));
        let expires_ms = value.expire_timestamp_ms.unwrap_or(base_ms.saturating_add(config.offsets_retention_ms));
        if expires_ms <= now_ms {
            decision.records.push(tombstone(group_id, topic, partition));
        } else {
            remaining += 1;
        }
    }
    if remaining == 0 && entry.live.is_vacant() {
        decision.records.extend(group_tombstone(group_id, &entry.durable));
    }
    decision
}

/// The offsets of topics that exist no more: a new topic of the same name must not begin in the middle.
pub(super) fn forget_topics(group_id: &GroupId, entry: Option<&Entry>, topics: &[TopicName]) -> Decision {
    let mut records = Vec::new();
    for topic in topics {
        let partitions = entry.and_then(|entry| entry.durable.offsets.get(topic));
        records.extend(partitions.into_iter().flat_map(|stored| stored.keys()).map(|partition| tombstone(group_id, topic, *partition)));
    }
    Decision { group_id: group_id.clone(), records, live: LiveChange::None, answers: Vec::new() }
}
