//! Runs a [`Topology`] as an application: stream threads that share its tasks by consumer group, here and in other processes.
//!
//! What is fixed (Kafka Streams' documentation, KIP-129, KIP-447):
//! - One task a part of the topology and partition; one consumer and one producer a thread; a task runs on one thread at a time.
//! - **Exactly once**: results, changelogs and offsets of everything since the last commit are one transaction. It is committed or
//!   aborted before a rebalance takes partitions away. What is aborted is done again from the stores' undo logs; when nobody knows what
//!   became of a transaction, the thread begins a new life: its new producer ends what the old one began, and state comes from changelogs.
//! - **At least once**: offsets are committed after everything they led to was acknowledged.
//! - State is restored from changelogs up to their end at the time of the assignment; stream time travels with the offsets.
//! - Parts that read one topic are shared out cooperatively. A part that joins topics needs equal partitions in one place, which only the
//!   range assignor promises; then tasks are kept over a rebalance and dropped if they do not come back.
//!
//! Nothing here decides what a record does: that is the pure core's.

mod cluster;
mod disk;
mod globals;
mod keeper;
mod plan;
mod query;
mod restore;
mod shared;
#[cfg(test)]
mod simulation;
mod snapshot;
mod standby;
mod tasks;
mod thread;
mod writer;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, thread::JoinHandle, time::Duration};

use weir_model::Problem;

use super::Topology;
use crate::client::{Connection, GroupProtocol};
use plan::Plan;
use shared::Shared;

pub use snapshot::{
    AppEvent, AppEventKind, AppSnapshot, COMMITS_MAX, EVENTS_MAX, LANES_MAX, StoreSnapshot, TaskPhase, TaskSnapshot, ThreadCounts,
    ThreadPhase, ThreadSnapshot, Warmth,
};
pub use standby::StandbySnapshot;
pub use thread::SENT_AT_MS;

/// Most stream threads of one application in one process.
pub const THREADS_MAX: u16 = 64;

/// Bytes of committed entries that stay in memory where stores are on disk, unless said otherwise.
pub const STATE_CACHE_BYTES: u64 = 64 << 20;

/// What an application promises about each input record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Guarantee {
    /// Its effects happen once or more often. Nothing fences a member that the group threw out and that works on, as in Kafka Streams: until it
    /// notices, it can write an older state of a key over a newer one.
    AtLeastOnce,
    /// Its effects happen once (`processing.guarantee=exactly_once_v2`).
    #[default]
    ExactlyOnce,
}

/// A part of a topology and the partition it reads, written as Kafka Streams does: `0_3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// An index into the description's `subtopologies`.
    pub subtopology: usize,
    /// The partition.
    pub partition: i32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// How an application runs.
#[derive(Clone, Debug)]
pub struct AppConfig {
    /// The cluster.
    pub connection: Connection,
    /// What it does.
    pub topology: Topology,
    /// What it promises.
    pub guarantee: Guarantee,
    /// Stream threads in this process, 1 to [`THREADS_MAX`], and no more than there are tasks.
    pub threads: u16,
    /// Names this process among those of the application; part of the transactional ids.
    pub instance: Arc<str>,
    /// Names the run: stream time noted by another run counts for nothing.
    pub run: Arc<str>,
    /// Where the run begins in each topic, by partition: what is before counts for nothing, not even as state. Empty for all there is.
    pub since: Arc<BTreeMap<String, Vec<i64>>>,
    /// Time between two commits.
    pub commit_interval: Duration,
    /// How long a result waits for others of its partition, at least once; a transaction's end sends what waits anyway.
    pub linger: Duration,
    /// A transaction that its thread did not end is aborted after this time.
    pub transaction_timeout: Duration,
    /// Where stores are kept on disk, so that they may be larger than memory and a restart reads only the rest of their changelogs; `None` for
    /// memory alone.
    pub state_dir: Option<PathBuf>,
    /// Bytes of committed entries that stay in memory where stores are on disk, over all threads and stores (`statestore.cache.max.bytes`).
    /// Beside it there is what changed since the last commit, and a few megabytes of each task's file.
    pub state_cache_bytes: u64,
    /// How many other instances keep a replica of each task's stores (`num.standby.replicas`).
    pub standby_replicas: u16,
    /// How its threads share the work. The newer one serves tasks of one topic each, and where the cluster does not offer it, the classic
    /// one takes its place; tasks that join need all their partitions at once, which only the classic one promises.
    pub group_protocol: GroupProtocol,
    /// How often processed records are deleted from repartition topics (`repartition.purge.interval.ms`).
    pub purge_interval: Duration,
    /// How long a task that joins waits for records of its other topics that may be on their way (`max.task.idle.ms`, KIP-695); what the
    /// brokers are known to have is waited for anyway. `None` waits for nothing, not even for that (Kafka's -1).
    pub task_idle: Option<Duration>,
    /// After so long without a record a task's stream time goes on with the wall clock, so that windows close in a partition that has fallen
    /// silent. It stays so far behind that nothing is late which is delayed by less. `None` lets only records move it, as Kafka Streams does.
    pub idle_advance: Option<Duration>,
}

