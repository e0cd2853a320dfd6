//! What a cluster looks like at one moment.

use std::sync::Arc;

use crate::{BrokerId, Offset, PartitionId, Problem, TopicName};

/// Brokers, topics and partitions, read in few requests. Lists are sorted, so equal clusters are equal values.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ClusterSnapshot {
    /// The cluster's own id, when it tells.
    pub cluster_id: Option<Arc<str>>,
    /// The node that answers controller requests.
    pub controller: Option<BrokerId>,
    /// By id.
    pub brokers: Vec<Broker>,
    /// By name, internal topics included.
    pub topics: Vec<Topic>,
    /// Parts that could not be read; an empty list means that the snapshot is whole.
    pub partial: Vec<Problem>,
}

impl ClusterSnapshot {
    /// The topic of that name.
    pub fn topic(&self, name: &TopicName) -> Option<&Topic> {
        self.topics.binary_search_by(|topic| topic.name.cmp(name)).ok().and_then(|at| self.topics.get(at))
    }

    /// Topics that users made.
    pub fn user_topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(|topic| !topic.is_internal)
    }

    /// Write rates of all user topics together; `None` until two snapshots were seen.
    pub fn rates(&self) -> Option<Rates> {
        self.user_topics().filter_map(|topic| topic.rates).reduce(|a, b| Rates {
            records_per_s: a.records_per_s + b.records_per_s,
            bytes_per_s: a.bytes_per_s.zip(b.bytes_per_s).map(|(a, b)| a + b),
        })
    }
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its node id.
    pub id: BrokerId,
    /// The host it advertises.
    pub host: Arc<str>,
    /// The port it advertises.
    pub port: u16,
    /// Its rack, when set.
    pub rack: Option<Arc<str>>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Kafka's own (`__consumer_offsets` and its like).
    pub is_internal: bool,
    /// By number.
    pub partitions: Vec<Partition>,
    /// Write rates between the last two snapshots; `None` until two were seen.
    pub rates: Option<Rates>,
}

impl Topic {
    /// The partition of that number.
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.binary_search_by_key(&id, |partition| partition.id).ok().and_then(|at| self.partitions.get(at))
    }

    /// Sum over partitions of high watermark − log start offset. Compaction and transaction markers make it an upper bound.
    /// `None` when any partition's offsets are unknown.
    pub fn records(&self) -> Option<u64> {
        self.partitions.iter().map(Partition::records).sum()
    }

    /// Bytes on the disks of the leaders; `None` when the cluster does not tell.
    pub fn bytes(&self) -> Option<u64> {
        self.partitions.iter().map(|partition| partition.bytes).sum()
    }

    /// The largest replica count of its partitions.
    pub fn replication_factor(&self) -> usize {
        self.partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(0)
    }

    /// Partitions with fewer in-sync replicas than replicas.
    pub fn under_replicated_partitions(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.isr.len() < partition.replicas.len()).count()
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// Its number.
    pub id: PartitionId,
    /// The broker that leads it; `None` while there is none.
    pub leader: Option<BrokerId>,
    /// All replicas, the preferred one first.
    pub replicas: Vec<BrokerId>,
    /// Replicas in sync.
    pub isr: Vec<BrokerId>,
    /// The oldest offset still there.
    pub log_start_offset: Option<Offset>,
    /// The offset the next record will get, as consumers see it.
    pub high_watermark: Option<Offset>,
    /// Bytes on the leader's disk.
    pub bytes: Option<u64>,
    /// Write rates between the last two snapshots.
    pub rates: Option<Rates>,
}

impl Partition {
    /// High watermark − log start offset.
    pub fn records(&self) -> Option<u64> {
        let (start, end) = (self.log_start_offset?, self.high_watermark?);
        u64::try_from(end.0.saturating_sub(start.0)).ok()
    }
}

/// Write rates.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Rates {
    /// Records per second.
    pub records_per_s: f64,
    /// Stored bytes per second, when the cluster tells sizes.
    pub bytes_per_s: Option<f64>,
}

/// One entry of a topic's or broker's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name, such as `retention.ms`.
    pub name: Arc<str>,
    /// The value; `None` when the broker hides it.
    pub value: Option<Arc<str>>,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// Where a configuration value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic itself.
    Topic,
    /// Set on the broker.
    Broker,
    /// Kafka's default.
    Default,
    /// The broker did not say.
    Unknown,
}
