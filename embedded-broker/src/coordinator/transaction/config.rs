//! What an operator may set about transactions, under Kafka's names.

/// Settings and limits of the transaction coordinator. Kafka's name stands beside each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`: no producer may ask for more.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`: an id without a transaction for so long is forgotten.
    pub id_expiration_ms: i64,
    /// Transactional ids on this broker.
    pub max_ids: usize,
    /// Partitions one transaction may touch.
    pub max_partitions: usize,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self { max_timeout_ms: 15 * 60 * 1_000, id_expiration_ms: 7 * 24 * 60 * 60 * 1_000, max_ids: 10_000, max_partitions: 10_000 }
    }
}
