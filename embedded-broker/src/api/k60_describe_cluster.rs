//! DescribeCluster: 0-2. The brokers of the cluster: this one.
//!
//! - 1: controllers can be asked for (KIP-919), which are not endpoints of their own here: MISMATCHED_ENDPOINT_TYPE.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::shared::{self, CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::describe_cluster_response::DescribeClusterBroker;
use crate::codec::messages::{DescribeClusterRequest, DescribeClusterResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;

const BROKERS: i8 = 1;

pub(crate) struct DescribeCluster;

impl Api for DescribeCluster {
    const KEY: i16 = 60;
    const NAME: &'static str = "DescribeCluster";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DescribeClusterRequest;
    type Response = DescribeClusterResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: DescribeClusterRequest,
    ) -> Result<DescribeClusterResponse, Refusal> {
        if request.endpoint_type != BROKERS {
            return Ok(DescribeClusterResponse::default()
                .with_error_code(ResponseError::MismatchedEndpointType.code())
                .with_error_message(Some(text("this is a broker; it has no controller endpoints"))));
        }
        let broker = DescribeClusterBroker::default()
            .with_broker_id(shared::broker_id(&node))
            .with_host(shared::advertised_host(&context))
            .with_port(shared::advertised_port(&context));
        let operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { OPERATIONS_NOT_ASKED };
        Ok(DescribeClusterResponse::default()
            .with_cluster_id(text(node.cluster_id.clone()))
            .with_controller_id(shared::broker_id(&node))
            .with_brokers(vec![broker])
            .with_cluster_authorized_operations(operations))
    }
}
