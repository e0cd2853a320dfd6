//! How members go: by saying so, by hanging up, or by silence.

use crate::codec::ResponseError;

use super::super::command::{Leaving, Reply};
use super::super::ids::{MemberId, WaiterId};
use super::Phase;
use super::turn::Turn;

impl Turn<'_> {
    /// LeaveGroup: each entry has a result of its own (version 3); one rebalance serves them all.
    pub(crate) fn leave(&mut self, leaving: Vec<Leaving>, waiter: WaiterId) {
        let mut anyone_left = false;
        let mut results = Vec::with_capacity(leaving.len());
        for entry in leaving {
            let members_before = self.group.members.len();
            let result = self.leave_one(&entry);
            anyone_left |= self.group.members.len() < members_before;
            results.push((entry, result.err()));
        }
        if anyone_left {
            self.members_went();
        } else {
            self.complete_if_all_joined();
        }
        self.answer(waiter, Ok(Reply::Left(results)));
    }

    fn leave_one(&mut self, entry: &Leaving) -> Result<(), ResponseError> {
        if entry.instance_id.is_none() && self.group.pending.remove(&entry.member_id).is_some() {
            return Ok(());
        }
        let by_name_only = entry.instance_id.as_ref().filter(|_| entry.member_id.as_str().is_empty());
        let member_id = match by_name_only {
            Some(instance_id) => self.group.static_members.get(instance_id).cloned().ok_or(ResponseError::UnknownMemberId)?,
            None => {
                self.check_member(&entry.member_id, entry.instance_id.as_ref())?;
                entry.member_id.clone()
            }
        };
        self.remove(&member_id, ResponseError::UnknownMemberId);
        Ok(())
    }

    /// The client of a parked request has hung up. A member nobody knows of but that client is given up at once, so that a program
    /// stopped in its first seconds does not hold up the group; any other has its session to come back in.
    pub(crate) fn abandon(&mut self, waiter: WaiterId) {
        let parked = |member: &super::Member| member.joining == Some(waiter) || member.syncing == Some(waiter);
        let Some(member_id) = self.group.members.iter().find(|(_, member)| parked(member)).map(|(id, _)| id.clone()) else { return };
        let Some(member) = self.group.members.get_mut(&member_id) else { return };
        member.joining.take_if(|parked| *parked == waiter);
        member.syncing.take_if(|parked| *parked == waiter);
        let is_unknown = member.is_new && member.instance_id.is_none();
        member.is_new = false;
        self.heard(&member_id);
        if is_unknown {
            self.remove(&member_id, ResponseError::UnknownMemberId);
            self.members_went();
        }
    }

    /// Everything whose time has come.
    pub(crate) fn tick(&mut self) {
        let now_ms = self.now.monotonic_ms;
        self.group.pending.retain(|_, lapses_ms| *lapses_ms > now_ms);
        let mut anyone_went = false;
        let silent = self.group.members.iter().filter(|(_, member)| member.session_counts() && member.session_deadline_ms <= now_ms);
        let silent: Vec<MemberId> = silent.map(|(member_id, _)| member_id.clone()).collect();
        for member_id in silent {
            anyone_went |= self.remove(&member_id, ResponseError::UnknownMemberId).is_some();
        }
        if let Phase::CompletingRebalance { sync_deadline_ms } = self.group.phase
            && sync_deadline_ms <= now_ms
        {
            anyone_went |= self.drop_unsynced();
        }
        if anyone_went {
            self.members_went();
        } else {
            // An id that lapsed may have been the last one waited for.
            self.complete_if_all_joined();
        }
        if let Phase::PreparingRebalance(preparing) = self.group.phase
            && preparing.deadline_ms <= now_ms
        {
            self.join_deadline_passed(preparing);
        }
    }

    /// A member that joined and then never asked for its assignment would hold its partitions for nothing (KAFKA-9752).
    fn drop_unsynced(&mut self) -> bool {
        let unsynced = self.group.members.iter().filter(|(_, member)| !member.synced);
        let unsynced: Vec<MemberId> = unsynced.map(|(member_id, _)| member_id.clone()).collect();
        for member_id in &unsynced {
            self.remove(member_id, ResponseError::UnknownMemberId);
        }
        if unsynced.is_empty() {
            // All have asked and still there is no assignment: the leader was replaced meanwhile. Nobody would ever be answered.
            self.rebalance_or_complete();
        }
        !unsynced.is_empty()
    }

    pub(super) fn forget_pending(&mut self, member_id: &MemberId) {
        if self.group.pending.remove(member_id).is_some() {
            self.complete_if_all_joined();
        }
    }

    /// What it means for the others that someone is no longer there.
    fn members_went(&mut self) {
        match self.group.phase {
            Phase::Empty => {}
            Phase::PreparingRebalance(_) => self.complete_if_all_joined(),
            Phase::CompletingRebalance { .. } | Phase::Stable => self.rebalance_or_complete(),
        }
    }
}
