//! ListPartitionReassignments: 0. Partitions on their way to other brokers (KIP-455): none, for there is one broker.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use crate::node::Node;

pub(crate) struct ListPartitionReassignments;

impl Api for ListPartitionReassignments {
    const KEY: i16 = 46;
    const NAME: &'static str = "ListPartitionReassignments";
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = ListPartitionReassignmentsRequest;
    type Response = ListPartitionReassignmentsResponse;

    async fn handle(
        _node: Arc<Node>,
        _context: Arc<RequestContext>,
        _request: ListPartitionReassignmentsRequest,
    ) -> Result<Self::Response, Refusal> {
        Ok(Self::Response::default())
    }
}
