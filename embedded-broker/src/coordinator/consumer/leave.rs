//! How members go: by saying so, or by silence.

use super::super::ids::MemberId;
use super::super::records::ConsumerRecord;
use super::heartbeat::{Heartbeat, Heartbeated};
use super::turn::Turn;
use super::{Assignment, Change, Current, LEAVE_EPOCH, MemberState, STATIC_LEAVE_EPOCH};
use crate::codec::ResponseError;

impl Turn<'_> {
    pub(super) fn leave(&mut self, heartbeat: &Heartbeat) -> Result<Heartbeated, ResponseError> {
        let member_id = &heartbeat.member_id;
        if let Some(instance_id) = &heartbeat.instance_id {
            match self.group.static_member(instance_id) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(holder) if holder != member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        let Some(member) = self.group.members.get(member_id) else { return Err(ResponseError::UnknownMemberId) };
        if heartbeat.epoch == STATIC_LEAVE_EPOCH {
            // It means to be back before its session ends; until then its partitions wait for it.
            let current =
                Current { epoch: STATIC_LEAVE_EPOCH, state: MemberState::Stable, revoking: Assignment::new(), ..member.current.clone() };
            self.change(Change::Rebalance(member_id.clone(), None));
            self.write(ConsumerRecord::Current(member_id.clone(), Some(current)));
        } else {
            self.remove(std::slice::from_ref(member_id));
        }
        let epoch = if heartbeat.epoch == STATIC_LEAVE_EPOCH { STATIC_LEAVE_EPOCH } else { LEAVE_EPOCH };
        Ok(Heartbeated { member_id: member_id.clone(), epoch, assignment: None })
    }

    /// Takes members out: a new epoch for those that stay.
    pub(super) fn remove(&mut self, member_ids: &[MemberId]) {
        let mut regexes = Vec::new();
        for member_id in member_ids {
            regexes.extend(self.member(member_id).subscription.regex);
            self.write(ConsumerRecord::Current(member_id.clone(), None));
            if self.group.targets.contains_key(member_id) {
                self.write(ConsumerRecord::Target(member_id.clone(), None));
            }
            self.write(ConsumerRecord::Subscription(member_id.clone(), None));
            self.change(Change::Session(member_id.clone(), None));
            self.change(Change::Rebalance(member_id.clone(), None));
        }
        if self.downgrade_if_classic() {
            return;
        }
        for regex in regexes {
            // Forgetting one compiles nothing, so nothing can fail.
            let _infallible = self.resolve_regexes(None, Some(&regex));
        }
        self.refresh_topics(true);
        self.bump_epoch();
    }

    /// Everything whose time has come.
    pub(crate) fn tick(mut self) -> super::super::command::Decision {
        let now_ms = self.context.now.monotonic_ms;
        let Some(live) = self.live else { return self.decide() };
        let due = live.sessions.iter().chain(&live.rebalances).filter(|(_, deadline_ms)| **deadline_ms <= now_ms);
        let mut late: Vec<MemberId> = due.map(|(member_id, _)| member_id.clone()).collect();
        late.sort_unstable();
        late.dedup();
        let (members, strangers): (Vec<_>, Vec<_>) = late.into_iter().partition(|id| self.group.members.contains_key(id));
        for stranger in strangers {
            self.change(Change::Session(stranger.clone(), None));
            self.change(Change::Rebalance(stranger, None));
        }
        if !members.is_empty() {
            tracing::info!(group = %self.group_id, members = members.len(), "members were not heard of in time and are out of the group");
            self.remove(&members);
        }
        self.decide()
    }
}
