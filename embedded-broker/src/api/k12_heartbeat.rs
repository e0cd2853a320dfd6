//! Heartbeat: a member is alive, and learns whether its generation still holds. Versions 0-4; static members from 3.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{HeartbeatRequest, HeartbeatResponse};
use crate::codec::{self};
use crate::coordinator::command::Command;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct Heartbeat;

impl Api for Heartbeat {
    const KEY: i16 = 12;
    const NAME: &'static str = "Heartbeat";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Request = HeartbeatRequest;
    type Response = HeartbeatResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: HeartbeatRequest) -> Result<HeartbeatResponse, Refusal> {
        Ok(heartbeat(&node.coordinator, &request).await)
    }
}

async fn heartbeat(coordinator: &Coordinator, request: &HeartbeatRequest) -> HeartbeatResponse {
    let member = wire::caller(&request.member_id, request.group_instance_id.as_ref(), request.generation_id);
    let answer = coordinator.ask(&wire::group_id(&request.group_id), Command::Heartbeat(member)).await;
    HeartbeatResponse::default().with_error_code(codec::error_code(answer.err()))
}
