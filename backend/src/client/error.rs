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

    /// From a client's report of its own, such as `HOST:PORT/bootstrap: Connect to ipv4#… failed: Connection refused (after 0ms in state CONNECT)`.
    /// The end, which changes from try to try, is left out, so that equal reports are equal.
    pub(super) fn of_report(code: RDKafkaErrorCode, reason: &str) -> Self {
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        let reason = reason.split_once("/bootstrap: ").map_or(reason, |(_, reason)| reason);
        Self::of_code(code, reason)
    }

    /// From a log line such as `[thrd:…]: HOST:PORT/bootstrap: Connect to ipv4#… failed: Connection refused (after 0ms in state CONNECT)`,
    /// which has lost the code it was made from.
    pub(super) fn of_log_line(line: &str) -> Self {
        let reason = line.split_once("]: ").map_or(line, |(_, reason)| reason);
        let code = match () {
            () if reason.contains("brokers are down") => RDKafkaErrorCode::AllBrokersDown,
            () if reason.contains("uthentication") || reason.contains("SASL") => RDKafkaErrorCode::Authentication,
            () if reason.contains("SSL") => RDKafkaErrorCode::SSL,
            () if reason.contains("resolve") => RDKafkaErrorCode::Resolve,
            () => RDKafkaErrorCode::BrokerTransportFailure,
        };
        Self::of_report(code, reason)
    }

    pub(crate) fn message(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into() }
    }

    /// Nothing came, and nobody says why.
    pub(crate) fn no_answer() -> Self {
        Self::of_code(RDKafkaErrorCode::OperationTimedOut, "no answer came in time")
    }

    pub(super) fn is_code(&self, code: RDKafkaErrorCode) -> bool {
        self.code == Some(code)
    }

    /// Whether a member's first word to its group was not understood, which librdkafka calls fatal.
    pub(crate) fn is_unknown_protocol(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(self.code, Some(Code::UnsupportedVersion | Code::UnsupportedFeature | Code::Fatal))
    }

    /// Whether it only says that no answer came, not why.
    pub(super) fn is_no_answer(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(
            self.code,
            Some(
                Code::OperationTimedOut
                    | Code::RequestTimedOut
                    | Code::BrokerTransportFailure
                    | Code::AllBrokersDown
                    | Code::MessageTimedOut
            )
        )
    }

    /// Whether trying again with the same properties is bound to fail.
    pub(super) fn is_about_properties(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(self.code, Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism | Code::SSL))
    }

    /// The same, with the topic it is about.
    pub(super) fn of_topic(self, topic: &str) -> Self {
        Self { message: format!("{topic}: {}", self.message), ..self }
    }

    /// Whether a record that met it meets it again, until somebody changes the cluster or the application.
    pub(crate) fn is_for_good(&self) -> bool {
        use RDKafkaErrorCode as Code;
        matches!(
            self.code,
            Some(
                Code::MessageSizeTooLarge
                    | Code::InvalidMessageSize
                    | Code::InvalidRecord
                    | Code::InvalidTimestamp
                    | Code::InvalidTopic
                    | Code::PolicyViolation
                    | Code::TopicAuthorizationFailed
                    | Code::ClusterAuthorizationFailed
                    | Code::TransactionalIdAuthorizationFailed
            )
        ) || self.is_unknown_topic()
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

    /// Whether the offset that was asked for is not there: not any more, or not yet.
    pub(crate) fn is_offset_out_of_range(&self) -> bool {
        matches!(self.code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
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
            None => "Check the properties given with -X; librdkafka's CONFIGURATION.md lists them",
            _ => "Try again; if it stays, run with RUST_LOG=debug to see the client's log",
        }
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        // Of what an administrator asked for, the library does not give the code away by itself.
        let code = if let KafkaError::AdminOp(code) = &error { Some(*code) } else { error.rdkafka_error_code() };
        let message = match &error {
            // Configuration errors quote the value, which may be a password.
            KafkaError::ClientConfig(_, description, name, value) if !value.is_empty() => {
                format!("{name}: {}", description.replace(value, "…"))
            }
            KafkaError::ClientConfig(_, description, name, _) => format!("{name}: {description}"),
            other => code.map_or_else(|| other.to_string(), |code| code.to_string()),
        };
        Self { code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_becomes_a_reason_that_does_not_change_from_try_to_try() {
        let check = |line: &str, code: RDKafkaErrorCode, reason: &str| {
            let error = ClientError::of_log_line(line);
            assert_eq!((error.code, error.message.as_str()), (Some(code), reason));
        };
        check(
            "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)",
            RDKafkaErrorCode::BrokerTransportFailure,
            "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
        );
        check("[thrd:h:1/bootstrap]: 1/1 brokers are down", RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
        check(
            "[thrd:h:1/bootstrap]: h:1/bootstrap: Failed to resolve 'h:1': Name or service not known (after 9ms in state CONNECT)",
            RDKafkaErrorCode::Resolve,
            "Failed to resolve 'h:1': Name or service not known",
        );
        check(
            "[thrd:sasl_ssl://h:1/bootstrap]: sasl_ssl://h:1/bootstrap: SASL authentication error: Authentication failed (after 3ms in state AUTH_REQ)",
            RDKafkaErrorCode::Authentication,
            "SASL authentication error: Authentication failed",
        );
    }

    #[test]
    fn an_administrators_request_without_answer_is_about_the_broker() {
        let problem = ClientError::from(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)).problem("A topic could not be created");
        assert!(problem.what_to_do.contains("Check that the broker runs"), "{problem:?}");
    }

    #[test]
    fn a_value_that_may_be_a_password_is_never_quoted() {
        use rdkafka::types::RDKafkaConfRes;
        let quoting = KafkaError::ClientConfig(
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "Invalid value \"hunter2\" for it".to_owned(),
            "security.protocol".to_owned(),
            "hunter2".to_owned(),
        );
        assert_eq!(ClientError::from(quoting).to_string(), "security.protocol: Invalid value \"…\" for it");
    }
}
