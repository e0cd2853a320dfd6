//! A copy of a task's stores: on disk where state is kept there, else in memory.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use crate::stream::{
    Change, StreamTask,
    app::{
        cluster::{Disk, ParkedDisk},
        disk::{DiskError, Next, unusable},
    },
};

/// A changelog's change.
pub(in crate::stream::app) type Logged = (Arc<str>, Change);

/// What a replica leaves to the task that it was a replica of.
pub(in crate::stream::app) enum Handed {
    /// The task's file.
    File(Box<dyn ParkedDisk>),
    /// All entries, and what follows them in the changelogs.
    Entries(Vec<Logged>, Next),
}

/// A task's stores as their changelogs have them.
pub(in crate::stream::app) struct Replica {
    logs: BTreeMap<Arc<str>, Log>,
    copy: Copy,
}

#[derive(Default)]
struct Log {
    /// What follows after what was read.
    next: i64,
    /// What followed at the last look at the cluster.
    end: i64,
}

/// Values with their times by topic and key.
type Entries = BTreeMap<(Arc<str>, Vec<u8>), (Vec<u8>, Option<i64>)>;

/// Where the copy is.
enum Copy {
    /// In memory, by topic and key.
    Memory(Entries),
    /// In the task's file, with so many entries.
    Disk { disk: Option<Box<dyn ParkedDisk>>, entries: u64 },
}

impl Replica {
    /// With what the file has; without one, empty and in memory.
    pub(super) fn new(disk: Option<Rc<dyn Disk>>) -> Result<Self, DiskError> {
        let Some(disk) = disk else { return Ok(Self { logs: BTreeMap::new(), copy: Copy::Memory(BTreeMap::new()) }) };
        let logs = disk.next()?.into_iter().map(|(topic, next)| (topic, Log { next, end: next })).collect();
        Ok(Self { logs, copy: Copy::Disk { disk: disk.park(), entries: 0 } })
    }

    /// A changelog begins and ends at these offsets; gives what to read next of it.
    pub(super) fn follow(&mut self, topic: &Arc<str>, first: i64, end: i64) -> i64 {
        let log = self.logs.entry(Arc::clone(topic)).or_default();
        (log.next, log.end) = (log.next.max(first), end);
        log.next
    }

    /// Takes in what was read of the changelogs, each with its offset. `task` makes one that knows what the bytes mean.
    ///
    /// # Errors
    /// When the copy can't be used any more.
    pub(super) fn take(&mut self, read: Vec<(Logged, i64)>, task: impl FnOnce() -> StreamTask, now_ms: i64) -> Result<(), DiskError> {
        let mut changes = Vec::with_capacity(read.len());
        for ((topic, change), offset) in read {
            if let Some(log) = self.logs.get_mut(&topic).filter(|log| offset >= log.next) {
                log.next = offset + 1;
                changes.push((topic, change));
            }
        }
        let next = self.all_next();
        match &mut self.copy {
            Copy::Memory(entries) => {
                for (topic, Change { key, value, timestamp_ms }) in changes {
                    match value {
                        Some(value) => drop(entries.insert((topic, key), (value, timestamp_ms))),
                        None => drop(entries.remove(&(topic, key))),
                    }
                }
            }
            Copy::Disk { disk, entries } => {
                let Some(open) = disk.take().map(ParkedDisk::unpark) else { return Ok(()) };
                let mut task = task();
                task.keep_on(|topic| Rc::clone(&open).place(topic)).map_err(unusable)?;
                changes.iter().try_for_each(|(topic, change)| task.restore(topic, change)).map_err(unusable)?;
                *entries = task.entries_with_changelog();
                task.commit();
                open.write(&next, now_ms)?;
                drop(task);
                *disk = open.park();
            }
        }
        Ok(())
    }

