//! The coordinators: of groups (who is in which group, which partitions they hold, how far they have read) here, of transactions in
//! [`transaction`].
//!
//! Decide, then apply (the shape of Kafka's own `CoordinatorShard`): [`decide::decide`] is a pure function from the state and a command
//! to a [`command::Decision`]; its records are appended to `__consumer_offsets`, and only then does [`state::State::apply`] change what is
//! durable, live and when the log is replayed. A failed append changes nothing.
//!
//! KIP-848 groups will be a second kind of group beside [`group::Group`], with records and commands of their own in the same log.

pub(crate) mod command;
mod config;
mod decide;
pub(crate) mod group;
pub(crate) mod ids;
pub(crate) mod internal_topic;
mod offsets;
pub(crate) mod records;
mod runtime;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod transaction;
pub(crate) mod wire;

pub use config::GroupConfig;
pub(crate) use internal_topic::InternalTopic;
pub(crate) use runtime::Coordinator;
use runtime::partition_for;
pub use transaction::TransactionConfig;
