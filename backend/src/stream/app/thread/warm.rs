//! Where a task's state comes from before its changelogs are read: from disk, from a standby replica, or from nowhere.

use std::sync::Arc;

use weir_model::{Problem, TimestampMs};

use super::{StreamThread, broken, rebalance::Begin};
use crate::stream::{
    Change, StreamTask,
    app::{
        TaskId,
        disk::{DiskError, Next, Owner, TaskDisk},
        globals::DeadRows,
        restore::Part,
        snapshot::{AppEventKind, Warmth},
    },
};

/// A task with what it had at once.
pub(super) struct Warm {
    pub(super) task: StreamTask,
    pub(super) disk: Option<TaskDisk>,
    /// What follows in each changelog.
    pub(super) next: Next,
    pub(super) entries: u64,
    pub(super) from: Warmth,
}

impl StreamThread<'_> {
    /// Makes a task and gives it what is at hand.
    pub(super) fn warm(&self, id: TaskId, begin: &Begin, parts: &[Part]) -> Result<Warm, Problem> {
        let own: Vec<_> = parts.iter().filter(|part| !part.is_source).collect();
        let cold = |disk| self.cold(id, begin).map(|task| Warm { task, disk, next: Next::new(), entries: 0, from: Warmth::Cold });
        if own.is_empty() {
            return cold(None);
        }
        let replica = self.shared.standbys.take(id);
        let unused = |why: String| self.shared.happened(self.number, AppEventKind::DiskUnused { task: id, why });
        let mut disk = self.disk(id).unwrap_or_else(|error| {
            unused(error.to_string());
            None
        });
        if let Some(from) = &disk {
            match self.read_disk(id, begin, &own, from) {
                Ok(Some((task, next, entries))) => return Ok(Warm { task, disk, next, entries, from: Warmth::Disk }),
                Ok(None) => {}
                Err(why) => unused(why.to_string()),
            }
        }
        let replica = replica.filter(|replica| fits(&own, |topic| replica.next(topic)));
        let Some(replica) = replica else {
            disk = disk.and_then(|disk| disk.cleared().map_err(|error| unused(error.to_string())).ok());
            return cold(disk);
        };
        let mut task = self.cold(id, begin)?;
        let (changes, next) = replica.into_changes();
        changes.iter().try_for_each(|(topic, change)| task.restore(topic, change)).map_err(broken)?;
        task.commit();
        let fill = |disk: TaskDisk| {
            let mut disk = disk.cleared()?;
            disk.write(&changes, &next, TimestampMs::now().0)?;
            Ok::<_, DiskError>(disk)
        };
        disk = disk.and_then(|disk| fill(disk).map_err(|error| unused(error.to_string())).ok());
        Ok(Warm { task, disk, next, entries: changes.len() as u64, from: Warmth::Standby })
    }

    /// A task that remembers nothing but its stream time.
    fn cold(&self, id: TaskId, begin: &Begin) -> Result<StreamTask, Problem> {
        let mut task = StreamTask::new(&self.config.topology, id.subtopology).timed();
        let dead = self.globals.fill(&mut task, DeadRows::are_told_by(id, self.plan)).map_err(broken)?;
        self.dead_rows.add(dead, self.shared);
        task.commit();
        if let Some(stream_time_ms) = begin.stream_time_ms {
            task.restore_stream_time(stream_time_ms);
        }
        Ok(task)
    }

    /// Opens a task's file, where state is kept on disk.
    pub(super) fn disk(&self, id: TaskId) -> Result<Option<TaskDisk>, DiskError> {
        let Some(dir) = &self.config.state_dir else { return Ok(None) };
        let owner =
            Owner { app: Arc::clone(&self.shared.app), run: Arc::clone(&self.config.run), cluster: self.plan.cluster_id.to_string() };
        let (disk, wiped) = TaskDisk::open(dir, &owner, id, TimestampMs::now().0)?;
        if let Some(why) = wiped {
            self.shared.happened(self.number, AppEventKind::DiskUnused { task: id, why });
        }
        Ok(Some(disk))
    }

    /// What is on disk, if it is a part of these changelogs.
    fn read_disk(&self, id: TaskId, begin: &Begin, own: &[&Part], disk: &TaskDisk) -> Result<Option<(StreamTask, Next, u64)>, DiskError> {
        let next = disk.next()?;
        if next.is_empty() {
            return Ok(None);
        }
        if !fits(own, |topic| next.get(topic).copied()) {
            return Err(DiskError::Unusable("it does not fit the changelogs".to_owned()));
        }
        let unusable = |why: String| DiskError::Unusable(why);
        let mut task = self.cold(id, begin).map_err(|problem| unusable(problem.to_string()))?;
        let entries = disk.read(|topic, change: &Change| task.restore(topic, change).map_err(|error| unusable(error.to_string())))?;
        task.commit();
        Ok(Some((task, next, entries)))
    }
}

/// Whether offsets lie within changelogs. One that was never written needs none.
fn fits(own: &[&Part], next: impl Fn(&str) -> Option<i64>) -> bool {
    own.iter().all(|part| next(&part.topic).is_none_or(|next| (part.start..=part.end).contains(&next)))
}
