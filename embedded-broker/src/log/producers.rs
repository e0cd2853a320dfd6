//! What a partition remembers of its producers (KIP-98): enough to recognise a retry, to notice a gap, and to know who has a transaction
//! open and since which offset.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::{Buf as _, BufMut as _};

use super::aborted::AbortedTransaction;
use super::batch::{BatchHeader, NO_PRODUCER_ID};
use super::transactions::Marker;

/// Batches remembered per producer: as many as a client may have in flight.
const BATCHES_REMEMBERED: usize = 5;
const SNAPSHOT_MAGIC: u32 = 0x5752_5054;
/// The sequence of a batch the broker writes in a producer's name: offsets committed in a transaction, and markers.
const NO_SEQUENCE: i32 = -1;
/// No transaction is open, or no marker was seen.
const NONE: i64 = -1;
const CRC_BYTES: usize = 4;

/// All producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Producers {
    by_id: HashMap<i64, Producer>,
    /// First offset and producer of every open transaction.
    open: BTreeSet<(i64, i64)>,
    /// Producers whose transaction the coordinator is asked about at this moment. Not durable.
    verifying: HashMap<i64, Verifying>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    last_seen_ms: i64,
    /// Where its open transaction begins.
    open_from: Option<i64>,
    /// Of the coordinator whose marker came last; -1 before the first.
    coordinator_epoch: i32,
    /// Oldest first.
    batches: VecDeque<Batch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    max_timestamp_ms: i64,
}

/// A transaction that is about to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verifying {
    epoch: i16,
    begins: Begins,
}

/// Where the sequences of a transaction may begin in a partition that does not know its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Each transaction has an epoch of its own (KIP-890): what begins later follows a batch that was lost on the way.
    AtZero,
    /// The producer goes on under the epoch it has, and what it wrote before may have been deleted.
    Anywhere,
}

/// What a batch is to the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not seen before: append it.
    New,
    /// Appended before, here: answer as then.
    Duplicate { base_offset: i64 },
    /// Something before it is missing.
    OutOfOrder { expected: i32 },
    /// A newer incarnation of the producer has written.
    Fenced,
    /// Part of a transaction that nobody has begun.
    NoTransaction,
}

impl Producers {
    /// Judges a batch that is about to be appended.
    pub(super) fn judge(&self, header: &BatchHeader) -> Verdict {
        if header.producer_id == NO_PRODUCER_ID {
            return Verdict::New;
        }
        match self.judge_sequence(header) {
            Verdict::New if !self.fits_transaction(header) => Verdict::NoTransaction,
            verdict => verdict,
        }
    }

    /// Whether a transactional batch belongs to a transaction that is open here, or about to be: without this a batch that was under way
    /// when its transaction ended would open one that nobody ends (KIP-890). Any other batch must not come in the middle of one.
    fn fits_transaction(&self, header: &BatchHeader) -> bool {
        let open = self.by_id.get(&header.producer_id).filter(|producer| producer.open_from.is_some());
        if !header.is_transactional() {
            return open.is_none();
        }
        open.is_some_and(|producer| producer.epoch == header.producer_epoch)
            || self.verifying.get(&header.producer_id).is_some_and(|verifying| verifying.epoch == header.producer_epoch)
    }

    fn judge_sequence(&self, header: &BatchHeader) -> Verdict {
        // A producer this partition does not know may start anywhere: what it wrote before may have been deleted.
        let Some(producer) = self.by_id.get(&header.producer_id) else {
            let begins_at_zero = self.verifying.get(&header.producer_id).is_some_and(|verifying| verifying.begins == Begins::AtZero);
            let is_late = begins_at_zero && header.is_transactional() && header.base_sequence > 0;
            return if is_late { Verdict::OutOfOrder { expected: 0 } } else { Verdict::New };
        };
        if header.producer_epoch < producer.epoch {
            return Verdict::Fenced;
        }
        if header.base_sequence == NO_SEQUENCE {
            return Verdict::New;
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 { Verdict::New } else { Verdict::OutOfOrder { expected: 0 } };
        }
        let sequences = (header.base_sequence, last_sequence(header));
        if let Some(seen) = producer.batches.iter().find(|batch| (batch.first_sequence, batch.last_sequence) == sequences) {
            return Verdict::Duplicate { base_offset: seen.base_offset };
        }
        // Of an epoch that only a marker has told of there is nothing yet, so it begins at the beginning.
        let expected = producer.batches.back().map_or(0, |last| advance(last.last_sequence, 1));
        if header.base_sequence == expected { Verdict::New } else { Verdict::OutOfOrder { expected } }
    }

