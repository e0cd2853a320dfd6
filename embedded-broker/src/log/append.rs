//! Appending: everything is checked before the lock, everything that can fail is done before anything changes.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;

use super::batch::{self, BatchError, BatchHeader, NO_PRODUCER_ID, NO_TIMESTAMP, PATCHED_BYTES};
use super::config::LogConfig;
use super::partition::{Active, Partition, State};
use super::producers::Verdict;
use super::records::{RecordFault, check_records};
use super::segment::{ClosedSegment, Paths};
use super::transactions::Marker;
use crate::config::Durability;
use crate::sync::lock;

/// There is one replica and it never changes hands.
pub(crate) const LEADER_EPOCH: i32 = 0;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client: exactly one batch, held to the topic's rules.
    Client,
    /// The broker itself.
    Internal,
}

/// Where a batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    pub(crate) log_start_offset: i64,
    /// The broker's time, if it stands in the batch; else -1.
    pub(crate) log_append_time_ms: i64,
}

impl Partition {
    /// Appends one batch. A retry of a batch that is already there answers as it did then.
    pub(crate) fn append(&self, batch: &Bytes, origin: Origin) -> Result<Appended, AppendError> {
        let config = self.config();
        let now_ms = self.environment.clock.now_ms();
        let mut header = batch::check(batch)?;
        if header.size != batch.len() {
            return Err(AppendError::ManyBatches);
        }
        let mut changed = None;
        if origin == Origin::Client {
            changed = check_client_batch(batch, &header, &config, now_ms)?;
        }
        if config.log_append_time {
            changed = Some(batch::with_log_append_time(changed.as_ref().unwrap_or(batch), now_ms));
        }
        if let Some(changed) = &changed {
            header = BatchHeader::read(changed)?;
        }
        let appended = self.append_checked(changed.as_ref().unwrap_or(batch), header, None, &config, now_ms)?;
        self.wake();
        Ok(appended)
    }

    /// A batch that was found good; `marker`: what it says, if it ends a transaction.
    pub(super) fn append_checked(
        &self,
        batch: &[u8],
        mut header: BatchHeader,
        marker: Option<Marker>,
        config: &LogConfig,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let mut state = lock(&self.state);
        if state.deleted {
            return Err(AppendError::Deleted);
        }
        if state.active.file.has_failed() {
            return Err(AppendError::Storage(io::Error::other(
                "an earlier sync of this log failed; start the broker again to see what is left",
            )));
        }
        let log_start_offset = state.log_start_offset;
        let log_append_time_ms = if config.log_append_time { now_ms } else { NO_TIMESTAMP };
        let verdict = match marker {
            Some(_) if state.producers.admits_marker(header.producer_id, header.producer_epoch) => Verdict::New,
            Some(_) => Verdict::Fenced,
            None => state.producers.judge(&header),
        };
        match verdict {
            Verdict::New => {}
            Verdict::Duplicate { base_offset } => {
                // The first answer may have been lost because it was still waiting for the disk.
                self.register_to_sync(&mut state, 0, config, now_ms);
                return Ok(Appended { base_offset, log_start_offset, log_append_time_ms });
            }
            Verdict::OutOfOrder { expected } => return Err(AppendError::OutOfOrder { expected, found: header.base_sequence }),
            Verdict::Fenced => return Err(AppendError::Fenced),
            Verdict::NoTransaction => return Err(AppendError::NoTransaction),
        }
        self.roll_if_due(&mut state, &header, config, now_ms);
        header.base_offset = state.next_offset;
        self.write(&mut state.active, batch, header.base_offset)?;
        state.active.appended(&header, now_ms, config.index_interval_bytes);
        state.appended_bytes += header.size as u64;
        match marker {
            None => state.producers.appended(&header, now_ms, config.max_producers),
            Some(marker) => {
                let aborted = state.producers.ended(&header, marker, now_ms, config.max_producers);
                let stable_from = state.producers.first_unstable_offset().unwrap_or(header.last_offset() + 1);
                if let Some(aborted) = aborted {
                    state.aborted.push(aborted, stable_from);
                }
            }
        }
        state.next_offset = header.last_offset() + 1;
        self.register_to_sync(&mut state, header.record_count, config, now_ms);
        Ok(Appended { base_offset: header.base_offset, log_start_offset, log_append_time_ms })
    }

