//! Where a stream thread's results and changes go: plainly, or in transactions together with the offsets of what led to them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::Problem;

use super::{
    AppConfig, Guarantee,
    cluster::{Cluster, Consumer as _, Producer as _, Step},
};
use crate::{
    client::{Assignment, ClientError, Full, OutgoingRecord, TransactionError},
    stream::{Change, Publish},
};

/// How long a full producer is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(1);

/// Offsets to read next, with stream time as a note.
pub(super) type NextOffsets = Vec<(Assignment, i64, String)>;

/// A stream thread's producer.
pub(super) struct Writer<'a, C: Cluster> {
    cluster: &'a C,
    producer: C::Producer,
    guarantee: Guarantee,
    /// Since when something has been written that is not committed.
    open_since: Option<Instant>,
    pub(super) published: u64,
    /// Why a record can't be written, now and ever.
    pub(super) refused: Option<Problem>,
    /// The numbers by which the producer keeps changelogs' offsets.
    numbers: BTreeMap<Arc<str>, BTreeMap<i32, usize>>,
    numbered: usize,
}

/// What became of a commit.
pub(super) enum Outcome {
    /// All of it is safe.
    Committed,
    /// The results are safe, the offsets were refused: to be tried again with the next commit (at least once only).
    Refused,
    /// None of it happened: everything since the last commit is to be done again.
    Aborted(ClientError),
}

impl<'a, C: Cluster> Writer<'a, C> {
    /// Connects; fences earlier producers of the same thread and ends their transactions.
    pub(super) fn new(config: &AppConfig, thread: usize, cluster: &'a C) -> Result<Self, Problem> {
        let app = config.topology.app();
        let producer = match config.guarantee {
            Guarantee::AtLeastOnce => cluster.producer(config.linger),
            Guarantee::ExactlyOnce => {
                let id = format!("{app}-{}-{thread}", config.instance);
                cluster.transactional(&id, config.transaction_timeout)
            }
        };
        let producer = producer.map_err(|error| error.problem(format!("{app} can't write")))?;
        Ok(Self {
            cluster,
            producer,
            guarantee: config.guarantee,
            open_since: None,
            published: 0,
            refused: None,
            numbers: BTreeMap::new(),
            numbered: 0,
        })
    }

    /// Writes a result.
    pub(super) fn publish(&mut self, record: &Publish) -> Result<(), Problem> {
        let headers: Vec<(&str, Option<&[u8]>)> = record.headers.iter().map(|(name, value)| (*name, Some(value.as_slice()))).collect();
        self.send(OutgoingRecord {
            topic: &record.topic,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            timestamp_ms: Some(record.timestamp_ms).filter(|at| *at >= 0),
            partition: None,
        })
    }

    /// Writes a change of a store.
    pub(super) fn log(&mut self, changelog: &Arc<str>, partition: i32, change: &Change) -> Result<(), Problem> {
        let number = match self.number(changelog, partition) {
            Some(number) => number,
            None => {
                self.numbers.entry(Arc::clone(changelog)).or_default().insert(partition, self.numbered);
                self.numbered += 1;
                self.numbered - 1
            }
        };
        let record = OutgoingRecord {
            topic: changelog,
            partition: Some(partition),
            key: Some(&change.key),
            value: change.value.as_deref(),
            timestamp_ms: change.timestamp_ms.filter(|at| *at >= 0),
            ..OutgoingRecord::default()
        };
        self.send_by(record, |producer, record| producer.send_tracked(record, number))
    }

    /// The offset that follows what was written to a changelog by this producer; to be asked right after a commit.
    pub(super) fn logged(&self, changelog: &str, partition: i32) -> Option<i64> {
        self.producer.tracked(self.number(changelog, partition)?).map(|last| last + 1)
    }

    fn number(&self, changelog: &str, partition: i32) -> Option<usize> {
        self.numbers.get(changelog)?.get(&partition).copied()
    }

    /// How long something has been written that is not committed.
    pub(super) fn open_for(&self) -> Option<Duration> {
        self.open_since.map(|since| self.cluster.now() - since)
    }

