//! Reads all topics of a pipeline: for the dashboard, a few times a second and only when something changed, and for the checkers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use weir_model::{PipelineId, Problem, TimestampMs, Update};

use super::{Checker, DashboardFold, Emit, Observed, alerts::Alerts, topics::Ends};
use crate::{
    client::{ClientError, Connection, OutgoingRecord, Producer, Reader, ReaderEvent},
    pipelines::running::Control,
    updates::Updates,
};

/// At most four dashboards a second.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Without records the figures that fade with time are looked at this often.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a poll waits.
const POLL: Duration = Duration::from_millis(100);
/// Records between two looks at the clock.
const RECORDS_PER_ROUND: usize = 2_000;
/// How long the last records may take to be read, without one coming.
const STALLED_MAX: Duration = Duration::from_secs(60);

/// A reader of all topics.
pub(super) struct Watch<'a> {
    pub(super) id: PipelineId,
    pub(super) connection: &'a Connection,
    pub(super) updates: &'a Updates,
    pub(super) fold: Box<dyn DashboardFold>,
    pub(super) checkers: &'a Mutex<Vec<Box<dyn Checker>>>,
    /// What users do in the dashboard.
    pub(super) control: &'a Control,
    /// Everything is written.
    pub(super) is_done: &'a AtomicBool,
}

impl Watch<'_> {
    /// Reads from these offsets on until all is written, and then to the end. Blocks; belongs on a thread of its own.
    pub(super) fn work(mut self, starts: &Ends) -> Result<(), Problem> {
        let what = format!("The dashboard of {} can't read its topics", self.id);
        let failed = |error: ClientError| error.problem(what.clone());
        let reader = Reader::calm(self.connection).map_err(failed)?;
        let mut next: BTreeMap<(String, i32), i64> = BTreeMap::new();
        for (topic, starts) in starts {
            next.extend((0..).zip(starts).map(|(partition, start)| ((topic.clone(), partition), *start)));
        }
        let assign = |next: &BTreeMap<(String, i32), i64>| {
            reader.assign_topics(next.iter().map(|((topic, partition), offset)| (topic.as_str(), *partition, *offset)))
        };
        assign(&next).map_err(failed)?;
        // Once all is written, each partition's end is told once more, after its last record.
        let mut open_ends = None;
        let (mut alerts, mut producer) = (Alerts::default(), None);
        let (mut published_at, mut published, mut is_changed, mut last_at) = (Instant::now(), None, true, Instant::now());
        while open_ends != Some(0) {
            if open_ends.is_none() && self.is_done.load(Ordering::Acquire) {
                assign(&next).map_err(failed)?;
                (open_ends, last_at) = (Some(next.len()), Instant::now());
            }
            is_changed |= self.obey(&mut producer)?;
            for _ in 0..RECORDS_PER_ROUND {
                match reader.poll(POLL).map_err(failed)? {
                    Some(ReaderEvent::Record(record)) => {
                        let observed = Observed::of(&record);
                        let Some(next) = next.get_mut(&(observed.topic.to_owned(), observed.partition)) else { continue };
                        if observed.offset < *next {
                            continue;
                        }
                        *next = observed.offset + 1;
                        alerts.observe(&observed, self.id.as_str());
                        self.fold.observe(&observed, TimestampMs::now());
                        lock(self.checkers).iter_mut().for_each(|checker| checker.observe(&observed));
                        (is_changed, last_at) = (true, Instant::now());
                    }
                    Some(ReaderEvent::End(_)) => {
                        open_ends = open_ends.map(|open: usize| open.saturating_sub(1));
                        if open_ends == Some(0) {
                            break;
                        }
                    }
                    None => break,
                }
            }
            if open_ends.is_some() && last_at.elapsed() > STALLED_MAX {
                return Err(failed(ClientError::no_answer()));
            }
            let since = published_at.elapsed();
            if open_ends == Some(0) || (is_changed && since >= PUBLISH_INTERVAL) || since >= IDLE_INTERVAL {
                let dashboard = Arc::new(self.fold.dashboard(TimestampMs::now()));
                if published.as_ref() != Some(&dashboard) {
                    published = Some(Arc::clone(&dashboard));
                    self.updates.publish(Update::Dashboard(self.id.clone(), dashboard));
                }
                alerts.tell(self.updates);
                (is_changed, published_at) = (false, Instant::now());
            }
        }
        Ok(())
    }

    /// Does what users want done; whether there was something.
    fn obey(&mut self, producer: &mut Option<Producer>) -> Result<bool, Problem> {
        let failed = |error: ClientError| error.problem("What you did was not written");
        let mut is_changed = false;
        while let Some(action) = self.control.next_action() {
            is_changed = true;
            let mut out = Emit::default();
            if let Err(problem) = self.fold.act(&action, &mut out) {
                self.updates.problem(&problem);
                continue;
            }
            let producer = match producer {
                Some(producer) => producer,
                None => producer.insert(Producer::new(self.connection).map_err(failed)?),
            };
            for record in out.take() {
                let (key, value) = (record.key.as_deref(), record.value.as_deref());
                let timestamp_ms = Some(record.timestamp_ms).filter(|at| *at > 0);
                let outgoing = OutgoingRecord { topic: record.topic, partition: record.partition, key, value, headers: &[], timestamp_ms };
                // A full queue of a producer that writes some clicks means that nothing is acknowledged.
                if producer.send(outgoing).map_err(failed)?.is_err() {
                    self.updates.problem(&failed(ClientError::no_answer()));
                }
            }
        }
        Ok(is_changed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
