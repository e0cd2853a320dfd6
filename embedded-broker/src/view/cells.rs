//! What is counted while requests are served: one cell per connection and one per API, relaxed atomics and locks nobody waits for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::events::{EventKind, EventLog};
use super::histogram::HistogramCell;
use super::trace::{TraceBudget, TraceEntry};
use crate::api::APIS;
use crate::clock::Clock;
use crate::codec::RequestHead;
use crate::security::Session;
use crate::sync::lock;

const NOTHING_IN_FLIGHT: usize = usize::MAX;

/// All that is counted.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started_ms: i64,
    /// By position in [`APIS`].
    pub(super) apis: Vec<ApiCell>,
    pub(super) connections: Mutex<Connections>,
    pub(super) traced: TraceBudget,
    pub(crate) events: Arc<EventLog>,
}

#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) open: BTreeMap<u64, Arc<ConnectionCell>>,
    by_ip: HashMap<IpAddr, usize>,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// Of those that have closed.
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// One API, all connections together.
#[derive(Debug, Default)]
pub(super) struct ApiCell {
    pub(super) requests: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) latency: HistogramCell,
    /// Errors are rare enough for a lock.
    pub(super) errors: Mutex<BTreeMap<i16, u64>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct ConnectionCell {
    pub(crate) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) listener: String,
    pub(super) opened_ms: i64,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) last_request_ms: AtomicI64,
    /// By position in [`APIS`].
    pub(super) requests: Box<[AtomicU64]>,
    /// Position in [`APIS`] of what is being answered.
    in_flight: AtomicUsize,
    /// It waits for something: data, other members, the disk.
    parked: AtomicBool,
    pub(super) names: Mutex<Names>,
    pub(super) last_error: Mutex<Option<(usize, i16, i64)>>,
    /// Known once TLS stands.
    pub(super) session: OnceLock<Arc<Session>>,
    pub(super) trace: Mutex<VecDeque<TraceEntry>>,
    close: Notify,
}

/// What a client calls itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) client_id: Arc<str>,
    pub(super) software_name: String,
    pub(super) software_version: String,
}

/// Keeps a connection in the view until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    counters: Arc<Counters>,
    pub(crate) cell: Arc<ConnectionCell>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut connections = lock(&self.counters.connections);
        connections.open.remove(&self.cell.id);
        connections.leave(self.cell.peer.ip());
        connections.bytes_in += self.cell.bytes_in.load(Relaxed);
        connections.bytes_out += self.cell.bytes_out.load(Relaxed);
        drop(connections);
        self.counters.traced.give_back(lock(&self.cell.trace).len());
    }
}

impl Connections {
    fn leave(&mut self, ip: IpAddr) {
        if let Some(of_ip) = self.by_ip.get_mut(&ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                self.by_ip.remove(&ip);
            }
        }
    }
}

impl Counters {
    pub(crate) fn new(clock: Arc<dyn Clock>, events: Arc<EventLog>) -> Self {
        let started_ms = clock.now_ms();
        let apis = APIS.iter().map(|_| ApiCell::default()).collect();
        Self { clock, started_ms, apis, connections: Mutex::default(), traced: TraceBudget::default(), events }
    }

    /// Counts a connection and gives it its id. `None`: its address has `max_per_ip` open already.
    pub(crate) fn open(self: &Arc<Self>, peer: SocketAddr, listener: &str, max_per_ip: usize) -> Option<OpenConnection> {
        let opened_ms = self.clock.now_ms();
        let mut connections = lock(&self.connections);
        let of_ip = connections.by_ip.entry(peer.ip()).or_default();
        if *of_ip >= max_per_ip {
            return None;
        }
        *of_ip += 1;
        let cell = Arc::new(ConnectionCell {
            id: connections.accepted,
            peer,
            listener: listener.to_owned(),
            opened_ms,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            last_request_ms: AtomicI64::new(opened_ms),
            requests: APIS.iter().map(|_| AtomicU64::new(0)).collect(),
            in_flight: AtomicUsize::new(NOTHING_IN_FLIGHT),
            parked: AtomicBool::new(false),
            names: Mutex::default(),
            last_error: Mutex::default(),
            session: OnceLock::new(),
            trace: Mutex::default(),
            close: Notify::new(),
        });
        connections.accepted += 1;
        connections.open.insert(cell.id, Arc::clone(&cell));
        drop(connections);
        Some(OpenConnection { counters: Arc::clone(self), cell })
    }

    /// A connection that was turned away.
    pub(crate) fn refuse(&self, peer: SocketAddr, reason: String) {
        let mut connections = lock(&self.connections);
        connections.refused += 1;
        let connection_id = connections.accepted;
        connections.accepted += 1;
        drop(connections);
        self.events.record(EventKind::ConnectionEnded { connection_id, peer: peer.to_string(), reason });
    }

