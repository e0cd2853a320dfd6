//! One command's work on a copy of one group: what it changes, what it writes, whom it answers.

use crate::codec::ResponseError;

use super::super::command::{Answer, Caller, Decision, LiveChange, Reply};
use super::super::config::GroupConfig;
use super::super::decide::Context;
use super::super::ids::{GroupId, InstanceId, MemberId, WaiterId};
use super::super::image::Now;
use super::super::records::Record;
use super::{Group, Member, Phase};

/// The work of one command. It starts from a copy and ends as a [`Decision`]; dropping it instead changes nothing.
pub(in super::super) struct Turn<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) group_id: GroupId,
    pub(super) group: Group,
    pub(super) now: Now,
    records: Vec<Record>,
    answers: Vec<(WaiterId, Answer)>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(context: &Context<'a>, group_id: &GroupId, group: Group) -> Self {
        Self { config: context.config, group_id: group_id.clone(), group, now: context.now, records: Vec::new(), answers: Vec::new() }
    }

    /// What has been worked out.
    pub(crate) fn decide(self) -> Decision {
        Decision { group_id: self.group_id, records: self.records, live: LiveChange::Replace(Box::new(self.group)), answers: self.answers }
    }

    pub(super) fn answer(&mut self, waiter: WaiterId, answer: Answer) {
        self.answers.push((waiter, answer));
    }

    /// Makes the group, as it is now, survive a restart.
    pub(super) fn persist(&mut self) {
        let value = self.group.to_metadata(self.now.wall_ms);
        self.records.push(Record::Group { group_id: self.group_id.clone(), value: Some(value) });
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.group.phase = phase;
        self.group.phase_since_ms = self.now.wall_ms;
    }

    pub(super) fn heard(&mut self, member_id: &MemberId) {
        let now = self.now;
        if let Some(member) = self.group.members.get_mut(member_id) {
            member.session_deadline_ms = now.deadline_ms(i64::from(member.session_timeout_ms));
        }
    }

    /// Takes a member out and tells it so if it is waiting. What follows for the group is the caller's to say.
    pub(super) fn remove(&mut self, member_id: &MemberId, why: ResponseError) -> Option<Member> {
        let member = self.group.members.remove(member_id)?;
        for waiter in member.joining.into_iter().chain(member.syncing) {
            self.answer(waiter, Err(why));
        }
        if let Some(instance_id) = &member.instance_id {
            self.group.static_members.remove(instance_id);
        }
        if self.group.leader.as_ref() == Some(member_id) {
            self.group.leader = self.group.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Heartbeat (and what a commit does in passing), without copying the group.
    pub(crate) fn heartbeat(group_id: &GroupId, group: &Group, caller: &Caller, waiter: WaiterId, now: Now) -> Decision {
        let (answer, live) = match group.check_caller(caller) {
            Err(error) => (Err(error), LiveChange::None),
            Ok(()) => {
                let answer = match group.phase {
                    Phase::Empty => Err(ResponseError::UnknownMemberId),
                    Phase::PreparingRebalance(_) => Err(ResponseError::RebalanceInProgress),
                    Phase::CompletingRebalance { .. } | Phase::Stable => Ok(Reply::Done),
                };
                (answer, heard(group, &caller.member_id, now))
            }
        };
        Decision { group_id: group_id.clone(), records: Vec::new(), live, answers: vec![(waiter, answer)] }
    }

    pub(super) fn check_member(&self, member_id: &MemberId, instance_id: Option<&InstanceId>) -> Result<(), ResponseError> {
        self.group.check_member(member_id, instance_id)
    }
}

/// The change that a sign of life makes.
pub(in super::super) fn heard(group: &Group, member_id: &MemberId, now: Now) -> LiveChange {
    match group.members.get(member_id) {
        None => LiveChange::None,
        Some(member) => {
            LiveChange::Heard { member_id: member_id.clone(), session_deadline_ms: now.deadline_ms(i64::from(member.session_timeout_ms)) }
        }
    }
}
