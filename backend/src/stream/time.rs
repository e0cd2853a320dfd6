//! Stream time.

/// The largest timestamp a task has seen. It never regresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StreamTime(Option<i64>);

impl StreamTime {
    /// Takes a record's timestamp in and gives the stream time after it.
    pub fn observe(&mut self, timestamp_ms: i64) -> i64 {
        let now = self.0.map_or(timestamp_ms, |now| now.max(timestamp_ms));
        self.0 = Some(now);
        now
    }

    /// The stream time; `None` before the first record.
    pub fn get(self) -> Option<i64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_regresses() {
        let mut time = StreamTime::default();
        assert_eq!(time.get(), None);
        assert_eq!([5, 3, 9, 8].map(|timestamp| time.observe(timestamp)), [5, 5, 9, 9]);
    }
}
