//! Consumer groups and their lag.

use std::sync::Arc;

use crate::{BrokerId, GroupId, MemberId, Offset, PartitionId, Problem, TopicName, TopicPartition};

/// All groups at one moment, sorted by id.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct GroupsSnapshot {
    /// By id.
    pub groups: Vec<Group>,
    /// Groups or parts that could not be read.
    pub partial: Vec<Problem>,
}

impl GroupsSnapshot {
    /// The group of that id.
    pub fn group(&self, id: &GroupId) -> Option<&Group> {
        self.groups.binary_search_by(|group| group.id.cmp(id)).ok().and_then(|at| self.groups.get(at))
    }
}

/// One consumer group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its `group.id`.
    pub id: GroupId,
    /// What its coordinator says of it.
    pub state: GroupState,
    /// Which protocol it speaks.
    pub kind: GroupKind,
    /// The assignor in use, such as `range`; empty when there is none.
    pub assignor: Arc<str>,
    /// The broker that coordinates it.
    pub coordinator: Option<BrokerId>,
    /// By member id.
    pub members: Vec<Member>,
    /// Every partition that is committed or assigned, by topic and number.
    pub partitions: Vec<GroupPartition>,
}

impl Group {
    /// Lag of all partitions that have a commit; `None` when no partition has a known lag.
    pub fn lag_records(&self) -> Option<u64> {
        self.partitions.iter().filter_map(|partition| partition.lag_records).reduce(|a, b| a.saturating_add(b))
    }

    /// The most urgent verdict among its partitions.
    pub fn verdict(&self) -> Option<&LagVerdict> {
        self.partitions.iter().map(|partition| &partition.verdict).max_by_key(|lag| lag.verdict)
    }
}

/// A group's state, as its coordinator reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// Members have their assignment.
    Stable,
    /// Waiting for members to join.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// KIP-848: the coordinator computes an assignment.
    Assigning,
    /// KIP-848: members move to their new assignment.
    Reconciling,
    /// Offsets, no members.
    Empty,
    /// Gone.
    Dead,
    /// A state this program does not know, spelled as received.
    Other(Arc<str>),
}

impl GroupState {
    /// Kafka's own word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stable => "Stable",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Empty => "Empty",
            Self::Dead => "Dead",
            Self::Other(word) => word,
        }
    }
}

/// Which group protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// JoinGroup and SyncGroup.
    Classic,
    /// KIP-848.
    Consumer,
    /// Not told.
    Unknown,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The id its coordinator gave it.
    pub id: MemberId,
    /// `client.id`.
    pub client_id: Arc<str>,
    /// The address it connects from.
    pub host: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub group_instance_id: Option<Arc<str>>,
    /// What it reads now, sorted.
    pub assignment: Vec<TopicPartition>,
}

/// How far a group is on one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: PartitionId,
    /// The offset the group will read next; `None` when it never committed.
    pub committed_offset: Option<Offset>,
    /// The oldest offset still there.
    pub log_start_offset: Option<Offset>,
    /// The high watermark.
    pub end_offset: Option<Offset>,
    /// `end_offset` − `committed_offset`; `None` without a commit.
    pub lag_records: Option<u64>,
    /// Records per second the group commits, over the recent history.
    pub consumed_per_s: Option<f64>,
    /// Records per second that arrive, over the recent history.
    pub produced_per_s: Option<f64>,
    /// Who reads it.
    pub member_id: Option<MemberId>,
    /// What to think of it.
    pub verdict: LagVerdict,
}

/// A judgement about lag, with the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LagVerdict {
    /// The judgement.
    pub verdict: Verdict,
    /// The rule that fired and the figures it saw, in one sentence.
    pub evidence: Arc<str>,
}

/// Judgements in order of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Lag is zero.
    CaughtUp,
    /// Behind, and catching up or holding.
    Keeping,
    /// Not enough known to judge.
    Unknown,
    /// Assigned or subscribed, never committed.
    NoCommit,
    /// Behind, and falling further behind.
    FallingBehind,
    /// Behind, and the committed offset does not move.
    Stalled,
    /// The committed offset is older than the log start: records were lost to this group.
    DataLost,
}

impl Verdict {
    /// A short label.
    pub fn label(self) -> &'static str {
        match self {
            Self::CaughtUp => "Caught up",
            Self::Keeping => "Keeping up",
            Self::Unknown => "Unknown",
            Self::NoCommit => "No commit",
            Self::FallingBehind => "Falling behind",
            Self::Stalled => "Stalled",
            Self::DataLost => "Data lost",
        }
    }
}
