//! Compaction against brute force, and through a crash at every change it makes to the disk.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::log::compression::Codec;
use crate::log::records::{build_producer_batch, records_in};
use crate::log::transactions::{Marker, ProducerEpoch};

const OPEN_BYTES: usize = 1_000_000;
const COMPACTED: &[(&str, &str)] =
    &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0"), ("segment.bytes", "600"), ("delete.retention.ms", "1000")];

/// A record as a reader sees it.
type Seen = (i64, Vec<u8>, Option<Vec<u8>>);

/// Every record that read_committed shows, with its offset; and every batch on the way can be trusted.
fn committed(log: &Partition) -> Vec<Seen> {
    let aborted = log.aborted_transactions(log.offsets().log_start_offset..i64::MAX).unwrap();
    let mut seen = Vec::new();
    for bytes in read_all(log) {
        let header = batch::check(&bytes).unwrap();
        let is_aborted = aborted
            .iter()
            .any(|one| one.producer_id == header.producer_id && (one.first_offset..one.marker_offset).contains(&header.base_offset));
        if header.is_control() || header.is_transactional() && is_aborted {
            continue;
        }
        let contents = batch::contents(&bytes, &header, OPEN_BYTES).unwrap();
        for record in records_in(&contents).map(Result::unwrap) {
            let offset = header.base_offset + i64::from(record.offset_delta);
            assert!(offset <= header.last_offset());
            assert_eq!(header.record_time_ms(record.timestamp_delta_ms), NOW_MS, "timestamps stay");
            seen.push((offset, record.key.unwrap().to_vec(), record.value.map(<[u8]>::to_vec)));
        }
    }
    seen
}

/// What a table built from these records holds.
fn table(records: &[Seen]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut table = BTreeMap::new();
    for (_, key, value) in records {
        match value {
            Some(value) => _ = table.insert(key.clone(), value.clone()),
            None => _ = table.remove(key),
        }
    }
    table
}

#[derive(Clone, Debug)]
enum Step {
    /// Keys and values; no value is a tombstone. In this codec.
    Append(Vec<(u8, Option<u8>)>, i16),
    /// The same in a transaction of producer 1 or 2, and how it ends.
    Transaction(i64, Vec<(u8, Option<u8>)>, bool),
    Roll,
    Clean,
    Wait,
    Restart,
    RestartWithoutSnapshots,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let records = || proptest::collection::vec((0_u8..6, proptest::option::weighted(0.75, any::<u8>())), 1..5);
    let step = prop_oneof![
        6 => (records(), 0_i16..5).prop_map(|(records, codec)| Step::Append(records, codec)),
        3 => (1_i64..3, records(), any::<bool>()).prop_map(|(producer, records, commits)| Step::Transaction(producer, records, commits)),
        2 => Just(Step::Roll),
        3 => Just(Step::Clean),
        1 => Just(Step::Wait),
        1 => Just(Step::Restart),
        1 => Just(Step::RestartWithoutSnapshots),
    ];
    proptest::collection::vec(step, 1..40)
}

fn fields(records: &[(u8, Option<u8>)]) -> Vec<([u8; 2], Option<Vec<u8>>)> {
    records.iter().map(|(key, value)| ([b'k', *key], value.map(|value| vec![value; 30]))).collect()
}

fn keyed(records: &[(u8, Option<u8>)], codec: i16) -> Bytes {
    let fields = fields(records);
    let plain = build_batch(NOW_MS, fields.iter().map(|(key, value)| (Some(&key[..]), value.as_deref())));
    let codec = Codec::from_id(codec).unwrap();
    batch::with_contents(&plain, codec, &codec.compress(&plain[batch::HEADER_BYTES..]).unwrap())
}

fn transact(log: &Partition, producer_id: i64, records: &[(u8, Option<u8>)], is_commit: bool) {
    let producer = ProducerEpoch { producer_id, epoch: 0 };
    let fields = fields(records);
    let batch = build_producer_batch(NOW_MS, producer, false, fields.iter().map(|(key, value)| (Some(&key[..]), value.as_deref())));
    log.verify_transaction(producer, Begins::Anywhere);
    log.append(&batch, Origin::Internal).unwrap();
    log.append_marker(producer, Marker { is_commit, coordinator_epoch: 0 }).unwrap();
}

fn roll(log: &Partition) {
    let mut state = lock(&log.state);
    if state.active.size > 0 {
        log.roll(&mut state);
    }
    drop(state);
    log.seal_closed().unwrap();
}

