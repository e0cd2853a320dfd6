//! A pipeline's topics on the cluster: made when missing, and how far they are written.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use weir_model::Problem;

use crate::client::{Admin, ClientError, Connection, OffsetSpec, Reader, ReaderEvent};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a new topic may take to get its leaders, and the group of a killed run to notice that its members are gone.
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a look for one more record may take.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// A demonstration keeps an hour, and no more than fits a laptop.
const DELETE: [(&str, &str); 3] = [("retention.ms", "3600000"), ("retention.bytes", "536870912"), ("segment.bytes", "67108864")];
const BY_SIZE: [(&str, &str); 3] = [("retention.ms", "-1"), ("retention.bytes", "536870912"), ("segment.bytes", "67108864")];
const COMPACT: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.bytes", "16777216")];

/// A topic of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: &'static str,
    /// Its partitions, where it is made.
    pub partitions: i32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// They go after an hour, or when there are too many. A run counts what is written from its start on.
    Delete,
    /// They go when there are too many, whatever their age: for event time that is far from the clock's.
    BySize,
    /// The newest of each key stays, also for the runs to come: tables.
    Compact,
}

/// End offsets by topic and partition.
pub(super) type Ends = BTreeMap<String, Vec<i64>>;

/// What a run needs to know of its topics.
pub(super) struct Topics {
    connection: Connection,
    admin: Admin,
    title: String,
}

impl Topics {
    pub(super) fn new(connection: &Connection, title: &str) -> Result<Self, Problem> {
        let admin = Admin::new(connection, ANSWER_MAX).map_err(|error| error.problem(format!("{title} can't reach the cluster")))?;
        Ok(Self { connection: connection.clone(), admin, title: title.to_owned() })
    }

    /// Creates what is missing. Topics that are there are used as they are.
    pub(super) fn create_missing(&self, specs: &[TopicSpec]) -> Result<(), Problem> {
        let known = self.known()?;
        for spec in specs.iter().filter(|spec| !known.contains_key(spec.name)) {
            let configs = match spec.cleanup {
                Cleanup::Delete => &DELETE[..],
                Cleanup::BySize => &BY_SIZE[..],
                Cleanup::Compact => &COMPACT[..],
            };
            match block_on(self.admin.create_event_time_topic(spec.name, spec.partitions, configs)) {
                Err(error) if !error.is_topic_exists() => return Err(error.problem(format!("Topic {} could not be created", spec.name))),
                _ => {}
            }
        }
        Ok(())
    }

