//! Stored offsets: commit, fetch, delete, expire.

use crate::codec::ResponseError;

use super::command::{CommitOffsets, Decision, LiveChange, OffsetToCommit, Reply};
use super::consumer::ConsumerGroup;
use super::decide::{Context, only_answer};
use super::embedded::CONSUMER_PROTOCOL;
use super::group::{Group, Phase, heard};
use super::ids::{GroupId, TopicName, WaiterId};
use super::image::Now;
use super::records::{CommittedOffset, Record};
use super::state::{Durable, Entry};
use crate::log::ProducerEpoch;

/// OffsetCommit: by a member of this generation, or by anyone while the group has no members.
pub(super) fn commit(
    context: &Context<'_>,
    group_id: &GroupId,
    entry: Option<&Entry>,
    commit: CommitOffsets,
    waiter: WaiterId,
) -> Decision {
    let nobody = Group::default();
    let live = entry.map_or(&nobody, |entry| &entry.live);
    let checked = match entry.and_then(|entry| entry.durable.consumer.as_ref()) {
        Some(group) => check_consumer_commit(group, &commit),
        None => check_commit(live, entry.is_some(), &commit),
    };
    if let Err(error) = checked {
        return only_answer(group_id, waiter, Err(error));
    }
    let mut records = Vec::with_capacity(commit.offsets.len());
    let mut results = Vec::with_capacity(commit.offsets.len());
    for offset in commit.offsets {
        let error = if offset.metadata.len() > context.config.max_offset_metadata_bytes {
            Some(ResponseError::OffsetMetadataTooLarge)
        } else if !context.topics.has_partition(offset.topic.as_str(), offset.partition) {
            // Seen here, where nothing comes between: a topic deleted before this has had its offsets forgotten already.
            Some(ResponseError::UnknownTopicOrPartition)
        } else {
            None
        };
        results.push(error);
        if error.is_none() {
            records.push(record_of(group_id, offset, commit.producer, context.now));
        }
    }
    Decision {
        group_id: group_id.clone(),
        records,
        live: heard(live, &commit.member.member_id, context.now),
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
        let unknown = if commit.has_member_epoch { ResponseError::GroupIdNotFound } else { ResponseError::IllegalGeneration };
        return if is_stranger { Ok(()) } else { Err(unknown) };
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

/// A consumer group takes offsets from members in their epoch only; from others while it has no members.
fn check_consumer_commit(group: &ConsumerGroup, commit: &CommitOffsets) -> Result<(), ResponseError> {
    let caller = &commit.member;
    let says_nothing = caller.generation < 0 && caller.member_id.as_str().is_empty();
    if says_nothing && (group.members.is_empty() || commit.producer.is_some()) {
        return Ok(());
    }
    let can_say_epoch = commit.has_member_epoch || commit.producer.is_some();
    let speaks_classic = |member: &super::consumer::Member| member.subscription.classic.is_some();
    if !can_say_epoch && group.members.get(&caller.member_id).is_some_and(|member| !speaks_classic(member)) {
        return Err(ResponseError::UnsupportedVersion);
    }
    group.check_epoch(&caller.member_id, caller.generation)
}

fn record_of(group_id: &GroupId, offset: OffsetToCommit, producer: Option<ProducerEpoch>, now: Now) -> Record {
    let value = CommittedOffset {
        offset: offset.offset,
        leader_epoch: if offset.retention_ms.is_some() { -1 } else { offset.leader_epoch },
        metadata: offset.metadata,
        commit_timestamp_ms: now.wall_ms,
        expire_timestamp_ms: offset.retention_ms.map(|retention_ms| now.wall_ms.saturating_add(retention_ms.max(0))),
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
    let is_classic = entry.durable.consumer.is_none();
    if is_classic && !entry.is_empty() && entry.live.protocol_type != CONSUMER_PROTOCOL {
        return only_answer(group_id, waiter, Err(ResponseError::NonEmptyGroup));
    }
    let is_read = reader_of(entry);
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
    if !entry.is_empty() {
        return only_answer(group_id, waiter, Err(ResponseError::NonEmptyGroup));
    }
    let mut records: Vec<Record> = entry.durable.each_offset().map(|(topic, partition, _)| tombstone(group_id, topic, partition)).collect();
    records.extend(group_tombstones(group_id, &entry.durable));
    Decision { group_id: group_id.clone(), records, live: LiveChange::Replace(Box::default()), answers: vec![(waiter, Ok(Reply::Done))] }
}

/// Whether someone reads this topic. What can't be known is taken for yes.
fn reader_of(entry: &Entry) -> impl Fn(&TopicName) -> bool {
    let classic = if entry.live.phase == Phase::Empty { Some(Vec::new()) } else { entry.live.subscribed_topics() };
    move |topic| match &entry.durable.consumer {
        Some(group) => group.is_subscribed(topic),
        None => classic.as_ref().is_none_or(|topics| topics.iter().any(|read| read == topic.as_str())),
    }
}

fn group_tombstones(group_id: &GroupId, durable: &Durable) -> Vec<Record> {
    let classic = durable.metadata.as_ref().map(|_| Record::Group { group_id: group_id.clone(), value: None });
    let consumer = durable.consumer.iter().flat_map(ConsumerGroup::tombstones);
    let consumer = consumer.map(|record| Record::Consumer { group_id: group_id.clone(), record });
    classic.into_iter().chain(consumer).collect()
}

/// Forgets what has outlived the retention, and then a group that has nothing left (KIP-211). A topic that someone reads keeps its
/// offsets, and so does a partition for which an open transaction holds a new one. Of a classic group that was left by everyone the retention counts from then; otherwise from the commit.
pub(super) fn expire(
    context: &Context<'_>,
    group_id: &GroupId,
    entry: Option<&Entry>,
    is_pending: impl Fn(&TopicName, i32) -> bool,
) -> Decision {
    let mut decision = Decision { group_id: group_id.clone(), records: Vec::new(), live: LiveChange::None, answers: Vec::new() };
    let Some(entry) = entry.filter(|entry| may_expire(entry)) else { return decision };
    let now_ms = context.now.wall_ms;
    let is_read = reader_of(entry);
    let was_left = entry.is_empty() && entry.durable.metadata.is_some();
    let left_ms = if was_left { entry.live.phase_since_ms } else { i64::MIN };
    let mut remaining = 0_usize;
    for (topic, partition, value) in entry.durable.each_offset() {
        let base_ms = left_ms.max(value.commit_timestamp_ms);
        let expires_ms = value.expire_timestamp_ms.unwrap_or(base_ms.saturating_add(context.config.offsets_retention_ms));
        if expires_ms <= now_ms && !is_read(topic) && !is_pending(topic, partition) {
            decision.records.push(tombstone(group_id, topic, partition));
        } else {
            remaining += 1;
        }
    }
    if remaining == 0 && entry.is_empty() && entry.live.is_vacant() {
        decision.records.extend(group_tombstones(group_id, &entry.durable));
    }
    decision
}

/// While a classic group is between two generations nobody can tell what it reads.
fn may_expire(entry: &Entry) -> bool {
    let is_settled = entry.live.phase == Phase::Stable && entry.live.protocol_type == CONSUMER_PROTOCOL;
    entry.is_empty() || entry.durable.consumer.is_some() || is_settled
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
