//! What of a consumer group lives in memory only: deadlines, and which topics it has seen.

use std::collections::BTreeMap;

use super::super::config::GroupConfig;
use super::super::ids::MemberId;
use super::super::image::Now;
use super::{ConsumerGroup, Member, MemberState};

/// The deadlines of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// A member not heard of by then is fenced.
    pub(crate) sessions: BTreeMap<MemberId, i64>,
    /// A member that has not given up its partitions by then is fenced; one of the classic protocol, if it has not joined or synced.
    pub(crate) rebalances: BTreeMap<MemberId, i64>,
    /// The version of the topics' image that the group's topics were taken from. `None`: since the start, none.
    pub(crate) seen_topics: Option<u64>,
}

/// One change to them. Small, so that a heartbeat in a group of a thousand copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Session(MemberId, Option<i64>),
    Rebalance(MemberId, Option<i64>),
    SeenTopics(u64),
}

impl Change {
    /// It moves a session's deadline away and does nothing else.
    pub(crate) fn is_sign_of_life(&self) -> bool {
        matches!(self, Self::Session(..) | Self::SeenTopics(_))
    }
}

impl Live {
    pub(crate) fn install(&mut self, change: Change) {
        let set = |deadlines: &mut BTreeMap<MemberId, i64>, member_id, deadline_ms: Option<i64>| match deadline_ms {
            Some(deadline_ms) => _ = deadlines.insert(member_id, deadline_ms),
            None => _ = deadlines.remove(&member_id),
        };
        match change {
            Change::Session(member_id, deadline_ms) => set(&mut self.sessions, member_id, deadline_ms),
            Change::Rebalance(member_id, deadline_ms) => set(&mut self.rebalances, member_id, deadline_ms),
            Change::SeenTopics(version) => self.seen_topics = Some(version),
        }
    }

    /// When something happens next though nobody asks.
    pub(crate) fn next_deadline_ms(&self) -> Option<i64> {
        self.sessions.values().chain(self.rebalances.values()).copied().min()
    }

    /// After a restart: everyone has one session to show itself.
    pub(crate) fn restored(group: &ConsumerGroup, config: &GroupConfig, now: Now) -> Self {
        let mut live = Self::default();
        for (member_id, member) in &group.members {
            live.sessions.insert(member_id.clone(), now.deadline_ms(member.session_timeout_ms(config)));
            if member.current.state == MemberState::UnrevokedPartitions {
                live.rebalances.insert(member_id.clone(), now.deadline_ms(member.rebalance_timeout_ms()));
            }
        }
        live
    }
}

impl Member {
    pub(super) fn session_timeout_ms(&self, config: &GroupConfig) -> i64 {
        i64::from(self.subscription.classic.as_ref().map_or(config.consumer_session_timeout_ms, |classic| classic.session_timeout_ms))
    }

    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        i64::from(self.subscription.rebalance_timeout_ms.max(0))
    }
}
