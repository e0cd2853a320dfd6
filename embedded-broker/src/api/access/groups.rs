//! Gates of the group APIs: READ to be a member and to commit, DESCRIBE to look, DELETE to delete; and the same for the topics named.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Caller, GROUP_DENIED, Gate, Gated, TOPIC_DENIED, TRANSACTIONAL_ID_DENIED, take_denied};
use crate::codec::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::codec::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::codec::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
};
use crate::codec::messages::*;
use crate::codec::{StrBytes, messages, text};
use crate::security::{Operation, ResourceType};

/// Gates of requests about one group, answered with one error: `request => response: operation`.
macro_rules! one_group {
    ($($request:ident => $response:ident: $operation:ident,)*) => {
        $(impl Gated<$response> for $request {
            fn gate(&mut self, caller: &Arc<Caller>) -> Gate<$response> {
                let is_allowed = caller.may_group(Operation::$operation, &self.group_id);
                Gate::when(is_allowed, || $response::default().with_error_code(GROUP_DENIED))
            }
        })*
    };
}

one_group! {
    HeartbeatRequest => HeartbeatResponse: Read,
    LeaveGroupRequest => LeaveGroupResponse: Read,
    SyncGroupRequest => SyncGroupResponse: Read,
}

impl Gated<JoinGroupResponse> for JoinGroupRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<JoinGroupResponse> {
        // The protocol's name may be null only from version 7 on.
        let no_protocol = (caller.version < 7).then(StrBytes::default);
        Gate::when(caller.may_group(Operation::Read, &self.group_id), || {
            let refusal = JoinGroupResponse::default().with_error_code(GROUP_DENIED).with_generation_id(-1);
            refusal.with_protocol_name(no_protocol).with_member_id(self.member_id.clone())
        })
    }
}

impl Gated<OffsetCommitResponse> for OffsetCommitRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<OffsetCommitResponse> {
        let (denied, code) = if caller.may_group(Operation::Read, &self.group_id) {
            (take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Read, &topic.name)), TOPIC_DENIED)
        } else {
            (std::mem::take(&mut self.topics), GROUP_DENIED)
        };
        let denied = denied.into_iter().map(|topic| {
            let partition = |index| OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code);
            let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
            OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        if code == GROUP_DENIED {
            return Gate::Answer(OffsetCommitResponse::default().with_topics(denied));
        }
        if self.topics.is_empty() && !denied.is_empty() {
            // Nothing is left to commit; an empty commit would still say whether there is such a member.
            return Gate::Answer(OffsetCommitResponse::default().with_topics(denied));
        }
        Gate::then(|response: &mut OffsetCommitResponse| response.topics.extend(denied))
    }
}

/// The first version of OffsetFetch that asks for several groups.
const FIRST_FETCH_OF_GROUPS: i16 = 8;

impl Gated<OffsetFetchResponse> for OffsetFetchRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<OffsetFetchResponse> {
        if caller.version >= FIRST_FETCH_OF_GROUPS { fetch_of_groups(self, caller) } else { fetch_of_one_group(self, caller) }
    }
}

fn fetch_of_groups(request: &mut OffsetFetchRequest, caller: &Arc<Caller>) -> Gate<OffsetFetchResponse> {
    let denied = take_denied(&mut request.groups, |group| caller.may_group(Operation::Describe, &group.group_id));
    let denied: Vec<_> = denied
        .into_iter()
        .map(|group| OffsetFetchResponseGroup::default().with_group_id(group.group_id).with_error_code(GROUP_DENIED))
        .collect();
    let asked_for_all: BTreeSet<GroupId> =
        request.groups.iter().filter(|group| group.topics.is_none()).map(|group| group.group_id.clone()).collect();
    let caller = Arc::clone(caller);
    Gate::then(move |response: &mut OffsetFetchResponse| {
        let denied_partition = |index| {
            let denied = OffsetFetchResponsePartitions::default().with_partition_index(index).with_committed_offset(-1);
            denied.with_metadata(Some(StrBytes::default())).with_error_code(TOPIC_DENIED)
        };
        for group in &mut response.groups {
            if asked_for_all.contains(&group.group_id) {
                group.topics.retain(|topic| caller.may_topic(Operation::Describe, &topic.name));
            }
            for topic in &mut group.topics {
                hide(&caller, &topic.name, &mut topic.partitions, |partition| denied_partition(partition.partition_index));
            }
        }
        response.groups.extend(denied);
    })
}

