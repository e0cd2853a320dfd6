//! DescribeGroups: state, members and assignments of groups. Versions 0-6.
//!
//! An unknown group is "Dead" without an error before 6, and GROUP_ID_NOT_FOUND from 6 on (KIP-1043); so is a consumer group,
//! which ConsumerGroupDescribe describes. 4: instance ids.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::codec::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use crate::codec::{self, ResponseError};
use crate::coordinator::Coordinator;
use crate::coordinator::group::{GroupView, MemberView};
use crate::node::Node;

pub(crate) struct DescribeGroups;

impl Api for DescribeGroups {
    const KEY: i16 = 15;
    const NAME: &'static str = "DescribeGroups";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    type Request = DescribeGroupsRequest;
    type Response = DescribeGroupsResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: DescribeGroupsRequest,
    ) -> Result<DescribeGroupsResponse, Refusal> {
        Ok(describe_groups(&node.coordinator, context.version, &request))
    }
}

fn describe_groups(coordinator: &Coordinator, version: i16, request: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let group_ids = shared::once(&request.groups, |group_id| *group_id);
    let views = coordinator.read(|state| {
        let view = |id: &GroupId| {
            (id.clone(), state.get(id.as_str()).filter(|entry| entry.durable.consumer.is_none()).map(|entry| entry.live.view()))
        };
        group_ids.map(view).collect::<Vec<_>>()
    });
    let operations = if request.include_authorized_operations { shared::GROUP_OPERATIONS } else { shared::OPERATIONS_NOT_ASKED };
    let groups = views.into_iter().map(|(group_id, view)| match view {
        Some(view) => described(version, group_id, view).with_authorized_operations(operations),
        None => unknown(version, group_id),
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn described(version: i16, group_id: GroupId, view: GroupView) -> DescribedGroup {
    let member = |member: MemberView| {
        DescribedGroupMember::default()
            .with_member_id(codec::text(member.member_id.as_str()))
            .with_group_instance_id(member.instance_id.filter(|_| version >= 4).map(|id| codec::text(id.as_str())))
            .with_client_id(codec::text(&member.client_id))
            .with_client_host(codec::text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    DescribedGroup::default()
        .with_group_id(group_id)
        .with_group_state(codec::text(view.state))
        .with_protocol_type(codec::text(&view.protocol_type))
        .with_protocol_data(codec::text(&view.protocol))
        .with_members(view.members.into_iter().map(member).collect())
}

fn unknown(version: i16, group_id: GroupId) -> DescribedGroup {
    let message = format!("Group {} is not a classic group of this broker.", group_id.as_str());
    let dead = DescribedGroup::default().with_group_id(group_id).with_group_state(codec::text("Dead"));
    if version < 6 {
        return dead;
    }
    dead.with_error_code(ResponseError::GroupIdNotFound.code()).with_error_message(Some(codec::text(&message)))
}
