//! A bounded history of one figure.

use std::collections::VecDeque;

use crate::TimestampMs;

/// Points in time order; the oldest falls out when the capacity is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    points: VecDeque<(TimestampMs, f64)>,
    capacity: usize,
    version: u64,
}

impl Series {
    /// An empty series that keeps `capacity` points.
    pub fn new(capacity: usize) -> Self {
        Self { points: VecDeque::new(), capacity: capacity.max(1), version: 0 }
    }

    /// Adds a point. One that is not later than the last replaces it, so time never goes back.
    pub fn push(&mut self, at: TimestampMs, value: f64) {
        self.version += 1;
        match self.points.back_mut() {
            Some(last) if at <= last.0 => last.1 = value,
            _ => {
                if self.points.len() == self.capacity {
                    self.points.pop_front();
                }
                self.points.push_back((at, value));
            }
        }
    }

    /// The points, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = (TimestampMs, f64)> + ExactSizeIterator + '_ {
        self.points.iter().copied()
    }

    /// The newest value.
    pub fn last(&self) -> Option<f64> {
        self.points.back().map(|point| point.1)
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Grows with every change, so that what is derived from the points can be kept until it does.
    pub fn version(&self) -> u64 {
        self.version
    }
}
