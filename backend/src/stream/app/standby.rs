//! Standby replicas (`num.standby.replicas`): copies of the stores of tasks that run elsewhere, read from their changelogs all the time, so
//! that whoever takes a task over has little left to read.
//!
//! The group's protocol as librdkafka has it tells members nothing of each other's state, so each instance decides alone, and equally, from
//! the group's description: for each task, the instances that do not run it are ranked by a hash, and the first so many keep a replica.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    AppConfig, TaskId,
    disk::{Logged, Next},
    plan::Plan,
    shared::Shared,
};
use crate::{
    client::{Admin, ClientError, GroupDescription, OffsetSpec, Reader, ReaderEvent},
    stream::Change,
};

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

/// A task's stores as their changelogs have them.
#[derive(Default)]
pub(super) struct Replica {
    logs: BTreeMap<Arc<str>, Log>,
}

#[derive(Default)]
struct Log {
    /// What follows after what was read.
    next: i64,
    /// What followed at the last look at the cluster.
    end: i64,
    entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>,
}

impl Replica {
    /// What follows in a changelog.
    pub(super) fn next(&self, topic: &str) -> Option<i64> {
        self.logs.get(topic).map(|log| log.next)
    }

    /// All entries, and what follows them.
    pub(super) fn into_changes(self) -> (Vec<Logged>, Next) {
        let (mut changes, mut next) = (Vec::new(), Next::new());
        for (topic, log) in self.logs {
            next.insert(Arc::clone(&topic), log.next);
            let change = |(key, (value, timestamp_ms))| (Arc::clone(&topic), Change { key, value: Some(value), timestamp_ms });
            changes.extend(log.entries.into_iter().map(change));
        }
        (changes, next)
    }

    fn take(&mut self, topic: &str, offset: i64, change: Change) {
        let Some(log) = self.logs.get_mut(topic).filter(|log| offset >= log.next) else { return };
        log.next = offset + 1;
        match change.value {
            Some(value) => drop(log.entries.insert(change.key, (value, change.timestamp_ms))),
            None => drop(log.entries.remove(&change.key)),
        }
    }
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
        let snapshot = |(task, replica): (&TaskId, &Replica)| StandbySnapshot {
            task: *task,
            entries: replica.logs.values().map(|log| log.entries.len()).sum(),
            lag: replica.logs.values().map(|log| (log.end - log.next).max(0)).sum(),
        };
        self.lock().iter().map(snapshot).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Replica>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the replicas up to date.
pub(super) struct Follower<'a> {
    config: &'a AppConfig,
    plan: &'a Plan,
    shared: &'a Shared,
    reader: Reader,
    followed: BTreeSet<TaskId>,
}

impl<'a> Follower<'a> {
    pub(super) fn new(config: &'a AppConfig, plan: &'a Plan, shared: &'a Shared) -> Result<Self, ClientError> {
        let reader = Reader::new(&config.connection, config.topology.app(), false)?;
        Ok(Self { config, plan, shared, reader, followed: BTreeSet::new() })
    }

    /// Looks at the group and follows what is this instance's to follow.
    pub(super) fn look(&mut self, admin: &Admin) -> Result<(), ClientError> {
        let app = self.config.topology.app();
        let described = admin.describe_groups(&[app.to_owned()])?;
        let Some((_, group)) = described.into_iter().next() else { return Ok(()) };
        let wanted = self.wanted(&group?);
        let partitions: Vec<_> = wanted.iter().flat_map(|task| self.changelogs(*task)).collect();
        let at: Vec<_> = partitions.iter().map(|(_, topic, partition)| (topic.to_string(), *partition)).collect();
        let offsets = |spec| -> Result<BTreeMap<(String, i32), i64>, ClientError> {
            let listed = admin.list_offsets(&at, spec)?.into_iter();
            listed.map(|listed| Ok(((listed.topic, listed.partition), listed.offset?.unwrap_or(0)))).collect()
        };
        let (firsts, ends) = (offsets(OffsetSpec::Earliest)?, offsets(OffsetSpec::LatestStable)?);
        let mut replicas = self.shared.standbys.lock();
        replicas.retain(|task, _| wanted.contains(task));
        // One that was taken has to be followed anew, should it come back here.
        let is_same = self.followed == wanted && wanted.iter().all(|task| replicas.contains_key(task));
        let mut starts = Vec::new();
        for (task, topic, partition) in &partitions {
            let at = (topic.to_string(), *partition);
            let since = self.config.since.get(&**topic).and_then(|since| since.get(usize::try_from(*partition).ok()?)).copied();
            let first = firsts.get(&at).copied().unwrap_or(0).max(since.unwrap_or(0));
            let log = replicas.entry(*task).or_default().logs.entry(Arc::clone(topic)).or_default();
            log.next = log.next.max(first);
            log.end = ends.get(&at).copied().unwrap_or(0);
            starts.push((Arc::clone(topic), *partition, log.next));
        }
        drop(replicas);
        if !is_same {
            self.reader.assign_topics(starts.iter().map(|(topic, partition, next)| (&**topic, *partition, *next)))?;
            self.followed = wanted;
        }
        Ok(())
    }

    /// Reads on for a moment.
    pub(super) fn follow(&self) -> Result<(), ClientError> {
        let mut wait = POLL;
        for _ in 0..RECORDS_PER_STEP {
            match self.reader.poll(wait)? {
                Some(ReaderEvent::Record(record)) => {
                    let Some(task) = self.task_of(record.topic(), record.partition()) else { continue };
                    let Some(key) = record.key() else { continue };
                    let change =
                        Change { key: key.to_vec(), value: record.value().map(<[u8]>::to_vec), timestamp_ms: record.timestamp_ms() };
                    if let Some(replica) = self.shared.standbys.lock().get_mut(&task) {
                        replica.take(record.topic(), record.offset(), change);
                    }
                }
                Some(ReaderEvent::End(_)) => {}
                None => break,
            }
            wait = Duration::ZERO;
        }
        Ok(())
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

    #[test]
    fn a_replica_is_the_newest_of_each_key() {
        let mut replica = Replica { logs: [("log".into(), Log::default())].into() };
        let change = |key: u8, value: Option<u8>| Change { key: vec![key], value: value.map(|it| vec![it]), timestamp_ms: None };
        for (offset, change) in [(0, change(1, Some(1))), (1, change(2, Some(1))), (4, change(1, None)), (3, change(9, Some(9)))] {
            replica.take("log", offset, change);
        }
        let (changes, next) = replica.into_changes();
        assert_eq!(changes, [("log".into(), change(2, Some(1)))]);
        assert_eq!(next, Next::from([("log".into(), 5)]));
    }
}
