//! One KIP-848 consumer group: the coordinator shares out the partitions, the members only say what they read and what they hold.
//!
//! All of it is durable. Three numbers tell where a rebalance stands: the group's epoch (who reads what has changed), the epoch of the
//! target assignment (who should hold what), and each member's epoch (what it holds now). A member gives up what it must before it moves to
//! the target's epoch, and gets nothing that another still holds.
//!
//! In reading order: `turn` (one command's work), `heartbeat`, `subscribe` (topics and regular expressions), `assign` (who should hold what),
//! `reconcile` (one member's way there), `leave` (leave and time), `view`, and for members that still speak the classic protocol
//! `classic` (their requests) and `migrate` (from one kind of group to the other).

mod assign;
mod classic;
mod heartbeat;
mod leave;
mod live;
mod migrate;
mod reconcile;
mod subscribe;
mod turn;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::command::Protocol;
use super::ids::{InstanceId, MemberId, TopicName};
use super::image::TopicInfo;
use super::records::ConsumerRecord;
use crate::codec::ResponseError;

pub(crate) use assign::ASSIGNORS;
pub(crate) use heartbeat::{Heartbeat, Heartbeated};
pub(super) use live::{Change, Live};
pub(super) use turn::Turn;
pub(crate) use view::{ConsumerGroupView, ConsumerMemberView};

/// Partitions by topic id. Holds no empty sets.
pub(crate) type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// The epoch of a member that joins.
pub(crate) const JOIN_EPOCH: i32 = 0;
/// The epoch of a member that leaves for good.
pub(crate) const LEAVE_EPOCH: i32 = -1;
/// The epoch of a static member that goes and means to come back.
pub(crate) const STATIC_LEAVE_EPOCH: i32 = -2;

/// A group as its records say it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsumerGroup {
    pub(crate) epoch: i32,
    /// The topics read, as they were when the epoch was set.
    pub(crate) topics: BTreeMap<TopicName, TopicInfo>,
    pub(crate) regexes: BTreeMap<String, ResolvedRegex>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) target_epoch: i32,
    pub(crate) targets: BTreeMap<MemberId, Assignment>,
    /// Who holds what, also if it is about to give it up. Follows from the members.
    owners: HashMap<(Uuid, i32), MemberId>,
    /// What all of it weighs, by the limits. Follows from the rest.
    bytes: usize,
}

/// A member as its records say it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) subscription: Subscription,
    pub(crate) current: Current,
}

/// What a member reads, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) instance_id: Option<InstanceId>,
    /// Kept and shown. Assignments ignore it: all partitions are on this one broker.
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) topics: BTreeSet<TopicName>,
    pub(crate) regex: Option<String>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) assignor: Option<String>,
    /// It speaks the classic protocol.
    pub(crate) classic: Option<ClassicMember>,
}

/// What a member that speaks the classic protocol said when it joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassicMember {
    pub(crate) session_timeout_ms: i32,
    pub(crate) protocols: Vec<Protocol>,
}

/// What a member holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) epoch: i32,
    /// Accepted as well: the answer that told the new epoch may have been lost.
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) assigned: Assignment,
    /// Must be given up before anything else happens to the member.
    pub(crate) revoking: Assignment,
}

/// Where a member stands on its way to its target. The numbers are those of Kafka's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It holds what its epoch says.
    #[default]
    Stable = 0,
    /// It must give up partitions first.
    UnrevokedPartitions = 1,
    /// It waits for partitions that others still hold.
    UnreleasedPartitions = 2,
    /// A later version's state: the member must start over.
    Unknown = 127,
}

