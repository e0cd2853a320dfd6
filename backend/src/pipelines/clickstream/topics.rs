//! The pipeline's topics on the cluster: made when missing, and how far they are written.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_model::Problem;

use crate::{
    client::{Admin, ClientError, Connection, OffsetSpec},
    pipelines::clickstream::settings::{EVENTS, GROUP, PARTITIONS, RESULTS, TOPICS},
};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a new topic may take to get its leaders, and the group of a killed run to notice that its members are gone.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// A demonstration keeps an hour, and no more than fits a laptop: 1 GiB per partition of events, 256 MiB of results.
const EVENT_CONFIGS: [(&str, &str); 3] = [("retention.ms", "3600000"), ("retention.bytes", "1073741824"), ("segment.bytes", "67108864")];
const RESULT_CONFIGS: [(&str, &str); 3] = [("retention.ms", "3600000"), ("retention.bytes", "268435456"), ("segment.bytes", "67108864")];
/// The cluster's own default replication factor (KIP-464).
const DEFAULT_REPLICATION: i32 = -1;

/// What a run needs to know of its topics.
pub(super) struct Topics {
    admin: Admin,
}

/// End offsets of a topic's partitions, by partition.
pub(super) type Ends = Arc<[i64]>;

/// End offsets of every result topic.
pub(super) type ResultEnds = Vec<(&'static str, Ends)>;

impl Topics {
    pub(super) fn new(connection: &Connection) -> Result<Self, Problem> {
        Admin::new(connection, ANSWER_MAX).map(|admin| Self { admin }).map_err(|error| error.problem("Clickstream can't reach the cluster"))
    }

    /// Creates what is missing. Topics that are there are used as they are.
    pub(super) fn create_missing(&self) -> Result<(), Problem> {
        let failed = |topic: &str, error: ClientError| error.problem(format!("Topic {topic} could not be created"));
        let metadata = self.admin.metadata(None).map_err(|error| error.problem("Clickstream can't reach the cluster"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| Problem::new("Topics could not be created", error.to_string(), "Start the pipeline again"))?;
        for topic in TOPICS {
            if metadata.topics.iter().any(|known| known.name == topic && known.partitions.is_ok()) {
                continue;
            }
            let configs = if topic == EVENTS { EVENT_CONFIGS } else { RESULT_CONFIGS };
            match runtime.block_on(self.admin.create_topic(topic, PARTITIONS, DEFAULT_REPLICATION, &configs)) {
                Err(error) if !error.is_topic_exists() => return Err(failed(topic, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until the group has no members: those of a run that was killed are noticed after their session timeout.
    pub(super) fn wait_for_group(&self, is_stopping: &dyn Fn() -> bool) -> Result<(), Problem> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let described = self.admin.describe_groups(&[GROUP.to_owned()]).unwrap_or_default();
            let members = described.iter().filter_map(|(_, group)| group.as_ref().ok()).map(|group| group.members.len()).sum::<usize>();
            if members == 0 || is_stopping() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Problem::new(
                    "Clickstream runs elsewhere on this cluster",
                    format!("the group {GROUP} has {members} members"),
                    "Stop the other run first; two would take each other's partitions",
                ));
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// End offsets by partition.
    pub(super) fn ends(&self, topic: &str) -> Result<Ends, Problem> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            match self.try_ends(topic) {
                Ok(ends) => return Ok(ends),
                // A topic that was just created has no leaders for a moment.
                Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK_INTERVAL),
                Err(problem) => return Err(problem),
            }
        }
    }

    /// End offsets of every result topic, in the order of [`RESULTS`].
    pub(super) fn result_ends(&self) -> Result<ResultEnds, Problem> {
        RESULTS.iter().map(|topic| Ok((*topic, self.ends(topic)?))).collect()
    }

    fn try_ends(&self, topic: &str) -> Result<Ends, Problem> {
        let failed = |error: ClientError| error.problem(format!("The end of topic {topic} is not known"));
        let metadata = self.admin.metadata(Some(topic)).map_err(failed)?;
        let mut partitions = Vec::new();
        for known in metadata.topics.into_iter().filter(|known| known.name == topic) {
            partitions = known.partitions.map_err(failed)?.iter().map(|partition| (topic.to_owned(), partition.id)).collect();
        }
        partitions.sort();
        let mut listed = self.admin.list_offsets(&partitions, OffsetSpec::Latest).map_err(failed)?;
        listed.sort_by_key(|listed| listed.partition);
        let ends = listed.into_iter().map(|listed| listed.offset.map(|offset| offset.unwrap_or(0))).collect::<Result<Vec<_>, _>>();
        let ends = ends.map_err(failed)?;
        if ends.is_empty() || ends.len() != partitions.len() {
            let why = format!("{} of {} partitions answered", ends.len(), partitions.len());
            return Err(Problem::new(
                format!("The end of topic {topic} is not known"),
                why,
                "Look whether all brokers are up, then try again",
            ));
        }
        Ok(ends.into())
    }
}