fn fetch_of_one_group(request: &mut OffsetFetchRequest, caller: &Arc<Caller>) -> Gate<OffsetFetchResponse> {
    let denied_partition = |index, code| {
        let denied = OffsetFetchResponsePartition::default().with_partition_index(index).with_committed_offset(-1);
        denied.with_metadata(Some(StrBytes::default())).with_error_code(code)
    };
    if !caller.may_group(Operation::Describe, &request.group_id) {
        // 2 brought the error for the whole group.
        let topics = request.topics.take().unwrap_or_default().into_iter().filter(|_| caller.version < 2).map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| denied_partition(*index, GROUP_DENIED)).collect();
            OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        return Gate::Answer(OffsetFetchResponse::default().with_topics(topics.collect()).with_error_code(GROUP_DENIED));
    }
    let (caller, asked_for_all) = (Arc::clone(caller), request.topics.is_none());
    Gate::then(move |response: &mut OffsetFetchResponse| {
        if asked_for_all {
            response.topics.retain(|topic| caller.may_topic(Operation::Describe, &topic.name));
        }
        for topic in &mut response.topics {
            hide(&caller, &topic.name, &mut topic.partitions, |partition| denied_partition(partition.partition_index, TOPIC_DENIED));
        }
    })
}

/// Replaces what is known of a topic's partitions when the caller may not know the topic but has named it.
fn hide<P>(caller: &Caller, topic: &str, partitions: &mut [P], denied: impl Fn(&P) -> P) {
    if !caller.may_topic(Operation::Describe, topic) {
        partitions.iter_mut().for_each(|partition| *partition = denied(partition));
    }
}

/// The first version of FindCoordinator that asks for several keys.
const FIRST_FIND_OF_KEYS: i16 = 4;
const TRANSACTION: i8 = 1;

impl Gated<FindCoordinatorResponse> for FindCoordinatorRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<FindCoordinatorResponse> {
        let is_transaction = self.key_type == TRANSACTION;
        let code = if is_transaction { TRANSACTIONAL_ID_DENIED } else { GROUP_DENIED };
        let resource = if is_transaction { ResourceType::TransactionalId } else { ResourceType::Group };
        let nowhere = BrokerId(-1);
        if caller.version < FIRST_FIND_OF_KEYS {
            let refusal = || FindCoordinatorResponse::default().with_error_code(code).with_node_id(nowhere).with_port(-1);
            return Gate::when(caller.may(Operation::Describe, resource, &self.key), refusal);
        }
        let denied = take_denied(&mut self.coordinator_keys, |key| caller.may(Operation::Describe, resource, key));
        let denied = denied.into_iter().map(|key| {
            let refusal = messages::find_coordinator_response::Coordinator::default().with_key(key);
            refusal.with_error_code(code).with_node_id(nowhere).with_port(-1)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut FindCoordinatorResponse| response.coordinators.extend(denied))
    }
}

impl Gated<DescribeGroupsResponse> for DescribeGroupsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeGroupsResponse> {
        let denied = take_denied(&mut self.groups, |group| caller.may_group(Operation::Describe, group));
        let denied = denied
            .into_iter()
            .map(|group| messages::describe_groups_response::DescribedGroup::default().with_group_id(group).with_error_code(GROUP_DENIED));
        let denied: Vec<_> = denied.collect();
        let caller = self.include_authorized_operations.then(|| Arc::clone(caller));
        Gate::then(move |response: &mut DescribeGroupsResponse| {
            for group in &mut response.groups {
                if let Some(caller) = &caller {
                    group.authorized_operations = caller.operations(ResourceType::Group, &group.group_id);
                }
            }
            response.groups.extend(denied);
        })
    }
}

