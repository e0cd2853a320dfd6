//! What writes the pipeline's input: the simulated world with its reviewers, or a file.

mod file;
mod holders;
mod rulebook;
mod simulated;
#[cfg(test)]
mod tests;

pub(super) use file::FileWorld;
pub(super) use simulated::PaymentWorld;

use serde::Serialize;

use crate::{pipelines::shape::Emit, stream::Key};

/// Writes a record as JSON. The records here are plain data, which always has JSON.
fn send<K: Key, V: Serialize>(out: &mut Emit, topic: &'static str, key: &K, value: &V, timestamp_ms: i64) {
    if let Ok(value) = serde_json::to_vec(value) {
        out.send(topic, key.to_bytes(), value, timestamp_ms);
    }
}