    /// What is appended is to be on the disk before it is answered, if the topic or the broker wants it so, or when enough has gathered.
    fn register_to_sync(&self, state: &mut State, records: i32, config: &LogConfig, now_ms: i64) {
        let flush_messages = if self.environment.durability == Durability::Sync { 1 } else { config.flush_messages };
        state.unflushed_records = state.unflushed_records.saturating_add(i64::from(records));
        if state.unflushed_records >= flush_messages || flush_messages == 1 {
            self.flush(state);
        } else {
            state.unflushed_since_ms.get_or_insert(now_ms);
        }
    }

    /// Has the active segment synced by the next group commit.
    pub(super) fn flush(&self, state: &mut State) {
        let is_new = !std::mem::replace(&mut state.active.is_named, true);
        self.environment.commits.register(&state.active.file, is_new.then_some(self.folder.as_path()));
        (state.unflushed_records, state.unflushed_since_ms) = (0, None);
    }

    /// One write: the first bytes patched, the rest as they came.
    fn write(&self, active: &mut Active, batch: &[u8], base_offset: i64) -> io::Result<()> {
        let file = self.environment.open(&active.file)?;
        if active.torn {
            file.truncate(active.size)?;
            active.torn = false;
        }
        if active.sealed {
            self.disk().remove_file(&active.paths.index)?;
            active.sealed = false;
        }
        let prefix = batch::patched_prefix(batch, base_offset, LEADER_EPOCH);
        let written = file.append(&mut [IoSlice::new(&prefix), IoSlice::new(&batch[PATCHED_BYTES..])]);
        if written.is_err() {
            // Cut off what may have been written; if even that fails, the next append tries again first.
            active.torn = file.truncate(active.size).is_err();
        }
        written
    }

    /// Kafka's rules: by bytes, by index, by time, and before offsets no longer fit their four bytes. The time that counts is the records'
    /// own, so that a replayed history is cut as the original was; the broker's only when they have none.
    fn roll_if_due(&self, state: &mut State, header: &BatchHeader, config: &LogConfig, now_ms: i64) {
        let active = &state.active;
        if active.size == 0 {
            return;
        }
        let is_full = active.size + header.size as u64 > config.segment_bytes
            || active.index.is_full(config.segment_index_bytes)
            || state.next_offset + i64::from(header.last_offset_delta) - active.base_offset > i64::from(i32::MAX);
        let waited_ms = match active.first_timestamp_ms {
            Some(first_ms) if header.max_timestamp_ms != NO_TIMESTAMP => header.max_timestamp_ms.saturating_sub(first_ms),
            _ => active.first_append_ms.map_or(0, |first_ms| now_ms.saturating_sub(first_ms)),
        };
        if is_full || waited_ms > config.roll_ms(active.base_offset) {
            self.roll(state);
        }
    }

    /// Closes the active segment and begins a new one. Its seal, which waits for the disk, is left to housekeeping.
    pub(super) fn roll(&self, state: &mut State) {
        if state.active.file.has_failed() {
            return;
        }
        if state.unflushed_records > 0 && self.config().flush_messages < i64::MAX {
            self.flush(state);
        }
        let next_offset = state.next_offset;
        let mut fresh = Active::new(Paths::new(&self.folder, next_offset), next_offset);
        fresh.file = state.active.file.next(fresh.paths.log.clone());
        let old = std::mem::replace(&mut state.active, fresh);
        let was_sealed = old.sealed;
        let closed = Arc::new(ClosedSegment::from_active(old, next_offset));
        state.closed.push_back(Arc::clone(&closed));
        if !was_sealed {
            state.unsealed.push((closed, Some(Arc::new(state.producers.clone()))));
            self.unsealed.store(true, Relaxed);
            self.environment.housekeeping.notify_one();
        }
    }
}

