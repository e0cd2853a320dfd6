//! What the backend tells.

use std::sync::Arc;

use crate::{
    Alert, ClusterSnapshot, ConfigEntry, ConnectionState, Dashboard, GroupsSnapshot, MessageRow, Notice, PipelineId, PipelineMeta,
    PipelineStatus, Problem, QueryId, Receipt, RunReport, Stamped, StoreEntries, StreamsView, TopicName,
};

/// One piece of news. [`crate::Store::apply`] takes it in.
#[derive(Clone, Debug)]
pub enum Update {
    /// The connection changed.
    Connection(ConnectionState),
    /// Brokers, topics and partitions; sent when something changed, so the stamp may be old on a quiet cluster.
    Cluster(Result<Stamped<Arc<ClusterSnapshot>>, Problem>),
    /// Groups and lag; sent when something changed.
    Groups(Result<Stamped<Arc<GroupsSnapshot>>, Problem>),
    /// A topic's configuration.
    TopicConfigs(TopicName, Result<Stamped<Arc<[ConfigEntry]>>, Problem>),
    /// More rows of a query, with how far it is.
    Messages {
        /// Which query.
        id: QueryId,
        /// In the order to show them: by time, stable within a partition.
        rows: Vec<Arc<MessageRow>>,
        /// What was looked at until now.
        receipt: Arc<Receipt>,
    },
    /// The pipelines there are; sent once, at the start.
    Pipelines(Arc<[PipelineMeta]>),
    /// How a run goes; at most a few a second.
    PipelineStatus(Arc<PipelineStatus>),
    /// What a dashboard shows; at most a few a second.
    Dashboard(PipelineId, Arc<Dashboard>),
    /// What the run's stream applications do; at most a few a second.
    Streams(PipelineId, Arc<StreamsView>),
    /// What was found in a store.
    StoreEntries(PipelineId, Arc<StoreEntries>),
    /// Alerts of a pipeline, in the order of their topic; of very many only the newest.
    Alerts {
        /// The alerts.
        alerts: Vec<Alert>,
        /// Those that were too many to be told.
        passed_over: u64,
    },
    /// What a pipeline's runs left on the cluster is deleted: so many topics, and so many groups.
    PipelineReset {
        /// Which pipeline.
        id: PipelineId,
        /// Topics deleted.
        topics: usize,
        /// Groups deleted.
        groups: usize,
    },
    /// A run ended.
    RunReport(Arc<RunReport>),
    /// News for the user.
    Notice(Notice),
}
