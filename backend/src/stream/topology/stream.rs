//! Streams of events, and what can be done to each event alone.

use std::sync::Arc;

use super::{builder::StreamsBuilder, graph::Emit, grouped::Grouped};
use crate::stream::{
    context::{Context, Publish},
    data::{Key, Malformed, Record, Value},
};

/// Whether a record goes this way.
pub type Condition<K, V> = fn(&Record<K, V>) -> bool;

/// A stream of events with keys.
pub struct Stream<K, V> {
    pub(super) builder: StreamsBuilder,
    pub(super) emit: Emit<K, V>,
    /// The key is not the one that chose the partition any more: state by key needs a repartition first.
    pub(super) is_rekeyed: bool,
}

impl<K, V> Clone for Stream<K, V> {
    fn clone(&self) -> Self {
        Self { builder: self.builder.clone(), emit: self.emit.clone(), is_rekeyed: self.is_rekeyed }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    pub(super) fn new(builder: StreamsBuilder, emit: Emit<K, V>) -> Self {
        Self { builder, emit, is_rekeyed: false }
    }

    /// Keeps the records for which this holds.
    pub fn filter(&self, keep: impl Fn(&Record<K, V>) -> bool + 'static) -> Self {
        let (next, out) = self.next("filter");
        self.emit.attach(move |context, record| {
            if keep(record) {
                out.send(context, record);
            }
        });
        next
    }

    /// Another value for each record.
    pub fn map_values<W: Clone + 'static>(&self, map: impl Fn(&Record<K, V>) -> W + 'static) -> Stream<K, W> {
        let (next, out) = self.next("map_values");
        self.emit.attach(move |context, record| out.send(context, &record.with_value(map(record))));
        next
    }

    /// Another value for each record, of one that may say how long it took: the map is given the time since the task took the record in, in
    /// microseconds; 0 in virtual time.
    pub fn map_values_timed<W: Clone + 'static>(&self, map: impl Fn(&Record<K, V>, i64) -> W + 'static) -> Stream<K, W> {
        let (next, out) = self.next("map_values");
        self.emit.attach(move |context, record| {
            let value = map(record, context.latency_us());
            out.send(context, &record.with_value(value));
        });
        next
    }

    /// Any number of values for each record.
    pub fn flat_map_values<W: Clone + 'static, I: IntoIterator<Item = W>>(
        &self,
        map: impl Fn(&Record<K, V>) -> I + 'static,
    ) -> Stream<K, W> {
        let (next, out) = self.next("flat_map_values");
        self.emit.attach(move |context, record| {
            for value in map(record) {
                out.send(context, &record.with_value(value));
            }
        });
        next
    }

    /// Another key; state by it needs [`Stream::repartition`] first.
    pub fn select_key<L: Clone + 'static>(&self, key: impl Fn(&Record<K, V>) -> L + 'static) -> Stream<L, V> {
        let (mut next, out) = self.next("select_key");
        next.is_rekeyed = true;
        self.emit.attach(move |context, record| out.send(context, &record.with_key(key(record))));
        next
    }

    /// Any number of records for each, under any keys.
    pub fn flat_map<L: Clone + 'static, W: Clone + 'static, I: IntoIterator<Item = Record<L, W>>>(
        &self,
        map: impl Fn(&Record<K, V>) -> I + 'static,
    ) -> Stream<L, W> {
        let (mut next, out) = self.next("flat_map");
        next.is_rekeyed = true;
        self.emit.attach(move |context, record| {
            for record in map(record) {
                out.send(context, &record);
            }
        });
        next
    }

    /// Looks at each record on its way.
    pub fn peek(&self, look: impl Fn(&Record<K, V>) + 'static) -> Self {
        let (next, out) = self.next("peek");
        self.emit.attach(move |context, record| {
            look(record);
            out.send(context, record);
        });
        next
    }

    /// Both streams as one, in the order they are processed.
    pub fn merge(&self, other: &Self) -> Self {
        let node = self.builder.graph.borrow_mut().add("merge", vec![self.emit.node, other.emit.node]);
        let out = Emit::new(node);
        for from in [self, other] {
            let out = out.clone();
            from.emit.attach(move |context, record| out.send(context, record));
        }
        Self { builder: self.builder.clone(), emit: out, is_rekeyed: self.is_rekeyed || other.is_rekeyed }
    }

    /// One stream for each condition: a record goes to the first that holds; to none when none does.
    pub fn branch<const N: usize>(&self, conditions: [Condition<K, V>; N]) -> [Self; N] {
        let branches = conditions.map(|condition| (condition, self.next("branch")));
        let outs: Vec<_> = branches.iter().map(|(condition, (_, out))| (*condition, out.clone())).collect();
        self.emit.attach(move |context, record| {
            if let Some((_, out)) = outs.iter().find(|(condition, _)| condition(record)) {
                out.send(context, record);
            }
        });
        branches.map(|(_, (stream, _))| stream)
    }

    /// A new node below this one, with its exit.
    pub(super) fn next<L: Clone + 'static, W: Clone + 'static>(&self, kind: &str) -> (Stream<L, W>, Emit<L, W>) {
        let node = self.builder.graph.borrow_mut().add(kind, vec![self.emit.node]);
        let out = Emit::new(node);
        (Stream { builder: self.builder.clone(), emit: out.clone(), is_rekeyed: self.is_rekeyed }, out)
    }
}

