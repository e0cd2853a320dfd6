//! Runs tasks as members of a consumer group: polls, feeds, publishes, commits.
//!
//! At least once: offsets are committed only after every result they led to was acknowledged. There is no changelog yet; a member that gets
//! a partition reads it again from the run's start, which rebuilds the state exactly, and publishes nothing until it
//! reaches the committed offset, because what came before is published already. Between the two, results are published again under the same
//! keys with the same contents.

mod progress;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::{Problem, TimestampMs};

use crate::{
    client::{Assignment, ClientError, Connection, GroupConsumer, GroupEvent, IncomingRecord, OutgoingRecord, Producer},
    stream::{Input, Output, Task},
};

use progress::LocalLatency;
pub use progress::Progress;

/// Time between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_millis(500);
/// Records between two looks at the clock.
const RECORDS_PER_LOOK: u32 = 256;
/// How long results may take to be acknowledged.
const FLUSH_MAX: Duration = Duration::from_secs(60);
/// How long a poll waits.
const POLL: Duration = Duration::from_millis(50);
/// How long a full producer is left alone.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// A cluster that refuses for so long has failed.
const REFUSED_MAX: Duration = Duration::from_secs(30);
/// Errors further apart than this have nothing to do with each other.
const REFUSED_APART: Duration = Duration::from_secs(10);

/// What a member works on.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// The cluster.
    pub connection: Connection,
    /// The consumer group.
    pub group: &'static str,
    /// The topic it reads.
    pub topic: &'static str,
    /// Where the run starts, by partition.
    pub starts: Arc<[i64]>,
}

/// One partition that is ours.
struct Owned<T> {
    task: T,
    next_offset: i64,
    committed: i64,
    /// Results of earlier records are published already.
    publish_from: i64,
    is_finished: bool,
}

struct Member<'a, T, F> {
    config: &'a MemberConfig,
    consumer: &'a GroupConsumer,
    producer: Producer,
    make_task: F,
    progress: &'a Progress,
    owned: BTreeMap<i32, Owned<T>>,
    latency: LocalLatency,
    out: Vec<Output>,
}

/// Works as a member of the group until [`Progress::leave`]. Blocks; belongs on a thread of its own.
///
/// # Errors
/// When results can't be written or the cluster refuses for too long.
pub fn run_member<T: Task>(config: &MemberConfig, make_task: impl Fn(i32) -> T, progress: &Progress) -> Result<(), Problem> {
    let failed = |error: ClientError| error.problem(format!("{} stopped", config.group));
    let starts = Arc::clone(&config.starts);
    let start_of = move |_: &str, partition: i32| usize::try_from(partition).ok().and_then(|at| starts.get(at).copied());
    let consumer = GroupConsumer::new(&config.connection, config.group, &[config.topic], start_of).map_err(failed)?;
    let producer = Producer::new(&config.connection).map_err(failed)?;
    let mut member = Member {
        config,
        consumer: &consumer,
        producer,
        make_task,
        progress,
        owned: BTreeMap::new(),
        latency: LocalLatency::new(),
        out: Vec::new(),
    };
    member.work()
}

