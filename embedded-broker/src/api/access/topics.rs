//! Gates of the topic APIs. Topics that may not be known are hidden where all are asked for, and refused where they are named.

use std::sync::Arc;

use uuid::Uuid;

use super::{Account, CLUSTER_DENIED, Caller, Change, GROUP_DENIED, Gate, Gated, TOPIC_DENIED, take_denied};
use crate::codec::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::codec::messages::create_topics_request::CreatableTopic;
use crate::codec::messages::create_topics_response::CreatableTopicResult;
use crate::codec::messages::delete_topics_request::DeleteTopicState;
use crate::codec::messages::delete_topics_response::DeletableTopicResult;
use crate::codec::messages::describe_configs_response::DescribeConfigsResult;
use crate::codec::messages::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
use crate::codec::messages::metadata_request::MetadataRequestTopic;
use crate::codec::messages::metadata_response::MetadataResponseTopic;
use crate::codec::messages::*;
use crate::codec::{ResponseError, messages, text};
use crate::security::{CLUSTER, Operation, ResourceType};

const REASON: &str = "not authorized";
const QUOTA_EXCEEDED: i16 = ResponseError::ThrottlingQuotaExceeded.code();
const OVER_QUOTA: &str = "more than controller_mutation_rate allows; try again after throttle_time_ms";
/// The first versions whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599); older ones are slowed down instead.
const FIRST_STRICT_CREATE: i16 = 6;
const FIRST_STRICT_DELETE: i16 = 5;
const FIRST_STRICT_GROW: i16 = 3;

impl Gated<MetadataResponse> for MetadataRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<MetadataResponse> {
        let is_all = self.topics.as_ref().is_none_or(|topics| topics.is_empty() && caller.version == 0);
        let may_create = self.allow_auto_topic_creation && caller.node.config.auto_create_topics;
        let denied = match &mut self.topics {
            Some(topics) if !is_all => take_denied(topics, |topic| may_see(caller, topic, may_create)),
            _ => Vec::new(),
        };
        // In version 0 an empty list would now mean all.
        let is_nothing_left = !denied.is_empty() && self.topics.as_ref().is_some_and(Vec::is_empty);
        let (with_topic, with_cluster) = (self.include_topic_authorized_operations, self.include_cluster_authorized_operations);
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut MetadataResponse| {
            if is_nothing_left {
                response.topics.clear();
            }
            response.topics.retain(|topic| !is_all || topic.name.as_ref().is_some_and(|name| caller.may_topic(Operation::Describe, name)));
            for topic in response.topics.iter_mut().filter(|topic| with_topic && topic.error_code == 0) {
                let name = topic.name.as_ref().map_or("", |name| name.as_str());
                topic.topic_authorized_operations = caller.operations(ResourceType::Topic, name);
            }
            if with_cluster {
                response.cluster_authorized_operations = cluster_operations(&caller);
            }
            response.topics.extend(denied.into_iter().map(denied_metadata));
        })
    }
}

/// May know the topic; and make it, should it not be there.
fn may_see(caller: &Caller, asked: &MetadataRequestTopic, may_create: bool) -> bool {
    // As the API does it: an id counts, whatever name stands beside it.
    let Some(name) = asked.name.as_ref().filter(|_| asked.topic_id.is_nil()) else {
        return caller.may_topic_by(Operation::Describe, "", asked.topic_id);
    };
    if !caller.may_topic(Operation::Describe, name) {
        return false;
    }
    let would_create = may_create && caller.node.topics.get(name).is_none();
    !would_create || caller.may_cluster(Operation::Create) || caller.may_topic(Operation::Create, name)
}

fn denied_metadata(asked: MetadataRequestTopic) -> MetadataResponseTopic {
    // Who may not know a topic does not learn that the id is one.
    let name = asked.name.filter(|_| asked.topic_id.is_nil());
    let code = if name.is_some() { TOPIC_DENIED } else { ResponseError::UnknownTopicId.code() };
    MetadataResponseTopic::default().with_name(name).with_topic_id(asked.topic_id).with_error_code(code)
}

fn cluster_operations(caller: &Caller) -> i32 {
    if caller.may_cluster(Operation::Describe) { caller.operations(ResourceType::Cluster, CLUSTER) } else { 0 }
}

impl Gated<DescribeClusterResponse> for DescribeClusterRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeClusterResponse> {
        if !self.include_cluster_authorized_operations {
            return Gate::Open;
        }
        let operations = cluster_operations(caller);
        Gate::then(move |response: &mut DescribeClusterResponse| response.cluster_authorized_operations = operations)
    }
}

