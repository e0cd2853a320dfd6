//! Reading: whole batches as they are stored, found by offset or by time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::batch::{self, BatchHeader, NO_TIMESTAMP};
use super::index::{Place, SparseIndex};
use super::partition::{Partition, State};
use super::records::records_in;
use super::segment::{ClosedSegment, Found, Order, find_batch, find_in_order, read_batches, whole_batches};
use super::slice::Slice;
use crate::disk::DiskFile;
use crate::sync::lock;

/// An offset found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimedOffset {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
}

/// A segment as far as it reached when it was looked at.
struct Source {
    segment: Segment,
    size: u64,
    max_timestamp_ms: i64,
    /// Where it begins and ends, and up to where it may have gaps.
    order: Order,
}

enum Segment {
    Closed(Arc<ClosedSegment>),
    /// The active one's file, and a position near what is sought, taken under the lock.
    Active(Arc<dyn DiskFile>, Place),
}

/// What is sought in a segment.
#[derive(Clone, Copy)]
enum Sought {
    Offset(i64),
    Time(i64),
}

impl Partition {
    /// Whole batches from the one that holds `offset` on, up to `max_bytes`. The first is returned even if it is larger when `at_least_one`
    /// (KIP-74), else nothing is. At the end of the log there is nothing.
    pub(crate) fn read(&self, offset: i64, max_bytes: usize, at_least_one: bool) -> Result<Bytes, ReadError> {
        match self.slice(offset, max_bytes, at_least_one, i64::MAX)? {
            Some(slice) => Ok(slice.read()?),
            None => Ok(Bytes::new()),
        }
    }

    /// The same where it lies, and only batches that end before the offset `below`.
    pub(crate) fn slice(&self, offset: i64, max_bytes: usize, at_least_one: bool, below: i64) -> Result<Option<Slice>, ReadError> {
        again_if_replaced(|| self.slice_from(offset, max_bytes, at_least_one, below))
    }

    fn slice_from(&self, offset: i64, max_bytes: usize, at_least_one: bool, below: i64) -> Result<Option<Slice>, ReadError> {
        let mut from = offset;
        loop {
            let Some(source) = self.source_of(from)? else {
                return Ok(None);
            };
            let next_segment_offset = match &source.segment {
                Segment::Closed(segment) => Some(segment.next_offset),
                Segment::Active(..) => None,
            };
            let (file, place) = self.locate(&source, Sought::Offset(from))?;
            let order = Order { next_offset: place.base_offset.unwrap_or(source.order.next_offset), ..source.order };
            match find_in_order(file.as_ref(), place.position, source.size, order, |header| header.last_offset() >= from)? {
                Some(found) if found.header.size > max_bytes && !at_least_one => return Ok(None),
                Some(found) => return Ok(whole_batches(file, &found, source.size, max_bytes, below, order)?),
                // A gap at the segment's end, where a damaged tail was cut off: go on behind it.
                None => match next_segment_offset.filter(|next| *next > from) {
                    Some(next) => from = next,
                    None => return Ok(None),
                },
            }
        }
    }

    /// The first record with a timestamp of at least `timestamp_ms`. Compressed batches are opened for it.
    pub(crate) fn offset_of_time(&self, timestamp_ms: i64) -> Result<Option<TimedOffset>, ReadError> {
        again_if_replaced(|| self.find_time(timestamp_ms))
    }

