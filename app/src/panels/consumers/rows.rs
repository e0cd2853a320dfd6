//! From the groups to the rows of the list: filter, sort, and every text made once. Pure.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use weir_model::{Group, GroupId, GroupKind, GroupsSnapshot, Verdict};
use weir_ui_kit::format;

use crate::panels::{filter, text};

/// A column of the list, in the order shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Verdict,
    Group,
    State,
    Members,
    Lag,
    Topics,
    Kind,
}

impl Column {
    pub(super) const ALL: [Self; 7] = [Self::Verdict, Self::Group, Self::State, Self::Members, Self::Lag, Self::Topics, Self::Kind];

    /// The heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Verdict => "Verdict",
            Self::Group => "Group",
            Self::State => "State",
            Self::Members => "Members",
            Self::Topics => "Topics",
            Self::Lag => "Lag (records)",
            Self::Kind => "Protocol",
        }
    }

    /// Whether its cells are figures, which stand on the right and sort from the largest.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Members | Self::Lag)
    }

    /// Whether a click on the heading first sorts from the largest.
    pub(super) fn begins_descending(self) -> bool {
        self.is_number() || self == Self::Verdict
    }
}

/// What the list is asked to show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListQuery {
    pub(super) filter: String,
    pub(super) sort: Column,
    pub(super) is_descending: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { filter: String::new(), sort: Column::Verdict, is_descending: true }
    }
}

/// One group with the texts of its cells.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: GroupId,
    pub(super) verdict: Verdict,
    pub(super) lag_records: Option<u64>,
    pub(super) has_members: bool,
    members: usize,
    state: String,
    topics: Arc<str>,
    texts: [Arc<str>; 7],
}

impl Row {
    /// The text of one cell.
    pub(super) fn text(&self, column: Column) -> &Arc<str> {
        &self.texts[column as usize]
    }

    fn new(group: &Group) -> Self {
        let verdict = group.verdict();
        let topics: BTreeSet<&str> = group.partitions.iter().map(|partition| partition.topic.as_str()).collect();
        let topics: Arc<str> = topics.into_iter().collect::<Vec<_>>().join(", ").into();
        let lag_records = group.lag_records();
        let state = group.state.as_str().to_owned();
        let word = verdict.map_or(Verdict::Unknown, |verdict| verdict.verdict);
        let texts = [
            word.label().into(),
            group.id.as_str().into(),
            state.as_str().into(),
            format::integer(group.members.len() as u64).into(),
            lag_records.map_or_else(text::unknown, |lag| format::integer(lag).into()),
            Arc::clone(&topics),
            kind_label(group.kind).into(),
        ];
        Self {
            id: group.id.clone(),
            verdict: word,
            lag_records,
            has_members: !group.members.is_empty(),
            members: group.members.len(),
            state,
            topics,
            texts,
        }
    }

    fn compare(&self, other: &Self, column: Column) -> Ordering {
        match column {
            Column::Verdict => self.verdict.cmp(&other.verdict).then_with(|| self.lag_records.cmp(&other.lag_records)),
            Column::Group => self.id.cmp(&other.id),
            Column::State => self.state.cmp(&other.state),
            Column::Members => self.members.cmp(&other.members),
            Column::Topics => self.topics.cmp(&other.topics),
            Column::Lag => self.lag_records.cmp(&other.lag_records),
            Column::Kind => self.text(Column::Kind).cmp(other.text(Column::Kind)),
        }
    }
}

/// Which protocol a group speaks, in Kafka's words.
pub(super) fn kind_label(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::Classic => "classic",
        GroupKind::Consumer => "consumer (KIP-848)",
        GroupKind::Unknown => "not told",
    }
}

/// The rows of the list, the most urgent first by default. A group fits the filter by its id or by a topic it reads.
pub(super) fn rows(groups: &GroupsSnapshot, query: &ListQuery) -> Vec<Row> {
    let mut rows: Vec<Row> = groups.groups.iter().map(Row::new).filter(|row| fits(row, &query.filter)).collect();
    rows.sort_by(|a, b| {
        let order = a.compare(b, query.sort);
        let order = if query.is_descending { order.reverse() } else { order };
        order.then_with(|| a.id.cmp(&b.id))
    });
    rows
}

fn fits(row: &Row, typed: &str) -> bool {
    let words = typed.to_lowercase();
    filter::matches(row.id.as_str(), typed) || (words.len() > 2 && row.topics.to_lowercase().contains(words.trim()))
}

/// The table as CSV (RFC 4180), exact figures, in the order shown.
pub(super) fn to_csv(rows: &[Row]) -> String {
    let mut csv = String::from("group,verdict,state,members,topics,lag_records\r\n");
    for row in rows {
        let fields = [
            text::csv_field(row.id.as_str()),
            text::csv_field(row.verdict.label()),
            text::csv_field(&row.state),
            row.members.to_string(),
            text::csv_field(&row.topics),
            row.lag_records.map(|lag| lag.to_string()).unwrap_or_default(),
        ];
        csv.push_str(&fields.join(","));
        csv.push_str("\r\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use weir_model::{GroupPartition, GroupState, LagVerdict, PartitionId};

    use super::*;

    fn group(id: &str, topic: &str, lag_records: Option<u64>, verdict: Verdict) -> Group {
        let partition = GroupPartition {
            topic: topic.into(),
            partition: PartitionId(0),
            committed_offset: None,
            log_start_offset: None,
            end_offset: None,
            lag_records,
            consumed_per_s: None,
            produced_per_s: None,
            member_id: None,
            verdict: LagVerdict { verdict, evidence: "rule".into() },
        };
        Group {
            id: id.into(),
            state: GroupState::Stable,
            kind: GroupKind::Classic,
            assignor: "range".into(),
            coordinator: None,
            members: Vec::new(),
            partitions: vec![partition],
        }
    }

    fn snapshot() -> GroupsSnapshot {
        let groups = vec![
            group("audit", "orders", Some(10), Verdict::FallingBehind),
            group("billing", "payments", Some(900), Verdict::Keeping),
            group("mail", "orders", Some(90), Verdict::FallingBehind),
            group("new", "orders", None, Verdict::NoCommit),
        ];
        GroupsSnapshot { groups, partial: Vec::new() }
    }

    fn ids(query: &ListQuery) -> Vec<String> {
        rows(&snapshot(), query).iter().map(|row| row.id.to_string()).collect()
    }

    #[test]
    fn the_most_urgent_stands_first() {
        assert_eq!(ids(&ListQuery::default()), ["mail", "audit", "new", "billing"]);
        assert_eq!(ids(&ListQuery { sort: Column::Lag, ..ListQuery::default() }), ["billing", "mail", "audit", "new"]);
        assert_eq!(
            ids(&ListQuery { sort: Column::Group, is_descending: false, ..ListQuery::default() }),
            ["audit", "billing", "mail", "new"]
        );
    }

    #[test]
    fn a_group_is_found_by_its_topic() {
        let check = |filter: &str, expect: &[&str]| {
            assert_eq!(ids(&ListQuery { filter: filter.to_owned(), ..ListQuery::default() }), expect, "{filter}");
        };
        check("payments", &["billing"]);
        check("MAIL", &["mail"]);
        check("nothing", &[]);
    }

    #[test]
    fn no_commit_is_not_a_lag_of_zero() {
        let rows = rows(&snapshot(), &ListQuery { filter: "new".to_owned(), ..ListQuery::default() });
        assert_eq!(&**rows[0].text(Column::Lag), "–");
        assert!(to_csv(&rows).ends_with("new,No commit,Stable,0,orders,\r\n"));
    }
}
