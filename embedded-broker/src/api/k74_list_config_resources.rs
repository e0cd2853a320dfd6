//! ListConfigResources: 0-1. What has configs (KIP-1142).
//!
//! - 0 was ListClientMetricsResources and lists those alone: none, for the broker subscribes to no client's metrics (see 71).
//! - 1: by type; no type means all. Topics and this broker have configs. Groups, client metrics and loggers have none here, and a type Kafka
//!   does not know is UNSUPPORTED_VERSION.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k32_describe_configs::{BROKER_RESOURCE, TOPIC_RESOURCE};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::list_config_resources_response::ConfigResource;
use crate::codec::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;

const BROKER_LOGGER_RESOURCE: i8 = 8;
const CLIENT_METRICS_RESOURCE: i8 = 16;
const GROUP_RESOURCE: i8 = 32;
const KNOWN: &[i8] = &[TOPIC_RESOURCE, BROKER_RESOURCE, BROKER_LOGGER_RESOURCE, CLIENT_METRICS_RESOURCE, GROUP_RESOURCE];

pub(crate) struct ListConfigResources;

impl Api for ListConfigResources {
    const KEY: i16 = 74;
    const NAME: &'static str = "ListConfigResources";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = ListConfigResourcesRequest;
    type Response = ListConfigResourcesResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: ListConfigResourcesRequest) -> Result<Self::Response, Refusal> {
        let response = ListConfigResourcesResponse::default();
        if context.version == 0 {
            return Ok(response);
        }
        let wanted = if request.resource_types.is_empty() { KNOWN } else { &request.resource_types };
        if wanted.iter().any(|wanted| !KNOWN.contains(wanted)) {
            return Ok(response.with_error_code(ResponseError::UnsupportedVersion.code()));
        }
        let mut resources = Vec::new();
        let resource = |kind, name: String| ConfigResource::default().with_resource_type(kind).with_resource_name(text(name));
        if wanted.contains(&TOPIC_RESOURCE) {
            resources.extend(node.topics.all().iter().map(|topic| resource(TOPIC_RESOURCE, topic.name.to_string())));
        }
        if wanted.contains(&BROKER_RESOURCE) {
            resources.push(resource(BROKER_RESOURCE, node.config.broker_id.to_string()));
        }
        Ok(response.with_config_resources(resources))
    }
}
