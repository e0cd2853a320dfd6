//! What a pipeline's stream applications do right now: their graph, tasks, stores, windows, and what happened last.

use std::sync::Arc;

use crate::{GroupId, TimestampMs, TopicName};

/// The applications of a pipeline in this process; those of other processes show as members of their groups.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct StreamsView {
    /// Each application.
    pub apps: Vec<StreamsApp>,
}

/// An application: a topology at work under one consumer group.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsApp {
    /// Its group, which is also its id.
    pub group: GroupId,
    /// What it is made of.
    pub nodes: Vec<StreamsNode>,
    /// From where to where records flow, as indexes of nodes.
    pub edges: Vec<(usize, usize)>,
    /// Its stream threads here, by number.
    pub threads: Vec<StreamsThread>,
    /// Its tasks here.
    pub tasks: Vec<StreamsTask>,
    /// Replicas here of tasks that run elsewhere.
    pub standbys: Vec<StreamsStandby>,
    /// Their stores.
    pub stores: Vec<StreamsStore>,
    /// What happened last, newest first.
    pub events: Vec<StreamsEvent>,
    /// Records processed a second over the last seconds.
    pub processed_per_s: f64,
    /// Commits that succeeded, and transactions that were aborted.
    pub commits: (u64, u64),
    /// How long the last ones took, in milliseconds: the median and the longest; `None` before the first.
    pub commit_ms: Option<(u64, u64)>,
    /// Times partitions were assigned or taken away.
    pub rebalances: u64,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamsNodeKind {
    /// Reads a topic.
    Source,
    /// Writes to a topic.
    Sink,
    /// Works on each record alone.
    Stateless,
    /// Keeps state.
    Stateful,
}

/// A node of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsNode {
    /// What it does, or its topic.
    pub name: Arc<str>,
    /// What it is.
    pub kind: StreamsNodeKind,
    /// The topic it reads or writes.
    pub topic: Option<TopicName>,
    /// The stores it uses.
    pub stores: Vec<Arc<str>>,
    /// Records it passed on.
    pub records: u64,
    /// The same a second, over the last seconds.
    pub records_per_s: f64,
}

/// A stream thread.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsThread {
    /// Where it is: `Starting`, `Restoring`, `Running`, `Waiting`, `Stopped`.
    pub phase: Arc<str>,
    /// Times it was replaced.
    pub replaced: u64,
    /// How long its transaction has been open, if one is.
    pub transaction_age_ms: Option<u64>,
    /// Why its last life ended, if it did.
    pub last_problem: Option<Arc<str>>,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamsTaskPhase {
    /// Reading its changelogs.
    Restoring {
        /// Offsets read.
        done: i64,
        /// Offsets there are.
        total: i64,
    },
    /// Processing.
    Running,
    /// Given up in a rebalance, and kept in case it comes back.
    Suspended,
}

/// A task: a part of the topology, and a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsTask {
    /// As Kafka Streams writes it: `0_3`.
    pub id: Arc<str>,
    /// The thread it runs on.
    pub thread: usize,
    /// Where it is.
    pub phase: StreamsTaskPhase,
    /// Its stream time; `None` before the first record.
    pub stream_time: Option<TimestampMs>,
    /// Records that wait in it.
    pub queued: u64,
    /// Records that came too late, could not be read, or were repetitions.
    pub dropped: (u64, u64, u64),
}

/// A warm copy of the state of a task that runs elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsStandby {
    /// The task.
    pub task: Arc<str>,
    /// Entries in its stores.
    pub entries: u64,
    /// Records of its changelogs that are not in it yet.
    pub lag_records: i64,
}

/// A store of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsStore {
    /// Its task.
    pub task: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its changelog's topic, partition, and the offset that comes next.
    pub changelog: Option<(TopicName, i32, Option<i64>)>,
    /// Entries in it.
    pub entries: u64,
    /// How many of them are in memory; the others are read from disk when they are needed.
    pub entries_in_memory: u64,
    /// About how much it holds, as its changelog writes it.
    pub bytes: u64,
    /// Whether it is on disk.
    pub is_persistent: bool,
    /// Some of its open windows.
    pub windows: Vec<StreamsWindow>,
    /// How many are open.
    pub windows_open: u64,
}

/// An open window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsWindow {
    /// The key, where each has windows of its own.
    pub key: Option<Arc<str>>,
    /// Where it begins.
    pub start: TimestampMs,
    /// Where it ends.
    pub end: TimestampMs,
    /// Stream time at which it is closed.
    pub closes_at: TimestampMs,
    /// Entries in it.
    pub entries: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamsEvent {
    /// When.
    pub at: TimestampMs,
    /// The thread.
    pub thread: usize,
    /// What, in one sentence.
    pub what: Arc<str>,
    /// How much it matters.
    pub level: crate::NoticeLevel,
}

/// Which store to look into, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreQuery {
    /// The application.
    pub group: GroupId,
    /// The store.
    pub store: Arc<str>,
    /// Entries begin with the first whose key contains this.
    pub filter: Arc<str>,
}

/// What a store holds, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreEntries {
    /// What was asked.
    pub query: StoreQuery,
    /// Keys and values; at most [`StoreEntries::ENTRIES_MAX`].
    pub entries: Vec<(String, String)>,
}

impl StoreEntries {
    /// Most entries of one answer.
    pub const ENTRIES_MAX: usize = 200;
}
