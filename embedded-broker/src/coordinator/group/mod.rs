//! One classic consumer group as it lives in memory: its phase, its members, who is waiting for what.
//!
//! The phases are Kafka's (`ClassicGroupState`):
//!
//! ```text
//! Empty ──first join──► PreparingRebalance ──all joined, or time is up──► CompletingRebalance ──leader syncs──► Stable
//!   ▲                     │        ▲                                             │                              │
//!   └──── no one left ────┘        └─────────── a member joins, leaves or is lost ┴──────────────────────────────┘
//! ```
//!
//! Dead is not a phase here: a dead group is one that the state no longer holds.
//! In reading order: `turn` (one command's work), `join`, `rebalance`, `sync`, `leave` (leave, abandon, time), `view` (describe, list).

mod join;
mod leave;
mod rebalance;
mod sync;
mod turn;
mod view;

use std::collections::BTreeMap;

use crate::codec::ResponseError;
use bytes::Bytes;

use super::command::{Caller, JoinedMember, Protocol};
use super::ids::{InstanceId, MemberId, WaiterId};
use super::image::Now;
use super::records::{GroupMetadata, MemberMetadata};

pub(super) use turn::{Turn, heard};
pub(crate) use view::{GroupView, MemberView};

/// Where a group stands between two generations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No members; perhaps offsets.
    #[default]
    Empty,
    /// Waiting for the members to join the next generation.
    PreparingRebalance(Preparing),
    /// Everyone knows the generation; waiting for the leader's assignments.
    CompletingRebalance {
        /// Members that have not asked for their assignment by then are dropped.
        sync_deadline_ms: i64,
    },
    /// Everyone has its part.
    Stable,
}

/// A rebalance that waits for its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preparing {
    /// When it goes on without those who have not come.
    pub(crate) deadline_ms: i64,
    /// The first rebalance of an empty group does not end when all known members have joined: nobody knows yet how many there are.
    pub(crate) initial: Option<InitialDelay>,
}

/// `group.initial.rebalance.delay.ms` at work: each newcomer extends the wait, up to the rebalance timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    pub(crate) remaining_ms: i64,
    pub(crate) newcomer: bool,
}

impl Phase {
    /// Kafka's name of the phase, as ListGroups and DescribeGroups spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::PreparingRebalance(_) => "PreparingRebalance",
            Phase::CompletingRebalance { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }
}

/// A group in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) phase: Phase,
    /// By the wall clock: the retention of an empty group's offsets counts from it, over restarts.
    pub(crate) phase_since_ms: i64,
    pub(crate) generation: i32,
    /// What the members are: "consumer", "connect", … Kept when the last one goes.
    pub(crate) protocol_type: String,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<MemberId>,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) static_members: BTreeMap<InstanceId, MemberId>,
    /// Ids given out that nobody has joined with yet, and when they lapse (KIP-394).
    pub(crate) pending: BTreeMap<MemberId, i64>,
}

/// A member in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// Its parked JoinGroup, if it is waiting for the next generation.
    pub(crate) joining: Option<WaiterId>,
    /// Its parked SyncGroup, if it is waiting for the leader.
    pub(crate) syncing: Option<WaiterId>,
    /// It has asked for its assignment in this generation.
    pub(crate) synced: bool,
    /// Its first join is still parked.
    pub(crate) is_new: bool,
    pub(crate) session_deadline_ms: i64,
}

impl Member {
    fn metadata_for(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|offered| offered.name == protocol).map(|offered| offered.metadata.clone()).unwrap_or_default()
    }

    /// Whether the session deadline counts now. A member that is parked is alive by that; a new one has nothing else to show.
    fn session_counts(&self) -> bool {
        self.is_new || (self.joining.is_none() && self.syncing.is_none())
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.client_id.len() + self.client_host.len() + protocol_bytes(&self.protocols) + self.assignment.len()
    }
}

/// What offered protocols weigh, by the limits.
pub(super) fn protocol_bytes(protocols: &[Protocol]) -> usize {
    protocols.iter().map(|protocol| size_of::<Protocol>() + protocol.name.len() + protocol.metadata.len()).sum()
}