impl AppConfig {
    /// The usual settings: one thread, commits every 100 ms (exactly once) or second (at least once), as Kafka Streams has them but for
    /// the latter's 30 s.
    pub fn new(connection: Connection, topology: Topology, guarantee: Guarantee) -> Self {
        Self {
            group_protocol: connection.group_protocol(),
            connection,
            topology,
            guarantee,
            threads: 1,
            instance: format!("{:x}-{:x}", weir_model::TimestampMs::now().0, std::process::id()).into(),
            run: "".into(),
            since: Arc::default(),
            commit_interval: Duration::from_millis(if guarantee == Guarantee::ExactlyOnce { 100 } else { 1_000 }),
            linger: Duration::from_millis(5),
            transaction_timeout: Duration::from_secs(10),
            state_dir: None,
            state_cache_bytes: STATE_CACHE_BYTES,
            standby_replicas: 0,
            purge_interval: Duration::from_secs(30),
            task_idle: Some(Duration::ZERO),
            idle_advance: None,
        }
    }
}

/// What one of its threads does.
type Work = Box<dyn FnOnce(&AppConfig, &Plan, &Shared) + Send>;

/// An application at work in this process. Dropping it stops it.
pub struct StreamsApp {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    state_dir: Option<PathBuf>,
}

impl StreamsApp {
    /// Makes the internal topics and starts the threads. Blocks until the cluster has answered.
    ///
    /// # Errors
    /// When the cluster can't be reached, a source topic is missing or partitions do not fit.
    pub fn start(config: AppConfig) -> Result<Self, Problem> {
        let plan = Arc::new(plan::prepare(&config.connection, &config.topology)?);
        // A task has one thread: those beyond would have nothing to do, and hold half a dozen connections each for it.
        let most = u16::try_from(plan.tasks.len()).unwrap_or(u16::MAX).clamp(1, THREADS_MAX);
        let config = AppConfig { threads: config.threads.clamp(1, most), ..config };
        let count = usize::from(config.threads);
        let shared = Arc::new(Shared::new(&config.topology, count, plan.tasks.len()));
        let mut app = Self { shared, threads: Vec::new(), state_dir: config.state_dir.clone() };
        let config = Arc::new(config);
        let mut spawn = |name: String, work: Work| -> Result<(), Problem> {
            let (config, plan, shared) = (Arc::clone(&config), Arc::clone(&plan), Arc::clone(&app.shared));
            let thread = std::thread::Builder::new().name(name).spawn(move || work(&config, &plan, &shared)).map_err(|error| {
                Problem::new("A stream thread could not be started", error.to_string(), "Raise the limit of threads (ulimit -u)")
            })?;
            app.threads.push(thread);
            Ok(())
        };
        for number in 0..count {
            let live = move |config: &AppConfig, plan: &Plan, shared: &Shared| thread::live(config, plan, number, shared);
            spawn(format!("{}-{number}", config.topology.app()), Box::new(live))?;
        }
        if keeper::is_needed(&config) {
            spawn(format!("{}-keeper", config.topology.app()), Box::new(keeper::keep))?;
        }
        Ok(app)
    }

    /// What it does right now.
    pub fn snapshot(&self) -> AppSnapshot {
        self.shared.snapshot()
    }

    /// Tasks the application has, wherever they run.
    pub fn tasks(&self) -> usize {
        self.shared.tasks
    }

    /// From a record's `sent_at_ms` header to the record being processed: median and 99th percentile.
    pub fn latency_ms(&self) -> weir_model::Latency {
        self.shared.latency()
    }

    /// Looks into a store, over all tasks of this process: keys and values as text, in key order, where either contains `filter`.
    /// What does not answer in time is left out.
    pub fn query(&self, store: &str, filter: &str, limit: usize) -> Vec<(String, String)> {
        self.shared.query(store, filter, limit)
    }

    /// Ends a thread's life at once, in the middle of its transaction, as a crash would; it is replaced.
    pub fn kill(&self, thread: usize) {
        self.shared.kill(thread);
    }

    /// Why it can't go on, if it can't.
    pub fn failure(&self) -> Option<Problem> {
        self.shared.failure()
    }

    /// Commits and leaves the group. Does not wait.
    pub fn stop(&self) {
        self.shared.stop(false);
    }

    /// Ends as a crash would: nothing is committed. Waits for the threads.
    pub fn crash(mut self) {
        self.shared.stop(true);
        self.join();
    }

    /// Stops and waits until all threads have ended; tells of state that should be on disk now and is not.
    pub fn close(mut self) -> Option<Problem> {
        self.stop();
        self.join();
        self.unkept()
    }

    /// What of its state should be on disk and is only in memory, if any is.
    pub fn unkept(&self) -> Option<Problem> {
        self.state_dir.as_ref().and_then(|dir| self.shared.unkept(dir))
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A panic was told as the thread's problem.
            let _ = thread.join();
        }
    }
}

impl Drop for StreamsApp {
    fn drop(&mut self) {
        self.stop();
        self.join();
    }
}
