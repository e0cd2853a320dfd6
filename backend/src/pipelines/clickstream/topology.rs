//! The topology: events by user in, final results out.

use std::sync::Arc;

use super::{
    processor::{Visits, store},
    records::{Event, Outcome},
    settings::{AB, EVENTS, FUNNEL, GROUP, PAGES, SESSIONS, STATS},
};
use crate::stream::{Condition, Topology, TopologyError};

/// The application. `speed` sets how long the windows of counts are.
///
/// # Errors
/// Never; a mistake here would be told.
pub fn topology(run: &Arc<str>, speed: u32) -> Result<Topology, TopologyError> {
    let run = Arc::clone(run);
    Topology::new(GROUP, move |builder| {
        let events = builder.stream::<String, Event>(EVENTS);
        let run = Arc::clone(&run);
        let results = events.process("visits", store(), None, |store| Visits { run, speed, store });
        let kinds: [Condition<String, Outcome>; 5] = [
            |record| matches!(record.value, Outcome::Session(_)),
            |record| matches!(record.value, Outcome::Stats(_)),
            |record| matches!(record.value, Outcome::Pages(_)),
            |record| matches!(record.value, Outcome::Funnel(_)),
            |record| matches!(record.value, Outcome::Ab(_)),
        ];
        for (results, topic) in results.branch(kinds).iter().zip([SESSIONS, STATS, PAGES, FUNNEL, AB]) {
            results.to(topic);
        }
    })
}
