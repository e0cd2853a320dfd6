//! Opening a log again: sealed segments are trusted, the others scanned, and what is not a whole, sound batch is cut off.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::aborted::{AbortedIndex, AbortedTransaction};
use super::batch::NO_TIMESTAMP;
use super::cleaner::CHECKPOINT_FILE;
use super::cleaner::swap::{self, SWAP_SUFFIX};
use super::config::LogConfig;
use super::index::SparseIndex;
use super::partition::{Active, Environment, Partition, State};
use super::producers::Producers;
use super::segment::{ClosedSegment, Found, Order, Paths, find_batch, find_batch_at, read_footer, scan};
use super::transactions::read_marker;
use crate::config::Durability;
use crate::disk::{read_checked, write_checked};
use crate::sync::lock;

const LOG_START_FILE: &str = "log-start-offset";
const LOG_SUFFIX: &str = ".log";
const SNAPSHOT_SUFFIX: &str = ".producers";
/// Snapshots kept of those at the beginning of a segment, from where a scan goes on: one may turn out damaged.
const SNAPSHOTS_KEPT: usize = 2;
/// A segment is scanned at a gigabyte a second or more, and sealed in some ten milliseconds.
const SEAL_AT_CLOSE_BYTES: u64 = 8 * 1024 * 1024;

impl Partition {
    /// Opens the log in `folder`, or begins one.
    pub(crate) fn open(name: String, folder: PathBuf, environment: Arc<Environment>, config: Arc<LogConfig>) -> io::Result<Self> {
        environment.disk.create_folder(&folder)?;
        let mut names = environment.disk.list(&folder)?;
        let may_have_gaps = names.iter().any(|name| name == CHECKPOINT_FILE || name.ends_with(SWAP_SUFFIX));
        if swap::recover(environment.disk.as_ref(), &folder, &names)? {
            names = environment.disk.list(&folder)?;
        }
        let mut opening = Opening {
            folder: &folder,
            environment: &environment,
            config: &config,
            names,
            unsealed: Vec::new(),
            aborted: BTreeMap::new(),
            scanned_from: i64::MAX,
            gaps_up_to: i64::MAX,
        };
        let state = opening.state(&name, may_have_gaps)?;
        let unsealed = opening.unsealed;
        let partition = Partition::new(name, folder, environment, config, state);
        partition.may_have_gaps.store(may_have_gaps, std::sync::atomic::Ordering::Relaxed);
        if !unsealed.is_empty() {
            let mut state = lock(&partition.state);
            state.unsealed = unsealed.into_iter().map(|segment| (segment, None)).collect();
            drop(state);
            partition.unsealed.store(true, std::sync::atomic::Ordering::Relaxed);
            partition.environment.housekeeping.notify_one();
        }
        Ok(partition)
    }

