//! DeleteGroups: empty groups go, with all offsets they have stored. Versions 0-2.
//!
//! A group with members is NON_EMPTY_GROUP, one that is not there GROUP_ID_NOT_FOUND; each has its own result.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::delete_groups_response::DeletableGroupResult;
use crate::codec::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::codec::{self};
use crate::coordinator::command::Command;
use crate::coordinator::{Coordinator, wire};
use crate::node::Node;

pub(crate) struct DeleteGroups;

impl Api for DeleteGroups {
    const KEY: i16 = 42;
    const NAME: &'static str = "DeleteGroups";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DeleteGroupsRequest;
    type Response = DeleteGroupsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: DeleteGroupsRequest) -> Result<DeleteGroupsResponse, Refusal> {
        Ok(delete_groups(&node.coordinator, &request).await)
    }
}

async fn delete_groups(coordinator: &Coordinator, request: &DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in &request.groups_names {
        let answer = coordinator.ask(&wire::group_id(group_id), Command::DeleteGroup).await;
        let result = DeletableGroupResult::default().with_group_id(group_id.clone());
        results.push(result.with_error_code(codec::error_code(answer.err())));
    }
    DeleteGroupsResponse::default().with_results(results)
}
