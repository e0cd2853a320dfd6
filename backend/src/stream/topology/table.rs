//! Tables: the newest value by key, from a topic or an aggregation.

use std::{borrow::Cow, cell::RefCell, rc::Rc, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    builder::StreamsBuilder,
    graph::{Emit, Graph, NodeId},
    stream::Stream,
};
use crate::stream::{
    context::Context,
    data::{Key, Malformed, Record, Value},
    store::{Backing, Change, StateStore, Store},
};

/// What a table says about a key: what it was and what it is; `None` where there is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<V> {
    /// Before.
    pub old: Option<V>,
    /// Now.
    pub new: Option<V>,
}

/// A table and the stream of its changes.
pub struct Table<K, V> {
    pub(super) builder: StreamsBuilder,
    pub(super) emit: Emit<K, Update<V>>,
    pub(super) store: TableStore<K, V>,
}

/// A table that every task has whole.
pub struct GlobalTable<K, V> {
    pub(super) store: String,
    pub(super) state: Rc<RefCell<Store<K, V>>>,
}

impl<K: Key, V: Value> Table<K, V> {
    pub(super) fn new(builder: StreamsBuilder, emit: Emit<K, Update<V>>, store: TableStore<K, V>) -> Self {
        Self { builder, emit, store }
    }

    /// The changes as events: the new value, or `None` for a deletion.
    pub fn to_stream(&self) -> Stream<K, Option<V>> {
        let node = self.builder.graph.borrow_mut().add("to_stream", vec![self.emit.node]);
        let out = Emit::new(node);
        let next = Stream::new(self.builder.clone(), out.clone());
        self.emit.attach(move |context, record| out.send(context, &record.with_value(record.value.new.clone())));
        next
    }

    /// The rows both tables have, joined by key; each change of either gives a change of the result.
    pub fn join<W: Value, R: Value>(&self, other: &Table<K, W>, name: &str, join: impl Fn(&K, &V, &W) -> R + 'static) -> Table<K, R> {
        self.join_with(other, name, false, move |key, left, right| Some(join(key, left?, right?)))
    }

    /// The rows of this table, joined with those of the other where there are any.
    pub fn left_join<W: Value, R: Value>(
        &self,
        other: &Table<K, W>,
        name: &str,
        join: impl Fn(&K, &V, Option<&W>) -> R + 'static,
    ) -> Table<K, R> {
        self.join_with(other, name, true, move |key, left, right| Some(join(key, left?, right)))
    }

    /// A change that meets no row of the other table changes nothing, unless it is of the left one and `is_left`.
    fn join_with<W: Value, R: Value>(
        &self,
        other: &Table<K, W>,
        name: &str,
        is_left: bool,
        join: impl Fn(&K, Option<&V>, Option<&W>) -> Option<R> + 'static,
    ) -> Table<K, R> {
        let node = {
            let mut graph = self.builder.graph.borrow_mut();
            graph.copartitioned.push((self.emit.node, other.emit.node));
            graph.add("table_join", vec![self.emit.node, other.emit.node])
        };
        let result = Table::new(self.builder.clone(), Emit::new(node), TableStore::new(0));
        result.store.register(&mut self.builder.graph.borrow_mut(), name, node);
        let join = Rc::new(join);
        let (out, state, right, join_left) = (result.emit.clone(), result.store.clone(), other.store.clone(), Rc::clone(&join));
        self.emit.attach(move |context, record| {
            let Update { old, new } = &record.value;
            let is_alone = is_left && (old.is_some() || new.is_some());
            let joined = right.latest(&record.key, |row| {
                let value = || join_left(&record.key, new.as_ref(), row.map(|(_, right)| right));
                (row.is_some() || is_alone).then(|| (value(), later(record, row)))
            });
            let Some((value, timestamp_ms)) = joined else { return };
            if let Some(change) = state.apply(context, Record { timestamp_ms, ..record.with_value(value) }) {
                out.send(context, &change);
            }
        });
        let (out, state, left) = (result.emit.clone(), result.store.clone(), self.store.clone());
        other.emit.attach(move |context, record| {
            let joined = left.latest(&record.key, |row| {
                row.map(|(_, left)| (join(&record.key, Some(left), record.value.new.as_ref()), later(record, row)))
            });
            let Some((value, timestamp_ms)) = joined else { return };
            if let Some(change) = state.apply(context, Record { timestamp_ms, ..record.with_value(value) }) {
                out.send(context, &change);
            }
        });
        result
    }
}

