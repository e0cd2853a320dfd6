//! Plain data that Weir's window, command line and backend share. No I/O, no clients, no pixels.
//!
//! [`Request`] goes to the backend, [`Update`] comes back, and [`Store::apply`] is the only place that turns
//! updates into what panels read. A recorded list of updates therefore replays any screen.

mod action;
mod alert;
mod cluster;
mod connection;
mod dashboard;
mod groups;
mod ids;
mod loadable;
mod message;
mod numbers;
mod pipeline;
mod problem;
mod request;
mod scenario;
mod series;
mod store;
mod streams;
mod update;

pub use action::{EditorRow, PipelineAction, QueueRow, Verb};
pub use alert::{ALERTS_MAX, Alert, AlertLog, AlertSeverity, WaitingAlerts};
pub use cluster::{Broker, ClusterSnapshot, ConfigEntry, ConfigSource, Partition, Rates, Topic};
pub use connection::{Cluster, ClusterProperty, ConnectionState, Secret};
pub use dashboard::{
    Cell, Chooser, Column, Dashboard, FeedEntry, FlowEdge, FlowNode, FunnelStage, Gauge, HeatRow, Incident, Lane, LaneSpan, Line, MapPoint,
    Severity, Source, Span, TopRow, Trace, Variant, Widget, WidgetBody,
};
pub use groups::{Group, GroupKind, GroupPartition, GroupState, GroupsSnapshot, LagVerdict, Member, Verdict};
pub use ids::{
    BrokerId, FaultId, GroupId, MemberId, Offset, PartitionId, PipelineId, QueryId, ScenarioId, TimestampMs, TopicName, TopicPartition,
};
pub use loadable::{Loadable, Stamped};
pub use message::{DecoderName, MessageQuery, MessageRow, PartitionRange, Receipt, Record, RecordHeader, Start, StopReason, TimestampType};
pub use numbers::grouped;
pub use pipeline::{
    ALERTS_TOPIC, Availability, Check, CheckMeta, CheckVerdict, FaultMeta, KnobKind, KnobMeta, Latency, ParamMeta, Phase, PipelineMeta,
    PipelineParams, PipelineStatus, RunReport, SabotageMeta,
};
pub use problem::{Notice, NoticeLevel, Problem};
pub use request::{NewTopic, ProduceRecord, Request};
pub use scenario::{ScenarioMeta, ScenarioStep, ScenarioView};
pub use series::Series;
pub use store::{LAG_HISTORY_GROUPS_MAX, MESSAGES_MAX, MessagesView, NOTICES_MAX, PipelineView, Store};
pub use streams::{
    StoreEntries, StoreQuery, StreamsApp, StreamsEvent, StreamsNode, StreamsNodeKind, StreamsStandby, StreamsStore, StreamsTask,
    StreamsTaskPhase, StreamsThread, StreamsView, StreamsWindow,
};
pub use update::Update;
