//! Transactions in one partition, held against brute force over everything that was appended: the last stable offset, what was aborted,
//! who may append, over kills, clean closes and lost index files.

use proptest::prelude::*;

use super::*;
use crate::log::aborted::AbortedTransaction;

const PRODUCERS: usize = 3;

/// A transactional batch of one record.
fn transactional(producer: ProducerEpoch, sequence: i32) -> Bytes {
    let mut bytes = BytesMut::from(&idempotent(1, producer.producer_id, producer.epoch, sequence)[..]);
    bytes[22] |= 0x10;
    batch::seal(&mut bytes);
    bytes.freeze()
}

fn marker(is_commit: bool) -> Marker {
    Marker { is_commit, coordinator_epoch: 3 }
}

/// What happened, by offset: every batch here has one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Plain,
    Data(i64),
    End(i64, bool),
}

/// What the log should know, reckoned from all that happened.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    open: Vec<(i64, i64)>,
    aborted: Vec<AbortedTransaction>,
}

impl Known {
    fn of(events: &[Event]) -> Self {
        let mut known = Self::default();
        for (offset, event) in (0..).zip(events) {
            match *event {
                Event::Plain => {}
                Event::Data(id) if known.open.iter().any(|(_, open)| *open == id) => {}
                Event::Data(id) => known.open.push((offset, id)),
                Event::End(id, is_commit) => {
                    let Some(at) = known.open.iter().position(|(_, open)| *open == id) else { continue };
                    let (first_offset, producer_id) = known.open.remove(at);
                    if !is_commit {
                        known.aborted.push(AbortedTransaction { producer_id, first_offset, marker_offset: offset });
                    }
                }
            }
        }
        known
    }
}

