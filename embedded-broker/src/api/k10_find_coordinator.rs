//! FindCoordinator: which node looks after a group or a transactional id. Versions 0-6: one key before 4, several from 4 on.
//!
//! One node, so always this one, for groups (type 0) and transactions (type 1). Left out: share groups (type 2, KIP-932).

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::find_coordinator_response::Coordinator as Found;
use crate::codec::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use crate::codec::{self, ResponseError, StrBytes};
use crate::node::Node;

pub(crate) struct FindCoordinator;

impl Api for FindCoordinator {
    const KEY: i16 = 10;
    const NAME: &'static str = "FindCoordinator";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    type Request = FindCoordinatorRequest;
    type Response = FindCoordinatorResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: FindCoordinatorRequest,
    ) -> Result<FindCoordinatorResponse, Refusal> {
        let (host, port) = &context.session.listener.advertised;
        Ok(find_coordinator(context.version, &request, node.config.broker_id, host, i32::from(*port)))
    }
}

/// The first version that asks for several keys.
const FIRST_BATCHED: i16 = 4;
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

fn find_coordinator(version: i16, request: &FindCoordinatorRequest, node_id: i32, host: &str, port: i32) -> FindCoordinatorResponse {
    let known_type = matches!(request.key_type, GROUP | TRANSACTION);
    let error = (!known_type).then_some(ResponseError::InvalidRequest);
    let message = error.map(|_| StrBytes::from_static_str("this broker coordinates groups (key type 0) and transactions (1) only"));
    let (node_id, host, port) = if known_type { (node_id, host, port) } else { (-1, "", -1) };
    if version < FIRST_BATCHED {
        return FindCoordinatorResponse::default()
            .with_error_code(codec::error_code(error))
            .with_error_message(message)
            .with_node_id(BrokerId(node_id))
            .with_host(codec::text(host))
            .with_port(port);
    }
    let found = request.coordinator_keys.iter().map(|key| {
        Found::default()
            .with_key(key.clone())
            .with_node_id(BrokerId(node_id))
            .with_host(codec::text(host))
            .with_port(port)
            .with_error_code(codec::error_code(error))
            .with_error_message(message.clone())
    });
    FindCoordinatorResponse::default().with_coordinators(found.collect())
}
