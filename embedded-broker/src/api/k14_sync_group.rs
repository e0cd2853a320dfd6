//! SyncGroup: the leader brings the assignments of its generation, every member takes its own. Versions 0-5.
//!
//! Parked until the leader has come. 3: static members (KIP-345). 5: the protocol's type and name are checked (KIP-559).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{SyncGroupRequest, SyncGroupResponse};
use crate::codec::{self, ResponseError};
use crate::coordinator::command::{Command, Reply, Sync};
use crate::coordinator::ids::MemberId;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct SyncGroup;

impl Api for SyncGroup {
    const KEY: i16 = 14;
    const NAME: &'static str = "SyncGroup";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = SyncGroupRequest;
    type Response = SyncGroupResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: SyncGroupRequest) -> Result<SyncGroupResponse, Refusal> {
        Ok(sync_group(&node.coordinator, context.version, &request).await)
    }
}

async fn sync_group(coordinator: &Coordinator, version: i16, request: &SyncGroupRequest) -> SyncGroupResponse {
    let assignments =
        request.assignments.iter().map(|assignment| (MemberId::from(assignment.member_id.as_str()), wire::owned(&assignment.assignment)));
    let sync = Sync {
        member: wire::caller(&request.member_id, request.group_instance_id.as_ref(), request.generation_id),
        protocol_type: request.protocol_type.as_ref().map(|text| text.as_str().to_owned()),
        protocol_name: request.protocol_name.as_ref().map(|text| text.as_str().to_owned()),
        assignments: assignments.collect(),
    };
    let synced = match coordinator.ask(&wire::group_id(&request.group_id), Command::Sync(sync)).await {
        Ok(Reply::Synced(synced)) => synced,
        Ok(_) => return SyncGroupResponse::default().with_error_code(ResponseError::UnknownServerError.code()),
        Err(error) => return SyncGroupResponse::default().with_error_code(error.code()),
    };
    let response = SyncGroupResponse::default().with_assignment(synced.assignment);
    if version < 5 {
        return response;
    }
    response.with_protocol_type(Some(codec::text(&synced.protocol_type))).with_protocol_name(Some(codec::text(&synced.protocol_name)))
}