/// The log must say what brute force says.
fn check(log: &Partition, events: &[Event]) {
    let known = Known::of(events);
    let end = events.len() as i64;
    let offsets = log.offsets();
    let start = offsets.log_start_offset;
    assert_eq!(offsets.high_watermark, end);
    assert_eq!(offsets.last_stable_offset, known.open.first().map_or(end, |(offset, _)| *offset).max(start));
    let open: Vec<_> = log.producers().iter().filter_map(|view| Some((view.open_from?, view.producer_id))).collect();
    assert_eq!(open.len(), known.open.len());
    assert!(known.open.iter().all(|open_there| open.contains(open_there)), "{open:?} {known:?}");
    for from in start..end {
        for to in [from + 1, from + 3, end] {
            let expected = known.aborted.iter().filter(|aborted| aborted.marker_offset >= from && aborted.first_offset < to);
            assert_eq!(log.aborted_transactions(from..to).unwrap(), expected.copied().collect::<Vec<_>>(), "{from}..{to}");
        }
    }
    if start > 0 {
        assert!(matches!(log.aborted_transactions(start - 1..end), Err(ReadError::OutOfRange { .. })));
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Plain,
    Data(usize),
    /// The batch so many before the producer's last, again.
    Retry(usize, usize),
    /// A sequence too far.
    Gap(usize),
    End {
        producer: usize,
        is_commit: bool,
        raises_epoch: bool,
    },
    Kill,
    Close,
    LoseFiles,
    DeleteRecords(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = (0..PRODUCERS, any::<bool>(), any::<bool>());
    let step = prop_oneof![
        2 => Just(Step::Plain),
        8 => (0..PRODUCERS).prop_map(Step::Data),
        2 => (0..PRODUCERS, 0..7_usize).prop_map(|(producer, back)| Step::Retry(producer, back)),
        1 => (0..PRODUCERS).prop_map(Step::Gap),
        4 => end.prop_map(|(producer, is_commit, raises_epoch)| Step::End { producer, is_commit, raises_epoch }),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
        1 => Just(Step::LoseFiles),
        1 => any::<u8>().prop_map(Step::DeleteRecords),
    ];
    prop::collection::vec(step, 1..80)
}

/// A producer as it sees itself.
struct Writer {
    producer: ProducerEpoch,
    /// Offset, sequence and epoch of each batch.
    written: Vec<(i64, i32, i16)>,
    next_sequence: i32,
}

struct Run {
    world: World,
    log: Partition,
    writers: Vec<Writer>,
    events: Vec<Event>,
    /// Files and records are not both lost: what neither tells any more nobody can know.
    records_deleted: bool,
    files_lost: bool,
}

impl Run {
    fn new() -> Self {
        // Some five batches in a segment.
        let world = World::new(&[("segment.bytes", "450")]);
        let writer =
            |id| Writer { producer: ProducerEpoch { producer_id: id, epoch: 0 }, written: Vec::new(), next_sequence: i32::MAX - 2 };
        let writers = (0..PRODUCERS as i64).map(writer).collect();
        Self { log: world.open(), world, writers, events: Vec::new(), records_deleted: false, files_lost: false }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Plain => {
                append(&self.log, &plain(1, 10, NOW_MS));
                self.events.push(Event::Plain);
            }
            Step::Data(at) => self.data(at),
            Step::Retry(at, back) => self.retry(at, back),
            Step::Gap(at) => self.gap(at),
            Step::End { producer, is_commit, raises_epoch } => self.end(producer, is_commit, raises_epoch),
            Step::Kill => self.log = self.world.open(),
            Step::Close => {
                self.log.close().unwrap();
                self.log.seal_active().unwrap();
                self.log = self.world.open();
            }
            Step::LoseFiles if self.records_deleted => {}
            Step::LoseFiles => {
                self.files_lost = true;
                let paths = self.world.disk.paths().into_iter();
                paths.filter(|path| path.extension().is_none_or(|it| it != "log")).for_each(|it| self.world.disk.remove_file(&it).unwrap());
                self.log = self.world.open();
            }
            Step::DeleteRecords(_) if self.files_lost => {}
            Step::DeleteRecords(share) => {
                self.records_deleted = true;
                let (start, end) = (self.log.offsets().log_start_offset, self.log.offsets().high_watermark);
                self.log.delete_records(start + (end - start) * i64::from(share) / 512).unwrap();
            }
        }
        self.log.seal_closed().unwrap();
    }

    fn data(&mut self, at: usize) {
        let writer = &mut self.writers[at];
        self.log.verify_transaction(writer.producer, Begins::Anywhere);
        let offset = append(&self.log, &transactional(writer.producer, writer.next_sequence));
        assert_eq!(offset, self.events.len() as i64);
        writer.written.push((offset, writer.next_sequence, writer.producer.epoch));
        writer.next_sequence = writer.next_sequence.checked_add(1).unwrap_or(0);
        self.events.push(Event::Data(writer.producer.producer_id));
    }

    /// One of the last five is answered as the first time; anything older is refused, and so is what an older epoch wrote.
    fn retry(&mut self, at: usize, back: usize) {
        let writer = &self.writers[at];
        let Some(&(offset, sequence, epoch)) = writer.written.iter().rev().nth(back) else { return };
        let producer = ProducerEpoch { epoch, ..writer.producer };
        self.log.verify_transaction(producer, Begins::Anywhere);
        match self.log.append(&transactional(producer, sequence), Origin::Client) {
            Ok(appended) => assert!(back < 5 && epoch == writer.producer.epoch && appended.base_offset == offset),
            Err(AppendError::OutOfOrder { expected, .. }) => assert!(back >= 5 && expected == writer.next_sequence),
            Err(error) => assert!(matches!(error, AppendError::Fenced) && epoch < writer.producer.epoch, "{error}"),
        }
        self.log.refuse_transaction(producer);
    }

    fn gap(&mut self, at: usize) {
        let writer = &self.writers[at];
        if writer.written.is_empty() {
            return; // where it begins is its own affair
        }
        self.log.verify_transaction(writer.producer, Begins::Anywhere);
        let sequence = writer.next_sequence.wrapping_add(7) & i32::MAX;
        let refused = self.log.append(&transactional(writer.producer, sequence), Origin::Client);
        assert!(matches!(refused, Err(AppendError::OutOfOrder { expected, .. }) if expected == writer.next_sequence), "{refused:?}");
        self.log.refuse_transaction(writer.producer);
    }

    fn end(&mut self, at: usize, is_commit: bool, raises_epoch: bool) {
        let writer = &mut self.writers[at];
        let before = writer.producer;
        if raises_epoch {
            writer.producer.epoch += 1;
            writer.next_sequence = 0;
        } else if writer.written.is_empty() {
            return; // so that the marker is not the first that the log hears of it
        }
        self.log.append_marker(writer.producer, marker(is_commit)).unwrap();
        self.events.push(Event::End(before.producer_id, is_commit));
        // Whatever was under way when the transaction ended is too late.
        let late = self.log.append(&transactional(before, writer.next_sequence), Origin::Client);
        assert!(matches!(late, Err(AppendError::Fenced | AppendError::NoTransaction)), "{late:?}");
    }
}

proptest! {
    #[test]
    fn overlapping_transactions_are_known_as_brute_force_knows_them(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
            check(&run.log, &run.events);
        }
    }
}

