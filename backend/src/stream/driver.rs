//! Runs a topology without a broker, one record at a time: for tests (Kafka Streams' `TopologyTestDriver`).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    Dropped, InputRecord, StreamTask, TaskError, Topology,
    context::Publish,
    data::{Key, Malformed, Record, Value},
    store::Change,
};

/// A step of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitStep {
    /// Results are published, one by one.
    Publish,
    /// Changes of stores are appended to their changelogs, one by one.
    Changelog,
    /// Offsets are committed, and the transaction if it is one.
    Commit,
}

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// Where.
    pub step: CommitStep,
    /// At which of these steps, counted from 1 over all commits.
    pub nth: u64,
    /// Whether the process ends there, with all it remembers. Otherwise the transaction is aborted; at least once there is none, and what
    /// fails ends the process.
    pub is_crash: bool,
}

/// A topology over topics of one partition, committed after each record. Time is the records' own; the wall clock moves only
/// when told to.
pub struct TopologyTestDriver {
    topology: Topology,
    task: StreamTask,
    offsets: BTreeMap<Arc<str>, i64>,
    outputs: BTreeMap<Arc<str>, VecDeque<Publish>>,
    /// Every changelog topic as a broker would have it.
    changelogs: Vec<(Arc<str>, Change)>,
    /// Every record of a global table's topic.
    globals: Vec<InputRecord>,
    faults: Vec<FaultPlan>,
    /// Steps done so far, by kind.
    steps: [u64; 3],
    is_at_least_once: bool,
}

impl TopologyTestDriver {
    /// Everything empty.
    pub fn new(topology: &Topology) -> Self {
        let task = StreamTask::whole(topology);
        Self {
            topology: topology.clone(),
            task,
            offsets: BTreeMap::new(),
            outputs: BTreeMap::new(),
            changelogs: Vec::new(),
            globals: Vec::new(),
            faults: Vec::new(),
            steps: [0; 3],
            is_at_least_once: false,
        }
    }

    /// The same at least once: what was written before something failed stays, and is written again.
    #[must_use]
    pub fn at_least_once(self) -> Self {
        Self { is_at_least_once: true, ..self }
    }

    /// With something that goes wrong. The record whose commit it is is processed again, as the runtime does it.
    #[must_use]
    pub fn with_fault(mut self, fault: FaultPlan) -> Self {
        self.faults.push(fault);
        self
    }

    /// Puts an entry into a store, before the first record: as if it had been restored.
    ///
    /// # Errors
    /// When there is no such store with a changelog, or it takes no such entry.
    pub fn populate<K: Key, V: Value>(&mut self, store: &str, key: &K, value: &V, timestamp_ms: i64) -> Result<(), TaskError> {
        let error = |source| TaskError::Topology { app: self.topology.app().to_owned(), source };
        let parts = &self.topology.description().subtopologies;
        let changelog = parts.iter().flat_map(|part| &part.changelogs).find(|(name, _)| **name == *store);
        let (_, changelog) = changelog.ok_or_else(|| error(Malformed(format!("there is no store {store} with a changelog"))))?;
        let change =
            Change { key: Key::to_bytes(key), value: Some(Value::to_bytes(value).map_err(error)?), timestamp_ms: Some(timestamp_ms) };
        self.task.restore(changelog, &change)?;
        self.task.commit();
        self.changelogs.push((Arc::clone(changelog), change));
        Ok(())
    }

    /// Writes a record to a topic and runs until nothing is left to do.
    ///
    /// # Errors
    /// When a result can't be written.
    pub fn pipe<K: Key, V: Value>(&mut self, topic: &str, key: K, value: V, timestamp_ms: i64) -> Result<(), TaskError> {
        let value = Value::to_bytes(&value).map_err(|source| TaskError::Topology { app: self.topology.app().to_owned(), source })?;
        self.pipe_bytes(topic, Some(Key::to_bytes(&key)), Some(value), timestamp_ms)
    }

    /// As [`Self::pipe`], with bytes as they come: nulls, tombstones, nonsense.
    ///
    /// # Errors
    /// When a result can't be written.
    pub fn pipe_bytes(&mut self, topic: &str, key: Option<Vec<u8>>, value: Option<Vec<u8>>, timestamp_ms: i64) -> Result<(), TaskError> {
        let waiting = VecDeque::from([self.incoming(topic.into(), key, value, timestamp_ms)]);
        self.process_all(waiting)
    }

