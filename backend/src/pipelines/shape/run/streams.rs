//! What the run's stream applications do, as the window shows it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use weir_model::{
    NoticeLevel, StoreEntries, StoreQuery, StreamsApp as AppView, StreamsEvent, StreamsNode, StreamsNodeKind, StreamsStandby, StreamsStore,
    StreamsTask, StreamsTaskPhase, StreamsThread, StreamsView, StreamsWindow, TimestampMs, Update,
};

use super::{Run, lock};
use crate::stream::{
    NodeId, NodeKind,
    app::{
        AppEvent, AppEventKind, AppSnapshot, StandbySnapshot, StoreSnapshot, StreamsApp, TaskId, TaskPhase, TaskSnapshot, ThreadPhase,
        Warmth,
    },
};

/// Rates are taken over this long.
const RATE_OVER: Duration = Duration::from_secs(3);
/// Events shown.
const EVENTS_SHOWN: usize = 100;

/// What each node had passed on at some moments, by application, oldest first.
#[derive(Default)]
pub(super) struct Passed(Mutex<BTreeMap<Arc<str>, Samples>>);

/// When, and by node.
type Samples = VecDeque<(Instant, Vec<u64>)>;

impl Run<'_> {
    pub(super) fn tell_streams(&self) {
        let snapshots: Vec<_> = lock(&self.apps).iter().map(StreamsApp::snapshot).collect();
        if snapshots.is_empty() {
            return; // what was told last stays: it is what there was at the end
        }
        let apps = snapshots.iter().map(|snapshot| view(snapshot, &self.passed.rates(snapshot))).collect();
        self.updates.publish(Update::Streams(self.meta.id.clone(), Arc::new(StreamsView { apps })));
    }

    pub(super) fn browse(&self, query: StoreQuery) {
        let apps = lock(&self.apps);
        let app = apps.iter().find(|app| *app.snapshot().app == *query.group.as_str());
        let entries = app.map(|app| app.query(&query.store, &query.filter, StoreEntries::ENTRIES_MAX)).unwrap_or_default();
        drop(apps);
        self.updates.publish(Update::StoreEntries(self.meta.id.clone(), Arc::new(StoreEntries { query, entries })));
    }
}

impl Passed {
    /// Records a second by node.
    fn rates(&self, snapshot: &AppSnapshot) -> Vec<f64> {
        let mut all = lock(&self.0);
        let samples = all.entry(Arc::clone(&snapshot.app)).or_default();
        let now = snapshot.passed();
        samples.push_back((Instant::now(), now.clone()));
        while samples.len() > 2 && samples.get(1).is_some_and(|(at, _)| at.elapsed() >= RATE_OVER) {
            samples.pop_front();
        }
        let Some((at, then)) = samples.front() else { return Vec::new() };
        let seconds = at.elapsed().as_secs_f64();
        // A task that moved away takes its counters along: less than before is no rate.
        let rate = |(now, then): (&u64, &u64)| if seconds < 0.1 { 0.0 } else { now.saturating_sub(*then) as f64 / seconds };
        now.iter().zip(then).map(rate).collect()
    }
}

fn view(snapshot: &AppSnapshot, rates: &[f64]) -> AppView {
    let (counts, passed, topology) = (snapshot.counts(), snapshot.passed(), &snapshot.topology);
    let node = |(at, node): (usize, &crate::stream::Node)| StreamsNode {
        name: node.topic.clone().unwrap_or_else(|| node.name.as_str().into()),
        kind: match topology.kind(NodeId(at)) {
            NodeKind::Source | NodeKind::GlobalSource => StreamsNodeKind::Source,
            NodeKind::Sink => StreamsNodeKind::Sink,
            NodeKind::Stateless => StreamsNodeKind::Stateless,
            NodeKind::Stateful => StreamsNodeKind::Stateful,
        },
        topic: node.topic.as_deref().map(Into::into),
        stores: node.stores.iter().map(|store| store.as_str().into()).collect(),
        records: passed.get(at).copied().unwrap_or(0),
        records_per_s: rates.get(at).copied().unwrap_or(0.0),
    };
    let nodes: Vec<_> = topology.nodes.iter().enumerate().map(node).collect();
    let sources = nodes.iter().filter(|node| node.kind == StreamsNodeKind::Source);
    AppView {
        group: (&*snapshot.app).into(),
        processed_per_s: sources.map(|node| node.records_per_s).sum(),
        edges: topology.edges().into_iter().map(|(from, to)| (from.0, to.0)).collect(),
        threads: snapshot.threads.iter().map(thread).collect(),
        tasks: snapshot.threads.iter().enumerate().flat_map(|(at, thread)| thread.tasks.iter().map(move |of| task(at, of))).collect(),
        standbys: snapshot.standbys.iter().map(standby).collect(),
        stores: snapshot.tasks().flat_map(|task| task.stores.iter().map(|of| store(&task.id, of))).collect(),
        events: events(snapshot),
        commits: (counts.commits, counts.aborts),
        commit_ms: commit_ms(snapshot),
        rebalances: counts.rebalances,
        nodes,
    }
}

