//! Asking a cluster about itself, and changing it.

use std::time::{Duration, Instant};

use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigSource as RdConfigSource, NewTopic, ResourceSpecifier, TopicReplication},
    types::RDKafkaErrorCode,
};
use weir_model::{ConfigEntry, ConfigSource};

use super::{
    ClientError, Connection,
    connection::{Context, Trouble},
    sys::{self, DescribedGroups, GroupListing, GroupOffset, ListedOffset, OffsetSpec},
};

/// The first try at metadata; each further one may take twice as long. Between them is looked whether a broker can be reached at all.
const FIRST_TRY: Duration = Duration::from_millis(400);

/// The cluster's own default replication factor (KIP-464).
const DEFAULT_REPLICATION: i32 = -1;

/// An administrator's client. All calls but the async ones block until their deadline at the latest.
pub struct Admin {
    inner: AdminClient<Context>,
    timeout: Duration,
}

/// Brokers, topics and partitions, as Metadata tells of them.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Id, host and port.
    pub brokers: Vec<(i32, String, u16)>,
    /// The topics.
    pub topics: Vec<TopicMetadata>,
}

/// A topic, as Metadata tells of it.
#[derive(Debug, Clone)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Its partitions, or why they are not known.
    pub partitions: Result<Vec<PartitionMetadata>, ClientError>,
}

/// A partition, as Metadata tells of it.
#[derive(Debug, Clone)]
pub struct PartitionMetadata {
    /// Its number.
    pub id: i32,
    /// Its leader; negative while there is none.
    pub leader: i32,
    /// Its replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
}

impl Admin {
    /// A client whose calls give up after `timeout`.
    ///
    /// # Errors
    /// When a property is not valid.
    pub fn new(connection: &Connection, timeout: Duration) -> Result<Self, ClientError> {
        let defaults = [("socket.connection.setup.timeout.ms", "5000"), ("reconnect.backoff.max.ms", "1000")];
        // librdkafka builds it on a producer, whose question about a topic would create that topic.
        let fixed = [("allow.auto.create.topics", "false")];
        Ok(Self { inner: connection.config(&defaults, &fixed).create_with_context(Context::default())?, timeout })
    }

    /// Brokers, topics and partitions; of one topic, or of all.
    ///
    /// # Errors
    /// When no broker answers in time; the reason is the connection's where it is known.
    pub fn metadata(&self, topic: Option<&str>) -> Result<Metadata, ClientError> {
        let metadata = self.fetch_metadata(topic)?;
        let partition = |it: &rdkafka::metadata::MetadataPartition| PartitionMetadata {
            id: it.id(),
            leader: it.leader(),
            replicas: it.replicas().to_vec(),
            isr: it.isr().to_vec(),
        };
        let topic = |it: &rdkafka::metadata::MetadataTopic| TopicMetadata {
            name: it.name().to_owned(),
            partitions: match it.error() {
                None => Ok(it.partitions().iter().map(partition).collect()),
                Some(code) => Err(ClientError::of_code(code.into(), "")),
            },
        };
        Ok(Metadata {
            brokers: metadata.brokers().iter().map(|it| (it.id(), it.host().to_owned(), u16::try_from(it.port()).unwrap_or(0))).collect(),
            topics: metadata.topics().iter().map(topic).collect(),
        })
    }

