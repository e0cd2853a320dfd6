//! Writing in transactions (KIP-98), with the offsets of what was read in them (KIP-447).

use std::time::Duration;

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::Producer as _,
};

use super::{Assignment, ClientError, Connection, Producer, TaskConsumer, task_consumer::with_notes};

/// What an error of a transaction asks for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransactionError {
    /// Abort the transaction and do its work again, with this producer.
    #[error("{0}")]
    Abort(ClientError),
    /// The producer is of no use any more: it was fenced, or nobody knows what became of the transaction. A new one under the same
    /// transactional id ends what this one began, one way or the other.
    #[error("{0}")]
    Replace(ClientError),
}

impl TransactionError {
    /// The error behind it.
    pub fn error(&self) -> &ClientError {
        match self {
            Self::Abort(error) | Self::Replace(error) => error,
        }
    }
}

impl Producer {
    /// A producer that writes in transactions only; it fences others of the same transactional id and ends what they began.
    ///
    /// # Errors
    /// When a property is not valid, or the coordinator does not answer in time.
    pub fn transactional(
        connection: &Connection,
        transactional_id: &str,
        transaction_timeout: Duration,
        timeout: Duration,
    ) -> Result<Self, ClientError> {
        let transaction_ms = transaction_timeout.as_millis().to_string();
        let fixed = [
            ("transactional.id", transactional_id),
            ("transaction.timeout.ms", &transaction_ms),
            // A record must not outlive its transaction.
            ("message.timeout.ms", &transaction_ms),
            ("partitioner", "murmur2_random"),
            // Nobody who counts sees a record before its transaction ends, which sends what still waits: fewer, larger batches.
            ("linger.ms", "100"),
        ];
        let producer = Self::with(connection, &fixed)?;
        producer.inner().init_transactions(timeout)?;
        Ok(producer)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the producer can't.
    pub fn begin(&self) -> Result<(), TransactionError> {
        self.inner().begin_transaction().map_err(classify)
    }

    /// Adds the offsets to read next to the transaction, as of the consumer's place in its group now: a member that has lost its
    /// partitions is refused.
    ///
    /// # Errors
    /// When the coordinator refuses or does not answer in time.
    pub fn send_offsets(
        &self,
        next: &[(Assignment, i64, String)],
        consumer: &TaskConsumer,
        timeout: Duration,
    ) -> Result<(), TransactionError> {
        if next.is_empty() {
            return Ok(());
        }
        let list = with_notes(next).map_err(TransactionError::Abort)?;
        let no_member = || TransactionError::Abort(ClientError::message("the consumer is no member of its group"));
        let member = consumer.group_metadata().ok_or_else(no_member)?;
        self.inner().send_offsets_to_transaction(&list, &member, timeout).map_err(classify)
    }

    /// Waits for all acknowledgements and commits.
    ///
    /// # Errors
    /// When it was not committed, or nobody knows.
    pub fn commit(&self, timeout: Duration) -> Result<(), TransactionError> {
        // What can't be delivered is told by the commit itself.
        let _ = self.flush(timeout);
        self.inner().commit_transaction(timeout).map_err(classify)
    }

    /// Takes back everything since [`Self::begin`].
    ///
    /// # Errors
    /// When the coordinator does not answer in time.
    pub fn abort(&self, timeout: Duration) -> Result<(), TransactionError> {
        self.inner().abort_transaction(timeout).map_err(classify)
    }
}

/// librdkafka says what an error asks for. "Retriable" is said of calls that timed out: whether they had an effect is not known, and the
/// older protocol can tear a transaction when a late EndTxn meets the next one, so such a producer is replaced.
fn classify(error: KafkaError) -> TransactionError {
    let is_abort = match &error {
        KafkaError::Transaction(error) => error.txn_requires_abort() && !error.is_fatal() && error.code() != RDKafkaErrorCode::Fenced,
        _ => false,
    };
    if is_abort { TransactionError::Abort(error.into()) } else { TransactionError::Replace(error.into()) }
}