fn thread(thread: &crate::stream::app::ThreadSnapshot) -> StreamsThread {
    let phase = match thread.phase {
        ThreadPhase::Starting => "Starting",
        ThreadPhase::Restoring => "Restoring",
        ThreadPhase::Running => "Running",
        ThreadPhase::Waiting => "Waiting",
        ThreadPhase::Stopped => "Stopped",
    };
    StreamsThread {
        phase: phase.into(),
        replaced: thread.counts.replaced,
        transaction_age_ms: thread.transaction_age_ms,
        last_problem: thread.last_problem.as_ref().map(|problem| problem.to_string().into()),
    }
}

fn task(thread: usize, task: &TaskSnapshot) -> StreamsTask {
    let phase = match task.phase {
        TaskPhase::Restoring { done, total } => StreamsTaskPhase::Restoring { done, total },
        TaskPhase::Running => StreamsTaskPhase::Running,
        TaskPhase::Suspended => StreamsTaskPhase::Suspended,
    };
    let dropped = &task.dropped;
    StreamsTask {
        id: task.id.to_string().into(),
        thread,
        phase,
        stream_time: task.stream_time_ms.map(TimestampMs),
        queued: task.queued as u64,
        dropped: (dropped.late, dropped.malformed, dropped.duplicate),
    }
}

fn standby(standby: &StandbySnapshot) -> StreamsStandby {
    StreamsStandby { task: standby.task.to_string().into(), entries: standby.entries as u64, lag_records: standby.lag }
}

/// The median and the longest of the last commits.
fn commit_ms(snapshot: &AppSnapshot) -> Option<(u64, u64)> {
    let took = |event: &AppEvent| if let AppEventKind::Committed { took_ms, .. } = event.what { Some(took_ms) } else { None };
    let mut times: Vec<u64> = snapshot.commits.iter().filter_map(took).collect();
    times.sort_unstable();
    Some((*times.get(times.len() / 2)?, *times.last()?))
}

fn store(task: &TaskId, store: &StoreSnapshot) -> StreamsStore {
    let window = |lane: &crate::stream::Lane| StreamsWindow {
        key: lane.key.as_deref().map(Into::into),
        start: TimestampMs(lane.start_ms),
        end: TimestampMs(lane.end_ms),
        closes_at: TimestampMs(lane.closes_at_ms),
        entries: lane.entries as u64,
    };
    StreamsStore {
        task: task.to_string().into(),
        name: Arc::clone(&store.name),
        changelog: store.changelog.as_deref().map(|topic| (topic.into(), store.partition, store.changelog_offset)),
        entries: store.entries as u64,
        entries_in_memory: store.entries_in_memory as u64,
        bytes: store.approximate_bytes,
        is_persistent: store.is_persistent,
        windows: store.lanes.iter().map(window).collect(),
        windows_open: store.lane_count as u64,
    }
}

/// The newest first; commits that succeeded are too many to be told one by one.
fn events(snapshot: &AppSnapshot) -> Vec<StreamsEvent> {
    let aborts = snapshot.commits.iter().filter(|event| matches!(event.what, AppEventKind::Aborted { .. }));
    let mut events: Vec<_> = snapshot.events.iter().chain(aborts).map(event).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    events.truncate(EVENTS_SHOWN);
    events
}

fn event(event: &AppEvent) -> StreamsEvent {
    let list = |tasks: &[TaskId]| tasks.iter().map(TaskId::to_string).collect::<Vec<_>>().join(", ");
    let (level, what) = match &event.what {
        AppEventKind::Assigned(tasks) => (NoticeLevel::Info, format!("got the tasks {}", list(tasks))),
        AppEventKind::Revoked(tasks) => (NoticeLevel::Info, format!("committed and gave up the tasks {}", list(tasks))),
        AppEventKind::Lost(tasks) => (NoticeLevel::Warning, format!("lost the tasks {}: another member has them", list(tasks))),
        AppEventKind::RestoreBegan { task, offsets, warm, from } => {
            let warm = match from {
                Warmth::Cold => String::new(),
                Warmth::Disk => format!("; {warm} entries were on disk"),
                Warmth::Standby => format!("; a standby had {warm} entries"),
            };
            (NoticeLevel::Info, format!("restores task {task}: {offsets} offsets to read{warm}"))
        }
        AppEventKind::Restored { task, records, took_ms } => {
            (NoticeLevel::Success, format!("restored task {task}: {records} records in {took_ms} ms"))
        }
        AppEventKind::DiskUnused { task, why } => (NoticeLevel::Warning, format!("does not use the state of task {task} on disk: {why}")),
        AppEventKind::Committed { records, took_ms, .. } => (NoticeLevel::Success, format!("committed {records} records in {took_ms} ms")),
        AppEventKind::Aborted { why } => (NoticeLevel::Warning, format!("aborted its transaction: {why}")),
        AppEventKind::Replaced { why } => (NoticeLevel::Warning, format!("was replaced: {why}")),
    };
    StreamsEvent { at: event.at, thread: event.thread, what: what.into(), level }
}
