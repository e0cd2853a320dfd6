//! Standby replicas (`num.standby.replicas`): copies of the stores of tasks that run elsewhere, read from their changelogs all the time, so
//! that whoever takes a task over has little left to read.
//!
//! The group's protocol as librdkafka has it tells members nothing of each other's state, so each instance decides alone, and equally, from
//! the group's description: for each task, the instances that do not run it are ranked by a hash, and the first so many keep a replica.

mod replica;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    AppConfig, TaskId,
    cluster::{Cluster, Reader, Step},
    disk::{DiskError, Owner},
    plan::Plan,
    shared::Shared,
};
use crate::{
    client::{ClientError, GroupDescription, OffsetSpec, ReaderEvent},
    stream::{Change, StreamTask},
};
pub(super) use replica::{Handed, Logged, Replica};

/// Records read at once.
const RECORDS_PER_STEP: usize = 5_000;
/// How long an idle read waits.
const POLL: Duration = Duration::from_millis(20);

/// The replicas of this process.
#[derive(Default)]
pub(super) struct Standbys(Mutex<BTreeMap<TaskId, Replica>>);

/// A replica, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandbySnapshot {
    /// The task that runs elsewhere.
    pub task: TaskId,
    /// Entries in its stores.
    pub entries: usize,
    /// Records of its changelogs that were not read yet.
    pub lag: i64,
}

