//! Topologies: what an application does with its topics, written once with the words of Kafka Streams' DSL.

mod builder;
mod graph;
mod grouped;
mod joins;
mod pattern;
mod process;
mod stream;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use builder::StreamsBuilder;
pub use graph::{Incoming, Node, NodeId, TimestampExtractor};
pub use grouped::Grouped;
pub use pattern::{Matched, Pattern};
pub use process::{Forward, Processor, StoreHandle};
pub use stream::{Condition, Stream};
pub use table::{GlobalTable, Table, Update};

pub(super) use graph::{Graph, StoreSlot};

/// An application's topology: built again for every task, described once.
#[derive(Clone)]
pub struct Topology {
    app: Arc<str>,
    build: Arc<dyn Fn(&StreamsBuilder) + Send + Sync>,
    description: Arc<Description>,
}

/// What a topology is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// All nodes, in the order they were added.
    pub nodes: Vec<Node>,
    /// The parts that topics separate; each runs as one task a partition.
    pub subtopologies: Vec<Subtopology>,
    /// Topics of the application's own between its parts; as many partitions as it is given, retention unlimited while it runs.
    pub repartition_topics: Vec<Arc<str>>,
    /// Topics read whole by every task.
    pub global_topics: Vec<Arc<str>>,
}

/// What a node is, for a picture of the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Reads a topic.
    Source,
    /// Reads a topic whole, into every task.
    GlobalSource,
    /// Writes to a topic.
    Sink,
    /// Works on each record alone.
    Stateless,
    /// Keeps state.
    Stateful,
}

impl Description {
    /// What a node is.
    pub fn kind(&self, node: NodeId) -> NodeKind {
        let Some(node) = self.nodes.get(node.0) else { return NodeKind::Stateless };
        match &node.topic {
            Some(topic) if node.parents.is_empty() && self.global_topics.contains(topic) => NodeKind::GlobalSource,
            Some(_) if node.parents.is_empty() => NodeKind::Source,
            Some(_) => NodeKind::Sink,
            None if node.stores.is_empty() => NodeKind::Stateless,
            None => NodeKind::Stateful,
        }
    }

    /// From where to where records flow; between parts of the topology, through the repartition topics.
    pub fn edges(&self) -> Vec<(NodeId, NodeId)> {
        let inner = self.nodes.iter().enumerate().flat_map(|(to, node)| node.parents.iter().map(move |from| (*from, NodeId(to))));
        let with_topic = |topic: &Arc<str>, is_source: bool| {
            let mut nodes = self.nodes.iter().enumerate();
            nodes.find(|(_, node)| node.topic.as_ref() == Some(topic) && node.parents.is_empty() == is_source).map(|(at, _)| NodeId(at))
        };
        let between = self.repartition_topics.iter().filter_map(|topic| Some((with_topic(topic, false)?, with_topic(topic, true)?)));
        inner.chain(between).collect()
    }
}

/// A part of a topology that runs as one task a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtopology {
    /// Its nodes.
    pub nodes: BTreeSet<NodeId>,
    /// The topics it reads, all with equally many partitions where it joins them.
    pub source_topics: Vec<Arc<str>>,
    /// Its stores with their changelog topics.
    pub changelogs: Vec<(Arc<str>, Arc<str>)>,
}

/// Why a topology can't run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the topology of {app} is not right: {}", mistakes.join("; "))]
pub struct TopologyError {
    /// The application.
    pub app: String,
    /// All that is wrong with it.
    pub mistakes: Vec<String>,
}

impl Topology {
    /// Builds a topology. `app` is its consumer group and the prefix of its internal topics (`application.id`).
    ///
    /// # Errors
    /// When a topic is read twice or two stores have one name.
    pub fn new(app: &str, build: impl Fn(&StreamsBuilder) + Send + Sync + 'static) -> Result<Self, TopologyError> {
        let app: Arc<str> = app.into();
        let builder = StreamsBuilder::new(&app);
        build(&builder);
        let graph = builder.graph.borrow();
        if !graph.mistakes.is_empty() {
            return Err(TopologyError { app: app.to_string(), mistakes: graph.mistakes.clone() });
        }
        let description = Arc::new(describe(&graph));
        Ok(Self { app, build: Arc::new(build), description })
    }

    /// The application's id.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The same, shared.
    pub(super) fn shared_description(&self) -> Arc<Description> {
        Arc::clone(&self.description)
    }

    /// What it is made of.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Topics that are joined need equally many partitions: what is wrong with these counts.
    pub fn copartitioning_mistakes(&self, partitions: impl Fn(&str) -> Option<i32>) -> Vec<String> {
        let graph = self.graph();
        let counts =
            |node| graph.source_topics(node).into_iter().filter_map(|topic| Some((partitions(&topic)?, topic))).collect::<Vec<_>>();
        let wrong = |(left, right): &(NodeId, NodeId)| {
            let (left, right) = (counts(*left), counts(*right));
            let (a, b) = left.iter().flat_map(|a| right.iter().map(move |b| (a, b))).find(|(a, b)| a.0 != b.0)?;
            Some(format!("{} has {} partitions and {} has {}: topics that are joined need equally many", a.1, a.0, b.1, b.0))
        };
        graph.copartitioned.iter().filter_map(wrong).collect()
    }

    /// A fresh graph with its closures, for one task.
    pub(super) fn graph(&self) -> Graph {
        let builder = StreamsBuilder::new(&self.app);
        (self.build)(&builder);
        builder.graph.take()
    }
}

impl std::fmt::Debug for Topology {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topology").field("app", &self.app).field("description", &self.description).finish_non_exhaustive()
    }
}

fn describe(graph: &Graph) -> Description {
    let globals: BTreeSet<_> = graph.sources.iter().filter(|source| source.is_global).map(|source| source.node).collect();
    let mut group: Vec<usize> = (0..graph.nodes.len()).collect();
    for (at, node) in graph.nodes.iter().enumerate() {
        for parent in &node.parents {
            let (to, from) = (group[parent.0].min(group[at]), group[parent.0].max(group[at]));
            group.iter_mut().filter(|it| **it == from).for_each(|it| *it = to);
        }
    }
    let mut parts = BTreeMap::<usize, Subtopology>::new();
    for (at, root) in group.iter().enumerate().filter(|(at, _)| !globals.contains(&NodeId(*at))) {
        parts.entry(*root).or_default().nodes.insert(NodeId(at));
    }
    for part in parts.values_mut() {
        let sources = graph.sources.iter().filter(|source| part.nodes.contains(&source.node));
        part.source_topics = sources.map(|source| Arc::clone(&source.topic)).collect();
        let stores = graph.stores.iter().filter(|store| part.nodes.contains(&store.node));
        part.changelogs = stores.filter_map(|store| Some((Arc::clone(&store.name), Arc::clone(store.changelog.as_ref()?)))).collect();
    }
    Description {
        nodes: graph.nodes.clone(),
        subtopologies: parts.into_values().collect(),
        repartition_topics: graph.repartitions.clone(),
        global_topics: graph.sources.iter().filter(|source| source.is_global).map(|source| Arc::clone(&source.topic)).collect(),
    }
}
