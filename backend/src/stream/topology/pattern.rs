//! Patterns: sequences of records of one key within so much time, found by an automaton ("small payments, then a large one").
//!
//! The automaton is a chain: one state before each step, and a run for each record that matched the first step. A record of the key
//! moves a run on when the run's next step takes it. A run whose next step is [`Pattern::next`] ends when the next record of the key does
//! not match (strict contiguity); with [`Pattern::followed_by`] it stays until one does (skip till next match, as SASE names it: Wu,
//! Diao, Rizvi, "High-performance complex event processing over streams", SIGMOD 2006). So each first record gives at most one match: its
//! earliest. A run ends when a record is further than `within_ms` from its first.
//!
//! Order is event time's: a record waits until stream time is `grace_ms` past it, then goes to the automaton in order of time, and in
//! order of arrival where times are equal. What comes later than that is counted and dropped.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    process::{Forward, Processor, StoreHandle},
    stream::Stream,
};
use crate::stream::{
    data::{Key, Record, Value},
    store::Store,
};

/// Runs kept by key; beyond it the oldest ends, which is counted ([`crate::stream::Dropped::overflowed`]).
const RUNS_MAX: usize = 1_000;

/// A record that a step took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matched<V> {
    /// Its time.
    pub timestamp_ms: i64,
    /// Its value.
    pub value: V,
}

/// Steps to be taken by records of one key, in order of time.
pub struct Pattern<V> {
    steps: Vec<Step<V>>,
    within_ms: i64,
    grace_ms: i64,
}

struct Step<V> {
    is_strict: bool,
    takes: Takes<V>,
}

/// Whether a step takes a value, after those that were taken before it.
type Takes<V> = Box<dyn Fn(&V, &[Matched<V>]) -> bool>;

impl<V> Pattern<V> {
    /// The first step. The last record may be so much later than the first; records may come so late.
    pub fn begin(within_ms: i64, grace_ms: i64, takes: impl Fn(&V) -> bool + 'static) -> Self {
        Self { steps: vec![Step { is_strict: false, takes: Box::new(move |value, _| takes(value)) }], within_ms, grace_ms }
    }

    /// A step for the very next record of the key.
    #[must_use]
    pub fn next(self, takes: impl Fn(&V, &[Matched<V>]) -> bool + 'static) -> Self {
        self.step(true, Box::new(takes))
    }

    /// A step for any later record of the key: the first that matches.
    #[must_use]
    pub fn followed_by(self, takes: impl Fn(&V, &[Matched<V>]) -> bool + 'static) -> Self {
        self.step(false, Box::new(takes))
    }

    fn step(mut self, is_strict: bool, takes: Takes<V>) -> Self {
        self.steps.push(Step { is_strict, takes });
        self
    }
}

/// What is kept of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Serialize", deserialize = "V: serde::de::DeserializeOwned"))]
struct Runs<V> {
    /// Records whose time has not come, in order.
    waiting: Vec<Matched<V>>,
    /// What each run has taken, oldest first.
    runs: Vec<Vec<Matched<V>>>,
    /// When to look at it next, as stream time less grace.
    due_ms: i64,
}

impl<K: Key, V: Value> Stream<K, V> {
    /// Finds a pattern among the records of each key; a match has its last record's time. Records with a null key are dropped and counted.
    pub fn detect<R: Clone + 'static>(
        &self,
        name: &str,
        pattern: Pattern<V>,
        select: impl Fn(&K, &[Matched<V>]) -> R + 'static,
    ) -> Stream<K, R> {
        let store = Store::<K, Runs<V>>::expiring(|_, runs| runs.due_ms);
        let mut found = self.with_keys().process(name, store, None, |runs| Detect { runs, pattern, select });
        found.is_rekeyed = false;
        found
    }
}

struct Detect<K, V, F> {
    runs: StoreHandle<K, Runs<V>>,
    pattern: Pattern<V>,
    select: F,
}

