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
