//! A group as DescribeGroups and ListGroups show it.

use bytes::Bytes;

use super::super::embedded;
use super::super::ids::{InstanceId, MemberId};
use super::{Group, Member, Phase};

/// A group, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupView {
    pub(crate) state: &'static str,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberView>,
}

/// A member, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberView {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<InstanceId>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}

impl Group {
    /// Metadata and assignments are shown only while they hold, as Kafka does: between two generations they are about to change.
    pub(crate) fn view(&self) -> GroupView {
        let settled = self.phase == Phase::Stable;
        let protocol = if settled { self.protocol.clone().unwrap_or_default() } else { String::new() };
        let view = |(member_id, member): (&MemberId, &Member)| MemberView {
            member_id: member_id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if settled { member.metadata_for(&protocol) } else { Bytes::new() },
            assignment: if settled { member.assignment.clone() } else { Bytes::new() },
        };
        GroupView {
            state: self.phase.name(),
            protocol_type: self.protocol_type.clone(),
            members: self.members.iter().map(view).collect(),
            protocol,
        }
    }

    /// The topics its members are subscribed to. `None`: the members say nothing that could be read, so it may be any.
    pub(crate) fn subscribed_topics(&self) -> Option<Vec<String>> {
        let protocol = self.protocol.as_deref()?;
        let mut topics = Vec::new();
        for member in self.members.values() {
            topics.extend(embedded::parse_subscription(&member.metadata_for(protocol))?.topics);
        }
        topics.sort_unstable();
        topics.dedup();
        Some(topics)
    }
}