    fn find_time(&self, timestamp_ms: i64) -> Result<Option<TimedOffset>, ReadError> {
        let (sources, log_start_offset) = self.sources(Sought::Time(timestamp_ms))?;
        for source in sources.iter().filter(|source| source.max_timestamp_ms >= timestamp_ms) {
            let (file, place) = self.locate(source, Sought::Time(timestamp_ms))?;
            let mut position = place.position;
            let wanted = |header: &BatchHeader| header.max_timestamp_ms >= timestamp_ms && header.last_offset() >= log_start_offset;
            // Records below the log start offset may be the ones that made a batch look right, so there can be a second one to open.
            while let Some(found) = find_batch(file.as_ref(), position, source.size, wanted)? {
                if let Some(offset) = self.record_of_time(file.as_ref(), &found, source.size, timestamp_ms, log_start_offset)? {
                    return Ok(Some(offset));
                }
                position = found.position + found.header.size as u64;
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp (KIP-734).
    pub(crate) fn offset_of_max_timestamp(&self) -> Result<Option<TimedOffset>, ReadError> {
        again_if_replaced(|| self.find_max_timestamp())
    }

    fn find_max_timestamp(&self) -> Result<Option<TimedOffset>, ReadError> {
        let (sources, log_start_offset) = self.sources(Sought::Time(i64::MIN))?;
        let mut max_timestamp_ms = NO_TIMESTAMP;
        for source in &sources {
            if source.max_timestamp_ms <= max_timestamp_ms {
                continue;
            }
            let (file, _) = self.locate(source, Sought::Time(i64::MIN))?;
            find_batch(file.as_ref(), 0, source.size, |header| {
                if header.last_offset() >= log_start_offset {
                    max_timestamp_ms = max_timestamp_ms.max(header.max_timestamp_ms);
                }
                false
            })?;
        }
        if max_timestamp_ms == NO_TIMESTAMP { Ok(None) } else { self.find_time(max_timestamp_ms) }
    }

    fn record_of_time(
        &self,
        file: &dyn DiskFile,
        found: &Found,
        end: u64,
        timestamp_ms: i64,
        log_start_offset: i64,
    ) -> Result<Option<TimedOffset>, ReadError> {
        let header = &found.header;
        let batch = read_batches(file, found, end, 0)?;
        let damaged = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let contents = batch::contents(&batch, header, self.config().max_decompressed_bytes).map_err(|error| damaged(error.to_string()))?;
        for record in records_in(&contents) {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            let offset = header.base_offset + i64::from(record.offset_delta);
            let record_ms = header.record_time_ms(record.timestamp_delta_ms);
            if record_ms >= timestamp_ms && offset >= log_start_offset {
                return Ok(Some(TimedOffset { offset, timestamp_ms: record_ms }));
            }
        }
        Ok(None)
    }

    /// The segment that holds `offset`; `None` at the end of the log.
    fn source_of(&self, offset: i64) -> Result<Option<Source>, ReadError> {
        let mut state = lock(&self.state);
        let state = &mut *state;
        if state.deleted {
            return Err(ReadError::Deleted);
        }
        let (log_start_offset, high_watermark) = (state.log_start_offset, state.next_offset);
        if offset < log_start_offset || offset > high_watermark {
            return Err(ReadError::OutOfRange { offset, log_start_offset, high_watermark });
        }
        if offset == high_watermark {
            return Ok(None);
        }
        if offset >= state.active.base_offset {
            return self.active_source(state, Sought::Offset(offset)).map(Some);
        }
        let after = state.closed.partition_point(|segment| segment.next_offset <= offset);
        match state.closed.get(after) {
            Some(segment) => Ok(Some(Source::closed(segment, self.gaps_up_to(state)))),
            None => self.active_source(state, Sought::Offset(offset)).map(Some),
        }
    }

    /// Every segment, and the log start offset at the same moment.
    fn sources(&self, sought: Sought) -> Result<(Vec<Source>, i64), ReadError> {
        let mut state = lock(&self.state);
        if state.deleted {
            return Err(ReadError::Deleted);
        }
        let gaps_up_to = self.gaps_up_to(&state);
        let mut sources: Vec<Source> = state.closed.iter().map(|segment| Source::closed(segment, gaps_up_to)).collect();
        if state.active.size > 0 {
            sources.push(self.active_source(&mut state, sought)?);
        }
        Ok((sources, state.log_start_offset))
    }

    /// Up to which offset batches need not follow each other without a gap.
    fn gaps_up_to(&self, state: &State) -> i64 {
        // After a power cut the log may go on where it had been deleted up to, further than it reached.
        if self.may_have_gaps.load(Relaxed) { i64::MAX } else { state.log_start_offset }
    }

    fn active_source(&self, state: &mut State, sought: Sought) -> Result<Source, ReadError> {
        let order = Order { next_offset: state.active.base_offset, gaps_up_to: self.gaps_up_to(state), end_offset: state.next_offset };
        let active = &mut state.active;
        let file = self.environment.open(&active.file)?;
        let place = sought.place_in(&active.index);
        Ok(Source { segment: Segment::Active(file, place), size: active.size, max_timestamp_ms: active.index.max_timestamp_ms(), order })
    }

    fn locate(&self, source: &Source, sought: Sought) -> Result<(Arc<dyn DiskFile>, Place), ReadError> {
        match &source.segment {
            Segment::Active(file, place) => Ok((Arc::clone(file), *place)),
            Segment::Closed(segment) => {
                let index = segment.index(&self.environment, self.config().index_interval_bytes)?;
                Ok((self.environment.open(&segment.file)?, sought.place_in(&index)))
            }
        }
    }
}

impl Source {
    fn closed(segment: &Arc<ClosedSegment>, gaps_up_to: i64) -> Self {
        let (size, max_timestamp_ms) = (segment.size, segment.max_timestamp_ms());
        let order = Order { next_offset: segment.base_offset, gaps_up_to, end_offset: segment.next_offset };
        Self { segment: Segment::Closed(Arc::clone(segment)), size, max_timestamp_ms, order }
    }
}

impl Sought {
    fn place_in(self, index: &SparseIndex) -> Place {
        match self {
            Sought::Offset(offset) => index.place_of_offset(offset),
            Sought::Time(timestamp_ms) => index.place_of_time(timestamp_ms),
        }
    }
}

/// A segment may be deleted, or replaced by a compacted one, between the look at the list and the look at the file. Then the list is looked
/// at again.
fn again_if_replaced<T>(read: impl Fn() -> Result<T, ReadError>) -> Result<T, ReadError> {
    const TIMES: usize = 10;
    for _ in 0..TIMES {
        match read() {
            Err(ReadError::Storage(error)) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    read()
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Not in the log, at once: waiting would never end (`auto.offset.reset` depends on it).
    #[error("offset {offset} is not between the log start offset {log_start_offset} and the high watermark {high_watermark}")]
    OutOfRange {
        /// What was asked for.
        offset: i64,
        /// The first offset.
        log_start_offset: i64,
        /// The next offset.
        high_watermark: i64,
    },
    /// The topic is gone.
    #[error("the topic was deleted")]
    Deleted,
    /// The disk failed, or the file is damaged.
    #[error("the log could not be read: {0}")]
    Storage(#[from] io::Error),
}
