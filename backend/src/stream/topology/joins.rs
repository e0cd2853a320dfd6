//! Joins of a stream with a table, a global table, or another stream.

use std::{cell::RefCell, rc::Rc};

use serde::{Deserialize, Serialize};

use super::{
    stream::Stream,
    table::{GlobalTable, Table},
};
use crate::stream::{
    JoinWindows,
    context::Context,
    data::{Key, Malformed, Record, Value},
    store::{StateStore, Store},
};

impl<K: Key, V: Value> Stream<K, V> {
    /// Each record with its key's row, as of the record's time where the table keeps history; nothing where there is no row.
    pub fn join_table<W: Value, R: Clone + 'static>(
        &self,
        table: &Table<K, W>,
        join: impl Fn(&Record<K, V>, &W) -> R + 'static,
    ) -> Stream<K, R> {
        self.table_join(table, move |record, row| Some(join(record, row?)))
    }

    /// As [`Self::join_table`], with records that have no row too.
    pub fn left_join_table<W: Value, R: Clone + 'static>(
        &self,
        table: &Table<K, W>,
        join: impl Fn(&Record<K, V>, Option<&W>) -> R + 'static,
    ) -> Stream<K, R> {
        self.table_join(table, move |record, row| Some(join(record, row)))
    }

    fn table_join<W: Value, R: Clone + 'static>(
        &self,
        table: &Table<K, W>,
        join: impl Fn(&Record<K, V>, Option<&W>) -> Option<R> + 'static,
    ) -> Stream<K, R> {
        let stream = if self.is_rekeyed { self.repartition(&format!("join-{}", table.emit.node.0)) } else { self.clone() };
        let (next, out) = stream.next("join_table");
        if let Some(node) = stream.builder.graph.borrow_mut().node_mut(out.node) {
            node.parents.push(table.emit.node);
        }
        stream.builder.graph.borrow_mut().copartitioned.push((stream.emit.node, table.emit.node));
        let rows = table.store.clone();
        stream.emit.attach(move |context, record| {
            if let Some(value) = rows.at(&record.key, record.timestamp_ms, |row| join(record, row)) {
                out.send(context, &record.with_value(value));
            }
        });
        next
    }

    /// Each record with a row of a global table, found by any key the record names; with `None` where there is no row.
    pub fn join_global<L: Key, W: Value, R: Clone + 'static>(
        &self,
        table: &GlobalTable<L, W>,
        key: impl Fn(&Record<K, V>) -> L + 'static,
        join: impl Fn(&Record<K, V>, Option<&W>) -> R + 'static,
    ) -> Stream<K, R> {
        let (next, out) = self.next("join_global");
        self.builder.graph.borrow_mut().use_store(&table.store, out.node);
        let rows = Rc::clone(&table.state);
        self.emit.attach(move |context, record| {
            let value = join(record, rows.borrow().get(&key(record)));
            out.send(context, &record.with_value(value));
        });
        next
    }

    /// Each record with all rows of a global table: for small tables that every record meets whole, such as rules.
    pub fn join_whole<L: Key, W: Value, R: Clone + 'static>(
        &self,
        table: &GlobalTable<L, W>,
        join: impl Fn(&Record<K, V>, &Store<L, W>) -> R + 'static,
    ) -> Stream<K, R> {
        let (next, out) = self.next("join_whole");
        self.builder.graph.borrow_mut().use_store(&table.store, out.node);
        let rows = Rc::clone(&table.state);
        self.emit.attach(move |context, record| {
            let value = join(record, &rows.borrow());
            out.send(context, &record.with_value(value));
        });
        next
    }

    /// Pairs of records of both streams with the same key, in time of each other.
    ///
    /// A record waits for its partner until stream time has passed the newest time that may have, and the grace; a partner that comes
    /// later still finds it gone. So what was published as lone never appears in a pair.
    pub fn join<W: Value, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        name: &str,
        join: impl Fn(&K, &V, &W) -> R + 'static,
    ) -> Stream<K, R> {
        self.stream_join(other, windows, name, [false, false], move |key, left, right| Some(join(key, left?, right?)))
    }

    /// As [`Self::join`], and each record of this stream that found none of the other, once its window is closed (KAFKA-10847).
    pub fn left_join<W: Value, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        name: &str,
        join: impl Fn(&K, &V, Option<&W>) -> R + 'static,
    ) -> Stream<K, R> {
        self.stream_join(other, windows, name, [true, false], move |key, left, right| Some(join(key, left?, right)))
    }

    /// As [`Self::left_join`], for both sides.
    pub fn outer_join<W: Value, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        name: &str,
        join: impl Fn(&K, Option<&V>, Option<&W>) -> R + 'static,
    ) -> Stream<K, R> {
        self.stream_join(other, windows, name, [true, true], move |key, left, right| Some(join(key, left, right)))
    }

    /// `keep_unmatched`: whether lone records of the left and of the right side are results.
    fn stream_join<W: Value, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        name: &str,
        keep_unmatched: [bool; 2],
        join: impl Fn(&K, Option<&V>, Option<&W>) -> Option<R> + 'static,
    ) -> Stream<K, R> {
        let left_stream = if self.is_rekeyed { self.repartition(&format!("{name}-left")) } else { self.clone() };
        let right_stream = if other.is_rekeyed { other.repartition(&format!("{name}-right")) } else { other.clone() };
        let (next, out) = left_stream.next("join");
        {
            let mut graph = self.builder.graph.borrow_mut();
            if let Some(node) = graph.node_mut(out.node) {
                node.parents.push(right_stream.emit.node);
            }
            graph.copartitioned.push((left_stream.emit.node, right_stream.emit.node));
        }
        // A left record at t finds right ones in [t - before, t + after]; a right one finds left ones in [t - after, t + before].
        let left = Side::<K, V>::new(self, &format!("{name}-left"), out.node, windows.after_ms);
        let right = Side::<K, W>::new(self, &format!("{name}-right"), out.node, windows.before_ms);
        let join = Rc::new(join);

        let (join_left, emit, own, others) = (Rc::clone(&join), out.clone(), left.clone(), right.clone());
        left_stream.emit.attach(move |context, record| {
            let reach = (record.timestamp_ms - windows.before_ms, record.timestamp_ms + windows.after_ms);
            take_side(context, record, &own, &others, reach, windows.grace_ms, |context, time, value| {
                if let Some(result) = join_left(&record.key, Some(&record.value), Some(value)) {
                    emit.send(context, &Record { key: record.key.clone(), value: result, timestamp_ms: time });
                }
            });
        });
        let (join_right, emit, own, others) = (Rc::clone(&join), out.clone(), right.clone(), left.clone());
        right_stream.emit.attach(move |context, record| {
            let reach = (record.timestamp_ms - windows.after_ms, record.timestamp_ms + windows.before_ms);
            take_side(context, record, &own, &others, reach, windows.grace_ms, |context, time, value| {
                if let Some(result) = join_right(&record.key, Some(value), Some(&record.value)) {
                    emit.send(context, &Record { key: record.key.clone(), value: result, timestamp_ms: time });
                }
            });
        });
        let close = move |context: &mut Context| {
            while let Some((key, lone)) = left.pop_closed(context, windows.grace_ms) {
                if let Some(result) = lone.filter(|_| keep_unmatched[0]).and_then(|value| join(&key.key, Some(&value), None)) {
                    out.send(context, &Record { key: key.key, value: result, timestamp_ms: key.time_ms });
                }
            }
            while let Some((key, lone)) = right.pop_closed(context, windows.grace_ms) {
                if let Some(result) = lone.filter(|_| keep_unmatched[1]).and_then(|value| join(&key.key, None, Some(&value))) {
                    out.send(context, &Record { key: key.key, value: result, timestamp_ms: key.time_ms });
                }
            }
        };
        self.builder.graph.borrow_mut().on_stream_time.push((next.emit.node, Box::new(close)));
        next
    }
}

