//! An idempotent producer: each record once, in order, and none lost that was acknowledged.

use bytes::{Bytes, BytesMut};

use super::random::Random;
use super::world::{PARTITIONS, PLAIN, World};
use crate::log::batch;
use crate::log::records::build_batch;

/// Far from the ids that the broker gives.
const FIRST_PRODUCER_ID: i64 = 1_000_000;

pub(super) struct Writer {
    number: i64,
    /// Records given a number so far.
    written: i32,
    /// A batch that was not acknowledged: it is sent again until it is, as it was.
    in_flight: Option<(i32, Bytes)>,
    /// Offset of the first record and the numbers of the records of each batch.
    acknowledged: Vec<(i64, std::ops::Range<i32>)>,
}

impl Writer {
    pub(super) fn new(number: i64) -> Self {
        Self { number, written: 0, in_flight: None, acknowledged: Vec::new() }
    }

    pub(super) fn step(&mut self, world: &World, random: &mut Random) {
        let (first, batch) = self.in_flight.take().unwrap_or_else(|| {
            let first = self.written;
            self.written += 1 + random.below(3) as i32;
            (first, self.batch(first..self.written))
        });
        let offset = world.append(PLAIN, self.partition(), &batch);
        world.tell(|| format!("writer {}: {first}..{} at {offset:?}", self.number, self.written));
        match offset {
            Some(offset) => self.acknowledged.push((offset, first..self.written)),
            None => self.in_flight = Some((first, batch)),
        }
    }

    /// DeleteRecords up to somewhere. What the broker could not do it does not say it has done.
    pub(super) fn delete_some(&self, world: &World, random: &mut Random) {
        let log = world.log(PLAIN, self.partition());
        let offsets = log.offsets();
        let before = offsets.log_start_offset + random.below((offsets.high_watermark - offsets.log_start_offset) as u64 / 2 + 1) as i64;
        world.tell(|| format!("writer {} deletes what is before {before}", self.number));
        if log.delete_records(before).is_ok() {
            assert_eq!(log.offsets().log_start_offset, before);
        }
    }

    pub(super) fn check(&self, world: &World) {
        let mine = format!("{}:", self.number);
        let log_start_offset = world.log(PLAIN, self.partition()).offsets().log_start_offset;
        let number = |value: &str| value.strip_prefix(&mine).map(|number| number.parse::<i32>().unwrap());
        let seen = world.records(PLAIN, self.partition());
        let seen: Vec<(i64, i32)> = seen.iter().filter_map(|record| Some((record.offset, number(record.value.as_deref()?)?))).collect();
        for pair in seen.windows(2) {
            assert_eq!(pair[1].1, pair[0].1 + 1, "writer {}: lost, twice or out of order: {seen:?}", self.number);
        }
        assert!(seen.iter().all(|(_, number)| *number < self.written), "writer {}: nobody wrote that: {seen:?}", self.number);
        for (offset, numbers) in &self.acknowledged {
            for (offset, number) in (*offset..).zip(numbers.clone()) {
                let is_there = seen.binary_search(&(offset, number)).is_ok();
                assert!(is_there || offset < log_start_offset, "writer {}: {number} was at {offset}; {seen:?}", self.number);
            }
        }
    }

    /// Writers share a partition with others.
    fn partition(&self) -> i32 {
        self.number as i32 % PARTITIONS
    }

    fn batch(&self, numbers: std::ops::Range<i32>) -> Bytes {
        let values: Vec<String> = numbers.clone().map(|number| format!("{}:{number}", self.number)).collect();
        let mut batch = BytesMut::from(&build_batch(1_000_000_000, values.iter().map(|value| (None, Some(value.as_bytes()))))[..]);
        batch[43..51].copy_from_slice(&(FIRST_PRODUCER_ID + self.number).to_be_bytes());
        batch[51..53].copy_from_slice(&0_i16.to_be_bytes());
        batch[53..57].copy_from_slice(&numbers.start.to_be_bytes());
        batch::seal(&mut batch);
        batch.freeze()
    }
}
