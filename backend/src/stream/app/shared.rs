//! What stream threads and their owner tell each other.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::sync_channel,
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use weir_model::{Latency, Problem, TimestampMs};

use super::{
    TaskId,
    query::{Asked, Entries, Query},
    snapshot::{AppEvent, AppEventKind, AppSnapshot, COMMITS_MAX, EVENTS_MAX, ThreadSnapshot},
    standby::Standbys,
};
use crate::stream::{Description, Publish, Topology};

/// How long a look into a store may take.
const QUERY_MAX: Duration = Duration::from_secs(1);
/// The longest latency told apart: an hour.
const LATENCY_MS_MAX: u64 = 3_600_000;
/// Dead letters of global tables remembered; beyond it they may be written again.
const TOLD_MAX: usize = 10_000;
/// A task whose stores were damaged on disk so often in one process keeps them in memory there.
const DAMAGED_MAX: u32 = 2;

pub(super) struct Shared {
    pub(super) app: Arc<str>,
    pub(super) tasks: usize,
    is_stopping: AtomicBool,
    /// Stopping without a commit.
    is_crashing: AtomicBool,
    threads: Vec<OfThread>,
    latency: Mutex<Option<Histogram<u64>>>,
    failure: Mutex<Option<Problem>>,
    topology: Arc<Description>,
    events: Mutex<Ring>,
    commits: Mutex<Ring>,
    pub(super) standbys: Standbys,
    /// Rows of global tables whose dead letters are written, by their place; at most [`TOLD_MAX`].
    told: Mutex<BTreeSet<Vec<Vec<u8>>>>,
    /// How often each task's stores were damaged on disk, and how at last.
    damaged: Mutex<BTreeMap<TaskId, (u32, String)>>,
    /// Tasks whose stores should be on disk and are in memory only, and why.
    unkept: Mutex<BTreeMap<TaskId, String>>,
}

/// The last so many events.
#[derive(Default)]
struct Ring {
    next: u64,
    last: VecDeque<AppEvent>,
}

impl Ring {
    fn push(&mut self, thread: usize, what: AppEventKind, most: usize) {
        if self.last.len() >= most {
            self.last.pop_front();
        }
        self.last.push_back(AppEvent { number: self.next, at: TimestampMs::now(), thread, what });
        self.next += 1;
    }
}

struct OfThread {
    snapshot: Mutex<ThreadSnapshot>,
    is_killed: AtomicBool,
    asked: Asked,
}

impl Shared {
    pub(super) fn new(topology: &Topology, threads: usize, tasks: usize) -> Self {
        let thread = |_| OfThread { snapshot: Mutex::default(), is_killed: AtomicBool::new(false), asked: Asked::new() };
        Self {
            app: topology.app().into(),
            tasks,
            is_stopping: AtomicBool::new(false),
            is_crashing: AtomicBool::new(false),
            threads: (0..threads).map(thread).collect(),
            latency: Mutex::new(Histogram::new_with_bounds(1, LATENCY_MS_MAX, 3).ok()),
            failure: Mutex::default(),
            topology: topology.shared_description(),
            events: Mutex::default(),
            commits: Mutex::default(),
            standbys: Standbys::default(),
            told: Mutex::default(),
            damaged: Mutex::default(),
            unkept: Mutex::default(),
        }
    }

