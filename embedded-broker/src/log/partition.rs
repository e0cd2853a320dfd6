//! A partition: its segments, its offsets, and who waits for it to grow.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock, Weak};

use tokio::sync::Notify;

use super::aborted::AbortedIndex;
use super::batch::{BatchHeader, NO_TIMESTAMP};
use super::cleaner::swap::UnfinishedSwap;
use super::commits::Commits;
use super::config::LogConfig;
use super::files::{LogFile, OpenFiles};
use super::index::SparseIndex;
use super::producers::{ProducerView, Producers};
use super::segment::{ClosedSegment, Paths};
use crate::clock::Clock;
use crate::config::Durability;
use crate::disk::{Disk, DiskFile};
use crate::sync::{lock, read, write};

/// Waiters that may have gone before a partition looks through its list of them.
const WAITERS_BEFORE_CLEANUP: usize = 32;

/// What every partition of a broker shares.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) open_files: OpenFiles,
    /// Rung when a segment was closed and wants to be sealed.
    pub(crate) housekeeping: Notify,
    pub(crate) durability: Durability,
    pub(crate) commits: Commits,
}

/// One partition's log. Its leader is always here, so what is appended is committed: the high watermark is the log end offset.
pub(crate) struct Partition {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) environment: Arc<Environment>,
    pub(super) config: RwLock<Arc<LogConfig>>,
    pub(super) state: Mutex<State>,
    /// A closed segment waits to be sealed.
    pub(super) unsealed: AtomicBool,
    /// It was compacted: offsets may be missing anywhere.
    pub(super) may_have_gaps: AtomicBool,
    /// Compaction has met damage.
    pub(super) uncleanable: AtomicBool,
    /// Held by who takes segments away. Taken before the state's lock.
    pub(super) maintenance: Mutex<()>,
    /// A compacted segment that is in use, but not yet under its name.
    pub(super) unfinished_swap: Mutex<Option<UnfinishedSwap>>,
    waiters: Mutex<Vec<Weak<Waiter>>>,
}

/// What changes under the partition's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) log_start_offset: i64,
    pub(super) next_offset: i64,
    /// Oldest first.
    pub(super) closed: VecDeque<Arc<ClosedSegment>>,
    pub(super) active: Active,
    pub(super) producers: Producers,
    pub(super) aborted: AbortedIndex,
    /// Closed segments that are not sealed yet, with the producers as they were at their end, where that is known.
    pub(super) unsealed: Vec<(Arc<ClosedSegment>, Option<Arc<Producers>>)>,
    /// Bytes appended since the log was opened. Never less.
    pub(super) appended_bytes: u64,
    /// Records appended since the log was last registered to be synced, and since when there are some.
    pub(super) unflushed_records: i64,
    pub(super) unflushed_since_ms: Option<i64>,
    /// The topic was deleted.
    pub(super) deleted: bool,
}

/// The segment that grows.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) base_offset: i64,
    pub(super) paths: Paths,
    /// Opened with the first batch: a partition nobody writes to costs no file descriptor.
    pub(super) file: Arc<LogFile>,
    pub(super) size: u64,
    pub(super) index: SparseIndex,
    /// When its first batch was appended.
    pub(super) first_append_ms: Option<i64>,
    /// The first batch's largest timestamp, if it has one.
    pub(super) first_timestamp_ms: Option<i64>,
    /// When its last batch was appended.
    pub(super) last_append_ms: i64,
    /// Its index file is on disk and names this very content.
    pub(super) sealed: bool,
    /// A failed write may have left bytes behind `size`.
    pub(super) torn: bool,
    /// Its folder was, or is about to be, synced with its name in it.
    pub(super) is_named: bool,
    /// It was, by [`Partition::make_durable`].
    pub(super) is_name_synced: bool,
}

impl State {
    pub(super) fn offsets(&self) -> Offsets {
        // An open transaction's beginning may have been deleted; nothing before the log start is there to be stable.
        let first_unstable_offset = self.producers.first_unstable_offset().unwrap_or(self.next_offset);
        let last_stable_offset = first_unstable_offset.max(self.log_start_offset);
        Offsets { log_start_offset: self.log_start_offset, high_watermark: self.next_offset, last_stable_offset }
    }
}

impl Active {
    pub(super) fn new(paths: Paths, base_offset: i64) -> Self {
        let (file, index) = (LogFile::new(paths.log.clone()), SparseIndex::default());
        let (first_append_ms, first_timestamp_ms, last_append_ms) = (None, None, 0);
        Self {
            base_offset,
            paths,
            file,
            size: 0,
            index,
            first_append_ms,
            first_timestamp_ms,
            last_append_ms,
            sealed: false,
            torn: false,
            is_named: false,
            is_name_synced: false,
        }
    }