    /// Seals what would take long to scan at the next start. The rest is left to that scan: to sync and rename several files for each of
    /// thousands of small partitions would take minutes.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.seal_closed()?;
        let is_large = lock(&self.state).active.size >= SEAL_AT_CLOSE_BYTES;
        if is_large { self.seal_active() } else { Ok(()) }
    }

    /// Syncs the active segment and writes the index that says so. The next append removes it again.
    pub(super) fn seal_active(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let next_offset = state.next_offset;
        let aborted = state.aborted.marked_in(state.active.base_offset..next_offset);
        let active = &mut state.active;
        if active.sealed || active.size == 0 {
            return Ok(());
        }
        self.environment.open(&active.file)?.sync()?;
        let index = active.index.encode(active.size, next_offset, &aborted);
        self.disk().write_atomic(&active.paths.index, &index)?;
        active.sealed = true;
        self.write_snapshot(next_offset, &state.producers)
    }

    /// Seals the segments that were closed since the last call.
    pub(crate) fn seal_closed(&self) -> io::Result<()> {
        if !self.unsealed.swap(false, std::sync::atomic::Ordering::Relaxed) {
            return Ok(());
        }
        loop {
            let Some((segment, producers)) = lock(&self.state).unsealed.first().cloned() else { return Ok(()) };
            if let Err(error) = self.seal_one(&segment, producers.as_deref()) {
                self.unsealed.store(true, std::sync::atomic::Ordering::Relaxed);
                return Err(error);
            }
            lock(&self.state).unsealed.retain(|(other, _)| !Arc::ptr_eq(other, &segment));
        }
    }

    fn seal_one(&self, segment: &ClosedSegment, producers: Option<&Producers>) -> io::Result<()> {
        let state = lock(&self.state);
        if !state.closed.iter().any(|there| std::ptr::eq(Arc::as_ptr(there), segment)) {
            return Ok(());
        }
        let aborted = state.aborted.marked_in(segment.base_offset..segment.next_offset);
        drop(state);
        if let Some(producers) = producers {
            self.write_snapshot(segment.next_offset, producers)?;
        }
        segment.seal(&self.environment, self.config().index_interval_bytes, &aborted)
    }

    pub(super) fn write_snapshot(&self, offset: i64, producers: &Producers) -> io::Result<()> {
        self.disk().write_atomic(&snapshot_path(&self.folder, offset), &producers.encode())?;
        let names = self.disk().list(&self.folder)?;
        let bases = offsets_of(&names, LOG_SUFFIX);
        let (at_base, inside): (Vec<i64>, Vec<i64>) =
            offsets_of(&names, SNAPSHOT_SUFFIX).into_iter().rev().partition(|offset| bases.binary_search(offset).is_ok());
        for old in at_base.iter().skip(SNAPSHOTS_KEPT).chain(inside.iter().skip(1)) {
            self.disk().remove_file(&snapshot_path(&self.folder, *old))?;
        }
        Ok(())
    }

    pub(super) fn write_log_start(&self, offset: i64) -> io::Result<()> {
        write_checked(self.disk(), &self.folder.join(LOG_START_FILE), &offset.to_string())
    }
}

struct Opening<'a> {
    folder: &'a Path,
    environment: &'a Arc<Environment>,
    config: &'a LogConfig,
    names: Vec<String>,
    unsealed: Vec<Arc<ClosedSegment>>,
    /// By marker offset: what the seals tell, and what is found by reading again what has none.
    aborted: BTreeMap<i64, AbortedTransaction>,
    /// The first offset whose segment has no seal.
    scanned_from: i64,
    /// See [`Order::gaps_up_to`].
    gaps_up_to: i64,
}