    /// Whether something was written since the last commit.
    pub(super) fn is_open(&self) -> bool {
        self.open_since.is_some()
    }

    /// Makes everything since the last commit safe, with these offsets.
    ///
    /// # Errors
    /// When nobody knows what became of it, or this producer can't go on: everything is to be begun anew.
    pub(super) fn commit(&mut self, next: &NextOffsets, consumer: &C::Consumer) -> Result<Outcome, Problem> {
        match self.guarantee {
            Guarantee::AtLeastOnce => self.commit_plainly(next, consumer),
            Guarantee::ExactlyOnce => {
                self.begin()?;
                let sent = self.producer.send_offsets(next, consumer).and_then(|()| self.producer.commit());
                self.open_since = None;
                match sent {
                    Ok(()) => Ok(Outcome::Committed),
                    Err(TransactionError::Abort(error)) => {
                        let error = self.producer.take_refused().unwrap_or(error);
                        self.producer.abort().map_err(gone)?;
                        drop(self.producer.take_refused()); // those that the abort took back
                        if error.is_for_good() {
                            Err(self.problem(&error, "A result was not written"))
                        } else {
                            Ok(Outcome::Aborted(error))
                        }
                    }
                    Err(error) => Err(self.problem(error.error(), GONE)),
                }
            }
        }
    }

    /// Takes back what was written since the last commit, where that is possible.
    pub(super) fn abort(&mut self) -> Result<(), Problem> {
        if self.guarantee == Guarantee::ExactlyOnce && self.open_since.take().is_some() {
            self.producer.abort().map_err(gone)?;
        }
        Ok(())
    }

    fn commit_plainly(&mut self, next: &NextOffsets, consumer: &C::Consumer) -> Result<Outcome, Problem> {
        self.open_since = None;
        if !self.cluster.leaves_out(Step::Acknowledge) {
            self.acknowledge()?;
        }
        // A commit that comes after a rebalance is refused; then the new owner does the work again, which at least once allows.
        if let Err(error) = consumer.commit(next) {
            tracing::debug!("a commit was refused: {error}");
            return Ok(Outcome::Refused);
        }
        Ok(Outcome::Committed)
    }

    /// Waits until all that was sent is written.
    fn acknowledge(&mut self) -> Result<(), Problem> {
        self.producer.flush().map_err(|error| error.problem("Results were not acknowledged in time"))?;
        if self.producer.failed() > 0 {
            let error = self.producer.take_refused().unwrap_or_else(ClientError::no_answer);
            return Err(self.problem(&error, "Results could not be written"));
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Problem> {
        if self.open_since.is_none() && self.guarantee == Guarantee::ExactlyOnce {
            self.producer.begin().map_err(gone)?;
        }
        self.open_since.get_or_insert_with(|| self.cluster.now());
        Ok(())
    }

    fn send(&mut self, record: OutgoingRecord<'_>) -> Result<(), Problem> {
        self.send_by(record, |producer, record| producer.send(record))
    }

    fn send_by(
        &mut self,
        record: OutgoingRecord<'_>,
        send: impl Fn(&C::Producer, OutgoingRecord<'_>) -> Result<Result<(), Full>, ClientError>,
    ) -> Result<(), Problem> {
        self.begin()?;
        loop {
            match send(&self.producer, record) {
                Ok(Ok(())) => break,
                Ok(Err(Full)) => self.cluster.sleep(FULL_PAUSE),
                Err(error) => {
                    // A transaction takes nothing more once one of its records was refused.
                    let error = self.producer.take_refused().unwrap_or(error);
                    return Err(self.problem(&error, &format!("A record for {} was not written", record.topic)));
                }
            }
        }
        self.published += 1;
        Ok(())
    }

    /// An error as a problem, which is kept if it comes back however often the work is done again.
    fn problem(&mut self, error: &ClientError, what: &str) -> Problem {
        let problem = error.problem(what);
        if error.is_for_good() {
            self.refused = Some(problem.clone());
        }
        problem
    }
}

/// The transaction's end is not known, or this producer was fenced.
const GONE: &str = "A transaction could not be ended";

fn gone(error: TransactionError) -> Problem {
    error.error().problem(GONE)
}
