//! Streams grouped by key: counts, reductions, aggregations, over all time or by window.

use std::{cell::RefCell, rc::Rc};

use serde::{Deserialize, Serialize};

use super::{
    graph::Emit,
    stream::Stream,
    table::{Table, TableStore, later},
};
use crate::stream::{
    Emission, SessionWindows, TimeWindows,
    data::{Key, Record, Value, Windowed},
    store::{StateStore, Store},
};

/// A stream whose records of one key all pass through the same task.
pub struct Grouped<K, V> {
    pub(super) stream: Stream<K, V>,
    pub(super) name: String,
}

impl<K: Key, V: Value> Grouped<K, V> {
    /// How many records of each key came.
    pub fn count(&self) -> Table<K, u64> {
        self.aggregate(|| 0, |_, count| *count += 1)
    }

    /// The values of each key folded into one.
    pub fn reduce(&self, combine: impl Fn(V, &V) -> V + 'static) -> Table<K, V> {
        self.fold(move |record, old| Some(old.map_or_else(|| record.value.clone(), |old| combine(old, &record.value))))
    }

    /// Something kept for each key, changed by each record.
    pub fn aggregate<A: Value>(&self, init: impl Fn() -> A + 'static, add: impl Fn(&Record<K, V>, &mut A) + 'static) -> Table<K, A> {
        self.fold(move |record, old| {
            let mut aggregate = old.unwrap_or_else(&init);
            add(record, &mut aggregate);
            Some(aggregate)
        })
    }

    fn fold<A: Value>(&self, fold: impl Fn(&Record<K, V>, Option<A>) -> Option<A> + 'static) -> Table<K, A> {
        let graph = &self.stream.builder.graph;
        let node = graph.borrow_mut().add("aggregate", vec![self.stream.emit.node]);
        let table = Table::<K, A>::new(self.stream.builder.clone(), Emit::new(node), TableStore::new(0));
        table.store.register(&mut graph.borrow_mut(), &self.name, node);
        let (out, state) = (table.emit.clone(), table.store.clone());
        self.stream.emit.attach(move |context, record| {
            let (old, timestamp_ms) = state.latest(&record.key, |row| (row.map(|(_, old)| old.clone()), later(record, row)));
            // A row is as new as the newest record in it.
            if let Some(change) = state.apply(context, Record { timestamp_ms, ..record.with_value(fold(record, old)) }) {
                out.send(context, &change);
            }
        });
        table
    }

    /// Something kept for each key and window. A record is dropped and counted for each of its windows that is closed.
    ///
    /// The result's timestamp is the newest record's in the window.
    pub fn windowed<A: Value>(
        &self,
        windows: TimeWindows,
        emission: Emission,
        init: impl Fn() -> A + 'static,
        add: impl Fn(&Record<K, V>, &mut A) + 'static,
    ) -> Stream<Windowed<K>, A> {
        let node = self.stream.builder.graph.borrow_mut().add("windowed", vec![self.stream.emit.node]);
        let out = Emit::new(node);
        let store = Rc::new(RefCell::new(
            Store::<Windowed<K>, Timed<A>>::expiring(|window, _| window.end_ms).in_windows(Windowed::bounds, windows.grace_ms),
        ));
        self.stream.builder.graph.borrow_mut().add_store(&self.name, node, Rc::clone(&store) as Rc<RefCell<dyn StateStore>>);
        let (next, state) = (out.clone(), Rc::clone(&store));
        self.stream.emit.attach(move |context, record| {
            let now = context.stream_time_ms();
            for start_ms in windows.starts_of(record.timestamp_ms) {
                let key = Windowed { start_ms, key: record.key.clone(), end_ms: start_ms + windows.size_ms };
                if windows.is_closed(key.end_ms, now) {
                    context.dropped.late += 1;
                    continue;
                }
                let first = || Timed { newest_ms: i64::MIN, value: init() };
                let change = |timed: &mut Timed<A>| {
                    timed.newest_ms = timed.newest_ms.max(record.timestamp_ms);
                    add(record, &mut timed.value);
                };
                let mut store = state.borrow_mut();
                let timed = store.update(&key, first, change);
                if emission == Emission::OnUpdate {
                    let result = Record { key, value: timed.value.clone(), timestamp_ms: timed.newest_ms };
                    drop(store);
                    next.send(context, &result);
                }
            }
        });
        let next = out.clone();
        let close = move |context: &mut crate::stream::Context| loop {
            // An expiry before T means end + grace <= stream time.
            let before_ms = context.stream_time_ms().saturating_sub(windows.grace_ms).saturating_add(1);
            let Some((key, timed)) = store.borrow_mut().pop_expired(before_ms) else { break };
            if emission == Emission::OnWindowClose {
                next.send(context, &Record { key, value: timed.value, timestamp_ms: timed.newest_ms });
            }
        };
        self.stream.builder.graph.borrow_mut().on_stream_time.push((node, Box::new(close)));
        Stream::new(self.stream.builder.clone(), out)
    }

