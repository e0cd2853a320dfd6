//! JoinGroup: who may be in the next generation, and whether one is needed at all.

use crate::codec::ResponseError;

use super::super::command::{Answer, Join, Joined, Reply};
use super::super::config::NEW_MEMBER_JOIN_TIMEOUT_MS;
use super::super::ids::{InstanceId, MemberId, WaiterId};
use super::super::records::MAX_STRING_BYTES;
use super::turn::Turn;
use super::{Member, Phase, protocol_bytes};

/// What a request must satisfy whatever the group is like.
fn check_request(turn: &Turn<'_>, join: &Join) -> Result<(), ResponseError> {
    let config = turn.config;
    if turn.group_id.as_str().is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    if !(config.min_session_timeout_ms..=config.max_session_timeout_ms).contains(&join.session_timeout_ms) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let longest = join.protocols.iter().map(|protocol| protocol.name.len()).max().unwrap_or(0);
    let instance_len = join.instance_id.as_ref().map_or(0, |id| id.as_str().len());
    // Client and instance id become part of a member id, so they get half the room.
    if longest.max(join.protocol_type.len()) > MAX_STRING_BYTES || join.client_id.len().max(instance_len) > MAX_STRING_BYTES / 2 {
        return Err(ResponseError::InvalidRequest);
    }
    let own_bytes = protocol_bytes(&join.protocols);
    if own_bytes > config.max_member_metadata_bytes || turn.group.bytes() + own_bytes > config.max_group_bytes {
        return Err(ResponseError::GroupMaxSizeReached);
    }
    Ok(())
}