impl Group {
    /// The group that a restart finds in its log: its last complete generation, its members given one session to show themselves.
    pub(crate) fn from_metadata(metadata: &GroupMetadata, now: Now) -> Self {
        let mut group = Group {
            phase: if metadata.members.is_empty() { Phase::Empty } else { Phase::Stable },
            phase_since_ms: if metadata.state_timestamp_ms >= 0 { metadata.state_timestamp_ms } else { now.wall_ms },
            generation: metadata.generation,
            protocol_type: metadata.protocol_type.clone(),
            protocol: metadata.protocol.clone(),
            leader: metadata.leader.clone(),
            ..Group::default()
        };
        for member in &metadata.members {
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member.member_id.clone());
            }
            group.members.insert(member.member_id.clone(), restored_member(member, metadata.protocol.as_deref(), now));
        }
        group
    }

    /// What must survive a restart.
    pub(crate) fn to_metadata(&self, now_ms: i64) -> GroupMetadata {
        let protocol = self.protocol.clone();
        let members = self.members.iter().map(|(member_id, member)| MemberMetadata {
            member_id: member_id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata_for(protocol.as_deref().unwrap_or_default()),
            assignment: member.assignment.clone(),
        });
        GroupMetadata {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            members: members.collect(),
            protocol,
            leader: self.leader.clone(),
            state_timestamp_ms: now_ms,
        }
    }

    /// When something happens next though nobody asks: the earliest deadline.
    pub(crate) fn next_deadline_ms(&self) -> Option<i64> {
        let phase = match self.phase {
            Phase::PreparingRebalance(preparing) => Some(preparing.deadline_ms),
            Phase::CompletingRebalance { sync_deadline_ms } => Some(sync_deadline_ms),
            Phase::Empty | Phase::Stable => None,
        };
        let sessions = self.members.values().filter(|member| member.session_counts()).map(|member| member.session_deadline_ms);
        phase.into_iter().chain(sessions).chain(self.pending.values().copied()).min()
    }

    /// Nobody is in it and nobody is on the way.
    pub(crate) fn is_vacant(&self) -> bool {
        self.phase == Phase::Empty && self.members.is_empty() && self.pending.is_empty()
    }

    /// What the group weighs, by the limits.
    pub(crate) fn bytes(&self) -> usize {
        let members: usize = self.members.iter().map(|(member_id, member)| member_id.as_str().len() + member.bytes()).sum();
        let pending: usize = self.pending.keys().map(|member_id| size_of::<MemberId>() + member_id.as_str().len()).sum();
        members + pending
    }

    /// The caller is a member, and the one it says it is (KIP-345).
    pub(crate) fn check_member(&self, member_id: &MemberId, instance_id: Option<&InstanceId>) -> Result<(), ResponseError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(current) if current != member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }

    /// The caller is a member of this very generation.
    pub(crate) fn check_caller(&self, caller: &Caller) -> Result<(), ResponseError> {
        self.check_member(&caller.member_id, caller.instance_id.as_ref())?;
        if caller.generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    /// Everyone, as the leader must see them.
    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let seen = |(member_id, member): (&MemberId, &Member)| JoinedMember {
            member_id: member_id.clone(),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata_for(protocol),
        };
        self.members.iter().map(seen).collect()
    }

    /// Members could agree on one of these protocols. `except` is the member that offers them: what it offered before no longer counts.
    fn supports(&self, protocol_type: &str, offered: &[Protocol], except: Option<&MemberId>) -> bool {
        if protocol_type.is_empty() || offered.is_empty() {
            return false;
        }
        let others: Vec<&Member> = self.members.iter().filter(|(id, _)| Some(*id) != except).map(|(_, member)| member).collect();
        if others.is_empty() {
            return true;
        }
        let by_all = |protocol: &Protocol| others.iter().all(|other| other.protocols.iter().any(|theirs| theirs.name == protocol.name));
        self.protocol_type == protocol_type && offered.iter().any(by_all)
    }

    /// The protocol all members know that most of them prefer; a tie goes to the leader's order.
    fn elect_protocol(&self) -> Option<String> {
        let known_by_all = |name: &str| self.members.values().all(|member| member.protocols.iter().any(|protocol| protocol.name == name));
        let ballot = self.leader.as_ref().and_then(|leader| self.members.get(leader)).or_else(|| self.members.values().next())?;
        let mut candidates: Vec<(&str, usize)> =
            ballot.protocols.iter().map(|protocol| (protocol.name.as_str(), 0)).filter(|(name, _)| known_by_all(name)).collect();
        for member in self.members.values() {
            let choice = member.protocols.iter().find_map(|protocol| candidates.iter().position(|(name, _)| *name == protocol.name));
            if let Some(choice) = choice {
                candidates[choice].1 += 1;
            }
        }
        let most = candidates.iter().map(|(_, votes)| *votes).max()?;
        candidates.iter().find(|(_, votes)| *votes == most).map(|(name, _)| (*name).to_owned())
    }
}

fn restored_member(member: &MemberMetadata, protocol: Option<&str>, now: Now) -> Member {
    Member {
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        session_timeout_ms: member.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        protocols: vec![Protocol { name: protocol.unwrap_or_default().to_owned(), metadata: member.subscription.clone() }],
        assignment: member.assignment.clone(),
        joining: None,
        syncing: None,
        synced: true,
        is_new: false,
        session_deadline_ms: now.deadline_ms(i64::from(member.session_timeout_ms)),
    }
}