impl<K: Key, V: Value, R: Clone + 'static, F: Fn(&K, &[Matched<V>]) -> R + 'static> Processor<K, V, K, R> for Detect<K, V, F> {
    fn process(&mut self, record: &Record<K, V>, out: &mut Forward<'_, K, R>) {
        let time_ms = out.stream_time_ms().saturating_sub(self.pattern.grace_ms);
        if record.timestamp_ms < time_ms {
            out.count_late();
            return;
        }
        let old = self.runs.borrow().get(&record.key).map(Cow::into_owned);
        let mut kept = old.unwrap_or_else(|| Runs { waiting: Vec::new(), runs: Vec::new(), due_ms: i64::MAX });
        let at = kept.waiting.partition_point(|it| it.timestamp_ms <= record.timestamp_ms);
        kept.waiting.insert(at, Matched { timestamp_ms: record.timestamp_ms, value: record.value.clone() });
        self.go_on(&record.key, kept, time_ms, out);
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, K, R>) {
        let time_ms = out.stream_time_ms().saturating_sub(self.pattern.grace_ms);
        loop {
            let due = self.runs.borrow_mut().pop_expired(time_ms.saturating_add(1));
            let Some((key, kept)) = due else { break };
            self.go_on(&key, kept, time_ms, out);
        }
    }
}

