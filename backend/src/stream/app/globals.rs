//! Global tables: every task has them whole, so a thread reads their topics once and hands each record to all of its tasks.
//!
//! A row that can't be read means the same to all of them, so one task of the application tells it ([`DeadRows`]).

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use weir_model::Problem;

use super::{
    AppConfig, TaskId,
    cluster::{Cluster, Reader},
    plan::Plan,
    shared::Shared,
};
use crate::{
    client::{ClientError, OffsetSpec, ReaderEvent},
    stream::{InputRecord, Publish, StreamTask, TaskError},
};

/// How long the topics may take to be read for the first time.
const FIRST_READ_MAX: Duration = Duration::from_secs(120);
/// How long a poll waits during the first reading.
const POLL: Duration = Duration::from_millis(100);
/// Records taken between two rounds of processing.
const RECORDS_PER_ROUND: usize = 1_000;

/// The newest record of each key, by topic: bounded as the compacted topic is.
pub(super) struct Globals {
    readers: Vec<(Arc<str>, Box<dyn Reader>)>,
    records: BTreeMap<(Arc<str>, Vec<u8>), InputRecord>,
}

impl Globals {
    /// Reads all global topics to their end.
    pub(super) fn read(cluster: &impl Cluster, config: &AppConfig, plan: &Plan) -> Result<Self, Problem> {
        let mut globals = Self { readers: Vec::new(), records: BTreeMap::new() };
        for topic in &config.topology.description().global_topics {
            let failed = |error: ClientError| error.problem(format!("The global table {topic} can't be read"));
            let partitions: Vec<_> = (0..plan.partitions_of(topic)).map(|partition| (topic.to_string(), partition)).collect();
            let mut starts = BTreeMap::new();
            for listed in cluster.list_offsets(&partitions, OffsetSpec::Earliest).map_err(failed)? {
                let since = usize::try_from(listed.partition).ok().and_then(|at| config.since.get(&**topic)?.get(at).copied()).unwrap_or(0);
                starts.insert(listed.partition, listed.offset.map_err(failed)?.unwrap_or(0).max(since));
            }
            let open = starts.keys().copied().collect();
            let reader = cluster.reader(topic, &starts.into_iter().collect::<Vec<_>>()).map_err(failed)?;
            let deadline = cluster.now() + FIRST_READ_MAX;
            let next = || match reader.poll(POLL).map_err(failed)? {
                Some(ReaderEvent::Record(record)) => Ok(Some(First::Record(input(topic, &record)))),
                Some(ReaderEvent::End(partition)) => Ok(Some(First::End(partition))),
                None if cluster.now() > deadline => Err(failed(ClientError::no_answer())),
                None => Ok(None),
            };
            read_to_ends(open, next, |record| globals.keep(record))?;
            globals.readers.push((Arc::clone(topic), reader));
        }
        Ok(globals)
    }

    /// Fills a new task; gives the dead letters of rows that it could not read, if it tells them.
    pub(super) fn fill(&self, task: &mut StreamTask, tells: bool) -> Result<Vec<Publish>, TaskError> {
        self.records.values().filter_map(|record| task.process_global(record, tells).transpose()).collect()
    }

    /// What came since the last call.
    pub(super) fn poll(&mut self) -> Result<Vec<InputRecord>, Problem> {
        let mut news = Vec::new();
        for (topic, reader) in &self.readers {
            let failed = |error: ClientError| error.problem(format!("The global table {topic} can't be read"));
            while news.len() < RECORDS_PER_ROUND {
                match reader.poll(Duration::ZERO).map_err(failed)? {
                    Some(ReaderEvent::Record(record)) => news.push(input(topic, &record)),
                    Some(ReaderEvent::End(_)) => {}
                    None => break,
                }
            }
        }
        news.iter().for_each(|record| self.keep(record.clone()));
        Ok(news)
    }

    fn keep(&mut self, record: InputRecord) {
        let Some(key) = record.key.clone() else { return };
        let at = (Arc::clone(&record.topic), key);
        if record.value.is_some() { drop(self.records.insert(at, record)) } else { drop(self.records.remove(&at)) }
    }
}

/// What the first reading brings.
enum First {
    Record(InputRecord),
    End(i32),
}

/// Reads until each partition has been at its end: one that grows is there again and again before the others have been once.
fn read_to_ends(
    mut open: BTreeSet<i32>,
    mut next: impl FnMut() -> Result<Option<First>, Problem>,
    mut keep: impl FnMut(InputRecord),
) -> Result<(), Problem> {
    while !open.is_empty() {
        match next()? {
            Some(First::Record(record)) => keep(record),
            Some(First::End(partition)) => drop(open.remove(&partition)),
            None => {}
        }
    }
    Ok(())
}

/// Rows of global tables that can't be read, on their way to the dead-letter topic: once in a process, however many tasks, threads and lives
/// meet them. Written with the thread's next commit, and again if that is aborted.
#[derive(Default)]
pub(super) struct DeadRows {
    unwritten: RefCell<Vec<Publish>>,
}

impl DeadRows {
    /// Whether it is this task that tells: the first of all, which one thread of the application has at a time.
    pub(super) fn are_told_by(task: TaskId, plan: &Plan) -> bool {
        plan.tasks.first() == Some(&task)
    }

    /// Takes in what that task could not read.
    pub(super) fn add(&self, rows: impl IntoIterator<Item = Publish>, shared: &Shared) {
        let mut unwritten = self.unwritten.borrow_mut();
        for row in rows.into_iter().filter(|row| !shared.is_told(row)) {
            if !unwritten.contains(&row) {
                unwritten.push(row);
            }
        }
    }

    /// What is to be written.
    pub(super) fn unwritten(&self) -> Vec<Publish> {
        self.unwritten.borrow().clone()
    }

    /// These are committed.
    pub(super) fn written(&self, rows: Vec<Publish>, shared: &Shared) {
        self.unwritten.borrow_mut().retain(|row| !rows.contains(row));
        shared.told(rows);
    }
}

fn input(topic: &Arc<str>, record: &crate::client::IncomingRecord<'_>) -> InputRecord {
    InputRecord {
        topic: Arc::clone(topic),
        partition: record.partition(),
        offset: record.offset(),
        timestamp_ms: record.timestamp_ms().unwrap_or(0),
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
        trace_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_grows_is_not_taken_for_the_others() {
        let record = |partition: i32| {
            let (key, value) = (Some(vec![0]), Some(vec![0]));
            First::Record(InputRecord { topic: "rows".into(), partition, offset: 0, timestamp_ms: 0, key, value, trace_id: None })
        };
        let script = [record(0), First::End(0), record(0), First::End(0), record(1), First::End(0), record(1), First::End(1), record(0)];
        let (mut script, mut kept) = (script.into_iter(), Vec::new());
        read_to_ends([0, 1].into(), || Ok(script.next()), |record| kept.push(record.partition)).ok();
        assert_eq!(kept, [0, 0, 1, 1], "all that was there before the last partition's end");
    }
}
