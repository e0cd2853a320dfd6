//! Transactions as one partition sees them: batches that stay invisible to read_committed until a marker says what became of them.
//!
//! A marker is a control batch of one record (KIP-98): its key is a version and a type (0 abort, 1 commit), its value a version and the
//! epoch of the coordinator that wrote it. The **last stable offset** is where the oldest open transaction begins, or the high watermark.
//! What was aborted is known per partition, kept in the segments' index files, and found again by reading the markers when those are lost.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::aborted::AbortedTransaction;
use super::append::{AppendError, Appended};
use super::batch::BatchHeader;
use super::partition::Partition;
use super::producers::Begins;
use super::read::ReadError;
use super::records::{build_producer_batch, records};
use crate::config::Durability;
use crate::sync::lock;

const MARKER_VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// An end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) is_commit: bool,
    pub(crate) coordinator_epoch: i32,
}

/// Whose transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEpoch {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

impl ProducerEpoch {
    /// The same producer, one epoch on.
    pub(crate) fn next(self) -> Self {
        Self { epoch: self.epoch.saturating_add(1), ..self }
    }
}

impl Partition {
    /// Lets this producer's next batch open a transaction here, for as long as nobody says [`Self::refuse_transaction`] or writes a marker.
    /// Call this first, then ask the coordinator: so a marker that comes in between is not overtaken. `false`: one is open, no need to ask.
    pub(crate) fn verify_transaction(&self, producer: ProducerEpoch, begins: Begins) -> bool {
        let limit = self.config().max_producers;
        lock(&self.state).producers.verify(producer.producer_id, producer.epoch, begins, limit)
    }

    /// The coordinator knows of no such transaction.
    pub(crate) fn refuse_transaction(&self, producer: ProducerEpoch) {
        lock(&self.state).producers.refuse(producer.producer_id);
    }

    /// Ends the producer's transaction here. Written also where the producer has written nothing: its epoch fences what may still come.
    pub(crate) fn append_marker(&self, producer: ProducerEpoch, marker: Marker) -> Result<Appended, AppendError> {
        let now_ms = self.environment.clock.now_ms();
        let batch = marker.encode(producer, now_ms);
        let header = BatchHeader::read(&batch)?;
        let appended = self.append_checked(&batch, header, Some(marker), &self.config(), now_ms)?;
        self.wake();
        Ok(appended)
    }

    /// Has everything up to the log's end on the disk, if the broker promises that, before anything is written that relies on it: an answer
    /// waits for all of its files together, which reach the disk in any order. Blocks.
    pub(crate) fn make_durable(&self) -> io::Result<()> {
        if self.environment.durability != Durability::Sync {
            return Ok(());
        }
        let state = lock(&self.state);
        let active = Arc::clone(&state.active.file);
        let is_named = state.active.is_name_synced;
        // Sealed segments were synced by that.
        let mut files: Vec<_> = state.unsealed.iter().map(|(segment, _)| Arc::clone(&segment.file)).collect();
        files.extend((state.active.size > 0).then(|| Arc::clone(&active)));
        drop(state);
        let sync_all = || files.iter().try_for_each(|file| self.environment.open(file)?.sync());
        let synced = sync_all().and_then(|()| if is_named { Ok(()) } else { self.disk().sync_folder(&self.folder) });
        if synced.is_err() {
            // What the system could not write it may have dropped.
            active.set_failed();
            return synced;
        }
        let mut state = lock(&self.state);
        if Arc::ptr_eq(&state.active.file, &active) {
            state.active.is_name_synced = true;
        }
        Ok(())
    }

    /// What a read_committed reader of these offsets must skip. An error if the first of them has been deleted since it was read, for what
    /// is known of it goes with it.
    pub(crate) fn aborted_transactions(&self, offsets: Range<i64>) -> Result<Vec<AbortedTransaction>, ReadError> {
        let state = lock(&self.state);
        let (log_start_offset, high_watermark) = (state.log_start_offset, state.next_offset);
        if offsets.start < log_start_offset {
            return Err(ReadError::OutOfRange { offset: offsets.start, log_start_offset, high_watermark });
        }
        Ok(state.aborted.overlapping(offsets))
    }
}

impl Marker {
    /// The control batch.
    fn encode(self, producer: ProducerEpoch, now_ms: i64) -> Bytes {
        let (mut key, mut value) = (BytesMut::new(), BytesMut::new());
        key.put_i16(MARKER_VERSION);
        key.put_i16(if self.is_commit { COMMIT } else { ABORT });
        value.put_i16(MARKER_VERSION);
        value.put_i32(self.coordinator_epoch);
        build_producer_batch(now_ms, producer, true, [(Some(&key[..]), Some(&value[..]))])
    }

    /// Reads a whole control batch; `None` if it is no marker (Kafka has other kinds, none of which is written here).
    pub(crate) fn decode(batch: &[u8]) -> Option<Self> {
        let record = records(batch).next()?.ok()?;
        let kind = i16::from_be_bytes(*record.key?.get(2..)?.first_chunk()?);
        let coordinator_epoch = record.value.and_then(|value| value.get(2..)?.first_chunk()).map_or(-1, |epoch| i32::from_be_bytes(*epoch));
        matches!(kind, ABORT | COMMIT).then_some(Self { is_commit: kind == COMMIT, coordinator_epoch })
    }
}

/// Reads the marker at a place of a log file.
pub(super) fn read_marker(file: &dyn crate::disk::DiskFile, position: u64, size: usize) -> io::Result<Option<Marker>> {
    // A marker has some eighty bytes; what is larger is something else.
    const MARKER_BYTES_MAX: usize = 1_024;
    if size > MARKER_BYTES_MAX {
        return Ok(None);
    }
    let mut batch = vec![0; size];
    let read = file.read_at(&mut batch, position)?;
    Ok(Marker::decode(&batch[..read]))
}
