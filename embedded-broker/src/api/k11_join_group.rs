//! JoinGroup: a member enters the next generation of its group. Versions 0-9.
//!
//! - Parked until the rebalance ends; a client that hangs up is taken out again.
//! - 4: MEMBER_ID_REQUIRED (KIP-394). 5: static members (KIP-345). 7: the protocol's type and name in the answer (KIP-559).
//! - 8: a reason (KIP-800), for logs only. 9: `skip_assignment` (KIP-814).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::join_group_request::JoinGroupRequestProtocol;
use crate::codec::messages::join_group_response::JoinGroupResponseMember;
use crate::codec::messages::{JoinGroupRequest, JoinGroupResponse};
use crate::codec::{self, ResponseError, StrBytes};
use crate::coordinator::command::{Command, Join, Joined, Protocol, Reply};
use crate::coordinator::ids::MemberId;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct JoinGroup;

impl Api for JoinGroup {
    const KEY: i16 = 11;
    const NAME: &'static str = "JoinGroup";
    const VERSIONS: RangeInclusive<i16> = 0..=9;
    type Request = JoinGroupRequest;
    type Response = JoinGroupResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: JoinGroupRequest) -> Result<JoinGroupResponse, Refusal> {
        Ok(join_group(&node.coordinator, &context, &request).await)
    }
}

async fn join_group(coordinator: &Coordinator, context: &RequestContext, request: &JoinGroupRequest) -> JoinGroupResponse {
    let version = context.version;
    let protocol =
        |offered: &JoinGroupRequestProtocol| Protocol { name: offered.name.as_str().to_owned(), metadata: wire::owned(&offered.metadata) };
    let instance_id = wire::instance_id(request.group_instance_id.as_ref());
    // Kafka's form: readable at the front, unique at the end.
    let prefix = instance_id.as_ref().map_or(&*context.client_id, |instance_id| instance_id.as_str());
    let join = Join {
        member_id: MemberId::from(request.member_id.as_str()),
        fresh_member_id: MemberId::from(format!("{prefix}-{}", coordinator.fresh_id())),
        instance_id,
        client_id: context.client_id.to_string(),
        client_host: context.client_host_text(),
        session_timeout_ms: request.session_timeout_ms,
        // Version 0 knew one timeout only.
        rebalance_timeout_ms: if version == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms },
        protocol_type: request.protocol_type.as_str().to_owned(),
        protocols: request.protocols.iter().map(protocol).collect(),
        can_require_member_id: version >= 4,
        can_skip_assignment: version >= 9,
    };
    let asked_as = request.member_id.clone();
    match coordinator.ask(&wire::group_id(&request.group_id), Command::Join(join)).await {
        Ok(Reply::Joined(joined)) => welcome(version, joined),
        Ok(Reply::MemberIdRequired(member_id)) => refuse(version, ResponseError::MemberIdRequired, codec::text(member_id.as_str())),
        Ok(_) => refuse(version, ResponseError::UnknownServerError, asked_as),
        Err(error) => refuse(version, error, asked_as),
    }
}

fn welcome(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(codec::text(member.member_id.as_str()))
            .with_group_instance_id(member.instance_id.filter(|_| version >= 5).map(|id| codec::text(id.as_str())))
            .with_metadata(member.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(codec::text(&joined.protocol_type)).filter(|_| version >= 7))
        .with_protocol_name(Some(codec::text(&joined.protocol_name)))
        .with_leader(codec::text(joined.leader.as_str()))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(codec::text(joined.member_id.as_str()))
        .with_members(members.collect())
}

fn refuse(version: i16, error: ResponseError, member_id: StrBytes) -> JoinGroupResponse {
    // The name may be null only from version 7 on.
    let no_protocol = (version < 7).then(StrBytes::default);
    JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_protocol_name(no_protocol)
        .with_member_id(member_id)
}