impl Opening<'_> {
    fn state(&mut self, name: &str, may_have_gaps: bool) -> io::Result<State> {
        let disk = self.environment.disk.as_ref();
        // Without it what was deleted would come back, and offsets be given out a second time.
        let remedy = "restore it, or remove it to begin with the oldest segment that is there";
        let stored_start = read_checked(disk, &self.folder.join(LOG_START_FILE), remedy, |text| text.trim().parse().ok())?.unwrap_or(0);
        self.gaps_up_to = if may_have_gaps { i64::MAX } else { stored_start };
        let bases = offsets_of(&self.names, LOG_SUFFIX);
        let Some((last_base, closed_bases)) = bases.split_last() else {
            return Ok(State {
                log_start_offset: stored_start,
                next_offset: stored_start,
                closed: VecDeque::new(),
                active: Active::new(Paths::new(self.folder, stored_start), stored_start),
                producers: self.snapshot(stored_start).map(|(_, producers)| producers).unwrap_or_default(),
                aborted: AbortedIndex::default(),
                unsealed: Vec::new(),
                appended_bytes: 0,
                unflushed_records: 0,
                unflushed_since_ms: None,
                deleted: false,
            });
        };
        let mut closed = VecDeque::new();
        for base_offset in closed_bases {
            closed.push_back(self.closed_segment(name, *base_offset)?);
        }
        let (active, next_offset) = self.active_segment(name, *last_base)?;
        let first = bases.first().copied().unwrap_or(0);
        let mut state = State {
            log_start_offset: stored_start.max(first),
            // Never behind what is promised to have been deleted, even if the log's tail was lost.
            next_offset: next_offset.max(stored_start),
            closed,
            active,
            producers: Producers::default(),
            aborted: AbortedIndex::default(),
            unsealed: Vec::new(),
            appended_bytes: 0,
            unflushed_records: 0,
            unflushed_since_ms: None,
            deleted: false,
        };
        state.producers = self.producers(&mut state)?;
        let start = state.log_start_offset;
        let aborted = std::mem::take(&mut self.aborted).into_values().filter(|aborted| aborted.marker_offset >= start);
        state.aborted = AbortedIndex::new(aborted, state.producers.first_unstable_offset().unwrap_or(state.next_offset));
        Ok(state)
    }

    fn closed_segment(&mut self, name: &str, base_offset: i64) -> io::Result<Arc<ClosedSegment>> {
        let disk = self.environment.disk.as_ref();
        let paths = Paths::new(self.folder, base_offset);
        if let Some(footer) = read_footer(disk, &paths, disk.size(&paths.log)?)
            && self.take_aborted(&paths, footer.aborted_count)
        {
            let last_append_ms = self.modified_ms(&paths);
            return Ok(Arc::new(ClosedSegment::from_footer(paths, base_offset, &footer, last_append_ms)));
        }
        let (active, next_offset) = self.scanned(name, paths, base_offset)?;
        let segment = Arc::new(ClosedSegment::from_active(active, next_offset));
        self.unsealed.push(Arc::clone(&segment));
        Ok(segment)
    }

    /// Takes note of what the seal says was aborted; `false`: it is damaged.
    fn take_aborted(&mut self, paths: &Paths, count: u64) -> bool {
        if count == 0 {
            return true;
        }
        let stored = self.environment.disk.read(&paths.index).ok().and_then(|bytes| SparseIndex::decode(&bytes));
        let is_sound = stored.is_some();
        self.aborted.extend(stored.into_iter().flat_map(|(_, aborted)| aborted).map(|aborted| (aborted.marker_offset, aborted)));
        is_sound
    }

    fn active_segment(&mut self, name: &str, base_offset: i64) -> io::Result<(Active, i64)> {
        let disk = self.environment.disk.as_ref();
        let paths = Paths::new(self.folder, base_offset);
        let size = disk.size(&paths.log)?;
        if let Some(footer) = read_footer(disk, &paths, size)
            && let Some((index, aborted)) = disk.read(&paths.index).ok().and_then(|bytes| SparseIndex::decode(&bytes))
        {
            self.aborted.extend(aborted.into_iter().map(|aborted| (aborted.marker_offset, aborted)));
            let active = self.reopened(Active { size, index, sealed: true, ..Active::new(paths, base_offset) })?;
            return Ok((active, footer.next_offset));
        }
        self.scanned(name, paths, base_offset)
    }

    /// A segment whose every batch is held against its checksum; what follows the last sound one is cut off.
    fn scanned(&mut self, name: &str, paths: Paths, base_offset: i64) -> io::Result<(Active, i64)> {
        self.scanned_from = self.scanned_from.min(base_offset);
        let disk = self.environment.disk.as_ref();
        let empty = Active::new(paths, base_offset);
        let file = self.environment.open(&empty.file)?;
        let size = file.size()?;
        let mut index = SparseIndex::default();
        // Offsets of a segment fit four bytes.
        let end_offset = base_offset.saturating_add(1 << 32);
        let mut order = Order { next_offset: base_offset, gaps_up_to: self.gaps_up_to, end_offset };
        let sound = scan(file.as_ref(), 0, size, |header, position| {
            // A whole batch with an offset that can't be its own is a remnant, or damaged, and not a record.
            let follows = order.admits(header);
            if follows {
                index.add(header, position, self.config.index_interval_bytes);
            }
            follows
        })?;
        let next_offset = order.next_offset;
        if sound < size {
            tracing::warn!(
                partition = name,
                segment = base_offset,
                cut_bytes = size - sound,
                next_offset,
                "the log's tail was torn; it is cut off"
            );
            file.truncate(sound)?;
        }
        disk.remove_file(&empty.paths.index)?;
        if self.environment.durability == Durability::Sync && sound > 0 {
            // It was written by a process that is no more, and readers will rely on it from now on.
            file.sync()?;
            disk.sync_folder(self.folder)?;
        }
        Ok((self.reopened(Active { size: sound, index, ..empty })?, next_offset))
    }

    /// With the times that decide when it rolls and expires.
    fn reopened(&self, mut active: Active) -> io::Result<Active> {
        if active.size == 0 {
            return Ok(active);
        }
        let first = find_batch(self.environment.open(&active.file)?.as_ref(), 0, active.size, |_| true)?;
        active.first_timestamp_ms = first.map(|found| found.header.max_timestamp_ms).filter(|first_ms| *first_ms != NO_TIMESTAMP);
        active.last_append_ms = self.modified_ms(&active.paths);
        active.first_append_ms = Some(active.last_append_ms);
        Ok(active)
    }

    /// When a segment was last appended to, as far as the disk knows.
    fn modified_ms(&self, paths: &Paths) -> i64 {
        self.environment.disk.modified_ms(&paths.log).unwrap_or_else(|_| self.environment.clock.now_ms())
    }

    /// The newest sound snapshot from before what was scanned, and on top of it every batch since; so transactions that began before the
    /// scanned part are known to whoever aborted them in it.
    fn producers(&mut self, state: &mut State) -> io::Result<Producers> {
        // Taken of records that did not survive: once others stand in their places it would be believed.
        for stale in offsets_of(&self.names, SNAPSHOT_SUFFIX).into_iter().filter(|offset| *offset > state.next_offset) {
            self.environment.disk.remove_file(&snapshot_path(self.folder, stale))?;
        }
        let up_to = state.next_offset.min(self.scanned_from);
        let (from, mut producers) = self.snapshot(up_to).unwrap_or((0, Producers::default()));
        let (limit, aborted) = (self.config.max_producers, &mut self.aborted);
        let mut replay = |file: &dyn crate::disk::DiskFile, position: u64, size: u64| {
            find_batch_at(file, position, size, |Found { position, header }| {
                if header.base_offset < from {
                    return Ok(false);
                }
                if !header.is_control() {
                    producers.appended(header, header.max_timestamp_ms, limit);
                } else if let Some(marker) = read_marker(file, *position, header.size)? {
                    let ended = producers.ended(header, marker, header.max_timestamp_ms, limit);
                    aborted.extend(ended.map(|ended| (ended.marker_offset, ended)));
                }
                Ok(false)
            })
        };
        for segment in state.closed.iter().filter(|segment| segment.next_offset > from) {
            let replayed = replay(self.environment.open(&segment.file)?.as_ref(), 0, segment.size);
            pass_over_damage(&segment.paths.log, replayed)?;
        }
        if state.active.size > 0 && state.next_offset > from {
            let position = state.active.index.place_of_offset(from).position;
            let size = state.active.size;
            let replayed = replay(self.environment.open(&state.active.file)?.as_ref(), position, size);
            pass_over_damage(&state.active.paths.log, replayed)?;
        }
        // Clients' timestamps say when something happened to them, not when it came here.
        producers.seen_all(self.environment.clock.now_ms());
        Ok(producers)
    }

    fn snapshot(&self, up_to: i64) -> Option<(i64, Producers)> {
        let disk = self.environment.disk.as_ref();
        let candidates = offsets_of(&self.names, SNAPSHOT_SUFFIX).into_iter().rev().filter(|offset| *offset <= up_to);
        candidates.into_iter().find_map(|offset| Some((offset, Producers::decode(&disk.read(&snapshot_path(self.folder, offset)).ok()?)?)))
    }
}

/// One damaged segment must not keep the broker from starting: what its producers wrote behind the damage is not known any more.
fn pass_over_damage(log: &Path, replayed: io::Result<Option<Found>>) -> io::Result<()> {
    match replayed {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            tracing::error!(file = %log.display(), %error, "a segment is damaged; retries of what is behind that will not be recognised");
            Ok(())
        }
        replayed => replayed.map(drop),
    }
}

fn snapshot_path(folder: &Path, offset: i64) -> PathBuf {
    folder.join(format!("{offset:020}{SNAPSHOT_SUFFIX}"))
}

/// The offsets that files of a kind are named by, ascending.
fn offsets_of(names: &[String], suffix: &str) -> Vec<i64> {
    let mut offsets: Vec<i64> = names.iter().filter_map(|name| name.strip_suffix(suffix)?.parse().ok()).collect();
    offsets.sort_unstable();
    offsets
}
