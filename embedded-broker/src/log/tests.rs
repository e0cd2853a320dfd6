//! Properties of a partition log: torn tails, flipped bits, time lookups, retries, full disks, retention.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::batch::{self, BatchHeader};
use super::records::build_batch;
use super::*;
use crate::clock::ManualClock;
use crate::config::{Durability, Limits};
use crate::disk::{Disk as _, MemoryDisk};
use crate::sync::lock;
use crate::topics::configs::{BrokerOverrides, Overrides, log_config};

mod compaction;
mod compression;
mod durability;
mod transactions;

const NOW_MS: i64 = 1_700_000_000_000;
const FIRST_SEGMENT: &str = "/p/00000000000000000000.log";

/// A disk and a clock that outlive the partitions opened on them.
struct World {
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    overrides: Overrides,
    durability: Durability,
}

impl World {
    fn new(overrides: &[(&str, &str)]) -> Self {
        let overrides = overrides.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { disk: MemoryDisk::default(), clock: Arc::new(ManualClock::new(NOW_MS)), overrides, durability: Durability::Os }
    }

    fn open(&self) -> Partition {
        let environment = Environment::new(self.clock.clone(), Arc::new(self.disk.clone()), 4, self.durability);
        let config = log_config(&self.overrides, &BrokerOverrides::default(), &Limits::default());
        Partition::open("t-0".into(), PathBuf::from("/p"), Arc::new(environment), Arc::new(config)).unwrap()
    }

    /// The same bytes on a disk of their own.
    fn copy(&self) -> Self {
        let copy = Self {
            disk: MemoryDisk::default(),
            clock: Arc::clone(&self.clock),
            overrides: self.overrides.clone(),
            durability: self.durability,
        };
        for path in self.disk.paths() {
            copy.disk.write_atomic(&path, &self.disk.read(&path).unwrap()).unwrap();
        }
        copy
    }
}

/// A batch of `count` records, `size` bytes of value each.
fn plain(count: usize, size: usize, timestamp_ms: i64) -> Bytes {
    let value = vec![b'v'; size];
    build_batch(timestamp_ms, std::iter::repeat_n((None, Some(value.as_slice())), count))
}

/// The same from an idempotent producer.
fn idempotent(count: usize, producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    let mut bytes = BytesMut::from(&plain(count, 10, NOW_MS)[..]);
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
    batch::seal(&mut bytes);
    bytes.freeze()
}

fn append(log: &Partition, batch: &Bytes) -> i64 {
    log.append(batch, Origin::Client).unwrap().base_offset
}

/// Every batch of the log, read from its start.
fn read_all(log: &Partition) -> Vec<Bytes> {
    let mut batches = Vec::new();
    let mut offset = log.offsets().log_start_offset;
    while offset < log.offsets().high_watermark {
        let bytes = log.read(offset, 1_000_000, true).unwrap();
        assert!(!bytes.is_empty(), "nothing at {offset}");
        for (at, header) in batch::headers(&bytes) {
            batches.push(bytes.slice(at..at + header.size));
            offset = header.last_offset() + 1;
        }
    }
    batches
}

#[test]
fn what_is_appended_is_read_back_with_its_offsets() {
    let world = World::new(&[("segment.bytes", "2000")]);
    let log = world.open();
    for round in 0..50_i64 {
        assert_eq!(append(&log, &plain(3, 100, NOW_MS)), round * 3);
    }
    for offset in 0..150 {
        // The batch that holds the offset, also from its middle.
        let header = BatchHeader::read(&log.read(offset, 1, true).unwrap()).unwrap();
        assert_eq!(header.base_offset, offset / 3 * 3);
    }
    assert_eq!(read_all(&log).len(), 50);
    assert!(log.read(150, 1_000, true).unwrap().is_empty());
    assert!(matches!(log.read(151, 1_000, true), Err(ReadError::OutOfRange { .. })));
    assert!(matches!(log.read(-1, 1_000, true), Err(ReadError::OutOfRange { .. })));
}

#[test]
fn the_first_batch_comes_even_if_it_is_too_large() {
    let log = World::new(&[]).open();
    append(&log, &plain(1, 5_000, NOW_MS));
    append(&log, &plain(1, 5_000, NOW_MS));
    let one = log.read(0, 10, true).unwrap();
    assert_eq!(batch::headers(&one).count(), 1);
    assert!(log.read(0, 10, false).unwrap().is_empty());
}

