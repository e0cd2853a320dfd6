//! Compaction (`cleanup.policy=compact`): keeps the last value of each key, in the closed part of the log.
//!
//! In reading order: `map` (where each key stands last), `filter` (what stays of a batch), this file (what is worth cleaning, and segment by
//! segment through it), `swap` (how new segments take the place of old ones, safe to crash at every step).
//!
//! Never cleaned: the active segment, anything from the first open transaction on, and what is younger than `min.compaction.lag.ms`. Readers
//! and producers go on meanwhile; only the exchange of segments in the list takes the partition's lock.

mod filter;
mod map;
pub(super) mod swap;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::batch::{self, BatchError, NO_TIMESTAMP};
use super::config::LogConfig;
use super::index::SparseIndex;
use super::partition::Partition;
use super::producers::LastBatch;
use super::records::records_in;
use super::segment::{ClosedSegment, find_batch, scan_batches};
use crate::disk::{DiskFile, read_checked, write_checked};
use crate::sync::lock;
use filter::{Aborted, Filter, Kept};
use map::OffsetMap;

/// Up to which offset the log was cleaned. What it says may be lost, which only costs work; that it is there says that offsets may be missing.
pub(super) const CHECKPOINT_FILE: &str = "cleaner-offset";
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1024 * 1024;

/// The part of the log that may be cleaned, as it was when it was looked at.
struct Cleanable {
    /// From the log's start.
    segments: Vec<Arc<ClosedSegment>>,
    aborted: Aborted,
    last_batches: HashMap<i64, LastBatch>,
    tail_offset: i64,
}

/// What a cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cleaned {
    /// Bytes of segments looked at.
    pub(crate) bytes_before: u64,
    /// Bytes of those in their place.
    pub(crate) bytes_after: u64,
}

/// A segment being written.
struct Output {
    file: Arc<dyn DiskFile>,
    pending: Vec<u8>,
    size: u64,
    index: SparseIndex,
}