    /// Processes each record until it is committed, and what comes back by internal topics.
    fn process_all(&mut self, mut waiting: VecDeque<InputRecord>) -> Result<(), TaskError> {
        while let Some(record) = waiting.pop_front() {
            loop {
                self.task.process(&record)?;
                if self.collect(&mut waiting)? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Pipes the records of several partitions, each in its order and all in an order that the seed chooses: whatever a group of
    /// readers could have seen.
    ///
    /// # Errors
    /// When a result can't be written.
    pub fn interleave<K: Key, V: Value>(&mut self, seed: u64, mut partitions: Vec<VecDeque<(&str, K, V, i64)>>) -> Result<(), TaskError> {
        let mut random = crate::sim::Random::new(seed);
        loop {
            partitions.retain(|partition| !partition.is_empty());
            let Ok(chosen) = usize::try_from(random.below(partitions.len().max(1) as u64)) else { continue };
            let Some(partition) = partitions.get_mut(chosen) else { return Ok(()) };
            if let Some((topic, key, value, timestamp_ms)) = partition.pop_front() {
                self.pipe(topic, key, value, timestamp_ms)?;
            }
        }
    }

    /// Moves the wall clock.
    ///
    /// # Errors
    /// When a result can't be written.
    pub fn advance_wall_clock(&mut self, now_ms: i64) -> Result<(), TaskError> {
        self.task.advance_wall_clock(now_ms)?;
        let mut waiting = VecDeque::new();
        // What a tick did and was taken back is done at a later one.
        self.collect(&mut waiting)?;
        self.process_all(waiting)
    }

    /// The next record of an output topic; `None` when all were read. A tombstone's value is `None`.
    ///
    /// # Errors
    /// When the bytes are no such record.
    pub fn read<K: Key, V: Value>(&mut self, topic: &str) -> Result<Option<Record<K, Option<V>>>, Malformed> {
        let Some(record) = self.outputs.get_mut(topic).and_then(VecDeque::pop_front) else { return Ok(None) };
        let key = record.key.as_deref().map(K::decode).transpose()?.or_else(K::null);
        let key = key.ok_or_else(|| Malformed("the key is null".to_owned()))?;
        let value = record.value.as_deref().map(V::from_bytes).transpose()?;
        Ok(Some(Record { key, value, timestamp_ms: record.timestamp_ms }))
    }

    /// All records of an output topic that were not read yet.
    ///
    /// # Errors
    /// When the bytes of one are no such record.
    pub fn read_all<K: Key, V: Value>(&mut self, topic: &str) -> Result<Vec<Record<K, Option<V>>>, Malformed> {
        std::iter::from_fn(|| self.read(topic).transpose()).collect()
    }

    /// All records of all output topics that were not read yet, in order within each topic.
    pub fn take_published(&mut self) -> Vec<Publish> {
        self.outputs.values_mut().flat_map(std::mem::take).collect()
    }

    /// The task, to look into its stores and counters.
    pub fn task(&self) -> &StreamTask {
        &self.task
    }

    /// Records without effect, by reason.
    pub fn dropped(&self) -> Dropped {
        self.task.dropped()
    }

    /// Forgets everything in memory and rebuilds it from the changelogs, as a new instance would.
    ///
    /// # Errors
    /// When a changelog does not fit the topology.
    pub fn crash_and_restore(&mut self) -> Result<(), TaskError> {
        let stream_time_ms = self.task.stream_time_ms();
        self.task = StreamTask::whole(&self.topology);
        for (topic, change) in &self.changelogs {
            self.task.restore(topic, change)?;
        }
        // Global tables have no changelog: their topics are read anew.
        self.globals.iter().try_for_each(|record| self.task.process(record))?;
        self.task.take_published();
        if let Some(stream_time_ms) = stream_time_ms {
            self.task.restore_stream_time(stream_time_ms);
        }
        self.task.commit();
        Ok(())
    }

    fn incoming(&mut self, topic: Arc<str>, key: Option<Vec<u8>>, value: Option<Vec<u8>>, timestamp_ms: i64) -> InputRecord {
        let next = self.offsets.entry(Arc::clone(&topic)).or_default();
        let offset = *next;
        *next += 1;
        // A table's own topic is what it is restored from.
        if let Some(key) = &key {
            let is_changelog =
                self.topology.description().subtopologies.iter().flat_map(|part| &part.changelogs).any(|(_, log)| *log == topic);
            if is_changelog {
                let change = Change { key: key.clone(), value: value.clone(), timestamp_ms: Some(timestamp_ms) };
                self.changelogs.push((Arc::clone(&topic), change));
            }
        }
        let record = InputRecord { topic, partition: 0, offset, timestamp_ms, key, value, trace_id: None };
        if self.topology.description().global_topics.contains(&record.topic) {
            self.globals.push(record.clone());
        }
        record
    }

    /// Commits; internal topics go round, the others wait to be read. `false` when that failed: the task is as it was before.
    fn collect(&mut self, waiting: &mut VecDeque<InputRecord>) -> Result<bool, TaskError> {
        let (mut changes, mut published) = (self.task.changes()?, self.task.take_published());
        let fault = self.strikes(published.len(), changes.len());
        if let Some((step, done, _)) = fault {
            match step {
                _ if !self.is_at_least_once => (published, changes) = (Vec::new(), Vec::new()),
                CommitStep::Publish => {
                    published.truncate(done);
                    changes.clear();
                }
                CommitStep::Changelog => changes.truncate(done),
                CommitStep::Commit => {}
            }
        }
        self.changelogs.extend(changes);
        for record in published {
            if self.topology.description().repartition_topics.contains(&record.topic) {
                let trace_id = record.trace_id().map(Into::into);
                let incoming = self.incoming(record.topic, record.key, record.value, record.timestamp_ms);
                let incoming = InputRecord { trace_id, ..incoming };
                waiting.push_back(incoming);
            } else {
                self.outputs.entry(Arc::clone(&record.topic)).or_default().push_back(record);
            }
        }
        let Some((.., is_crash)) = fault else {
            self.task.commit();
            return Ok(true);
        };
        self.task.rollback();
        if is_crash || self.is_at_least_once {
            self.crash_and_restore()?;
        }
        Ok(false)
    }

    /// The fault that is met by a commit of so many results and changes: its step, how many of these were done before, and whether it is a
    /// crash. It is met once.
    fn strikes(&mut self, published: usize, changes: usize) -> Option<(CommitStep, usize, bool)> {
        let steps = [(CommitStep::Publish, published), (CommitStep::Changelog, changes), (CommitStep::Commit, 1)];
        for ((step, count), done) in steps.into_iter().zip(&mut self.steps) {
            let before = *done;
            *done += count as u64;
            let met = self.faults.iter().position(|fault| fault.step == step && (before + 1..=*done).contains(&fault.nth));
            if let Some(fault) = met.map(|at| self.faults.remove(at)) {
                let reached = fault.nth - before - 1;
                *done = fault.nth;
                return Some((step, usize::try_from(reached).unwrap_or(count), fault.is_crash));
            }
        }
        None
    }
}
