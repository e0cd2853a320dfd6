//! Which cluster, and how to reach it, for every client this program makes.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::{ClientConfig, ClientContext, config::RDKafkaLogLevel, error::KafkaError, types::RDKafkaErrorCode};
use weir_model::ClusterProperty;

use super::{ClientError, GroupProtocol};

/// librdkafka's property for [`GroupProtocol`].
pub(super) const GROUP_PROTOCOL: &str = "group.protocol";

/// A bootstrap address with librdkafka's properties. Cheap to clone; `Debug` shows no value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    bootstrap: Arc<str>,
    properties: Arc<[ClusterProperty]>,
}

impl Connection {
    /// A connection to `HOST:PORT[,HOST:PORT …]`.
    pub fn new(bootstrap: impl Into<Arc<str>>, properties: impl Into<Arc<[ClusterProperty]>>) -> Self {
        Self { bootstrap: bootstrap.into(), properties: properties.into() }
    }

    /// The address.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Whether neither TLS nor SASL is asked for.
    pub fn is_plaintext(&self) -> bool {
        self.property("security.protocol").is_none_or(|protocol| protocol.eq_ignore_ascii_case("plaintext"))
    }

    /// The protocol that the user wants for groups of stream threads, by librdkafka's property `group.protocol`.
    pub fn group_protocol(&self) -> GroupProtocol {
        let is_consumer = self.property(GROUP_PROTOCOL).is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"));
        if is_consumer { GroupProtocol::Consumer } else { GroupProtocol::Classic }
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().rev().find(|property| &*property.name == name).map(|property| property.value.reveal())
    }

    /// The configuration of a client: our defaults, then the caller's, then the user's, then what the caller must have in any case.
    pub(super) fn config(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &*self.bootstrap).set("client.id", "weir").set("topic.metadata.refresh.interval.ms", "10000");
        if !self.is_plaintext() && self.property("ssl.ca.location").is_none() {
            // The vendored OpenSSL knows no system certificates; this looks where distributions keep them.
            config.set("ssl.ca.location", "probe");
        }
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        // Only a member of a group may have it, and not with everything else that its caller must have.
        for property in self.properties.iter().filter(|property| &*property.name != GROUP_PROTOCOL) {
            config.set(&*property.name, property.value.reveal());
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }
}

/// Keeps librdkafka's log lines off stderr and the last connection error for who wants to know why nothing comes.
#[derive(Debug, Default)]
pub(super) struct Context {
    trouble: Mutex<Trouble>,
}

/// What the client reported of its connections since someone last asked.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The most telling error.
    pub(super) error: Option<ClientError>,
    /// Whether no broker at all could be reached.
    pub(super) is_all_down: bool,
}

impl Context {
    /// What was reported since the last call.
    pub(super) fn take_trouble(&self) -> Trouble {
        std::mem::take(&mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// "All brokers are down" follows from the error before it, which says why.
    pub(super) fn remember(&self, error: ClientError) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_code(RDKafkaErrorCode::AllBrokersDown) {
            trouble.is_all_down = true;
            trouble.error.get_or_insert(error);
        } else {
            trouble.error = Some(error);
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
        // The end of a partition travels as an error too.
        if let Some(code) = error.rdkafka_error_code().filter(|code| *code != RDKafkaErrorCode::PartitionEOF) {
            self.remember(ClientError::of_report(code, reason));
        }
    }
}

/// librdkafka repeats itself while a broker is away; what matters reaches the user as a `Problem`.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", "{facility} {message}")
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => tracing::info!(target: "librdkafka", "{facility} {message}"),
        _ => tracing::debug!(target: "librdkafka", "{facility} {message}"),
    }
}