#[test]
fn any_prefix_of_a_torn_tail_recovers_to_a_batch_boundary() {
    let world = World::new(&[]);
    let log = world.open();
    for size in [10, 200, 1, 77] {
        append(&log, &plain(2, size, NOW_MS));
    }
    let batches = read_all(&log);
    drop(log);
    let bytes = world.disk.read(Path::new(FIRST_SEGMENT)).unwrap();
    for length in 0..=bytes.len() {
        let torn = world.copy();
        torn.disk.write_atomic(Path::new(FIRST_SEGMENT), &bytes[..length]).unwrap();
        let log = torn.open();
        let whole = whole_batches(&batches, length);
        assert_eq!(read_all(&log), batches[..whole], "{length} bytes");
        assert_eq!(append(&log, &plain(1, 5, NOW_MS)), whole as i64 * 2, "{length} bytes");
    }
}

/// How many of the batches are whole in that many bytes.
fn whole_batches(batches: &[Bytes], length: usize) -> usize {
    let mut end = 0;
    batches
        .iter()
        .take_while(|batch| {
            end += batch.len();
            end <= length
        })
        .count()
}

#[test]
fn any_flipped_bit_in_the_tail_ends_the_log_before_it() {
    let world = World::new(&[]);
    let log = world.open();
    for size in [10, 40] {
        append(&log, &plain(2, size, NOW_MS));
    }
    let batches = read_all(&log);
    drop(log);
    let bytes = world.disk.read(Path::new(FIRST_SEGMENT)).unwrap();
    for at in 0..bytes.len() {
        for bit in [0, 3, 7] {
            let flipped = world.copy();
            flipped.disk.corrupt(Path::new(FIRST_SEGMENT), |bytes| bytes[at] ^= 1 << bit);
            let read = read_all(&flipped.open());
            // Also in the offset and the leader epoch, which are not under the checksum.
            assert_eq!(read, batches[..whole_batches(&batches, at)], "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_batch_out_of_its_place_is_not_served_and_those_before_it_are() {
    let world = World::new(&[("segment.bytes", "600"), ("index.interval.bytes", "150")]);
    let log = world.open();
    for _ in 0..8 {
        append(&log, &plain(2, 30, NOW_MS));
    }
    log.seal_closed().unwrap();
    let batches = read_all(&log);
    drop(log);
    let size = batches[0].len();
    // The length between them is the reader's to find out, by the checksum.
    for at in (0..8).chain(12..batch::PATCHED_BYTES) {
        for (bit, nth) in (0..8).flat_map(|bit| [0, 1, 2].map(|nth| (bit, nth))) {
            let flipped = world.copy();
            flipped.disk.corrupt(Path::new(FIRST_SEGMENT), |bytes| bytes[nth * size + at] ^= 1 << bit);
            let log = flipped.open();
            let before = if nth == 0 { Bytes::new() } else { log.read(0, nth * size, true).unwrap() };
            assert_eq!(before, batches[..nth].concat(), "byte {at} bit {bit} of batch {nth}");
            assert!(log.read(nth as i64 * 2, 10_000, true).is_err(), "byte {at} bit {bit} of batch {nth}");
        }
    }
}

#[test]
fn a_clean_close_is_trusted_and_a_lost_index_is_rebuilt() {
    let world = World::new(&[("segment.bytes", "3000"), ("index.interval.bytes", "100")]);
    let log = world.open();
    for _ in 0..40 {
        append(&log, &plain(1, 100, NOW_MS));
    }
    log.close().unwrap();
    log.seal_active().unwrap();
    let batches = read_all(&log);
    drop(log);
    let indexes: Vec<PathBuf> = world.disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "index")).collect();
    assert!(indexes.len() > 1);
    assert_eq!(read_all(&world.open()), batches);
    for index in indexes {
        let lost = world.copy();
        lost.disk.remove_file(&index).unwrap();
        assert_eq!(read_all(&lost.open()), batches, "without {}", index.display());
        let size = usize::try_from(world.disk.size(&index).unwrap()).unwrap();
        for at in (0..size).step_by(7) {
            let damaged = world.copy();
            damaged.disk.corrupt(&index, |bytes| bytes[at] ^= 0x10);
            assert_eq!(read_all(&damaged.open()), batches, "{} damaged at {at}", index.display());
        }
    }
}

#[test]
fn times_are_found_as_brute_force_finds_them() {
    let world = World::new(&[("segment.bytes", "1500"), ("index.interval.bytes", "200")]);
    let log = world.open();
    let mut times = Vec::new();
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..200 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let timestamp_ms = NOW_MS - (random % 1_000) as i64;
        for _ in 0..2 {
            times.push(timestamp_ms);
        }
        append(&log, &plain(2, 20, timestamp_ms));
    }
    log.delete_records(31).unwrap();
    for log in [&log, &{
        log.close().unwrap();
        world.open()
    }] {
        for sought_ms in NOW_MS - 1_010..NOW_MS + 10 {
            let expected = times.iter().enumerate().skip(31).find(|(_, time)| **time >= sought_ms);
            let expected = expected.map(|(offset, time)| TimedOffset { offset: offset as i64, timestamp_ms: *time });
            assert_eq!(log.offset_of_time(sought_ms).unwrap(), expected, "{sought_ms}");
        }
        let max = times[31..].iter().max().copied().unwrap();
        let expected = times.iter().enumerate().skip(31).find(|(_, time)| **time == max).map(|(offset, _)| offset as i64);
        assert_eq!(log.offset_of_max_timestamp().unwrap().map(|found| found.offset), expected);
    }
}