    /// Takes note of an appended batch of data, live and on recovery. `limit` bounds the producers: of those without an open
    /// transaction, the one idle for longest goes.
    pub(super) fn appended(&mut self, header: &BatchHeader, now_ms: i64, limit: usize) {
        if header.producer_id == NO_PRODUCER_ID || header.is_control() {
            return;
        }
        let producer = self.entry(header.producer_id, header.producer_epoch, now_ms, limit);
        if header.base_sequence != NO_SEQUENCE {
            if producer.batches.len() == BATCHES_REMEMBERED {
                producer.batches.pop_front();
            }
            producer.batches.push_back(Batch {
                first_sequence: header.base_sequence,
                last_sequence: last_sequence(header),
                base_offset: header.base_offset,
                max_timestamp_ms: header.max_timestamp_ms,
            });
        }
        if header.is_transactional() && producer.open_from.is_none() {
            producer.open_from = Some(header.base_offset);
            self.open.insert((header.base_offset, header.producer_id));
            self.verifying.remove(&header.producer_id);
        }
    }

    /// Takes note of an appended marker, live and on recovery; what it aborted, if it did and there was anything.
    pub(super) fn ended(&mut self, header: &BatchHeader, marker: Marker, now_ms: i64, limit: usize) -> Option<AbortedTransaction> {
        self.verifying.remove(&header.producer_id);
        let producer = self.entry(header.producer_id, header.producer_epoch, now_ms, limit);
        producer.coordinator_epoch = marker.coordinator_epoch;
        let first_offset = producer.open_from.take()?;
        self.open.remove(&(first_offset, header.producer_id));
        let aborted = AbortedTransaction { producer_id: header.producer_id, first_offset, marker_offset: header.base_offset };
        (!marker.is_commit).then_some(aborted)
    }

    /// The producer, as of this epoch: a newer one starts anew, but for a transaction that is still open.
    fn entry(&mut self, producer_id: i64, epoch: i16, now_ms: i64, limit: usize) -> &mut Producer {
        if self.by_id.len() >= limit && !self.by_id.contains_key(&producer_id) {
            let idle = self.by_id.iter().filter(|(_, producer)| producer.open_from.is_none());
            let idlest = idle.min_by_key(|(_, producer)| producer.last_seen_ms).map(|(id, _)| *id);
            idlest.map(|id| self.by_id.remove(&id));
        }
        let producer = self.by_id.entry(producer_id).or_insert_with(|| Producer::new(epoch));
        if producer.epoch != epoch {
            let Producer { open_from, coordinator_epoch, .. } = *producer;
            *producer = Producer { open_from, coordinator_epoch, ..Producer::new(epoch) };
        }
        producer.last_seen_ms = now_ms;
        producer
    }

    /// Whether a marker of this epoch may be written: not if a newer incarnation has been seen.
    pub(super) fn admits_marker(&self, producer_id: i64, epoch: i16) -> bool {
        self.by_id.get(&producer_id).is_none_or(|producer| producer.epoch <= epoch)
    }

    /// Lets the next batches of this producer open a transaction, until one does or a marker comes. `false`: one is open already.
    pub(super) fn verify(&mut self, producer_id: i64, epoch: i16, begins: Begins, limit: usize) -> bool {
        let is_open = self.by_id.get(&producer_id).is_some_and(|producer| producer.open_from.is_some() && producer.epoch == epoch);
        if !is_open && self.verifying.len() < limit {
            self.verifying.insert(producer_id, Verifying { epoch, begins });
        }
        !is_open
    }

