//! What librdkafka reports, in words that help.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};
use weir_model::Problem;

/// An error of the client library or of the cluster.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    code: Option<RDKafkaErrorCode>,
    message: String,
}

impl ClientError {
    pub(super) fn of_code(code: RDKafkaErrorCode, detail: &str) -> Self {
        let message = if detail.is_empty() { code.to_string() } else { detail.to_owned() };
        Self { code: Some(code), message }
    }

    pub(super) fn message(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into() }
    }

    /// Whether the topic or partition does not exist.
    pub fn is_unknown_topic(&self) -> bool {
        matches!(
            self.code,
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownPartition)
        )
    }

    /// Whether the topic is there already.
    pub fn is_topic_exists(&self) -> bool {
        self.code == Some(RDKafkaErrorCode::TopicAlreadyExists)
    }

    /// The error as a person needs it.
    pub fn problem(&self, what: impl Into<std::sync::Arc<str>>) -> Problem {
        Problem::new(what, self.message.as_str(), self.what_to_do())
    }

    fn what_to_do(&self) -> &'static str {
        use RDKafkaErrorCode as Code;
        match self.code {
            Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve | Code::OperationTimedOut | Code::RequestTimedOut) => {
                "Check that the broker runs, that HOST:PORT is its address, and that it advertises an address you can reach"
            }
            Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism) => {
                "Check sasl.mechanism, sasl.username and sasl.password"
            }
            Some(Code::SSL) => "Check security.protocol and ssl.ca.location; the certificate must name the host you connect to",
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
                "Ask the cluster's administrator for the missing ACL"
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                "Check the name; `weir topics` lists what there is"
            }
            Some(Code::InvalidTopic) => "Use 1 to 249 letters, digits, dots, underscores and hyphens",
            Some(Code::TopicAlreadyExists) => "Choose another name, or use the topic that is there",
            Some(Code::NonEmptyGroup) => "Stop its members first",
            Some(Code::MessageSizeTooLarge) => "Raise max.message.bytes on the topic, or send smaller records",
            _ => "Try again; if it stays, run with RUST_LOG=debug to see the client's log",
        }
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        let message = match &error {
            // Configuration errors quote the value, which may be a password.
            KafkaError::ClientConfig(_, description, name, _) => format!("{name}: {description}"),
            other => other.rdkafka_error_code().map_or_else(|| other.to_string(), |code| code.to_string()),
        };
        Self { code: error.rdkafka_error_code(), message }
    }
}