    /// Something kept for each session of a key: records at most the gap apart. A record between two sessions makes them one.
    ///
    /// On update, a session that grows or is taken in by another is withdrawn (`None`) under its old bounds. As in Kafka Streams
    /// a record is late when the session it would make ended before stream time less gap and grace.
    pub fn sessions<A: Value>(
        &self,
        windows: SessionWindows,
        emission: Emission,
        init: impl Fn() -> A + 'static,
        add: impl Fn(&Record<K, V>, &mut A) + 'static,
        merge: impl Fn(&mut A, A) + 'static,
    ) -> Stream<Windowed<K>, Option<A>> {
        let node = self.stream.builder.graph.borrow_mut().add("sessions", vec![self.stream.emit.node]);
        let out = Emit::new(node);
        let store = Rc::new(RefCell::new(
            Store::<SessionKey<K>, Session<A>>::expiring(|_, session| session.end_ms)
                .in_own_windows(|key, _| Some(key.start_ms), windows.closes_after_ms()),
        ));
        self.stream.builder.graph.borrow_mut().add_store(&self.name, node, Rc::clone(&store) as Rc<RefCell<dyn StateStore>>);
        let (next, state) = (out.clone(), Rc::clone(&store));
        self.stream.emit.attach(move |context, record| {
            let time = record.timestamp_ms;
            let near = sessions_near(&state.borrow(), &record.key, time, windows.gap_ms);
            let (mut start_ms, mut session) = (time, Session { end_ms: time, value: init() });
            for (key, other) in &near {
                start_ms = start_ms.min(key.start_ms);
                session.end_ms = session.end_ms.max(other.end_ms);
                merge(&mut session.value, other.value.clone());
            }
            if session.end_ms < windows.close_time(context.stream_time_ms()) {
                context.dropped.late += 1;
                return;
            }
            add(record, &mut session.value);
            let key = SessionKey { key: record.key.clone(), start_ms };
            let result = session.result(&key);
            for (old, _) in &near {
                state.borrow_mut().delete(old);
            }
            state.borrow_mut().put(key, session);
            if emission == Emission::OnUpdate {
                for (old, session) in near {
                    let withdrawn = Record { value: None, ..session.result(&old) };
                    if withdrawn.key != result.key {
                        next.send(context, &withdrawn);
                    }
                }
                next.send(context, &result);
            }
        });
        let next = out.clone();
        let close = move |context: &mut crate::stream::Context| loop {
            let close_ms = windows.close_time(context.stream_time_ms());
            let Some((key, session)) = store.borrow_mut().pop_expired(close_ms) else { break };
            if emission == Emission::OnWindowClose {
                next.send(context, &session.result(&key));
            }
        };
        self.stream.builder.graph.borrow_mut().on_stream_time.push((node, Box::new(close)));
        Stream::new(self.stream.builder.clone(), out)
    }
}

/// The sessions of a key that a record at this time would join.
fn sessions_near<K: Key, A: Value>(
    store: &Store<SessionKey<K>, Session<A>>,
    key: &K,
    time_ms: i64,
    gap_ms: i64,
) -> Vec<(SessionKey<K>, Session<A>)> {
    let bound = |start_ms| SessionKey { key: key.clone(), start_ms };
    // Sessions of a key are more than a gap apart, so the last ones that start early enough are the ones that may reach this far.
    let latest_first = store.range(bound(i64::MIN)..=bound(time_ms.saturating_add(gap_ms))).rev();
    let mut near: Vec<_> = latest_first
        .take_while(|(_, session)| session.end_ms >= time_ms.saturating_sub(gap_ms))
        .map(|(key, session)| (key.into_owned(), session.into_owned()))
        .collect();
    near.reverse();
    near
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Timed<A> {
    newest_ms: i64,
    value: A,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Session<A> {
    end_ms: i64,
    value: A,
}

/// Sorted by key first, so that a key's sessions lie side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SessionKey<K> {
    key: K,
    start_ms: i64,
}

impl<A: Value> Session<A> {
    fn result<K: Key>(&self, key: &SessionKey<K>) -> Record<Windowed<K>, Option<A>> {
        let window = Windowed { start_ms: key.start_ms, key: key.key.clone(), end_ms: self.end_ms };
        Record { key: window, value: Some(self.value.clone()), timestamp_ms: self.end_ms }
    }
}

impl<K: Key> Key for SessionKey<K> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.start_ms.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, crate::stream::Malformed> {
        let (key, start) = bytes.split_last_chunk::<8>().ok_or_else(|| crate::stream::Malformed("too short for a session".to_owned()))?;
        Ok(Self { key: K::decode(key)?, start_ms: i64::from_be_bytes(*start) })
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.key.encode_sorted(out);
        self.start_ms.encode_sorted(out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, crate::stream::Malformed> {
        Ok(Self { key: K::decode_sorted(bytes)?, start_ms: i64::decode_sorted(bytes)? })
    }
}