#[test]
fn a_retry_answers_the_original_offset_also_after_a_crash() {
    let world = World::new(&[("segment.bytes", "1024")]);
    let mut log = world.open();
    let mut offsets = Vec::new();
    for sequence in 0..30 {
        offsets.push(append(&log, &idempotent(1, 7, 0, sequence)));
        if sequence % 10 == 5 {
            // A crash: nothing was closed.
            log = world.open();
        }
        for retry in (sequence - 4).max(0)..=sequence {
            assert_eq!(append(&log, &idempotent(1, 7, 0, retry)), offsets[retry as usize], "retry of {retry} after {sequence}");
        }
        log.seal_closed().unwrap();
    }
    assert!(matches!(log.append(&idempotent(1, 7, 0, 31), Origin::Client), Err(AppendError::OutOfOrder { expected: 30, found: 31 })));
    append(&log, &idempotent(1, 7, 1, 0));
    assert!(matches!(log.append(&idempotent(1, 7, 0, 30), Origin::Client), Err(AppendError::Fenced)));
    assert_eq!(log.offsets().high_watermark, 31);
}

#[test]
fn a_full_disk_is_an_error_and_no_more() {
    let world = World::new(&[]);
    let log = world.open();
    append(&log, &plain(1, 100, NOW_MS));
    for space in [0, 1, 60, 100] {
        world.disk.set_space_left(Some(space));
        assert!(matches!(log.append(&plain(1, 100, NOW_MS), Origin::Client), Err(AppendError::Storage(_))), "{space} bytes left");
        assert_eq!(log.offsets().high_watermark, 1);
    }
    world.disk.set_space_left(None);
    assert_eq!(append(&log, &plain(1, 100, NOW_MS)), 1);
    assert_eq!(read_all(&log).len(), 2);
    assert_eq!(read_all(&world.open()).len(), 2);
}

#[test]
fn lost_pages_lose_the_tail_but_no_sealed_segment() {
    let world = World::new(&[("segment.bytes", "1024")]);
    let log = world.open();
    for _ in 0..30 {
        append(&log, &plain(1, 100, NOW_MS));
    }
    log.seal_closed().unwrap();
    let batches = read_all(&log);
    world.disk.lose_unsynced();
    let left = read_all(&world.open());
    assert!(left.len() >= 20 && left.len() < batches.len(), "{} batches left", left.len());
    assert_eq!(left, batches[..left.len()]);
}

