//! Windows of fixed length, and when their results are published.

/// Windows of one length that begin every so often; equal length and advance makes them tumble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    /// The length.
    pub size_ms: i64,
    /// From one window's start to the next one's.
    pub advance_ms: i64,
    /// A window stays open until stream time reaches its end plus this.
    pub grace_ms: i64,
}

impl TimeWindows {
    /// Windows side by side (`TimeWindows.ofSizeAndGrace`).
    pub const fn tumbling(size_ms: i64, grace_ms: i64) -> Self {
        Self { size_ms, advance_ms: size_ms, grace_ms }
    }

    /// Windows that overlap (`advanceBy`).
    pub const fn hopping(size_ms: i64, advance_ms: i64, grace_ms: i64) -> Self {
        Self { size_ms, advance_ms, grace_ms }
    }

    /// The starts of all windows that hold a timestamp, oldest first. Windows are aligned to the epoch.
    pub fn starts_of(&self, timestamp_ms: i64) -> impl Iterator<Item = i64> + use<> {
        let last = timestamp_ms - timestamp_ms.rem_euclid(self.advance_ms);
        let count = (self.size_ms - 1 - (timestamp_ms - last)).div_euclid(self.advance_ms);
        let advance_ms = self.advance_ms;
        (0..=count).rev().map(move |back| last - back * advance_ms)
    }

    /// Whether a window that ends there is closed at this stream time.
    pub fn is_closed(&self, end_ms: i64, stream_time_ms: i64) -> bool {
        end_ms.saturating_add(self.grace_ms) <= stream_time_ms
    }
}

/// When a window's result is published (KIP-825).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emission {
    /// At each change: early, and again.
    OnUpdate,
    /// Once, when the window is closed.
    OnWindowClose,
}

/// How far apart two records of a stream-stream join may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinWindows {
    /// The other record may be so much older.
    pub before_ms: i64,
    /// Or so much newer.
    pub after_ms: i64,
    /// How long a late record is waited for.
    pub grace_ms: i64,
}

/// How sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    /// Records of a key at most this far apart belong to the same session.
    pub gap_ms: i64,
    /// A session stays open this much longer than the gap, for late records.
    pub grace_ms: i64,
}

impl SessionWindows {
    /// Sessions that end before this are closed (`closeTime` in `KStreamSessionWindowAggregate`).
    pub fn close_time(&self, stream_time_ms: i64) -> i64 {
        stream_time_ms.saturating_sub(self.gap_ms).saturating_sub(self.grace_ms)
    }

    /// A session is closed once stream time is this far past its end.
    pub fn closes_after_ms(&self) -> i64 {
        self.gap_ms.saturating_add(self.grace_ms).saturating_add(1)
    }
}

/// What a session of an operator of one's own keeps; two that a late record bridges become one.
pub trait SessionAggregate: Default {
    /// Takes the other session in. Must not depend on the order of merging.
    fn merge(&mut self, other: Self);
}

/// What became of a record among sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It opened a session or extended one.
    Accepted,
    /// It made so many open sessions one, at least two.
    Merged(usize),
    /// Its session is closed: it is late and was dropped.
    Late,
}

/// Tumbling windows for operators of one's own, which close them one by one, the empty ones too.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timestamp_is_in_exactly_the_windows_that_hold_it(timestamp in -1_000_i64..1_000, size in 1_i64..50, advance in 1_i64..50) {
            let windows = TimeWindows::hopping(size, advance, 0);
            let expected: Vec<_> = (-2_000..=1_000).filter(|start: &i64| start.rem_euclid(advance) == 0)
                .filter(|start| (*start..start + size).contains(&timestamp)).collect();
            prop_assert_eq!(windows.starts_of(timestamp).collect::<Vec<_>>(), expected);
        }
    }
}
