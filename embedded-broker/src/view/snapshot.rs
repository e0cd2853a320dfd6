//! From counters to plain data.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::cells::{ApiCell, ConnectionCell, Counters};
use super::trace::TraceEntry;
use super::{ApiView, BrokerView, ConnectionView, ErrorCount, InFlight, LastError, LogView, Totals};
use crate::api::{APIS, PARKING_APIS};
use crate::codec::error_name;
use crate::node::Node;
use crate::sync::lock;

impl Counters {
    /// Everything but the logs. Takes microseconds: the lock it holds meanwhile is the one that opening a connection takes.
    pub(crate) fn view(&self) -> BrokerView {
        let connections = lock(&self.connections);
        let (accepted, refused) = (connections.accepted, connections.refused);
        let (mut bytes_in, mut bytes_out) = (connections.bytes_in, connections.bytes_out);
        let open: Vec<Arc<ConnectionCell>> = connections.open.values().map(Arc::clone).collect();
        for cell in &open {
            bytes_in += cell.bytes_in.load(Relaxed);
            bytes_out += cell.bytes_out.load(Relaxed);
        }
        drop(connections);
        let connections: Vec<ConnectionView> = open.iter().map(|cell| cell.view()).collect();
        let parked = connections.iter().filter_map(|connection| connection.in_flight).filter(|in_flight| in_flight.is_parked);
        let totals = Totals {
            connections_open: connections.len(),
            connections_accepted: accepted,
            connections_refused: refused,
            bytes_in,
            bytes_out,
            requests: self.apis.iter().map(|api| api.requests.load(Relaxed)).sum(),
            long_polls: parked.filter(|in_flight| PARKING_APIS.contains(&in_flight.api)).count(),
            ..Totals::default()
        };
        let apis = APIS.iter().zip(&self.apis).map(|(entry, cell)| cell.view(entry.key, entry.name));
        let apis = apis.filter(|api| api.requests > 0).collect();
        BrokerView { started_ms: self.started_ms, read_ms: self.clock.now_ms(), totals, connections, apis }
    }

    /// The last requests of a connection, oldest first; empty when it is not open or nothing is traced.
    pub(crate) fn trace(&self, connection_id: u64) -> Vec<TraceEntry> {
        let cell = lock(&self.connections).open.get(&connection_id).map(Arc::clone);
        cell.map(|cell| lock(&cell.trace).iter().cloned().collect()).unwrap_or_default()
    }

    /// How many requests to keep per connection; 0 ends tracing and forgets.
    pub(crate) fn set_trace(&self, requests_per_connection: usize) {
        self.traced.set(requests_per_connection);
        if requests_per_connection == 0 {
            let open: Vec<Arc<ConnectionCell>> = lock(&self.connections).open.values().map(Arc::clone).collect();
            for cell in open {
                let mut trace = lock(&cell.trace);
                self.traced.give_back(trace.len());
                trace.clear();
            }
        }
    }
}

impl ConnectionCell {
    fn view(&self) -> ConnectionView {
        let names = lock(&self.names).clone();
        let since_ms = self.last_request_ms.load(Relaxed);
        let counted = APIS.iter().zip(&self.requests).map(|(entry, count)| (entry.name, count.load(Relaxed)));
        let last_error =
            lock(&self.last_error).map(|(index, code, at_ms)| LastError { api: APIS[index].name, code, name: error_name(code), at_ms });
        ConnectionView {
            id: self.id,
            peer: self.peer,
            listener: self.listener.clone(),
            principal: self.session.get().map(|session| session.principal().to_string()).unwrap_or_default(),
            client_id: names.client_id.to_string(),
            software_name: names.software_name,
            software_version: names.software_version,
            opened_ms: self.opened_ms,
            last_request_ms: since_ms,
            in_flight: self.in_flight().map(|(index, is_parked)| InFlight { api: APIS[index].name, since_ms, is_parked }),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            requests: counted.filter(|(_, count)| *count > 0).collect(),
            last_error,
        }
    }
}

impl ApiCell {
    fn view(&self, key: i16, name: &'static str) -> ApiView {
        let errors = lock(&self.errors).clone();
        ApiView {
            key,
            name,
            requests: self.requests.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            errors: errors.into_iter().map(|(code, count)| ErrorCount { code, name: error_name(code), count }).collect(),
            latency: self.latency.view(),
        }
    }
}

/// Every partition's log, by topic. Takes each log's lock for a moment.
pub(crate) fn logs(node: &Node) -> Vec<LogView> {
    let mut topics = node.topics.all();
    topics.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let view = |topic: &str, partition: i32, log: &crate::log::Partition| {
        let offsets = log.offsets();
        LogView {
            topic: topic.to_owned(),
            partition,
            log_start_offset: offsets.log_start_offset,
            high_watermark: offsets.high_watermark,
            size_bytes: log.size_bytes(),
            segments: log.segment_count(),
            appended_bytes: log.appended_bytes(),
        }
    };
    let logs = topics.iter().flat_map(|topic| topic.partitions().into_iter().zip(0..).map(|(log, index)| view(&topic.name, index, &log)));
    logs.collect()
}
