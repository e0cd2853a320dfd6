//! What an application does right now, for people: plain data, made anew a few times a second.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use weir_model::Problem;

use super::TaskId;
use crate::stream::Dropped;

/// An application in this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppSnapshot {
    /// Its id, which is its consumer group.
    pub app: Arc<str>,
    /// Its stream threads, by number.
    pub threads: Vec<ThreadSnapshot>,
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
    /// Entries in it.
    pub entries: usize,
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
        self.tasks().fold(Dropped::default(), |sum, task| Dropped {
            late: sum.late + task.dropped.late,
            malformed: sum.malformed + task.dropped.malformed,
            null_key: sum.null_key + task.dropped.null_key,
            duplicate: sum.duplicate + task.dropped.duplicate,
        })
    }

    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskSnapshot> {
        self.threads.iter().flat_map(|thread| &thread.tasks)
    }
}