impl<T: Task, F: Fn(i32) -> T> Member<'_, T, F> {
    fn work(&mut self) -> Result<(), Problem> {
        let (mut last_commit, mut records, mut refused) = (Instant::now(), 0_u32, None::<(Instant, Instant)>);
        let consumer = self.consumer;
        while !self.progress.is_leaving() {
            match consumer.poll(POLL) {
                Ok(Some(GroupEvent::Record(record))) => {
                    self.process(&record)?;
                    (records, refused) = (records.wrapping_add(1), None);
                    if records % RECORDS_PER_LOOK != 0 {
                        continue;
                    }
                }
                Ok(Some(GroupEvent::Assigned(partitions))) => self.assigned(&partitions),
                Ok(Some(GroupEvent::Revoked(partitions))) => self.revoked(&partitions),
                Ok(None) => {}
                Err(error) => {
                    // A broker that restarts is no failure; one that stays away is.
                    let now = Instant::now();
                    let first = refused.filter(|(_, last)| now - *last < REFUSED_APART).map_or(now, |(first, _)| first);
                    refused = Some((first, now));
                    if now - first > REFUSED_MAX {
                        return Err(error.problem(format!("{} can't read {}", self.config.group, self.config.topic)));
                    }
                }
            }
            self.finish_partitions()?;
            if last_commit.elapsed() >= COMMIT_INTERVAL {
                self.commit()?;
                last_commit = Instant::now();
            }
        }
        self.commit()
    }

    fn process(&mut self, record: &IncomingRecord<'_>) -> Result<(), Problem> {
        let (partition, offset) = (record.partition(), record.offset());
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) }; // fetched before it was revoked
        if offset < owned.next_offset {
            return Ok(()); // fetched before a rebalance took effect, and known
        }
        owned.next_offset = offset + 1;
        if owned.is_finished {
            return Ok(()); // written after the run's end
        }
        owned.task.process(Input { offset, value: record.value() }, &mut self.out);
        if offset < owned.publish_from {
            self.out.clear();
            return Ok(());
        }
        if let Some(written_ms) = record.timestamp_ms() {
            self.latency.record(TimestampMs::now().since(TimestampMs(written_ms)));
        }
        self.publish()
    }

    fn publish(&mut self) -> Result<(), Problem> {
        for output in self.out.drain(..) {
            let record = OutgoingRecord {
                topic: output.topic,
                key: Some(output.key.as_bytes()),
                value: Some(&output.value),
                ..OutgoingRecord::default()
            };
            while self
                .producer
                .send(record)
                .map_err(|error| error.problem(format!("A result for {} was not written", output.topic)))?
                .is_err()
            {
                std::thread::sleep(FULL_PAUSE);
            }
        }
        Ok(())
    }

    fn start_of(&self, partition: i32) -> i64 {
        usize::try_from(partition).ok().and_then(|at| self.config.starts.get(at).copied()).unwrap_or(0)
    }

    /// Takes a partition over with empty state; reading begins at the run's start.
    fn own(&mut self, partition: i32, publish_from: i64) {
        let start = self.start_of(partition);
        let task = (self.make_task)(partition);
        // An offset below the start makes the first commit happen at once, so that lag is counted from the run's start.
        self.owned.insert(partition, Owned { task, next_offset: start, committed: -1, publish_from, is_finished: false });
        self.progress.owns(partition, true);
    }

    fn assigned(&mut self, partitions: &[Assignment]) {
        let committed = self.consumer.committed(partitions, REFUSED_MAX).unwrap_or_default();
        for at in partitions {
            let of_partition = committed.iter().find(|(other, _)| other == at).and_then(|(_, offset)| *offset);
            // What was committed before this run says nothing about it. Unknown: publish all again, which changes nothing.
            let publish_from = of_partition.unwrap_or(0).max(self.start_of(at.partition));
            match self.owned.get_mut(&at.partition) {
                Some(owned) => owned.publish_from = publish_from,
                None => self.own(at.partition, publish_from),
            }
        }
    }

    fn revoked(&mut self, partitions: &[Assignment]) {
        for at in partitions {
            self.owned.remove(&at.partition);
            self.progress.owns(at.partition, false);
        }
    }

    /// Publishes what is open in partitions that were read up to the run's end.
    fn finish_partitions(&mut self) -> Result<(), Problem> {
        let Some(ends) = self.progress.ends() else { return Ok(()) };
        let mut is_any = false;
        for (partition, owned) in &mut self.owned {
            let end = usize::try_from(*partition).ok().and_then(|at| ends.get(at).copied()).unwrap_or(0);
            if !owned.is_finished && owned.next_offset >= end {
                owned.task.finish(&mut self.out);
                owned.is_finished = true;
                is_any = true;
            }
        }
        if is_any {
            self.publish()?;
            self.commit()?;
        }
        Ok(())
    }

    /// Waits for the results' acknowledgements, then commits, then tells the progress.
    fn commit(&mut self) -> Result<(), Problem> {
        self.producer.flush(FLUSH_MAX).map_err(|error| error.problem("Results were not acknowledged in time"))?;
        if self.producer.failed() > 0 {
            let why = self.producer.first_error().map_or_else(|| "unknown".to_owned(), |error| error.to_string());
            return Err(Problem::new("Results could not be written", why, "Look at the broker's log, then start the pipeline again"));
        }
        let next: Vec<_> = self.owned.iter().filter(|(_, owned)| owned.next_offset.max(owned.publish_from) > owned.committed).collect();
        let next = next.into_iter().map(|(partition, owned)| (self.at(*partition), owned.next_offset.max(owned.publish_from)));
        // A commit that comes after a rebalance is refused; then the new owner starts from the one before.
        if let Err(error) = self.consumer.commit(next.collect::<Vec<_>>(), false) {
            tracing::debug!("{}: a commit was refused: {error}", self.config.group);
        }
        for (partition, owned) in &mut self.owned {
            owned.committed = owned.next_offset.max(owned.publish_from);
            self.progress.report(*partition, owned.task.counts(), owned.is_finished);
        }
        self.latency.hand_over(self.progress);
        Ok(())
    }

    fn at(&self, partition: i32) -> Assignment {
        Assignment { topic: self.config.topic.to_owned(), partition }
    }
}
