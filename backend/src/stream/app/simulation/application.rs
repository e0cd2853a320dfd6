//! The application that is simulated, its input, and what its output must be.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    PARTITIONS,
    log::{At, Log},
};
use crate::stream::{Forward, Processor, Record, Store, StoreHandle, Topology};

pub(super) const RECORDS: u64 = 40;
pub(super) const KEYS: u64 = 4;
pub(super) const INPUT: &str = "in";
/// Read by the same tasks as the input.
pub(super) const OTHER: &str = "other";
/// All input as it was processed.
const ORDER: &str = "order";
const OUTPUT: &str = "out";
const TICKS: &str = "ticks";

/// Counts on each tick of the wall clock, under the key of the task's first record.
struct Tick(StoreHandle<String, u64>);

impl Processor<String, u64, String, u64> for Tick {
    fn process(&mut self, record: &Record<String, u64>, _: &mut Forward<'_, String, u64>) {
        if self.0.borrow().iter().next().is_none() {
            self.0.borrow_mut().put(record.key.clone(), 0);
        }
    }

    fn wall_clock(&mut self, out: &mut Forward<'_, String, u64>) {
        let last = self.0.borrow().iter().next().map(|(key, last)| (key.into_owned(), *last));
        let Some((key, last)) = last else { return };
        self.0.borrow_mut().put(key.clone(), last + 1);
        out.send(&Record { key, value: last + 1, timestamp_ms: 0 });
    }
}

/// Counts and sums by another key than the input's, so that every record goes through a repartition topic; and ticks. A backlog is of two topics.
pub(super) fn topology(is_backlog: bool) -> Topology {
    Topology::new("app", move |builder| {
        let input = builder.stream::<String, u64>(INPUT);
        input.process(TICKS, Store::new(), Some(1), Tick).to(TICKS);
        let all = if is_backlog { input.merge(&builder.stream(OTHER)) } else { input };
        if is_backlog {
            all.to(ORDER);
        }
        let numbers = all.group_by("sums", |record| format!("k{}", record.value % KEYS));
        numbers.aggregate(|| (0, 0), |record, sum: &mut (u64, u64)| *sum = (sum.0 + 1, sum.1 + record.value)).to_stream().to(OUTPUT);
    })
    .unwrap()
}

/// Whether all there is to read was processed.
pub(super) fn is_done(topology: &Topology, log: &Log) -> bool {
    let topics = topology.description().subtopologies.iter().flat_map(|part| &part.source_topics);
    let mut all = topics.flat_map(|topic| (0..PARTITIONS).map(|partition| (Arc::clone(topic), partition)));
    all.all(|at| log.stable_end(&at) == log.end_of(&at) && log.committed.get(&at).map_or(0, |(next, _)| *next) >= log.last_readable(&at))
}

/// Every key's outputs count up by one from one, and end with all there is; a backlog is processed in time's order.
pub(super) fn check(log: &Log, is_backlog: bool) -> Result<(), String> {
    let mut expected = BTreeMap::<String, (u64, u64)>::new();
    for number in 0..RECORDS {
        let sum = expected.entry(format!("k{}", number % KEYS)).or_default();
        *sum = (sum.0 + 1, sum.1 + number);
    }
    let mut found = BTreeMap::<String, (u64, u64)>::new();
    for partition in 0..PARTITIONS {
        for (offset, entry) in log.committed_from(&(OUTPUT.into(), partition), 0) {
            let sum: (u64, u64) = serde_json::from_slice(entry.value.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
            let last = found.entry(String::from_utf8_lossy(&entry.key).into_owned()).or_default();
            if sum.0 != last.0 + 1 {
                return Err(format!("output {partition}@{offset}: count {} follows {}", sum.0, last.0));
            }
            *last = sum;
        }
    }
    if found != expected {
        return Err(format!("{found:?} instead of {expected:?}"));
    }
    for partition in 0..PARTITIONS {
        check_ticks(log, &(TICKS.into(), partition))?;
        if is_backlog {
            let times: Vec<_> = log.committed_from(&(ORDER.into(), partition), 0).map(|(_, entry)| entry.timestamp_ms).collect();
            if !times.is_sorted() {
                return Err(format!("what was written in time's order was processed as {times:?}"));
            }
        }
    }
    Ok(())
}

fn check_ticks(log: &Log, at: &At) -> Result<(), String> {
    let mut last = BTreeMap::<Vec<u8>, u64>::new();
    for (_, entry) in log.committed_from(at, 0) {
        let tick = serde_json::from_slice(entry.value.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
        let before = last.insert(entry.key.clone(), tick).unwrap_or(0);
        if tick != before + 1 {
            return Err(format!("tick {tick} follows {before}"));
        }
    }
    Ok(())
}
