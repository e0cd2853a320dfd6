//! What an application does right now, for people: plain data, made anew a few times a second.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use weir_model::{Problem, TimestampMs};

use super::{TaskId, standby::StandbySnapshot};
use crate::stream::{Description, Dropped, Lane};

/// An application in this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSnapshot {
    /// Its id, which is its consumer group.
    pub app: Arc<str>,
    /// Its stream threads, by number.
    pub threads: Vec<ThreadSnapshot>,
    /// Its nodes, stores and topics; the picture of it has [`Description::edges`] and [`Description::kind`], and a node's counter is
    /// [`Self::passed`].
    pub topology: Arc<Description>,
    /// What happened last, oldest first: rebalances, restores, lives that ended. At most [`EVENTS_MAX`].
    pub events: Vec<AppEvent>,
    /// The last commits and aborts, oldest first. At most [`COMMITS_MAX`].
    pub commits: Vec<AppEvent>,
    /// Replicas here of tasks that run elsewhere.
    pub standbys: Vec<StandbySnapshot>,
}

/// Most events kept.
pub const EVENTS_MAX: usize = 256;
/// Most commits kept.
pub const COMMITS_MAX: usize = 64;
/// Most open windows told of one store.
pub const LANES_MAX: usize = 32;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct AppEvent {
    /// Counts up from 0 within its kind of list, so that a reader knows what it has missed.
    pub number: u64,
    /// When.
    pub at: TimestampMs,
    /// The stream thread.
    pub thread: usize,
    /// What.
    pub what: AppEventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum AppEventKind {
    /// The group gave tasks to this thread.
    Assigned(Vec<TaskId>),
    /// The group took tasks away; what they did was committed first.
    Revoked(Vec<TaskId>),
    /// Another member has had these tasks for a while: what they did was taken back.
    Lost(Vec<TaskId>),
    /// A task began to read its changelogs.
    RestoreBegan {
        /// The task.
        task: TaskId,
        /// Offsets there are to read.
        offsets: i64,
        /// Entries it had at once.
        warm: u64,
        /// Where these came from.
        from: Warmth,
    },
    /// A task has its state.
    Restored {
        /// The task.
        task: TaskId,
        /// Records read.
        records: u64,
        /// How long it took.
        took_ms: u64,
    },
    /// State on disk is of no use: it is made again from the changelogs, or not written any more.
    DiskUnused {
        /// The task.
        task: TaskId,
        /// Why.
        why: String,
    },
    /// Everything since the last commit is safe.
    Committed {
        /// Records processed in it.
        records: u64,
        /// From its beginning to its end.
        took_ms: u64,
        /// Whether it was a transaction.
        is_transaction: bool,
    },
    /// A transaction was aborted: its work is done again.
    Aborted {
        /// Why.
        why: String,
    },
    /// The thread's life ended; a new one begins, whose producer fences the old one's.
    Replaced {
        /// Why.
        why: String,
    },
}

/// Where a task's state came from before it read the rest from the changelog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Warmth {
    /// Nowhere: all comes from the changelog.
    #[default]
    Cold,
    /// From disk.
    Disk,
    /// From a standby replica of this process.
    Standby,
}

/// A stream thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadSnapshot {
    /// Where it is.
    pub phase: ThreadPhase,
    /// Its tasks.
    pub tasks: Vec<TaskSnapshot>,
    /// Counters since the application's start, over all lives of the thread.
    pub counts: ThreadCounts,
    /// Why its last life ended, if it did.
    pub last_problem: Option<Problem>,
    /// How long its transaction has been open, if one is.
    pub transaction_age_ms: Option<u64>,
}

/// Where a stream thread is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThreadPhase {
    /// Joining its group.
    #[default]
    Starting,
    /// At least one task is being restored.
    Restoring,
    /// Processing.
    Running,
    /// It failed and waits for its next life.
    Waiting,
    /// It has left.
    Stopped,
}