    pub(super) fn stop(&self, is_crash: bool) {
        self.is_crashing.fetch_or(is_crash, Ordering::AcqRel);
        self.is_stopping.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    pub(super) fn is_crashing(&self) -> bool {
        self.is_crashing.load(Ordering::Acquire)
    }

    pub(super) fn kill(&self, thread: usize) {
        if let Some(thread) = self.threads.get(thread) {
            thread.is_killed.store(true, Ordering::Release);
        }
    }

    pub(super) fn take_kill(&self, thread: usize) -> bool {
        self.threads.get(thread).is_some_and(|thread| thread.is_killed.swap(false, Ordering::AcqRel))
    }

    pub(super) fn snapshot(&self) -> AppSnapshot {
        let events = |ring: &Mutex<Ring>| lock(ring).last.iter().cloned().collect();
        AppSnapshot {
            app: Arc::clone(&self.app),
            threads: self.threads.iter().map(|thread| lock(&thread.snapshot).clone()).collect(),
            topology: Arc::clone(&self.topology),
            events: events(&self.events),
            commits: events(&self.commits),
            standbys: self.standbys.snapshot(),
        }
    }

    /// Keeps what happened, for people.
    pub(super) fn happened(&self, thread: usize, what: AppEventKind) {
        match what {
            AppEventKind::Committed { .. } | AppEventKind::Aborted { .. } => lock(&self.commits).push(thread, what, COMMITS_MAX),
            _ => lock(&self.events).push(thread, what, EVENTS_MAX),
        }
    }

    /// Whether a row's dead letter is written.
    pub(super) fn is_told(&self, row: &Publish) -> bool {
        lock(&self.told).contains(&place(row))
    }

    /// These are.
    pub(super) fn told(&self, rows: Vec<Publish>) {
        if rows.is_empty() {
            return;
        }
        let mut told = lock(&self.told);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.extend(rows.iter().map(place));
    }

    /// What a task had on disk is damaged.
    pub(super) fn count_damage(&self, task: TaskId, why: &str) {
        let mut damaged = lock(&self.damaged);
        let (times, last) = damaged.entry(task).or_default();
        *times += 1;
        why.clone_into(last);
    }

    /// Why a task's stores can't be trusted to the disk, where that went wrong again and again, as on one that is full.
    pub(super) fn disk_distrusted(&self, task: TaskId) -> Option<String> {
        lock(&self.damaged).get(&task).filter(|(times, _)| *times >= DAMAGED_MAX).map(|(_, last)| last.clone())
    }

    /// A task's stores are on disk as they should be, or only in memory for this reason.
    pub(super) fn keeps(&self, task: TaskId, unkept: Option<String>) {
        let mut all = lock(&self.unkept);
        match unkept {
            Some(why) => drop(all.insert(task, why)),
            None => drop(all.remove(&task)),
        }
    }

    /// What should be on disk and is not.
    pub(super) fn unkept(&self, dir: &Path) -> Option<Problem> {
        let unkept = lock(&self.unkept);
        let (task, why) = unkept.first_key_value()?;
        let what = format!("The state of {} of {} tasks of {} is not in {}", unkept.len(), self.tasks, self.app, dir.display());
        let why = format!("task {task}: {why}; the results are right, but who starts again there reads all changelogs");
        Some(Problem::new(what, why, "Make room, or name a folder with more: --state-dir DIR"))
    }

    pub(super) fn of_thread(&self, thread: usize) -> ThreadSnapshot {
        self.threads.get(thread).map(|thread| lock(&thread.snapshot).clone()).unwrap_or_default()
    }

    pub(super) fn tell(&self, thread: usize, snapshot: ThreadSnapshot) {
        if let Some(thread) = self.threads.get(thread) {
            *lock(&thread.snapshot) = snapshot;
        }
    }

    pub(super) fn query(&self, store: &str, filter: &str, limit: usize) -> Entries {
        let (reply, answers) = sync_channel(self.threads.len());
        let ask = |thread: &&OfThread| {
            thread.asked.ask(Query { store: store.to_owned(), filter: filter.to_owned(), limit, reply: reply.clone() })
        };
        let asked = self.threads.iter().filter(ask).count();
        let deadline = Instant::now() + QUERY_MAX;
        let mut entries = Entries::new();
        for _ in 0..asked {
            let Ok(answer) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) else { break };
            entries.extend(answer);
        }
        entries.sort();
        entries.truncate(limit);
        entries
    }

    pub(super) fn next_query(&self, thread: usize) -> Option<Query> {
        self.threads.get(thread)?.asked.next()
    }

    pub(super) fn record_latencies(&self, latencies_ms: &[i64]) {
        if let (Some(histogram), false) = (&mut *lock(&self.latency), latencies_ms.is_empty()) {
            latencies_ms.iter().for_each(|ms| histogram.saturating_record(u64::try_from(*ms).unwrap_or(0)));
        }
    }

    pub(super) fn latency(&self) -> Latency {
        let histogram = lock(&self.latency);
        let quantile = |q| histogram.as_ref().map_or(0.0, |latency| latency.value_at_quantile(q) as f64);
        Latency { p50: quantile(0.5), p99: quantile(0.99) }
    }

    pub(super) fn fail(&self, problem: Problem) {
        lock(&self.failure).get_or_insert(problem);
        self.stop(true);
    }

    pub(super) fn failure(&self) -> Option<Problem> {
        lock(&self.failure).clone()
    }
}

/// Where a dead letter's record stood: what its headers say.
fn place(row: &Publish) -> Vec<Vec<u8>> {
    row.headers.iter().filter(|(name, _)| *name != "error").map(|(_, value)| value.clone()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
