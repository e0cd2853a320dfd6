//! One file of a log, and finding batches in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::aborted::AbortedTransaction;
use super::append::LEADER_EPOCH;
use super::batch::{self, BatchHeader, HEADER_BYTES, NO_TIMESTAMP};
use super::files::LogFile;
use super::index::{FOOTER_BYTES, Footer, SparseIndex};
use super::partition::{Active, Environment};
use super::slice::Slice;
use crate::disk::{Disk, DiskFile};
use crate::sync::lock;

/// Bytes looked at to step over batch headers before the one that is wanted.
const STEP_BYTES: usize = 8 * 1024;
/// Bytes read at a time when a whole segment is scanned.
const SCAN_BYTES: usize = 4 * 1024 * 1024;

/// Where a segment's files are. Names are Kafka's: the base offset in twenty digits.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) log: PathBuf,
    pub(super) index: PathBuf,
}

impl Paths {
    pub(super) fn new(folder: &Path, base_offset: i64) -> Self {
        Self { log: folder.join(format!("{base_offset:020}.log")), index: folder.join(format!("{base_offset:020}.index")) }
    }
}

/// A segment that is complete. Its index is read when someone asks and forgotten when nobody has for a while.
#[derive(Debug)]
pub(super) struct ClosedSegment {
    pub(super) base_offset: i64,
    pub(super) next_offset: i64,
    pub(super) size: u64,
    max_timestamp_ms: i64,
    /// When it was last appended to, by the broker's clock.
    last_append_ms: i64,
    pub(super) file: Arc<LogFile>,
    pub(super) paths: Paths,
    index: Mutex<CachedIndex>,
}

#[derive(Debug, Default)]
struct CachedIndex {
    index: Option<Arc<SparseIndex>>,
    used: bool,
}

impl ClosedSegment {
    /// A segment that was active until now.
    pub(super) fn from_active(active: Active, next_offset: i64) -> Self {
        let Active { base_offset, paths, file, size, index, last_append_ms, .. } = active;
        let max_timestamp_ms = index.max_timestamp_ms();
        let index = Mutex::new(CachedIndex { index: Some(Arc::new(index)), used: true });
        Self { base_offset, next_offset, size, max_timestamp_ms, last_append_ms, file, paths, index }
    }

    /// A segment whose seal says all there is to know.
    pub(super) fn from_footer(paths: Paths, base_offset: i64, footer: &Footer, last_append_ms: i64) -> Self {
        let Footer { next_offset, log_size, max_timestamp_ms, .. } = *footer;
        let file = LogFile::new(paths.log.clone());
        Self { base_offset, next_offset, size: log_size, max_timestamp_ms, last_append_ms, file, paths, index: Mutex::default() }
    }

    /// The largest timestamp of its records, or -1.
    pub(super) fn max_timestamp_ms(&self) -> i64 {
        self.max_timestamp_ms
    }

    /// How young it is: its largest timestamp, or the time of its last append when its records have none.
    pub(super) fn largest_timestamp_ms(&self) -> i64 {
        if self.max_timestamp_ms == NO_TIMESTAMP { self.last_append_ms } else { self.max_timestamp_ms }
    }

    /// What compaction has made of the segments from `first` to `last`. The file does not have its last name yet.
    pub(super) fn cleaned(first: &Self, last: &Self, size: u64, index: SparseIndex, file: Arc<LogFile>) -> Self {
        let max_timestamp_ms = index.max_timestamp_ms();
        let index = Mutex::new(CachedIndex { index: Some(Arc::new(index)), used: true });
        let (base_offset, next_offset, paths) = (first.base_offset, last.next_offset, first.paths.clone());
        Self { base_offset, next_offset, size, max_timestamp_ms, last_append_ms: last.last_append_ms, file, paths, index }
    }

