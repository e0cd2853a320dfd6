//! DescribeConfigs: 1-4. What is set on topics and on the broker, and where each value comes from.
//!
//! - Topics: every config of Kafka's that a topic has. Broker: what it was started with, read only, and what gives topics their defaults,
//!   which AlterConfigs can change; an empty name shows what is set for all brokers.
//! - 1: synonyms on request, in the order in which they count; 3: types, and documentation on request.
//! - Left out: loggers, client metrics and groups have no configs here.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::broker_configs::{broker_configs, cluster_configs};
use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_configs_request::DescribeConfigsResource;
use crate::codec::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym};
use crate::codec::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::topics::configs::{ConfigKey, Kind, Source, TOPIC_CONFIGS};

pub(super) const TOPIC_RESOURCE: i8 = 2;
pub(super) const BROKER_RESOURCE: i8 = 4;
pub(super) const STATIC_BROKER_CONFIG: i8 = 4;

pub(crate) struct DescribeConfigs;

impl Api for DescribeConfigs {
    const KEY: i16 = 32;
    const NAME: &'static str = "DescribeConfigs";
    const VERSIONS: RangeInclusive<i16> = 1..=4;
    type Request = DescribeConfigsRequest;
    type Response = DescribeConfigsResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: DescribeConfigsRequest,
    ) -> Result<DescribeConfigsResponse, Refusal> {
        let shown = Shown { types: context.version >= 3, synonyms: request.include_synonyms, documentation: request.include_documentation };
        let named = shared::once(&request.resources, |asked| (asked.resource_type, &asked.resource_name));
        let results = named.map(|asked| {
            let result =
                DescribeConfigsResult::default().with_resource_type(asked.resource_type).with_resource_name(asked.resource_name.clone());
            match configs(&node, asked) {
                Ok(configs) => result.with_configs(
                    configs.into_iter().filter(|config| is_wanted(asked, config.name)).map(|config| shown.result(config)).collect(),
                ),
                Err((error, reason)) => result.with_error_code(error.code()).with_error_message(Some(text(reason))),
            }
        });
        Ok(DescribeConfigsResponse::default().with_results(results.collect()))
    }
}

/// One config with its value here.
pub(super) struct Config {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// Kafka's number for where it comes from.
    pub(super) source: i8,
    /// Where else a value could come from, by name, value and source: Kafka calls them synonyms. The first is the one that counts.
    pub(super) others: Vec<(&'static str, String, i8)>,
    pub(super) kind: i8,
    pub(super) doc: &'static str,
}

/// A config that can be changed, with every place it could come from.
pub(super) fn dynamic<'a>(key: &'static ConfigKey, name: &'static str, values: impl Iterator<Item = (Source, &'a str, &'a str)>) -> Config {
    let named = |there: &str| if there == key.name { key.name } else { key.server.unwrap_or(key.name) };
    let others: Vec<_> = values.map(|(source, name, value)| (named(name), value.to_owned(), source as i8)).collect();
    let (value, source) =
        others.first().map_or((key.default.to_owned(), Source::Default as i8), |(_, value, source)| (value.clone(), *source));
    Config { name, value, source, others, kind: kind_code(key.kind), doc: key.doc }
}

fn is_wanted(asked: &DescribeConfigsResource, name: &str) -> bool {
    asked.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
}

fn configs(node: &Node, asked: &DescribeConfigsResource) -> Result<Vec<Config>, (ResponseError, String)> {
    match asked.resource_type {
        TOPIC_RESOURCE => {
            let topic = shared::topic(node, &asked.resource_name, Uuid::nil());
            let overrides = topic.map_err(|error| (error, "the topic does not exist".to_owned()))?.overrides();
            let broker = node.topics.broker_overrides();
            Ok(TOPIC_CONFIGS.iter().map(|key| dynamic(key, key.name, broker.values(&overrides, key))).collect())
        }
        BROKER_RESOURCE if asked.resource_name.is_empty() => Ok(cluster_configs(node)),
        BROKER_RESOURCE if asked.resource_name.parse() == Ok(node.config.broker_id) => Ok(broker_configs(node)),
        BROKER_RESOURCE => {
            Err((ResponseError::InvalidRequest, format!("this is broker {}, not {}", node.config.broker_id, asked.resource_name.as_str())))
        }
        other => Err((ResponseError::InvalidRequest, format!("resources of type {other} have no configs here"))),
    }
}

/// Which parts of a config the client wants to see.
struct Shown {
    types: bool,
    synonyms: bool,
    documentation: bool,
}

impl Shown {
    fn result(&self, config: Config) -> DescribeConfigsResourceResult {
        let synonym = |(name, value, source): (&str, String, i8)| {
            DescribeConfigsSynonym::default().with_name(text(name)).with_value(Some(text(value))).with_source(source)
        };
        let Config { name, value, source, others, kind, doc } = config;
        let synonyms = match others {
            _ if !self.synonyms => Vec::new(),
            none if none.is_empty() => vec![synonym((name, value.clone(), source))],
            others => others.into_iter().map(synonym).collect(),
        };
        let result = DescribeConfigsResourceResult::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_read_only(source == STATIC_BROKER_CONFIG)
            .with_config_source(source)
            .with_synonyms(synonyms);
        let result = if self.types { result.with_config_type(kind) } else { result };
        if self.documentation { result.with_documentation(Some(text(doc))) } else { result }
    }
}

/// Kafka's `ConfigDef.Type` as DescribeConfigs writes it.
pub(super) fn kind_code(kind: Kind) -> i8 {
    match kind {
        Kind::Bool => 1,
        Kind::Choice(_) => 2,
        Kind::Int(..) | Kind::Gzip => 3,
        Kind::Long(_) => 5,
        Kind::Ratio => 6,
        Kind::List(_) | Kind::Text => 7,
    }
}
