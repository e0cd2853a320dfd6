//! Who should hold what: the server-side assignors of KIP-848.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::ids::{InstanceId, MemberId};
use super::super::records::ConsumerRecord;
use super::Assignment;
use super::turn::Turn;

/// The names of the assignors (`group.consumer.assignors`). The first is for groups whose members have no wish.
pub(crate) const ASSIGNORS: &[&str] = &[UNIFORM, RANGE];
const UNIFORM: &str = "uniform";
const RANGE: &str = "range";

/// A member as an assignor sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Subscriber {
    member_id: MemberId,
    instance_id: Option<InstanceId>,
    topics: BTreeSet<Uuid>,
    /// What it was to hold until now.
    target: Assignment,
}

impl Turn<'_> {
    /// Shares the partitions out anew if the group has moved on since the last time.
    pub(super) fn retarget(&mut self) {
        if self.group.epoch <= self.group.target_epoch {
            return;
        }
        let topics: BTreeMap<Uuid, i32> = self.group.topics.values().map(|topic| (topic.id, topic.partitions)).collect();
        let subscribers: Vec<Subscriber> = self
            .group
            .members
            .iter()
            .map(|(member_id, member)| Subscriber {
                member_id: member_id.clone(),
                instance_id: member.subscription.instance_id.clone(),
                topics: self.group.topics_of(member).filter_map(|name| Some(self.group.topics.get(name)?.id)).collect(),
                target: self.group.targets.get(member_id).cloned().unwrap_or_default(),
            })
            .collect();
        let assigned = assign(self.preferred_assignor(), &subscribers, &topics);
        for (subscriber, target) in subscribers.into_iter().zip(assigned) {
            if target != subscriber.target || !self.group.targets.contains_key(&subscriber.member_id) {
                self.write(ConsumerRecord::Target(subscriber.member_id, Some(target)));
            }
        }
        self.write(ConsumerRecord::TargetEpoch(Some(self.group.epoch)));
    }

    fn preferred_assignor(&self) -> &'static str {
        self.group.preferred_assignor()
    }
}

impl super::ConsumerGroup {
    /// The one most members wish for; those without a wish have no vote.
    pub(crate) fn preferred_assignor(&self) -> &'static str {
        let votes = |name: &str| self.members.values().filter(|member| member.subscription.assignor.as_deref() == Some(name)).count();
        let most = ASSIGNORS.iter().map(|name| votes(name)).max().unwrap_or(0);
        ASSIGNORS.iter().find(|name| votes(name) == most).copied().unwrap_or(UNIFORM)
    }
}

/// Each subscriber's part, in their order.
fn assign(assignor: &str, subscribers: &[Subscriber], topics: &BTreeMap<Uuid, i32>) -> Vec<Assignment> {
    match assignor {
        RANGE => range::assign(subscribers, topics),
        _ => uniform::assign(subscribers, topics),
    }
}