    /// Takes note of an appended batch.
    pub(super) fn appended(&mut self, header: &BatchHeader, now_ms: i64, interval_bytes: u64) {
        if self.size == 0 {
            self.first_timestamp_ms = (header.max_timestamp_ms != NO_TIMESTAMP).then_some(header.max_timestamp_ms);
        }
        self.index.add(header, self.size, interval_bytes);
        self.size += header.size as u64;
        self.first_append_ms.get_or_insert(now_ms);
        self.last_append_ms = now_ms;
    }

    /// How young it is: see [`ClosedSegment::largest_timestamp_ms`].
    pub(super) fn largest_timestamp_ms(&self) -> i64 {
        let max_timestamp_ms = self.index.max_timestamp_ms();
        if max_timestamp_ms == NO_TIMESTAMP { self.last_append_ms } else { max_timestamp_ms }
    }
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) log_start_offset: i64,
    pub(crate) high_watermark: i64,
    /// Where the oldest open transaction begins, or the high watermark: read_committed reads no further.
    pub(crate) last_stable_offset: i64,
}

/// A fetch that waits for any of its partitions to grow.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    notify: Notify,
}

impl Waiter {
    /// Ends when a partition this waiter was registered with has grown since, or is gone.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Environment {
    pub(crate) fn new(clock: Arc<dyn Clock>, disk: Arc<dyn Disk>, max_open_files: usize, durability: Durability) -> Self {
        let (open_files, housekeeping, commits) = (OpenFiles::new(max_open_files), Notify::new(), Commits::default());
        Self { clock, disk, open_files, housekeeping, durability, commits }
    }

    pub(super) fn open(&self, file: &Arc<LogFile>) -> io::Result<Arc<dyn DiskFile>> {
        file.get(self.disk.as_ref(), &self.open_files)
    }
}

impl Partition {
    pub(super) fn new(name: String, folder: PathBuf, environment: Arc<Environment>, config: Arc<LogConfig>, state: State) -> Self {
        Self {
            name,
            folder,
            environment,
            may_have_gaps: AtomicBool::new(false),
            config: RwLock::new(config),
            state: Mutex::new(state),
            unsealed: AtomicBool::new(false),
            uncleanable: AtomicBool::new(false),
            maintenance: Mutex::new(()),
            unfinished_swap: Mutex::default(),
            waiters: Mutex::default(),
        }
    }

    pub(crate) fn offsets(&self) -> Offsets {
        lock(&self.state).offsets()
    }

    /// Bytes appended since the log was opened: how much there is to read now that was not there before.
    pub(crate) fn appended_bytes(&self) -> u64 {
        lock(&self.state).appended_bytes
    }

    /// Bytes of all segments.
    pub(crate) fn size_bytes(&self) -> u64 {
        let state = lock(&self.state);
        state.closed.iter().map(|segment| segment.size).sum::<u64>() + state.active.size
    }

    /// The active one included.
    pub(crate) fn segment_count(&self) -> usize {
        lock(&self.state).closed.len() + 1
    }

    /// Whether records may be lost that were to be on the disk: a sync failed.
    pub(crate) fn has_failed(&self) -> bool {
        lock(&self.state).active.file.has_failed()
    }

    pub(crate) fn producers(&self) -> Vec<ProducerView> {
        lock(&self.state).producers.view()
    }

    pub(crate) fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&read(&self.config))
    }

    pub(crate) fn set_config(&self, config: Arc<LogConfig>) {
        *write(&self.config) = config;
    }

    /// Wakes `waiter` once, at the next append. Register first, then look: what comes in between is not missed.
    pub(crate) fn register(&self, waiter: &Arc<Waiter>) {
        let mut waiters = lock(&self.waiters);
        // A fetch over several partitions comes again each time one of them grows; the others have it already.
        if waiters.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(waiter))) {
            return;
        }
        if waiters.len() >= WAITERS_BEFORE_CLEANUP {
            waiters.retain(|waiter| waiter.strong_count() > 0);
        }
        waiters.push(Arc::downgrade(waiter));
    }

    pub(super) fn wake(&self) {
        for waiter in lock(&self.waiters).drain(..).filter_map(|waiter| waiter.upgrade()) {
            waiter.notify.notify_one();
        }
    }

    /// Ends the partition: nothing is appended or read any more. Its files go with the topic's folder.
    pub(crate) fn mark_deleted(&self) {
        let mut state = lock(&self.state);
        state.deleted = true;
        state.closed.clear();
        state.unsealed.clear();
        state.active.file.close_removed();
        drop(state);
        self.unsealed.store(false, Relaxed);
        self.wake();
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.environment.disk.as_ref()
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("name", &self.name).finish_non_exhaustive()
    }
}
