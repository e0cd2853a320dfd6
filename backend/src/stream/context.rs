//! What a running task tells its operators, and what they leave with it.

use std::time::Instant;

use super::{data::Malformed, time::StreamTime};

/// The header by which records that have one event as their cause are found together; the value is opaque here. Kafka Streams hands all
/// headers of a record on to what comes of it; here it is this one, as the others say what is true of that record alone.
pub const TRACE_ID: &str = "trace_id";

/// A record to publish once the task commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The topic.
    pub topic: std::sync::Arc<str>,
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Event time of the result.
    pub timestamp_ms: i64,
    /// Headers, in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl Publish {
    /// What it is traced by.
    pub fn trace_id(&self) -> Option<&[u8]> {
        self.headers.iter().find(|(name, _)| *name == TRACE_ID).map(|(_, id)| id.as_slice())
    }
}

/// Records that had no effect, by reason. Counted, never lost in silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Their window was closed; one for each such window of the record, or for a join that could not let it wait for partners.
    pub late: u64,
    /// Their bytes were not what the topology expects; they are in the dead-letter topic.
    pub malformed: u64,
    /// Their key was null where state or the key's type needs one, or their value where a stream needs one.
    pub null_key: u64,
    /// Seen before, by [`super::Stream::deduplicate`].
    pub duplicate: u64,
    /// Runs of a pattern that were given up because a key had too many at once.
    pub overflowed: u64,
}

impl std::iter::Sum for Dropped {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            late: sum.late + it.late,
            malformed: sum.malformed + it.malformed,
            null_key: sum.null_key + it.null_key,
            duplicate: sum.duplicate + it.duplicate,
            overflowed: sum.overflowed + it.overflowed,
        })
    }
}

/// Where the record being processed comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The topic.
    pub topic: std::sync::Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// The task that runs an operator.
#[derive(Debug, Default)]
pub struct Context {
    pub(super) stream_time: StreamTime,
    /// Stream time before the current record.
    pub(super) stream_time_before: StreamTime,
    pub(super) wall_ms: i64,
    pub(super) origin: Origin,
    /// When the current record was taken in; `None` in virtual time.
    pub(super) taken_in: Option<Instant>,
    /// What the current record is traced by; at a change of stream time, the record that changed it.
    pub(super) trace_id: Option<std::sync::Arc<[u8]>>,
    pub(super) published: Vec<Publish>,
    pub(super) dropped: Dropped,
    /// Records each node passed on.
    pub(super) passed: Vec<u64>,
    /// The first thing that went wrong and must stop the task: an own value that can't be written.
    pub(super) failure: Option<Malformed>,
}

impl Context {
    /// Stream time: the largest timestamp of this task, the current record's included.
    pub fn stream_time_ms(&self) -> i64 {
        self.stream_time.get().unwrap_or(i64::MIN)
    }

    /// Stream time before the current record: what was closed then needs no second look.
    pub(super) fn stream_time_before_ms(&self) -> i64 {
        self.stream_time_before.get().unwrap_or(i64::MIN)
    }

    /// The wall clock as the runner or the test driver last set it.
    pub fn wall_clock_ms(&self) -> i64 {
        self.wall_ms
    }

    /// How long ago the task took the current record in, in microseconds, its waiting for its turn included; 0 in virtual time, so that
    /// what is written of it there does not differ from run to run.
    pub fn latency_us(&self) -> i64 {
        self.taken_in.map_or(0, |at| i64::try_from(at.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// Where the current record comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn publish(&mut self, record: Result<Publish, Malformed>) {
        match record {
            Ok(mut record) => {
                record.headers.extend(self.trace_id.iter().map(|id| (TRACE_ID, id.to_vec())));
                self.published.push(record);
            }
            Err(malformed) => self.failure = self.failure.take().or(Some(malformed)),
        }
    }

    pub(super) fn count(&mut self, node: usize) {
        if let Some(passed) = self.passed.get_mut(node) {
            *passed += 1;
        }
    }
}
