//! Metadata: 0-13. The brokers, and topics with their partitions and leaders. Creates topics that are asked for, when that is allowed.
//!
//! - No list (in 0: an empty one) means all topics; an empty list from 1 on means none.
//! - A topic that is not there is created when the broker's `auto.create.topics.enable` and the request (4) allow it, with the broker's
//!   defaults, and is there in this very answer.
//! - 10: topic ids; from 12 a topic may be asked for by id alone (KIP-516). 8: allowed operations, which are all of them.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::shared::{self, CLUSTER_OPERATIONS, TOPIC_OPERATIONS};
use super::{Api, Refusal, RequestContext};
use crate::codec::messages::metadata_request::MetadataRequestTopic;
use crate::codec::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use crate::codec::messages::{MetadataRequest, MetadataResponse, TopicName};
use crate::codec::{ResponseError, text};
use crate::log::LEADER_EPOCH;
use crate::node::Node;
use crate::topics::configs::Overrides;
use crate::topics::{NewTopic, Topic, TopicError, is_internal, validate_name};

pub(crate) struct Metadata;

impl Api for Metadata {
    const KEY: i16 = 3;
    const NAME: &'static str = "Metadata";
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    type Request = MetadataRequest;
    type Response = MetadataResponse;

    async fn handle(node: Arc<Node>, context: Arc<RequestContext>, request: MetadataRequest) -> Result<MetadataResponse, Refusal> {
        let wants_operations = request.include_topic_authorized_operations;
        let may_create = request.allow_auto_topic_creation && node.config.auto_create_topics;
        let topics = match request.topics {
            None => all_topics(&node, wants_operations),
            Some(asked) if asked.is_empty() && context.version == 0 => all_topics(&node, wants_operations),
            Some(asked) => {
                let mut topics = Vec::with_capacity(asked.len());
                for asked in shared::once(asked, |asked| (asked.name.clone(), asked.topic_id)) {
                    topics.push(named_topic(&node, asked, may_create, wants_operations).await);
                }
                topics
            }
        };
        let broker = MetadataResponseBroker::default()
            .with_node_id(shared::broker_id(&node))
            .with_host(shared::advertised_host(&context))
            .with_port(shared::advertised_port(&context));
        let response = MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_cluster_id(Some(text(node.cluster_id.clone())))
            .with_controller_id(shared::broker_id(&node))
            .with_topics(topics);
        let wants_cluster_operations = request.include_cluster_authorized_operations;
        Ok(if wants_cluster_operations { response.with_cluster_authorized_operations(CLUSTER_OPERATIONS) } else { response })
    }
}

fn all_topics(node: &Node, wants_operations: bool) -> Vec<MetadataResponseTopic> {
    node.topics.all().iter().map(|topic| found(node, topic, wants_operations)).collect()
}

async fn named_topic(node: &Arc<Node>, asked: MetadataRequestTopic, may_create: bool, wants_operations: bool) -> MetadataResponseTopic {
    // Java's admin client sends an empty name, not a null one, beside an id.
    let Some(name) = asked.name.filter(|_| asked.topic_id.is_nil()) else {
        return match node.topics.get_by_id(asked.topic_id) {
            Some(topic) => found(node, &topic, wants_operations),
            None => missing(None, asked.topic_id, ResponseError::UnknownTopicId),
        };
    };
    if let Some(topic) = node.topics.get(&name) {
        return found(node, &topic, wants_operations);
    }
    if validate_name(&name).is_err() {
        return missing(Some(name), Uuid::nil(), ResponseError::InvalidTopicException);
    }
    if !may_create || is_internal(&name) {
        return missing(Some(name), Uuid::nil(), ResponseError::UnknownTopicOrPartition);
    }
    match create(node, name.to_string()).await {
        Ok(topic) => found(node, &topic, wants_operations),
        Err(error) => missing(Some(name), Uuid::nil(), error),
    }
}

async fn create(node: &Arc<Node>, name: String) -> Result<Arc<Topic>, ResponseError> {
    let partitions = node.config.num_partitions;
    let creating = node.blocking(move |node| {
        let new = NewTopic { name, partitions, overrides: Overrides::new() };
        match node.topics.create(new) {
            // Two clients asked at once.
            Err(TopicError::Exists(name)) => node.topics.get(&name).ok_or(TopicError::Unknown),
            created => created,
        }
    });
    let created = creating.await.map_err(|_| ResponseError::UnknownServerError)?;
    created.map_err(|error| {
        tracing::warn!(%error, "a topic could not be created on first use");
        error.code()
    })
}

fn found(node: &Node, topic: &Topic, wants_operations: bool) -> MetadataResponseTopic {
    let broker = shared::broker_id(node);
    let partitions = (0..topic.partition_count()).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(broker)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![broker])
            .with_isr_nodes(vec![broker])
    });
    let response = MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(topic.name.as_ref()))))
        .with_topic_id(topic.id)
        .with_is_internal(topic.is_internal())
        .with_partitions(partitions.collect());
    if wants_operations { response.with_topic_authorized_operations(TOPIC_OPERATIONS) } else { response }
}

fn missing(name: Option<TopicName>, id: Uuid, error: ResponseError) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_name(name).with_topic_id(id).with_error_code(error.code())
}
