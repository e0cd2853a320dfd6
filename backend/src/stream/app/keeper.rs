//! What an application does beside its stream threads: it follows changelogs for standby replicas and purges repartition topics.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::executor::block_on;

use super::{AppConfig, cluster::Kafka, plan::Plan, shared::Shared, standby::Follower};
use crate::client::{Admin, ClientError};

/// How often the group is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the thread rests with nothing to do.
const REST: Duration = Duration::from_millis(50);
/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Whether there is anything to do.
pub(super) fn is_needed(config: &AppConfig) -> bool {
    config.standby_replicas > 0 || !config.topology.description().repartition_topics.is_empty()
}

/// Works until the application stops. What fails is tried again: nothing here is needed for a right result.
pub(super) fn keep(config: &AppConfig, plan: &Plan, shared: &Shared) {
    while !shared.is_stopping() {
        if let Err(error) = work(config, plan, shared) {
            tracing::debug!("{}: {error}; standby replicas and purging begin anew", shared.app);
            // A changelog that was cut off before a replica's place has to be read from its beginning.
            shared.standbys.clear();
            std::thread::sleep(REST);
        }
    }
}

fn work(config: &AppConfig, plan: &Plan, shared: &Shared) -> Result<(), ClientError> {
    let kafka = Kafka::answering_within(&config.connection, ANSWER_MAX)?;
    let mut follower = (config.standby_replicas > 0).then(|| Follower::new(config, plan, shared, &kafka)).transpose()?;
    let (mut looked, mut purged) = (None::<Instant>, Instant::now());
    while !shared.is_stopping() {
        match &mut follower {
            Some(follower) => {
                if looked.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL) {
                    looked = Some(Instant::now());
                    follower.look()?;
                }
                follower.follow()?;
            }
            None => std::thread::sleep(REST),
        }
        if purged.elapsed() >= config.purge_interval {
            purged = Instant::now();
            purge(kafka.admin(), config, shared)?;
        }
    }
    Ok(())
}

/// Deletes what was processed from the repartition topics, as they keep everything until then (`repartition.purge.interval.ms`).
fn purge(admin: &Admin, config: &AppConfig, shared: &Shared) -> Result<(), ClientError> {
    let repartitions = &config.topology.description().repartition_topics;
    let is_wanted = |topic: &Arc<str>| repartitions.contains(topic);
    let snapshot = shared.snapshot();
    let tasks = snapshot.tasks().flat_map(|task| task.committed.iter().map(|(topic, next)| (topic, task.id.partition, *next)));
    let before: Vec<_> =
        tasks.filter(|(topic, _, next)| is_wanted(topic) && *next > 0).map(|(topic, at, next)| (topic.to_string(), at, next)).collect();
    if before.is_empty() { Ok(()) } else { block_on(admin.delete_records(&before)) }
}
