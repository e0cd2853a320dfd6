//! When which group wants to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ids::GroupId;

/// Each group's next deadline, in order.
#[derive(Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(i64, GroupId)>,
    by_group: BTreeMap<GroupId, i64>,
}

impl Timers {
    /// Whether this is now the earliest of all, and earlier than before.
    pub(super) fn set(&mut self, group_id: &GroupId, at_ms: Option<i64>) -> bool {
        let before_ms = self.next_ms();
        if let Some(old_ms) = self.by_group.remove(group_id) {
            self.by_time.remove(&(old_ms, group_id.clone()));
        }
        let Some(at_ms) = at_ms else { return false };
        self.by_group.insert(group_id.clone(), at_ms);
        self.by_time.insert((at_ms, group_id.clone()));
        before_ms.is_none_or(|before_ms| at_ms < before_ms)
    }

    pub(super) fn next_ms(&self) -> Option<i64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    /// The next group whose time has come; it is no longer held.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<GroupId> {
        let due = self.by_time.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms);
        let (_, group_id) = due.then(|| self.by_time.pop_first()).flatten()?;
        self.by_group.remove(&group_id);
        Some(group_id)
    }
}