/// Counters of a stream thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadCounts {
    /// Records processed; those of an aborted transaction count when they are done again, those of a killed thread each time.
    pub processed: u64,
    /// Records published, changelogs included.
    pub published: u64,
    /// Commits that succeeded: transactions, or offsets alone.
    pub commits: u64,
    /// Transactions that were aborted.
    pub aborts: u64,
    /// Times partitions were assigned or revoked.
    pub rebalances: u64,
    /// Times the thread was replaced.
    pub replaced: u64,
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSnapshot {
    /// Which part and partition.
    pub id: TaskId,
    /// Where it is.
    pub phase: TaskPhase,
    /// Its stream time; `None` before the first record.
    pub stream_time_ms: Option<i64>,
    /// Its stores.
    pub stores: Vec<StoreSnapshot>,
    /// Records that wait.
    pub queued: usize,
    /// The offsets it reads next, by topic.
    pub positions: BTreeMap<Arc<str>, i64>,
    /// The same as of the last commit here.
    pub committed: BTreeMap<Arc<str>, i64>,
    /// Records each node of the topology passed on.
    pub passed: Vec<u64>,
    /// Records without effect, by reason.
    pub dropped: Dropped,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskPhase {
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

/// A store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its changelog topic; `None` for a global table.
    pub changelog: Option<Arc<str>>,
    /// The changelog's partition.
    pub partition: i32,
    /// The changelog's offset that comes next, as of the last commit; `None` while it is not known.
    pub changelog_offset: Option<i64>,
    /// Entries in it.
    pub entries: usize,
    /// How many of them are in memory: all, or where it is on disk those that changed since the last commit or were used last.
    pub entries_in_memory: usize,
    /// About how much it holds, as its changelog writes it.
    pub approximate_bytes: u64,
    /// Whether it is on disk.
    pub is_persistent: bool,
    /// Its open windows, those that end first before the others; at most [`LANES_MAX`]. The task's stream time is their cursor.
    pub lanes: Vec<Lane>,
    /// How many open windows there are.
    pub lane_count: usize,
}

impl AppSnapshot {
    /// Counters over all threads.
    pub fn counts(&self) -> ThreadCounts {
        self.threads.iter().fold(ThreadCounts::default(), |sum, thread| ThreadCounts {
            processed: sum.processed + thread.counts.processed,
            published: sum.published + thread.counts.published,
            commits: sum.commits + thread.counts.commits,
            aborts: sum.aborts + thread.counts.aborts,
            rebalances: sum.rebalances + thread.counts.rebalances,
            replaced: sum.replaced + thread.counts.replaced,
        })
    }

    /// Records each node of the topology passed on, over all tasks here. An index is a [`crate::stream::NodeId`].
    pub fn passed(&self) -> Vec<u64> {
        let mut sum = vec![0; self.topology.nodes.len()];
        for passed in self.tasks().map(|task| &task.passed) {
            sum.iter_mut().zip(passed).for_each(|(sum, passed)| *sum += passed);
        }
        sum
    }

    /// Tasks that run in this process.
    pub fn running(&self) -> usize {
        self.tasks().filter(|task| task.phase == TaskPhase::Running).count()
    }

    /// Whether every thread has a task, where there are partitions enough: the group has shared them out.
    pub fn is_shared_out(&self) -> bool {
        let partitions: BTreeSet<i32> = self.tasks().map(|task| task.id.partition).collect();
        let has_task = |thread: &ThreadSnapshot| thread.tasks.iter().any(|task| task.phase == TaskPhase::Running);
        partitions.len() < self.threads.len() || self.threads.iter().all(has_task)
    }

    /// Records without effect, over the tasks that are here.
    pub fn dropped(&self) -> Dropped {
        self.tasks().map(|task| task.dropped).sum()
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskSnapshot> {
        self.threads.iter().flat_map(|thread| &thread.tasks)
    }
}