    /// Asks the connections that `is_meant` picks to end. Says how many there were.
    pub(crate) fn close_connections(&self, is_meant: impl Fn(&ConnectionCell) -> bool) -> usize {
        let connections = lock(&self.connections);
        let meant = connections.open.values().filter(|cell| is_meant(cell));
        meant.map(|cell| cell.close.notify_one()).count()
    }

    /// Whether requests are traced.
    pub(crate) fn traces(&self) -> bool {
        self.traced.is_on()
    }

    /// A request begins.
    pub(crate) fn begin<'a>(&'a self, cell: &'a ConnectionCell, index: usize, head: &RequestHead, request_bytes: usize) -> Measured<'a> {
        cell.in_flight.store(index, Relaxed);
        cell.requests[index].fetch_add(1, Relaxed);
        cell.last_request_ms.store(self.clock.now_ms(), Relaxed);
        self.apis[index].requests.fetch_add(1, Relaxed);
        self.apis[index].bytes_in.fetch_add(request_bytes as u64, Relaxed);
        // The machine's clock, not the broker's: milliseconds are too coarse to see, and nothing depends on what is seen.
        Measured { counters: self, cell, index, head: head.clone(), request_bytes, started: Instant::now(), is_over: false }
    }
}

impl ConnectionCell {
    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// Who the client is, once that is known.
    pub(crate) fn set_session(&self, session: &Arc<Session>) {
        let _ = self.session.set(Arc::clone(session));
    }

    pub(crate) fn set_client_id(&self, client_id: &Arc<str>) {
        let mut names = lock(&self.names);
        if names.client_id != *client_id {
            names.client_id = Arc::clone(client_id);
        }
    }

    /// ApiVersions 3 (KIP-511): what the client is made of.
    pub(crate) fn set_software(&self, name: &str, version: &str) {
        let mut names = lock(&self.names);
        (names.software_name, names.software_version) = (name.to_owned(), version.to_owned());
    }

    pub(crate) fn client_id(&self) -> Arc<str> {
        Arc::clone(&lock(&self.names).client_id)
    }

    /// The request waits.
    pub(crate) fn park(&self) {
        self.parked.store(true, Relaxed);
    }

    /// Ends when someone wants this connection closed.
    pub(crate) async fn told_to_close(&self) {
        self.close.notified().await;
    }

    /// Position in [`APIS`] of what is being answered, and whether that waits.
    pub(super) fn in_flight(&self) -> Option<(usize, bool)> {
        let index = self.in_flight.load(Relaxed);
        (index != NOTHING_IN_FLIGHT).then(|| (index, self.parked.load(Relaxed)))
    }
}

/// A request under way. Dropped before its end, as when the client goes, it counts as abandoned.
pub(crate) struct Measured<'a> {
    counters: &'a Counters,
    cell: &'a ConnectionCell,
    index: usize,
    head: RequestHead,
    request_bytes: usize,
    started: Instant,
    is_over: bool,
}

impl Measured<'_> {
    /// The request is answered.
    pub(crate) fn end(mut self, response_bytes: usize, error_codes: &[i16], summary: Option<String>) {
        self.is_over = true;
        let duration = self.started.elapsed();
        let api = &self.counters.apis[self.index];
        api.latency.record(duration);
        api.bytes_out.fetch_add(response_bytes as u64, Relaxed);
        if let Some(first) = error_codes.first() {
            let mut errors = lock(&api.errors);
            for code in error_codes {
                *errors.entry(*code).or_default() += 1;
            }
            drop(errors);
            *lock(&self.cell.last_error) = Some((self.index, *first, self.counters.clock.now_ms()));
        }
        if self.counters.traced.is_on() {
            self.trace(duration, response_bytes, error_codes.first().copied(), summary);
        }
    }

    fn trace(&self, duration: Duration, response_bytes: usize, error_code: Option<i16>, summary: Option<String>) {
        let entry = TraceEntry {
            at_ms: self.counters.clock.now_ms(),
            api: APIS[self.index].name,
            version: self.head.version,
            correlation_id: self.head.correlation_id,
            client_id: self.cell.client_id().to_string(),
            request_bytes: self.request_bytes,
            response_bytes,
            duration,
            error_code: error_code.unwrap_or(0),
            summary: summary.unwrap_or_default(),
        };
        self.counters.traced.keep(&mut lock(&self.cell.trace), entry);
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.counters.apis[self.index].abandoned.fetch_add(1, Relaxed);
        }
        self.cell.parked.store(false, Relaxed);
        self.cell.in_flight.store(NOTHING_IN_FLIGHT, Relaxed);
    }
}
