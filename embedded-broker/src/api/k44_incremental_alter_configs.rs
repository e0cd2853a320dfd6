//! IncrementalAlterConfigs: 0-1. Changes the configs it names on a topic or on the broker, and no others (KIP-339).
//!
//! - Set, delete (back to the default), and for lists append and subtract. The changes to one resource are made together or not at all.
//! - A config named twice for one resource is refused, as Kafka does. Which of the broker's configs can be changed: see AlterConfigs.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::k32_describe_configs::BROKER_RESOURCE;
use super::k33_alter_configs::{Resource, change_configs};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::incremental_alter_configs_request::AlterableConfig;
use crate::codec::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::codec::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use crate::codec::text;
use crate::node::Node;
use crate::topics::configs::{Overrides, find, find_server};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(crate) struct IncrementalAlterConfigs;

impl Api for IncrementalAlterConfigs {
    const KEY: i16 = 44;
    const NAME: &'static str = "IncrementalAlterConfigs";
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = IncrementalAlterConfigsRequest;
    type Response = IncrementalAlterConfigsResponse;

    async fn handle(
        node: Arc<Node>,
        _context: Arc<RequestContext>,
        request: IncrementalAlterConfigsRequest,
    ) -> Result<Self::Response, Refusal> {
        let altering = node.blocking(move |node| {
            let responses = request.resources.iter().map(|asked| {
                let response = AlterConfigsResourceResponse::default()
                    .with_resource_type(asked.resource_type)
                    .with_resource_name(asked.resource_name.clone());
                let is_broker = asked.resource_type == BROKER_RESOURCE;
                let change = |overrides| {
                    check_once(&asked.configs)?;
                    asked.configs.iter().try_fold(overrides, |overrides, change| apply(overrides, change, is_broker))
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
        Ok(IncrementalAlterConfigsResponse::default().with_responses(responses))
    }
}

fn check_once(changes: &[AlterableConfig]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match changes.iter().find(|change| !seen.insert(change.name.as_str())) {
        Some(twice) => Err(format!("{} is named more than once", twice.name.as_str())),
        None => Ok(()),
    }
}

fn apply(mut overrides: Overrides, change: &AlterableConfig, is_broker: bool) -> Result<Overrides, String> {
    let name = change.name.as_str();
    let key = if is_broker {
        find_server(name).ok_or_else(|| format!("the broker config {name} can't be changed while the broker runs"))?
    } else {
        find(name).ok_or_else(|| format!("unknown topic config {name}"))?
    };
    let value = change.value.as_deref();
    if change.config_operation == DELETE {
        overrides.remove(name);
        return Ok(overrides);
    }
    let value = value.ok_or_else(|| format!("no value is given for {name}"))?;
    let new = match change.config_operation {
        SET => value.to_owned(),
        APPEND | SUBTRACT if !key.kind.is_list() => return Err(format!("{name} is not a list; it can be set or deleted")),
        operation @ (APPEND | SUBTRACT) => {
            let now = overrides.get(name).map_or(key.default, String::as_str);
            let mut parts: Vec<&str> = now.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
            for part in value.split(',').map(str::trim) {
                parts.retain(|there| *there != part);
                if operation == APPEND {
                    parts.push(part);
                }
            }
            parts.join(",")
        }
        operation => return Err(format!("unknown operation {operation} on {name}")),
    };
    overrides.insert(name.to_owned(), new);
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: i8, name: &'static str, value: Option<&'static str>, expect: Result<&str, ()>) {
        let overrides = Overrides::from([("cleanup.policy".to_owned(), "delete".to_owned())]);
        let change = AlterableConfig::default().with_config_operation(operation).with_name(text(name)).with_value(value.map(text));
        let got = apply(overrides, &change, false).map(|overrides| overrides.get(name).cloned().unwrap_or_default()).map_err(drop);
        assert_eq!(got.as_deref(), expect.as_ref().map(|value| *value), "{operation} {name} {value:?}");
    }

    #[test]
    fn operations_are_kafkas() {
        check(SET, "retention.ms", Some("5"), Ok("5"));
        check(DELETE, "cleanup.policy", None, Ok(""));
        check(APPEND, "cleanup.policy", Some("compact"), Ok("delete,compact"));
        check(SUBTRACT, "cleanup.policy", Some("delete"), Ok(""));
        check(APPEND, "retention.ms", Some("5"), Err(()));
        check(SET, "no.such", Some("5"), Err(()));
        check(9, "retention.ms", Some("5"), Err(()));
        check(SET, "retention.ms", None, Err(()));
    }
}
