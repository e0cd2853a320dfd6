//! A task: one part of a topology over one partition, with its state. Pure: what it is fed decides what it does.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use super::{
    context::{Context, Dropped, Origin, Publish},
    data::Malformed,
    store::{Backing, Change, StateStore},
    topology::{Graph, Incoming, StoreSlot, Topology},
};

/// Records a source may hold before they are processed; the runner reads no more of that partition until there is room.
pub const QUEUE_RECORDS_MAX: usize = 1_000;

/// A record on its way into a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's timestamp.
    pub timestamp_ms: i64,
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// What it is traced by, from its header [`super::TRACE_ID`]: what comes of it carries the same.
    pub trace_id: Option<Arc<[u8]>>,
}

/// A record that waits for its turn.
struct Waiting {
    record: InputRecord,
    /// Event time, as its source reads it.
    timestamp_ms: i64,
    taken_in: Option<Instant>,
}

/// One part of a topology at work. Not `Send`: it lives on the thread that runs it, and is built there.
pub struct StreamTask {
    graph: Graph,
    context: Context,
    /// Which sources read a topic, by name.
    sources: BTreeMap<Arc<str>, usize>,
    queues: BTreeMap<Arc<str>, VecDeque<Waiting>>,
    /// Notes when records are taken in.
    is_timed: bool,
    dead_letters: Arc<str>,
    last_wall_ms: BTreeMap<usize, i64>,
    /// What rolls back with the stores.
    committed: (super::StreamTime, Dropped),
    /// Where its stores are kept beside memory.
    backings: Vec<Rc<dyn Backing>>,
}

/// Why a task can't go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// A result can't be written, or a store's changelog not be read.
    #[error("{app} can't go on: {source}; this is a mistake in the topology")]
    Topology {
        /// The application.
        app: String,
        /// What went wrong.
        source: Malformed,
    },
    /// What its stores have outside memory can't be read: nothing that it did since the last commit may count.
    #[error("{app} can't go on: its state on disk is damaged: {why}; it is made again from the changelogs")]
    Damaged {
        /// The application.
        app: String,
        /// What was found.
        why: String,
    },
}

impl StreamTask {
    /// A task of a part of the topology (an index into the description's `subtopologies`) with empty state.
    pub fn new(topology: &Topology, subtopology: usize) -> Self {
        Self::of_parts(topology, |at| at == subtopology)
    }

    /// All parts in one: for the test driver, which loops the internal topics back.
    pub(super) fn whole(topology: &Topology) -> Self {
        Self::of_parts(topology, |_| true)
    }

    fn of_parts(topology: &Topology, is_wanted: impl Fn(usize) -> bool) -> Self {
        let mut graph = topology.graph();
        let parts = &topology.description().subtopologies;
        let is_mine = |node| parts.iter().enumerate().any(|(at, part)| is_wanted(at) && part.nodes.contains(&node));
        graph.on_stream_time.retain(|(node, _)| is_mine(*node));
        graph.on_wall_clock.retain(|(node, ..)| is_mine(*node));
        graph.sources.retain(|source| source.is_global || is_mine(source.node));
        graph.stores.retain(|store| store.changelog.is_none() || is_mine(store.node));
        let sources: BTreeMap<_, _> = graph.sources.iter().enumerate().map(|(at, source)| (Arc::clone(&source.topic), at)).collect();
        let queued = graph.sources.iter().filter(|source| !source.is_global);
        let queues = queued.map(|source| (Arc::clone(&source.topic), VecDeque::new())).collect();
        let context = Context { passed: vec![0; graph.nodes.len()], ..Context::default() };
        let dead_letters = format!("{}.dlq", topology.app()).into();
        Self {
            graph,
            context,
            sources,
            queues,
            is_timed: false,
            dead_letters,
            last_wall_ms: BTreeMap::new(),
            committed: Default::default(),
            backings: Vec::new(),
        }
    }

