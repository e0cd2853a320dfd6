//! A pipeline as before its first start: what its runs left on the cluster is deleted, and nothing else.

use std::time::{Duration, Instant};

use futures::{executor::block_on, future::join_all};
use weir_model::{PipelineMeta, Problem, Update};

use crate::{
    client::{Admin, ClientError, Connection},
    updates::Updates,
};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How long deleted topics may take to be gone: a topic that is still going can't be created.
const GONE_MAX: Duration = Duration::from_secs(30);
/// How long the members of a run that has just ended may take to be gone from its groups.
const LEFT_MAX: Duration = Duration::from_secs(5);
/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Deletes the pipeline's topics and groups; says what was done. Doing it again deletes nothing more.
///
/// # Errors
/// When somebody takes part in its groups, or the cluster refuses.
pub(crate) fn reset(meta: &PipelineMeta, connection: &Connection, updates: &Updates) -> Result<String, Problem> {
    let failed = |error: ClientError| error.problem(format!("{} was not reset", meta.title));
    let admin = Admin::new(connection, ANSWER_MAX).map_err(failed)?;
    let groups = idle_groups(meta, &admin)?;
    let topics = topics(meta, &admin)?;
    // Offsets first: those of a topic that is gone would be another topic's under the same name.
    let outcomes = block_on(join_all(groups.iter().map(|group| admin.delete_group(group))));
    outcomes.into_iter().collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let outcomes = block_on(join_all(topics.iter().map(|topic| admin.delete_topic(topic))));
    let is_done = |outcome: &Result<(), ClientError>| !matches!(outcome, Err(error) if !error.is_unknown_topic());
    outcomes.into_iter().filter(|outcome| !is_done(outcome)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    wait_until_gone(meta, &admin)?;
    updates.publish(Update::PipelineReset { id: meta.id.clone(), topics: topics.len(), groups: groups.len() });
    Ok(format!("{} is as before its first start: {} topics and {} groups deleted", meta.title, topics.len(), groups.len()))
}

/// Its groups that there are; nobody may be in them.
fn idle_groups(meta: &PipelineMeta, admin: &Admin) -> Result<Vec<String>, Problem> {
    let failed = |error: ClientError| error.problem(format!("{} was not reset", meta.title));
    let (listed, errors) = admin.list_groups().map_err(failed)?;
    // What a broker that does not answer would have listed would be left behind.
    errors.into_iter().next().map_or(Ok(()), |error| Err(failed(error)))?;
    let is_own = |name: &String| meta.groups.iter().any(|group| group.as_str() == name);
    let own: Vec<_> = listed.into_iter().map(|group| group.group_id).filter(is_own).collect();
    let deadline = Instant::now() + LEFT_MAX;
    loop {
        let mut in_use = None;
        for (name, group) in admin.describe_groups(&own).map_err(failed)? {
            let members = group.map_err(failed)?.members.len();
            in_use = in_use.or((members > 0).then_some((name, members)));
        }
        let Some((name, members)) = in_use else { return Ok(own) };
        if Instant::now() > deadline {
            return Err(Problem::new(
                format!("{} was not reset", meta.title),
                format!("the group {name} has {members} members"),
                "Stop the run first, wherever it is",
            ));
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn topics(meta: &PipelineMeta, admin: &Admin) -> Result<Vec<String>, Problem> {
    let listed = admin.metadata(None).map_err(|error| error.problem(format!("{} was not reset", meta.title)))?;
    Ok(listed.topics.into_iter().map(|topic| topic.name).filter(|name| meta.owns_topic(name)).collect())
}

fn wait_until_gone(meta: &PipelineMeta, admin: &Admin) -> Result<(), Problem> {
    let deadline = Instant::now() + GONE_MAX;
    loop {
        let left = topics(meta, admin)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Problem::new(
                format!("{} is being reset", meta.title),
                format!("{} topics are not gone after {} s, such as {}", left.len(), GONE_MAX.as_secs(), left.join(", ")),
                "The cluster deletes them in its own time; start it once they are gone",
            ));
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}