    /// The cluster's id and controller.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn describe_cluster(&self) -> Result<(Option<String>, Option<i32>), ClientError> {
        sys::describe_cluster(self.inner.inner(), self.timeout).map_err(|error| self.reason(error))
    }

    /// One offset of each partition, in one request a broker.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn list_offsets(&self, partitions: &[(String, i32)], spec: OffsetSpec) -> Result<Vec<ListedOffset>, ClientError> {
        sys::list_offsets(self.inner.inner(), partitions, spec, self.timeout).map_err(|error| self.reason(error))
    }

    /// All groups, and what brokers failed to tell.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn list_groups(&self) -> Result<(Vec<GroupListing>, Vec<ClientError>), ClientError> {
        sys::list_groups(self.inner.inner(), self.timeout).map_err(|error| self.reason(error))
    }

    /// Members, assignments and states of groups.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn describe_groups(&self, group_ids: &[String]) -> Result<DescribedGroups, ClientError> {
        sys::describe_groups(self.inner.inner(), group_ids, self.timeout).map_err(|error| self.reason(error))
    }

    /// All committed offsets of groups, in their order.
    ///
    /// # Errors
    /// When a request can't be made.
    pub fn list_group_offsets(&self, group_ids: &[String]) -> Result<Vec<Result<Vec<GroupOffset>, ClientError>>, ClientError> {
        sys::list_group_offsets(self.inner.inner(), group_ids, self.timeout)
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// When the cluster refuses or does not answer in time.
    pub async fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication_factor: i32,
        configs: &[(&str, &str)],
    ) -> Result<(), ClientError> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication_factor));
        let topic = configs.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let outcome = self.inner.create_topics([&topic], &self.options()).await.map_err(|error| self.reason(error.into()))?;
        first(outcome.into_iter().map(|it| it.map(drop).map_err(|(_, code)| code)))
    }

    /// Creates a topic whose records may have any event time: since Kafka 4.0 more than an hour ahead of the clock is refused unless the
    /// topic says otherwise (KIP-937); clusters before 3.6 do not know the setting.
    ///
    /// # Errors
    /// When the cluster refuses or does not answer in time.
    pub async fn create_event_time_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<(), ClientError> {
        let any_time = [configs, &[("message.timestamp.after.max.ms", "9223372036854775807")]].concat();
        match self.create_topic(name, partitions, DEFAULT_REPLICATION, &any_time).await {
            Err(error) if error.is_code(RDKafkaErrorCode::InvalidConfig) => {
                self.create_topic(name, partitions, DEFAULT_REPLICATION, configs).await
            }
            outcome => outcome,
        }
    }

    /// Deletes a topic and its records.
    ///
    /// # Errors
    /// When the cluster refuses or does not answer in time.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        let outcome = self.inner.delete_topics(&[name], &self.options()).await.map_err(|error| self.reason(error.into()))?;
        first(outcome.into_iter().map(|it| it.map(drop).map_err(|(_, code)| code)))
    }

    /// Deletes the records before these offsets, by topic and partition.
    ///
    /// # Errors
    /// When the cluster refuses any of them or does not answer in time.
    pub async fn delete_records(&self, before: &[(String, i32, i64)]) -> Result<(), ClientError> {
        let mut list = rdkafka::TopicPartitionList::new();
        for (topic, partition, offset) in before {
            list.add_partition_offset(topic, *partition, rdkafka::Offset::Offset(*offset))?;
        }
        let outcome = self.inner.delete_records(&list, &self.options()).await.map_err(|error| self.reason(error.into()))?;
        outcome.elements().iter().try_for_each(|it| it.error()).map_err(ClientError::from)
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// When it has members, the cluster refuses or does not answer in time.
    pub async fn delete_group(&self, group_id: &str) -> Result<(), ClientError> {
        let outcome = self.inner.delete_groups(&[group_id], &self.options()).await.map_err(|error| self.reason(error.into()))?;
        first(outcome.into_iter().map(|it| it.map(drop).map_err(|(_, code)| code)))
    }

    /// A topic's configuration, by name.
    ///
    /// # Errors
    /// When the cluster refuses or does not answer in time.
    pub async fn topic_configs(&self, name: &str) -> Result<Vec<ConfigEntry>, ClientError> {
        let topics = [ResourceSpecifier::Topic(name)];
        let answers = self.inner.describe_configs(&topics, &self.options()).await.map_err(|error| self.reason(error.into()))?;
        let resource = answers.into_iter().next().ok_or_else(|| ClientError::message("the answer names no topic"))?;
        let resource = resource.map_err(|code| ClientError::of_code(code, ""))?;
        if resource.entries.is_empty() {
            // The binding drops the error that stands in place of the entries.
            let described = self.metadata(Some(name))?.topics.into_iter().find(|topic| topic.name == name);
            described.map(|topic| topic.partitions).transpose()?;
            return Err(ClientError::of_code(RDKafkaErrorCode::TopicAuthorizationFailed, "the cluster tells no configuration of it"));
        }
        let mut entries: Vec<ConfigEntry> = resource
            .entries
            .into_iter()
            .map(|entry| ConfigEntry {
                name: entry.name.into(),
                value: if entry.is_sensitive { None } else { entry.value.map(Into::into) },
                source: match entry.source {
                    RdConfigSource::DynamicTopic => ConfigSource::Topic,
                    RdConfigSource::DynamicBroker | RdConfigSource::DynamicDefaultBroker | RdConfigSource::StaticBroker => {
                        ConfigSource::Broker
                    }
                    RdConfigSource::Default => ConfigSource::Default,
                    RdConfigSource::Unknown => ConfigSource::Unknown,
                },
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().operation_timeout(Some(self.timeout)).request_timeout(Some(self.timeout))
    }

    /// Asks until an answer comes, the time is over, or it is clear that none will come: a refused connection is known at once.
    fn fetch_metadata(&self, topic: Option<&str>) -> Result<rdkafka::metadata::Metadata, ClientError> {
        self.take_trouble(); // of calls before
        let deadline = Instant::now() + self.timeout;
        let mut wait = FIRST_TRY;
        let mut reason = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match self.inner.inner().fetch_metadata(topic, wait.min(left)) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => ClientError::from(error),
            };
            let trouble = self.take_trouble();
            reason = trouble.error.or(reason);
            let is_hopeless = trouble.is_all_down || !error.is_no_answer() || reason.as_ref().is_some_and(ClientError::is_about_properties);
            if is_hopeless || wait >= left {
                return Err(if error.is_no_answer() { reason.unwrap_or(error) } else { error });
            }
            wait *= 2;
        }
    }

    /// "Timed out" says little; the connection's own last error says why.
    fn reason(&self, error: ClientError) -> ClientError {
        if error.is_no_answer() { self.take_trouble().error.unwrap_or(error) } else { error }
    }

    /// What the client reported since the last call. It reports to a queue that nobody else serves.
    fn take_trouble(&self) -> Trouble {
        for error in sys::take_reports(self.inner.inner()) {
            self.inner.inner().context().remember(error);
        }
        self.inner.inner().context().take_trouble()
    }
}

fn first(outcomes: impl Iterator<Item = Result<(), rdkafka::types::RDKafkaErrorCode>>) -> Result<(), ClientError> {
    let mut outcomes = outcomes;
    match outcomes.next() {
        Some(Err(code)) => Err(ClientError::of_code(code, "")),
        _ => Ok(()),
    }
}