impl<K: Key, V: Value> Stream<K, V> {
    /// Publishes each record to a topic.
    pub fn to(&self, topic: &str) {
        self.sink(topic);
    }

    /// Writes each record to a topic of its own, keyed by the key it has now, and reads it from there: what follows runs in
    /// tasks that own the key's partition (`<app>-<name>-repartition`, as Kafka Streams names it). Records with a null key come to any.
    pub fn repartition(&self, name: &str) -> Self {
        let topic: Arc<str> = format!("{}-{name}-repartition", self.builder.graph.borrow().app).into();
        self.sink(&topic);
        self.builder.graph.borrow_mut().repartitions.push(Arc::clone(&topic));
        self.builder.stream(&topic)
    }

    /// Groups by the key there is, repartitioned first if that was changed. Records with a null key belong to no group: they are dropped and
    /// counted, before they would be repartitioned.
    pub fn group_by_key(&self, name: &str) -> Grouped<K, V> {
        let keyed = self.with_keys();
        Grouped { stream: if keyed.is_rekeyed { keyed.repartition(name) } else { keyed }, name: name.to_owned() }
    }

    /// The records that have a key, as state needs one; the others are counted.
    pub(super) fn with_keys(&self) -> Self {
        if K::null().is_none() {
            return self.clone();
        }
        let (next, out) = self.next("with_keys");
        self.emit.attach(move |context, record| {
            if record.key.is_null() {
                context.dropped.null_key += 1;
            } else {
                out.send(context, record);
            }
        });
        next
    }

    /// Groups by another key.
    pub fn group_by<L: Key>(&self, name: &str, key: impl Fn(&Record<K, V>) -> L + 'static) -> Grouped<L, V> {
        self.select_key(key).group_by_key(name)
    }

    fn sink(&self, topic: &str) {
        let topic: Arc<str> = topic.into();
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.add("sink", vec![self.emit.node]);
        graph.set_topic(node, &topic);
        self.emit.attach(move |context: &mut Context, record| {
            context.count(node.0);
            let published = publish(&topic, record);
            context.publish(published);
        });
    }
}

fn publish<K: Key, V: Value>(topic: &Arc<str>, record: &Record<K, V>) -> Result<Publish, Malformed> {
    Ok(Publish {
        topic: Arc::clone(topic),
        key: (!record.key.is_null()).then(|| Key::to_bytes(&record.key)),
        // A value that is JSON's null is a deletion: `Option::None` of a table's change.
        value: Some(Value::to_bytes(&record.value)?).filter(|value| value != b"null"),
        timestamp_ms: record.timestamp_ms,
        headers: Vec::new(),
    })
}
