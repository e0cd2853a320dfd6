//! What can be asked of a group, what is answered, and what a decision is made of.

use crate::codec::ResponseError;
use bytes::Bytes;

use super::consumer::{Change, Heartbeat, Heartbeated};
use super::group::Group;
use super::ids::{GroupId, InstanceId, MemberId, TopicName, WaiterId};
use super::records::Record;
use crate::log::ProducerEpoch;

/// One thing asked of one group.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// A member wants to be in the next generation.
    Join(Join),
    /// A member wants its part of this generation; the leader brings everyone's.
    Sync(Sync),
    /// A member is alive.
    Heartbeat(Caller),
    /// A member of the consumer protocol says where it stands (KIP-848).
    ConsumerHeartbeat(Box<Heartbeat>),
    /// Members go.
    Leave(Vec<Leaving>),
    /// Someone stores how far it has read.
    CommitOffsets(CommitOffsets),
    /// An operator removes stored offsets.
    DeleteOffsets(Vec<(TopicName, i32)>),
    /// An operator removes an empty group with all it has.
    DeleteGroup,
    /// The client behind a parked join or sync has gone.
    Abandon,
    /// A deadline of this group has come.
    Tick,
    /// Look for offsets that have outlived the retention.
    ExpireOffsets,
    /// These topics exist no more.
    ForgetTopics(Vec<TopicName>),
}

/// A JoinGroup request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Join {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocol_type: String,
    /// In the member's order of preference.
    pub(crate) protocols: Vec<Protocol>,
    /// The id to give to a member that has none. Chosen outside, so that the decision stays a pure function.
    pub(crate) fresh_member_id: MemberId,
    /// The client understands MEMBER_ID_REQUIRED (KIP-394, version 4).
    pub(crate) can_require_member_id: bool,
    /// The client understands `skip_assignment` (KIP-814, version 9).
    pub(crate) can_skip_assignment: bool,
}

/// One assignment strategy a member offers, with what the group's leader needs to know about the member to apply it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) metadata: Bytes,
}

/// A SyncGroup request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sync {
    pub(crate) member: Caller,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol_name: Option<String>,
    pub(crate) assignments: Vec<(MemberId, Bytes)>,
}

/// Who a request says it comes from, and from which generation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) generation: i32,
}

/// One entry of a LeaveGroup request: by member id, or a static member by its instance id alone (KIP-345's admin use).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leaving {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<InstanceId>,
}

/// An OffsetCommit request, its unknown partitions already taken out.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommitOffsets {
    pub(crate) member: Caller,
    pub(crate) offsets: Vec<OffsetToCommit>,
    /// The producer whose transaction they are part of.
    pub(crate) producer: Option<ProducerEpoch>,
    /// The request can carry the epoch of a member of the consumer protocol (version 9).
    pub(crate) has_member_epoch: bool,
}

/// One partition of an OffsetCommit request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OffsetToCommit {
    pub(crate) topic: TopicName,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    /// Versions 2 to 4 may ask for a retention of their own.
    pub(crate) retention_ms: Option<i64>,
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Joined(Joined),
    /// Join again with this id (KIP-394).
    MemberIdRequired(MemberId),
    Synced(Synced),
    ConsumerHeartbeat(Heartbeated),
    /// Yes, and there is nothing more to say.
    Done,
    /// One result per entry, in the order asked.
    Left(Vec<(Leaving, Option<ResponseError>)>),
    /// One result per partition, in the order asked.
    Offsets(Vec<Option<ResponseError>>),
}

/// The new generation as one member sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol_name: String,
    pub(crate) leader: MemberId,
    pub(crate) member_id: MemberId,
    /// The leader must not compute assignments anew (KIP-814).
    pub(crate) skip_assignment: bool,
    /// Everyone, for the leader; nobody, for the others.
    pub(crate) members: Vec<JoinedMember>,
}

/// What the leader learns about a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) metadata: Bytes,
}

/// A member's part of the generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: String,
    pub(crate) protocol_name: String,
    pub(crate) assignment: Bytes,
}

/// A reply or the error in its place.
pub(crate) type Answer = Result<Reply, ResponseError>;

/// What follows from a command. Nothing has happened yet: the records are appended first, then applied, then `live` is installed and the
/// answers are sent. If the append fails all of it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) group_id: GroupId,
    pub(crate) records: Vec<Record>,
    pub(crate) live: LiveChange,
    pub(crate) answers: Vec<(WaiterId, Answer)>,
}

impl LiveChange {
    /// A sign of life only moves a deadline away: the timer may come early, it finds nothing to do and is set again.
    pub(crate) fn may_move_a_deadline_nearer(&self, has_records: bool) -> bool {
        match self {
            Self::None | Self::Heard { .. } => false,
            Self::Replace(_) => true,
            Self::Consumer { changes, classic } => has_records || classic.is_some() || !changes.iter().all(Change::is_sign_of_life),
        }
    }
}

/// How the part of a group that lives in memory only changes.
#[derive(Clone, Debug)]
pub(crate) enum LiveChange {
    None,
    /// A member showed signs of life. Its own variant so that a heartbeat in a group of a thousand copies nothing.
    Heard {
        member_id: MemberId,
        session_deadline_ms: i64,
    },
    /// The group as it is from now on.
    Replace(Box<Group>),
    /// Deadlines of a consumer group move; `classic` is what the classic side becomes when the group goes from one kind to the other.
    Consumer {
        changes: Vec<Change>,
        classic: Option<Box<Group>>,
    },
}
