//! Global tables: every task has them whole, so a thread reads their topics once and hands each record to all of its tasks.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::Problem;

use super::plan::Plan;
use crate::{
    client::{Admin, ClientError, Connection, OffsetSpec, Reader, ReaderEvent},
    stream::{InputRecord, StreamTask, TaskError, Topology},
};

/// How long the topics may take to be read for the first time.
const FIRST_READ_MAX: Duration = Duration::from_secs(120);
/// How long a poll waits during the first reading.
const POLL: Duration = Duration::from_millis(100);
/// Records taken between two rounds of processing.
const RECORDS_PER_ROUND: usize = 1_000;

/// The newest record of each key, by topic: bounded as the compacted topic is.
pub(super) struct Globals {
    readers: Vec<(Arc<str>, Reader)>,
    records: BTreeMap<(Arc<str>, Vec<u8>), InputRecord>,
}

impl Globals {
    /// Reads all global topics to their end.
    pub(super) fn read(
        connection: &Connection,
        admin: &Admin,
        topology: &Topology,
        plan: &Plan,
        since: &BTreeMap<String, Vec<i64>>,
    ) -> Result<Self, Problem> {
        let mut globals = Self { readers: Vec::new(), records: BTreeMap::new() };
        for topic in &topology.description().global_topics {
            let failed = |error: ClientError| error.problem(format!("The global table {topic} can't be read"));
            let partitions: Vec<_> = (0..plan.partitions_of(topic)).map(|partition| (topic.to_string(), partition)).collect();
            let mut starts = BTreeMap::new();
            for listed in admin.list_offsets(&partitions, OffsetSpec::Earliest).map_err(failed)? {
                let since = usize::try_from(listed.partition).ok().and_then(|at| since.get(&**topic)?.get(at).copied()).unwrap_or(0);
                starts.insert(listed.partition, listed.offset.map_err(failed)?.unwrap_or(0).max(since));
            }
            let reader = Reader::new(connection, topic, false).map_err(failed)?;
            let mut open = starts.len();
            reader.assign(starts).map_err(failed)?;
            let deadline = Instant::now() + FIRST_READ_MAX;
            while open > 0 {
                match reader.poll(POLL).map_err(failed)? {
                    Some(ReaderEvent::Record(record)) => globals.keep(input(topic, &record)),
                    Some(ReaderEvent::End(_)) => open -= 1,
                    None if Instant::now() > deadline => return Err(failed(ClientError::no_answer())),
                    None => {}
                }
            }
            globals.readers.push((Arc::clone(topic), reader));
        }
        Ok(globals)
    }

    /// Fills a new task.
    pub(super) fn fill(&self, task: &mut StreamTask) -> Result<(), TaskError> {
        self.records.values().try_for_each(|record| task.process(record))
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

fn input(topic: &Arc<str>, record: &crate::client::IncomingRecord<'_>) -> InputRecord {
    InputRecord {
        topic: Arc::clone(topic),
        partition: record.partition(),
        offset: record.offset(),
        timestamp_ms: record.timestamp_ms().unwrap_or(0),
        key: record.key().map(<[u8]>::to_vec),
        value: record.value().map(<[u8]>::to_vec),
    }
}
