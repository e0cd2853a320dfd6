//! The view from inside: what the broker is doing, for whoever embeds it. Plain data, read through [`Broker`](crate::Broker)'s handle.
//!
//! Counting is always on and must stay that cheap: relaxed atomics, no lock that anyone waits for, nothing per record.

mod cells;
mod events;
mod histogram;
mod snapshot;
mod trace;

use std::net::SocketAddr;

pub(crate) use cells::{ConnectionCell, Counters};
pub(crate) use events::EventLog;
pub use events::{Event, EventKind, Events};
pub use histogram::Histogram;
pub(crate) use snapshot::logs;
pub use trace::TraceEntry;
pub(crate) use trace::summary;

/// What the broker is doing at this moment. The numbers are read one after the other while it goes on: each is right, a sum of some may
/// be a request apart from the sum of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerView {
    /// When the broker started, by its clock.
    pub started_ms: i64,
    /// When this was read.
    pub read_ms: i64,
    /// All connections together, closed ones too.
    pub totals: Totals,
    /// Those that are open, by id.
    pub connections: Vec<ConnectionView>,
    /// What was asked since the start, by key. APIs never asked for are left out.
    pub apis: Vec<ApiView>,
}

/// Sums since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections open now.
    pub connections_open: usize,
    /// Connections accepted, refused ones included.
    pub connections_accepted: u64,
    /// Connections turned away over a limit.
    pub connections_refused: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Requests of all APIs.
    pub requests: u64,
    /// Fetches, joins and syncs that wait at this moment.
    pub long_polls: usize,
    /// Bytes of requests in memory that are being read or served, as far as they count against the limit.
    pub request_memory_bytes: usize,
    /// Bytes of answers in memory, as far as they count against the limit.
    pub response_memory_bytes: usize,
}

/// One open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Its number; never used again.
    pub id: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The listener it came to.
    pub listener: String,
    /// Kafka's spelling of who it acts for; empty before that is known.
    pub principal: String,
    /// The name the client gives itself.
    pub client_id: String,
    /// The client library, where it says so (ApiVersions 3, KIP-511).
    pub software_name: String,
    /// The library's version.
    pub software_version: String,
    /// When it was opened.
    pub opened_ms: i64,
    /// When its last request came.
    pub last_request_ms: i64,
    /// What is being answered now.
    pub in_flight: Option<InFlight>,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Requests by API, in the order of the keys; those never asked for are left out.
    pub requests: Vec<(&'static str, u64)>,
    /// The last answer that told of an error.
    pub last_error: Option<LastError>,
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The API.
    pub api: &'static str,
    /// When it came.
    pub since_ms: i64,
    /// It waits for data, for other members or for the disk.
    pub is_parked: bool,
}

/// An error a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The API that answered it.
    pub api: &'static str,
    /// Kafka's code.
    pub code: i16,
    /// Kafka's name of the code.
    pub name: String,
    /// When.
    pub at_ms: i64,
}

/// One API, all connections together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiView {
    /// Kafka's number for it.
    pub key: i16,
    /// Kafka's name for it.
    pub name: &'static str,
    /// Requests that came.
    pub requests: u64,
    /// Requests whose client left before the answer.
    pub abandoned: u64,
    /// Bytes of requests.
    pub bytes_in: u64,
    /// Bytes of answers.
    pub bytes_out: u64,
    /// Error codes in answers: each place that held one counts, as in Kafka's ErrorsPerSec.
    pub errors: Vec<ErrorCount>,
    /// From the whole request to the whole answer. Of a long poll, the waiting is part.
    pub latency: Histogram,
}

/// How often an error was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCount {
    /// Kafka's code.
    pub code: i16,
    /// Kafka's name of the code.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// One partition's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that can be read.
    pub log_start_offset: i64,
    /// One past the last.
    pub high_watermark: i64,
    /// Bytes of all segments.
    pub size_bytes: u64,
    /// Segments, the active one included.
    pub segments: usize,
    /// Bytes appended since the broker started.
    pub appended_bytes: u64,
}
