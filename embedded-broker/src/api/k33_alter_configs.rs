//! AlterConfigs: 0-2. Replaces everything that is set on a topic; what is not named goes back to its default.
//!
//! - Old clients only: newer ones use IncrementalAlterConfigs, which changes what it names. The broker's own configs can't be changed while
//!   it runs.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::k32_describe_configs::TOPIC_RESOURCE;
use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::codec::messages::{AlterConfigsRequest, AlterConfigsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::topics::configs::Overrides;

pub(crate) struct AlterConfigs;

impl Api for AlterConfigs {
    const KEY: i16 = 33;
    const NAME: &'static str = "AlterConfigs";
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = AlterConfigsRequest;
    type Response = AlterConfigsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: AlterConfigsRequest) -> Result<AlterConfigsResponse, Refusal> {
        let altering = node.blocking(move |node| {
            let responses = request.resources.iter().map(|asked| {
                let response = AlterConfigsResourceResponse::default()
                    .with_resource_type(asked.resource_type)
                    .with_resource_name(asked.resource_name.clone());
                let change = |_| {
                    let set = asked.configs.iter().filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
                    Ok(set.collect())
                };
                match change_topic(node, asked.resource_type, &asked.resource_name, request.validate_only, change) {
                    Ok(()) => response,
                    Err((error, reason)) => response.with_error_code(error.code()).with_error_message(Some(text(reason))),
                }
            });
            responses.collect()
        });
        let responses = altering.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(AlterConfigsResponse::default().with_responses(responses))
    }
}

/// Changes what is set on a topic, for both APIs that do.
pub(super) fn change_topic(
    node: &Node,
    resource_type: i8,
    name: &str,
    validate_only: bool,
    change: impl FnOnce(Overrides) -> Result<Overrides, String>,
) -> Result<(), (ResponseError, String)> {
    if resource_type != TOPIC_RESOURCE {
        return Err((ResponseError::InvalidRequest, "only topic configs can be changed while this broker runs".to_owned()));
    }
    let topic = shared::topic(node, name, Uuid::nil()).map_err(|error| (error, "the topic does not exist".to_owned()))?;
    let overrides = change(topic.overrides()).map_err(|reason| (ResponseError::InvalidConfig, reason))?;
    node.topics.set_overrides(&topic, overrides, validate_only).map_err(|error| (error.code(), error.to_string()))
}
