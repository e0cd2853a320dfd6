//! DeleteTopics: 1-6. Deletes topics with all their records.
//!
//! - 6: topics by name or by id (KIP-516). 5: a reason beside the code.
//! - The broker's own topics are refused.

use std::ops::RangeInclusive;
use std::sync::Arc;

use uuid::Uuid;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::delete_topics_request::DeleteTopicState;
use crate::codec::messages::delete_topics_response::DeletableTopicResult;
use crate::codec::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use crate::codec::{ResponseError, text};
use crate::node::Node;

pub(crate) struct DeleteTopics;

impl Api for DeleteTopics {
    const KEY: i16 = 20;
    const NAME: &'static str = "DeleteTopics";
    const VERSIONS: RangeInclusive<i16> = 1..=6;
    type Request = DeleteTopicsRequest;
    type Response = DeleteTopicsResponse;

    async fn handle(node: Arc<Node>, _context: Arc<RequestContext>, request: DeleteTopicsRequest) -> Result<DeleteTopicsResponse, Refusal> {
        let named = request.topic_names.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
        let asked: Vec<DeleteTopicState> = request.topics.into_iter().chain(named).collect();
        let deleting = node.blocking(move |node| asked.into_iter().map(|asked| delete(node, asked)).collect::<Vec<_>>());
        let responses = deleting.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        Ok(DeleteTopicsResponse::default().with_responses(responses))
    }
}

fn delete(node: &Node, asked: DeleteTopicState) -> DeletableTopicResult {
    let result = DeletableTopicResult::default().with_topic_id(asked.topic_id);
    let failed = |result: DeletableTopicResult, name: Option<TopicName>, error: ResponseError, reason: String| {
        result.with_name(name).with_error_code(error.code()).with_error_message(Some(text(reason)))
    };
    let id = if asked.name.is_some() { Uuid::nil() } else { asked.topic_id };
    let topic = match shared::topic(node, asked.name.as_ref().map_or("", |name| name.as_str()), id) {
        Ok(topic) => topic,
        Err(error) => return failed(result, asked.name, error, "the topic does not exist".to_owned()),
    };
    let name = Some(TopicName(text(topic.name.as_ref())));
    if topic.is_internal() {
        return failed(result, name, ResponseError::InvalidTopicException, "the topic is the broker's own".to_owned());
    }
    match node.topics.delete(&topic) {
        Ok(()) => {
            node.coordinator.forget_topics(&[topic.name.as_ref().into()]);
            result.with_name(name).with_topic_id(topic.id)
        }
        Err(error) => failed(result, name, error.code(), error.to_string()),
    }
}
