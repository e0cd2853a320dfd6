//! CreateTopics: 2-7. Creates topics, each for itself: one that can't be created does not hold up the others.
//!
//! - Partitions and replication factor -1 mean the broker's defaults (KIP-464). There is one broker, so a replication factor above 1 is
//!   refused, as Kafka refuses it; so is an assignment to any other broker.
//! - A topic named twice in one request is refused each time. `validate_only` changes nothing.
//! - 5: the answer carries partitions, replication factor and configs (KIP-525); 7: the topic's id.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext};
use crate::codec::messages::create_topics_request::CreatableTopic;
use crate::codec::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use crate::codec::messages::{CreateTopicsRequest, CreateTopicsResponse};
use crate::codec::{ResponseError, text};
use crate::node::Node;
use crate::topics::configs::{Overrides, Source, TOPIC_CONFIGS, find};
use crate::topics::{NewTopic, is_internal};

pub(crate) struct CreateTopics;

impl Api for CreateTopics {
    const KEY: i16 = 19;
    const NAME: &'static str = "CreateTopics";
    const VERSIONS: RangeInclusive<i16> = 2..=7;
    type Request = CreateTopicsRequest;
    type Response = CreateTopicsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: CreateTopicsRequest) -> Result<CreateTopicsResponse, Refusal> {
        let creating = node.blocking(move |node| {
            let mut times_named: HashMap<String, usize> = HashMap::new();
            for topic in &request.topics {
                *times_named.entry(topic.name.to_string()).or_default() += 1;
            }
            let results = request.topics.iter().map(|asked| {
                let named_twice = times_named.get(asked.name.as_str()).is_some_and(|times| *times > 1);
                result(node, asked, named_twice, request.validate_only)
            });
            results.collect()
        });
        let topics = creating.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(CreateTopicsResponse::default().with_topics(topics))
    }
}

fn result(node: &Node, asked: &CreatableTopic, named_twice: bool, validate_only: bool) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(asked.name.clone()).with_configs(None);
    let created = if named_twice {
        Err((ResponseError::InvalidRequest, "the topic is named more than once in the request".to_owned()))
    } else {
        create(node, asked, validate_only)
    };
    match created {
        Ok(created) => result
            .with_topic_id(created.id)
            .with_num_partitions(created.partitions)
            .with_replication_factor(1)
            .with_configs(Some(configs(node, &created.overrides))),
        Err((error, reason)) => {
            result.with_error_code(error.code()).with_error_message(Some(text(reason))).with_num_partitions(-1).with_replication_factor(-1)
        }
    }
}

struct Created {
    id: uuid::Uuid,
    partitions: i32,
    overrides: Overrides,
}

fn create(node: &Node, asked: &CreatableTopic, validate_only: bool) -> Result<Created, (ResponseError, String)> {
    if is_internal(&asked.name) {
        return Err((ResponseError::InvalidTopicException, "the name belongs to a topic of the broker's own".to_owned()));
    }
    let partitions = partitions(node, asked)?;
    let mut overrides = Overrides::new();
    for config in &asked.configs {
        // No value means the default.
        match &config.value {
            Some(value) => _ = overrides.insert(config.name.to_string(), value.to_string()),
            None if find(&config.name).is_some() => {}
            None => return Err((ResponseError::InvalidConfig, format!("unknown topic config {}", config.name.as_str()))),
        }
    }
    let new = NewTopic { name: asked.name.to_string(), partitions, overrides: overrides.clone() };
    if validate_only {
        node.topics.check_new(&new).map_err(|error| (error.code(), error.to_string()))?;
        return Ok(Created { id: uuid::Uuid::nil(), partitions, overrides });
    }
    let topic = node.topics.create(new).map_err(|error| (error.code(), error.to_string()))?;
    Ok(Created { id: topic.id, partitions, overrides })
}

fn partitions(node: &Node, asked: &CreatableTopic) -> Result<i32, (ResponseError, String)> {
    if asked.assignments.is_empty() {
        if !matches!(asked.replication_factor, -1 | 1) {
            let reason = format!("replication factor {} is larger than the number of brokers, which is 1", asked.replication_factor);
            return Err((ResponseError::InvalidReplicationFactor, reason));
        }
        return Ok(if asked.num_partitions == -1 { node.config.num_partitions } else { asked.num_partitions });
    }
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        return Err((ResponseError::InvalidRequest, "an assignment and a number of partitions or replicas exclude each other".to_owned()));
    }
    let mut indexes: Vec<i32> = asked.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let is_whole = indexes.iter().zip(0..).all(|(index, expected)| *index == expected);
    let is_ours = asked
        .assignments
        .iter()
        .all(|assignment| matches!(assignment.broker_ids.as_slice(), [broker] if broker.0 == node.config.broker_id));
    if !is_whole || !is_ours {
        let reason = format!("the assignment must give each partition from 0 on to broker {} and no other", node.config.broker_id);
        return Err((ResponseError::InvalidReplicaAssignment, reason));
    }
    i32::try_from(indexes.len()).map_err(|_| (ResponseError::InvalidPartitions, "too many partitions".to_owned()))
}

fn configs(node: &Node, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let broker = node.topics.broker_overrides();
    let configs = TOPIC_CONFIGS.iter().map(|key| {
        let (source, value) =
            broker.values(overrides, key).next().map_or((Source::Default, key.default), |(source, _, value)| (source, value));
        CreatableTopicConfigs::default().with_name(text(key.name)).with_value(Some(text(value))).with_config_source(source as i8)
    });
    configs.collect()
}