impl Standbys {
    /// Takes a replica out: its task runs here now.
    pub(super) fn take(&self, task: TaskId) -> Option<Replica> {
        self.lock().remove(&task)
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// What is here.
    pub(super) fn snapshot(&self) -> Vec<StandbySnapshot> {
        let snapshot =
            |(task, replica): (&TaskId, &Replica)| StandbySnapshot { task: *task, entries: replica.entries(), lag: replica.lag() };
        self.lock().iter().map(snapshot).collect()
    }

    /// What replicas in memory hold, and what follows it.
    #[cfg(test)]
    pub(super) fn held(&self) -> Vec<(TaskId, Vec<Logged>, super::disk::Next)> {
        self.lock().iter().filter_map(|(task, replica)| replica.held().map(|(held, next)| (*task, held, next))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Replica>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the replicas up to date.
pub(super) struct Follower<'a, C> {
    config: &'a AppConfig,
    plan: &'a Plan,
    shared: &'a Shared,
    cluster: &'a C,
    reader: Box<dyn Reader>,
    followed: BTreeSet<TaskId>,
}

impl<'a, C: Cluster> Follower<'a, C> {
    pub(super) fn new(config: &'a AppConfig, plan: &'a Plan, shared: &'a Shared, cluster: &'a C) -> Result<Self, ClientError> {
        let reader = cluster.reader(config.topology.app(), &[])?;
        Ok(Self { config, plan, shared, cluster, reader, followed: BTreeSet::new() })
    }

    /// Looks at the group and follows what is this instance's to follow.
    pub(super) fn look(&mut self) -> Result<(), ClientError> {
        let Some(group) = self.cluster.group(self.config.topology.app())? else { return Ok(()) };
        let wanted = self.wanted(&group);
        let partitions: Vec<_> = wanted.iter().flat_map(|task| self.changelogs(*task)).collect();
        let at: Vec<_> = partitions.iter().map(|(_, topic, partition)| (topic.to_string(), *partition)).collect();
        let offsets = |spec| -> Result<BTreeMap<(String, i32), i64>, ClientError> {
            let listed = self.cluster.list_offsets(&at, spec)?.into_iter();
            listed.map(|listed| Ok(((listed.topic, listed.partition), listed.offset?.unwrap_or(0)))).collect()
        };
        let (firsts, ends) = (offsets(OffsetSpec::Earliest)?, offsets(OffsetSpec::LatestStable)?);
        let mut replicas = self.shared.standbys.lock();
        replicas.retain(|task, _| wanted.contains(task));
        // One that was taken has to be followed anew, should it come back here.
        let is_same = self.followed == wanted && wanted.iter().all(|task| replicas.contains_key(task));
        let ends_of = |topic: &Arc<str>, partition: i32| {
            let at = (topic.to_string(), partition);
            let since = self.config.since.get(&**topic).and_then(|since| since.get(usize::try_from(partition).ok()?)).copied();
            (firsts.get(&at).copied().unwrap_or(0).max(since.unwrap_or(0)), ends.get(&at).copied().unwrap_or(0))
        };
        for task in &wanted {
            if let btree_map::Entry::Vacant(vacant) = replicas.entry(*task) {
                match self.begin(*task, |topic| ends_of(topic, task.partition)) {
                    Ok(replica) => drop(vacant.insert(replica)),
                    Err(error) => tracing::debug!("no replica of task {task} yet: {error}"),
                }
            }
        }
        let mut starts = Vec::new();
        for (task, topic, partition) in &partitions {
            let Some(replica) = replicas.get_mut(task) else { continue };
            let (first, end) = ends_of(topic, *partition);
            let next = replica.follow(topic, first, end);
            let next = if self.cluster.leaves_out(Step::FollowFromCopy) { end } else { next };
            starts.push((Arc::clone(topic), *partition, next));
        }
        drop(replicas);
        if !is_same {
            self.reader.assign(&starts.iter().map(|(topic, partition, next)| (&**topic, *partition, *next)).collect::<Vec<_>>())?;
            self.followed = wanted;
        }
        Ok(())
    }

    /// Reads on for a moment.
    pub(super) fn follow(&self) -> Result<(), ClientError> {
        let mut read = BTreeMap::<TaskId, Vec<(Logged, i64)>>::new();
        let followed = self.read(&mut read);
        for (task, read) in read {
            let mut replicas = self.shared.standbys.lock();
            let Some(replica) = replicas.get_mut(&task) else { continue };
            if let Err(error) = replica.take(read, || StreamTask::new(&self.config.topology, task.subtopology), self.cluster.now_ms()) {
                tracing::debug!("the replica of task {task} begins anew: {error}");
                replicas.remove(&task);
                self.shared.count_damage(task, &error.to_string());
            }
        }
        followed
    }

    fn read(&self, read: &mut BTreeMap<TaskId, Vec<(Logged, i64)>>) -> Result<(), ClientError> {
        let mut wait = POLL;
        for _ in 0..RECORDS_PER_STEP {
            match self.reader.poll(wait)? {
                Some(ReaderEvent::Record(record)) => {
                    let Some(task) = self.task_of(record.topic(), record.partition()) else { continue };
                    let Some(key) = record.key() else { continue };
                    let change =
                        Change { key: key.to_vec(), value: record.value().map(<[u8]>::to_vec), timestamp_ms: record.timestamp_ms() };
                    read.entry(task).or_default().push(((record.topic().into(), change), record.offset()));
                }
                Some(ReaderEvent::End(_)) => {}
                None => break,
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// A replica with what the task's file has, if state is kept on disk and that is a part of these changelogs.
    fn begin(&self, task: TaskId, ends_of: impl Fn(&Arc<str>) -> (i64, i64)) -> Result<Replica, DiskError> {
        let Some(dir) = self.config.state_dir.as_ref().filter(|_| self.shared.disk_distrusted(task).is_none()) else {
            return Replica::new(None);
        };
        let (disk, _) = self.cluster.open(dir, &Owner::of(self.config, self.plan), task)?;
        let is_part = disk.next()?.iter().all(|(topic, next)| {
            let (first, end) = ends_of(topic);
            (first..=end).contains(next)
        });
        if !is_part {
            disk.clear()?;
        }
        Replica::new(Some(disk))
    }

    /// The tasks this instance keeps a replica of.
    fn wanted(&self, group: &GroupDescription) -> BTreeSet<TaskId> {
        let app = self.config.topology.app();
        let mut instances = BTreeSet::from([Arc::clone(&self.config.instance)]);
        let mut owners = BTreeMap::<TaskId, Arc<str>>::new();
        for member in &group.members {
            let Some(instance) = instance_of(app, &member.client_id) else { continue };
            let instance: Arc<str> = instance.into();
            for (topic, partition) in &member.assignment {
                owners.extend(self.plan.task_at(topic, *partition).map(|task| (task, Arc::clone(&instance))));
            }
            instances.insert(instance);
        }
        let has_state = |task: &&TaskId| !self.changelogs(**task).is_empty();
        let replicas = self.shared.standbys.lock();
        let is_mine = |task: &&TaskId| {
            // While a task goes from one to another, or comes here, its replica is what makes that quick.
            if owners.get(*task).is_none_or(|owner| *owner == self.config.instance) {
                return replicas.contains_key(*task);
            }
            let others = instances.iter().filter(|instance| owners.get(*task).is_some_and(|owner| owner != *instance));
            ranked(**task, others).take(usize::from(self.config.standby_replicas)).any(|instance| *instance == self.config.instance)
        };
        self.plan.tasks.iter().filter(has_state).filter(is_mine).copied().collect()
    }

    /// A task's own changelogs.
    fn changelogs(&self, task: TaskId) -> Vec<(TaskId, Arc<str>, i32)> {
        let part = self.config.topology.description().subtopologies.get(task.subtopology);
        let own = part.into_iter().flat_map(|part| part.changelogs.iter().filter(|(_, topic)| !part.source_topics.contains(topic)));
        own.map(|(_, topic)| (task, Arc::clone(topic), task.partition)).collect()
    }

    fn task_of(&self, topic: &str, partition: i32) -> Option<TaskId> {
        let has = |task: &&TaskId| task.partition == partition && self.changelogs(**task).iter().any(|(_, own, _)| **own == *topic);
        self.followed.iter().find(has).copied()
    }
}

/// A member's `client.id`: by it other instances know whose it is.
pub(super) fn client_id(app: &str, instance: &str, thread: usize) -> String {
    format!("{app}/{instance}/{thread}")
}

fn instance_of<'c>(app: &str, client_id: &'c str) -> Option<&'c str> {
    Some(client_id.strip_prefix(app)?.strip_prefix('/')?.rsplit_once('/')?.0)
}

/// Instances in the order in which they keep replicas of a task (rendezvous hashing: who comes or goes moves only its own).
fn ranked<'i>(task: TaskId, instances: impl Iterator<Item = &'i Arc<str>>) -> impl Iterator<Item = &'i Arc<str>> {
    // FNV-1a: the same in every process, which the standard library's hasher does not promise.
    let hash = |instance: &str| {
        let bytes = format!("{task} {instance}");
        bytes.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let mut ranked: Vec<_> = instances.map(|instance| (hash(instance), instance)).collect();
    ranked.sort();
    ranked.into_iter().map(|(_, instance)| instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_known_by_its_members() {
        assert_eq!(instance_of("app", &client_id("app", "a/b", 3)), Some("a/b"));
        assert_eq!(instance_of("other", &client_id("app", "a", 0)), None);
    }

    #[test]
    fn who_leaves_moves_only_its_own_replicas() {
        let instances: Vec<Arc<str>> = ["a", "b", "c", "d"].map(Arc::from).into();
        let first = |task, without: Option<&Arc<str>>| {
            ranked(task, instances.iter().filter(|it| Some(*it) != without)).next().map(|it| it.to_string())
        };
        let tasks: Vec<_> = (0..64).map(|partition| TaskId { subtopology: 1, partition }).collect();
        for task in &tasks {
            let before = first(*task, None);
            assert!(before.as_deref() == Some("a") || first(*task, Some(&instances[0])) == before, "{task}");
        }
        let distinct: BTreeSet<_> = tasks.iter().map(|task| first(*task, None)).collect();
        assert_eq!(distinct.len(), instances.len(), "every instance has some");
    }
}
