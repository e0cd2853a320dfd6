//! DescribeConfigs: 1-4. What is set on topics and on the broker, and where each value comes from.
//!
//! - Topics: every config of Kafka's that a topic has. Broker: what this broker can say about itself, read only.
//! - 1: synonyms on request; 3: types, and documentation on request.
//! - Left out: loggers, client metrics and groups have no configs here.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_configs_request::DescribeConfigsResource;
use crate::codec::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym};
use crate::codec::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::security::BoundListener;
use crate::topics::configs::{Kind, TOPIC_CONFIGS};

pub(super) const TOPIC_RESOURCE: i8 = 2;
pub(super) const BROKER_RESOURCE: i8 = 4;
pub(super) const DYNAMIC_TOPIC_CONFIG: i8 = 1;
const STATIC_BROKER_CONFIG: i8 = 4;
pub(super) const DEFAULT_CONFIG: i8 = 5;

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
struct Config {
    name: &'static str,
    value: String,
    default: Option<&'static str>,
    source: i8,
    kind: i8,
    doc: &'static str,
}

fn is_wanted(asked: &DescribeConfigsResource, name: &str) -> bool {
    asked.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
}

fn configs(node: &Node, asked: &DescribeConfigsResource) -> Result<Vec<Config>, (ResponseError, String)> {
    match asked.resource_type {
        TOPIC_RESOURCE => {
            let topic = shared::topic(node, &asked.resource_name, Uuid::nil());
            let overrides = topic.map_err(|error| (error, "the topic does not exist".to_owned()))?.overrides();
            let config = |key: &crate::topics::configs::ConfigKey| {
                let set = overrides.get(key.name).cloned();
                let source = if set.is_some() { DYNAMIC_TOPIC_CONFIG } else { DEFAULT_CONFIG };
                let value = set.unwrap_or_else(|| key.default.to_owned());
                Config { name: key.name, value, default: Some(key.default), source, kind: kind_code(key.kind), doc: key.doc }
            };
            Ok(TOPIC_CONFIGS.iter().map(config).collect())
        }
        BROKER_RESOURCE if asked.resource_name.is_empty() => Ok(Vec::new()),
        BROKER_RESOURCE if asked.resource_name.parse() == Ok(node.config.broker_id) => Ok(broker_configs(node)),
        BROKER_RESOURCE => {
            Err((ResponseError::InvalidRequest, format!("this is broker {}, not {}", node.config.broker_id, asked.resource_name.as_str())))
        }
        other => Err((ResponseError::InvalidRequest, format!("resources of type {other} have no configs here"))),
    }
}

/// What the broker says about itself.
fn broker_configs(node: &Node) -> Vec<Config> {
    const STRING: i8 = 2;
    let config = |name, value: String, kind, doc| Config { name, value, default: None, source: STATIC_BROKER_CONFIG, kind, doc };
    let listeners = |place: fn(&BoundListener) -> String| {
        let listeners = node.listeners.iter().map(|listener| format!("{}://{}", listener.name, place(listener)));
        listeners.collect::<Vec<_>>().join(",")
    };
    let bool_kind = kind_code(Kind::Bool);
    let int_kind = kind_code(Kind::Int(0));
    let limits = &node.config.limits;
    let groups = &node.config.groups;
    vec![
        config(
            "advertised.listeners",
            listeners(|listener| format!("{}:{}", listener.advertised.0, listener.advertised.1)),
            STRING,
            "Where clients are told to connect.",
        ),
        config(
            "auto.create.topics.enable",
            node.config.auto_create_topics.to_string(),
            bool_kind,
            "Topics come into being when a client first asks for them.",
        ),
        config("broker.id", node.config.broker_id.to_string(), int_kind, "This broker's id."),
        config(
            "connections.max.idle.ms",
            limits.max_connection_idle.as_millis().to_string(),
            kind_code(Kind::Long(0)),
            "Idle connections are closed after this long.",
        ),
        config("default.replication.factor", "1".to_owned(), int_kind, "There is one broker."),
        config("delete.topic.enable", "true".to_owned(), bool_kind, "Topics can be deleted."),
        config(
            "group.initial.rebalance.delay.ms",
            groups.initial_rebalance_delay_ms.to_string(),
            int_kind,
            "How long an empty group waits for more members before its first rebalance.",
        ),
        config(
            "group.max.session.timeout.ms",
            groups.max_session_timeout_ms.to_string(),
            int_kind,
            "The longest session a member may ask for.",
        ),
        config("group.max.size", groups.max_members.to_string(), int_kind, "Members of one group."),
        config(
            "group.min.session.timeout.ms",
            groups.min_session_timeout_ms.to_string(),
            int_kind,
            "The shortest session a member may ask for.",
        ),
        config("listeners", listeners(|listener| listener.address.to_string()), STRING, "Where the broker listens."),
        config("log.dirs", node.config.data_dir.display().to_string(), STRING, "Where the data is."),
        config(
            "log.retention.check.interval.ms",
            limits.retention_check_interval.as_millis().to_string(),
            kind_code(Kind::Long(0)),
            "How often retention is looked at.",
        ),
        config("max.connections", limits.max_connections.to_string(), int_kind, "Connections open at once."),
        config(
            "num.partitions",
            node.config.num_partitions.to_string(),
            int_kind,
            "Partitions of a topic created without saying how many.",
        ),
        config("offset.metadata.max.bytes", groups.max_offset_metadata_bytes.to_string(), int_kind, "Text stored beside an offset."),
        config(
            "offsets.retention.minutes",
            (groups.offsets_retention_ms / 60_000).to_string(),
            int_kind,
            "How long the offsets of a group without members are kept.",
        ),
        config("socket.request.max.bytes", limits.max_produce_frame_bytes.to_string(), int_kind, "The largest request."),
    ]
}

/// Which parts of a config the client wants to see.
struct Shown {
    types: bool,
    synonyms: bool,
    documentation: bool,
}

impl Shown {
    fn result(&self, config: Config) -> DescribeConfigsResourceResult {
        let synonym = |value: &str, source| {
            DescribeConfigsSynonym::default().with_name(text(config.name)).with_value(Some(text(value))).with_source(source)
        };
        let mut synonyms = Vec::new();
        if self.synonyms {
            if config.source != DEFAULT_CONFIG {
                synonyms.push(synonym(&config.value, config.source));
            }
            synonyms.extend(config.default.map(|default| synonym(default, DEFAULT_CONFIG)));
        }
        let result = DescribeConfigsResourceResult::default()
            .with_name(text(config.name))
            .with_value(Some(text(config.value)))
            .with_read_only(config.source == STATIC_BROKER_CONFIG)
            .with_config_source(config.source)
            .with_synonyms(synonyms);
        let result = if self.types { result.with_config_type(config.kind) } else { result };
        if self.documentation { result.with_documentation(Some(text(config.doc))) } else { result }
    }
}

/// Kafka's `ConfigDef.Type` as DescribeConfigs writes it.
fn kind_code(kind: Kind) -> i8 {
    match kind {
        Kind::Bool => 1,
        Kind::Choice(_) => 2,
        Kind::Int(_) => 3,
        Kind::Long(_) => 5,
        Kind::Double => 6,
        Kind::List(_) => 7,
    }
}
