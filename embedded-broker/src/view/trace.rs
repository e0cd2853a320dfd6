//! The last requests of each connection, for a protocol inspector. Off until someone looks.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Requests kept over all connections together.
const MAX_TRACED: usize = 32_768;
const MAX_SUMMARY_BYTES: usize = 512;

/// One request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// When it was answered, by the broker's clock.
    pub at_ms: i64,
    /// The API.
    pub api: &'static str,
    /// Its version.
    pub version: i16,
    /// The client's number for the request.
    pub correlation_id: i32,
    /// The name the client gave itself.
    pub client_id: String,
    /// The request's size, without the four bytes of length.
    pub request_bytes: usize,
    /// The answer's size; 0 when there was none.
    pub response_bytes: usize,
    /// From the whole request to the whole answer.
    pub duration: Duration,
    /// The first error in the answer; 0 when there is none.
    pub error_code: i16,
    /// The decoded request, cut where it gets long. Empty for requests that carry secrets.
    pub summary: String,
}

/// How much is traced.
#[derive(Debug, Default)]
pub(crate) struct TraceBudget {
    /// Requests kept per connection; 0: tracing is off.
    per_connection: AtomicUsize,
    kept: AtomicUsize,
}

impl TraceBudget {
    pub(crate) fn set(&self, per_connection: usize) {
        self.per_connection.store(per_connection.min(MAX_TRACED), Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.per_connection.load(Relaxed) > 0
    }

    /// Keeps an entry in a connection's ring. When all connections together hold too many, the ring does not grow.
    pub(super) fn keep(&self, ring: &mut VecDeque<TraceEntry>, entry: TraceEntry) {
        let most = self.per_connection.load(Relaxed);
        while ring.len() >= most.max(1) {
            ring.pop_front();
            self.kept.fetch_sub(1, Relaxed);
        }
        if self.kept.load(Relaxed) >= MAX_TRACED && ring.pop_front().is_some() {
            self.kept.fetch_sub(1, Relaxed);
        }
        if self.kept.load(Relaxed) < MAX_TRACED {
            ring.push_back(entry);
            self.kept.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn give_back(&self, entries: usize) {
        self.kept.fetch_sub(entries, Relaxed);
    }
}

/// A message as text, cut. Formatting stops at the cut: a request of a hundred megabytes costs no more than a small one.
pub(crate) fn summary(message: &dyn fmt::Debug) -> String {
    let mut cut = Cut(String::new());
    if write!(cut, "{message:?}").is_err() {
        cut.0.push('…');
    }
    cut.0
}

struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_SUMMARY_BYTES - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_cut_between_characters() {
        assert_eq!(summary(&"short"), "\"short\"");
        let long = summary(&"ä".repeat(1_000));
        assert!(long.len() <= MAX_SUMMARY_BYTES + '…'.len_utf8() && long.ends_with("ä…"), "{long}");
    }

    #[test]
    fn a_ring_holds_what_it_may() {
        let budget = TraceBudget::default();
        let mut ring = VecDeque::new();
        let entry = |correlation_id| TraceEntry {
            at_ms: 0,
            api: "Fetch",
            version: 0,
            correlation_id,
            client_id: String::new(),
            request_bytes: 0,
            response_bytes: 0,
            duration: Duration::ZERO,
            error_code: 0,
            summary: String::new(),
        };
        budget.set(2);
        for correlation_id in 0..5 {
            budget.keep(&mut ring, entry(correlation_id));
        }
        assert_eq!(ring.iter().map(|entry| entry.correlation_id).collect::<Vec<_>>(), [3, 4]);
        budget.set(1);
        budget.keep(&mut ring, entry(9));
        assert_eq!(ring.len(), 1);
        budget.give_back(ring.len());
        assert_eq!(budget.kept.load(Relaxed), 0);
        budget.kept.store(MAX_TRACED, Relaxed);
        budget.keep(&mut VecDeque::new(), entry(1));
        assert_eq!(budget.kept.load(Relaxed), MAX_TRACED, "no room for one more");
    }
}