impl<K: Key, V: Value, F> Detect<K, V, F> {
    /// Gives the automaton the records whose time has come, and keeps what is left.
    fn go_on<R: Clone + 'static>(&self, key: &K, mut kept: Runs<V>, time_ms: i64, out: &mut Forward<'_, K, R>)
    where
        F: Fn(&K, &[Matched<V>]) -> R,
    {
        let waiting = kept.waiting.split_off(kept.waiting.partition_point(|it| it.timestamp_ms <= time_ms));
        for event in std::mem::replace(&mut kept.waiting, waiting) {
            for found in self.take(&mut kept.runs, &event) {
                out.send(&Record { key: key.clone(), value: (self.select)(key, &found), timestamp_ms: event.timestamp_ms });
            }
            if kept.runs.len() > RUNS_MAX {
                kept.runs.remove(0);
                out.count_overflowed();
            }
        }
        let ends_ms =
            |run: &Vec<Matched<V>>| run.first().map_or(i64::MIN, |first| first.timestamp_ms.saturating_add(self.pattern.within_ms));
        kept.runs.retain(|run| ends_ms(run) >= time_ms);
        let next_end_ms = kept.runs.iter().map(|run| ends_ms(run).saturating_add(1)).min();
        let due_ms = kept.waiting.first().map(|it| it.timestamp_ms).into_iter().chain(next_end_ms).min();
        match due_ms {
            Some(due_ms) => self.runs.borrow_mut().put(key.clone(), Runs { due_ms, ..kept }),
            None => drop(self.runs.borrow_mut().delete(key)),
        }
    }

    /// Moves the runs on; gives those that are complete.
    fn take(&self, runs: &mut Vec<Vec<Matched<V>>>, event: &Matched<V>) -> Vec<Vec<Matched<V>>> {
        let (mut found, mut open) = (Vec::new(), Vec::new());
        let fresh = std::iter::once(Vec::new());
        for mut run in std::mem::take(runs).into_iter().chain(fresh) {
            let is_over = run.first().is_some_and(|first| event.timestamp_ms.saturating_sub(first.timestamp_ms) > self.pattern.within_ms);
            let Some(step) = self.pattern.steps.get(run.len()).filter(|_| !is_over) else { continue };
            if (step.takes)(&event.value, &run) {
                run.push(event.clone());
            } else if step.is_strict || run.is_empty() {
                continue;
            }
            if run.len() == self.pattern.steps.len() { found.push(run) } else { open.push(run) }
        }
        *runs = open;
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail loudly")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::stream::{Topology, TopologyTestDriver};

    const WITHIN_MS: i64 = 12;
    const GRACE_MS: i64 = 5;

    /// Times and values of the matches by key.
    type Found = BTreeMap<String, Vec<Vec<(i64, i64)>>>;

    /// Small, then at some time a larger one, then at once one larger still.
    fn driver() -> TopologyTestDriver {
        let topology = Topology::new("app", |builder| {
            let pattern = Pattern::begin(WITHIN_MS, GRACE_MS, |value: &i64| *value < 3)
                .followed_by(|value, before| before.iter().all(|it| *value > it.value + 1))
                .next(|value, before| before.last().is_some_and(|it| *value > it.value));
            let found = builder
                .stream::<String, i64>("in")
                .detect("climbs", pattern, |_, matched| matched.iter().map(|it| (it.timestamp_ms, it.value)).collect::<Vec<_>>());
            found.to("out");
        });
        TopologyTestDriver::new(&topology.unwrap())
    }

    /// The same by trying all that may follow, over what was in time, sorted.
    fn naive(records: &[(u8, i64, i64)]) -> (Found, u64) {
        let (mut by_key, mut time_ms, mut late) = (BTreeMap::<u8, Vec<(i64, i64)>>::new(), i64::MIN, 0);
        for (key, timestamp_ms, value) in records {
            time_ms = time_ms.max(*timestamp_ms);
            if timestamp_ms + GRACE_MS < time_ms { late += 1 } else { by_key.entry(*key).or_default().push((*timestamp_ms, *value)) }
        }
        let mut found = Found::new();
        for (key, mut events) in by_key {
            events.sort_by_key(|(timestamp_ms, _)| *timestamp_ms);
            events.retain(|(timestamp_ms, _)| timestamp_ms + GRACE_MS <= time_ms); // the others wait still
            for (first, a) in events.iter().enumerate().filter(|(_, (_, value))| *value < 3) {
                let second = (first + 1..events.len()).find(|at| events[*at].1 > a.1 + 1);
                let Some((b, c)) = second.and_then(|at| Some((events[at], *events.get(at + 1)?))) else { continue };
                if c.1 > b.1 && c.0 - a.0 <= WITHIN_MS {
                    found.entry(key.to_string()).or_default().push(vec![*a, b, c]);
                }
            }
        }
        (found, late)
    }

    proptest! {
        #[test]
        fn matches_equal_a_naive_search(steps in prop::collection::vec((0_u8..2, 0_i64..4, 0_i64..8, 0_i64..7), 0..80), crash_at in 0_usize..80) {
            let (mut driver, mut clock, mut records) = (driver(), 100, Vec::new());
            let mut late = 0;
            for (at, (key, step, back, value)) in steps.into_iter().enumerate() {
                if at == crash_at {
                    late += driver.dropped().late;
                    driver.crash_and_restore().unwrap();
                }
                clock += step;
                records.push((key, clock - back, value));
                driver.pipe("in", key.to_string(), value, clock - back).unwrap();
            }
            let mut found = Found::new();
            for record in driver.read_all::<String, Vec<(i64, i64)>>("out").unwrap() {
                prop_assert_eq!(record.value.as_ref().and_then(|it| it.last()).map(|it| it.0), Some(record.timestamp_ms));
                found.entry(record.key).or_default().extend(record.value);
            }
            let (mut expected, expected_late) = naive(&records);
            // One record may end several matches at once; their order is that of their beginnings, which sorting keeps.
            found.values_mut().chain(expected.values_mut()).for_each(|all| all.sort());
            prop_assert_eq!(found, expected);
            prop_assert_eq!(late + driver.dropped().late, expected_late);
        }
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut driver = driver();
        driver.pipe("in", "a".to_owned(), 1, 0).unwrap();
        driver.pipe("in", "b".to_owned(), 9, GRACE_MS + WITHIN_MS).unwrap();
        assert_eq!(driver.task().store("climbs").unwrap().borrow().len(), 2, "a's run may still be completed");
        driver.pipe("in", "b".to_owned(), 9, 2 * (GRACE_MS + WITHIN_MS)).unwrap();
        assert_eq!(driver.task().store("climbs").unwrap().borrow().browse("\"a\"", 9), []);
    }
}
