//! Requests that wait for a slow ad server; usually there is none.

use crate::{
    sim::media::{AdRequest, RequestId, ViewerId},
    stream::{Forward, Processor, Record, Store, StoreHandle},
};

/// Requests by id, until the server gets round to them.
pub(super) fn store() -> Store<RequestId, AdRequest> {
    Store::expiring(|_, request: &AdRequest| request.ts + request.wait_ms)
}

/// Holds requests back for as long as the server takes.
pub(super) struct Queue {
    pub(super) waiting: StoreHandle<RequestId, AdRequest>,
}

impl Processor<ViewerId, AdRequest, ViewerId, AdRequest> for Queue {
    fn process(&mut self, record: &Record<ViewerId, AdRequest>, out: &mut Forward<'_, ViewerId, AdRequest>) {
        let request = &record.value;
        if request.request_id.is_empty() {
            return; // nobody asks: time goes on
        }
        if request.wait_ms <= 0 || request.ts + request.wait_ms <= out.stream_time_ms() {
            out.send(record);
        } else {
            self.waiting.borrow_mut().put(request.request_id.clone(), request.clone());
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, ViewerId, AdRequest>) {
        let now_ms = out.stream_time_ms();
        loop {
            let Some((_, request)) = self.waiting.borrow_mut().pop_expired(now_ms.saturating_add(1)) else { break };
            out.send(&Record { key: request.user_id.clone(), value: request, timestamp_ms: now_ms });
        }
    }
}
