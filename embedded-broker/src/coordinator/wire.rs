//! Between the codec's types and the coordinator's own. Used by the group APIs.

use crate::codec::StrBytes;
use bytes::Bytes;

use super::command::Caller;
use super::ids::{GroupId, InstanceId, MemberId};

pub(crate) fn group_id(id: &crate::codec::messages::GroupId) -> GroupId {
    GroupId::from(id.as_str())
}

pub(crate) fn instance_id(id: Option<&StrBytes>) -> Option<InstanceId> {
    id.map(|id| InstanceId::from(id.as_str()))
}

pub(crate) fn caller(member_id: &StrBytes, instance: Option<&StrBytes>, generation: i32) -> Caller {
    Caller { member_id: MemberId::from(member_id.as_str()), instance_id: instance_id(instance), generation }
}

/// A copy that does not keep the request's frame in memory.
pub(crate) fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
