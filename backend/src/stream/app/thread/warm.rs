//! Where a task's state comes from before its changelogs are read: from disk, from a standby replica, or from nowhere.

use std::rc::Rc;

use weir_model::Problem;

use super::{StreamThread, broken, rebalance::Begin};
use crate::stream::{
    StreamTask,
    app::{
        TaskId,
        cluster::{Cluster, Disk, Step},
        disk::{DiskError, Next, Owner, unusable},
        globals::DeadRows,
        restore::Part,
        snapshot::{AppEventKind, Warmth},
        standby::{Handed, Logged, Replica},
    },
};

/// Entries of a replica written to disk at once.
const ENTRIES_PER_WRITE: usize = 5_000;

/// A task with what it had at once.
pub(super) struct Warm {
    pub(super) task: StreamTask,
    pub(super) disk: Option<Rc<dyn Disk>>,
    /// What follows in each changelog.
    pub(super) next: Next,
    pub(super) entries: u64,
    pub(super) from: Warmth,
}

impl<C: Cluster> StreamThread<'_, C> {
    /// Makes a task and gives it what is at hand.
    pub(super) fn warm(&self, id: TaskId, begin: &Begin, parts: &[Part]) -> Result<Warm, Problem> {
        self.shared.keeps(id, None);
        let own: Vec<_> = parts.iter().filter(|part| !part.is_source).collect();
        if own.is_empty() {
            let task = self.cold(id, begin)?;
            return Ok(Warm { task, disk: None, next: Next::new(), entries: 0, from: Warmth::Cold });
        }
        let taken = if self.cluster.leaves_out(Step::TakeReplica) { None } else { self.shared.standbys.take(id) };
        let (disk, replica, from) = match taken.map(Replica::hand_over) {
            Some(Handed::File(disk)) => (Ok(Some(disk.unpark())), None, Warmth::Standby),
            Some(Handed::Entries(changes, next)) if fits(&own, |topic| next.get(topic).copied()) => {
                (self.disk(id), Some((changes, next)), Warmth::Disk)
            }
            _ => (self.disk(id), None, Warmth::Disk),
        };
        let mut disk = disk.map_err(|error| self.unkept(id, error)).ok().flatten();
        if let Some(disk) = &disk {
            match self.of_disk(id, begin, &own, disk, from) {
                Ok(Some(warm)) => return Ok(warm),
                Ok(None) => {}
                Err(error) => self.unused(id, error),
            }
        }
        if let Some(Err(error)) = disk.as_ref().map(|disk| disk.clear()) {
            self.unkept(id, error);
            disk = None;
        }
        let filled = self.of_replica(id, begin, replica, disk);
        filled.or_else(|error| {
            self.unkept(id, error);
            let task = self.cold(id, begin)?;
            Ok(Warm { task, disk: None, next: Next::new(), entries: 0, from: Warmth::Cold })
        })
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
    fn disk(&self, id: TaskId) -> Result<Option<Rc<dyn Disk>>, DiskError> {
        let Some(dir) = &self.config.state_dir else { return Ok(None) };
        if let Some(last) = self.shared.disk_distrusted(id) {
            return Err(DiskError::Unusable(format!("it was damaged again and again: {last}")));
        }
        let (disk, wiped) = self.cluster.open(dir, &Owner::of(self.config, self.plan), id)?;
        if let Some(why) = wiped {
            self.unused(id, DiskError::Unusable(why));
        }
        Ok(Some(disk))
    }

    /// Its state is in memory only; that of a task which somebody else still has open is on disk there.
    fn unkept(&self, task: TaskId, why: DiskError) {
        if !matches!(why, DiskError::Locked) {
            self.shared.keeps(task, Some(why.to_string()));
        }
        self.unused(task, why);
    }

    fn unused(&self, task: TaskId, why: DiskError) {
        self.shared.happened(self.number, AppEventKind::DiskUnused { task, why: why.to_string() });
    }

    /// A task over what is on disk, if that is a part of these changelogs. Nothing of it is read before it is needed.
    fn of_disk(&self, id: TaskId, begin: &Begin, own: &[&Part], disk: &Rc<dyn Disk>, from: Warmth) -> Result<Option<Warm>, DiskError> {
        let next = disk.next()?;
        if next.is_empty() {
            return Ok(None);
        }
        if !fits(own, |topic| next.get(topic).copied()) {
            return Err(DiskError::Unusable("it does not fit the changelogs".to_owned()));
        }
        let mut task = self.cold(id, begin).map_err(unusable)?;
        task.keep_on(|topic| Rc::clone(disk).place(topic)).map_err(unusable)?;
        let entries = task.entries_with_changelog();
        Ok(Some(Warm { task, disk: Some(Rc::clone(disk)), next, entries, from }))
    }

    /// A task over an empty disk or none, with what a replica has.
    fn of_replica(
        &self,
        id: TaskId,
        begin: &Begin,
        replica: Option<(Vec<Logged>, Next)>,
        disk: Option<Rc<dyn Disk>>,
    ) -> Result<Warm, DiskError> {
        let mut task = self.cold(id, begin).map_err(unusable)?;
        if let Some(disk) = &disk {
            task.keep_on(|topic| Rc::clone(disk).place(topic)).map_err(unusable)?;
        }
        let Some((changes, next)) = replica else { return Ok(Warm { task, disk, next: Next::new(), entries: 0, from: Warmth::Cold }) };
        let write = |next: &Next| disk.as_ref().map_or(Ok(()), |disk| disk.write(next, self.cluster.now_ms()));
        for piece in changes.chunks(ENTRIES_PER_WRITE) {
            piece.iter().try_for_each(|(topic, change)| task.restore(topic, change)).map_err(unusable)?;
            task.commit();
            // Without offsets until all is there: after a kill a part is of no use.
            write(&Next::new())?;
        }
        write(&next)?;
        Ok(Warm { task, disk, next, entries: changes.len() as u64, from: Warmth::Standby })
    }
}

/// Whether offsets lie within changelogs. One that was never written needs none.
fn fits(own: &[&Part], next: impl Fn(&str) -> Option<i64>) -> bool {
    own.iter().all(|part| next(&part.topic).is_none_or(|next| (part.start..=part.end).contains(&next)))
}