    /// Keeps the stores that have changelogs of their own beside memory from now on, each at the place of its changelog, where what was
    /// committed before is found again. After each commit what it has staged there is to be written before anything else is done.
    ///
    /// # Errors
    /// When what is there is not of these stores.
    pub fn keep_on(&mut self, place: impl Fn(&Arc<str>) -> Rc<dyn Backing>) -> Result<(), TaskError> {
        for store in &self.graph.stores {
            let Some(changelog) = store.changelog.as_ref().filter(|topic| !self.sources.contains_key(*topic)) else { continue };
            let backing = place(changelog);
            let kept = store.state.borrow_mut().keep_on(Rc::clone(&backing), 0);
            kept.map_err(|Malformed(why)| TaskError::Damaged { app: self.graph.app.to_string(), why })?;
            self.backings.push(backing);
        }
        self.failure()
    }

    /// Entries in the stores that have changelogs of their own.
    pub fn entries_with_changelog(&self) -> u64 {
        let has_own = |store: &&StoreSlot| store.changelog.as_ref().is_some_and(|topic| !self.sources.contains_key(topic));
        self.graph.stores.iter().filter(has_own).map(|store| store.state.borrow().len() as u64).sum()
    }

    /// How many stores are kept beside memory.
    pub fn backed(&self) -> usize {
        self.backings.len()
    }

    /// About how many bytes of each of those stay in memory beside what changed since the last commit.
    pub fn limit_caches(&mut self, bytes: u64) {
        self.graph.stores.iter().for_each(|store| store.state.borrow_mut().limit_cache(bytes));
    }

    /// The same on the wall clock: operators are told how long records took ([`Context::latency_us`]).
    pub fn timed(self) -> Self {
        Self { is_timed: true, ..self }
    }

    /// Takes a record in, to be processed in time order over the task's topics. `false`: the queue is full, the record was not taken.
    pub fn enqueue(&mut self, record: InputRecord) -> bool {
        let timestamp_ms = self.event_time_ms(&record);
        match self.queues.get_mut(&record.topic) {
            Some(queue) if queue.len() >= QUEUE_RECORDS_MAX => false,
            Some(queue) => {
                queue.push_back(Waiting { record, timestamp_ms, taken_in: self.is_timed.then(Instant::now) });
                true
            }
            None => true, // not a topic of this part
        }
    }

    /// Whether a record of this topic would be taken now.
    pub fn has_room(&self, topic: &str) -> bool {
        self.queues.get(topic).is_none_or(|queue| queue.len() < QUEUE_RECORDS_MAX)
    }

    /// Records that wait.
    pub fn queued(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// Whether every topic has a record waiting, so that the oldest is known (`max.task.idle.ms` is how long to wait for that).
    pub fn is_ready(&self) -> bool {
        self.queues.values().all(|queue| !queue.is_empty())
    }

    /// Topics without a record that waits.
    pub fn empty_topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.queues.iter().filter(|(_, queue)| queue.is_empty()).map(|(topic, _)| topic)
    }

    /// Processes the record with the smallest event time of those that come next in their topics; gives where it came from.
    ///
    /// # Errors
    /// When a result can't be written: a mistake in the topology.
    pub fn process_next(&mut self) -> Result<Option<Origin>, TaskError> {
        let heads = self.queues.values().filter_map(|queue| queue.front());
        let oldest = heads.min_by_key(|waiting| waiting.timestamp_ms);
        let Some(topic) = oldest.map(|waiting| Arc::clone(&waiting.record.topic)) else { return Ok(None) };
        let waiting = self.queues.get_mut(&topic).and_then(VecDeque::pop_front);
        let Some(Waiting { record, timestamp_ms, taken_in }) = waiting else { return Ok(None) };
        self.context.taken_in = taken_in;
        self.process_at(&record, timestamp_ms)?;
        Ok(Some(Origin { topic: record.topic, partition: record.partition, offset: record.offset }))
    }