    /// Waits until a group has no members: those of a run that was killed are noticed after their session timeout.
    pub(super) fn wait_for_group(&self, group: &str, is_stopping: &dyn Fn() -> bool) -> Result<(), Problem> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            let described = self.admin.describe_groups(&[group.to_owned()]).unwrap_or_default();
            let members = described.iter().filter_map(|(_, group)| group.as_ref().ok()).map(|group| group.members.len()).sum::<usize>();
            if members == 0 || is_stopping() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Problem::new(
                    format!("{} runs elsewhere on this cluster", self.title),
                    format!("the group {group} has {members} members"),
                    "Stop the other run first, or take part in it with --join",
                ));
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// End offsets of those of these topics that exist. A topic that was just created has no leaders for a moment.
    pub(super) fn ends(&self, topics: &[String]) -> Result<Ends, Problem> {
        let deadline = Instant::now() + SETTLE_MAX;
        loop {
            match self.try_ends(topics) {
                Err(_) if Instant::now() < deadline => std::thread::sleep(LOOK_INTERVAL),
                ends => return ends,
            }
        }
    }

    /// A group's committed offsets.
    pub(super) fn committed(&self, group: &str) -> Result<BTreeMap<(String, i32), i64>, Problem> {
        let failed = |error: ClientError| error.problem(format!("What {group} has committed is not known"));
        let mut committed = BTreeMap::new();
        for answer in self.admin.list_group_offsets(&[group.to_owned()]).map_err(failed)? {
            for at in answer.map_err(failed)? {
                if let Some(offset) = at.offset.map_err(failed)? {
                    committed.insert((at.topic, at.partition), offset);
                }
            }
        }
        Ok(committed)
    }

    /// Whether a partition holds a committed record at this offset or later, from its first one on where nothing was committed. The log's end
    /// alone does not tell: markers of transactions and what was aborted have offsets too.
    pub(super) fn has_record_from(&self, topic: &str, partition: i32, next: Option<i64>) -> Result<bool, Problem> {
        let failed = |error: ClientError| error.problem(format!("{topic} can't be read"));
        let reader = Reader::new(&self.connection, topic, false).map_err(failed)?;
        let offset = match next {
            Some(next) => next,
            None => {
                let listed = self.admin.list_offsets(&[(topic.to_owned(), partition)], OffsetSpec::Earliest).map_err(failed)?;
                listed.into_iter().next().map_or(Ok(None), |listed| listed.offset).map_err(failed)?.unwrap_or(0)
            }
        };
        reader.assign([(partition, offset)]).map_err(failed)?;
        match reader.poll(LOOK_MAX) {
            Ok(Some(ReaderEvent::End(_))) => Ok(false),
            Ok(Some(ReaderEvent::Record(_)) | None) => Ok(true),
            // Purged since its place was looked up: somebody processed it, and goes on.
            Err(error) if error.is_offset_out_of_range() => Ok(true),
            Err(error) => Err(failed(error)),
        }
    }

    /// Each partition of a topic with its first and its end offset; none for a topic that is not there.
    pub(super) fn spans(&self, topic: &str) -> Result<Vec<(i32, i64, i64)>, Problem> {
        let failed = |error: ClientError| error.problem(format!("The offsets of {topic} are not known"));
        let at: Vec<_> =
            self.known()?.remove(topic).unwrap_or_default().into_iter().map(|partition| (topic.to_owned(), partition)).collect();
        let mut spans = BTreeMap::<i32, (i64, i64)>::new();
        for listed in self.admin.list_offsets(&at, OffsetSpec::Earliest).map_err(failed)? {
            spans.entry(listed.partition).or_default().0 = listed.offset.map_err(failed)?.unwrap_or(0);
        }
        for listed in self.admin.list_offsets(&at, OffsetSpec::Latest).map_err(failed)? {
            spans.entry(listed.partition).or_default().1 = listed.offset.map_err(failed)?.unwrap_or(0);
        }
        Ok(spans.into_iter().map(|(partition, (first, end))| (partition, first, end)).collect())
    }

    fn known(&self) -> Result<BTreeMap<String, Vec<i32>>, Problem> {
        let unreachable = |error: ClientError| error.problem(format!("{} can't reach the cluster", self.title));
        let topics = self.admin.metadata(None).map_err(unreachable)?.topics.into_iter();
        let partitions = |partitions: Vec<crate::client::PartitionMetadata>| partitions.iter().map(|partition| partition.id).collect();
        Ok(topics.filter_map(|topic| Some((topic.name, partitions(topic.partitions.ok()?)))).collect())
    }

    fn try_ends(&self, topics: &[String]) -> Result<Ends, Problem> {
        let failed = |error: ClientError| error.problem(format!("The ends of the topics of {} are not known", self.title));
        let known = self.known()?;
        let wanted = topics.iter().filter_map(|topic| known.get(topic).map(|partitions| (topic, partitions)));
        let at: Vec<_> = wanted.flat_map(|(topic, all)| all.iter().map(move |partition| (topic.clone(), *partition))).collect();
        let mut by_partition = BTreeMap::<String, BTreeMap<i32, i64>>::new();
        for listed in self.admin.list_offsets(&at, OffsetSpec::Latest).map_err(failed)? {
            by_partition.entry(listed.topic).or_default().insert(listed.partition, listed.offset.map_err(failed)?.unwrap_or(0));
        }
        Ok(by_partition.into_iter().map(|(topic, ends)| (topic, ends.into_values().collect())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        LocalBroker,
        client::{OutgoingRecord, Producer},
    };

    #[test]
    fn what_was_purged_meanwhile_is_no_failure() {
        const TOPIC: &str = "app-step-repartition";
        let folder = tempfile::tempdir().unwrap();
        let broker = LocalBroker::start(([127, 0, 0, 1], 0).into(), Some(folder.path().to_owned())).unwrap();
        let connection = Connection::new(broker.bootstrap(), []);
        let topics = Topics::new(&connection, "The test").unwrap();
        topics.create_missing(&[TopicSpec { name: TOPIC, partitions: 1, cleanup: Cleanup::Delete }]).unwrap();
        let producer = Producer::new(&connection).unwrap();
        for _ in 0..10 {
            producer.send(OutgoingRecord { topic: TOPIC, value: Some(b"1"), ..OutgoingRecord::default() }).unwrap().unwrap();
        }
        producer.flush(LOOK_MAX).unwrap();
        let check = |purged: i64, next: Option<i64>, expect: bool| {
            block_on(topics.admin.delete_records(&[(TOPIC.to_owned(), 0, purged)])).unwrap();
            assert_eq!(topics.has_record_from(TOPIC, 0, next).unwrap(), expect, "{next:?} after a purge of what was before {purged}");
        };
        check(0, None, true);
        check(0, Some(9), true);
        check(0, Some(10), false);
        check(5, Some(2), true);
        check(5, Some(5), true);
        check(10, Some(7), true);
        check(10, None, false);
    }
}
