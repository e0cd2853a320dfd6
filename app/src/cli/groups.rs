//! `weir groups`: the consumer groups of a cluster.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use weir_model::{Group, GroupKind, Verdict};

use super::{
    Failure, Globals, Subcommand,
    output::{Column, Field, Output, Row, cell, number, text},
    support::{Example, Takes, cluster, examples},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Groups {
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Subcommand for Groups {
    const NAME: &'static str = "groups";
    const ABOUT: &'static str = "List consumer groups with their state, members and lag";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir groups", what: "The groups of the local broker" },
        Example {
            line: "weir groups -b kafka.example:9092 --json | jq 'select(.lag_records > 1000)'",
            what: "Groups that are more than a thousand records behind",
        },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: false };

    fn details() -> Option<String> {
        Some(examples::json_section(GroupRow::FIELDS))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let snapshot = cluster::read_groups(globals)?;
        let rows: Vec<GroupRow> = snapshot.groups.iter().map(GroupRow::of).collect();
        Output::stdout(self.json).rows(&rows)?;
        cluster::report_partial(&snapshot.partial)
    }
}

#[derive(Serialize)]
struct GroupRow {
    group: String,
    state: String,
    kind: &'static str,
    assignor: Option<String>,
    coordinator: Option<i32>,
    members: usize,
    topics: usize,
    lag_records: Option<u64>,
    verdict: Option<&'static str>,
    #[serde(skip)]
    verdict_label: &'static str,
}

impl GroupRow {
    fn of(group: &Group) -> Self {
        let topics: BTreeSet<_> = group.partitions.iter().map(|partition| &partition.topic).collect();
        let verdict = group.verdict().map(|lag| lag.verdict);
        Self {
            group: group.id.to_string(),
            state: group.state.as_str().to_owned(),
            kind: match group.kind {
                GroupKind::Classic => "classic",
                GroupKind::Consumer => "consumer",
                GroupKind::Unknown => "unknown",
            },
            assignor: (!group.assignor.is_empty()).then(|| group.assignor.to_string()),
            coordinator: group.coordinator.map(|broker| broker.0),
            members: group.members.len(),
            topics: topics.len(),
            lag_records: group.lag_records(),
            verdict: verdict.map(verdict_name),
            verdict_label: verdict.map_or("-", Verdict::label),
        }
    }
}

/// A verdict's name in JSON. A public format: names stay.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::CaughtUp => "caught_up",
        Verdict::Keeping => "keeping",
        Verdict::Unknown => "unknown",
        Verdict::NoCommit => "no_commit",
        Verdict::FallingBehind => "falling_behind",
        Verdict::Stalled => "stalled",
        Verdict::DataLost => "data_lost",
    }
}

impl Row for GroupRow {
    const FIELDS: &'static [Field] = &[
        Field { name: "group", meaning: "its group.id" },
        Field { name: "state", meaning: "as its coordinator says: Stable, Empty, PreparingRebalance …" },
        Field { name: "kind", meaning: "classic, consumer (KIP-848) or unknown" },
        Field { name: "assignor", meaning: "such as range; null when there is none" },
        Field { name: "coordinator", meaning: "the id of the broker that coordinates it" },
        Field { name: "members", meaning: "how many it has" },
        Field { name: "topics", meaning: "how many it has commits or assignments for" },
        Field { name: "lag_records", meaning: "records behind, over all partitions with a commit" },
        Field {
            name: "verdict",
            meaning: "the most urgent of its partitions: caught_up, keeping, unknown, no_commit, falling_behind, stalled, data_lost",
        },
    ];
    const COLUMNS: &'static [Column] = &[
        text("GROUP"),
        text("STATE"),
        text("KIND"),
        text("ASSIGNOR"),
        number("MEMBERS"),
        number("TOPICS"),
        number("LAG"),
        text("VERDICT"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.group.clone(),
            self.state.clone(),
            self.kind.to_owned(),
            self.assignor.clone().unwrap_or_else(|| "-".to_owned()),
            cell(Some(self.members as u64)),
            cell(Some(self.topics as u64)),
            cell(self.lag_records),
            self.verdict_label.to_owned(),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use weir_model::{GroupId, GroupPartition, GroupState, LagVerdict, Member, MemberId, Offset, PartitionId, TopicName, TopicPartition};

    use super::*;
    use crate::cli::output::tests::check_row;

    /// A group with one member that is 1,500 records behind on `orders` 0 and never committed `orders` 1.
    pub(crate) fn group() -> Group {
        let partition = |partition: i32, committed: Option<i64>, verdict| GroupPartition {
            topic: TopicName::from("orders"),
            partition: PartitionId(partition),
            committed_offset: committed.map(Offset),
            log_start_offset: Some(Offset(0)),
            end_offset: Some(Offset(2_000)),
            lag_records: committed.map(|committed| 2_000 - committed.unsigned_abs()),
            consumed_per_s: None,
            produced_per_s: None,
            member_id: (partition == 0).then(|| MemberId::from("m-1")),
            verdict: LagVerdict { verdict, evidence: "seen once".into() },
        };
        Group {
            id: GroupId::from("billing"),
            state: GroupState::Stable,
            kind: GroupKind::Classic,
            assignor: Arc::from("range"),
            coordinator: None,
            members: vec![Member {
                id: MemberId::from("m-1"),
                client_id: "app".into(),
                host: "/127.0.0.1".into(),
                group_instance_id: None,
                assignment: vec![TopicPartition { topic: TopicName::from("orders"), partition: PartitionId(0) }],
            }],
            partitions: vec![partition(0, Some(500), Verdict::Keeping), partition(1, None, Verdict::NoCommit)],
        }
    }

    #[test]
    fn a_row_holds_what_its_help_says() {
        let row = GroupRow::of(&group());
        check_row(&row);
        assert_eq!(row.cells(), ["billing", "Stable", "classic", "range", "1", "1", "1,500", "No commit"]);
        assert_eq!(row.verdict, Some("no_commit"));
    }
}
