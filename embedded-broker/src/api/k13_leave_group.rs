//! LeaveGroup: members go, and the others rebalance at once instead of after a session timeout. Versions 0-5.
//!
//! Before 3 one member, its error at the top; from 3 several, each with its own (KIP-345). 5: a reason (KIP-800), for logs only.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::leave_group_request::MemberIdentity;
use crate::codec::messages::leave_group_response::MemberResponse;
use crate::codec::messages::{LeaveGroupRequest, LeaveGroupResponse};
use crate::codec::{self, ResponseError};
use crate::coordinator::command::{Command, Leaving, Reply};
use crate::coordinator::ids::MemberId;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct LeaveGroup;

impl Api for LeaveGroup {
    const KEY: i16 = 13;
    const NAME: &'static str = "LeaveGroup";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = LeaveGroupRequest;
    type Response = LeaveGroupResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: LeaveGroupRequest) -> Result<LeaveGroupResponse, Refusal> {
        Ok(leave_group(&node.coordinator, context.version, &request).await)
    }
}

/// The first version that names several members.
const FIRST_BATCHED: i16 = 3;

async fn leave_group(coordinator: &Coordinator, version: i16, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let leaving = if version < FIRST_BATCHED {
        vec![Leaving { member_id: MemberId::from(request.member_id.as_str()), instance_id: None }]
    } else {
        let entry = |member: &MemberIdentity| Leaving {
            member_id: MemberId::from(member.member_id.as_str()),
            instance_id: wire::instance_id(member.group_instance_id.as_ref()),
        };
        request.members.iter().map(entry).collect()
    };
    let results = match coordinator.ask(&wire::group_id(&request.group_id), Command::Leave(leaving)).await {
        Ok(Reply::Left(results)) => results,
        Ok(_) => return LeaveGroupResponse::default().with_error_code(ResponseError::UnknownServerError.code()),
        Err(error) => return LeaveGroupResponse::default().with_error_code(error.code()),
    };
    if version < FIRST_BATCHED {
        let error = results.into_iter().find_map(|(_, error)| error);
        return LeaveGroupResponse::default().with_error_code(codec::error_code(error));
    }
    let members = results.into_iter().map(|(entry, error)| {
        MemberResponse::default()
            .with_member_id(codec::text(entry.member_id.as_str()))
            .with_group_instance_id(entry.instance_id.map(|id| codec::text(id.as_str())))
            .with_error_code(codec::error_code(error))
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