impl Partition {
    /// Compacts the log if the topic wants it and there is enough to gain. Called every now and then, by one thread at a time.
    pub(crate) fn clean(&self) -> io::Result<()> {
        let config = self.config();
        if !config.compacts || self.uncleanable.load(Relaxed) {
            return Ok(());
        }
        match self.clean_now(&config) {
            // The topic was deleted, or a segment: there will be another time.
            Err(error) if error.kind() == io::ErrorKind::NotFound || lock(&self.state).deleted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                // Trying again would find the same.
                self.uncleanable.store(true, Relaxed);
                tracing::error!(partition = ?self, %error, "a damaged batch stands in the way of compaction; this partition only grows until the broker is started again");
                Ok(())
            }
            cleaned => cleaned.map(|cleaned| {
                if let Some(Cleaned { bytes_before, bytes_after }) = cleaned {
                    tracing::debug!(partition = ?self, bytes_before, bytes_after, "compacted");
                }
            }),
        }
    }

    fn clean_now(&self, config: &LogConfig) -> io::Result<Option<Cleaned>> {
        let now_ms = self.environment.clock.now_ms();
        self.finish_swap()?;
        self.roll_for_compaction(config, now_ms);
        let cleanable = self.cleanable(config, now_ms);
        let checkpoint = read_checked(self.disk(), &self.folder.join(CHECKPOINT_FILE), "", |text| text.trim().parse().ok());
        let checkpoint = checkpoint.ok().flatten().unwrap_or(0);
        if !self.is_worth_it(&cleanable.segments, checkpoint, config, now_ms)? {
            return Ok(None);
        }
        let map = self.offset_map(&cleanable, checkpoint, config)?;
        let mut filter = Filter {
            map: &map,
            now_ms,
            delete_retention_ms: config.delete_retention_ms,
            max_batch_bytes: config.max_decompressed_bytes,
            aborted: &cleanable.aborted,
            last_batches: &cleanable.last_batches,
            tail_offset: cleanable.tail_offset,
            in_transaction: HashSet::new(),
            removed_markers: Vec::new(),
        };
        if !self.disk().list(&self.folder)?.iter().any(|name| name == CHECKPOINT_FILE) {
            write_checked(self.disk(), &self.folder.join(CHECKPOINT_FILE), &checkpoint.to_string())?;
        }
        self.may_have_gaps.store(true, Relaxed);
        let mut cleaned = Cleaned::default();
        let within = cleanable.segments.iter().take_while(|segment| segment.base_offset < map.end_offset);
        for group in groups(&within.cloned().collect::<Vec<_>>(), config) {
            let bytes_before = group.iter().map(|segment| segment.size).sum::<u64>();
            let bytes_after = self.clean_group(group, &mut filter, config)?;
            cleaned = Cleaned { bytes_before: cleaned.bytes_before + bytes_before, bytes_after: cleaned.bytes_after + bytes_after };
        }
        write_checked(self.disk(), &self.folder.join(CHECKPOINT_FILE), &map.end_offset.to_string())?;
        Ok(Some(cleaned))
    }

    /// `max.compaction.lag.ms` counts for the active segment too, which is only cleaned once it is closed.
    fn roll_for_compaction(&self, config: &LogConfig, now_ms: i64) {
        let mut state = lock(&self.state);
        let first_ms = state.active.first_append_ms;
        if first_ms.is_some_and(|first_ms| now_ms.saturating_sub(first_ms) > config.max_compaction_lag_ms) && !state.deleted {
            self.roll(&mut state);
        }
    }

    fn cleanable(&self, config: &LogConfig, now_ms: i64) -> Cleanable {
        let state = lock(&self.state);
        let unsealed: BTreeSet<i64> = state.unsealed.iter().map(|(segment, _)| segment.base_offset).collect();
        let end_offset = state.offsets().last_stable_offset;
        let young_ms = now_ms.saturating_sub(config.min_compaction_lag_ms);
        let may_be_cleaned = |segment: &&Arc<ClosedSegment>| {
            let is_old = config.min_compaction_lag_ms == 0 || segment.largest_timestamp_ms() <= young_ms;
            segment.next_offset <= end_offset && !unsealed.contains(&segment.base_offset) && is_old
        };
        Cleanable {
            segments: state.closed.iter().take_while(may_be_cleaned).cloned().collect(),
            aborted: Aborted::new(state.aborted.iter()),
            last_batches: state.producers.last_batches(),
            tail_offset: if state.active.size == 0 { state.next_offset - 1 } else { i64::MAX },
        }
    }

    /// Kafka's rule: enough of the log is dirty, or something in it has waited for too long.
    fn is_worth_it(&self, segments: &[Arc<ClosedSegment>], checkpoint: i64, config: &LogConfig, now_ms: i64) -> io::Result<bool> {
        let is_dirty = |segment: &&Arc<ClosedSegment>| segment.next_offset > checkpoint;
        let dirty: u64 = segments.iter().filter(is_dirty).map(|segment| segment.size).sum();
        let all: u64 = segments.iter().map(|segment| segment.size).sum();
        if dirty == 0 {
            return Ok(false);
        }
        if dirty as f64 / all as f64 > config.min_cleanable_dirty_ratio {
            return Ok(true);
        }
        let Some(oldest) = segments.iter().find(is_dirty).filter(|_| config.max_compaction_lag_ms < i64::MAX) else { return Ok(false) };
        let mut first_ms = oldest.largest_timestamp_ms();
        find_batch(self.environment.open(&oldest.file)?.as_ref(), 0, oldest.size, |header| {
            first_ms = if header.max_timestamp_ms == NO_TIMESTAMP { first_ms } else { header.max_timestamp_ms };
            true
        })?;
        Ok(now_ms.saturating_sub(first_ms) > config.max_compaction_lag_ms)
    }

    /// The keys of what was not cleaned yet, as far as there is room for them.
    fn offset_map(&self, cleanable: &Cleanable, checkpoint: i64, config: &LogConfig) -> io::Result<OffsetMap> {
        let mut map = OffsetMap::new(config.max_compaction_keys, checkpoint);
        for segment in cleanable.segments.iter().filter(|segment| segment.next_offset > checkpoint) {
            let mut is_full = false;
            self.each_batch(segment, |batch, header| {
                let records = usize::try_from(header.record_count).unwrap_or(0);
                is_full = !map.has_room_for(records);
                if is_full || header.last_offset() < checkpoint {
                    return Ok(!is_full);
                }
                if !header.is_control() && !cleanable.aborted.covers(header) {
                    let contents = batch::contents(batch, header, config.max_decompressed_bytes)?;
                    for record in records_in(&contents) {
                        let record = record.map_err(|_| BatchError::Contents)?;
                        record.key.inspect(|key| map.put(key, header.base_offset + i64::from(record.offset_delta)));
                    }
                }
                map.end_offset = header.last_offset() + 1;
                Ok(true)
            })?;
            if is_full {
                return Ok(map);
            }
            map.end_offset = map.end_offset.max(segment.next_offset);
        }
        Ok(map)
    }

    /// Writes what stays of some neighbouring segments into one, which takes their place. Returns its size.
    fn clean_group(&self, group: &[Arc<ClosedSegment>], filter: &mut Filter<'_>, config: &LogConfig) -> io::Result<u64> {
        let Some((first, last)) = group.first().zip(group.last()) else { return Ok(0) };
        let files = swap::Files::new(&self.folder, first.base_offset, last.next_offset);
        self.disk().remove_file(&files.cleaned)?;
        let mut output = Output { file: self.disk().open(&files.cleaned)?, pending: Vec::new(), size: 0, index: SparseIndex::default() };
        let mut has_changed = group.len() > 1;
        for segment in group {
            self.each_batch(segment, |batch, header| {
                match filter.keep(batch, header)? {
                    Kept::Whole => output.add(batch, config)?,
                    Kept::Changed(batch) => {
                        has_changed = true;
                        output.add(&batch, config)?;
                    }
                    Kept::Nothing => has_changed = true,
                }
                Ok(true)
            })?;
        }
        if !has_changed {
            self.disk().remove_file(&files.cleaned)?;
            return Ok(first.size);
        }
        output.flush()?;
        output.file.sync()?;
        let removed_markers = std::mem::take(&mut filter.removed_markers);
        let Output { size, index, .. } = output;
        self.swap_in(group, &files, size, index, &removed_markers)?;
        Ok(size)
    }

    /// Every batch of a segment, held against its checksum.
    fn each_batch(
        &self,
        segment: &ClosedSegment,
        mut visit: impl FnMut(&[u8], &batch::BatchHeader) -> Result<bool, CleanError>,
    ) -> io::Result<()> {
        let file = self.environment.open(&segment.file)?;
        let (mut failed, mut goes_on) = (None, true);
        let end = scan_batches(file.as_ref(), 0, segment.size, |header, _, batch| {
            match visit(batch, header) {
                Ok(more) => goes_on = more,
                Err(error) => failed = Some(error),
            }
            goes_on && failed.is_none()
        })?;
        match failed {
            Some(CleanError::Io(error)) => Err(error),
            Some(CleanError::Batch(error)) => Err(damaged(segment, end, &error)),
            None if goes_on && end < segment.size => Err(damaged(segment, end, &BatchError::Crc)),
            None => Ok(()),
        }
    }
}

