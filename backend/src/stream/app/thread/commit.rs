//! Making what was done safe, or taking it back.

use weir_model::Problem;

use super::{StreamThread, broken, millis, unwritten};
use crate::stream::app::{
    Guarantee,
    cluster::{Cluster, Consumer as _, Step},
    globals::DeadRows,
    snapshot::AppEventKind,
    tasks::{OwnedTask, to_commit},
    writer::Outcome,
};

impl<C: Cluster> StreamThread<'_, C> {
    /// Makes all that was done since the last commit safe, or takes it back.
    pub(super) fn commit(&mut self) -> Result<(), Problem> {
        self.last_commit = self.cluster.now();
        for task in self.tasks.values().filter(|task| task.is_running()) {
            let changes = task.task.changes().map_err(broken)?;
            for (changelog, change) in &changes {
                self.writer.log(changelog, task.id.partition, change)?;
            }
        }
        let tells = self.tasks.values().any(|task| task.is_running() && DeadRows::are_told_by(task.id, self.plan));
        let dead_rows = if tells { self.dead_rows.unwritten() } else { Vec::new() };
        dead_rows.iter().try_for_each(|row| self.writer.publish(row))?;
        let is_transaction = self.config.guarantee == Guarantee::ExactlyOnce;
        let running = self.tasks.values().filter(|task| task.is_running());
        let next = to_commit(running, &self.config.run, is_transaction && self.writer.is_open());
        if next.is_empty() && !self.writer.is_open() {
            return Ok(());
        }
        let open_for = self.writer.open_for();
        let outcome = self.writer.commit(&next, &self.consumer)?;
        let is_refused = matches!(outcome, Outcome::Refused);
        if let Outcome::Aborted(error) = outcome {
            self.shared.happened(self.number, AppEventKind::Aborted { why: error.to_string() });
            if !self.aborts.add(self.cluster.now()) {
                return Err(error.problem(format!("{} could not commit, however often it tried", self.config.topology.app())));
            }
            return self.roll_back();
        }
        self.aborts.reset();
        self.dead_rows.written(dead_rows, self.shared);
        let took = open_for.unwrap_or_default() + (self.cluster.now() - self.last_commit);
        // What is no event is counted when it is taken in, which may be before it is processed.
        let events = |(processed, no_events): (u64, u64)| processed.saturating_sub(no_events);
        let records = events((self.processed, self.no_events)).saturating_sub(events(self.committed));
        self.shared.happened(self.number, AppEventKind::Committed { records, took_ms: millis(took), is_transaction });
        self.counts.commits += 1;
        self.committed = (self.processed, self.no_events);
        for task in self.tasks.values_mut().filter(|task| task.is_running()) {
            task.commit(is_refused, self.cluster.now_ms(), |changelog, partition| self.writer.logged(changelog, partition))
                .map_err(|error| unwritten(task.id, &error))?;
        }
        Ok(())
    }

    /// Everything since the last commit is to be done again.
    pub(super) fn roll_back(&mut self) -> Result<(), Problem> {
        if self.cluster.leaves_out(Step::RollBack) {
            return Ok(());
        }
        self.counts.aborts += 1;
        (self.processed, self.no_events) = self.committed;
        self.sent_at.clear();
        let running = self.tasks.values_mut().filter(|task| task.is_running());
        let back: Vec<_> = running.flat_map(OwnedTask::rollback).collect();
        self.consumer.seek(back).map_err(|error| error.problem("What was aborted could not be read again"))
    }
}
