//! ConsumerGroupHeartbeat: a member joins, stays, says what it reads and holds, learns what to hold.

use super::super::command::{Answer, Reply};
use super::super::ids::{InstanceId, MemberId, TopicName, WaiterId};
use super::super::records::{ConsumerRecord, MAX_STRING_BYTES};
use super::turn::Turn;
use super::{ASSIGNORS, Assignment, Current, JOIN_EPOCH, LEAVE_EPOCH, Member, STATIC_LEAVE_EPOCH, Subscription};
use crate::codec::ResponseError;

/// A ConsumerGroupHeartbeat request. `None` is "as I said last".
#[derive(Clone, Debug, Default)]
pub(crate) struct Heartbeat {
    pub(crate) member_id: MemberId,
    pub(crate) epoch: i32,
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// -1: as said last.
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) topics: Option<Vec<TopicName>>,
    pub(crate) regex: Option<String>,
    pub(crate) assignor: Option<String>,
    /// What the member holds.
    pub(crate) owned: Option<Assignment>,
}

/// What a member is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heartbeated {
    pub(crate) member_id: MemberId,
    pub(crate) epoch: i32,
    /// What it shall hold, when that is news to it.
    pub(crate) assignment: Option<Assignment>,
}

impl Heartbeat {
    /// What a request must satisfy whatever the group is like.
    pub(crate) fn check(&self, max_bytes: usize) -> Result<(), ResponseError> {
        let is_joining = self.epoch == JOIN_EPOCH;
        let is_empty = |text: &str| text.is_empty();
        let says_nothing = self.topics.is_none() && self.regex.is_none();
        let holds_nothing = self.owned.as_ref().is_some_and(Assignment::is_empty);
        let is_invalid = self.member_id.as_str().is_empty()
            || self.epoch < STATIC_LEAVE_EPOCH
            || self.instance_id.as_ref().is_some_and(|id| is_empty(id.as_str()))
            || self.rack_id.as_deref().is_some_and(is_empty)
            || (is_joining && (self.rebalance_timeout_ms == -1 || !holds_nothing || says_nothing))
            || (self.epoch == STATIC_LEAVE_EPOCH && self.instance_id.is_none());
        let longest = [self.member_id.as_str(), self.instance_id.as_ref().map_or("", InstanceId::as_str)].map(str::len);
        if is_invalid || longest.iter().any(|len| *len > MAX_STRING_BYTES) {
            return Err(ResponseError::InvalidRequest);
        }
        if self.assignor.as_deref().is_some_and(|assignor| !ASSIGNORS.contains(&assignor)) {
            return Err(ResponseError::UnsupportedAssignor);
        }
        let regex_bytes = self.regex.as_ref().map_or(0, String::len);
        let topics_bytes: usize = self.topics.iter().flatten().map(|topic| topic.as_str().len()).sum();
        if regex_bytes > MAX_STRING_BYTES || topics_bytes > max_bytes { Err(ResponseError::InvalidRequest) } else { Ok(()) }
    }

    /// What it may add to the group, by the limits.
    pub(crate) fn bytes(&self) -> usize {
        let is_new = if self.epoch == JOIN_EPOCH { size_of::<Member>() } else { 0 };
        is_new + self.topics.iter().flatten().map(|topic| size_of::<TopicName>() + topic.as_str().len()).sum::<usize>()
    }

    /// A request that says everything is answered with everything: the member may have missed what it was told.
    fn is_full(&self) -> bool {
        let says_all = self.rebalance_timeout_ms != -1 && (self.topics.is_some() || self.regex.is_some()) && self.owned.is_some();
        self.epoch == JOIN_EPOCH || says_all
    }

    fn updated(&self, old: &Subscription) -> Subscription {
        let mut new = old.clone();
        new.client_id.clone_from(&self.client_id);
        new.client_host.clone_from(&self.client_host);
        new.classic = None;
        if let Some(instance_id) = &self.instance_id {
            new.instance_id = Some(instance_id.clone());
        }
        if let Some(rack_id) = &self.rack_id {
            new.rack_id = Some(rack_id.clone());
        }
        if self.rebalance_timeout_ms != -1 {
            new.rebalance_timeout_ms = self.rebalance_timeout_ms.max(0);
        }
        if let Some(topics) = &self.topics {
            new.topics = topics.iter().cloned().collect();
        }
        if let Some(regex) = &self.regex {
            new.regex = Some(regex.clone()).filter(|regex| !regex.is_empty());
        }
        if let Some(assignor) = &self.assignor {
            new.assignor = Some(assignor.clone());
        }
        new
    }
}