/// Runs the steps on a compacted log and on one that keeps everything, and compares what readers see.
fn compare(steps: &[Step]) {
    let (world, whole) = (World::new(COMPACTED), World::new(&[("segment.bytes", "600")]));
    let (mut log, all) = (world.open(), whole.open());
    for step in steps {
        match step {
            Step::Append(records, codec) => {
                let batch = keyed(records, *codec);
                assert_eq!(append(&log, &batch), append(&all, &batch), "offsets stay");
            }
            Step::Transaction(producer_id, records, is_commit) => {
                transact(&log, *producer_id, records, *is_commit);
                transact(&all, *producer_id, records, *is_commit);
            }
            Step::Roll => roll(&log),
            Step::Clean => {
                log.seal_closed().unwrap();
                log.clean().unwrap();
            }
            Step::Wait => world.clock.advance(Duration::from_millis(1_001)),
            Step::Restart => log = world.open(),
            Step::RestartWithoutSnapshots => {
                for path in world.disk.paths().iter().filter(|path| path.extension().is_some_and(|kind| kind == "producers")) {
                    world.disk.remove_file(path).unwrap();
                }
                log = world.open();
            }
        }
        let (left, there) = (committed(&log), committed(&all));
        assert!(left.iter().all(|seen| there.contains(seen)), "nothing is invented or moved");
        assert_eq!(table(&left), table(&there), "the last value of each key stays");
        assert_eq!(log.offsets(), all.offsets());
    }
    // Everything closed and cleaned: one record per key, tombstones gone once their time has passed.
    roll(&log);
    log.clean().unwrap();
    world.clock.advance(Duration::from_millis(1_001));
    append(&log, &keyed(&[(99, Some(1))], 0));
    roll(&log);
    log.clean().unwrap();
    let left = committed(&log);
    let keys: std::collections::BTreeSet<_> = left.iter().map(|(_, key, _)| key.clone()).collect();
    assert_eq!(left.len(), keys.len(), "each key once: {left:?}");
    assert!(left.iter().all(|(_, _, value)| value.is_some()), "no tombstones: {left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300), ..ProptestConfig::default() })]

    #[test]
    fn a_compacted_log_says_what_the_whole_log_says(steps in steps()) {
        compare(&steps);
    }
}

#[test]
fn tombstones_stay_for_their_time() {
    let world = World::new(COMPACTED);
    let log = world.open();
    append(&log, &keyed(&[(1, Some(1)), (2, Some(2))], 4));
    append(&log, &keyed(&[(1, None)], 0));
    roll(&log);
    log.clean().unwrap();
    let tombstone = (2, b"k\x01".to_vec(), None);
    assert!(committed(&log).contains(&tombstone));
    assert_eq!(committed(&log).len(), 2, "the value before it is gone");
    world.clock.advance(Duration::from_millis(999));
    append(&log, &keyed(&[(3, Some(1))], 0));
    roll(&log);
    log.clean().unwrap();
    assert!(committed(&log).contains(&tombstone), "a consumer that is a little behind still sees it");
    world.clock.advance(Duration::from_millis(2));
    append(&log, &keyed(&[(4, Some(1))], 0));
    roll(&log);
    log.clean().unwrap();
    assert!(!committed(&log).contains(&tombstone));
}

#[test]
fn a_retry_of_a_producers_last_batch_is_recognised_after_its_records_are_gone() {
    let world = World::new(COMPACTED);
    let log = world.open();
    let sent = |sequence: i32, key: u8| {
        let mut bytes = BytesMut::from(&keyed(&[(key, Some(1))], 0)[..]);
        bytes[43..51].copy_from_slice(&7_i64.to_be_bytes());
        bytes[51..53].copy_from_slice(&0_i16.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        batch::seal(&mut bytes);
        bytes.freeze()
    };
    for sequence in 0..3 {
        append(&log, &sent(sequence, 1));
    }
    append(&log, &keyed(&[(1, Some(9))], 0));
    roll(&log);
    log.clean().unwrap();
    assert_eq!(committed(&log).len(), 1);
    assert_eq!(append(&log, &sent(2, 1)), 2, "a retry");
    for path in world.disk.paths().iter().filter(|path| path.extension().is_some_and(|kind| kind == "producers")) {
        world.disk.remove_file(path).unwrap();
    }
    let log = world.open();
    assert_eq!(append(&log, &sent(2, 1)), 2, "a retry, known only from the empty batch");
    assert!(matches!(log.append(&sent(5, 1), Origin::Client), Err(AppendError::OutOfOrder { expected: 3, found: 5 })));
}

#[test]
fn open_transactions_and_young_records_are_left_alone() {
    let world = World::new(&[COMPACTED, &[("min.compaction.lag.ms", "500")]].concat());
    let log = world.open();
    append(&log, &keyed(&[(1, Some(1))], 0));
    append(&log, &keyed(&[(1, Some(2))], 0));
    roll(&log);
    log.clean().unwrap();
    assert_eq!(committed(&log).len(), 2, "too young");
    world.clock.advance(Duration::from_millis(501));
    let producer = ProducerEpoch { producer_id: 1, epoch: 0 };
    log.verify_transaction(producer, Begins::Anywhere);
    log.append(&build_producer_batch(NOW_MS, producer, false, [(Some(&b"k\x01"[..]), Some(&b"x"[..]))]), Origin::Internal).unwrap();
    append(&log, &keyed(&[(1, Some(3))], 0));
    roll(&log);
    log.clean().unwrap();
    assert_eq!(committed(&log).len(), 3, "what is before the open transaction is cleaned; the rest waits");
}

#[test]
fn a_log_with_more_keys_than_fit_is_cleaned_in_turns() {
    let world = World::new(COMPACTED);
    let log = world.open();
    let mut config = LogConfig::clone(&log.config());
    config.max_compaction_keys = 10;
    log.set_config(Arc::new(config));
    for round in 0..4 {
        for key in 0..30 {
            append(&log, &keyed(&[(key, Some(round))], 0));
        }
    }
    roll(&log);
    let before = committed(&log);
    for _ in 0..20 {
        log.clean().unwrap();
        assert_eq!(table(&committed(&log)), table(&before));
    }
    assert_eq!(committed(&log).len(), 30);
}

/// A log with all there is to clean, closed and synced.
fn dirty_world() -> World {
    let world = World::new(COMPACTED);
    let log = world.open();
    for round in 0..6_u8 {
        append(&log, &keyed(&[(round % 3, Some(round)), (round % 2, None), (9, Some(round))], i16::from(round % 5)));
        transact(&log, 1, &[(round % 4, Some(round))], round % 2 == 0);
    }
    log.seal_closed().unwrap();
    log.seal_active().unwrap();
    world
}

#[test]
fn a_crash_at_any_change_leaves_a_log_that_says_the_same() {
    let expected = committed(&dirty_world().open());
    let mut changes = 0;
    loop {
        let world = dirty_world();
        let log = world.open();
        world.disk.set_changes_left(Some(changes));
        let was_interrupted = log.clean().is_err();
        for loses_unsynced in [false, true] {
            let after = World {
                disk: world.disk.copy(),
                clock: Arc::clone(&world.clock),
                overrides: world.overrides.clone(),
                durability: world.durability,
            };
            if loses_unsynced {
                after.disk.lose_unsynced();
            }
            let log = after.open();
            let what = format!("after {changes} changes, unsynced pages {}", if loses_unsynced { "lost" } else { "kept" });
            let left = committed(&log);
            assert!(left.iter().all(|seen| expected.contains(seen)), "{what}");
            assert_eq!(table(&left), table(&expected), "{what}");
            let strays = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "cleaned" || kind == "swap");
            assert!(!after.disk.paths().iter().any(strays), "{what}: {:?}", after.disk.paths());
            // And it goes on.
            append(&log, &keyed(&[(1, Some(200))], 0));
            roll(&log);
            log.clean().unwrap();
            let mut grown = expected.clone();
            grown.push((0, vec![b'k', 1], Some(vec![200; 30])));
            assert_eq!(table(&committed(&log)), table(&grown), "{what}");
        }
        if !was_interrupted {
            assert!(changes > 10, "there was something to interrupt: {changes}");
            return;
        }
        changes += 1;
    }
}

#[test]
fn a_failed_cleaning_harms_no_reader_and_is_tried_again() {
    for space in [0, 100, 700] {
        let world = dirty_world();
        let log = world.open();
        let before = committed(&log);
        world.disk.set_space_left(Some(space));
        assert!(log.clean().is_err(), "the disk is full");
        assert_eq!(table(&committed(&log)), table(&before));
        world.disk.set_space_left(None);
        log.clean().unwrap();
        assert_eq!(table(&committed(&log)), table(&before));
        assert!(committed(&log).len() < before.len());
    }
}
