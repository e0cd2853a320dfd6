//! An application that runs at least once, and what must hold of it: nothing is lost, and what comes twice was not committed before.
//!
//! A member that works on after it was thrown out may write an older state over a newer one, as nothing fences plain producers (nor those of
//! Kafka Streams). What is said of state therefore holds where there is no such member, and of results everywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    PARTITIONS,
    application::{INPUT, KEYS, OTHER, RECORDS},
    log::{At, Log},
};
use crate::stream::Topology;

/// All input as it was processed.
const SEEN: &str = "seen";
/// All numbers of a key, each time one comes.
const LISTS: &str = "lists";
const REPARTITION: &str = "app-lists-repartition";
const CHANGELOG: &str = "app-lists-changelog";

/// Writes all it reads, and by another key than the input's all that came so far. A backlog is of two topics.
pub(super) fn topology(is_backlog: bool) -> Topology {
    Topology::new("app", move |builder| {
        let input = builder.stream::<String, u64>(INPUT);
        let all = if is_backlog { input.merge(&builder.stream(OTHER)) } else { input };
        all.to(SEEN);
        let numbers = all.group_by("lists", |record| key_of(record.value));
        numbers.aggregate(Vec::new, |record, list: &mut Vec<u64>| list.push(record.value)).to_stream().to(LISTS);
    })
    .unwrap()
}

fn key_of(number: u64) -> String {
    format!("k{}", number % KEYS)
}

/// A record leaves whose input its sender knows to be committed.
pub(super) fn check_sent(log: &Log, known: &BTreeMap<At, i64>, to: &At, value: Option<&[u8]>) -> Result<(), String> {
    if ![SEEN, REPARTITION].contains(&&*to.0) {
        return Ok(());
    }
    let is_again = |at: &At| {
        let next = known.get(at).copied().unwrap_or(0);
        let offset = log.committed_from(at, 0).find(|(_, entry)| entry.value.as_deref() == value).map(|(offset, _)| offset as i64);
        offset.is_some_and(|offset| offset < next)
    };
    let again = inputs().find(is_again);
    again.map_or(Ok(()), |at| Err(format!("{:?} of {at:?} is processed again after its commit", value.map(String::from_utf8_lossy))))
}

/// Offsets are committed: all that was read before has to be in what it led to.
pub(super) fn check_commit(log: &Log, next: &BTreeMap<At, (i64, String)>, has_zombies: bool) -> Result<(), String> {
    for (at, (next, _)) in next {
        let read = log.committed_from(at, 0).take_while(|(offset, _)| (*offset as i64) < *next);
        let read: BTreeSet<u64> = read.map(|(_, entry)| number(entry.value.as_deref())).collect::<Result<_, _>>()?;
        let mut written = Vec::new();
        if *at.0 == *REPARTITION {
            written.push((LISTS, listed(log, LISTS, has_zombies)?));
            if !has_zombies {
                written.push((CHANGELOG, listed(log, CHANGELOG, false)?));
            }
        } else {
            for topic in [SEEN, REPARTITION] {
                let numbers = numbers(log, topic)?;
                written.push((topic, numbers.into_values().flatten().collect()));
            }
        }
        for (topic, written) in written {
            if let Some(missing) = read.difference(&written).next() {
                return Err(format!("{at:?} is committed up to {next}, and {missing} is not in {topic}"));
            }
        }
    }
    Ok(())
}

/// All was processed, and each partition in order: first times are in the input's order, and so are last times where nobody works on who was
/// thrown out.
pub(super) fn check(log: &Log, has_zombies: bool) -> Result<(), String> {
    let all: BTreeSet<u64> = (0..RECORDS).collect();
    let seen = numbers(log, SEEN)?;
    for (what, found) in [(SEEN, seen.values().flatten().copied().collect()), (LISTS, listed(log, LISTS, has_zombies)?)] {
        if found != all {
            return Err(format!("{what} has {found:?}"));
        }
    }
    if !has_zombies && listed(log, CHANGELOG, false)? != all {
        return Err("the state has lost something".to_owned());
    }
    for (partition, seen) in &seen {
        let (first_times, last_times) = (once(seen.iter().copied()), once(seen.iter().rev().copied()));
        if !first_times.is_sorted() || (!has_zombies && !last_times.iter().rev().is_sorted()) {
            return Err(format!("{SEEN} {partition} is in the order {seen:?}"));
        }
    }
    Ok(())
}

/// Each number when it comes first.
fn once(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut known = BTreeSet::new();
    numbers.filter(|number| known.insert(*number)).collect()
}

fn inputs() -> impl Iterator<Item = At> {
    [INPUT, OTHER].into_iter().flat_map(|topic| (0..PARTITIONS).map(move |partition| (Arc::from(topic), partition)))
}

/// A topic's numbers by partition.
fn numbers(log: &Log, topic: &str) -> Result<BTreeMap<i32, Vec<u64>>, String> {
    let of = |partition: i32| -> Result<(i32, Vec<u64>), String> {
        let at = (topic.into(), partition);
        Ok((partition, log.committed_from(&at, 0).map(|(_, entry)| number(entry.value.as_deref())).collect::<Result<_, _>>()?))
    };
    (0..PARTITIONS).map(of).collect()
}

/// The numbers in the newest list of each key, or in any.
fn listed(log: &Log, topic: &str, is_any: bool) -> Result<BTreeSet<u64>, String> {
    let mut newest = BTreeMap::<&[u8], Vec<&[u8]>>::new();
    for partition in 0..PARTITIONS {
        for (_, entry) in log.committed_from(&(topic.into(), partition), 0) {
            let lists = newest.entry(&entry.key).or_default();
            if !is_any {
                lists.clear();
            }
            lists.push(entry.value.as_deref().unwrap_or_default());
        }
    }
    let list = |bytes: &[u8]| serde_json::from_slice::<Vec<u64>>(bytes).map_err(|error| error.to_string());
    let lists: Vec<_> = newest.into_values().flatten().map(list).collect::<Result<_, _>>()?;
    Ok(lists.into_iter().flatten().collect())
}

fn number(value: Option<&[u8]>) -> Result<u64, String> {
    serde_json::from_slice(value.unwrap_or_default()).map_err(|error| error.to_string())
}
