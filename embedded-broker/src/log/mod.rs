//! A partition's log: clients' record batches as bytes, in segments, with sparse indexes beside them.
//!
//! In reading order: `batch` (what a batch looks like, without decoding it), `records` (reading and building plain batches, for our own
//! topics and for timestamps), `index`, `files`, `segment`, `producers` (idempotence, open transactions), `transactions` (markers), `aborted`
//! (what a reader must skip), `partition` (the state), `append`, `read`, `slice`, `recovery`,
//! `retention`, `cleaner` (compaction).

mod aborted;
mod append;
pub(crate) mod batch;
mod cleaner;
mod commits;
mod compression;
mod config;
mod files;
mod index;
mod partition;
mod producers;
mod read;
pub(crate) mod records;
mod recovery;
mod retention;
mod segment;
mod slice;
#[cfg(test)]
mod tests;
mod transactions;

pub(crate) use aborted::AbortedTransaction;
pub(crate) use append::{AppendError, Appended, LEADER_EPOCH, Origin};
pub(crate) use commits::Committed;
pub(crate) use compression::Codec;
pub(crate) use config::LogConfig;
pub(crate) use partition::{Environment, Offsets, Partition, Waiter};
pub(crate) use producers::{Begins, ProducerView};
pub(crate) use read::{ReadError, TimedOffset};
pub(crate) use slice::Slice;
pub(crate) use transactions::{Marker, ProducerEpoch};

/// Whether these bytes are an index file: for the fuzzer.
pub(crate) fn is_index(bytes: &[u8]) -> bool {
    index::SparseIndex::decode(bytes).is_some()
}

/// Whether these bytes are a snapshot of producers: for the fuzzer.
pub(crate) fn is_producer_snapshot(bytes: &[u8]) -> bool {
    producers::Producers::decode(bytes).is_some()
}

/// Whether these bytes decompress to no more than `max_bytes`, the first one naming the codec: for the fuzzer.
pub(crate) fn decompresses(bytes: &[u8], max_bytes: usize) -> bool {
    let codec = bytes.split_first().and_then(|(id, rest)| Some((compression::Codec::from_id(i16::from(*id))?, rest)));
    codec.is_some_and(|(codec, rest)| codec.decompress(rest, max_bytes).is_ok_and(|plain| plain.len() <= max_bytes))
}
