//! ConsumerGroupHeartbeat: a member of the consumer protocol joins, stays and leaves, and learns what to hold (KIP-848). Versions 0-1.
//!
//! - Member epoch 0 joins, -1 leaves, -2 leaves for a moment (static members). A field that is null is as it was said last.
//! - Answered at once, always. The assignment is in the answer when it is news, or when the member said everything.
//! - The first member that speaks this protocol turns a classic group into a consumer group (`group.consumer.migration.policy`).
//! - 0: an id may be given to who has none. 1: the member brings its own (KIP-1082), and may subscribe by a regular expression, of the syntax
//!   and the linear time of RE2; it matches all topics but the broker's own. Left out: racks are kept and shown, but assign nothing, as
//!   all partitions are on one broker.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::consumer_group_heartbeat_response::{Assignment as AssignmentResponse, TopicPartitions};
use crate::codec::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use crate::codec::{self, ResponseError, StrBytes};
use crate::coordinator::command::{Command, Reply};
use crate::coordinator::consumer::{Assignment, Heartbeat, JOIN_EPOCH};
use crate::coordinator::ids::{MemberId, TopicName};
use crate::coordinator::wire;
use crate::node::Node;

pub(crate) struct ConsumerGroupHeartbeat;

impl Api for ConsumerGroupHeartbeat {
    const KEY: i16 = 68;
    const NAME: &'static str = "ConsumerGroupHeartbeat";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = ConsumerGroupHeartbeatRequest;
    type Response = ConsumerGroupHeartbeatResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        if !node.config.groups.offers_consumer_protocol {
            return Ok(refusal(ResponseError::UnsupportedVersion));
        }
        let heartbeat = heartbeat(&node, &context, &request);
        let group_id = wire::group_id(&request.group_id);
        let response =
            ConsumerGroupHeartbeatResponse::default().with_heartbeat_interval_ms(node.config.groups.consumer_heartbeat_interval_ms);
        Ok(match node.coordinator.ask(&group_id, Command::ConsumerHeartbeat(Box::new(heartbeat))).await {
            Ok(Reply::ConsumerHeartbeat(told)) => response
                .with_member_id(Some(codec::text(told.member_id.as_str())))
                .with_member_epoch(told.epoch)
                .with_assignment(told.assignment.map(assignment_response)),
            Ok(_) => refusal(ResponseError::UnknownServerError),
            Err(error) => refusal(error),
        })
    }
}

fn heartbeat(node: &Node, context: &RequestContext, request: &ConsumerGroupHeartbeatRequest) -> Heartbeat {
    let owned_text = |text: &StrBytes| text.as_str().to_owned();
    let may_give_id = context.version == 0 && request.member_epoch == JOIN_EPOCH && request.member_id.as_str().is_empty();
    let member_id = if may_give_id { node.coordinator.fresh_id() } else { owned_text(&request.member_id) };
    let topics = |names: &Vec<crate::codec::messages::TopicName>| names.iter().map(|name| TopicName::from(name.as_str())).collect();
    let owned = request.topic_partitions.as_ref().map(|topics| {
        let mut owned = Assignment::new();
        for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
            owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
        }
        owned
    });
    Heartbeat {
        member_id: MemberId::from(member_id),
        epoch: request.member_epoch,
        instance_id: wire::instance_id(request.instance_id.as_ref()),
        rack_id: request.rack_id.as_ref().map(owned_text),
        client_id: context.client_id.to_string(),
        client_host: context.client_host_text(),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topics: request.subscribed_topic_names.as_ref().map(topics),
        regex: request.subscribed_topic_regex.as_ref().map(owned_text),
        assignor: request.server_assignor.as_ref().map(owned_text),
        owned,
    }
}

fn assignment_response(assignment: Assignment) -> AssignmentResponse {
    let topics = assignment
        .into_iter()
        .map(|(topic_id, partitions)| TopicPartitions::default().with_topic_id(topic_id).with_partitions(partitions.into_iter().collect()));
    AssignmentResponse::default().with_topic_partitions(topics.collect())
}

fn refusal(error: ResponseError) -> ConsumerGroupHeartbeatResponse {
    let reason = match error {
        ResponseError::InvalidRequest => {
            "The group id, the member id, the instance id and the rack id must not be empty; a member that joins must say its rebalance \
             timeout and what it subscribes to, and hold nothing; only a static member can leave with epoch -2."
        }
        ResponseError::UnknownMemberId => "The member is not in the group; it must join again.",
        ResponseError::FencedMemberEpoch => "The member is not in this epoch; it must give up all partitions and join again.",
        ResponseError::UnreleasedInstanceId => "The instance id is in use by another member that has not left.",
        ResponseError::FencedInstanceId => "The instance id belongs to another member now.",
        ResponseError::UnsupportedAssignor => "The assignor is not one of uniform and range.",
        ResponseError::GroupMaxSizeReached => "The group, or the broker's memory for groups, is full.",
        ResponseError::InvalidRegularExpression => "The regular expression is not valid RE2 syntax, or is too large.",
        ResponseError::GroupIdNotFound => "The group is of the classic protocol and can't be moved to the consumer protocol.",
        _ => "The request could not be carried out.",
    };
    ConsumerGroupHeartbeatResponse::default().with_error_code(error.code()).with_error_message(Some(StrBytes::from_static_str(reason)))
}
