//! `weir lag`: how far consumer groups are behind, by partition.

use clap::Args;
use serde::Serialize;
use weir_model::{Group, GroupPartition, Member, Problem};

use super::{
    Failure, Globals, Subcommand,
    groups::verdict_name,
    output::{Column, Field, Output, Row, cell, number, text},
    support::{Example, Takes, cluster, examples},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Lag {
    /// This group only; all groups unless given
    group: Option<String>,

    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Subcommand for Lag {
    const NAME: &'static str = "lag";
    const ABOUT: &'static str = "Show how far consumer groups are behind, by partition, with a verdict and its evidence";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir lag", what: "Every partition of every group" },
        Example { line: "weir lag billing -b kafka.example:9092", what: "One group of a cluster" },
        Example { line: "weir lag --json | jq -s 'map(.lag_records // 0) | add'", what: "All lag in one number" },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: false };

    fn details() -> Option<String> {
        Some(examples::json_section(LagRow::FIELDS))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let snapshot = cluster::read_groups(globals)?;
        let is_wanted = |group: &&Group| self.group.as_deref().is_none_or(|wanted| group.id.as_str() == wanted);
        let groups: Vec<&Group> = snapshot.groups.iter().filter(is_wanted).collect();
        if let (Some(wanted), []) = (&self.group, &groups[..]) {
            cluster::warn_partial(&snapshot.partial);
            return Err(unknown_group(wanted, snapshot.groups.len()).into());
        }
        let rows: Vec<LagRow> = groups.into_iter().flat_map(LagRow::of_group).collect();
        Output::stdout(self.json).rows(&rows)?;
        cluster::report_partial(&snapshot.partial)
    }
}

fn unknown_group(wanted: &str, known: usize) -> Problem {
    Problem::new(
        format!("There is no consumer group {wanted:?}"),
        format!("the cluster lists {known} groups, none of that name; a group exists while it has members or committed offsets"),
        "Check the name; `weir groups` lists what there is",
    )
}

#[derive(Serialize)]
struct LagRow {
    group: String,
    topic: String,
    partition: i32,
    committed_offset: Option<i64>,
    log_start_offset: Option<i64>,
    end_offset: Option<i64>,
    lag_records: Option<u64>,
    member_id: Option<String>,
    client_id: Option<String>,
    host: Option<String>,
    verdict: &'static str,
    evidence: String,
    #[serde(skip)]
    verdict_label: &'static str,
}

impl LagRow {
    fn of_group(group: &Group) -> impl Iterator<Item = Self> + '_ {
        group.partitions.iter().map(move |partition| {
            let member = group.members.iter().find(|member| Some(&member.id) == partition.member_id.as_ref());
            Self::of(group, partition, member)
        })
    }

    fn of(group: &Group, partition: &GroupPartition, member: Option<&Member>) -> Self {
        Self {
            group: group.id.to_string(),
            topic: partition.topic.to_string(),
            partition: partition.partition.0,
            committed_offset: partition.committed_offset.map(|offset| offset.0),
            log_start_offset: partition.log_start_offset.map(|offset| offset.0),
            end_offset: partition.end_offset.map(|offset| offset.0),
            lag_records: partition.lag_records,
            member_id: partition.member_id.as_ref().map(ToString::to_string),
            client_id: member.map(|member| member.client_id.to_string()),
            host: member.map(|member| member.host.to_string()),
            verdict: verdict_name(partition.verdict.verdict),
            evidence: partition.verdict.evidence.to_string(),
            verdict_label: partition.verdict.verdict.label(),
        }
    }
}

impl Row for LagRow {
    const FIELDS: &'static [Field] = &[
        Field { name: "group", meaning: "its group.id" },
        Field { name: "topic", meaning: "the topic" },
        Field { name: "partition", meaning: "the partition's number" },
        Field { name: "committed_offset", meaning: "the offset the group reads next; null when it never committed" },
        Field { name: "log_start_offset", meaning: "the oldest offset still there" },
        Field { name: "end_offset", meaning: "the high watermark" },
        Field { name: "lag_records", meaning: "end_offset − committed_offset; null without a commit" },
        Field { name: "member_id", meaning: "who reads it; null when nobody does" },
        Field { name: "client_id", meaning: "that member's client.id" },
        Field { name: "host", meaning: "where that member connects from" },
        Field { name: "verdict", meaning: "caught_up, keeping, unknown, no_commit, falling_behind, stalled or data_lost" },
        Field { name: "evidence", meaning: "the rule that made the verdict, with its figures" },
    ];
    // The headings of kafka-consumer-groups.sh, which everyone knows.
    const COLUMNS: &'static [Column] = &[
        text("GROUP"),
        text("TOPIC"),
        number("PARTITION"),
        number("CURRENT-OFFSET"),
        number("LOG-END-OFFSET"),
        number("LAG"),
        text("VERDICT"),
        text("CLIENT-ID"),
        text("HOST"),
        text("EVIDENCE"),
    ];

    fn cells(&self) -> Vec<String> {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            self.group.clone(),
            self.topic.clone(),
            cell(Some(self.partition)),
            cell(self.committed_offset),
            cell(self.end_offset),
            cell(self.lag_records),
            self.verdict_label.to_owned(),
            or_none(&self.client_id),
            or_none(&self.host),
            self.evidence.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{groups::tests::group, output::tests::check_row};

    #[test]
    fn rows_name_the_member_and_keep_no_commit_apart_from_zero() {
        let rows: Vec<LagRow> = LagRow::of_group(&group()).collect();
        rows.iter().for_each(check_row);
        assert_eq!(rows[0].cells(), ["billing", "orders", "0", "500", "2,000", "1,500", "Keeping up", "app", "/127.0.0.1", "seen once"]);
        assert_eq!(rows[1].cells()[3..6], ["-", "2,000", "-"]);
        assert_eq!((rows[1].lag_records, &rows[1].client_id), (None, &None));
    }
}
