//! AlterConfigs: 0-2. Replaces everything that is set on a topic or on the broker; what is not named goes back to its default.
//!
//! - Old clients only: newer ones use IncrementalAlterConfigs, which changes what it names.
//! - Of the broker's configs those that give topics their defaults can be changed, for this broker by its id or for all of them by an empty
//!   name. Every change acts at once and survives a restart. A resource named twice is refused each time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::k32_describe_configs::{BROKER_RESOURCE, TOPIC_RESOURCE};
use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::codec::messages::{AlterConfigsRequest, AlterConfigsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::topics::TopicError;
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
                let resource = Resource { kind: asked.resource_type, name: &asked.resource_name };
                match change_configs(node, resource, request.validate_only, change) {
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

/// What is to be changed.
#[derive(Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) kind: i8,
    pub(super) name: &'a str,
}

/// Changes what is set on a topic or on the broker, for both APIs that do.
pub(super) fn change_configs(
    node: &Node,
    resource: Resource<'_>,
    validate_only: bool,
    change: impl FnOnce(Overrides) -> Result<Overrides, String>,
) -> Result<(), (ResponseError, String)> {
    let failed = |error: TopicError| (error.code(), error.to_string());
    let changed = |overrides| change(overrides).map_err(|reason| (ResponseError::InvalidConfig, reason));
    match resource.kind {
        TOPIC_RESOURCE => {
            let topic = shared::topic(node, resource.name, Uuid::nil()).map_err(|error| (error, "the topic does not exist".to_owned()))?;
            node.topics.set_overrides(&topic, changed(topic.overrides())?, validate_only).map_err(failed)
        }
        BROKER_RESOURCE => {
            let mut overrides = node.topics.broker_overrides();
            if resource.name.is_empty() {
                overrides.cluster = changed(overrides.cluster)?;
            } else if resource.name.parse() == Ok(node.config.broker_id) {
                overrides.broker = changed(overrides.broker)?;
            } else {
                return Err((ResponseError::InvalidRequest, format!("this is broker {}, not {}", node.config.broker_id, resource.name)));
            }
            node.topics.set_broker_overrides(overrides, validate_only).map_err(failed)
        }
        other => Err((ResponseError::InvalidRequest, format!("resources of type {other} have no configs here"))),
    }
}
