//! What the window or the command line asks of the backend.

use std::{path::PathBuf, sync::Arc};

use crate::{
    Cluster, FaultId, GroupId, MessageQuery, MessageRow, PartitionId, PipelineAction, PipelineId, PipelineParams, QueryId, RecordHeader,
    StoreQuery, TopicName,
};

/// One thing to do. Answers come as [`crate::Update`]s.
#[derive(Clone, Debug)]
pub enum Request {
    /// Work with this cluster from now on; the one before is let go.
    Connect(Cluster),
    /// Read the cluster and its groups now rather than at the next turn.
    Refresh,
    /// Read a topic's configuration.
    LoadTopicConfigs(TopicName),
    /// Create a topic.
    CreateTopic(NewTopic),
    /// Delete a topic and its records.
    DeleteTopic(TopicName),
    /// Delete an empty group and its offsets.
    DeleteGroup(GroupId),
    /// Write one record.
    Produce(ProduceRecord),
    /// Read messages; ends the query before it.
    OpenMessages(MessageQuery),
    /// End a query; its receipt comes back.
    StopMessages(QueryId),
    /// Write rows to a file as JSON Lines in kcat's envelope, whole and exact.
    ExportMessages {
        /// The rows.
        rows: Vec<Arc<MessageRow>>,
        /// The file; an existing one is replaced once the new one is complete.
        path: PathBuf,
    },
    /// Start a pipeline.
    StartPipeline(PipelineId, PipelineParams),
    /// Let its generator wait.
    PausePipeline(PipelineId),
    /// Let its generator go on.
    ResumePipeline(PipelineId),
    /// End it; last results are written first.
    StopPipeline(PipelineId),
    /// Delete what its runs left on the cluster: its topics and its groups' offsets ([`PipelineMeta::owns_topic`](crate::PipelineMeta)).
    ResetPipeline(PipelineId),
    /// Change its rate, in events per second.
    SetPipelineRate(PipelineId, u32),
    /// Break something on purpose.
    InjectFault(PipelineId, FaultId),
    /// Do something that its dashboard offers.
    ActOnPipeline(PipelineId, PipelineAction),
    /// Look into a store of its stream applications.
    BrowseStore(PipelineId, StoreQuery),
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas; −1 for the broker's default.
    pub replication_factor: i32,
    /// Configuration by Kafka's names.
    pub configs: Vec<(Arc<str>, Arc<str>)>,
}

/// A record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRecord {
    /// Where to.
    pub topic: TopicName,
    /// Which partition; `None` lets the partitioner choose by key.
    pub partition: Option<PartitionId>,
    /// `None` is a null key.
    pub key: Option<Arc<[u8]>>,
    /// `None` is a tombstone.
    pub value: Option<Arc<[u8]>>,
    /// In order.
    pub headers: Vec<RecordHeader>,
}
