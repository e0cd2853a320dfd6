//! The stream-processing core: event time, windows and keyed state, with Kafka Streams' documented semantics.
//!
//! Pure: no clock, no thread, no client. A [`StreamTask`] is fed one partition's records in offset order and says what to publish;
//! [`app`] beside it does the I/O.
//!
//! What is fixed, so that a peer can check it (`kafka.apache.org/documentation/streams`, "Time", "Windowing"):
//! - A task owns one partition. **Stream time** is the largest timestamp the task has seen; it never regresses, and only
//!   records move it: an idle partition stands still, unless the application says otherwise ([`app::AppConfig::idle_advance`]).
//! - A **tumbling window** `[start, end)` takes a record until stream time reaches `end + grace`; then it is closed, and its
//!   final result is published once (`TimeWindows.ofSizeAndGrace`, `EmitStrategy.onWindowClose`).
//! - A **session** `[start, end]` grows by records at most `gap` away from it and merges with every other open session they
//!   bridge. It closes when stream time exceeds `end + gap + grace` (`SessionWindows.ofInactivityGapAndGrace`; KIP-633).
//! - A record for a closed window is **late**: it is counted and dropped, never lost in silence.

pub mod app;
mod context;
mod data;
mod driver;
mod instance;
mod store;
#[cfg(test)]
mod tests;
mod time;
mod topology;
mod windows;

pub use context::{Context, Dropped, Origin, Publish, TRACE_ID};
pub use data::{Key, Malformed, Record, Value, Windowed};
pub use driver::{CommitStep, FaultPlan, TopologyTestDriver};
pub use instance::{InputRecord, QUEUE_RECORDS_MAX, StreamTask, TaskError};
pub use store::{Backing, Change, Lane, Row, RowRange, Section, StateStore, Store};
pub use time::StreamTime;
pub use topology::{
    Condition, Description, Forward, GlobalTable, Grouped, Incoming, Matched, Node, NodeId, NodeKind, Pattern, Processor, StoreHandle,
    Stream, StreamsBuilder, Subtopology, Table, TimestampExtractor, Topology, TopologyError, Update,
};
pub use windows::{Added, Emission, JoinWindows, SessionAggregate, SessionWindows, TimeWindows, TumblingWindows};
