//! An application's tasks and topics on a cluster: how many partitions each part has, and internal topics made when missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use weir_model::Problem;

use super::TaskId;
use crate::{
    client::{Admin, Assignment, Assignor, ClientError, Connection},
    stream::Topology,
};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a new topic may take to get its leaders.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Records of a repartition topic stay until they are deleted; Kafka Streams names these settings.
const REPARTITION_CONFIGS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("segment.bytes", "52428800")];
/// Expired entries of windowed stores get tombstones, so compaction alone bounds every changelog.
const CHANGELOG_CONFIGS: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.bytes", "52428800")];

/// What runs where.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Topics that members subscribe to.
    pub(super) topics: Vec<Arc<str>>,
    /// Which part of the topology reads a topic.
    part_of: BTreeMap<Arc<str>, usize>,
    /// Partitions of each topic.
    partitions: BTreeMap<Arc<str>, i32>,
    pub(super) assignor: Assignor,
    /// All tasks there are.
    pub(super) tasks: BTreeSet<TaskId>,
    /// The cluster's id; empty where it does not tell.
    pub(super) cluster_id: Arc<str>,
}

impl Plan {
    /// The task that reads a partition.
    pub(super) fn task_of(&self, at: &Assignment) -> Option<TaskId> {
        self.task_at(&at.topic, at.partition)
    }

    /// The same.
    pub(super) fn task_at(&self, topic: &str, partition: i32) -> Option<TaskId> {
        self.part_of.get(topic).map(|part| TaskId { subtopology: *part, partition })
    }

    /// How many partitions a topic has.
    pub(super) fn partitions_of(&self, topic: &str) -> i32 {
        self.partitions.get(topic).copied().unwrap_or(0)
    }
}

/// Looks at the cluster, makes the internal topics, and waits until all can be used.
pub(super) fn prepare(connection: &Connection, topology: &Topology) -> Result<Plan, Problem> {
    let unreachable = |error: ClientError| error.problem(format!("{} can't reach the cluster", topology.app()));
    let admin = Admin::new(connection, ANSWER_MAX).map_err(unreachable)?;
    let mut partitions = partitions(&admin).map_err(unreachable)?;
    let mut plan = plan(topology, &mut partitions)?;
    plan.cluster_id = admin.describe_cluster().map_err(unreachable)?.0.unwrap_or_default().into();
    let description = topology.description();
    let repartitions = description.repartition_topics.iter().map(|topic| (topic, &REPARTITION_CONFIGS[..]));
    let changelogs = description.subtopologies.iter().flat_map(|part| {
        let own = part.changelogs.iter().filter(|(_, changelog)| !part.source_topics.contains(changelog));
        own.map(|(_, changelog)| (changelog, &CHANGELOG_CONFIGS[..]))
    });
    let existing = self::partitions(&admin).map_err(unreachable)?;
    for (topic, configs) in repartitions.chain(changelogs) {
        let wanted = plan.partitions_of(topic);
        match existing.get(topic).copied() {
            Some(found) if found == wanted => continue,
            Some(found) => {
                let why = format!("{topic} has {found} partitions, and {wanted} are needed");
                let what_to_do = format!("Delete {topic}; its state is made again from the input");
                return Err(Problem::new(format!("{} can't start", topology.app()), why, what_to_do));
            }
            None => {}
        }
        match block_on(admin.create_event_time_topic(topic, wanted, configs)) {
            Err(error) if !error.is_topic_exists() => return Err(error.problem(format!("Topic {topic} could not be created"))),
            _ => {}
        }
    }
    wait_for_leaders(&admin, topology, &plan)?;
    Ok(plan)
}

fn partitions(admin: &Admin) -> Result<BTreeMap<Arc<str>, i32>, ClientError> {
    let known = admin.metadata(None)?.topics.into_iter();
    let count = |partitions: Vec<_>| i32::try_from(partitions.len()).unwrap_or(i32::MAX);
    Ok(known.filter_map(|topic| Some((topic.name.as_str().into(), count(topic.partitions.ok()?)))).collect())
}

/// The tasks and topics of a topology where these topics have so many partitions; adds the internal ones.
pub(super) fn plan(topology: &Topology, known: &mut BTreeMap<Arc<str>, i32>) -> Result<Plan, Problem> {
    let description = topology.description();
    let mistake =
        |why: String| Problem::new(format!("{} can't start", topology.app()), why, "Create the topics as the topology needs them");
    let outer = description.subtopologies.iter().flat_map(|part| &part.source_topics);
    let outer = outer.filter(|topic| !description.repartition_topics.contains(*topic));
    let mut widest = 1;
    for topic in outer.chain(&description.global_topics) {
        let count = known.get(topic).copied().filter(|count| *count > 0).ok_or_else(|| mistake(format!("there is no topic {topic}")))?;
        widest = widest.max(if description.global_topics.contains(topic) { 1 } else { count });
    }
    for topic in &description.repartition_topics {
        known.insert(Arc::clone(topic), widest);
    }
    let (mut part_of, mut tasks, mut is_joined) = (BTreeMap::new(), BTreeSet::new(), false);
    for (subtopology, part) in description.subtopologies.iter().enumerate() {
        let counts: BTreeSet<i32> = part.source_topics.iter().filter_map(|topic| known.get(topic).copied()).collect();
        if counts.len() > 1 {
            return Err(mistake(format!("{} are read together and need equally many partitions", part.source_topics.join(", "))));
        }
        is_joined |= part.source_topics.len() > 1;
        let count = counts.first().copied().unwrap_or(0);
        tasks.extend((0..count).map(|partition| TaskId { subtopology, partition }));
        part_of.extend(part.source_topics.iter().map(|topic| (Arc::clone(topic), subtopology)));
        for (_, changelog) in part.changelogs.iter().filter(|(_, changelog)| !part.source_topics.contains(changelog)) {
            known.insert(Arc::clone(changelog), count);
        }
    }
    // Joined partitions must come to one member, which only the range assignor promises.
    let assignor = if is_joined { Assignor::Range } else { Assignor::CooperativeSticky };
    Ok(Plan { topics: part_of.keys().cloned().collect(), part_of, partitions: known.clone(), assignor, tasks, cluster_id: "".into() })
}

fn wait_for_leaders(admin: &Admin, topology: &Topology, plan: &Plan) -> Result<(), Problem> {
    let deadline = Instant::now() + SETTLE_MAX;
    let description = topology.description();
    let changelogs = description.subtopologies.iter().flat_map(|part| part.changelogs.iter().map(|(_, changelog)| changelog));
    let needed: BTreeSet<_> = plan.topics.iter().chain(changelogs).collect();
    loop {
        let metadata = admin.metadata(None).map_err(|error| error.problem(format!("{} can't reach the cluster", topology.app())))?;
        let is_led = |name: &str| {
            let topic = metadata.topics.iter().find(|topic| topic.name == name);
            topic.and_then(|topic| topic.partitions.as_ref().ok()).is_some_and(|all| all.iter().all(|partition| partition.leader >= 0))
        };
        let Some(missing) = needed.iter().find(|topic| !is_led(topic)) else { return Ok(()) };
        if Instant::now() >= deadline {
            let why = format!("{missing} has no leader");
            return Err(Problem::new(format!("{} can't start", topology.app()), why, "Look whether all brokers are up"));
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}
