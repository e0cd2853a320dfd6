//! Reading consumer groups: members, assignments, committed offsets, lag.

use std::collections::{BTreeMap, HashMap};

use weir_model::{
    BrokerId, ClusterSnapshot, Group, GroupId, GroupKind, GroupPartition, GroupState, GroupsSnapshot, Member, MemberId, Offset,
    PartitionId, TimestampMs, TopicName, TopicPartition,
};

use crate::{
    client::{Admin, ClientError, GroupDescription, GroupOffset},
    lag::{History, Sample},
};

/// Groups described in one request.
const GROUPS_PER_REQUEST: usize = 200;

/// Reads groups again and again, and remembers enough to tell how they move.
#[derive(Debug, Default)]
pub struct GroupsReader {
    histories: HashMap<(GroupId, TopicName, PartitionId), History>,
}

impl GroupsReader {
    /// Reads all groups. Ends and log starts come from `cluster`, which should be as fresh as possible.
    ///
    /// # Errors
    /// When no broker answers. Parts that failed stand in the snapshot's `partial`.
    pub fn read(&mut self, admin: &Admin, cluster: &ClusterSnapshot, at: TimestampMs) -> Result<GroupsSnapshot, ClientError> {
        let (listings, errors) = admin.list_groups()?;
        let mut partial: Vec<_> = errors.iter().map(|error| error.problem("A broker did not list its groups")).collect();
        let mut ids: Vec<String> = listings.into_iter().map(|listing| listing.group_id).collect();
        ids.sort();
        let mut groups = Vec::with_capacity(ids.len());
        for ids in ids.chunks(GROUPS_PER_REQUEST) {
            let descriptions = admin.describe_groups(ids)?;
            let mut offsets: HashMap<&String, _> = ids.iter().zip(admin.list_group_offsets(ids)?).collect();
            for (id, description) in descriptions {
                let committed = offsets.remove(&id).unwrap_or_else(|| Ok(Vec::new()));
                match description.and_then(|description| Ok((description, committed?))) {
                    Ok((description, committed)) => groups.push(self.group(description, &committed, cluster, at)),
                    Err(error) => partial.push(error.problem(format!("Group {id} could not be read"))),
                }
            }
        }
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        let ids: std::collections::HashSet<&GroupId> = groups.iter().map(|group| &group.id).collect();
        self.histories.retain(|(id, _, _), _| ids.contains(id));
        Ok(GroupsSnapshot { groups, partial })
    }

    fn group(&mut self, description: GroupDescription, committed: &[GroupOffset], cluster: &ClusterSnapshot, at: TimestampMs) -> Group {
        let id = GroupId::from(description.group_id);
        let mut members: Vec<Member> = description.members.into_iter().map(member).collect();
        members.sort_by(|a, b| a.id.cmp(&b.id));

        // Every partition that is committed or assigned, once.
        let mut rows: BTreeMap<TopicPartition, (Option<i64>, Option<MemberId>)> = BTreeMap::new();
        for it in committed {
            let at = TopicPartition { topic: TopicName::from(it.topic.as_str()), partition: PartitionId(it.partition) };
            if let Ok(Some(offset)) = it.offset {
                rows.entry(at).or_default().0 = Some(offset);
            }
        }
        for member in &members {
            for at in &member.assignment {
                rows.entry(at.clone()).or_default().1 = Some(member.id.clone());
            }
        }
        let partitions =
            rows.into_iter().map(|(place, (committed, member_id))| self.partition(&id, place, committed, member_id, cluster, at)).collect();
        Group {
            id,
            state: state(&description.state),
            kind: match description.is_consumer_protocol {
                Some(true) => GroupKind::Consumer,
                Some(false) => GroupKind::Classic,
                None => GroupKind::Unknown,
            },
            assignor: description.assignor.into(),
            coordinator: description.coordinator_id.filter(|id| *id >= 0).map(BrokerId),
            members,
            partitions,
        }
    }

    fn partition(
        &mut self,
        group: &GroupId,
        place: TopicPartition,
        committed: Option<i64>,
        member_id: Option<MemberId>,
        cluster: &ClusterSnapshot,
        at: TimestampMs,
    ) -> GroupPartition {
        let known = cluster.topic(&place.topic).and_then(|topic| topic.partition(place.partition));
        let (log_start_offset, end_offset) = (known.and_then(|it| it.log_start_offset), known.and_then(|it| it.high_watermark));
        let history = self.histories.entry((group.clone(), place.topic.clone(), place.partition)).or_default();
        if let (Some(log_start), Some(end)) = (log_start_offset, end_offset) {
            history.push(Sample { at_ms: at.0, committed, end: end.0, log_start: log_start.0 });
        }
        let movement = history.movement();
        GroupPartition {
            // Offsets are read one after the other: a commit may be newer than the end, which is then no negative lag.
            lag_records: end_offset.zip(committed).map(|(end, committed)| u64::try_from(end.0 - committed).unwrap_or(0)),
            verdict: history.verdict(member_id.is_some()),
            topic: place.topic,
            partition: place.partition,
            committed_offset: committed.map(Offset),
            log_start_offset,
            end_offset,
            consumed_per_s: movement.consumed_per_s,
            produced_per_s: movement.produced_per_s,
            member_id,
        }
    }
}

fn member(it: crate::client::MemberDescription) -> Member {
    let mut assignment: Vec<TopicPartition> = it
        .assignment
        .into_iter()
        .map(|(topic, partition)| TopicPartition { topic: TopicName::from(topic), partition: PartitionId(partition) })
        .collect();
    assignment.sort();
    Member {
        id: MemberId::from(it.member_id),
        client_id: it.client_id.into(),
        host: it.host.into(),
        group_instance_id: it.group_instance_id.map(Into::into),
        assignment,
    }
}

fn state(word: &str) -> GroupState {
    match word {
        "Stable" => GroupState::Stable,
        "PreparingRebalance" => GroupState::PreparingRebalance,
        "CompletingRebalance" => GroupState::CompletingRebalance,
        "Assigning" => GroupState::Assigning,
        "Reconciling" => GroupState::Reconciling,
        "Empty" => GroupState::Empty,
        "Dead" => GroupState::Dead,
        other => GroupState::Other(other.into()),
    }
}