    /// The coordinator knows of no such transaction.
    pub(super) fn refuse(&mut self, producer_id: i64) {
        self.verifying.remove(&producer_id);
    }

    /// The first offset that belongs to an open transaction.
    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        self.open.first().map(|(offset, _)| *offset)
    }

    /// Forgets producers that have been silent since `since_ms`.
    pub(super) fn forget_silent(&mut self, since_ms: i64) {
        self.by_id.retain(|_, producer| producer.open_from.is_some() || producer.last_seen_ms >= since_ms);
    }

    /// The last batch of each producer, which compaction must leave a trace of: on it hangs whether the next is a retry or a gap.
    pub(super) fn last_batches(&self) -> HashMap<i64, LastBatch> {
        let last =
            |producer: &Producer| LastBatch { epoch: producer.epoch, base_offset: producer.batches.back().map(|batch| batch.base_offset) };
        self.by_id.iter().map(|(id, producer)| (*id, last(producer))).collect()
    }

    /// Takes note that the log was opened: how long everyone has been silent counts from here.
    pub(super) fn seen_all(&mut self, now_ms: i64) {
        self.by_id.values_mut().for_each(|producer| producer.last_seen_ms = now_ms);
    }

    /// What is known of what came before `offset`, so that all of it is known again once what follows is replayed on top. `aborted`: what
    /// was aborted after it.
    pub(super) fn as_of(&self, offset: i64, aborted: impl Iterator<Item = AbortedTransaction>) -> Self {
        let mut before = Self { by_id: self.by_id.clone(), ..Self::default() };
        for producer in before.by_id.values_mut() {
            producer.batches.retain(|batch| batch.base_offset < offset);
            producer.open_from = producer.open_from.filter(|open_from| *open_from < offset);
        }
        // Of those that were committed since nothing must be known: their records are seen as if they were of none.
        for aborted in aborted.filter(|aborted| aborted.first_offset < offset && offset <= aborted.marker_offset) {
            if let Some(producer) = before.by_id.get_mut(&aborted.producer_id) {
                producer.open_from = Some(aborted.first_offset);
            }
        }
        before.open = before.by_id.iter().filter_map(|(id, producer)| Some((producer.open_from?, *id))).collect();
        before
    }

    /// What DescribeProducers tells, by producer id.
    pub(super) fn view(&self) -> Vec<ProducerView> {
        let mut views: Vec<ProducerView> = self
            .by_id
            .iter()
            .map(|(id, producer)| ProducerView {
                producer_id: *id,
                epoch: producer.epoch,
                last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
                last_timestamp_ms: producer.batches.back().map_or(-1, |batch| batch.max_timestamp_ms),
                coordinator_epoch: producer.coordinator_epoch,
                open_from: producer.open_from,
            })
            .collect();
        views.sort_by_key(|view| view.producer_id);
        views
    }

    /// The snapshot file: all of this, and a checksum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u32(SNAPSHOT_MAGIC);
        for (id, producer) in &self.by_id {
            bytes.put_i64(*id);
            bytes.put_i16(producer.epoch);
            bytes.put_i64(producer.last_seen_ms);
            bytes.put_i64(producer.open_from.unwrap_or(NONE));
            bytes.put_i32(producer.coordinator_epoch);
            bytes.put_u8(producer.batches.len() as u8);
            for batch in &producer.batches {
                bytes.put_i32(batch.first_sequence);
                bytes.put_i32(batch.last_sequence);
                bytes.put_i64(batch.base_offset);
                bytes.put_i64(batch.max_timestamp_ms);
            }
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.put_u32(crc);
        bytes
    }

    /// Reads a snapshot back; `None` if it is damaged.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut body, mut crc) = bytes.split_at_checked(bytes.len().checked_sub(CRC_BYTES)?)?;
        if crc.get_u32() != crc32c::crc32c(body) || body.try_get_u32().ok()? != SNAPSHOT_MAGIC {
            return None;
        }
        let mut producers = Self::default();
        while body.has_remaining() {
            let id = body.try_get_i64().ok()?;
            let (epoch, last_seen_ms) = (body.try_get_i16().ok()?, body.try_get_i64().ok()?);
            let open_from = Some(body.try_get_i64().ok()?).filter(|offset| *offset != NONE);
            let coordinator_epoch = body.try_get_i32().ok()?;
            let mut batches = VecDeque::new();
            for _ in 0..body.try_get_u8().ok()? {
                batches.push_back(Batch {
                    first_sequence: body.try_get_i32().ok()?,
                    last_sequence: body.try_get_i32().ok()?,
                    base_offset: body.try_get_i64().ok()?,
                    max_timestamp_ms: body.try_get_i64().ok()?,
                });
            }
            producers.open.extend(open_from.map(|offset| (offset, id)));
            producers.by_id.insert(id, Producer { epoch, last_seen_ms, open_from, coordinator_epoch, batches });
        }
        Some(producers)
    }
}

