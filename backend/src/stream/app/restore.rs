//! Rebuilds a task's stores from their changelog topics, a piece at a time, so that its thread goes on polling.
//!
//! The end is captured once: what is written later is this task's own. A transaction that was open then must end first, so the high
//! watermark is what is waited for, and the last stable offset what is read to, as Kafka Streams does it.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::Problem;

use super::{
    TaskId,
    cluster::{Cluster, Reader},
    disk::Next,
    snapshot::AppEventKind,
    thread::broken,
};
use crate::{
    client::{ClientError, OffsetSpec, ReaderEvent},
    stream::{Change, StreamTask, TaskError},
};

/// Records read at once.
const RECORDS_PER_STEP: usize = 5_000;
/// Time spent at once.
const STEP_MAX: Duration = Duration::from_millis(50);

/// One partition of a changelog to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) start: i64,
    pub(super) end: i64,
    /// A table's own topic holds what others wrote: what is malformed is passed over, as it was when it was processed.
    pub(super) is_source: bool,
}

/// A restore at work.
pub(super) struct Restore {
    parts: VecDeque<Part>,
    reader: Option<Box<dyn Reader>>,
    is_stable: bool,
    done: i64,
    total: i64,
    of_parts_before: i64,
    records: u64,
    began: Instant,
    /// What follows in each changelog after what was read.
    next: Next,
}

impl Restore {
    pub(super) fn new(parts: Vec<Part>, now: Instant) -> Self {
        let parts: VecDeque<_> = parts.into_iter().filter(|part| part.start < part.end).collect();
        let total = parts.iter().map(|part| part.end - part.start).sum();
        Self { parts, reader: None, is_stable: false, done: 0, total, of_parts_before: 0, records: 0, began: now, next: Next::new() }
    }

    /// Offsets read, and offsets there are.
    pub(super) fn progress(&self) -> (i64, i64) {
        (self.done, self.total)
    }

    /// That it is over.
    pub(super) fn ended(&self, task: TaskId, now: Instant) -> AppEventKind {
        let took_ms = u64::try_from((now - self.began).as_millis()).unwrap_or(u64::MAX);
        AppEventKind::Restored { task, records: self.records, took_ms }
    }

    /// What follows in each changelog after what was read.
    pub(super) fn next(&self) -> &Next {
        &self.next
    }

    /// Reads on; `true` when all is restored.
    pub(super) fn step(&mut self, task: &mut StreamTask, cluster: &impl Cluster) -> Result<bool, Problem> {
        let began = cluster.now();
        while let Some(part) = self.parts.front().cloned() {
            let failed = |error: ClientError| error.problem(format!("The state in {} [{}] can't be read", part.topic, part.partition));
            if !self.is_stable {
                let at = [(part.topic.to_string(), part.partition)];
                let stable = cluster.list_offsets(&at, OffsetSpec::LatestStable).map_err(failed)?.into_iter().next();
                let stable = stable.map_or(Ok(None), |listed| listed.offset).map_err(failed)?.unwrap_or(0);
                if stable < part.end {
                    return Ok(false);
                }
                self.is_stable = true;
            }
            let reader = match self.reader.take() {
                Some(reader) => reader,
                None => cluster.reader(&part.topic, &[(part.partition, part.start)]).map_err(failed)?,
            };
            if !self.read(&part, &*reader, task)? {
                self.reader = Some(reader);
                return Ok(false);
            }
            self.of_parts_before += part.end - part.start;
            (self.done, self.is_stable) = (self.of_parts_before, false);
            self.parts.pop_front();
            if cluster.now() - began > STEP_MAX {
                break;
            }
        }
        Ok(self.parts.is_empty())
    }

    /// Reads some of a part; `true` at its end.
    fn read(&mut self, part: &Part, reader: &dyn Reader, task: &mut StreamTask) -> Result<bool, Problem> {
        let failed = |error: ClientError| error.problem(format!("The state in {} [{}] can't be read", part.topic, part.partition));
        for _ in 0..RECORDS_PER_STEP {
            match reader.poll(STEP_MAX / 5).map_err(failed)? {
                Some(ReaderEvent::Record(record)) if record.offset() >= part.end => return Ok(true),
                Some(ReaderEvent::Record(record)) => {
                    self.records += 1;
                    if let Some(key) = record.key() {
                        let change =
                            Change { key: key.to_vec(), value: record.value().map(<[u8]>::to_vec), timestamp_ms: record.timestamp_ms() };
                        match task.restore(&part.topic, &change) {
                            Err(error @ TaskError::Damaged { .. }) => return Err(broken(error)),
                            Err(error) if !part.is_source => {
                                let what_to_do = format!("Delete {}; the state is made again from the input", part.topic);
                                return Err(Problem::new("State could not be restored", error.to_string(), what_to_do));
                            }
                            _ => {}
                        }
                        if !part.is_source {
                            self.next.insert(Arc::clone(&part.topic), record.offset() + 1);
                        }
                    }
                    self.done = self.of_parts_before + record.offset() + 1 - part.start;
                    if record.offset() + 1 >= part.end {
                        return Ok(true);
                    }
                }
                Some(ReaderEvent::End(_)) => return Ok(true),
                None => return Ok(false),
            }
        }
        Ok(false)
    }
}
