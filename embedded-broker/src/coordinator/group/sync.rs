//! SyncGroup: the leader brings the assignments, everyone takes its own.

use crate::codec::ResponseError;

use super::super::command::{Answer, Reply, Sync, Synced};
use super::super::ids::{MemberId, WaiterId};
use super::turn::Turn;
use super::{Group, Phase};

impl Turn<'_> {
    /// Answers at once, or parks the waiter until the leader has come.
    pub(crate) fn sync(&mut self, sync: Sync, waiter: WaiterId) {
        if let Err(error) = check_sync(&self.group, &sync) {
            return self.answer(waiter, Err(error));
        }
        let member_id = sync.member.member_id.clone();
        let answer = match self.group.phase {
            Phase::Empty => Some(Err(ResponseError::UnknownMemberId)),
            Phase::PreparingRebalance(_) => Some(Err(ResponseError::RebalanceInProgress)),
            Phase::Stable => {
                self.heard(&member_id);
                Some(assignment_of(&self.group, &member_id))
            }
            Phase::CompletingRebalance { .. } => self.take_place(sync, waiter),
        };
        if let Some(answer) = answer {
            self.answer(waiter, answer);
        }
    }

    fn take_place(&mut self, sync: Sync, waiter: WaiterId) -> Option<Answer> {
        let member_id = &sync.member.member_id;
        let is_leader = self.group.leader.as_ref() == Some(member_id);
        let assigned: usize = sync.assignments.iter().map(|(_, assignment)| assignment.len()).sum();
        if is_leader && self.group.bytes() + assigned > self.config.max_group_bytes {
            return Some(Err(ResponseError::InvalidRequest));
        }
        let replaced = self.group.members.get_mut(member_id).and_then(|member| {
            member.synced = true;
            member.syncing.replace(waiter)
        });
        if let Some(replaced) = replaced {
            self.answer(replaced, Err(ResponseError::RebalanceInProgress));
        }
        self.heard(member_id);
        if is_leader {
            self.become_stable(sync);
        }
        None
    }

    fn become_stable(&mut self, sync: Sync) {
        // A member that the leader left out has nothing to do; one that it invented is not in the group.
        for member in self.group.members.values_mut() {
            member.assignment = Default::default();
        }
        for (member_id, assignment) in sync.assignments {
            if let Some(member) = self.group.members.get_mut(&member_id) {
                member.assignment = assignment;
            }
        }
        self.enter(Phase::Stable);
        self.persist();
        let waiting: Vec<(MemberId, WaiterId)> = self
            .group
            .members
            .iter_mut()
            .filter_map(|(member_id, member)| member.syncing.take().map(|waiter| (member_id.clone(), waiter)))
            .collect();
        for (member_id, waiter) in waiting {
            self.heard(&member_id);
            let answer = assignment_of(&self.group, &member_id);
            self.answer(waiter, answer);
        }
    }
}

fn check_sync(group: &Group, sync: &Sync) -> Result<(), ResponseError> {
    group.check_caller(&sync.member)?;
    let same_type = sync.protocol_type.as_ref().is_none_or(|theirs| *theirs == group.protocol_type);
    let same_name = sync.protocol_name.as_ref().is_none_or(|theirs| Some(theirs) == group.protocol.as_ref());
    if same_type && same_name { Ok(()) } else { Err(ResponseError::InconsistentGroupProtocol) }
}

fn assignment_of(group: &Group, member_id: &MemberId) -> Answer {
    let member = group.members.get(member_id).ok_or(ResponseError::UnknownMemberId)?;
    Ok(Reply::Synced(Synced {
        protocol_type: group.protocol_type.clone(),
        protocol_name: group.protocol.clone().unwrap_or_default(),
        assignment: member.assignment.clone(),
    }))
}
