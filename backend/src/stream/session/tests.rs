//! Sessions: the rules one by one, then random streams against a naive recomputation.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const WINDOWS: SessionWindows = SessionWindows { gap_ms: 10, grace_ms: 5 };

/// Keeps the timestamps themselves, so that a test sees exactly what a session holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept(Vec<i64>);

impl SessionAggregate for Kept {
    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// A session as a test compares it: key, then all timestamps in order.
type Plain = (String, Vec<i64>);

fn plain(closed: ClosedSession<Kept>) -> Plain {
    let mut timestamps = closed.value.0;
    timestamps.sort_unstable();
    assert_eq!((timestamps.first(), timestamps.last()), (Some(&closed.start_ms), Some(&closed.end_ms)));
    (closed.key.to_string(), timestamps)
}

/// Feeds records; gives the sessions closed on the way, those closed by the end, and what became of each record.
fn run(records: &[(&str, i64)]) -> (Vec<Plain>, Vec<Plain>, Vec<Added>) {
    let (mut store, mut time) = (SessionStore::<Kept>::new(WINDOWS), i64::MIN);
    let (mut closed, mut added) = (Vec::new(), Vec::new());
    for &(key, timestamp) in records {
        time = time.max(timestamp);
        added.push(store.add(key, timestamp, time, |kept| kept.0.push(timestamp)));
        closed.extend(std::iter::from_fn(|| store.pop_closed(time)).map(plain));
        assert_eq!(store.open(), store.iter_open().count());
    }
    let rest = std::iter::from_fn(|| store.pop_any()).map(plain).collect();
    assert!(store.by_key.is_empty() && store.expiry.is_empty() && store.open == 0, "nothing is left behind");
    (closed, rest, added)
}

fn session(key: &str, timestamps: &[i64]) -> Plain {
    (key.to_owned(), timestamps.to_vec())
}

#[test]
fn records_within_the_gap_belong_together() {
    assert_eq!(run(&[("a", 0), ("a", 10)]).1, [session("a", &[0, 10])]);
    assert_eq!(run(&[("a", 0), ("a", 11)]).1, [session("a", &[0]), session("a", &[11])]);
    assert_eq!(run(&[("a", 0), ("b", 1)]).1, [session("a", &[0]), session("b", &[1])]);
}

#[test]
fn a_session_closes_when_stream_time_exceeds_end_plus_gap_plus_grace() {
    assert_eq!(run(&[("a", 0), ("b", 15)]).0, []);
    assert_eq!(run(&[("a", 0), ("b", 16)]).0, [session("a", &[0])]);
}

#[test]
fn a_late_record_bridges_open_sessions() {
    let (closed, rest, added) = run(&[("a", 0), ("a", 14), ("a", 7)]);
    assert_eq!((closed, rest), (vec![], vec![session("a", &[0, 7, 14])]));
    assert_eq!(added, [Added::Accepted, Added::Accepted, Added::Merged(2)]);
}

#[test]
fn a_record_for_a_closed_session_is_late() {
    let (_, rest, added) = run(&[("a", 0), ("b", 16), ("a", 0)]);
    assert_eq!((added[2], rest), (Added::Late, vec![session("b", &[16])]));
    assert_eq!(run(&[("b", 16), ("a", 0)]).2[1], Added::Late, "nothing is open and the time is past");
    assert_eq!(run(&[("b", 15), ("a", 0)]).2[1], Added::Accepted);
}

#[test]
fn a_neighbour_of_a_closed_session_is_late_too() {
    // 0 closed at 16; 5 alone would still be in time, but it belongs to the session whose result is out.
    assert_eq!(run(&[("a", 0), ("b", 16), ("a", 5)]).2[2], Added::Late);
    assert_eq!(run(&[("a", 0), ("b", 16), ("a", 11)]).2[2], Added::Accepted);
}

#[test]
fn a_closed_session_is_remembered_while_the_next_can_grow_back_to_it() {
    let (_, rest, added) = run(&[("a", -2), ("b", 20), ("a", 23), ("b", 37), ("a", 13), ("a", 8)]);
    assert_eq!(added[4..], [Added::Accepted, Added::Late], "8 would join the two, and the first one's result is out");
    assert!(rest.contains(&session("a", &[13, 23])));
}

/// The same by definition: the accepted records of a key are split where the distance exceeds the gap, and a record is late when
/// the run of records it would join has ended before the close time.
fn naive(records: &[(u8, i64)]) -> (BTreeSet<Plain>, usize) {
    let (mut accepted, mut late, mut time) = (BTreeMap::<u8, Vec<i64>>::new(), 0, i64::MIN);
    for &(key, timestamp) in records {
        time = time.max(timestamp);
        let of_key = accepted.entry(key).or_default();
        let is_near = |run: &&Vec<i64>| run.iter().any(|other| other.abs_diff(timestamp) <= WINDOWS.gap_ms as u64);
        let runs = split(of_key);
        let mut ends: Vec<_> = runs.iter().filter(is_near).filter_map(|run| run.last().copied()).collect();
        if ends.is_empty() {
            ends.push(timestamp);
        }
        if ends.iter().any(|end| end + WINDOWS.gap_ms + WINDOWS.grace_ms < time) {
            late += 1;
        } else {
            of_key.push(timestamp);
            of_key.sort_unstable();
        }
    }
    let sessions = accepted.iter().flat_map(|(key, of_key)| split(of_key).into_iter().map(|run| (key.to_string(), run))).collect();
    (sessions, late)
}

fn split(sorted: &[i64]) -> Vec<Vec<i64>> {
    sorted.chunk_by(|a, b| b - a <= WINDOWS.gap_ms).map(<[i64]>::to_vec).collect()
}

proptest! {
    #[test]
    fn sessions_equal_a_naive_recomputation(
        steps in prop::collection::vec((0_u8..4, 0_i64..12, prop_oneof![4 => 0_i64..4, 1 => 0_i64..40]), 0..120)
    ) {
        // A clock that goes on, and records stamped a little or a lot before it.
        let mut clock = 0;
        let records: Vec<_> = steps.iter().map(|(key, step, back)| { clock += step / 2; (*key, clock - back) }).collect();
        let keys: Vec<_> = records.iter().map(|(key, _)| key.to_string()).collect();
        let named: Vec<_> = keys.iter().map(String::as_str).zip(records.iter().map(|(_, timestamp)| *timestamp)).collect();
        let (closed, rest, added) = run(&named);
        let all: Vec<_> = closed.into_iter().chain(rest).collect();
        let distinct: BTreeSet<_> = all.iter().cloned().collect();
        prop_assert_eq!(distinct.len(), all.len(), "a final result comes once");
        let (expected, late) = naive(&records);
        prop_assert_eq!(distinct, expected);
        prop_assert_eq!(added.iter().filter(|added| **added == Added::Late).count(), late);
    }
}