impl Gated<ListGroupsResponse> for ListGroupsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ListGroupsResponse> {
        if caller.may_cluster(Operation::Describe) {
            return Gate::Open;
        }
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut ListGroupsResponse| {
            response.groups.retain(|group| caller.may_group(Operation::Describe, &group.group_id));
        })
    }
}

impl Gated<DeleteGroupsResponse> for DeleteGroupsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DeleteGroupsResponse> {
        let denied = take_denied(&mut self.groups_names, |group| caller.may_group(Operation::Delete, group));
        let denied = denied.into_iter().map(|group| {
            messages::delete_groups_response::DeletableGroupResult::default().with_group_id(group).with_error_code(GROUP_DENIED)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut DeleteGroupsResponse| response.results.extend(denied))
    }
}

impl Gated<OffsetDeleteResponse> for OffsetDeleteRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<OffsetDeleteResponse> {
        if !caller.may_group(Operation::Delete, &self.group_id) {
            return Gate::Answer(OffsetDeleteResponse::default().with_error_code(GROUP_DENIED));
        }
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Read, &topic.name));
        let denied = denied.into_iter().map(|topic| {
            let partition = |index| OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(TOPIC_DENIED);
            let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
            OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut OffsetDeleteResponse| response.topics.extend(denied))
    }
}

impl Gated<ConsumerGroupHeartbeatResponse> for ConsumerGroupHeartbeatRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ConsumerGroupHeartbeatResponse> {
        let refusal = |code, reason: &str| {
            let refusal = ConsumerGroupHeartbeatResponse::default().with_error_code(code);
            Gate::Answer(refusal.with_error_message(Some(text(reason))))
        };
        if !caller.may_group(Operation::Read, &self.group_id) {
            return refusal(GROUP_DENIED, "the group may not be joined: READ is needed");
        }
        let mut topics = self.subscribed_topic_names.iter().flatten();
        if topics.any(|topic| !caller.may_topic(Operation::Describe, topic)) {
            return refusal(TOPIC_DENIED, "a topic of the subscription may not be known: DESCRIBE is needed");
        }
        Gate::Open
    }
}

impl Gated<ConsumerGroupDescribeResponse> for ConsumerGroupDescribeRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<ConsumerGroupDescribeResponse> {
        use messages::consumer_group_describe_response::{Assignment, DescribedGroup};
        let denied = take_denied(&mut self.group_ids, |group| caller.may_group(Operation::Describe, group));
        let denied = denied.into_iter().map(|group| DescribedGroup::default().with_group_id(group).with_error_code(GROUP_DENIED));
        let denied: Vec<_> = denied.collect();
        let (caller, with_operations) = (Arc::clone(caller), self.include_authorized_operations);
        Gate::then(move |response: &mut ConsumerGroupDescribeResponse| {
            let is_known = |assigned: &Assignment| {
                assigned.topic_partitions.iter().all(|topic| caller.may_topic(Operation::Describe, &topic.topic_name))
            };
            for group in &mut response.groups {
                let mut members = group.members.iter();
                if !members.all(|member| is_known(&member.assignment) && is_known(&member.target_assignment)) {
                    let hidden = DescribedGroup::default().with_group_id(group.group_id.clone()).with_error_code(TOPIC_DENIED);
                    *group = hidden.with_error_message(Some(text("the group has topics that may not be known: DESCRIBE is needed")));
                } else if with_operations {
                    group.authorized_operations = caller.operations(ResourceType::Group, &group.group_id);
                }
            }
            response.groups.extend(denied);
        })
    }
}