fn damaged(segment: &ClosedSegment, position: u64, error: &BatchError) -> io::Error {
    let reason = format!("at byte {position} of the segment with base offset {}: {error}", segment.base_offset);
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Why a batch was not cleaned.
#[derive(Debug, thiserror::Error)]
enum CleanError {
    /// It can't be read.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The disk said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Output {
    fn add(&mut self, batch: &[u8], config: &LogConfig) -> io::Result<()> {
        let header = batch::BatchHeader::read(batch).map_err(io::Error::other)?;
        self.index.add(&header, self.size, config.index_interval_bytes);
        self.size += batch.len() as u64;
        self.pending.extend_from_slice(batch);
        if self.pending.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let pending = Bytes::from(std::mem::take(&mut self.pending));
        self.file.append(&mut [io::IoSlice::new(&pending)])
    }
}

/// Neighbours that fit into one segment together, so that cleaning does not leave ever more small ones.
fn groups<'a>(segments: &'a [Arc<ClosedSegment>], config: &LogConfig) -> Vec<&'a [Arc<ClosedSegment>]> {
    let mut groups = Vec::new();
    let mut rest = segments;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |segment: &&Arc<ClosedSegment>| {
            bytes += segment.size;
            bytes <= config.segment_bytes && segment.next_offset - first.base_offset <= i64::from(i32::MAX)
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (group, after) = rest.split_at(count);
        groups.push(group);
        rest = after;
    }
    groups
}