impl Turn<'_> {
    /// Every heartbeat is answered at once. On an error nothing of it has happened.
    pub(crate) fn heartbeat(mut self, heartbeat: &Heartbeat, waiter: WaiterId) -> super::super::command::Decision {
        let outcome = match heartbeat.epoch {
            LEAVE_EPOCH | STATIC_LEAVE_EPOCH => self.leave(heartbeat),
            _ => self.stay(heartbeat),
        };
        match outcome {
            Ok(reply) => {
                self.answer(waiter, Ok(Reply::ConsumerHeartbeat(reply)));
                self.decide()
            }
            Err(error) => super::super::decide::only_answer(&self.group_id, waiter, Answer::Err(error)),
        }
    }

    fn stay(&mut self, heartbeat: &Heartbeat) -> Result<Heartbeated, ResponseError> {
        let member_id = &heartbeat.member_id;
        let before = self.known_member(heartbeat)?;
        self.change_subscription(member_id, heartbeat.updated(&before.subscription))?;
        self.retarget();
        self.reconcile(member_id, heartbeat.owned.as_ref());
        self.heard(member_id);
        let after = self.member(member_id).current;
        // A member that is to take what it just gave back must be told as well: its epoch alone does not say it.
        let is_news = heartbeat.is_full() || after.assigned != before.current.assigned;
        Ok(Heartbeated { member_id: member_id.clone(), epoch: after.epoch, assignment: is_news.then_some(after.assigned) })
    }

    /// The member as it was before this heartbeat; a new one is given its place.
    fn known_member(&mut self, heartbeat: &Heartbeat) -> Result<Member, ResponseError> {
        let member_id = &heartbeat.member_id;
        let is_joining = heartbeat.epoch == JOIN_EPOCH;
        let holder = heartbeat.instance_id.as_ref().and_then(|instance_id| self.group.static_member(instance_id)).cloned();
        if let Some(holder) = holder.filter(|holder| holder != member_id) {
            let has_left = self.member(&holder).current.epoch == STATIC_LEAVE_EPOCH;
            return match (is_joining, has_left) {
                (false, _) => Err(ResponseError::FencedInstanceId),
                (true, false) => Err(ResponseError::UnreleasedInstanceId),
                (true, true) => Ok(self.replace(&holder, member_id, JOIN_EPOCH)),
            };
        }
        match self.group.members.get(member_id) {
            Some(member) if is_joining => Ok(member.clone()),
            Some(member) => {
                // A name that the member never had.
                if heartbeat.instance_id.is_some() && member.subscription.instance_id != heartbeat.instance_id {
                    return Err(ResponseError::UnknownMemberId);
                }
                check_epoch(&member.current, heartbeat.epoch, heartbeat.owned.as_ref())?;
                Ok(member.clone())
            }
            None if !is_joining => Err(ResponseError::UnknownMemberId),
            None => {
                self.check_room()?;
                Ok(Member::default())
            }
        }
    }

    pub(super) fn check_room(&self) -> Result<(), ResponseError> {
        let is_full = self.group.members.len() >= self.context.config.max_members;
        if is_full { Err(ResponseError::GroupMaxSizeReached) } else { Ok(()) }
    }

    /// A static member came back as another: it takes over what its past self had.
    pub(super) fn replace(&mut self, old_id: &MemberId, new_id: &MemberId, epoch: i32) -> Member {
        let old = self.member(old_id);
        let target = self.group.targets.get(old_id).cloned();
        for record in [
            ConsumerRecord::Current(old_id.clone(), None),
            ConsumerRecord::Target(old_id.clone(), None),
            ConsumerRecord::Subscription(old_id.clone(), None),
        ] {
            self.write(record);
        }
        self.change(super::Change::Session(old_id.clone(), None));
        self.change(super::Change::Rebalance(old_id.clone(), None));
        let current = Current { epoch, previous_epoch: epoch, ..old.current };
        self.write(ConsumerRecord::Subscription(new_id.clone(), Some(old.subscription.clone())));
        if let Some(target) = target {
            self.write(ConsumerRecord::Target(new_id.clone(), Some(target)));
        }
        self.write(ConsumerRecord::Current(new_id.clone(), Some(current.clone())));
        Member { subscription: old.subscription, current }
    }

    /// What the member reads may have changed; the topics may have; either makes a new epoch.
    pub(super) fn change_subscription(&mut self, member_id: &MemberId, new: Subscription) -> Result<(), ResponseError> {
        let old = self.group.members.get(member_id).map(|member| member.subscription.clone());
        let old_regex = old.as_ref().and_then(|old| old.regex.clone());
        let reads_other =
            old.as_ref().is_none_or(|old| (&old.topics, &old.regex, &old.assignor) != (&new.topics, &new.regex, &new.assignor));
        let new_regex = new.regex.clone();
        if old.as_ref() != Some(&new) {
            self.write(ConsumerRecord::Subscription(member_id.clone(), Some(new)));
        }
        self.resolve_regexes(new_regex.as_deref(), old_regex.as_deref())?;
        let topics_changed = self.refresh_topics(reads_other);
        if reads_other || topics_changed {
            self.bump_epoch();
        }
        Ok(())
    }
}

/// The member is in its epoch, or in the one before because the last answer was lost on the way.
fn check_epoch(current: &Current, epoch: i32, owned: Option<&Assignment>) -> Result<(), ResponseError> {
    let owns_no_more_than = |owned: &Assignment| {
        let is_part = |(topic_id, partitions): (&uuid::Uuid, &std::collections::BTreeSet<i32>)| {
            current.assigned.get(topic_id).is_some_and(|assigned| partitions.is_subset(assigned))
        };
        owned.iter().all(is_part)
    };
    let is_late = epoch == current.previous_epoch && epoch > 0 && owned.is_some_and(owns_no_more_than);
    if epoch == current.epoch || is_late { Ok(()) } else { Err(ResponseError::FencedMemberEpoch) }
}
