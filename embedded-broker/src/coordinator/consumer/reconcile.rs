//! One member's way from what it holds to what it should: give up first, then move on, then take what is free.
//!
//! Invariant: a partition that one member holds, or has been told to give up and has not, is given to no other.

use super::super::ids::MemberId;
use super::super::records::ConsumerRecord;
use super::turn::Turn;
use super::{Assignment, Change, ConsumerGroup, Current, MemberState, each_partition};

impl Turn<'_> {
    /// Takes the member one step on. `owned`: what it says it holds; `None` when it does not say.
    pub(super) fn reconcile(&mut self, member_id: &MemberId, owned: Option<&Assignment>) {
        let before = self.member(member_id).current;
        let after = next(&self.group, member_id, &before, owned);
        let is_new = before == Current::default() && after != before;
        if after != before || is_new {
            let was_revoking = before.state == MemberState::UnrevokedPartitions && before.epoch == after.epoch;
            let is_revoking = after.state == MemberState::UnrevokedPartitions;
            if is_revoking && !(was_revoking && before.revoking == after.revoking) {
                let deadline_ms = self.context.now.deadline_ms(self.member(member_id).rebalance_timeout_ms());
                self.change(Change::Rebalance(member_id.clone(), Some(deadline_ms)));
            } else if !is_revoking {
                self.change(Change::Rebalance(member_id.clone(), None));
            }
            self.write(ConsumerRecord::Current(member_id.clone(), Some(after)));
        }
    }
}

/// Where a member stands next (Kafka's `CurrentAssignmentBuilder`).
fn next(group: &ConsumerGroup, member_id: &MemberId, current: &Current, owned: Option<&Assignment>) -> Current {
    match current.state {
        MemberState::Stable if current.epoch == group.target_epoch => current.clone(),
        // It has not said yet that it has given up everything it must.
        MemberState::UnrevokedPartitions if still_owns(owned, &current.revoking) => current.clone(),
        MemberState::Stable | MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions | MemberState::Unknown => {
            toward_target(group, member_id, current, owned)
        }
    }
}

fn toward_target(group: &ConsumerGroup, member_id: &MemberId, current: &Current, owned: Option<&Assignment>) -> Current {
    let nothing = Assignment::new();
    let target = group.targets.get(member_id).unwrap_or(&nothing);
    let (kept, revoking) = split(&current.assigned, target);
    if !revoking.is_empty() && still_owns(owned, &revoking) {
        return Current { state: MemberState::UnrevokedPartitions, assigned: kept, revoking, ..current.clone() };
    }
    let (_, missing) = split(target, &kept);
    let mut assigned = kept;
    let mut waits = false;
    for (topic_id, partition) in each_partition(&missing) {
        if group.owner(topic_id, partition).is_none_or(|owner| owner == member_id) {
            assigned.entry(topic_id).or_default().insert(partition);
        } else {
            waits = true;
        }
    }
    let state = if waits { MemberState::UnreleasedPartitions } else { MemberState::Stable };
    let moves = current.epoch != group.target_epoch;
    let previous_epoch = if moves { current.epoch } else { current.previous_epoch };
    Current { epoch: group.target_epoch, previous_epoch, state, assigned, revoking: Assignment::new() }
}

/// Whether the member may still hold one of these: it says so, or it does not say.
fn still_owns(owned: Option<&Assignment>, partitions: &Assignment) -> bool {
    let Some(owned) = owned else { return true };
    each_partition(partitions).any(|(topic_id, partition)| owned.get(&topic_id).is_some_and(|owned| owned.contains(&partition)))
}

/// What is in `of` and in `other`, and what is in `of` alone.
fn split(of: &Assignment, other: &Assignment) -> (Assignment, Assignment) {
    let (mut both, mut alone) = (Assignment::new(), Assignment::new());
    for (topic_id, partition) in each_partition(of) {
        let is_in_both = other.get(&topic_id).is_some_and(|partitions| partitions.contains(&partition));
        let side = if is_in_both { &mut both } else { &mut alone };
        side.entry(topic_id).or_default().insert(partition);
    }
    (both, alone)
}
