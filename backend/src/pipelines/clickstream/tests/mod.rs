//! The pipeline, event by event, and as a whole.

mod pages;
mod rehearsals;
mod topology;

use std::collections::BTreeMap;

use super::{settings::EVENTS, topology::topology as topology_of};
use crate::stream::{InputRecord, Publish, StreamTask, Topology};

/// The main application over several partitions of events, with one partition of each topic of its own.
pub(super) struct Partitions {
    topology: Topology,
    tasks: BTreeMap<(usize, i32), StreamTask>,
    next_offset: i64,
}

impl Partitions {
    pub(super) fn of_run(run: &str) -> Self {
        Self { topology: topology_of(&run.into(), 60).expect("a topology"), tasks: BTreeMap::new(), next_offset: 0 }
    }

    /// Processes an event and all that follows from it; gives what was published.
    pub(super) fn process(&mut self, partition: i32, value: &[u8]) -> Vec<Publish> {
        let (mut waiting, mut published) = (vec![(EVENTS.into(), partition, Some(b"u".to_vec()), Some(value.to_vec()), 0)], Vec::new());
        while let Some((topic, partition, key, value, timestamp_ms)) = waiting.pop() {
            let parts = &self.topology.description().subtopologies;
            let part = parts.iter().position(|part| part.source_topics.contains(&topic)).expect("somebody reads it");
            let task = self.tasks.entry((part, partition)).or_insert_with(|| StreamTask::new(&self.topology, part));
            let offset = self.next_offset;
            self.next_offset += 1;
            task.process(&InputRecord { topic, partition, offset, timestamp_ms, key, value, trace_id: None }).expect("results");
            task.commit();
            let (own, results): (Vec<_>, Vec<_>) =
                task.take_published().into_iter().partition(|record| record.topic.ends_with("-repartition"));
            published.extend(results);
            // The last of them is taken out first.
            waiting.extend(own.into_iter().rev().map(|it| (it.topic, 0, it.key, it.value, it.timestamp_ms)));
        }
        published
    }
}
