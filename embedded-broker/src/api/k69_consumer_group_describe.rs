//! ConsumerGroupDescribe: epochs, members, what they hold and what they should hold (KIP-848). Versions 0-1.
//!
//! A group that is not there, or is of the classic protocol, is GROUP_ID_NOT_FOUND. 1: members of the classic protocol are told apart.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions};
use crate::codec::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName};
use crate::codec::{self, ResponseError, StrBytes};
use crate::coordinator::consumer::{ConsumerGroupView, ConsumerMemberView};
use crate::coordinator::ids;
use crate::node::Node;

pub(crate) struct ConsumerGroupDescribe;

/// Member types, as version 1 tells them.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;
const NOT_TOLD: i8 = -1;

impl Api for ConsumerGroupDescribe {
    const KEY: i16 = 69;
    const NAME: &'static str = "ConsumerGroupDescribe";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = ConsumerGroupDescribeRequest;
    type Response = ConsumerGroupDescribeResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: ConsumerGroupDescribeRequest,
    ) -> Result<ConsumerGroupDescribeResponse, Refusal> {
        let group_ids: Vec<&GroupId> = shared::once(&request.group_ids, |group_id| *group_id).collect();
        let views: Vec<Option<ConsumerGroupView>> = node.coordinator.read(|state| {
            let view = |id: &&GroupId| Some(state.get(id.as_str())?.durable.consumer.as_ref()?.view());
            group_ids.iter().map(view).collect()
        });
        let operations = if request.include_authorized_operations { shared::GROUP_OPERATIONS } else { shared::OPERATIONS_NOT_ASKED };
        let groups = group_ids.iter().zip(views).map(|(group_id, view)| {
            match view {
                Some(view) => described(context.version, view).with_authorized_operations(operations),
                None => unknown(group_id),
            }
            .with_group_id((*group_id).clone())
        });
        Ok(ConsumerGroupDescribeResponse::default().with_groups(groups.collect()))
    }
}

fn described(version: i16, view: ConsumerGroupView) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(view.state))
        .with_group_epoch(view.epoch)
        .with_assignment_epoch(view.target_epoch)
        .with_assignor_name(StrBytes::from_static_str(view.assignor))
        .with_members(view.members.into_iter().map(|view| member(version, view)).collect())
}

fn member(version: i16, view: ConsumerMemberView) -> Member {
    let subscription = view.subscription;
    let member_type = match &subscription.classic {
        _ if version < 1 => NOT_TOLD,
        Some(_) => CLASSIC,
        None => CONSUMER,
    };
    Member::default()
        .with_member_id(codec::text(view.member_id.as_str()))
        .with_instance_id(subscription.instance_id.map(|id| codec::text(id.as_str())))
        .with_rack_id(subscription.rack_id.map(codec::text))
        .with_member_epoch(view.epoch)
        .with_client_id(codec::text(subscription.client_id))
        .with_client_host(codec::text(subscription.client_host))
        .with_subscribed_topic_names(subscription.topics.iter().map(|topic| TopicName(codec::text(topic.as_str()))).collect())
        .with_subscribed_topic_regex(subscription.regex.map(codec::text))
        .with_assignment(assignment(view.assigned))
        .with_target_assignment(assignment(view.target))
        .with_member_type(member_type)
}

fn assignment(topics: Vec<(Uuid, ids::TopicName, Vec<i32>)>) -> Assignment {
    let topic = |(topic_id, name, partitions): (Uuid, ids::TopicName, Vec<i32>)| {
        TopicPartitions::default()
            .with_topic_id(topic_id)
            .with_topic_name(TopicName(codec::text(name.as_str())))
            .with_partitions(partitions)
    };
    Assignment::default().with_topic_partitions(topics.into_iter().map(topic).collect())
}

fn unknown(group_id: &GroupId) -> DescribedGroup {
    let message = format!("Group {} is not a consumer group of this broker.", group_id.as_str());
    DescribedGroup::default()
        .with_error_code(ResponseError::GroupIdNotFound.code())
        .with_error_message(Some(codec::text(message)))
        .with_authorized_operations(shared::OPERATIONS_NOT_ASKED)
}
