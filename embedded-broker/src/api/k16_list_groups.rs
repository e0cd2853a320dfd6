//! ListGroups: every group of this node. Versions 0-5.
//!
//! 4: filter by state (KIP-518). 5: by type (KIP-848). Names are compared without regard to case; an empty filter lets everything pass.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::list_groups_response::ListedGroup;
use crate::codec::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use crate::codec::{self, StrBytes};
use crate::coordinator::Coordinator;
use crate::coordinator::state::Entry;
use crate::node::Node;

pub(crate) struct ListGroups;

impl Api for ListGroups {
    const KEY: i16 = 16;
    const NAME: &'static str = "ListGroups";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = ListGroupsRequest;
    type Response = ListGroupsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: ListGroupsRequest) -> Result<ListGroupsResponse, Refusal> {
        Ok(list_groups(&node.coordinator, &request))
    }
}

fn list_groups(coordinator: &Coordinator, request: &ListGroupsRequest) -> ListGroupsResponse {
    let groups = coordinator.read(|state| {
        let passes = |entry: &Entry| passes(&request.types_filter, entry.type_name()) && passes(&request.states_filter, entry.state_name());
        let listed = state.iter().filter(|(_, entry)| passes(entry)).map(|(group_id, entry)| {
            let protocol_type = if entry.durable.consumer.is_some() { "consumer" } else { &entry.live.protocol_type };
            ListedGroup::default()
                .with_group_id(GroupId(codec::text(group_id.as_str())))
                .with_protocol_type(codec::text(protocol_type))
                .with_group_state(StrBytes::from_static_str(entry.state_name()))
                .with_group_type(StrBytes::from_static_str(entry.type_name()))
        });
        listed.collect()
    });
    ListGroupsResponse::default().with_groups(groups)
}

fn passes(filter: &[StrBytes], value: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.as_str().eq_ignore_ascii_case(value))
}