    /// What it has, for its task to go on with.
    pub(in crate::stream::app) fn hand_over(self) -> Handed {
        let next = self.all_next();
        match self.copy {
            Copy::Disk { disk: Some(disk), .. } => Handed::File(disk),
            Copy::Disk { disk: None, .. } => Handed::Entries(Vec::new(), Next::new()),
            Copy::Memory(entries) => {
                let change = |((topic, key), (value, timestamp_ms))| (topic, Change { key, value: Some(value), timestamp_ms });
                Handed::Entries(entries.into_iter().map(change).collect(), next)
            }
        }
    }

    /// What it holds in memory, and what follows it; `None` where it is on disk.
    #[cfg(test)]
    pub(super) fn held(&self) -> Option<(Vec<Logged>, Next)> {
        let Copy::Memory(entries) = &self.copy else { return None };
        let held = entries.iter().map(|((topic, key), (value, timestamp_ms))| {
            (Arc::clone(topic), Change { key: key.clone(), value: Some(value.clone()), timestamp_ms: *timestamp_ms })
        });
        Some((held.collect(), self.all_next()))
    }

    pub(super) fn entries(&self) -> usize {
        match &self.copy {
            Copy::Memory(entries) => entries.len(),
            Copy::Disk { entries, .. } => usize::try_from(*entries).unwrap_or(usize::MAX),
        }
    }

    /// Records of its changelogs that were not read yet.
    pub(super) fn lag(&self) -> i64 {
        self.logs.values().map(|log| (log.end - log.next).max(0)).sum()
    }

    fn all_next(&self) -> Next {
        self.logs.iter().map(|(topic, log)| (Arc::clone(topic), log.next)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail loudly")]

    use super::*;
    use crate::stream::{
        Topology,
        app::{
            TaskId,
            disk::{Owner, TaskDisk},
        },
    };

    #[test]
    fn a_replica_is_the_newest_of_each_key() {
        let topology =
            Topology::new("app", |builder| builder.stream::<Vec<u8>, u64>("in").group_by_key("counts").count().to_stream().to("out"));
        let (topology, log) = (topology.unwrap(), Arc::from("app-counts-changelog"));
        let dir = tempfile::tempdir().unwrap();
        let owner = Owner { app: "app".into(), run: "r".into(), cluster: "c".to_owned() };
        let open = || TaskDisk::open(dir.path(), &owner, TaskId { subtopology: 0, partition: 0 }, 0).unwrap().0;
        let change = |key: u8, value: Option<u8>| Change {
            key: vec![key],
            value: value.map(|it| it.to_string().into_bytes()),
            timestamp_ms: Some(7),
        };
        let task = || StreamTask::new(&topology, 0);
        for is_on_disk in [false, true] {
            let mut replica = Replica::new(is_on_disk.then(|| Rc::new(open()) as Rc<dyn Disk>)).unwrap();
            assert_eq!(replica.follow(&log, 0, 5), 0);
            let read = [(0, change(1, Some(1))), (1, change(2, Some(1))), (4, change(1, None)), (3, change(9, Some(9)))];
            for (offset, change) in read {
                replica.take(vec![((Arc::clone(&log), change), offset)], task, 0).unwrap();
            }
            assert_eq!((replica.entries(), replica.lag()), (1, 0));
            let next = Next::from([(Arc::clone(&log), 5)]);
            match replica.hand_over() {
                Handed::Entries(changes, follows) => {
                    assert!(!is_on_disk);
                    assert_eq!((changes, follows), (vec![(Arc::clone(&log), change(2, Some(1)))], next));
                }
                Handed::File(disk) => {
                    drop(disk);
                    let disk = Rc::new(open());
                    let mut task = task();
                    task.keep_on(|topic| Rc::clone(&disk).place(topic)).unwrap();
                    assert_eq!(task.store("counts").unwrap().borrow().browse("", 9), [("[2]".to_owned(), "1".to_owned())]);
                    assert_eq!(disk.next().unwrap(), next);
                }
            }
        }
    }
}
