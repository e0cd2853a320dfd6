//! The topology: events by user in, final results out.

use std::sync::Arc;

use super::{
    processor::{Visits, store},
    records::{Event, Outcome},
    settings::{AB, EVENTS, FUNNEL, GROUP, PAGES, SESSIONS, STATS, Windows},
};
use crate::stream::{Condition, Topology, TopologyError};

/// The application as it runs by default, at this speed of event time.
///
/// # Errors
/// Never; a mistake here would be told.
pub fn topology(run: &Arc<str>, speed: u32) -> Result<Topology, TopologyError> {
    of(&Options { run: Arc::clone(run), windows: Windows::at_speed(speed) })
}

/// How the application is built.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// What results are about.
    pub(super) run: Arc<str>,
    /// How long things are.
    pub(super) windows: Windows,
}

/// The application.
pub(super) fn of(options: &Options) -> Result<Topology, TopologyError> {
    let options = options.clone();
    Topology::new(GROUP, move |builder| {
        let Options { run, windows } = options.clone();
        let events = builder.stream::<String, Event>(EVENTS);
        let results = events.process("visits", store(), None, |store| Visits { run, windows, store });
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
