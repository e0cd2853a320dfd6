//! A group as DescribeGroups and ListGroups show it.

use bytes::Bytes;

use super::super::ids::{InstanceId, MemberId};
use super::{Group, Member, Phase};

/// What kind of group this coordinator keeps. KIP-848 will bring "consumer" beside it.
pub(crate) const GROUP_TYPE: &str = "classic";

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
            topics.extend(parse_subscription(&member.metadata_for(protocol))?);
        }
        topics.sort_unstable();
        topics.dedup();
        Some(topics)
    }
}

/// The topic names of a `ConsumerProtocolSubscription`. All its versions begin alike, so the rest need not be understood.
fn parse_subscription(metadata: &[u8]) -> Option<Vec<String>> {
    let (_version, rest) = metadata.split_first_chunk::<2>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    // Not reserved ahead: the count may lie, the bytes that follow can't.
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count).max(0) {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let len = usize::try_from(i16::from_be_bytes(*len)).ok()?;
        let (name, after) = after.split_at_checked(len)?;
        topics.push(std::str::from_utf8(name).ok()?.to_owned());
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_or_refused() {
        let check = |metadata: &[u8], expect: Option<&[&str]>| {
            let expect = expect.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(parse_subscription(metadata), expect, "{metadata:?}");
        };
        check(b"\0\0\0\0\0\0", Some(&[]));
        check(b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0", Some(&["a", "bc"]));
        check(b"\0\0\x7f\xff\xff\xff\0\x01a", None);
        check(b"\0\0\0\0\0\x01\xff\xff", None);
        check(b"\0\0\0\0\0\x01\0\x01\xff", None);
        check(b"", None);
    }
}