impl Gated<DescribeTopicPartitionsResponse> for DescribeTopicPartitionsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeTopicPartitionsResponse> {
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Describe, &topic.name));
        // An empty list would now mean all.
        let is_nothing_left = !denied.is_empty() && self.topics.is_empty();
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut DescribeTopicPartitionsResponse| {
            if is_nothing_left {
                response.topics.clear();
                response.next_cursor = None;
            }
            let name =
                |topic: &DescribeTopicPartitionsResponseTopic| topic.name.as_ref().map_or(String::new(), |name| name.as_str().to_owned());
            response.topics.retain(|topic| caller.may_topic(Operation::Describe, &name(topic)));
            for topic in response.topics.iter_mut().filter(|topic| topic.error_code == 0) {
                topic.topic_authorized_operations = caller.operations(ResourceType::Topic, &name(topic));
            }
            let denied = denied
                .into_iter()
                .map(|topic| DescribeTopicPartitionsResponseTopic::default().with_name(Some(topic.name)).with_error_code(TOPIC_DENIED));
            response.topics.extend(denied);
        })
    }
}

impl Gated<CreateTopicsResponse> for CreateTopicsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<CreateTopicsResponse> {
        let denied = if caller.may_cluster(Operation::Create) {
            Vec::new()
        } else {
            take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Create, &topic.name))
        };
        let caller = Arc::clone(caller);
        Gate::then(move |response: &mut CreateTopicsResponse| {
            for topic in response.topics.iter_mut().filter(|topic| topic.error_code == 0) {
                if !caller.may_topic(Operation::DescribeConfigs, &topic.name) {
                    // KIP-525: created, but what it is made of stays unsaid.
                    topic.topic_config_error_code = TOPIC_DENIED;
                    topic.configs = None;
                    topic.num_partitions = -1;
                    topic.replication_factor = -1;
                }
            }
            let denied = denied.into_iter().map(|topic| {
                let refusal = CreatableTopicResult::default().with_name(topic.name).with_error_code(TOPIC_DENIED).with_configs(None);
                refusal.with_error_message(Some(text(REASON))).with_num_partitions(-1).with_replication_factor(-1)
            });
            response.topics.extend(denied);
        })
    }

    fn meter(&mut self, account: &mut Account) -> Option<Change<CreateTopicsResponse>> {
        if self.validate_only {
            return None;
        }
        let strictly = account.version() >= FIRST_STRICT_CREATE;
        let partitions = |topic: &CreatableTopic| usize::try_from(topic.num_partitions).unwrap_or(1).max(topic.assignments.len());
        let refused = take_denied(&mut self.topics, |topic| account.may_mutate(partitions(topic), strictly));
        let refused = refused.into_iter().map(|topic| {
            let refusal = CreatableTopicResult::default().with_name(topic.name).with_error_code(QUOTA_EXCEEDED).with_configs(None);
            refusal.with_error_message(Some(text(OVER_QUOTA))).with_num_partitions(-1).with_replication_factor(-1)
        });
        let refused: Vec<_> = refused.collect();
        Some(Box::new(|response: &mut CreateTopicsResponse| response.topics.extend(refused)))
    }
}

impl Gated<DeleteTopicsResponse> for DeleteTopicsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DeleteTopicsResponse> {
        let refusal = |name, id| {
            let refusal = DeletableTopicResult::default().with_name(name).with_topic_id(id).with_error_code(TOPIC_DENIED);
            refusal.with_error_message(Some(text(REASON)))
        };
        let may_delete = |name: Option<&TopicName>, id| {
            let (name, id) = name.map_or(("", id), |name| (name.as_str(), Uuid::nil()));
            caller.may_topic_by(Operation::Delete, name, id)
        };
        let named = take_denied(&mut self.topic_names, |name| may_delete(Some(name), Uuid::nil()));
        let states = take_denied(&mut self.topics, |topic| may_delete(topic.name.as_ref(), topic.topic_id));
        let mut denied: Vec<_> = named.into_iter().map(|name| refusal(Some(name), Uuid::nil())).collect();
        denied.extend(states.into_iter().map(|topic| refusal(topic.name, topic.topic_id)));
        Gate::then(|response: &mut DeleteTopicsResponse| response.responses.extend(denied))
    }

    fn meter(&mut self, account: &mut Account) -> Option<Change<DeleteTopicsResponse>> {
        let strictly = account.version() >= FIRST_STRICT_DELETE;
        let refusal = |name, id| {
            let refusal = DeletableTopicResult::default().with_name(name).with_topic_id(id).with_error_code(QUOTA_EXCEEDED);
            refusal.with_error_message(Some(text(OVER_QUOTA)))
        };
        let mut may_delete = |name: &str, id| {
            let partitions = account.partitions_of(name, id);
            account.may_mutate(partitions, strictly)
        };
        let named = take_denied(&mut self.topic_names, |name| may_delete(name, Uuid::nil()));
        let name_of = |topic: &DeleteTopicState| topic.name.as_ref().map_or(String::new(), |name| name.as_str().to_owned());
        let states = take_denied(&mut self.topics, |topic| may_delete(&name_of(topic), topic.topic_id));
        let mut refused: Vec<_> = named.into_iter().map(|name| refusal(Some(name), Uuid::nil())).collect();
        refused.extend(states.into_iter().map(|topic| refusal(topic.name, topic.topic_id)));
        Some(Box::new(|response: &mut DeleteTopicsResponse| response.responses.extend(refused)))
    }
}

