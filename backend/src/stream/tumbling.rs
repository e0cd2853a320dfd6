//! Tumbling windows: equal lengths side by side, each record in exactly one.

use std::collections::BTreeMap;

/// How long the windows are and how long each waits for late records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TumblingWindows {
    /// The length.
    pub size_ms: i64,
    /// A window stays open until stream time reaches its end plus this.
    pub grace_ms: i64,
}

impl TumblingWindows {
    /// Where the window of a timestamp starts. Windows are aligned to the epoch, as in Kafka Streams.
    pub fn start_of(&self, timestamp_ms: i64) -> i64 {
        timestamp_ms - timestamp_ms.rem_euclid(self.size_ms)
    }

    /// The start of the first window that is still open at this stream time.
    pub fn first_open(&self, stream_time_ms: i64) -> i64 {
        // A window is closed when start + size + grace <= stream time.
        self.start_of(stream_time_ms - self.grace_ms)
    }
}

/// The open windows of one task.
#[derive(Clone, Debug)]
pub struct TumblingStore<A> {
    windows: TumblingWindows,
    open: BTreeMap<i64, A>,
    /// Start of the next window to close; all before it are closed.
    next: Option<i64>,
}

/// A jump of stream time closes at most so many empty windows one by one; the rest are skipped.
const EMPTY_WINDOWS_MAX: i64 = 60;

impl<A: Default> TumblingStore<A> {
    /// No windows yet.
    pub fn new(windows: TumblingWindows) -> Self {
        Self { windows, open: BTreeMap::new(), next: None }
    }

    /// The window a record belongs to; `None` when it is closed, so that the record is late.
    pub fn window(&mut self, timestamp_ms: i64, stream_time_ms: i64) -> Option<&mut A> {
        let start = self.windows.start_of(timestamp_ms);
        if start < self.windows.first_open(stream_time_ms) || self.next.is_some_and(|next| start < next) {
            return None;
        }
        Some(self.open.entry(start).or_default())
    }

    /// The next window that stream time has closed, with its start. Windows come in order and, but for long jumps, without
    /// gaps: an empty window is news too.
    pub fn pop_closed(&mut self, stream_time_ms: i64) -> Option<(i64, A)> {
        self.pop_before(self.windows.first_open(stream_time_ms))
    }

    /// The next open window, whatever the stream time: for the end of a run.
    pub fn pop_any(&mut self) -> Option<(i64, A)> {
        let last = *self.open.last_key_value()?.0;
        self.pop_before(last + self.windows.size_ms)
    }

    fn pop_before(&mut self, end: i64) -> Option<(i64, A)> {
        let first_kept = self.open.first_key_value().map(|(start, _)| *start);
        let mut start = self.next.or(first_kept)?;
        if start >= end {
            return None;
        }
        let reachable = end - EMPTY_WINDOWS_MAX * self.windows.size_ms;
        if start < reachable && first_kept.is_none_or(|kept| kept > start) {
            start = first_kept.map_or(reachable, |kept| kept.min(reachable));
        }
        self.next = Some(start + self.windows.size_ms);
        Some((start, self.open.remove(&start).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: TumblingWindows = TumblingWindows { size_ms: 10, grace_ms: 5 };

    /// Feeds timestamps; gives closed windows as (start, count) and the number of late records.
    fn run(timestamps: &[i64]) -> (Vec<(i64, u32)>, u32) {
        let (mut store, mut time, mut closed, mut late) = (TumblingStore::<u32>::new(WINDOWS), i64::MIN, Vec::new(), 0);
        for &timestamp in timestamps {
            time = time.max(timestamp);
            match store.window(timestamp, time) {
                Some(count) => *count += 1,
                None => late += 1,
            }
            closed.extend(std::iter::from_fn(|| store.pop_closed(time)));
        }
        (closed, late)
    }

    #[test]
    fn a_window_closes_at_its_end_plus_grace() {
        assert_eq!(run(&[1, 14]), (vec![], 0));
        assert_eq!(run(&[1, 15]), (vec![(0, 1)], 0));
        assert_eq!(run(&[1, 14, 9]), (vec![], 0), "late within grace is not late");
        assert_eq!(run(&[1, 15, 9]), (vec![(0, 1)], 1), "after it, it is");
    }

    #[test]
    fn empty_windows_close_too_and_long_jumps_skip() {
        assert_eq!(run(&[1, 40]).0, [(0, 1), (10, 0), (20, 0)]);
        let closed = run(&[1, 1_000_000]).0;
        assert_eq!(closed.first(), Some(&(0, 1)));
        assert_eq!(closed.last(), Some(&(999_980, 0)));
        assert_eq!(closed.len() as i64, 1 + EMPTY_WINDOWS_MAX);
    }

    #[test]
    fn windows_before_the_epoch_are_aligned_too() {
        assert_eq!(WINDOWS.start_of(-1), -10);
        assert_eq!(run(&[-3, 30]).0, [(-10, 1), (0, 0), (10, 0)]);
    }

    #[test]
    fn the_end_of_a_run_closes_the_rest() {
        let mut store = TumblingStore::<u32>::new(WINDOWS);
        *store.window(1, 22).unwrap_or(&mut 0) += 1;
        assert!(store.window(1, 22).is_none(), "0..10 closed at 15");
        for timestamp in [12, 22] {
            *store.window(timestamp, 22).expect("open") += 1;
        }
        assert_eq!(std::iter::from_fn(|| store.pop_any()).collect::<Vec<_>>(), [(10, 1), (20, 1)]);
    }
}