impl Turn<'_> {
    /// Answers at once, or parks the waiter until the rebalance is through.
    pub(crate) fn join(&mut self, join: Join, waiter: WaiterId) {
        let answer = match check_request(self, &join) {
            Err(error) => Some(Err(error)),
            Ok(()) if join.member_id.as_str().is_empty() => self.join_new(join, waiter),
            Ok(()) => self.join_known(join, waiter),
        };
        if let Some(answer) = answer {
            self.answer(waiter, answer);
        }
    }

    fn join_new(&mut self, join: Join, waiter: WaiterId) -> Option<Answer> {
        let returning = join.instance_id.as_ref().and_then(|instance_id| self.group.static_members.get(instance_id)).cloned();
        if !self.group.supports(&join.protocol_type, &join.protocols, returning.as_ref()) {
            return Some(Err(ResponseError::InconsistentGroupProtocol));
        }
        if let Some(old_id) = returning {
            return self.replace_static(old_id, join, waiter);
        }
        if self.group.members.len() >= self.config.max_members {
            return Some(Err(ResponseError::GroupMaxSizeReached));
        }
        let member_id = join.fresh_member_id.clone();
        if join.instance_id.is_none() && join.can_require_member_id {
            if self.group.pending.len() >= self.config.max_members {
                return Some(Err(ResponseError::GroupMaxSizeReached));
            }
            let lapses_ms = self.now.deadline_ms(i64::from(join.session_timeout_ms));
            self.group.pending.insert(member_id.clone(), lapses_ms);
            return Some(Ok(Reply::MemberIdRequired(member_id)));
        }
        self.add_member(member_id, join, waiter);
        None
    }

    fn join_known(&mut self, join: Join, waiter: WaiterId) -> Option<Answer> {
        let member_id = join.member_id.clone();
        if !self.group.supports(&join.protocol_type, &join.protocols, Some(&member_id)) {
            return Some(Err(self.fenced_before(&join).unwrap_or(ResponseError::InconsistentGroupProtocol)));
        }
        if join.instance_id.is_none() && self.group.pending.contains_key(&member_id) {
            if self.group.members.len() >= self.config.max_members {
                self.forget_pending(&member_id);
                return Some(Err(ResponseError::GroupMaxSizeReached));
            }
            self.add_member(member_id, join, waiter);
            return None;
        }
        if let Err(error) = self.check_member(&member_id, join.instance_id.as_ref()) {
            return Some(Err(error));
        }
        let unchanged = self.group.members.get(&member_id).is_some_and(|member| member.protocols == join.protocols);
        let is_leader = self.group.leader.as_ref() == Some(&member_id);
        let nothing_new = match self.group.phase {
            // It asks again because our answer was lost on the way.
            Phase::CompletingRebalance { .. } => unchanged,
            // A leader that joins again asks for new assignments.
            Phase::Stable => unchanged && !is_leader,
            Phase::PreparingRebalance(_) | Phase::Empty => false,
        };
        if nothing_new {
            self.heard(&member_id);
            return Some(Ok(Reply::Joined(self.generation_for(&member_id))));
        }
        self.update_member(&member_id, join, waiter);
        self.rebalance_or_complete();
        None
    }

    /// A member that is fenced, or not one at all, must hear that rather than that its protocols do not fit.
    fn fenced_before(&self, join: &Join) -> Option<ResponseError> {
        let pending = self.group.pending.contains_key(&join.member_id);
        if pending { None } else { self.check_member(&join.member_id, join.instance_id.as_ref()).err() }
    }

    fn add_member(&mut self, member_id: MemberId, join: Join, waiter: WaiterId) {
        self.group.pending.remove(&member_id);
        if self.group.members.is_empty() {
            self.group.protocol_type.clone_from(&join.protocol_type);
        }
        if let Some(instance_id) = &join.instance_id {
            self.group.static_members.insert(instance_id.clone(), member_id.clone());
        }
        self.group.leader.get_or_insert_with(|| member_id.clone());
        let member = Member {
            instance_id: join.instance_id,
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms.max(0),
            protocols: join.protocols,
            assignment: Default::default(),
            joining: Some(waiter),
            syncing: None,
            synced: false,
            is_new: true,
            session_deadline_ms: self.now.deadline_ms(NEW_MEMBER_JOIN_TIMEOUT_MS),
        };
        self.group.members.insert(member_id, member);
        if let Phase::PreparingRebalance(preparing) = &mut self.group.phase
            && let Some(delay) = &mut preparing.initial
        {
            delay.newcomer = true;
        }
        self.rebalance_or_complete();
    }

    fn update_member(&mut self, member_id: &MemberId, join: Join, waiter: WaiterId) {
        let Some(member) = self.group.members.get_mut(member_id) else { return };
        member.client_id = join.client_id;
        member.client_host = join.client_host;
        member.session_timeout_ms = join.session_timeout_ms;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms.max(0);
        member.protocols = join.protocols;
        // A retry over a new connection takes the place of the join that is parked; the old one's client no longer listens.
        let replaced = member.joining.replace(waiter).into_iter().chain(member.syncing.take());
        for waiter in replaced.collect::<Vec<_>>() {
            self.answer(waiter, Err(ResponseError::RebalanceInProgress));
        }
        // A newcomer that asks twice still has its first join's deadline: it is parked, and has no session yet.
        if self.group.members.get(member_id).is_some_and(|member| !member.is_new) {
            self.heard(member_id);
        }
    }

    /// A static member has restarted: it gets a new member id under its old name, and, if nothing else changed, no rebalance (KIP-345).
    fn replace_static(&mut self, old_id: MemberId, join: Join, waiter: WaiterId) -> Option<Answer> {
        let new_id = join.fresh_member_id.clone();
        let old_leader = self.group.leader.clone().unwrap_or_default();
        let can_skip_assignment = join.can_skip_assignment;
        let (Some(mut member), Some(instance_id)) = (self.group.members.remove(&old_id), join.instance_id.clone()) else {
            return Some(Err(ResponseError::UnknownServerError));
        };
        for waiter in member.joining.take().into_iter().chain(member.syncing.take()) {
            self.answer(waiter, Err(ResponseError::FencedInstanceId));
        }
        member.is_new = false;
        self.move_leadership(&old_id, &new_id, instance_id);
        self.group.members.insert(new_id.clone(), member);
        self.update_member(&new_id, join, waiter);
        let settled = matches!(self.group.phase, Phase::Stable) && self.group.elect_protocol() == self.group.protocol;
        if !settled {
            self.rebalance_or_complete();
            return None;
        }
        if let Some(member) = self.group.members.get_mut(&new_id) {
            member.joining = None;
        }
        self.persist();
        let mut joined = self.generation_for(&new_id);
        if !can_skip_assignment {
            // Before KIP-814 there was no way to say "you lead, but leave the assignments be": it is told that its past self leads.
            joined.leader = old_leader;
            joined.members.clear();
        } else {
            joined.skip_assignment = self.group.leader.as_ref() == Some(&new_id);
        }
        Some(Ok(Reply::Joined(joined)))
    }

    fn move_leadership(&mut self, old_id: &MemberId, new_id: &MemberId, instance_id: InstanceId) {
        self.group.static_members.insert(instance_id, new_id.clone());
        if self.group.leader.as_ref() == Some(old_id) {
            self.group.leader = Some(new_id.clone());
        }
    }

    /// The current generation as this member sees it.
    pub(super) fn generation_for(&self, member_id: &MemberId) -> Joined {
        let leader = self.group.leader.clone().unwrap_or_default();
        Joined {
            generation: self.group.generation,
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol.clone().unwrap_or_default(),
            members: if leader == *member_id { self.group.joined_members() } else { Vec::new() },
            leader,
            member_id: member_id.clone(),
            skip_assignment: false,
        }
    }
}
