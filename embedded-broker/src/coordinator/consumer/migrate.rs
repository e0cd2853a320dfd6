//! From a classic group to a consumer group and back, its members at work all the while (KIP-848, `group.consumer.migration.policy`).
//!
//! Up: the first member that speaks the consumer protocol brings it about. The classic members keep what they hold and are told to rebalance.
//! Down: the last one that speaks it takes it away. What each holds becomes its assignment in a generation that is about to end.

use std::collections::BTreeSet;

use super::super::embedded::{self, CONSUMER_PROTOCOL};
use super::super::group::{self, Group};
use super::super::ids::{MemberId, TopicName};
use super::super::records::{ConsumerRecord, Record};
use super::turn::Turn;
use super::{Assignment, ClassicMember, Current, Subscription};
use crate::codec::ResponseError;

impl Turn<'_> {
    /// Takes the place of a classic group. An error: it can't be, and everything stays.
    pub(crate) fn upgrade(&mut self, classic: &Group, is_written: bool) -> Result<(), ResponseError> {
        let members = self.upgraded_members(classic)?;
        if is_written {
            self.write_classic(Record::Group { group_id: self.group_id.clone(), value: None });
        }
        for waiter in classic.members.values().flat_map(|member| member.joining.into_iter().chain(member.syncing)) {
            self.answer(waiter, Err(ResponseError::RebalanceInProgress));
        }
        self.classic = Some(Box::default());
        if members.is_empty() {
            return Ok(());
        }
        let epoch = classic.generation.max(1);
        self.write(ConsumerRecord::Epoch(Some(epoch)));
        let mut taken = BTreeSet::new();
        for (member_id, subscription, held) in members {
            self.write(ConsumerRecord::Subscription(member_id.clone(), Some(subscription)));
            let mut assigned = Assignment::new();
            for (topic, partitions) in held {
                let Some(topic) = self.context.topics.topic(&topic) else { continue };
                // A leader may have given one partition to two members; here only one can have it.
                let partitions = partitions.into_iter().filter(|partition| taken.insert((topic.id, *partition)));
                let partitions: BTreeSet<i32> = partitions.collect();
                if !partitions.is_empty() {
                    assigned.insert(topic.id, partitions);
                }
            }
            let current = Current { epoch, previous_epoch: epoch, assigned: assigned.clone(), ..Current::default() };
            self.write(ConsumerRecord::Target(member_id.clone(), Some(assigned)));
            self.write(ConsumerRecord::Current(member_id.clone(), Some(current)));
            self.heard(&member_id);
        }
        self.write(ConsumerRecord::TargetEpoch(Some(epoch)));
        self.refresh_topics(true);
        Ok(())
    }

    fn upgraded_members(&self, classic: &Group) -> Result<Vec<(MemberId, Subscription, embedded::NamedPartitions)>, ResponseError> {
        let mut members = Vec::new();
        if classic.members.is_empty() {
            return Ok(members);
        }
        let may = self.context.config.migration_policy.may_upgrade() && classic.protocol_type == CONSUMER_PROTOCOL;
        if !may || classic.members.len() >= self.context.config.max_members {
            return Err(ResponseError::GroupIdNotFound);
        }
        for (member_id, member) in &classic.members {
            // Its first join is still parked: it holds nothing, and is told to join again.
            if member.is_new && member.instance_id.is_none() {
                continue;
            }
            let elected = |protocol: &&super::super::command::Protocol| classic.protocol.as_ref() == Some(&protocol.name);
            let protocol = member.protocols.iter().find(elected).or_else(|| member.protocols.first());
            let said = protocol.and_then(|protocol| embedded::parse_subscription(&protocol.metadata));
            let held = embedded::parse_assignment(&member.assignment);
            let (Some(said), Some(held)) = (said, held) else { return Err(ResponseError::GroupIdNotFound) };
            let subscription = Subscription {
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                topics: said.topics.iter().map(|topic| TopicName::from(topic.as_str())).collect(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                classic: Some(ClassicMember { session_timeout_ms: member.session_timeout_ms, protocols: member.protocols.clone() }),
                ..Subscription::default()
            };
            members.push((member_id.clone(), subscription, held));
        }
        Ok(members)
    }

    /// If only classic members are left, gives the group back to them.
    pub(super) fn downgrade_if_classic(&mut self) -> bool {
        let Some(classic) = self.downgraded() else { return false };
        for record in self.group.tombstones() {
            self.write(record);
        }
        let mut turn = group::Turn::new(self.context, &self.group_id, classic);
        turn.begin_after_downgrade();
        let decision = turn.decide();
        for record in decision.records {
            self.write_classic(record);
        }
        for (waiter, answer) in decision.answers {
            self.answer(waiter, answer);
        }
        if let super::super::command::LiveChange::Replace(group) = decision.live {
            self.classic = Some(group);
        }
        true
    }

    fn downgraded(&self) -> Option<Group> {
        let group = &self.group;
        if group.members.is_empty() || !self.context.config.migration_policy.may_downgrade() {
            return None;
        }
        // The members' own, so that they can go on until they have joined again: the group's may be ahead of them all.
        let generation = group.members.values().map(|member| member.current.epoch).max().unwrap_or(group.epoch).max(1);
        let mut classic = Group { generation, protocol_type: CONSUMER_PROTOCOL.to_owned(), ..Group::default() };
        classic.leader = group.members.keys().next().cloned();
        classic.protocol = classic.leader.as_ref().and_then(|leader| group.classic_protocol(leader));
        for (member_id, member) in &group.members {
            let said = member.subscription.classic.as_ref()?;
            if let Some(instance_id) = &member.subscription.instance_id {
                classic.static_members.insert(instance_id.clone(), member_id.clone());
            }
            let deadline_ms = self.context.now.deadline_ms(member.session_timeout_ms(self.context.config));
            let member = group::Member {
                instance_id: member.subscription.instance_id.clone(),
                client_id: member.subscription.client_id.clone(),
                client_host: member.subscription.client_host.clone(),
                session_timeout_ms: said.session_timeout_ms,
                rebalance_timeout_ms: member.subscription.rebalance_timeout_ms,
                protocols: said.protocols.clone(),
                assignment: group.embedded_assignment(member),
                joining: None,
                syncing: None,
                synced: true,
                is_new: false,
                session_deadline_ms: deadline_ms,
            };
            classic.members.insert(member_id.clone(), member);
        }
        Some(classic)
    }
}