impl Gated<CreatePartitionsResponse> for CreatePartitionsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<CreatePartitionsResponse> {
        let denied = take_denied(&mut self.topics, |topic| caller.may_topic(Operation::Alter, &topic.name));
        let denied = denied.into_iter().map(|topic| {
            let refusal = CreatePartitionsTopicResult::default().with_name(topic.name).with_error_code(TOPIC_DENIED);
            refusal.with_error_message(Some(text(REASON)))
        });
        let denied: Vec<_> = denied.collect();
        Gate::then(|response: &mut CreatePartitionsResponse| response.results.extend(denied))
    }

    fn meter(&mut self, account: &mut Account) -> Option<Change<CreatePartitionsResponse>> {
        if self.validate_only {
            return None;
        }
        let strictly = account.version() >= FIRST_STRICT_GROW;
        let refused = take_denied(&mut self.topics, |topic| {
            let more = usize::try_from(topic.count).unwrap_or(0).saturating_sub(account.partitions_of(&topic.name, Uuid::nil()));
            account.may_mutate(more, strictly)
        });
        let refused = refused.into_iter().map(|topic| {
            let refusal = CreatePartitionsTopicResult::default().with_name(topic.name).with_error_code(QUOTA_EXCEEDED);
            refusal.with_error_message(Some(text(OVER_QUOTA)))
        });
        let refused: Vec<_> = refused.collect();
        Some(Box::new(|response: &mut CreatePartitionsResponse| response.results.extend(refused)))
    }
}

const TOPIC_CONFIGS: i8 = 2;
const GROUP_CONFIGS: i8 = 32;

/// Whether configs of this kind may be read or changed, and the error when not. What is no topic and no group belongs to the cluster.
fn may_config(caller: &Caller, operation: Operation, kind: i8, name: &str) -> Result<(), i16> {
    let (is_allowed, code) = match kind {
        TOPIC_CONFIGS => (caller.may_topic(operation, name), TOPIC_DENIED),
        GROUP_CONFIGS => (caller.may_group(operation, name), GROUP_DENIED),
        _ => (caller.may_cluster(operation), CLUSTER_DENIED),
    };
    if is_allowed { Ok(()) } else { Err(code) }
}

impl Gated<DescribeConfigsResponse> for DescribeConfigsRequest {
    fn gate(&mut self, caller: &Arc<Caller>) -> Gate<DescribeConfigsResponse> {
        let caller = Arc::clone(caller);
        let check = move |kind, name: &str| may_config(&caller, Operation::DescribeConfigs, kind, name);
        let denied = take_denied(&mut self.resources, |asked| check(asked.resource_type, &asked.resource_name).is_ok());
        Gate::then(move |response: &mut DescribeConfigsResponse| {
            let denied = denied.into_iter().map(|asked| {
                let code = check(asked.resource_type, &asked.resource_name).err().unwrap_or(CLUSTER_DENIED);
                let refusal = DescribeConfigsResult::default().with_error_code(code).with_error_message(Some(text(REASON)));
                refusal.with_resource_type(asked.resource_type).with_resource_name(asked.resource_name)
            });
            response.results.extend(denied);
        })
    }
}

/// Gates of the two APIs that change configs, alike but for their types.
macro_rules! alter_configs {
    ($($request:ident => $response:ident in $messages:ident,)*) => {
        $(impl Gated<$response> for $request {
            fn gate(&mut self, caller: &Arc<Caller>) -> Gate<$response> {
                let caller = Arc::clone(caller);
                let check = move |kind, name: &str| may_config(&caller, Operation::AlterConfigs, kind, name);
                let denied = take_denied(&mut self.resources, |asked| check(asked.resource_type, &asked.resource_name).is_ok());
                Gate::then(move |response: &mut $response| {
                    let denied = denied.into_iter().map(|asked| {
                        let code = check(asked.resource_type, &asked.resource_name).err().unwrap_or(CLUSTER_DENIED);
                        let refusal = messages::$messages::AlterConfigsResourceResponse::default().with_error_code(code);
                        let refusal = refusal.with_error_message(Some(text(REASON)));
                        refusal.with_resource_type(asked.resource_type).with_resource_name(asked.resource_name)
                    });
                    response.responses.extend(denied);
                })
            }
        })*
    };
}

alter_configs! {
    AlterConfigsRequest => AlterConfigsResponse in alter_configs_response,
    IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse in incremental_alter_configs_response,
}
