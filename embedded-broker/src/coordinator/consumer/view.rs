//! A consumer group as ConsumerGroupDescribe shows it.

use uuid::Uuid;

use super::super::ids::{MemberId, TopicName};
use super::{Assignment, ConsumerGroup, Member, Subscription};

/// A group, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerGroupView {
    pub(crate) state: &'static str,
    pub(crate) epoch: i32,
    pub(crate) target_epoch: i32,
    pub(crate) assignor: &'static str,
    pub(crate) members: Vec<ConsumerMemberView>,
}

/// A member, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerMemberView {
    pub(crate) member_id: MemberId,
    pub(crate) epoch: i32,
    pub(crate) subscription: Subscription,
    pub(crate) assigned: Vec<(Uuid, TopicName, Vec<i32>)>,
    pub(crate) target: Vec<(Uuid, TopicName, Vec<i32>)>,
}

impl ConsumerGroup {
    pub(crate) fn view(&self) -> ConsumerGroupView {
        let member = |(member_id, member): (&MemberId, &Member)| ConsumerMemberView {
            member_id: member_id.clone(),
            epoch: member.current.epoch,
            subscription: member.subscription.clone(),
            assigned: self.named(&member.current.assigned),
            target: self.targets.get(member_id).map(|target| self.named(target)).unwrap_or_default(),
        };
        ConsumerGroupView {
            state: self.state_name(),
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            assignor: self.preferred_assignor(),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// With the topics' names; topics that are gone have none and are left out.
    pub(super) fn named(&self, assignment: &Assignment) -> Vec<(Uuid, TopicName, Vec<i32>)> {
        let name_of = |topic_id: &Uuid| self.topics.iter().find(|(_, topic)| topic.id == *topic_id).map(|(name, _)| name.clone());
        let named = assignment.iter().filter_map(|(topic_id, partitions)| {
            let name = name_of(topic_id)?;
            Some((*topic_id, name, partitions.iter().copied().collect()))
        });
        named.collect()
    }
}
