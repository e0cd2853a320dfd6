//! A task as its thread keeps it: where it has read to, what waits, and whether it is being restored.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    TaskId,
    cluster::Disk,
    disk::{DiskError, Next},
    restore::Restore,
    snapshot::{LANES_MAX, StoreSnapshot, TaskPhase, TaskSnapshot},
    writer::NextOffsets,
};
use crate::{
    client::Assignment,
    stream::{InputRecord, StreamTask, TaskError, topology::StoreSlot},
};

/// Records processed before the thread looks elsewhere.
const RECORDS_PER_ROUND: usize = 1_000;

/// The offsets that tasks commit together: those that changed. A transaction always has some: what was written without a record having
/// been read, on a tick of the wall clock, must be refused all the same where the member has lost its partitions (KIP-447).
pub(super) fn to_commit<'a>(tasks: impl Iterator<Item = &'a OwnedTask> + Clone, run: &str, is_transaction: bool) -> NextOffsets {
    let changed: NextOffsets = tasks.clone().flat_map(|task| task.offsets(run, false)).collect();
    if changed.is_empty() && is_transaction { tasks.flat_map(|task| task.offsets(run, true)).collect() } else { changed }
}

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
    /// Taken from the consumer when a topic's queue was full; bounded by what one round polls. Such a topic is paused, the others are not:
    /// what is oldest may be among what they bring.
    held: BTreeMap<Arc<str>, VecDeque<InputRecord>>,
    /// Topics of which something has come since they were begun to be read from where they are.
    fetched: BTreeSet<Arc<str>>,
    /// Topics that were at their end when they were last fetched: they are known to have nothing more (KIP-695).
    at_end: BTreeSet<Arc<str>>,
    /// Since when topics that have nothing more are waited for.
    idle_since: BTreeMap<Arc<str>, Instant>,
    /// Since when nothing has come, and the stream time then.
    silent: Option<(Instant, i64)>,
    /// Stream time went on without a record since the last commit.
    is_advanced: bool,
    /// The offset that comes next in each changelog of its own, as of the last commit.
    pub(super) logged: Next,
    /// Where its stores are kept; `None` for memory alone.
    disk: Option<Rc<dyn Disk>>,
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
            held: BTreeMap::new(),
            fetched: BTreeSet::new(),
            at_end: BTreeSet::new(),
            idle_since: BTreeMap::new(),
            silent: None,
            is_advanced: false,
            logged: Next::new(),
            disk: None,
        }
    }

    /// With its file, and the offsets its changelogs end at.
    pub(super) fn with_disk(self, disk: Option<Rc<dyn Disk>>, logged: Next) -> Self {
        Self { disk, logged, ..self }
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Whether what is on disk can't be used any more.
    pub(super) fn is_damaged(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.is_damaged())
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

    /// Takes a record in; `true` when its partition must be paused.
    pub(super) fn take(&mut self, record: InputRecord) -> bool {
        match self.received.get_mut(&record.topic) {
            Some(next) if record.offset >= *next => *next = record.offset + 1,
            _ => return false, // known: it was fetched before a seek took effect
        }
        self.silent = None;
        self.at_end.remove(&record.topic);
        self.fetched.insert(Arc::clone(&record.topic));
        if !self.held.contains_key(&record.topic) && self.task.has_room(&record.topic) {
            self.task.enqueue(record);
            return false;
        }
        let held = self.held.entry(Arc::clone(&record.topic)).or_default();
        held.push_back(record);
        held.len() == 1
    }

    /// Moves what was held into the queues; gives the partitions that may be fetched again.
    pub(super) fn refill(&mut self) -> Vec<Assignment> {
        for (topic, held) in &mut self.held {
            while self.task.has_room(topic) {
                let Some(record) = held.pop_front() else { break };
                self.task.enqueue(record);
            }
        }
        let partition = self.id.partition;
        let emptied = self.held.extract_if(.., |_, held| held.is_empty());
        emptied.map(|(topic, _)| Assignment { topic: topic.to_string(), partition }).collect()
    }

    /// A topic was read to its end.
    pub(super) fn reached_end(&mut self, topic: &str) {
        let topic = self.received.keys().find(|it| ***it == *topic).cloned();
        self.at_end.extend(topic);
    }

    /// Whether a topic is at its end is to be learned again: it is begun to be read anew, and what was known is of an earlier time.
    pub(super) fn forget_ends(&mut self) {
        self.fetched.clear();
        self.at_end.clear();
        self.idle_since.clear();
    }

    /// Topics that hold the others up, with the offset that is next in each. The end that a fetch has told holds for them, as something of
    /// them was fetched.
    pub(super) fn awaited(&self) -> Vec<(Assignment, i64)> {
        if !self.is_running() || self.task.queued() == 0 || self.task.is_ready() {
            return Vec::new();
        }
        let unknown = self.task.empty_topics().filter(|topic| self.fetched.contains(*topic) && !self.at_end.contains(*topic));
        unknown.filter_map(|topic| Some((self.at(topic), *self.received.get(topic)?))).collect()
    }

    /// Whether a record may be processed now (KIP-695): each topic has one, or those without are known to have nothing more and were waited
    /// for so long all the same. `None` waits for nothing.
    pub(super) fn is_due(&mut self, task_idle: Option<Duration>, now: Instant) -> bool {
        if !self.is_running() || self.task.queued() == 0 {
            return false;
        }
        let Some(task_idle) = task_idle else { return true };
        if self.task.is_ready() {
            self.idle_since.clear();
            return true;
        }
        let mut is_due = true;
        let empty: BTreeSet<_> = self.task.empty_topics().cloned().collect();
        self.idle_since.retain(|topic, _| empty.contains(topic) && self.at_end.contains(topic));
        for topic in empty {
            let is_over =
                self.at_end.contains(&topic) && now.saturating_duration_since(*self.idle_since.entry(topic).or_insert(now)) >= task_idle;
            is_due &= is_over;
        }
        is_due
    }

    /// Processes some records, each followed by `publish`; gives how many.
    pub(super) fn process<E: From<TaskError>>(
        &mut self,
        task_idle: Option<Duration>,
        now: Instant,
        mut publish: impl FnMut(&mut StreamTask) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut count = 0;
        for _ in 0..RECORDS_PER_ROUND {
            if !self.is_due(task_idle, now) {
                break;
            }
            let Some(origin) = self.task.process_next()? else { break };
            self.next.insert(origin.topic, origin.offset + 1);
            publish(&mut self.task)?;
            count += 1;
        }
        Ok(count)
    }

    /// Lets stream time go on with the wall clock once nothing has come for so long; of topics that are joined, once all are at their end.
    pub(super) fn advance_idle(&mut self, after: Duration, now: Instant) -> Result<(), TaskError> {
        let is_silent =
            self.task.queued() == 0 && (self.received.len() == 1 || self.received.keys().all(|topic| self.at_end.contains(topic)));
        let Some(stream_time_ms) = self.task.stream_time_ms().filter(|_| self.is_running() && is_silent) else {
            self.silent = None;
            return Ok(());
        };
        let (since, then_ms) = *self.silent.get_or_insert((now, stream_time_ms));
        let past = now.saturating_duration_since(since).saturating_sub(after);
        let to_ms = then_ms.saturating_add(i64::try_from(past.as_millis()).unwrap_or(i64::MAX));
        if to_ms > stream_time_ms {
            self.is_advanced = true;
            self.task.advance_stream_time(to_ms)?;
        }
        Ok(())
    }

    /// Offsets to commit: those that changed, or all. Where stream time has gone on alone, all, for it travels with them.
    fn offsets(&self, run: &str, is_all: bool) -> NextOffsets {
        let is_all = is_all || self.is_advanced;
        let note = note(run, self.task.stream_time_ms());
        let is_new = |topic: &Arc<str>, next: i64| self.committed.get(topic).copied().flatten() != Some(next);
        let wanted = self.next.iter().filter(|(topic, next)| is_all || is_new(topic, **next));
        wanted.map(|(topic, next)| (self.at(topic), *next, note.clone())).collect()
    }

    /// What was done is safe; its offsets too, unless they were refused. Only now is it written to disk: a crash must never leave state ahead
    /// of the log. `logged` tells the offset that comes next in a changelog.
    pub(super) fn commit(&mut self, is_refused: bool, now_ms: i64, logged: impl Fn(&str, i32) -> Option<i64>) -> Result<(), DiskError> {
        let own = self.task.stores().iter().filter_map(|slot| slot.changelog.as_ref()).filter(|topic| !self.next.contains_key(*topic));
        let logged: Vec<_> = own.filter_map(|topic| Some((Arc::clone(topic), logged(topic, self.id.partition)?))).collect();
        self.logged.extend(logged);
        self.task.commit();
        if !is_refused {
            self.is_advanced = false;
            self.committed = self.next.iter().map(|(topic, next)| (Arc::clone(topic), Some(*next))).collect();
        }
        self.save(&self.logged, now_ms)
    }

    /// What was restored so far is safe, up to these offsets of its changelogs.
    pub(super) fn commit_restored(&mut self, next: &Next, now_ms: i64) -> Result<(), DiskError> {
        self.task.commit();
        self.save(next, now_ms)
    }

    fn save(&self, next: &Next, now_ms: i64) -> Result<(), DiskError> {
        self.disk.as_ref().map_or(Ok(()), |disk| disk.write(next, now_ms))
    }

    /// Back to the last commit; gives where to read on.
    pub(super) fn rollback(&mut self) -> Vec<(Assignment, i64)> {
        self.task.rollback();
        // Still paused, and resumed when they are refilled.
        self.held.values_mut().for_each(VecDeque::clear);
        self.forget_ends();
        (self.silent, self.is_advanced) = (None, false);
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
            queued: self.task.queued() + self.held.values().map(VecDeque::len).sum::<usize>(),
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
            entries_in_memory: state.in_memory(),
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

    fn record(topic: &str, offset: i64) -> InputRecord {
        InputRecord {
            topic: topic.into(),
            partition: 0,
            offset,
            timestamp_ms: offset,
            key: Some(vec![0]),
            value: Some(b"0".to_vec()),
            trace_id: None,
        }
    }

    /// What happens to a task that joins a left and a right topic.
    enum Step {
        Take(&'static str),
        End(&'static str),
        /// So many milliseconds after the beginning: whether it processes, and if so, all that it may.
        At(u64, bool),
        Rollback,
    }

    /// The rules of KIP-695, for each value of `max.task.idle.ms`.
    #[test]
    fn a_topic_is_waited_for_until_it_is_known_to_have_nothing() {
        use Step::{At, End, Rollback, Take};
        let check = |what: &str, task_idle: Option<u64>, steps: &[Step]| {
            let topology = crate::stream::Topology::new("app", |builder| {
                builder.stream::<Vec<u8>, u64>("left").merge(&builder.stream("right")).to("out");
            });
            let id = TaskId { subtopology: 0, partition: 0 };
            let starts = ["left", "right"].map(|topic| (Arc::from(topic), 0)).into();
            let mut task = OwnedTask::new(id, StreamTask::new(&topology.unwrap(), 0), None, &starts);
            let (began, task_idle) = (Instant::now(), task_idle.map(Duration::from_millis));
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Take(topic) => drop(task.take(record(topic, task.received[*topic]))),
                    End(topic) => task.reached_end(topic),
                    At(after_ms, expected) => {
                        let now = began + Duration::from_millis(*after_ms);
                        let processed = task.process(task_idle, now, |_| Ok::<_, TaskError>(())).unwrap();
                        assert_eq!(processed > 0, *expected, "{what}, step {number}");
                    }
                    Rollback => drop(task.rollback()),
                }
            }
        };
        check("nothing is known of the right", Some(0), &[Take("left"), At(0, false), At(60_000, false), Take("right"), At(60_000, true)]);
        check("the right has nothing", Some(0), &[End("right"), Take("left"), At(0, true), Take("left"), At(1, true)]);
        let since = [End("right"), Take("left"), At(0, true), Take("right"), End("left"), At(0, true), Take("left"), At(1, false)];
        check("it had something since", Some(0), &since);
        check(
            "a while for producers",
            Some(5),
            &[End("right"), Take("left"), At(0, false), At(4, false), At(5, true), Take("left"), At(6, true)],
        );
        let anew = [End("right"), Take("left"), At(0, false), Take("right"), At(1, true), End("left"), At(5, false), At(10, true)];
        check("each silence has its while", Some(5), &anew);
        check(
            "what was known before an abort is forgotten",
            Some(0),
            &[End("right"), Rollback, Take("left"), At(0, false), End("right"), At(0, true)],
        );
        check("wait for nothing", None, &[Take("left"), At(0, true)]);
    }

    #[test]
    fn stream_time_goes_on_with_the_wall_clock_where_nothing_comes() {
        const AFTER: Duration = Duration::from_millis(100);
        let topology = crate::stream::Topology::new("app", |builder| {
            let counts = builder.stream::<Vec<u8>, u64>("in").group_by_key("counts");
            let windows = crate::stream::TimeWindows::tumbling(50, 10);
            counts.windowed(windows, crate::stream::Emission::OnWindowClose, || 0_u64, |_, count| *count += 1).to("out");
        });
        let (id, began) = (TaskId { subtopology: 0, partition: 0 }, Instant::now());
        let mut task = OwnedTask::new(id, StreamTask::new(&topology.unwrap(), 0), None, &[(Arc::from("in"), 0)].into());
        let at = |task: &mut OwnedTask, ms: u64| {
            let now = began + Duration::from_millis(ms);
            task.process(Some(Duration::ZERO), now, |_| Ok::<_, TaskError>(())).unwrap();
            task.advance_idle(AFTER, now).unwrap();
            (task.task.stream_time_ms(), task.task.take_published().len())
        };
        assert_eq!(at(&mut task, 1_000), (None, 0), "before the first record there is no time");
        task.take(record("in", 0));
        assert_eq!([2_000, 2_100, 2_159].map(|ms| at(&mut task, ms)), [(Some(0), 0), (Some(0), 0), (Some(59), 0)]);
        assert_eq!(at(&mut task, 2_160), (Some(60), 1), "the window and its grace are over");
        assert_eq!(to_commit([&task].into_iter(), "", false), [(task.at("in"), 1, note("", Some(60)))]);
        task.commit(false, 0, |_, _| None).unwrap();
        assert_eq!(at(&mut task, 2_200), (Some(100), 0));
        assert_eq!(to_commit([&task].into_iter(), "", false).len(), 1, "it is committed where no offset has changed");
        task.rollback();
        assert_eq!(at(&mut task, 2_300), (Some(60), 0), "silence begins anew");
        task.take(record("in", 1));
        assert_eq!((at(&mut task, 2_500), task.task.dropped().late), ((Some(60), 0), 1), "what was delayed for longer is late");
    }
}
