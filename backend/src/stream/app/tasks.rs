//! A task as its thread keeps it: where it has read to, what waits, and whether it is being restored.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::TimestampMs;

use super::{
    TaskId,
    disk::{Logged, Next, TaskDisk},
    restore::Restore,
    snapshot::{AppEventKind, LANES_MAX, StoreSnapshot, TaskPhase, TaskSnapshot},
};
use crate::{
    client::Assignment,
    stream::{InputRecord, StreamTask, topology::StoreSlot},
};

/// Records processed before the thread looks elsewhere.
const RECORDS_PER_ROUND: usize = 1_000;

pub(super) struct OwnedTask {
    pub(super) id: TaskId,
    pub(super) task: StreamTask,
    pub(super) restore: Option<Restore>,
    pub(super) is_suspended: bool,
    /// Where it began, by topic.
    starts: BTreeMap<Arc<str>, i64>,
    /// What to process next, by topic.
    pub(super) next: BTreeMap<Arc<str>, i64>,
    /// The same as of the last commit; `None` before the first.
    pub(super) committed: BTreeMap<Arc<str>, Option<i64>>,
    /// What to take from the consumer next.
    received: BTreeMap<Arc<str>, i64>,
    /// Taken from the consumer when the queue was full; bounded by what one round polls.
    held: VecDeque<InputRecord>,
    is_paused: bool,
    idle_since: Option<Instant>,
    /// The offset that comes next in each changelog of its own, as of the last commit.
    pub(super) logged: Next,
    /// Its stores on disk.
    pub(super) disk: Option<TaskDisk>,
}

impl OwnedTask {
    pub(super) fn new(id: TaskId, task: StreamTask, restore: Option<Restore>, starts: &BTreeMap<Arc<str>, i64>) -> Self {
        Self {
            id,
            task,
            restore,
            is_suspended: false,
            starts: starts.clone(),
            next: starts.clone(),
            committed: starts.keys().map(|topic| (Arc::clone(topic), None)).collect(),
            received: starts.clone(),
            held: VecDeque::new(),
            is_paused: false,
            idle_since: None,
            logged: Next::new(),
            disk: None,
        }
    }

    /// With its file, and the offsets its changelogs end at.
    pub(super) fn with_disk(self, disk: Option<TaskDisk>, logged: Next) -> Self {
        Self { disk, logged, ..self }
    }

    pub(super) fn is_running(&self) -> bool {
        self.restore.is_none() && !self.is_suspended
    }

    /// All its partitions.
    pub(super) fn partitions(&self) -> Vec<Assignment> {
        self.next.keys().map(|topic| self.at(topic)).collect()
    }

    pub(super) fn at(&self, topic: &str) -> Assignment {
        Assignment { topic: topic.to_owned(), partition: self.id.partition }
    }

    /// Takes a record in; `true` when its partitions must be paused.
    pub(super) fn take(&mut self, record: InputRecord) -> bool {
        match self.received.get_mut(&record.topic) {
            Some(next) if record.offset >= *next => *next = record.offset + 1,
            _ => return false, // known: it was fetched before a seek took effect
        }
        if self.held.is_empty() && self.task.has_room(&record.topic) {
            self.task.enqueue(record);
            return false;
        }
        self.held.push_back(record);
        !std::mem::replace(&mut self.is_paused, true)
    }

    /// Moves what was held into the queues; `true` when its partitions may be fetched again.
    pub(super) fn refill(&mut self) -> bool {
        while let Some(record) = self.held.pop_front() {
            if !self.task.has_room(&record.topic) {
                self.held.push_front(record);
                return false;
            }
            self.task.enqueue(record);
        }
        std::mem::take(&mut self.is_paused)
    }

    /// Whether a record may be processed now: each topic has one, or the others were waited for.
    pub(super) fn is_due(&mut self, task_idle: Duration) -> bool {
        if !self.is_running() || self.task.queued() == 0 {
            return false;
        }
        if self.task.is_ready() {
            self.idle_since = None;
            return true;
        }
        // A topic that was waited for once is not waited for again until it has something, or a quiet table would slow its stream down.
        self.idle_since.get_or_insert_with(Instant::now).elapsed() >= task_idle
    }

    /// Processes some records, each followed by `publish`; gives how many.
    pub(super) fn process<E: From<crate::stream::TaskError>>(
        &mut self,
        task_idle: Duration,
        mut publish: impl FnMut(&mut StreamTask) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut count = 0;
        for _ in 0..RECORDS_PER_ROUND {
            if !self.is_due(task_idle) {
                break;
            }
            let Some(origin) = self.task.process_next()? else { break };
            self.next.insert(origin.topic, origin.offset + 1);
            publish(&mut self.task)?;
            count += 1;
        }
        Ok(count)
    }

