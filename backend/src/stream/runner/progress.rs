//! What members of a run and their supervisor tell each other.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use hdrhistogram::Histogram;
use weir_model::Latency;

/// The longest latency told apart: an hour, in milliseconds.
const LATENCY_MS_MAX: u64 = 3_600_000;

/// Shared by all members of a run in this process.
#[derive(Debug)]
pub struct Progress {
    leaving: AtomicBool,
    ends: OnceLock<Arc<[i64]>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    partitions: BTreeMap<i32, Partition>,
    /// Empty only if the bounds above were wrong.
    latency: Option<Histogram<u64>>,
}

#[derive(Debug, Default)]
struct Partition {
    is_owned: bool,
    is_finished: bool,
    counts: Vec<(&'static str, u64)>,
}

impl Default for Progress {
    fn default() -> Self {
        let state = State { partitions: BTreeMap::new(), latency: Histogram::new_with_bounds(1, LATENCY_MS_MAX, 3).ok() };
        Self { leaving: AtomicBool::new(false), ends: OnceLock::new(), state: Mutex::new(state) }
    }
}

impl Progress {
    /// The run ends at these offsets, by partition: members finish there.
    pub fn end_at(&self, ends: Arc<[i64]>) {
        // A second end would be the same: the generator is done.
        let _ = self.ends.set(ends);
    }

    /// Members leave the group.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Partitions that members of this process own.
    pub fn owned(&self) -> usize {
        self.lock().partitions.values().filter(|partition| partition.is_owned).count()
    }

    /// Partitions that were read up to the run's end, with all results written.
    pub fn finished(&self) -> usize {
        self.lock().partitions.values().filter(|partition| partition.is_owned && partition.is_finished).count()
    }

    /// Counters summed over partitions.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (name, count) in self.lock().partitions.values().flat_map(|partition| &partition.counts) {
            *sums.entry((*name).to_owned()).or_default() += count;
        }
        sums
    }

    /// From record timestamp to the record being processed.
    pub fn latency_ms(&self) -> Latency {
        let state = self.lock();
        let quantile = |q| state.latency.as_ref().map_or(0.0, |latency| latency.value_at_quantile(q) as f64);
        Latency { p50: quantile(0.5), p99: quantile(0.99) }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    pub(super) fn ends(&self) -> Option<&Arc<[i64]>> {
        self.ends.get()
    }

    pub(super) fn owns(&self, partition: i32, is_owned: bool) {
        let mut state = self.lock();
        let partition = state.partitions.entry(partition).or_default();
        (partition.is_owned, partition.is_finished) = (is_owned, false);
    }

    pub(super) fn report(&self, partition: i32, counts: Vec<(&'static str, u64)>, is_finished: bool) {
        let mut state = self.lock();
        let partition = state.partitions.entry(partition).or_default();
        (partition.counts, partition.is_finished) = (counts, is_finished);
    }

    pub(super) fn add_latency(&self, other: &Histogram<u64>) {
        if let Some(latency) = &mut self.lock().latency {
            // Equal bounds always fit.
            let _ = latency.add(other);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member's own latencies, handed over now and then so that records cost no lock.
#[derive(Debug)]
pub(super) struct LocalLatency(Option<Histogram<u64>>);

impl LocalLatency {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_MS_MAX, 3).ok())
    }

    pub(super) fn record(&mut self, latency_ms: i64) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(latency_ms).unwrap_or(0));
        }
    }

    pub(super) fn hand_over(&mut self, progress: &Progress) {
        if let Some(histogram) = &mut self.0 {
            progress.add_latency(histogram);
            histogram.reset();
        }
    }
}
