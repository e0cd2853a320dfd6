//! From one generation to the next: when a rebalance starts, how long it waits, and what its end brings.

use crate::codec::ResponseError;

use super::super::command::Reply;
use super::super::ids::MemberId;
use super::turn::Turn;
use super::{Group, InitialDelay, Member, Phase, Preparing};

impl Turn<'_> {
    /// Starts a rebalance, or, if one is under way, ends it if this was the last member it waited for.
    pub(super) fn rebalance_or_complete(&mut self) {
        match self.group.phase {
            Phase::PreparingRebalance(_) => self.complete_if_all_joined(),
            Phase::Empty | Phase::CompletingRebalance { .. } | Phase::Stable => self.start_rebalance(),
        }
    }

    /// A group that was of the other kind until now: everyone is asked to join. What is written down is of a generation that nobody is in,
    /// so that a restart does not end the rebalance: whoever then comes with the old one is sent to join.
    pub(crate) fn begin_after_downgrade(&mut self) {
        self.group.phase = Phase::Stable;
        let generation = self.group.generation;
        self.group.generation = next_generation(generation);
        self.persist();
        self.group.generation = generation;
        self.start_rebalance();
    }

    fn start_rebalance(&mut self) {
        if let Phase::CompletingRebalance { .. } = self.group.phase {
            self.send_back_syncing();
        }
        let timeout_ms = rebalance_timeout_ms(&self.group);
        let delay_ms = self.config.initial_rebalance_delay_ms.clamp(0, timeout_ms.max(0));
        let initial = (self.group.phase == Phase::Empty && delay_ms > 0)
            .then_some(InitialDelay { remaining_ms: timeout_ms - delay_ms, newcomer: false });
        let wait_ms = if initial.is_some() { delay_ms } else { timeout_ms };
        self.enter(Phase::PreparingRebalance(Preparing { deadline_ms: self.now.deadline_ms(wait_ms), initial }));
        self.complete_if_all_joined();
    }

    /// Those who wait for assignments of a generation that will not be must join the next one.
    fn send_back_syncing(&mut self) {
        let syncing: Vec<_> = self.group.members.values_mut().filter_map(|member| member.syncing.take()).collect();
        for waiter in syncing {
            self.answer(waiter, Err(ResponseError::RebalanceInProgress));
        }
        for member in self.group.members.values_mut() {
            member.assignment = Default::default();
        }
    }

    pub(super) fn complete_if_all_joined(&mut self) {
        let Phase::PreparingRebalance(preparing) = self.group.phase else { return };
        let all_joined = self.group.pending.is_empty() && self.group.members.values().all(|member| member.joining.is_some());
        // Once everyone has left there is no one to wait for, initial or not.
        if all_joined && (preparing.initial.is_none() || self.group.members.is_empty()) {
            self.complete_join();
        }
    }

    /// The wait is over, or is extended because more members keep coming.
    pub(super) fn join_deadline_passed(&mut self, preparing: Preparing) {
        match preparing.initial {
            Some(delay) if delay.newcomer && delay.remaining_ms > 0 => {
                let wait_ms = self.config.initial_rebalance_delay_ms.min(delay.remaining_ms);
                self.group.phase = Phase::PreparingRebalance(Preparing {
                    deadline_ms: self.now.deadline_ms(wait_ms),
                    initial: Some(InitialDelay { remaining_ms: delay.remaining_ms - wait_ms, newcomer: false }),
                });
            }
            _ => self.complete_join(),
        }
    }

    fn complete_join(&mut self) {
        // Static members that did not come keep their place until their session ends; that is what they are for (KIP-345).
        let missing: Vec<MemberId> = self
            .group
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.instance_id.is_none())
            .map(|(member_id, _)| member_id.clone())
            .collect();
        for member_id in &missing {
            self.remove(member_id, ResponseError::UnknownMemberId);
        }
        if self.group.members.is_empty() {
            return self.become_empty();
        }
        if !self.elect_joined_leader() {
            // Only absent static members are left, so nobody can compute assignments. Wait for one to come, or for their sessions to end.
            let deadline_ms = self.now.deadline_ms(rebalance_timeout_ms(&self.group).max(1));
            self.group.phase = Phase::PreparingRebalance(Preparing { deadline_ms, initial: None });
            return;
        }
        self.group.generation = next_generation(self.group.generation);
        self.group.protocol = self.group.elect_protocol();
        self.enter(Phase::CompletingRebalance { sync_deadline_ms: self.now.deadline_ms(rebalance_timeout_ms(&self.group)) });
        self.announce_generation();
    }

    fn become_empty(&mut self) {
        self.group.generation = next_generation(self.group.generation);
        self.group.protocol = None;
        self.group.leader = None;
        self.enter(Phase::Empty);
        self.persist();
    }

    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |member: &Member| member.joining.is_some();
        if self.group.leader.as_ref().and_then(|leader| self.group.members.get(leader)).is_some_and(has_joined) {
            return true;
        }
        let joined = self.group.members.iter().find(|(_, member)| has_joined(member)).map(|(member_id, _)| member_id.clone());
        let found = joined.is_some();
        if found {
            self.group.leader = joined;
        }
        found
    }

    fn announce_generation(&mut self) {
        let member_ids: Vec<MemberId> = self.group.members.keys().cloned().collect();
        for member_id in member_ids {
            let joined = self.generation_for(&member_id);
            let Some(member) = self.group.members.get_mut(&member_id) else { continue };
            member.synced = false;
            let Some(waiter) = member.joining.take() else { continue };
            member.is_new = false;
            self.heard(&member_id);
            self.answer(waiter, Ok(Reply::Joined(joined)));
        }
    }
}

/// The slowest member sets the pace.
fn rebalance_timeout_ms(group: &Group) -> i64 {
    group.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
}

/// Generations count up; after 2^31-1 they start again, as a negative one would mean "no generation".
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