    /// The index, from its file or from the log when the file is lost or damaged.
    pub(super) fn index(&self, environment: &Environment, interval_bytes: u64) -> io::Result<Arc<SparseIndex>> {
        let mut cached = lock(&self.index);
        cached.used = true;
        if let Some(index) = &cached.index {
            return Ok(Arc::clone(index));
        }
        // One of another size is of the segment whose name this one takes.
        let footer = read_footer(environment.disk.as_ref(), &self.paths, self.size);
        let stored = footer.and_then(|_| SparseIndex::decode(&environment.disk.read(&self.paths.index).ok()?));
        let index = match stored {
            Some((index, _)) => index,
            None => rebuild_index(environment.open(&self.file)?.as_ref(), self.size, interval_bytes)?,
        };
        let index = Arc::new(index);
        cached.index = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Syncs the log and writes the index, which says so, with the transactions that were aborted in it.
    pub(super) fn seal(&self, environment: &Environment, interval_bytes: u64, aborted: &[AbortedTransaction]) -> io::Result<()> {
        environment.open(&self.file)?.sync()?;
        let index = self.index(environment, interval_bytes)?;
        environment.disk.write_atomic(&self.paths.index, &index.encode(self.size, self.next_offset, aborted))
    }

    /// Forgets the index when nobody has used it since the last call.
    pub(super) fn forget_idle_index(&self) {
        let mut cached = lock(&self.index);
        if !std::mem::take(&mut cached.used) {
            cached.index = None;
        }
    }

    pub(super) fn remove(&self, disk: &dyn Disk) -> io::Result<()> {
        self.file.close_removed();
        disk.remove_file(&self.paths.index)?;
        disk.remove_file(&self.paths.log)
    }
}

/// The footer of an index file, if it fits a log of `log_size` bytes.
pub(super) fn read_footer(disk: &dyn Disk, paths: &Paths, log_size: u64) -> Option<Footer> {
    let size = disk.size(&paths.index).ok()?;
    let file = disk.open(&paths.index).ok()?;
    let mut bytes = [0; FOOTER_BYTES];
    let read = file.read_at(&mut bytes, size.checked_sub(FOOTER_BYTES as u64)?).ok()?;
    let footer = Footer::read(&bytes[..read])?;
    (footer.log_size == log_size).then_some(footer)
}

fn rebuild_index(file: &dyn DiskFile, size: u64, interval_bytes: u64) -> io::Result<SparseIndex> {
    let mut index = SparseIndex::default();
    let mut position = 0;
    while let Some(found) = find_batch(file, position, size, |_| true)? {
        index.add(&found.header, found.position, interval_bytes);
        position = found.position + found.header.size as u64;
    }
    Ok(index)
}

/// A batch in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) header: BatchHeader,
}

/// The first batch from `position` on that is wanted, by headers alone. `None`: none before `end`.
pub(super) fn find_batch(
    file: &dyn DiskFile,
    position: u64,
    end: u64,
    mut wanted: impl FnMut(&BatchHeader) -> bool,
) -> io::Result<Option<Found>> {
    find_batch_at(file, position, end, |found| Ok(wanted(&found.header)))
}

/// As [`find_batch`], for who also wants to know where each batch stands, and may fail.
pub(super) fn find_batch_at(
    file: &dyn DiskFile,
    mut position: u64,
    end: u64,
    mut wanted: impl FnMut(&Found) -> io::Result<bool>,
) -> io::Result<Option<Found>> {
    let mut buffer = [0; STEP_BYTES];
    let (mut buffered_from, mut buffered) = (position, 0);
    let mut step_bytes = STEP_BYTES;
    while position + HEADER_BYTES as u64 <= end {
        let mut at = usize::try_from(position - buffered_from).unwrap_or(usize::MAX);
        if at.saturating_add(HEADER_BYTES) > buffered {
            buffered_from = position;
            buffered = file.read_at(&mut buffer[..step_bytes], position)?;
            at = 0;
        }
        let header = BatchHeader::read(&buffer[at..buffered]).map_err(|error| corrupt(position, &error))?;
        if position + header.size as u64 > end {
            return Err(corrupt(position, &batch::BatchError::Truncated));
        }
        let found = Found { position, header };
        if wanted(&found)? {
            return Ok(Some(found));
        }
        position += header.size as u64;
        // Behind a large batch comes a large batch, mostly.
        step_bytes = if header.size >= STEP_BYTES { HEADER_BYTES } else { STEP_BYTES };
    }
    Ok(None)
}

/// What the batches of a segment must be like beside each other: where a batch stands in the log is not under its checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Where the next batch begins.
    pub(super) next_offset: i64,
    /// Unless it begins up to here: compaction and DeleteRecords leave gaps.
    pub(super) gaps_up_to: i64,
    /// All offsets are below.
    pub(super) end_offset: i64,
}

