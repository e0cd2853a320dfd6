//! Counters that cost next to nothing, read by whoever embeds the broker.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::api::APIS;

/// What the broker has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now.
    pub connections_open: u64,
    /// Connections accepted since the start.
    pub connections_accepted: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Requests by API, in the order of the API keys; those never asked for are left out.
    pub requests: Vec<(&'static str, u64)>,
}

#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) connections_open: AtomicU64,
    connections_accepted: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// By position in [`APIS`].
    requests: Vec<AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            connections_open: AtomicU64::new(0),
            connections_accepted: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            requests: APIS.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Counters {
    /// Counts a connection and gives it its id.
    pub(crate) fn count_connection(&self) -> u64 {
        self.connections_open.fetch_add(1, Relaxed);
        self.connections_accepted.fetch_add(1, Relaxed)
    }

    pub(crate) fn count_request(&self, index: usize) {
        self.requests[index].fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let requests = APIS.iter().zip(&self.requests).map(|(entry, count)| (entry.name, count.load(Relaxed)));
        Stats {
            connections_open: self.connections_open.load(Relaxed),
            connections_accepted: self.connections_accepted.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            requests: requests.filter(|(_, count)| *count > 0).collect(),
        }
    }
}
