//! The coordinators: of groups (who is in which group, which partitions they hold, how far they have read) here, of transactions in
//! [`transaction`].
//!
//! Decide, then apply (the shape of Kafka's own `CoordinatorShard`): [`decide::decide`] is a pure function from the state and a command
//! to a [`command::Decision`]; its records are appended to `__consumer_offsets`, and only then does [`state::State::apply`] change what is
//! durable, live and when the log is replayed. A failed append changes nothing.
//!
//! There are two kinds of group, each a folder: [`group`] for the classic protocol, where the members elect a leader who assigns, and
//! [`consumer`] for KIP-848's, where the coordinator assigns. A group can move from one to the other with its members at work.

pub(crate) mod command;
mod config;
pub(crate) mod consumer;
mod decide;
mod embedded;
pub(crate) mod group;
pub(crate) mod ids;
pub(crate) mod image;
pub(crate) mod internal_topic;
mod offsets;
pub(crate) mod records;
mod runtime;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod transaction;
pub(crate) mod wire;

pub use config::{GroupConfig, MigrationPolicy};
pub(crate) use internal_topic::InternalTopic;
pub(crate) use runtime::Coordinator;
use runtime::partition_for;
pub use transaction::TransactionConfig;

/// Whether key and value are a record of `__consumer_offsets`: for the fuzzer.
pub(crate) fn is_group_record(key: &[u8], value: &[u8]) -> bool {
    matches!(records::Record::decode(key, Some(value)), Ok(Some(_)))
}
