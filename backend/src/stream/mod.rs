//! The stream-processing core: event time, windows and keyed state, with Kafka Streams' documented semantics.
//!
//! Pure: no clock, no thread, no client. A [`StreamTask`] is fed one partition's records in offset order and says what to publish;
//! [`app`] beside it does the I/O.
//!
//! What is fixed, so that a peer can check it (`kafka.apache.org/documentation/streams`, "Time", "Windowing"):
//! - A task owns one partition. **Stream time** is the largest timestamp the task has seen; it never regresses, and only
//!   records move it: an idle partition stands still.
//! - A **tumbling window** `[start, end)` takes a record until stream time reaches `end + grace`; then it is closed, and its
//!   final result is published once (`TimeWindows.ofSizeAndGrace`, `EmitStrategy.onWindowClose`).
//! - A **session** `[start, end]` grows by records at most `gap` away from it and merges with every other open session they
//!   bridge. It closes when stream time exceeds `end + gap + grace` (`SessionWindows.ofInactivityGapAndGrace`; KIP-633).
//! - A record for a closed window is **late**: it is counted and dropped, never lost in silence.
//! - One difference to Kafka Streams: there a late record next to a session whose final result is out may still open a
//!   session of its own. Here that session is final and the record is late. So the published sessions are always the
//!   accepted records, split where the distance exceeds the gap, and a batch job can recompute them.

pub mod app;
mod context;
mod data;
mod driver;
mod instance;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod time;
mod topology;
mod tumbling;
mod windows;

pub use context::{Context, Dropped, Origin, Publish};
pub use data::{Key, Malformed, Record, Value, Windowed};
pub use driver::TopologyTestDriver;
pub use instance::{InputRecord, QUEUE_RECORDS_MAX, StreamTask, TaskError};
pub use session::{Added, ClosedSession, Session, SessionAggregate, SessionStore, SessionWindows};
pub use store::{Change, StateStore, Store};
pub use time::StreamTime;
pub use topology::{
    Condition, Description, Forward, GlobalTable, Grouped, Incoming, Node, NodeId, Processor, StoreHandle, Stream, StreamsBuilder,
    Subtopology, Table, TimestampExtractor, Topology, TopologyError, Update,
};
pub use tumbling::{TumblingStore, TumblingWindows};
pub use windows::{Emission, JoinWindows, TimeWindows};