/// The time of what is made of a record and a row: that of the newer one.
pub(super) fn later<K, V, W>(record: &Record<K, V>, row: Option<(i64, &W)>) -> i64 {
    row.map_or(record.timestamp_ms, |(from_ms, _)| from_ms.max(record.timestamp_ms))
}

/// A key's values with the times they hold from, oldest first; one, where no history is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Versions<V>(Vec<(i64, Option<V>)>);

/// A table's rows, shared by the operators that read them.
pub(super) struct TableStore<K, V>(Rc<RefCell<Rows<K, V>>>);

struct Rows<K, V> {
    history_ms: i64,
    store: Store<K, Versions<V>>,
}

impl<K, V> Clone for TableStore<K, V> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K: Key, V: Value> TableStore<K, V> {
    pub(super) fn new(history_ms: i64) -> Self {
        let store = if history_ms > 0 { Store::expiring(|_, versions| Versions::forgotten_after_ms(versions)) } else { Store::new() };
        Self(Rc::new(RefCell::new(Rows { history_ms, store })))
    }

    /// Adds the store with a changelog of its own.
    pub(super) fn register(&self, graph: &mut Graph, name: &str, node: NodeId) {
        graph.add_store(name, node, Rc::clone(&self.0) as Rc<RefCell<dyn StateStore>>);
    }

    /// Adds the store with this topic as its changelog.
    pub(super) fn register_over(&self, graph: &mut Graph, name: &str, node: NodeId, topic: &Arc<str>) {
        graph.add_store_over(name, node, Some(Arc::clone(topic)), Rc::clone(&self.0) as Rc<RefCell<dyn StateStore>>);
    }

    /// Takes a row in; the change, unless a newer row is known. As in Kafka Streams a deletion of what is not there is a change too.
    pub(super) fn apply(&self, context: &Context, record: Record<K, Option<V>>) -> Option<Record<K, Update<V>>> {
        let mut rows = self.0.borrow_mut();
        let old = rows.store.get(&record.key).and_then(|versions| versions.latest().cloned());
        let is_newest = rows.put(&record.key, record.value.clone(), record.timestamp_ms, context.stream_time_ms());
        is_newest.then(|| Record { key: record.key, value: Update { old, new: record.value }, timestamp_ms: record.timestamp_ms })
    }

    /// The newest row, with the time it holds from.
    pub(super) fn latest<R>(&self, key: &K, with: impl FnOnce(Option<(i64, &V)>) -> R) -> R {
        let rows = self.0.borrow();
        let versions = rows.store.get(key);
        with(versions.as_ref().and_then(|versions| versions.0.last()).and_then(|(from_ms, row)| Some((*from_ms, row.as_ref()?))))
    }

    /// The row as it was at a time, where history is kept; else the newest.
    pub(super) fn at<R>(&self, key: &K, timestamp_ms: i64, with: impl FnOnce(Option<&V>) -> R) -> R {
        let rows = self.0.borrow();
        let versions = rows.store.get(key);
        let versions = versions.as_deref();
        with(if rows.history_ms > 0 { versions.and_then(|it| it.at(timestamp_ms)) } else { versions.and_then(Versions::latest) })
    }
}

impl<V> Versions<V> {
    fn latest(&self) -> Option<&V> {
        self.0.last()?.1.as_ref()
    }

