//! Joins of a stream with a table, a global table, or another stream.

use std::{borrow::Cow, cell::RefCell, rc::Rc};

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
    /// Each record with its key's row, as of the record's time where the table keeps history; nothing where there is no row. A record with a
    /// null key has none; it is counted.
    pub fn join_table<W: Value, R: Clone + 'static>(
        &self,
        table: &Table<K, W>,
        join: impl Fn(&Record<K, V>, &W) -> R + 'static,
    ) -> Stream<K, R> {
        self.with_keys().table_join(table, move |record, row| Some(join(record, row?)))
    }

    /// As [`Self::join_table`], with records that have no row too, a null key or not (KIP-962).
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
            let is_alone = record.key.is_null();
            let joined = if is_alone { join(record, None) } else { rows.at(&record.key, record.timestamp_ms, |row| join(record, row)) };
            if let Some(value) = joined {
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
            let value = join(record, rows.borrow().get(&key(record)).as_deref());
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
    /// As in Kafka Streams a record can be found by partners until its own stream has gone on by the window and the grace; one that is
    /// later than that is counted as late, and still joined with what it finds. One with a null key has no partners: it is counted, or told
    /// alone at once where lone ones are results (KIP-962).
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
    ///
    /// A late one, whose window has passed but for the grace, is told alone at once. As in Kafka Streams, a partner that is later still
    /// then gives a pair too.
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
        let left_stream = if keep_unmatched[0] { self.clone() } else { self.with_keys() };
        let left_stream = if self.is_rekeyed { left_stream.repartition(&format!("{name}-left")) } else { left_stream };
        let right_stream = if keep_unmatched[1] { other.clone() } else { other.with_keys() };
        let right_stream = if other.is_rekeyed { right_stream.repartition(&format!("{name}-right")) } else { right_stream };
        let (next, out) = left_stream.next("join");
        {
            let mut graph = self.builder.graph.borrow_mut();
            if let Some(node) = graph.node_mut(out.node) {
                node.parents.push(right_stream.emit.node);
            }
            graph.copartitioned.push((left_stream.emit.node, right_stream.emit.node));
        }
        // A left record at t finds right ones in [t - before, t + after]; a right one finds left ones in [t - after, t + before].
        let mirrored = JoinWindows { before_ms: windows.after_ms, after_ms: windows.before_ms, ..windows };
        let left = Side::<K, V>::new(self, &format!("{name}-left"), out.node, windows, keep_unmatched[0]);
        let right = Side::<K, W>::new(self, &format!("{name}-right"), out.node, mirrored, keep_unmatched[1]);
        let join = Rc::new(join);

        let (join_left, emit, own, others) = (Rc::clone(&join), out.clone(), left.clone(), right.clone());
        left_stream.emit.attach(move |context, record| {
            take_side(context, record, &own, &others, |context, timestamp_ms, other| {
                if let Some(value) = join_left(&record.key, Some(&record.value), other) {
                    emit.send(context, &Record { key: record.key.clone(), value, timestamp_ms });
                }
            });
        });
        let (join_right, emit, own, others) = (Rc::clone(&join), out.clone(), right.clone(), left.clone());
        right_stream.emit.attach(move |context, record| {
            take_side(context, record, &own, &others, |context, timestamp_ms, other| {
                if let Some(value) = join_right(&record.key, other, Some(&record.value)) {
                    emit.send(context, &Record { key: record.key.clone(), value, timestamp_ms });
                }
            });
        });
        let close = move |context: &mut Context| {
            for (SideKey { key, time_ms: timestamp_ms, .. }, lone) in left.close(context) {
                if let Some(value) = join(&key, Some(&lone), None) {
                    out.send(context, &Record { key, value, timestamp_ms });
                }
            }
            for (SideKey { key, time_ms: timestamp_ms, .. }, lone) in right.close(context) {
                if let Some(value) = join(&key, None, Some(&lone)) {
                    out.send(context, &Record { key, value, timestamp_ms });
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
    /// As a record of this side looks at the other.
    windows: JoinWindows,
    /// Whether those that find none are results.
    tells_lone: bool,
}

impl<K, V> Clone for Side<K, V> {
    fn clone(&self) -> Self {
        Self { store: Rc::clone(&self.store), ..*self }
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
    /// It found no partner so far, and is to be told alone if that is so when its window closes.
    is_lone: bool,
}

impl<K: Key, V: Value> Side<K, V> {
    fn new<W>(stream: &Stream<K, W>, name: &str, node: super::NodeId, windows: JoinWindows, tells_lone: bool) -> Self {
        let store = Rc::new(RefCell::new(Store::expiring(|key: &SideKey<K>, _: &Waiting<V>| key.time_ms)));
        stream.builder.graph.borrow_mut().add_store(name, node, Rc::clone(&store) as Rc<RefCell<dyn StateStore>>);
        Self { store, windows, tells_lone }
    }

    /// Up to this time records are too old to be found: the newest of this side is further on than the window and the grace
    /// (the retention of Kafka Streams' join stores). The newest itself is always here, so the store tells it, after a restore too.
    fn gone_ms(&self) -> i64 {
        let kept_ms = self.windows.before_ms.saturating_add(self.windows.after_ms).saturating_add(self.windows.grace_ms);
        self.store.borrow().last_expiry_ms().map_or(i64::MIN, |newest_ms| newest_ms.saturating_sub(kept_ms))
    }

    /// The partners that records of this side at this time may have.
    fn reach(&self, time_ms: i64) -> (i64, i64) {
        (time_ms.saturating_sub(self.windows.before_ms), time_ms.saturating_add(self.windows.after_ms))
    }

    /// Records before this time are closed at this stream time.
    fn closed_before_ms(&self, stream_time_ms: i64) -> i64 {
        stream_time_ms.saturating_sub(self.windows.after_ms).saturating_sub(self.windows.grace_ms)
    }

    /// The partners of a record in `[from, to]`, which are lone no more.
    fn matches(&self, key: &K, (from_ms, to_ms): (i64, i64)) -> Vec<(i64, V)> {
        let from_ms = from_ms.max(self.gone_ms().saturating_add(1));
        if from_ms > to_ms {
            return Vec::new();
        }
        let mut store = self.store.borrow_mut();
        let bound = |time_ms, number| SideKey { key: key.clone(), time_ms, number };
        let found: Vec<_> =
            store.range(bound(from_ms, i64::MIN)..=bound(to_ms, i64::MAX)).map(|(key, it)| (key.into_owned(), it.into_owned())).collect();
        for (key, waiting) in found.iter().filter(|(_, waiting)| waiting.is_lone) {
            store.put(key.clone(), Waiting { is_lone: false, ..waiting.clone() });
        }
        found.into_iter().map(|(key, waiting)| (key.time_ms, waiting.value)).collect()
    }

    fn add(&self, record: &Record<K, V>, is_lone: bool) {
        let mut store = self.store.borrow_mut();
        let bound = |number| SideKey { key: record.key.clone(), time_ms: record.timestamp_ms, number };
        let number = store.range(bound(i64::MIN)..=bound(i64::MAX)).next_back().map_or(0, |(last, _)| last.number + 1);
        store.put(bound(number), Waiting { value: record.value.clone(), is_lone });
    }

    /// The lone records whose windows the current record has closed. Forgets those that can't be found any more.
    fn close(&self, context: &Context) -> Vec<(SideKey<K>, V)> {
        let gone_ms = self.gone_ms();
        let mut store = self.store.borrow_mut();
        let closed_ms = [context.stream_time_before_ms(), context.stream_time_ms()].map(|now_ms| self.closed_before_ms(now_ms));
        let lone = |(key, waiting): (Cow<'_, SideKey<K>>, Cow<'_, Waiting<V>>)| {
            waiting.is_lone.then(|| (key.into_owned(), waiting.into_owned().value))
        };
        let closed =
            if self.tells_lone { store.expiring_between(closed_ms[0], closed_ms[1]).filter_map(lone).collect() } else { Vec::new() };
        while store.pop_expired(gone_ms).is_some() {}
        closed
    }
}

/// Joins a record with the other side, then lets it wait on its own. A pair's time is the later of the two.
fn take_side<K: Key, V: Value, W: Value>(
    context: &mut Context,
    record: &Record<K, V>,
    own: &Side<K, V>,
    others: &Side<K, W>,
    mut emit: impl FnMut(&mut Context, i64, Option<&W>),
) {
    let time_ms = record.timestamp_ms;
    if record.key.is_null() {
        return emit(context, time_ms, None);
    }
    let reach = own.reach(time_ms);
    let partners = others.matches(&record.key, reach);
    let is_lone = own.tells_lone && partners.is_empty();
    let is_late = time_ms <= own.gone_ms();
    let is_told = is_lone && (is_late || reach.1 < context.stream_time_ms());
    if is_late {
        context.dropped.late += 1;
    } else {
        own.add(record, is_lone && !is_told);
    }
    if is_told {
        emit(context, time_ms, None);
    }
    for (partner_ms, value) in partners {
        emit(context, partner_ms.max(time_ms), Some(&value));
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

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.key.encode_sorted(out);
        self.time_ms.encode_sorted(out);
        self.number.encode_sorted(out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Self { key: K::decode_sorted(bytes)?, time_ms: i64::decode_sorted(bytes)?, number: i64::decode_sorted(bytes)? })
    }
}
