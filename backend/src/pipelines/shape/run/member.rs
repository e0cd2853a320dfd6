//! Taking part in a run that another process leads, or looking on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use weir_model::{Phase, Problem};

use super::{LOOK_INTERVAL, Run, TELL_INTERVAL, Worker, Workers, lock, ready::JOIN_MAX};
use crate::{pipelines::shape::join, stream::app::StreamsApp};

impl Run<'_> {
    /// Processes, or shows the dashboard, until the process that leads says that the run is over.
    pub(super) fn join(&self) -> Result<(), Problem> {
        lock(&self.checkers).clear(); // the process that leads judges
        self.tell(Phase::Starting, &self.facts(false));
        let runs = join::Runs::new(self.connection, &self.meta.id)?;
        let Some(header) = self.find_run(&runs)? else { return Ok(()) };
        let (run, since) = (header.params(&self.run), Arc::new(header.since));
        if !run.params.is_watching {
            let mistake = |error: crate::stream::TopologyError| self.mistake(&error);
            for spec in self.shape.apps(&run).map_err(mistake)? {
                let app = StreamsApp::start(self.config(&run, &spec, &since))?;
                lock(&self.apps).push(app);
            }
        }
        std::thread::scope(|scope| {
            let watch = if run.params.is_watching { Some(self.spawn_watch(scope, &run, &since)?) } else { None };
            let outcome = self.follow(&runs, Workers { source: None, watch });
            // Whatever happened, nobody waits for records that do not come.
            self.is_written.store(true, Ordering::Release);
            outcome
        })?;
        if run.params.is_watching {
            self.control.end();
            self.tell(Phase::Stopped, &self.facts(true));
        } else {
            self.report();
        }
        Ok(())
    }

    /// The run that goes on; `None` when that is no longer wanted.
    fn find_run(&self, runs: &join::Runs) -> Result<Option<join::Header>, Problem> {
        let deadline = Instant::now() + JOIN_MAX;
        loop {
            match runs.newest(LOOK_INTERVAL)? {
                Some(header) if !header.is_over => return Ok(Some(header)),
                _ if self.control.is_stopping() => return Ok(None),
                _ if Instant::now() >= deadline => {
                    let what = format!("There is no run of {} to take part in", self.meta.title);
                    return Err(Problem::new(what, "none is told of on this cluster", "Start one without --join first"));
                }
                _ => {}
            }
        }
    }

    fn follow(&self, runs: &join::Runs, mut workers: Workers<'_>) -> Result<(), Problem> {
        while !self.control.is_stopping() && !runs.newest(TELL_INTERVAL)?.is_some_and(|newest| newest.is_over) {
            self.look(&mut workers)?;
            self.tell(Phase::Running, &self.facts(false));
        }
        self.keep_facts();
        self.close_apps();
        self.is_written.store(true, Ordering::Release);
        workers.watch.take().map_or(Ok(()), Worker::join)
    }
}