    /// Processes a record at once. What can't be read goes to the dead-letter topic, `<app>.dlq`, with the reason.
    ///
    /// # Errors
    /// When a result can't be written: a mistake in the topology.
    pub fn process(&mut self, record: &InputRecord) -> Result<(), TaskError> {
        self.process_at(record, self.event_time_ms(record))
    }

    fn process_at(&mut self, record: &InputRecord, timestamp_ms: i64) -> Result<(), TaskError> {
        let Some(source) = self.sources.get(&record.topic).and_then(|at| self.graph.sources.get_mut(*at)) else { return Ok(()) };
        self.context.stream_time_before = self.context.stream_time;
        if !source.is_global {
            self.context.stream_time.observe(timestamp_ms);
        }
        self.context.origin = Origin { topic: Arc::clone(&record.topic), partition: record.partition, offset: record.offset };
        self.context.trace_id.clone_from(&record.trace_id);
        let incoming = Incoming { key: record.key.as_deref(), value: record.value.as_deref(), timestamp_ms };
        if let Err(malformed) = (source.feed)(&mut self.context, incoming) {
            self.context.dropped.malformed += 1;
            self.context.publish(Ok(dead_letter(&self.dead_letters, record, &malformed)));
        }
        if self.context.stream_time != self.context.stream_time_before {
            self.tell_stream_time();
        }
        self.failure()
    }

    /// Takes a row of a global table in. All tasks meet one that can't be read; it is counted, and its dead letter given, if this one `tells`.
    ///
    /// # Errors
    /// When a result can't be written: a mistake in the topology.
    pub fn process_global(&mut self, record: &InputRecord, tells: bool) -> Result<Option<Publish>, TaskError> {
        let (before, dropped) = (self.context.published.len(), self.context.dropped);
        self.process(record)?;
        let dead = self.context.published.drain(before..).next();
        if !tells {
            self.context.dropped = dropped;
        }
        Ok(dead.filter(|_| tells))
    }

    /// When it happened: as its source reads it from the value, else the record's own timestamp.
    fn event_time_ms(&self, record: &InputRecord) -> i64 {
        let source = self.sources.get(&record.topic).and_then(|at| self.graph.sources.get(*at));
        let read = source.and_then(|source| source.timestamp).zip(record.value.as_deref());
        read.and_then(|(read, value)| read(value)).unwrap_or(record.timestamp_ms)
    }

    /// Lets stream time go on without a record, so that windows close. Before the first record there is no stream time.
    ///
    /// # Errors
    /// When a result can't be written: a mistake in the topology.
    pub fn advance_stream_time(&mut self, to_ms: i64) -> Result<(), TaskError> {
        self.context.stream_time_before = self.context.stream_time;
        if self.context.stream_time.get().is_some_and(|now_ms| now_ms < to_ms) {
            self.context.stream_time.observe(to_ms);
            (self.context.taken_in, self.context.trace_id) = (None, None);
            self.tell_stream_time();
        }
        self.failure()
    }

    fn tell_stream_time(&mut self) {
        for (_, hook) in &mut self.graph.on_stream_time {
            hook(&mut self.context);
        }
    }

    /// Tells the wall clock to the operators that asked for it.
    ///
    /// # Errors
    /// When a result can't be written: a mistake in the topology.
    pub fn advance_wall_clock(&mut self, now_ms: i64) -> Result<(), TaskError> {
        (self.context.wall_ms, self.context.trace_id) = (now_ms, None);
        for (at, (_, every_ms, hook)) in self.graph.on_wall_clock.iter_mut().enumerate() {
            let last_ms = self.last_wall_ms.entry(at).or_insert(now_ms);
            if now_ms - *last_ms >= *every_ms {
                *last_ms = now_ms;
                hook(&mut self.context);
            }
        }
        self.failure()
    }

    /// What is to be published, in order.
    pub fn take_published(&mut self) -> Vec<Publish> {
        std::mem::take(&mut self.context.published)
    }

