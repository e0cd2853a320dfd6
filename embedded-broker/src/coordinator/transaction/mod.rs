//! The transaction coordinator: which producer owns a transactional id, what its transaction has touched, how it ended (KIP-98, KIP-360,
//! KIP-447, KIP-890).
//!
//! Decide, then apply, as for groups: [`decide::decide`] is pure, its record is appended to `__transaction_state`, and only
//! [`state::State::apply`] changes what is durable. A transaction ends in three steps, each of which a restart takes up again:
//! the decision is recorded (`PrepareCommit`, `PrepareAbort`), every partition gets its marker, the end is recorded (`CompleteCommit`,
//! `CompleteAbort`). There is one node, so all three are done before the client is answered.
//!
//! Epochs fence: each new incarnation of a producer, each timeout, and with transaction version 2 each end raises the epoch, and
//! the markers carry it to the partitions.

mod config;
mod decide;
mod records;
mod runtime;
mod state;
#[cfg(test)]
mod tests;

pub use config::TransactionConfig;
pub(crate) use decide::{Command, Reply};
pub(crate) use runtime::TransactionCoordinator;
pub(crate) use state::{Phase, TopicPartition, Transaction, TransactionalId};

/// Whether key and value are a record of `__transaction_state`: for the fuzzer.
pub(crate) fn is_record(key: &[u8], value: &[u8]) -> bool {
    records::Record::decode(key, Some(value)).is_ok()
}