    /// Offsets to commit.
    pub(super) fn uncommitted(&self, run: &str) -> Vec<(Assignment, i64, String)> {
        let note = note(run, self.task.stream_time_ms());
        let is_new = |(topic, next): &(&Arc<str>, &i64)| self.committed.get(*topic).copied().flatten() != Some(**next);
        self.next.iter().filter(is_new).map(|(topic, next)| (self.at(topic), *next, note.clone())).collect()
    }

    /// What was done is safe; its offsets too, unless they were refused.
    /// `logged` tells the offset that comes next in a changelog.
    pub(super) fn commit(&mut self, is_refused: bool, logged: impl Fn(&str, i32) -> Option<i64>) {
        let own = self.task.stores().iter().filter_map(|slot| slot.changelog.as_ref()).filter(|topic| !self.next.contains_key(*topic));
        let logged: Vec<_> = own.filter_map(|topic| Some((Arc::clone(topic), logged(topic, self.id.partition)?))).collect();
        self.logged.extend(logged);
        self.task.commit();
        if !is_refused {
            self.committed = self.next.iter().map(|(topic, next)| (Arc::clone(topic), Some(*next))).collect();
        }
    }

    /// Writes what is committed to disk. What can't be written ends that, and is told.
    pub(super) fn save(&mut self, changes: &[Logged], next: &Next) -> Option<AppEventKind> {
        if changes.is_empty() {
            return None;
        }
        let error = self.disk.as_mut()?.write(changes, next, TimestampMs::now().0).err()?;
        self.disk = None;
        Some(AppEventKind::DiskUnused { task: self.id, why: error.to_string() })
    }

    /// Back to the last commit; gives where to read on.
    pub(super) fn rollback(&mut self) -> Vec<(Assignment, i64)> {
        self.task.rollback();
        self.held.clear();
        self.next = self.starts.clone();
        self.next.extend(self.committed.iter().filter_map(|(topic, committed)| Some((Arc::clone(topic), (*committed)?))));
        self.received = self.next.clone();
        self.next.iter().map(|(topic, next)| (self.at(topic), *next)).collect()
    }

    pub(super) fn snapshot(&self) -> TaskSnapshot {
        let phase = match &self.restore {
            Some(restore) => {
                let (done, total) = restore.progress();
                TaskPhase::Restoring { done, total }
            }
            None if self.is_suspended => TaskPhase::Suspended,
            None => TaskPhase::Running,
        };
        TaskSnapshot {
            id: self.id,
            phase,
            stream_time_ms: self.task.stream_time_ms(),
            stores: self.task.stores().iter().map(|slot| self.store_snapshot(slot)).collect(),
            queued: self.task.queued() + self.held.len(),
            positions: self.next.clone(),
            committed: self.committed.iter().filter_map(|(topic, next)| Some((Arc::clone(topic), (*next)?))).collect(),
            passed: self.task.passed().to_vec(),
            dropped: self.task.dropped(),
        }
    }
}

impl OwnedTask {
    /// Whether a store has a changelog of its own: one that is over a topic is read from there.
    fn logs_of_its_own(&self, slot: &StoreSlot) -> bool {
        slot.changelog.as_ref().is_some_and(|topic| !self.next.contains_key(topic))
    }

    fn store_snapshot(&self, slot: &StoreSlot) -> StoreSnapshot {
        let state = slot.state.borrow();
        let offset = |topic: &Arc<str>| self.logged.get(topic).or_else(|| self.next.get(topic)).copied();
        StoreSnapshot {
            name: Arc::clone(&slot.name),
            changelog: slot.changelog.clone(),
            partition: self.id.partition,
            changelog_offset: slot.changelog.as_ref().and_then(offset),
            entries: state.len(),
            approximate_bytes: state.approximate_bytes(),
            is_persistent: self.disk.is_some() && self.logs_of_its_own(slot),
            lanes: state.lanes(LANES_MAX),
            lane_count: state.lane_count(),
        }
    }
}

/// Stream time as it travels with offsets.
fn note(run: &str, stream_time_ms: Option<i64>) -> String {
    format!("{run}|{}", stream_time_ms.map(|at| at.to_string()).unwrap_or_default())
}

/// Reads a note of the same run.
pub(super) fn stream_time_of(note: &str, run: &str) -> Option<i64> {
    note.strip_prefix(run)?.strip_prefix('|')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_time_travels_within_a_run_only() {
        assert_eq!(stream_time_of(&note("a", Some(-5)), "a"), Some(-5));
        assert_eq!(stream_time_of(&note("a", None), "a"), None);
        assert_eq!(stream_time_of(&note("a", Some(5)), "b"), None);
        assert_eq!(stream_time_of(&note("", Some(5)), ""), Some(5));
        assert_eq!(stream_time_of("", ""), None);
    }
}