    /// What changed in the stores since the last commit, as records of their changelog topics. Tables over a topic have none.
    ///
    /// # Errors
    /// When a value can't be written: a mistake in the topology.
    pub fn changes(&self) -> Result<Vec<(Arc<str>, Change)>, TaskError> {
        let mut all = Vec::new();
        for store in &self.graph.stores {
            let Some(changelog) = store.changelog.as_ref().filter(|topic| !self.sources.contains_key(*topic)) else { continue };
            let changes = store.state.borrow().changes().map_err(|source| self.error(source))?;
            all.extend(changes.into_iter().map(|change| (Arc::clone(changelog), change)));
        }
        Ok(all)
    }

    /// What was done is safe.
    pub fn commit(&mut self) {
        self.graph.stores.iter().for_each(|store| store.state.borrow_mut().commit());
        self.committed = (self.context.stream_time, self.context.dropped);
    }

    /// Back to the last commit: stores, stream time and counters; what waited or was to be published is forgotten, to be read again.
    pub fn rollback(&mut self) {
        self.graph.stores.iter().for_each(|store| store.state.borrow_mut().rollback());
        (self.context.stream_time, self.context.dropped) = self.committed;
        self.queues.values_mut().for_each(VecDeque::clear);
        self.context.published.clear();
    }

    /// Takes a record of a changelog topic in.
    ///
    /// # Errors
    /// When it is not of that store.
    pub fn restore(&mut self, changelog: &str, change: &Change) -> Result<(), TaskError> {
        let mut stores = self.graph.stores.iter().filter(|store| store.changelog.as_deref() == Some(changelog));
        let timestamp_ms = change.timestamp_ms.unwrap_or(i64::MIN);
        let done = stores.try_for_each(|store| store.state.borrow_mut().restore(&change.key, change.value.as_deref(), timestamp_ms));
        done.map_err(|source| self.error(source))?;
        self.failure()
    }

    /// Goes on from this stream time, as committed with the offsets.
    pub fn restore_stream_time(&mut self, stream_time_ms: i64) {
        self.context.stream_time.observe(stream_time_ms);
        self.committed.0 = self.context.stream_time;
    }

    /// A store by name, to look into.
    pub fn store(&self, name: &str) -> Option<Rc<RefCell<dyn StateStore>>> {
        self.graph.stores.iter().find(|store| &*store.name == name).map(|store| Rc::clone(&store.state))
    }

    /// All stores.
    pub(super) fn stores(&self) -> &[StoreSlot] {
        &self.graph.stores
    }

    /// Records without effect so far, by reason.
    pub fn dropped(&self) -> Dropped {
        self.context.dropped
    }

    /// Records each node of the topology passed on so far.
    pub fn passed(&self) -> &[u64] {
        &self.context.passed
    }

    /// Stream time; `None` before the first record.
    pub fn stream_time_ms(&self) -> Option<i64> {
        self.context.stream_time.get()
    }

    /// What went wrong unseen; to be asked before a result goes out.
    fn failure(&mut self) -> Result<(), TaskError> {
        if let Some(why) = self.backings.iter().find_map(|backing| backing.damage()) {
            return Err(TaskError::Damaged { app: self.graph.app.to_string(), why });
        }
        self.context.failure.take().map_or(Ok(()), |source| Err(self.error(source)))
    }

    fn error(&self, source: Malformed) -> TaskError {
        TaskError::Topology { app: self.graph.app.to_string(), source }
    }
}

/// The record as it came, with the reason and the place in headers.
fn dead_letter(topic: &Arc<str>, record: &InputRecord, malformed: &Malformed) -> Publish {
    let headers = vec![
        ("error", malformed.0.clone().into_bytes()),
        ("topic", record.topic.as_bytes().to_vec()),
        ("partition", record.partition.to_string().into_bytes()),
        ("offset", record.offset.to_string().into_bytes()),
    ];
    Publish { topic: Arc::clone(topic), key: record.key.clone(), value: record.value.clone(), timestamp_ms: record.timestamp_ms, headers }
}