/// One side's records that may still find a partner.
struct Side<K, V> {
    store: Rc<RefCell<Store<SideKey<K>, Waiting<V>>>>,
    /// How much newer than a record here its partner may be.
    reach_ms: i64,
}

impl<K, V> Clone for Side<K, V> {
    fn clone(&self) -> Self {
        Self { store: Rc::clone(&self.store), reach_ms: self.reach_ms }
    }
}

/// Sorted by key and time; the number tells records of one time apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SideKey<K> {
    key: K,
    time_ms: i64,
    number: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting<V> {
    value: V,
    is_matched: bool,
}

impl<K: Key, V: Value> Side<K, V> {
    fn new<W>(stream: &Stream<K, W>, name: &str, node: super::NodeId, reach_ms: i64) -> Self {
        let store = Rc::new(RefCell::new(Store::expiring(|key: &SideKey<K>, _: &Waiting<V>| key.time_ms)));
        stream.builder.graph.borrow_mut().add_store(name, node, Rc::clone(&store) as Rc<RefCell<dyn StateStore>>);
        Self { store, reach_ms }
    }

    /// The partners of a record in `[from, to]`, marked as matched.
    fn matches(&self, key: &K, (from_ms, to_ms): (i64, i64)) -> Vec<(i64, V)> {
        let mut store = self.store.borrow_mut();
        let bound = |time_ms, number| SideKey { key: key.clone(), time_ms, number };
        let found: Vec<_> =
            store.range(bound(from_ms, i64::MIN)..=bound(to_ms, i64::MAX)).map(|(key, it)| (key.clone(), it.clone())).collect();
        for (key, waiting) in &found {
            if !waiting.is_matched {
                store.put(key.clone(), Waiting { is_matched: true, ..waiting.clone() });
            }
        }
        found.into_iter().map(|(key, waiting)| (key.time_ms, waiting.value)).collect()
    }