impl Order {
    /// Whether this is the next batch; then what follows must follow it.
    pub(super) fn admits(&mut self, header: &BatchHeader) -> bool {
        let has_gap = header.base_offset > self.next_offset && header.base_offset <= self.gaps_up_to;
        let follows = header.base_offset == self.next_offset || has_gap;
        let fits = header.last_offset_delta >= 0 && header.last_offset() < self.end_offset;
        let is_next = follows && fits && header.leader_epoch == LEADER_EPOCH;
        if is_next {
            self.next_offset = header.last_offset() + 1;
        }
        is_next
    }
}

/// As [`find_batch`], but a batch that can't stand where it does is an error.
pub(super) fn find_in_order(
    file: &dyn DiskFile,
    position: u64,
    end: u64,
    mut order: Order,
    mut wanted: impl FnMut(&BatchHeader) -> bool,
) -> io::Result<Option<Found>> {
    find_batch_at(file, position, end, |found| {
        if order.admits(&found.header) { Ok(wanted(&found.header)) } else { Err(corrupt(found.position, &batch::BatchError::Order)) }
    })
}

fn corrupt(position: u64, error: &batch::BatchError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("at byte {position} of a segment: {error}"))
}

/// Walks a segment from `position`, holding every batch against its checksum, and gives each to `visit`, until a batch is not whole,
/// not sound, or `visit` says no. Returns where that is: everything before it can be trusted.
pub(super) fn scan(file: &dyn DiskFile, position: u64, size: u64, mut visit: impl FnMut(&BatchHeader, u64) -> bool) -> io::Result<u64> {
    scan_batches(file, position, size, |header, position, _| visit(header, position))
}

/// As [`scan`], for who also wants to see the batches.
pub(super) fn scan_batches(
    file: &dyn DiskFile,
    mut position: u64,
    size: u64,
    mut visit: impl FnMut(&BatchHeader, u64, &[u8]) -> bool,
) -> io::Result<u64> {
    let mut buffer = Vec::new();
    loop {
        let left = usize::try_from(size - position).unwrap_or(usize::MAX);
        buffer.resize(left.min(SCAN_BYTES), 0);
        let read = file.read_at(&mut buffer, position)?;
        if let Ok(header) = BatchHeader::read(&buffer[..read])
            && header.size > read
            && header.size <= left
        {
            buffer.resize(header.size, 0);
            let read = file.read_at(&mut buffer, position)?;
            buffer.truncate(read);
        } else {
            buffer.truncate(read);
        }
        let start = position;
        let mut at = 0;
        while let Ok(header) = batch::check(&buffer[at..]) {
            if !visit(&header, position, &buffer[at..at + header.size]) {
                return Ok(position);
            }
            at += header.size;
            position += header.size as u64;
        }
        if position == start {
            return Ok(position);
        }
    }
}

/// Whole batches from `found` on, up to `max_bytes`, but at least the first one, as far as they end before the offset `below`.
pub(super) fn whole_batches(
    file: Arc<dyn DiskFile>,
    found: &Found,
    end: u64,
    max_bytes: usize,
    below: i64,
    order: Order,
) -> io::Result<Option<Slice>> {
    let position = found.position;
    let last_end = position + max_bytes.max(found.header.size) as u64;
    let (mut whole_end, mut next_offset) = (position, found.header.base_offset);
    let order = Order { next_offset, ..order };
    let walked = find_in_order(file.as_ref(), position, end, order, |header| {
        let batch_end = whole_end + header.size as u64;
        let is_over = batch_end > last_end || header.last_offset() >= below;
        if !is_over {
            (whole_end, next_offset) = (batch_end, header.last_offset() + 1);
        }
        is_over
    });
    if whole_end == position {
        // Damage behind sound batches is the next reader's.
        walked?;
    }
    let bytes = usize::try_from(whole_end - position).unwrap_or(usize::MAX);
    Ok((bytes > 0).then_some(Slice { file, position, bytes, next_offset }))
}

/// Reads whole batches from `found` on, up to `max_bytes`, but at least the first one.
pub(super) fn read_batches(file: &dyn DiskFile, found: &Found, end: u64, max_bytes: usize) -> io::Result<Vec<u8>> {
    let available = usize::try_from(end - found.position).unwrap_or(usize::MAX);
    let mut bytes = vec![0; max_bytes.max(found.header.size).min(available)];
    let read = file.read_at(&mut bytes, found.position)?;
    bytes.truncate(read);
    let whole = batch::headers(&bytes).last().map_or(0, |(at, header)| at + header.size);
    bytes.truncate(whole);
    Ok(bytes)
}
