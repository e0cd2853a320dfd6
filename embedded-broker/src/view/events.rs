//! What happened to groups, transactions, topics and connections: the last few thousand events, numbered so that a reader knows what it
//! missed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::clock::Clock;
use crate::sync::lock;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number. The first has 0, each following one more.
    pub sequence: u64,
    /// When, by the broker's clock.
    pub at_ms: i64,
    /// What.
    pub kind: EventKind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A group came, went, rebalanced or changed its members.
    GroupChanged {
        /// The group.
        group_id: String,
        /// Kafka's name of the state it is in now.
        state: &'static str,
        /// The generation, or the group epoch of KIP-848.
        generation: i32,
        /// Its members now.
        members: usize,
    },
    /// A transaction moved on.
    TransactionChanged {
        /// Whose.
        transactional_id: String,
        /// The producer.
        producer_id: i64,
        /// Its incarnation.
        producer_epoch: i16,
        /// Kafka's name of the state it is in now.
        state: &'static str,
    },
    /// A topic was created.
    TopicCreated {
        /// Its name.
        topic: String,
        /// Its partitions.
        partitions: i32,
    },
    /// A topic was deleted.
    TopicDeleted {
        /// Its name.
        topic: String,
    },
    /// A connection ended otherwise than by the client's goodbye, or was refused.
    ConnectionEnded {
        /// Which, as in [`ConnectionView::id`](super::ConnectionView).
        connection_id: u64,
        /// From where.
        peer: String,
        /// Why.
        reason: String,
    },
    /// A fault switch was set, cleared or used up.
    FaultChanged {
        /// The fault as text.
        fault: String,
        /// What became of it.
        change: &'static str,
    },
}

/// A piece of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Events between the one asked for and the first here that are kept no more.
    pub missed: u64,
    /// Ask for this one next.
    pub next_sequence: u64,
}

/// The last events.
#[derive(Debug)]
pub(crate) struct EventLog {
    clock: Arc<dyn Clock>,
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    next_sequence: u64,
}

impl EventLog {
    pub(crate) fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self { clock, capacity: capacity.max(1), ring: Mutex::default() }
    }

    pub(crate) fn record(&self, kind: EventKind) {
        let at_ms = self.clock.now_ms();
        let mut ring = lock(&self.ring);
        if ring.events.len() >= self.capacity {
            ring.events.pop_front();
        }
        let sequence = ring.next_sequence;
        ring.events.push_back(Event { sequence, at_ms, kind });
        ring.next_sequence += 1;
    }

    /// The events from `sequence` on that are still kept.
    pub(crate) fn since(&self, sequence: u64) -> Events {
        let ring = lock(&self.ring);
        let oldest = ring.next_sequence - ring.events.len() as u64;
        let skip = usize::try_from(sequence.saturating_sub(oldest)).unwrap_or(usize::MAX);
        Events {
            events: ring.events.iter().skip(skip).cloned().collect(),
            missed: oldest.saturating_sub(sequence),
            next_sequence: ring.next_sequence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn a_late_reader_learns_how_much_it_missed() {
        let log = EventLog::new(Arc::new(ManualClock::new(7)), 3);
        let check = |from, first: Option<u64>, count, missed, next| {
            let events = log.since(from);
            let got = (events.events.first().map(|event| event.sequence), events.events.len(), events.missed, events.next_sequence);
            assert_eq!(got, (first, count, missed, next), "from {from}");
        };
        check(0, None, 0, 0, 0);
        for topic in ["a", "b", "c", "d", "e"] {
            log.record(EventKind::TopicDeleted { topic: topic.into() });
        }
        check(0, Some(2), 3, 2, 5);
        check(2, Some(2), 3, 0, 5);
        check(4, Some(4), 1, 0, 5);
        check(5, None, 0, 0, 5);
        check(9, None, 0, 0, 5);
        assert_eq!(log.since(4).events[0].at_ms, 7);
    }
}
