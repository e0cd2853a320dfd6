//! From one group to the rows of its detail: partitions with their pace, members with what they read. Pure.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use weir_model::{Group, GroupPartition, Member, Offset, PartitionId, TopicName, Verdict};
use weir_ui_kit::format;

use crate::panels::text;

/// A column of the partition table, in the order shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Verdict,
    Topic,
    Partition,
    Committed,
    End,
    Lag,
    Consumed,
    Produced,
    Eta,
    Member,
}

impl Column {
    pub(super) const ALL: [Self; 10] = [
        Self::Verdict,
        Self::Topic,
        Self::Partition,
        Self::Committed,
        Self::End,
        Self::Lag,
        Self::Consumed,
        Self::Produced,
        Self::Eta,
        Self::Member,
    ];

    /// The heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Verdict => "Verdict",
            Self::Topic => "Topic",
            Self::Partition => "Partition",
            Self::Committed => "Committed",
            Self::End => "End",
            Self::Lag => "Lag",
            Self::Consumed => "Consumed/s",
            Self::Produced => "Produced/s",
            Self::Eta => "Caught up in",
            Self::Member => "Member",
        }
    }

    /// Whether its cells are figures, which stand on the right.
    pub(super) fn is_number(self) -> bool {
        !matches!(self, Self::Verdict | Self::Topic | Self::Member)
    }
}

/// One partition with the texts of its cells.
#[derive(Clone, Debug)]
pub(super) struct PartitionRow {
    pub(super) topic: TopicName,
    pub(super) partition: PartitionId,
    pub(super) verdict: Verdict,
    pub(super) evidence: Arc<str>,
    /// Where "show the unread records" begins; `None` when nothing is unread or nothing is known.
    pub(super) first_unread: Option<Offset>,
    pub(super) unread_records: u64,
    texts: [Arc<str>; 10],
}

impl PartitionRow {
    /// The text of one cell.
    pub(super) fn text(&self, column: Column) -> &Arc<str> {
        &self.texts[column as usize]
    }

    fn new(partition: &GroupPartition, members: &BTreeMap<&str, &Member>) -> Self {
        let offset = |offset: Option<Offset>| offset.map_or_else(text::unknown, |offset| format::integer(offset.0).into());
        let rate = |rate: Option<f64>| rate.map_or_else(text::unknown, |rate| format::si(rate).into());
        let member: Arc<str> = match &partition.member_id {
            None => text::unknown(),
            Some(id) => members.get(id.as_str()).map_or_else(|| id.as_str().into(), |member| member_name(member, members)),
        };
        let texts = [
            partition.verdict.verdict.label().into(),
            partition.topic.as_str().into(),
            partition.partition.to_string().into(),
            offset(partition.committed_offset),
            offset(partition.end_offset),
            partition.lag_records.map_or_else(text::unknown, |lag| format::integer(lag).into()),
            rate(partition.consumed_per_s),
            rate(partition.produced_per_s),
            eta_text(partition).into(),
            member,
        ];
        Self {
            topic: partition.topic.clone(),
            partition: partition.partition,
            verdict: partition.verdict.verdict,
            evidence: Arc::clone(&partition.verdict.evidence),
            first_unread: first_unread(partition),
            unread_records: unread(partition),
            texts,
        }
    }
}

/// The partitions of a group, the most urgent first.
pub(super) fn rows(group: &Group) -> Vec<PartitionRow> {
    let members: BTreeMap<&str, &Member> = group.members.iter().map(|member| (member.id.as_str(), member)).collect();
    let mut partitions: Vec<&GroupPartition> = group.partitions.iter().collect();
    partitions.sort_by_key(|partition| (Reverse(partition.verdict.verdict), Reverse(partition.lag_records)));
    partitions.into_iter().map(|partition| PartitionRow::new(partition, &members)).collect()
}

/// The client id, which says more, unless several members share it.
fn member_name(member: &Member, members: &BTreeMap<&str, &Member>) -> Arc<str> {
    let is_shared = members.values().filter(|other| other.client_id == member.client_id).take(2).count() > 1;
    if is_shared { member.id.as_str().into() } else { Arc::clone(&member.client_id) }
}

/// One member with the texts of its row.
#[derive(Clone, Debug)]
pub(super) struct MemberRow {
    pub(super) client_id: Arc<str>,
    pub(super) member_id: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) instance_id: Arc<str>,
    pub(super) partitions: Arc<str>,
    /// `orders 0-3, 7; payments 1`.
    pub(super) assignment: Arc<str>,
    pub(super) is_idle: bool,
}