/// Holds a client's batch to the rules. Returns it compressed anew if the topic wants it so.
fn check_client_batch(batch: &[u8], header: &BatchHeader, config: &LogConfig, now_ms: i64) -> Result<Option<Bytes>, AppendError> {
    check_size(header, config)?;
    if header.is_control() {
        return Err(AppendError::Invalid("control batches are the broker's own"));
    }
    if header.is_transactional() && header.producer_id == NO_PRODUCER_ID {
        return Err(AppendError::Invalid("a transactional batch needs a producer id"));
    }
    if header.record_count == 0 || header.record_count - 1 != header.last_offset_delta {
        return Err(AppendError::Invalid("the record count and the last offset delta do not fit each other"));
    }
    if header.producer_id != NO_PRODUCER_ID && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(AppendError::Invalid("an idempotent batch needs a sequence and an epoch"));
    }
    let oldest_ms = now_ms.saturating_sub(config.timestamp_before_max_ms);
    let newest_ms = now_ms.saturating_add(config.timestamp_after_max_ms);
    let has_time = header.base_timestamp_ms != NO_TIMESTAMP;
    if !config.log_append_time && has_time && (header.base_timestamp_ms < oldest_ms || header.max_timestamp_ms > newest_ms) {
        return Err(AppendError::Timestamp);
    }
    check_contents(batch, header, config)
}

fn check_contents(batch: &[u8], header: &BatchHeader, config: &LogConfig) -> Result<Option<Bytes>, AppendError> {
    let contents = batch::contents(batch, header, config.max_decompressed_bytes)?;
    check_records(&contents, header, config.compacts).map_err(|fault| match fault {
        RecordFault::Malformed => AppendError::Invalid("the records do not match the batch's header"),
        RecordFault::NoKey { index } => AppendError::NoKey { index },
    })?;
    match config.compression {
        Some(codec) if codec.id() != header.codec_id() => {
            let anew = batch::with_contents(batch, codec, &codec.compress(&contents)?);
            check_size(&BatchHeader::read(&anew)?, config)?;
            Ok(Some(anew))
        }
        _ => Ok(None),
    }
}

fn check_size(header: &BatchHeader, config: &LogConfig) -> Result<(), AppendError> {
    let (size, max_bytes) = (header.size, config.max_message_bytes);
    if size > max_bytes { Err(AppendError::TooLarge { size, max_bytes }) } else { Ok(()) }
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// Damaged, or of a format this broker does not store.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// More than one batch, or bytes after it.
    #[error("one record batch per partition is allowed, but more bytes follow it")]
    ManyBatches,
    /// Against the rules.
    #[error("{0}")]
    Invalid(&'static str),
    /// Compaction would not know what to do with it.
    #[error("record {index} of the batch has no key, and the topic is compacted (cleanup.policy): give every record a key")]
    NoKey {
        /// Which record.
        index: i64,
    },
    /// Above the topic's limit.
    #[error("the record batch has {size} bytes, more than max.message.bytes ({max_bytes}); send smaller batches or raise it")]
    TooLarge {
        /// The batch.
        size: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// Too old or too new.
    #[error("a record's timestamp is further from now than message.timestamp.before.max.ms or message.timestamp.after.max.ms allow")]
    Timestamp,
    /// Something before it is missing.
    #[error("the producer's next sequence is {expected}, but the batch starts with {found}")]
    OutOfOrder {
        /// What should come.
        expected: i32,
        /// What came.
        found: i32,
    },
    /// A newer incarnation has written.
    #[error("a producer with a newer epoch has written to this partition")]
    Fenced,
    /// A batch of a transaction that has ended, or never began.
    #[error("the batch belongs to a transaction that is not open in this partition")]
    NoTransaction,
    /// The topic is gone.
    #[error("the topic was deleted")]
    Deleted,
    /// The disk said no: full, mostly.
    #[error("the batch could not be written: {0}")]
    Storage(#[from] io::Error),
}