impl MemberState {
    pub(crate) fn from_code(code: i8) -> Self {
        match code {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// The topics a regular expression matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvedRegex {
    pub(crate) topics: BTreeSet<TopicName>,
    /// The version of the topics' image it was matched against. Means nothing after a restart.
    pub(crate) version: i64,
    pub(crate) timestamp_ms: i64,
}

impl ConsumerGroup {
    /// A record has become durable. The only thing that changes a group. `false`: with this the group is gone.
    pub(crate) fn apply(&mut self, record: &ConsumerRecord) -> bool {
        match record {
            ConsumerRecord::Epoch(None) => return false,
            ConsumerRecord::Epoch(Some(epoch)) => self.epoch = *epoch,
            ConsumerRecord::Topics(topics) => self.topics = topics.clone().unwrap_or_default(),
            ConsumerRecord::TargetEpoch(epoch) => self.target_epoch = epoch.unwrap_or(0),
            ConsumerRecord::Target(member_id, None) => {
                let old = self.targets.remove(member_id);
                self.bytes -= old.as_ref().map_or(0, assignment_bytes);
            }
            ConsumerRecord::Target(member_id, Some(target)) => {
                self.bytes += assignment_bytes(target);
                let old = self.targets.insert(member_id.clone(), target.clone());
                self.bytes -= old.as_ref().map_or(0, assignment_bytes);
            }
            ConsumerRecord::Regex(regex, None) => _ = self.regexes.remove(regex),
            ConsumerRecord::Regex(regex, Some(resolved)) => _ = self.regexes.insert(regex.clone(), resolved.clone()),
            ConsumerRecord::Subscription(member_id, None) => {
                if let Some(old) = self.members.remove(member_id) {
                    self.bytes -= old.bytes();
                    self.release(member_id, &old.current);
                }
            }
            ConsumerRecord::Subscription(member_id, Some(subscription)) => {
                self.change_member(member_id, |member| member.subscription = subscription.clone());
            }
            ConsumerRecord::Current(member_id, None) => {
                if self.members.contains_key(member_id) {
                    self.set_current(member_id, Current::default());
                }
            }
            ConsumerRecord::Current(member_id, Some(current)) => self.set_current(member_id, current.clone()),
        }
        true
    }

    fn set_current(&mut self, member_id: &MemberId, current: Current) {
        let old = self.members.get(member_id).map(|member| member.current.clone()).unwrap_or_default();
        self.release(member_id, &old);
        for key in held(&current) {
            self.owners.insert(key, member_id.clone());
        }
        self.change_member(member_id, |member| member.current = current);
    }

    fn change_member(&mut self, member_id: &MemberId, change: impl FnOnce(&mut Member)) {
        let is_new = !self.members.contains_key(member_id);
        let member = self.members.entry(member_id.clone()).or_default();
        let before = if is_new { 0 } else { member.bytes() };
        change(member);
        self.bytes += member.bytes();
        self.bytes -= before;
    }

    fn release(&mut self, member_id: &MemberId, old: &Current) {
        for key in held(old) {
            // It may be someone else's by now, when records are replayed that a compaction has left out of order.
            if self.owners.get(&key) == Some(member_id) {
                self.owners.remove(&key);
            }
        }
    }

    /// The records that end the group; the last one ends it, whatever a compaction leaves of the others.
    pub(crate) fn tombstones(&self) -> Vec<ConsumerRecord> {
        let currents = self.members.keys().map(|id| ConsumerRecord::Current(id.clone(), None));
        let targets = self.targets.keys().map(|id| ConsumerRecord::Target(id.clone(), None));
        let subscriptions = self.members.keys().map(|id| ConsumerRecord::Subscription(id.clone(), None));
        let regexes = self.regexes.keys().map(|regex| ConsumerRecord::Regex(regex.clone(), None));
        let group = [ConsumerRecord::TargetEpoch(None), ConsumerRecord::Topics(None), ConsumerRecord::Epoch(None)];
        currents.chain(targets).chain(subscriptions).chain(regexes).chain(group).collect()
    }

    /// Kafka's name of where it stands, as ListGroups and ConsumerGroupDescribe spell it.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.current.is_reconciled_to(self.target_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// What the group weighs, by the limits.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The weight, reckoned anew.
    #[cfg(test)]
    pub(crate) fn counted_bytes(&self) -> usize {
        self.members.values().map(Member::bytes).sum::<usize>() + self.targets.values().map(assignment_bytes).sum::<usize>()
    }

    /// Who holds this partition.
    pub(crate) fn owner(&self, topic_id: Uuid, partition: i32) -> Option<&MemberId> {
        self.owners.get(&(topic_id, partition))
    }

    pub(crate) fn static_member(&self, instance_id: &InstanceId) -> Option<&MemberId> {
        let found = self.members.iter().find(|(_, member)| member.subscription.instance_id.as_ref() == Some(instance_id));
        found.map(|(member_id, _)| member_id)
    }

    /// Someone reads this topic.
    pub(crate) fn is_subscribed(&self, topic: &TopicName) -> bool {
        let by_regex = |member: &Member| {
            member.subscription.regex.as_ref().and_then(|regex| self.regexes.get(regex)).is_some_and(|found| found.topics.contains(topic))
        };
        self.members.values().any(|member| member.subscription.topics.contains(topic) || by_regex(member))
    }

    /// May this member store offsets, or read those of its group, in the epoch it says it is in?
    pub(crate) fn check_epoch(&self, member_id: &MemberId, epoch: i32) -> Result<(), ResponseError> {
        let member = self.members.get(member_id).ok_or(ResponseError::UnknownMemberId)?;
        if epoch == member.current.epoch {
            return Ok(());
        }
        Err(if member.subscription.classic.is_some() { ResponseError::IllegalGeneration } else { ResponseError::StaleMemberEpoch })
    }
}

impl Member {
    fn bytes(&self) -> usize {
        let subscription = &self.subscription;
        let topics: usize = subscription.topics.iter().map(|topic| size_of::<TopicName>() + topic.as_str().len()).sum();
        let classic = subscription.classic.as_ref().map_or(0, |classic| super::group::protocol_bytes(&classic.protocols));
        let texts = subscription.client_id.len() + subscription.client_host.len() + subscription.regex.as_ref().map_or(0, String::len);
        size_of::<Self>() + topics + classic + texts + assignment_bytes(&self.current.assigned) + assignment_bytes(&self.current.revoking)
    }
}

impl Current {
    /// It holds just what the target of this epoch gives it.
    pub(crate) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }
}

/// Everything a member still holds.
fn held(current: &Current) -> impl Iterator<Item = (Uuid, i32)> {
    each_partition(&current.assigned).chain(each_partition(&current.revoking))
}

pub(crate) fn each_partition(assignment: &Assignment) -> impl Iterator<Item = (Uuid, i32)> {
    assignment.iter().flat_map(|(topic_id, partitions)| partitions.iter().map(move |partition| (*topic_id, *partition)))
}

fn assignment_bytes(assignment: &Assignment) -> usize {
    assignment.values().map(|partitions| size_of::<Uuid>() + partitions.len() * size_of::<(Uuid, i32)>()).sum()
}
