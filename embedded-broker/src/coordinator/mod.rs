//! The group coordinator: who is in which group, which partitions they hold, how far they have read.
//!
//! Decide, then apply (the shape of Kafka's own `CoordinatorShard`): [`decide::decide`] is a pure function from the state and a command
//! to a [`command::Decision`]; its records are appended to `__consumer_offsets`, and only then does [`state::State::apply`] change what is
//! durable, live and when the log is replayed. A failed append changes nothing.
//!
//! KIP-848 groups will be a second kind of group beside [`group::Group`], with records and commands of their own in the same log.

mod ids;
mod config;
mod command;
mod records;
mod state;
mod decide;
mod group;
mod offsets;
#[cfg(test)]
mod tests;