    fn add(&self, record: &Record<K, V>, is_matched: bool) {
        let mut store = self.store.borrow_mut();
        let bound = |number| SideKey { key: record.key.clone(), time_ms: record.timestamp_ms, number };
        let number = store.range(bound(i64::MIN)..=bound(i64::MAX)).next_back().map_or(0, |(last, _)| last.number + 1);
        store.put(bound(number), Waiting { value: record.value.clone(), is_matched });
    }

    /// The next record whose window is closed; its value, if it found no partner.
    fn pop_closed(&self, context: &Context, grace_ms: i64) -> Option<(SideKey<K>, Option<V>)> {
        let before_ms = context.stream_time_ms().saturating_sub(self.reach_ms).saturating_sub(grace_ms);
        let (key, waiting) = self.store.borrow_mut().pop_expired(before_ms)?;
        Some((key, (!waiting.is_matched).then_some(waiting.value)))
    }
}

/// Joins a record with the other side, then lets it wait on its own. The result's time is the later of the two.
fn take_side<K: Key, V: Value, W: Value>(
    context: &mut Context,
    record: &Record<K, V>,
    own: &Side<K, V>,
    others: &Side<K, W>,
    reach: (i64, i64),
    grace_ms: i64,
    mut emit: impl FnMut(&mut Context, i64, &W),
) {
    if record.timestamp_ms + own.reach_ms + grace_ms < context.stream_time_ms() {
        context.dropped.late += 1;
        return;
    }
    let matches = others.matches(&record.key, reach);
    own.add(record, !matches.is_empty());
    for (time_ms, value) in matches {
        emit(context, time_ms.max(record.timestamp_ms), &value);
    }
}

impl<K: Key> Key for SideKey<K> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.time_ms.encode(out);
        self.number.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let short = || Malformed("too short for a waiting record".to_owned());
        let (rest, number) = bytes.split_last_chunk::<8>().ok_or_else(short)?;
        let (key, time) = rest.split_last_chunk::<8>().ok_or_else(short)?;
        Ok(Self { key: K::decode(key)?, time_ms: i64::from_be_bytes(*time), number: i64::from_be_bytes(*number) })
    }
}
