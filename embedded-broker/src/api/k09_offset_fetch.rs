//! OffsetFetch: how far groups have read. Versions 1-9.
//!
//! - An unknown group, topic or partition is answered -1 without an error, so a consumer falls back to its `auto.offset.reset`.
//! - No topics means all that are stored (2+). Several groups at once from version 8.
//! - `require_stable` (7+): an offset that an open transaction may change is UNSTABLE_OFFSET_COMMIT (KIP-447).
//! - 9: a member of a consumer group says its epoch, and reads nothing in another than its own (KIP-848). Left out: version 10's topic ids,
//!   which the codec does not have.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::codec::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use crate::codec::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use crate::codec::{self, ResponseError, StrBytes};
use crate::coordinator::Coordinator;
use crate::coordinator::ids::MemberId;
use crate::coordinator::records::CommittedOffset;
use crate::coordinator::state::{Offsets, State};
use crate::node::Node;

pub(crate) struct OffsetFetch;

impl Api for OffsetFetch {
    const KEY: i16 = 9;
    const NAME: &'static str = "OffsetFetch";
    const VERSIONS: RangeInclusive<i16> = 1..=9;
    type Request = OffsetFetchRequest;
    type Response = OffsetFetchResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: OffsetFetchRequest) -> Result<OffsetFetchResponse, Refusal> {
        Ok(offset_fetch(&node.coordinator, context.version, &request))
    }
}

/// The first version that asks for several groups.
const FIRST_BATCHED: i16 = 8;

fn offset_fetch(coordinator: &Coordinator, version: i16, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let nothing = Offsets::new();
    coordinator.read(|state| {
        let stored = |group_id: &str| state.get(group_id).map_or(&nothing, |entry| &entry.durable.offsets);
        if version < FIRST_BATCHED {
            let mut topics = single_group(stored(request.group_id.as_str()), request);
            let is_unstable = |topic: &str, partition| request.require_stable && state.is_pending(&request.group_id, topic, partition);
            for (name, partition) in
                topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut().map(|partition| (&topic.name, partition)))
            {
                if is_unstable(name, partition.partition_index) {
                    (partition.committed_offset, partition.error_code) = (-1, ResponseError::UnstableOffsetCommit.code());
                }
            }
            return OffsetFetchResponse::default().with_topics(topics);
        }
        let mut named = BTreeSet::new();
        let groups = request.groups.iter().filter(|asked| named.insert(&asked.group_id)).map(|asked| {
            let group = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
            if let Err(error) = check_member(state, asked) {
                return group.with_error_code(error.code());
            }
            let mut topics = one_of_many(stored(asked.group_id.as_str()), asked);
            let is_unstable = |topic: &str, partition| request.require_stable && state.is_pending(&asked.group_id, topic, partition);
            for (name, partition) in
                topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut().map(|partition| (&topic.name, partition)))
            {
                if is_unstable(name, partition.partition_index) {
                    (partition.committed_offset, partition.error_code) = (-1, ResponseError::UnstableOffsetCommit.code());
                }
            }
            group.with_topics(topics)
        });
        OffsetFetchResponse::default().with_groups(groups.collect())
    })
}

/// Who says that it is a member must be one. Only consumer groups know epochs.
fn check_member(state: &State, asked: &OffsetFetchRequestGroup) -> Result<(), ResponseError> {
    let group = state.get(asked.group_id.as_str()).and_then(|entry| entry.durable.consumer.as_ref());
    let member_id = asked.member_id.as_ref().map_or("", |member_id| member_id.as_str());
    match group {
        Some(group) if !(member_id.is_empty() && asked.member_epoch < 0) => {
            group.check_epoch(&MemberId::from(member_id), asked.member_epoch)
        }
        Some(_) | None => Ok(()),
    }
}

fn single_group(stored: &Offsets, request: &OffsetFetchRequest) -> Vec<OffsetFetchResponseTopic> {
    let asked = request.topics.as_ref().map(|topics| topics.iter().map(|topic| (&topic.name, &topic.partition_indexes[..])));
    let partition = |(index, stored): (i32, Option<&CommittedOffset>)| {
        let (offset, leader_epoch, metadata) = what_is_stored(stored);
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(leader_epoch)
            .with_metadata(metadata)
    };
    let topic = |(name, partitions): TopicAnswer<'_>| {
        OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.into_iter().map(partition).collect())
    };
    answers(stored, asked).into_iter().map(topic).collect()
}

fn one_of_many(stored: &Offsets, group: &OffsetFetchRequestGroup) -> Vec<OffsetFetchResponseTopics> {
    let asked = group.topics.as_ref().map(|topics| topics.iter().map(|topic| (&topic.name, &topic.partition_indexes[..])));
    let partition = |(index, stored): (i32, Option<&CommittedOffset>)| {
        let (offset, leader_epoch, metadata) = what_is_stored(stored);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(leader_epoch)
            .with_metadata(metadata)
    };
    let topic = |(name, partitions): TopicAnswer<'_>| {
        OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.into_iter().map(partition).collect())
    };
    answers(stored, asked).into_iter().map(topic).collect()
}

/// Offset, leader epoch and text; -1 where there is nothing.
fn what_is_stored(stored: Option<&CommittedOffset>) -> (i64, i32, Option<StrBytes>) {
    match stored {
        Some(stored) => (stored.offset, stored.leader_epoch, Some(codec::text(&stored.metadata))),
        None => (-1, -1, Some(StrBytes::default())),
    }
}

/// One topic's partitions, each with what is stored for it.
type TopicAnswer<'a> = (TopicName, Vec<(i32, Option<&'a CommittedOffset>)>);

/// The partitions asked for, or all that are stored. Each once: the answer must not outgrow what is stored by naming it again and again.
fn answers<'a, 'b>(stored: &'a Offsets, asked: Option<impl Iterator<Item = (&'b TopicName, &'b [i32])>>) -> Vec<TopicAnswer<'a>> {
    let mut named = BTreeSet::new();
    match asked {
        Some(asked) => asked
            .map(|(name, indexes)| {
                let partitions = stored.get(name.as_str());
                let indexes = indexes.iter().filter(|index| named.insert((name, **index)));
                (name.clone(), indexes.map(|index| (*index, partitions.and_then(|stored| stored.get(index)))).collect())
            })
            .collect(),
        None => stored
            .iter()
            .map(|(name, partitions)| {
                let partitions = partitions.iter().map(|(index, offset)| (*index, Some(offset)));
                (TopicName(codec::text(name.as_str())), partitions.collect())
            })
            .collect(),
    }
}
