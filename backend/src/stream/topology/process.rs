//! Operators of one's own: with state and timers; and those built on them that most pipelines need.

use std::{cell::RefCell, rc::Rc};

use super::{graph::Emit, stream::Stream};
use crate::stream::{
    context::{Context, Origin},
    data::{Key, Malformed, Record, Value},
    store::{StateStore, Store},
};

/// An operator with state of its own (Kafka's Processor API).
pub trait Processor<K, V, L, W>: 'static {
    /// Takes a record in.
    fn process(&mut self, record: &Record<K, V>, out: &mut Forward<'_, L, W>);

    /// Stream time has advanced.
    fn stream_time_advanced(&mut self, _out: &mut Forward<'_, L, W>) {}

    /// So many milliseconds of the wall clock have passed ([`Stream::process`]).
    fn wall_clock(&mut self, _out: &mut Forward<'_, L, W>) {}
}

/// What a processor sees of its task, and its exit.
pub struct Forward<'a, L, W> {
    context: &'a mut Context,
    out: &'a Emit<L, W>,
}

impl<L, W> Forward<'_, L, W> {
    /// Passes a record on.
    pub fn send(&mut self, record: &Record<L, W>) {
        self.out.send(self.context, record);
    }

    /// Stream time, the current record's included.
    pub fn stream_time_ms(&self) -> i64 {
        self.context.stream_time_ms()
    }

    /// The wall clock.
    pub fn wall_clock_ms(&self) -> i64 {
        self.context.wall_clock_ms()
    }

    /// How long ago the task took the current record in, in microseconds; 0 in virtual time.
    pub fn latency_us(&self) -> i64 {
        self.context.latency_us()
    }

    /// Where the current record comes from; at a change of stream time, the record that changed it.
    pub fn origin(&self) -> &Origin {
        self.context.origin()
    }

    /// Counts something that was given up because there was too much of it.
    pub(super) fn count_overflowed(&mut self) {
        self.context.dropped.overflowed += 1;
    }

    /// Counts a record that came too late.
    pub fn count_late(&mut self) {
        self.context.dropped.late += 1;
    }
}

/// A store that a processor keeps and the runner saves.
pub type StoreHandle<K, V> = Rc<RefCell<Store<K, V>>>;

impl<K: Key, V: Value> Stream<K, V> {
    /// Runs an operator of one's own over a store of its own; `wall_clock_ms` is how often it hears of the wall clock.
    ///
    /// State by key needs the key that chose the partition: repartition first where it was changed.
    pub fn process<SK: Key, SV: Value, L: Clone + 'static, W: Clone + 'static, P: Processor<K, V, L, W>>(
        &self,
        name: &str,
        store: Store<SK, SV>,
        wall_clock_ms: Option<i64>,
        processor: impl FnOnce(StoreHandle<SK, SV>) -> P,
    ) -> Stream<L, W> {
        let stream = if self.is_rekeyed { self.repartition(name) } else { self.clone() };
        let (mut next, out) = stream.next(name);
        next.is_rekeyed = true; // what it sends may have any key
        let store = Rc::new(RefCell::new(store));
        let mut graph = self.builder.graph.borrow_mut();
        graph.add_store(name, out.node, Rc::clone(&store) as Rc<RefCell<dyn StateStore>>);
        let processor = Rc::new(RefCell::new(processor(store)));
        let (on_record, exit) = (Rc::clone(&processor), out.clone());
        stream.emit.attach(move |context, record| on_record.borrow_mut().process(record, &mut Forward { context, out: &exit }));
        let (on_time, exit) = (Rc::clone(&processor), out.clone());
        let hook = move |context: &mut Context| on_time.borrow_mut().stream_time_advanced(&mut Forward { context, out: &exit });
        graph.on_stream_time.push((out.node, Box::new(hook)));
        if let Some(every_ms) = wall_clock_ms {
            let node = out.node;
            let hook = move |context: &mut Context| processor.borrow_mut().wall_clock(&mut Forward { context, out: &out });
            graph.on_wall_clock.push((node, every_ms, Box::new(hook)));
        }
        next
    }

    /// As [`Stream::process`], for an operator that leaves each record's key as it is, so that nothing need be repartitioned behind it
    /// (`processValues` of KIP-820).
    pub fn process_values<SK: Key, SV: Value, W: Clone + 'static, P: Processor<K, V, K, W>>(
        &self,
        name: &str,
        store: Store<SK, SV>,
        wall_clock_ms: Option<i64>,
        processor: impl FnOnce(StoreHandle<SK, SV>) -> P,
    ) -> Stream<K, W> {
        let mut next = self.process(name, store, wall_clock_ms, processor);
        next.is_rekeyed = false;
        next
    }

    /// Drops records whose id was seen within so much stream time (KIP-655 calls it `distinct`). Two records are the same if key and id are:
    /// equal ids of two keys are two, in one partition as in two, so that the result does not depend on how many partitions there are.
    /// Records with a null key could come to any partition with the same id: they are dropped, and counted as such.
    pub fn deduplicate(&self, name: &str, window_ms: i64, id: impl Fn(&Record<K, V>) -> String + 'static) -> Self {
        let store = Store::<Identity<K>, i64>::expiring(|_, seen_ms| *seen_ms);
        self.with_keys().process_values(name, store, None, |seen| Deduplicate { seen, window_ms, id })
    }
}

/// What tells a record from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity<K> {
    key: K,
    id: String,
}

/// The key's bytes, the id's, and how many these are.
impl<K: Key> Key for Identity<K> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.id.encode(out);
        i64::try_from(self.id.len()).unwrap_or(i64::MAX).encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let short = || Malformed("too short for a key with an id".to_owned());
        let (rest, length) = bytes.split_last_chunk::<8>().ok_or_else(short)?;
        let at = usize::try_from(i64::from_be_bytes(*length)).ok().and_then(|length| rest.len().checked_sub(length)).ok_or_else(short)?;
        let (key, id) = rest.split_at(at);
        Ok(Self { key: K::decode(key)?, id: String::decode(id)? })
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.key.encode_sorted(out);
        self.id.encode_sorted(out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Self { key: K::decode_sorted(bytes)?, id: String::decode_sorted(bytes)? })
    }
}

struct Deduplicate<K, F> {
    seen: StoreHandle<Identity<K>, i64>,
    window_ms: i64,
    id: F,
}

impl<K: Key, V: Value, F: Fn(&Record<K, V>) -> String + 'static> Processor<K, V, K, V> for Deduplicate<K, F> {
    fn process(&mut self, record: &Record<K, V>, out: &mut Forward<'_, K, V>) {
        let id = Identity { key: record.key.clone(), id: (self.id)(record) };
        if self.seen.borrow().get(&id).is_some() {
            out.context.dropped.duplicate += 1;
            return;
        }
        self.seen.borrow_mut().put(id, record.timestamp_ms);
        out.send(record);
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, K, V>) {
        let before_ms = out.stream_time_ms().saturating_sub(self.window_ms);
        while self.seen.borrow_mut().pop_expired(before_ms).is_some() {}
    }
}
