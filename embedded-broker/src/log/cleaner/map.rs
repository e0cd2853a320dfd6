//! Where each key stands last in the part of the log that is looked at: bounded, whatever the keys are.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};

/// Enough of a SHA-256 that no two keys will ever share it, not even on purpose. Kafka keeps as much of an MD5.
const HASH_BYTES: usize = 16;

/// Keys by their hash, with their last offset.
#[derive(Debug)]
pub(super) struct OffsetMap {
    by_hash: HashMap<[u8; HASH_BYTES], i64>,
    max_keys: usize,
    /// Below this every key's last offset is known.
    pub(super) end_offset: i64,
}

impl OffsetMap {
    pub(super) fn new(max_keys: usize, start_offset: i64) -> Self {
        Self { by_hash: HashMap::new(), max_keys, end_offset: start_offset }
    }

    /// Whether a batch with this many records fits, if none of its keys is known.
    pub(super) fn has_room_for(&self, records: usize) -> bool {
        self.by_hash.is_empty() || self.by_hash.len().saturating_add(records) <= self.max_keys
    }

    pub(super) fn put(&mut self, key: &[u8], offset: i64) {
        self.by_hash.insert(hash(key), offset);
    }

    /// Whether the same key comes again after `offset`.
    pub(super) fn has_later(&self, key: &[u8], offset: i64) -> bool {
        self.by_hash.get(&hash(key)).is_some_and(|last| *last > offset)
    }
}

fn hash(key: &[u8]) -> [u8; HASH_BYTES] {
    let digest = digest(&SHA256, key);
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(&digest.as_ref()[..HASH_BYTES]);
    hash
}