#[test]
fn retention_moves_the_start_and_never_back() {
    let world = World::new(&[("segment.bytes", "1024"), ("retention.ms", "1000")]);
    let log = world.open();
    for _ in 0..20 {
        append(&log, &plain(1, 100, NOW_MS));
    }
    log.retain().unwrap();
    assert_eq!(log.offsets().log_start_offset, 0);
    world.clock.advance(Duration::from_secs(2));
    append(&log, &plain(1, 100, NOW_MS + 2_000));
    log.retain().unwrap();
    let start = log.offsets().log_start_offset;
    assert!(start > 0 && start <= 20, "{start}");
    assert_eq!(log.delete_records(21).unwrap(), Some(21));
    assert_eq!(log.delete_records(3).unwrap(), Some(21));
    assert_eq!(log.delete_records(22).unwrap(), None);
    let again = world.open();
    assert_eq!(again.offsets(), Offsets { log_start_offset: 21, high_watermark: 21, last_stable_offset: 21 });
    assert_eq!(append(&again, &plain(1, 5, NOW_MS)), 21);
}

#[test]
fn records_without_a_time_are_as_old_as_their_append() {
    let world = World::new(&[("retention.ms", "1000")]);
    let log = world.open();
    append(&log, &plain(1, 10, batch::NO_TIMESTAMP));
    world.clock.advance(Duration::from_millis(999));
    log.retain().unwrap();
    assert_eq!(read_all(&log).len(), 1, "not at once");
    world.clock.advance(Duration::from_millis(2));
    log.retain().unwrap();
    assert_eq!(log.offsets().log_start_offset, 1);
}

#[test]
fn retention_by_size_keeps_no_more_than_asked_and_a_segment() {
    let world = World::new(&[("segment.bytes", "1024"), ("retention.bytes", "3000")]);
    let log = world.open();
    for _ in 0..40 {
        append(&log, &plain(1, 100, NOW_MS));
    }
    log.retain().unwrap();
    let size = log.size_bytes();
    assert!((3_000..3_000 + 1_024).contains(&size), "{size}");
    assert_eq!(read_all(&log).first().map(|batch| BatchHeader::read(batch).unwrap().base_offset), Some(log.offsets().log_start_offset));
}

#[test]
fn what_a_client_may_not_append_is_refused() {
    let log = World::new(&[("max.message.bytes", "2000")]).open();
    let changed = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = BytesMut::from(&plain(2, 10, NOW_MS)[..]);
        change(&mut bytes);
        batch::seal(&mut bytes);
        log.append(&bytes.freeze(), Origin::Client).unwrap_err()
    };
    assert!(matches!(changed(&|bytes| bytes[60] = 9), AppendError::Invalid(_)), "more records than there are");
    assert!(matches!(changed(&|bytes| bytes[26] = 9), AppendError::Invalid(_)), "a larger last offset delta");
    assert!(matches!(changed(&|bytes| bytes[22] |= 0x20), AppendError::Invalid(_)), "a control batch");
    assert!(matches!(changed(&|bytes| bytes[16] = 1), AppendError::Batch(_)), "an old format");
    assert!(matches!(changed(&|bytes| bytes[35..43].copy_from_slice(&(NOW_MS + 7_200_000).to_be_bytes())), AppendError::Timestamp));
    let mut damaged = BytesMut::from(&plain(2, 10, NOW_MS)[..]);
    damaged[70] ^= 1;
    assert!(matches!(log.append(&damaged.freeze(), Origin::Client), Err(AppendError::Batch(batch::BatchError::Crc))));
    assert!(matches!(log.append(&plain(1, 3_000, NOW_MS), Origin::Client), Err(AppendError::TooLarge { .. })));
    let two: Bytes = [plain(1, 5, NOW_MS), plain(1, 5, NOW_MS)].concat().into();
    assert!(matches!(log.append(&two, Origin::Client), Err(AppendError::ManyBatches)));
    assert_eq!(log.offsets().high_watermark, 0);
}

#[test]
fn log_append_time_is_the_brokers() {
    let world = World::new(&[("message.timestamp.type", "LogAppendTime")]);
    let log = world.open();
    let appended = log.append(&plain(2, 10, 5), Origin::Client).unwrap();
    assert_eq!(appended.log_append_time_ms, NOW_MS);
    let header = batch::check(&log.read(0, 1_000, true).unwrap()).unwrap();
    assert!(header.uses_log_append_time());
    assert_eq!(header.max_timestamp_ms, NOW_MS);
}
