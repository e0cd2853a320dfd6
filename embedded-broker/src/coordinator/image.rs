//! The topics as the coordinator sees them: a parameter of its decisions, so that they stay pure functions.

use uuid::Uuid;

use super::ids::TopicName;
use crate::topics::Topics;

/// What a group must know of a topic to share it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicInfo {
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
}

/// The topics there are.
pub(crate) trait TopicsImage {
    /// Another number means that a topic came, went or grew.
    fn version(&self) -> u64;
    fn topic(&self, name: &str) -> Option<TopicInfo>;
    /// The names a regular expression may match: all but the broker's own topics.
    fn public_names(&self) -> Vec<TopicName>;

    fn has_partition(&self, topic: &str, partition: i32) -> bool {
        self.topic(topic).is_some_and(|topic| (0..topic.partitions).contains(&partition))
    }
}

impl TopicsImage for Topics {
    fn version(&self) -> u64 {
        self.version()
    }

    fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.get(name).map(|topic| TopicInfo { id: topic.id, partitions: topic.partition_count() })
    }

    fn public_names(&self) -> Vec<TopicName> {
        self.all().iter().filter(|topic| !topic.is_internal()).map(|topic| TopicName::from(topic.name.as_ref())).collect()
    }
}

/// Both times a decision needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since 1970, for what is written down.
    pub(crate) wall_ms: i64,
    /// Since some moment in the past, for deadlines: setting the machine's clock must not end anyone's session.
    pub(crate) monotonic_ms: i64,
}

impl Now {
    /// The deadline of something that begins now.
    pub(crate) fn deadline_ms(self, timeout_ms: i64) -> i64 {
        self.monotonic_ms.saturating_add(timeout_ms)
    }
}
