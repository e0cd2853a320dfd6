//! Every decoder that meets bytes of others, one by one: what the fuzzer drives, and a test with random bytes, so that it can't rot.
//!
//! Not a part of the broker's interface.

use crate::log::batch;
use crate::{api, coordinator, log, topics};

/// Elements a request may have here.
const MAX_ELEMENTS: usize = 100_000;
/// Bytes that may come out of a compressed batch here.
const MAX_PLAIN_BYTES: usize = 1024 * 1024;

/// A decoder's name, and what drives it. `true`: it took the bytes for what it reads.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// Every decoder.
pub const TARGETS: &[Target] = &[
    ("request", |bytes| api::decodes(bytes, MAX_ELEMENTS)),
    ("record_batch", record_batch),
    ("compressed_records", |bytes| log::decompresses(bytes, MAX_PLAIN_BYTES)),
    ("marker", |bytes| batch::check(bytes).is_ok_and(|header| header.is_control()) && log::Marker::decode(bytes).is_some()),
    ("index_file", log::is_index),
    ("producer_snapshot", log::is_producer_snapshot),
    ("topic_file", |bytes| std::str::from_utf8(bytes).is_ok_and(topics::is_topic_file)),
    ("group_record", |bytes| with_key(bytes, coordinator::is_group_record)),
    ("transaction_record", |bytes| with_key(bytes, coordinator::transaction::is_record)),
    ("scram_message", |bytes| crate::security::ClientFirst::parse(bytes).is_ok()),
    ("fault", |bytes| std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<crate::FaultSpec>().is_ok())),
];

/// Drives the decoder of that name.
pub fn drive(name: &str, bytes: &[u8]) -> bool {
    TARGETS.iter().find(|(known, _)| *known == name).is_some_and(|(_, target)| target(bytes))
}

/// The checksum is put right first: behind it are the rules that a liar's batch meets.
fn record_batch(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= batch::HEADER_BYTES {
        batch::seal(&mut bytes);
    }
    batch::check(&bytes).is_ok_and(|header| log::records::records(&bytes[..header.size]).all(|record| record.is_ok()))
}

/// The first byte says how long the key is.
fn with_key(bytes: &[u8], decode: fn(&[u8], &[u8]) -> bool) -> bool {
    let split = bytes.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
    split.is_some_and(|(key, value)| decode(key, value))
}
