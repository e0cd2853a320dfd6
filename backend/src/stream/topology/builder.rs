//! Where a topology begins: topics as streams, tables and global tables.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{
    graph::{Emit, Graph, Incoming, NodeId, Source, TimestampExtractor},
    stream::Stream,
    table::{GlobalTable, Table, TableStore},
};
use crate::stream::{
    context::Context,
    data::{Key, Malformed, Record, Value},
    store::{StateStore, Store},
};

/// Collects the operators of one application.
///
/// The same closure builds the topology for its description and again for every task, so it must always build the same.
#[derive(Clone)]
pub struct StreamsBuilder {
    pub(super) graph: Rc<RefCell<Graph>>,
}

impl StreamsBuilder {
    pub(super) fn new(app: &Arc<str>) -> Self {
        Self { graph: Rc::new(RefCell::new(Graph { app: Arc::clone(app), ..Graph::default() })) }
    }

    /// Reads a topic as a stream of events. Event time is the record's timestamp. Records with a null key are events too where the key is an
    /// `Option`; else they are dropped and counted.
    pub fn stream<K: Key, V: Value>(&self, topic: &str) -> Stream<K, V> {
        self.stream_timed(topic, None)
    }

    /// Reads a topic as a stream of events whose time stands in the value (`TimestampExtractor`); where it can't be read, the
    /// record's timestamp counts.
    pub fn stream_by_time<K: Key, V: Value>(&self, topic: &str, timestamp_ms: TimestampExtractor) -> Stream<K, V> {
        self.stream_timed(topic, Some(timestamp_ms))
    }

    fn stream_timed<K: Key, V: Value>(&self, topic: &str, timestamp: Option<TimestampExtractor>) -> Stream<K, V> {
        let (node, topic) = self.source(topic);
        let emit = Emit::new(node);
        let out = emit.clone();
        let feed = move |context: &mut Context, incoming: Incoming<'_>| {
            let key = incoming.key.map(K::decode).transpose()?.or_else(K::null);
            let (Some(key), Some(value)) = (key, incoming.value) else {
                // A key type without a null needs a key, and a stream has no deletions.
                context.dropped.null_key += 1;
                return Ok(());
            };
            let record = Record { key, value: V::from_bytes(value)?, timestamp_ms: incoming.timestamp_ms };
            out.send(context, &record);
            Ok(())
        };
        self.graph.borrow_mut().sources.push(Source { topic, node, is_global: false, timestamp, feed: Box::new(feed) });
        Stream::new(self.clone(), emit)
    }

    /// Reads a compacted topic as a table: the newest value by key. The topic itself is the store's changelog.
    pub fn table<K: Key, V: Value>(&self, topic: &str, store: &str) -> Table<K, V> {
        self.table_with_history(topic, store, 0)
    }

    /// As [`Self::table`], and remembers what a key's value was so long back, so that joins ask as of a record's own time
    /// (Kafka's versioned stores, KIP-889).
    pub fn table_with_history<K: Key, V: Value>(&self, topic: &str, store: &str, history_ms: i64) -> Table<K, V> {
        let (node, topic) = self.source(topic);
        let table = Table::new(self.clone(), Emit::new(node), TableStore::new(history_ms));
        table.store.register_over(&mut self.graph.borrow_mut(), store, node, &topic);
        let (out, state) = (table.emit.clone(), table.store.clone());
        let feed = move |context: &mut Context, incoming: Incoming<'_>| {
            let Some(key) = incoming.key else {
                context.dropped.null_key += 1;
                return Ok(());
            };
            let record =
                Record { key: K::decode(key)?, value: incoming.value.map(V::from_bytes).transpose()?, timestamp_ms: incoming.timestamp_ms };
            if let Some(change) = state.apply(context, record) {
                out.send(context, &change);
            }
            Ok(())
        };
        self.graph.borrow_mut().sources.push(Source { topic, node, is_global: false, timestamp: None, feed: Box::new(feed) });
        table
    }

    /// Reads all partitions of a topic into every task: small data that everything is joined with, by any key.
    pub fn global_table<K: Key, V: Value>(&self, topic: &str, store: &str) -> GlobalTable<K, V> {
        let (node, topic) = self.source(topic);
        let state = Rc::new(RefCell::new(Store::<K, V>::new()));
        self.graph.borrow_mut().add_store_over(store, node, None, Rc::clone(&state) as Rc<RefCell<dyn StateStore>>);
        let entries = Rc::clone(&state);
        let feed = move |context: &mut Context, incoming: Incoming<'_>| -> Result<(), Malformed> {
            let Some(key) = incoming.key else {
                context.dropped.null_key += 1;
                return Ok(());
            };
            entries.borrow_mut().restore(key, incoming.value, incoming.timestamp_ms)
        };
        self.graph.borrow_mut().sources.push(Source { topic, node, is_global: true, timestamp: None, feed: Box::new(feed) });
        GlobalTable { store: store.to_owned(), state }
    }

    fn source(&self, topic: &str) -> (NodeId, Arc<str>) {
        let mut graph = self.graph.borrow_mut();
        if graph.sources.iter().any(|source| &*source.topic == topic) {
            graph.mistakes.push(format!("topic {topic} is read twice: read it once and use the stream in both places"));
        }
        let topic: Arc<str> = topic.into();
        let node = graph.add("source", Vec::new());
        graph.set_topic(node, &topic);
        (node, topic)
    }
}