/// What was last heard of a producer: data, or only a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastBatch {
    pub(super) epoch: i16,
    /// Of its last batch with a sequence.
    pub(super) base_offset: Option<i64>,
}

/// One producer as others may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerView {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp_ms: i64,
    pub(crate) coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub(crate) open_from: Option<i64>,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self { epoch, last_seen_ms: 0, open_from: None, coordinator_epoch: -1, batches: VecDeque::new() }
    }
}

fn last_sequence(header: &BatchHeader) -> i32 {
    advance(header.base_sequence, header.last_offset_delta)
}

/// Sequences count from 0 to 2^31-1 and start again.
fn advance(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::records::build_batch;

    fn header(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
        let plain = BatchHeader::read(&build_batch(5, [(None, Some(&b"x"[..]))])).unwrap();
        BatchHeader {
            base_offset,
            producer_id: 9,
            producer_epoch: epoch,
            base_sequence,
            last_offset_delta: count - 1,
            record_count: count,
            ..plain
        }
    }

    #[test]
    fn retries_gaps_and_old_epochs_are_told_apart() {
        let mut producers = Producers::default();
        for batch in 0..7 {
            let header = header(1, batch * 10, 10, i64::from(batch) * 10);
            assert_eq!(producers.judge(&header), Verdict::New);
            producers.appended(&header, 0, 10);
        }
        for batch in 2..7 {
            assert_eq!(producers.judge(&header(1, batch * 10, 10, -1)), Verdict::Duplicate { base_offset: i64::from(batch) * 10 });
        }
        assert_eq!(producers.judge(&header(1, 10, 10, -1)), Verdict::OutOfOrder { expected: 70 });
        assert_eq!(producers.judge(&header(1, 80, 10, -1)), Verdict::OutOfOrder { expected: 70 });
        assert_eq!(producers.judge(&header(0, 70, 10, -1)), Verdict::Fenced);
        assert_eq!(producers.judge(&header(2, 0, 10, -1)), Verdict::New);
        assert_eq!(producers.judge(&header(2, 3, 10, -1)), Verdict::OutOfOrder { expected: 0 });
        assert_eq!(Producers::decode(&producers.encode()), Some(producers));
    }

    #[test]
    fn sequences_wrap() {
        let mut producers = Producers::default();
        producers.appended(&header(0, i32::MAX - 1, 4, 0), 0, 10);
        assert_eq!(producers.judge(&header(0, 2, 1, -1)), Verdict::New);
        assert_eq!(producers.judge(&header(0, i32::MAX - 1, 4, -1)), Verdict::Duplicate { base_offset: 0 });
    }

    #[test]
    fn a_damaged_snapshot_is_refused() {
        let mut producers = Producers::default();
        producers.appended(&header(0, 0, 1, 0), 0, 10);
        let bytes = producers.encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Producers::decode(&damaged), None, "byte {at}");
            assert_eq!(Producers::decode(&bytes[..at]), None, "{at} bytes");
        }
    }
}