    /// A deletion still hides rows that are older and come later, as far back as history goes; then all of the key can go.
    fn forgotten_after_ms(&self) -> i64 {
        if let Some((from_ms, None)) = self.0.last() { *from_ms } else { i64::MAX }
    }

    fn at(&self, timestamp_ms: i64) -> Option<&V> {
        let next = self.0.partition_point(|(from, _)| *from <= timestamp_ms);
        self.0.get(next.checked_sub(1)?)?.1.as_ref()
    }
}

impl<K: Key, V: Value> Rows<K, V> {
    /// Whether the row is the newest now. Without history the last one written is (as in Kafka Streams' plain tables).
    fn put(&mut self, key: &K, value: Option<V>, timestamp_ms: i64, stream_time_ms: i64) -> bool {
        if self.history_ms == 0 {
            match value {
                Some(value) => self.store.put(key.clone(), Versions(vec![(timestamp_ms, Some(value))])),
                None => drop(self.store.delete(key)),
            }
            return true;
        }
        let oldest_ms = stream_time_ms.saturating_sub(self.history_ms);
        let versions = self.store.update(
            key,
            || Versions(Vec::new()),
            |Versions(all)| {
                let at = all.partition_point(|(from, _)| *from <= timestamp_ms);
                all.insert(at, (timestamp_ms, value));
                // The version that held at the beginning of the history stays; those before it can't be asked for.
                let first = all.partition_point(|(from, _)| *from <= oldest_ms).saturating_sub(1);
                all.drain(..first);
            },
        );
        let is_newest = versions.0.last().is_some_and(|(from, _)| *from <= timestamp_ms);
        while self.store.pop_expired(oldest_ms).is_some() {}
        is_newest
    }
}

impl<K: Key, V: Value> StateStore for Rows<K, V> {
    fn changes(&self) -> Result<Vec<Change>, Malformed> {
        let change = |(key, versions): (&K, Option<&Versions<V>>)| {
            let newest = versions.and_then(|it| it.0.last());
            let value = newest.and_then(|(_, value)| value.as_ref()).map(Value::to_bytes).transpose()?;
            let change = Change { key: Key::to_bytes(key), value, timestamp_ms: newest.map(|(from, _)| *from) };
            if let Some(value) = &change.value {
                self.store.count_written(change.key.len() + value.len());
            }
            Ok(change)
        };
        self.store.changed().map(change).collect()
    }

    fn commit(&mut self) {
        self.store.commit();
    }

    fn rollback(&mut self) {
        self.store.rollback();
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>, timestamp_ms: i64) -> Result<(), Malformed> {
        self.store.count_written(key.len() + value.map_or(0, <[u8]>::len));
        let value = value.map(V::from_bytes).transpose()?;
        self.put(&K::decode(key)?, value, timestamp_ms, timestamp_ms);
        self.store.settle();
        Ok(())
    }

    fn len(&self) -> usize {
        self.store.len()
    }

    fn browse(&self, filter: &str, limit: usize) -> Vec<(String, String)> {
        let text = |(key, versions): (Cow<'_, K>, Cow<'_, Versions<V>>)| {
            let value = versions.latest().map_or_else(|| Ok("deleted".to_owned()), serde_json::to_string);
            (format!("{key:?}"), value.unwrap_or_else(|error| error.to_string()))
        };
        self.store.iter().map(text).filter(|(key, value)| key.contains(filter) || value.contains(filter)).take(limit).collect()
    }

    fn approximate_bytes(&self) -> u64 {
        self.store.approximate_bytes()
    }

    fn keep_on(&mut self, backing: Rc<dyn Backing>, cache_bytes: u64) -> Result<(), Malformed> {
        self.store.keep_on(backing, cache_bytes)
    }

    fn limit_cache(&mut self, bytes: u64) {
        self.store.limit_cache(bytes);
    }

    fn in_memory(&self) -> usize {
        self.store.in_memory()
    }
}