/// The members of a group, those without work last.
pub(super) fn member_rows(group: &Group) -> Vec<MemberRow> {
    let mut members: Vec<&Member> = group.members.iter().collect();
    members.sort_by(|a, b| a.assignment.is_empty().cmp(&b.assignment.is_empty()).then_with(|| a.client_id.cmp(&b.client_id)));
    let row = |member: &Member| MemberRow {
        client_id: Arc::clone(&member.client_id),
        member_id: member.id.as_str().into(),
        host: member.host.trim_start_matches('/').into(),
        instance_id: member.group_instance_id.as_ref().map_or_else(text::unknown, Arc::clone),
        partitions: format::integer(member.assignment.len() as u64).into(),
        assignment: assignment_text(member).into(),
        is_idle: member.assignment.is_empty(),
    };
    members.into_iter().map(row).collect()
}

fn assignment_text(member: &Member) -> String {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for assigned in &member.assignment {
        by_topic.entry(assigned.topic.as_str()).or_default().push(assigned.partition.0);
    }
    let texts = by_topic.into_iter().map(|(topic, mut partitions)| {
        partitions.sort_unstable();
        format!("{topic} {}", ranges_text(&partitions))
    });
    let text = texts.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "nothing assigned".to_owned() } else { text }
}

fn ranges_text(sorted: &[i32]) -> String {
    let runs = sorted.chunk_by(|a, b| a.checked_add(1) == Some(*b));
    let text = |run: &[i32]| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(ToString::to_string).collect(),
    };
    runs.map(text).collect::<Vec<_>>().join(", ")
}

/// How long until the lag is gone at the present pace.
fn eta_text(partition: &GroupPartition) -> String {
    if partition.lag_records == Some(0) {
        return "now".to_owned();
    }
    let (Some(lag), Some(consumed), Some(produced)) = (partition.lag_records, partition.consumed_per_s, partition.produced_per_s) else {
        return text::unknown().to_string();
    };
    let gain_per_s = consumed - produced;
    if gain_per_s <= 0.0 {
        return "never".to_owned();
    }
    format::duration_ms((lag as f64 / gain_per_s * 1_000.0) as i64)
}

fn first_unread(partition: &GroupPartition) -> Option<Offset> {
    let committed = partition.committed_offset?;
    let begin = partition.log_start_offset.map_or(committed, |start| committed.max(start));
    (partition.end_offset? > begin).then_some(begin)
}

fn unread(partition: &GroupPartition) -> u64 {
    let unread = first_unread(partition).zip(partition.end_offset).map_or(0, |(begin, end)| end.0.saturating_sub(begin.0));
    u64::try_from(unread).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use weir_model::{LagVerdict, TopicPartition};

    use super::*;

    fn partition(committed: Option<i64>, start: i64, end: i64, rates: Option<(f64, f64)>) -> GroupPartition {
        GroupPartition {
            topic: "orders".into(),
            partition: PartitionId(0),
            committed_offset: committed.map(Offset),
            log_start_offset: Some(Offset(start)),
            end_offset: Some(Offset(end)),
            lag_records: committed.map(|committed| u64::try_from(end - committed).unwrap_or(0)),
            consumed_per_s: rates.map(|rates| rates.0),
            produced_per_s: rates.map(|rates| rates.1),
            member_id: None,
            verdict: LagVerdict { verdict: Verdict::Keeping, evidence: "rule".into() },
        }
    }

    #[test]
    fn the_eta_is_lag_over_the_gain() {
        let check = |committed: Option<i64>, rates: Option<(f64, f64)>, expect: &str| {
            assert_eq!(eta_text(&partition(committed, 0, 1_000, rates)), expect, "{committed:?} {rates:?}");
        };
        check(Some(1_000), Some((5.0, 5.0)), "now");
        check(Some(0), Some((60.0, 50.0)), "1 m 40 s");
        check(Some(0), Some((50.0, 50.0)), "never");
        check(Some(1_000), None, "now");
        check(Some(0), None, "–");
        check(None, Some((1.0, 0.0)), "–");
    }

    #[test]
    fn the_unread_begin_at_the_commit_or_at_what_is_left() {
        let check = |committed: Option<i64>, start: i64, expect: Option<i64>, records: u64| {
            let partition = partition(committed, start, 100, None);
            assert_eq!((first_unread(&partition), unread(&partition)), (expect.map(Offset), records), "{committed:?} {start}");
        };
        check(Some(40), 0, Some(40), 60);
        check(Some(40), 70, Some(70), 30);
        check(Some(100), 0, None, 0);
        check(None, 0, None, 0);
    }

    #[test]
    fn assignments_are_ranges_by_topic() {
        let of = |topic: &str, partition: i32| TopicPartition { topic: topic.into(), partition: PartitionId(partition) };
        let member = Member {
            id: "m".into(),
            client_id: "c".into(),
            host: "/127.0.0.1".into(),
            group_instance_id: None,
            assignment: vec![of("orders", 7), of("orders", 0), of("orders", 1), of("orders", 2), of("payments", 1)],
        };
        assert_eq!(assignment_text(&member), "orders 0-2, 7; payments 1");
        assert_eq!(assignment_text(&Member { assignment: Vec::new(), ..member }), "nothing assigned");
    }
}
