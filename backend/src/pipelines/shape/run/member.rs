//! Taking part in a run that another process leads.

use std::{sync::Arc, time::Instant};

use weir_model::{Phase, Problem};

use super::{LOOK_INTERVAL, Run, TELL_INTERVAL, Workers, lock, ready::JOIN_MAX};
use crate::{pipelines::shape::join, stream::app::StreamsApp};

impl Run<'_> {
    /// Processes only, until the process that leads says that the run is over.
    pub(super) fn join(&self) -> Result<(), Problem> {
        lock(&self.checkers).clear(); // the process that leads judges
        self.tell(Phase::Starting, &self.facts(false));
        let runs = join::Runs::new(self.connection, &self.meta.id)?;
        let deadline = Instant::now() + JOIN_MAX;
        let header = loop {
            match runs.newest(LOOK_INTERVAL)? {
                Some(header) if !header.is_over => break header,
                _ if self.control.is_stopping() => return Ok(()),
                _ if Instant::now() >= deadline => {
                    let what = format!("There is no run of {} to take part in", self.meta.title);
                    return Err(Problem::new(what, "none is told of on this cluster", "Start one without --join first"));
                }
                _ => {}
            }
        };
        let (run, since) = (header.params(&self.run), Arc::new(header.since));
        let mistake = |error: crate::stream::TopologyError| self.mistake(&error);
        for spec in self.shape.apps(&run).map_err(mistake)? {
            let app = StreamsApp::start(self.config(&run, &spec, &since))?;
            lock(&self.apps).push(app);
        }
        let mut workers = Workers { source: None, watch: None };
        while !self.control.is_stopping() && !runs.newest(TELL_INTERVAL)?.is_some_and(|newest| newest.is_over) {
            self.look(&mut workers)?;
            self.tell(Phase::Running, &self.facts(false));
        }
        self.keep_facts();
        lock(&self.apps).drain(..).for_each(StreamsApp::close);
        self.report();
        Ok(())
    }
}