#[test]
fn whatever_part_of_a_transaction_survives_is_known() {
    let world = World::new(&[]);
    let log = world.open();
    let [one, two] = [1, 2].map(|producer_id| ProducerEpoch { producer_id, epoch: 0 });
    let mut events = Vec::new();
    let mut ends = Vec::new();
    let mut did = |event| {
        events.push(event);
        ends.push(log.size_bytes());
    };
    for (sequence, is_commit) in [(0, false), (1, true), (2, false)] {
        log.verify_transaction(one, Begins::Anywhere);
        log.verify_transaction(two, Begins::Anywhere);
        append(&log, &transactional(one, sequence));
        did(Event::Data(1));
        append(&log, &transactional(two, sequence));
        did(Event::Data(2));
        log.append_marker(one, marker(is_commit)).unwrap();
        did(Event::End(1, is_commit));
        log.append_marker(two, marker(!is_commit)).unwrap();
        did(Event::End(2, !is_commit));
    }
    let size = *ends.last().unwrap();
    for length in 0..=size {
        let copy = world.copy();
        copy.disk.corrupt(Path::new(FIRST_SEGMENT), |bytes| bytes.truncate(usize::try_from(length).unwrap()));
        let whole = ends.iter().filter(|end| **end <= length).count();
        check(&copy.open(), &events[..whole]);
    }
}

#[test]
fn a_batch_outside_of_a_transaction_may_not_come_inside_of_one() {
    let log = World::new(&[]).open();
    let producer = ProducerEpoch { producer_id: 1, epoch: 0 };
    assert!(matches!(log.append(&transactional(producer, 0), Origin::Client), Err(AppendError::NoTransaction)));
    assert!(log.verify_transaction(producer, Begins::Anywhere));
    append(&log, &transactional(producer, 0));
    assert!(!log.verify_transaction(producer, Begins::Anywhere), "it is open, there is nothing to ask");
    assert!(matches!(log.append(&idempotent(1, 1, 0, 1), Origin::Client), Err(AppendError::NoTransaction)));
    log.append_marker(producer, marker(true)).unwrap();
    append(&log, &idempotent(1, 1, 0, 1));
}

#[test]
fn a_marker_comes_between_the_question_and_the_batch() {
    let log = World::new(&[]).open();
    let producer = ProducerEpoch { producer_id: 1, epoch: 0 };
    log.verify_transaction(producer, Begins::Anywhere);
    log.append_marker(producer, marker(false)).unwrap();
    assert!(matches!(log.append(&transactional(producer, 0), Origin::Client), Err(AppendError::NoTransaction)));
    assert_eq!(log.offsets().last_stable_offset, 1);
}

#[test]
fn a_transaction_with_an_epoch_of_its_own_begins_at_sequence_zero() {
    let log = World::new(&[]).open();
    let producer = ProducerEpoch { producer_id: 1, epoch: 4 };
    log.verify_transaction(producer, Begins::AtZero);
    // The first batch was refused on its way; the second must not take its place.
    let early = log.append(&transactional(producer, 1), Origin::Client);
    assert!(matches!(early, Err(AppendError::OutOfOrder { expected: 0, found: 1 })), "{early:?}");
    append(&log, &transactional(producer, 0));
    append(&log, &transactional(producer, 1));
}

#[test]
fn an_older_marker_ends_nothing() {
    let log = World::new(&[]).open();
    let [old, new] = [0, 1].map(|epoch| ProducerEpoch { producer_id: 1, epoch });
    log.verify_transaction(new, Begins::Anywhere);
    append(&log, &transactional(new, 0));
    assert!(matches!(log.append_marker(old, marker(true)), Err(AppendError::Fenced)));
    assert_eq!(log.offsets().last_stable_offset, 0);
}

#[test]
fn how_long_a_producer_is_silent_counts_from_the_start_not_from_its_timestamps() {
    let world = World::new(&[]);
    let old = {
        let log = world.open();
        let mut bytes = BytesMut::from(&idempotent(1, 7, 0, 0)[..]);
        // 1970, as from a client whose clock stands still.
        bytes[27..35].copy_from_slice(&1_i64.to_be_bytes());
        bytes[35..43].copy_from_slice(&1_i64.to_be_bytes());
        batch::seal(&mut bytes);
        let old = bytes.freeze();
        append(&log, &old);
        old
    };
    let log = world.open();
    log.retain().unwrap();
    assert_eq!(append(&log, &old), 0, "a retry");
    world.clock.advance(Duration::from_hours(25));
    log.retain().unwrap();
    assert!(log.producers().is_empty());
}
