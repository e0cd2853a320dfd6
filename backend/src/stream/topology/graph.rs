//! The graph while it is built: nodes, edges, stores, and the closures that make it run.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use crate::stream::{
    context::Context,
    data::{Malformed, Record},
    store::StateStore,
};

/// A node's place in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// What a node is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it does and its number: `filter-3`.
    pub name: String,
    /// Where its records come from.
    pub parents: Vec<NodeId>,
    /// The stores it uses.
    pub stores: Vec<String>,
    /// The topic it reads or writes.
    pub topic: Option<Arc<str>>,
}

/// A record as it comes from a topic.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Event time: the record's timestamp.
    pub timestamp_ms: i64,
}

/// Reads event time from a value; `None` where it can't.
pub type TimestampExtractor = fn(&[u8]) -> Option<i64>;

pub(crate) type Feed = Box<dyn FnMut(&mut Context, Incoming<'_>) -> Result<(), Malformed>>;
pub(crate) type Hook = Box<dyn FnMut(&mut Context)>;
type Child<K, V> = Box<dyn FnMut(&mut Context, &Record<K, V>)>;

/// A topic that is read.
pub(crate) struct Source {
    pub(crate) topic: Arc<str>,
    pub(crate) node: NodeId,
    pub(crate) is_global: bool,
    pub(crate) timestamp: Option<TimestampExtractor>,
    pub(crate) feed: Feed,
}

pub(crate) struct StoreSlot {
    pub(crate) name: Arc<str>,
    pub(crate) node: NodeId,
    /// A store that has its source topic for a changelog needs none of its own.
    pub(crate) changelog: Option<Arc<str>>,
    pub(crate) state: Rc<RefCell<dyn StateStore>>,
}

#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) app: Arc<str>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) sources: Vec<Source>,
    pub(crate) stores: Vec<StoreSlot>,
    /// Run when stream time has advanced.
    pub(crate) on_stream_time: Vec<(NodeId, Hook)>,
    /// Run when the wall clock has advanced, every so many milliseconds.
    pub(crate) on_wall_clock: Vec<(NodeId, i64, Hook)>,
    pub(crate) repartitions: Vec<Arc<str>>,
    /// Topics that must have equally many partitions, because they are joined.
    pub(crate) copartitioned: Vec<(NodeId, NodeId)>,
    pub(crate) mistakes: Vec<String>,
}

impl Graph {
    pub(crate) fn add(&mut self, kind: &str, parents: Vec<NodeId>) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { name: format!("{kind}-{}", id.0), parents, stores: Vec::new(), topic: None });
        id
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0)
    }

    pub(crate) fn set_topic(&mut self, id: NodeId, topic: &Arc<str>) {
        if let Some(node) = self.node_mut(id) {
            node.topic = Some(Arc::clone(topic));
        }
    }

    /// Adds a store with a changelog of its own, `<app>-<store>-changelog` as Kafka Streams names it.
    pub(crate) fn add_store(&mut self, name: &str, node: NodeId, state: Rc<RefCell<dyn StateStore>>) {
        let changelog = format!("{}-{name}-changelog", self.app).into();
        self.add_store_over(name, node, Some(changelog), state);
    }

    pub(crate) fn add_store_over(&mut self, name: &str, node: NodeId, changelog: Option<Arc<str>>, state: Rc<RefCell<dyn StateStore>>) {
        if self.stores.iter().any(|store| &*store.name == name) {
            self.mistakes.push(format!("two stores are called {name}: give each its own name"));
        }
        self.use_store(name, node);
        self.stores.push(StoreSlot { name: name.into(), node, changelog, state });
    }

    pub(crate) fn use_store(&mut self, name: &str, node: NodeId) {
        if let Some(node) = self.node_mut(node) {
            node.stores.push(name.to_owned());
        }
    }

    /// The topics whose partitions decide where a node's records are: its sources, through operators that keep the key.
    pub(crate) fn source_topics(&self, node: NodeId) -> Vec<Arc<str>> {
        let (mut found, mut open) = (BTreeMap::new(), vec![node]);
        while let Some(id) = open.pop() {
            let Some(node) = self.nodes.get(id.0) else { continue };
            match (&node.topic, node.parents.is_empty()) {
                (Some(topic), true) => drop(found.insert(id, Arc::clone(topic))),
                _ => open.extend(&node.parents),
            }
        }
        found.into_values().collect()
    }
}

/// A node's exit: hands records to everything that was attached to it.
pub(crate) struct Emit<K, V> {
    pub(crate) node: NodeId,
    children: Rc<RefCell<Vec<Child<K, V>>>>,
}

impl<K, V> Emit<K, V> {
    pub(crate) fn new(node: NodeId) -> Self {
        Self { node, children: Rc::default() }
    }

    /// Depth first, in the order of attachment. The graph has no cycles, so nothing comes back to a borrowed list.
    pub(crate) fn send(&self, context: &mut Context, record: &Record<K, V>) {
        context.count(self.node.0);
        for child in self.children.borrow_mut().iter_mut() {
            child(context, record);
        }
    }

    pub(crate) fn attach(&self, child: impl FnMut(&mut Context, &Record<K, V>) + 'static) {
        self.children.borrow_mut().push(Box::new(child));
    }
}

impl<K, V> Clone for Emit<K, V> {
    fn clone(&self) -> Self {
        Self { node: self.node, children: Rc::clone(&self.children) }
    }
}
