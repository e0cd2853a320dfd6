//! From the cluster to the rows of the list: filter, sort, and every text made once. Pure.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use weir_model::{ClusterSnapshot, GroupsSnapshot, Topic, TopicName};
use weir_ui_kit::format;

use crate::panels::{filter, text};

/// A column of the list, in the order shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Partitions,
    Records,
    RecordsPerS,
    Bytes,
    BytesPerS,
    Replication,
    Hint,
}

impl Column {
    pub(super) const ALL: [Self; 8] =
        [Self::Name, Self::Partitions, Self::Records, Self::RecordsPerS, Self::Bytes, Self::BytesPerS, Self::Replication, Self::Hint];

    /// The heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Name => "Topic",
            Self::Partitions => "Partitions",
            Self::Records => "Records",
            Self::RecordsPerS => "Records/s",
            Self::Bytes => "Size",
            Self::BytesPerS => "Bytes/s",
            Self::Replication => "Replicas",
            Self::Hint => "Notes",
        }
    }

    /// Whether its cells are figures, which stand on the right and sort from the largest.
    pub(super) fn is_number(self) -> bool {
        !matches!(self, Self::Name | Self::Hint)
    }
}

/// What the list is asked to show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListQuery {
    pub(super) filter: String,
    pub(super) shows_internal: bool,
    pub(super) sort: Column,
    pub(super) is_descending: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { filter: String::new(), shows_internal: false, sort: Column::Name, is_descending: false }
    }
}

/// The rows to show, and what was left out.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// User topics and shown internal ones before the filter.
    pub(super) total: usize,
    /// Internal topics that are not shown.
    pub(super) hidden_internal: usize,
}

/// One topic with the texts of its cells.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: TopicName,
    pub(super) is_internal: bool,
    pub(super) hint: Option<Hint>,
    pub(super) under_replicated: usize,
    partitions: usize,
    records: Option<u64>,
    bytes: Option<u64>,
    records_per_s: Option<f64>,
    bytes_per_s: Option<f64>,
    replication: usize,
    texts: [Arc<str>; 8],
}

/// What deserves a look, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hint {
    /// A partition has no leader: it can't be read or written.
    Offline,
    /// A partition has fewer in-sync replicas than replicas.
    UnderReplicated,
    /// No record is in it.
    Empty,
    /// Records, but no group ever committed on it.
    NoConsumers,
}

impl Hint {
    /// A short label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Offline => "Offline partitions",
            Self::UnderReplicated => "Under-replicated",
            Self::Empty => "Empty",
            Self::NoConsumers => "No consumer group",
        }
    }
}

impl Row {
    /// The text of one cell.
    pub(super) fn text(&self, column: Column) -> &Arc<str> {
        &self.texts[column as usize]
    }

    fn new(topic: &Topic, read_topics: Option<&HashSet<&TopicName>>) -> Self {
        let (records, bytes) = (topic.records(), topic.bytes());
        let (records_per_s, bytes_per_s) = (topic.rates.map(|rates| rates.records_per_s), topic.rates.and_then(|rates| rates.bytes_per_s));
        let under_replicated = topic.under_replicated_partitions();
        let hint = hint(topic, under_replicated, read_topics);
        let texts = [
            topic.name.as_str().into(),
            format::integer(topic.partitions.len() as u64).into(),
            records.map_or_else(text::unknown, |records| format::integer(records).into()),
            records_per_s.map_or_else(text::unknown, |rate| format::si(rate).into()),
            bytes.map_or_else(text::unknown, |bytes| text::bytes(bytes).into()),
            bytes_per_s.map_or_else(text::unknown, |rate| format::bytes(rate).into()),
            format::integer(topic.replication_factor() as u64).into(),
            hint.map_or("", Hint::label).into(),
        ];
        Self {
            name: topic.name.clone(),
            is_internal: topic.is_internal,
            hint,
            under_replicated,
            partitions: topic.partitions.len(),
            records,
            bytes,
            records_per_s,
            bytes_per_s,
            replication: topic.replication_factor(),
            texts,
        }
    }

    fn compare(&self, other: &Self, column: Column) -> Ordering {
        let by_rate = |a: Option<f64>, b: Option<f64>| a.unwrap_or(-1.0).total_cmp(&b.unwrap_or(-1.0));
        match column {
            Column::Name => Ordering::Equal,
            Column::Partitions => self.partitions.cmp(&other.partitions),
            Column::Records => self.records.cmp(&other.records),
            Column::RecordsPerS => by_rate(self.records_per_s, other.records_per_s),
            Column::Bytes => self.bytes.cmp(&other.bytes),
            Column::BytesPerS => by_rate(self.bytes_per_s, other.bytes_per_s),
            Column::Replication => self.replication.cmp(&other.replication),
            Column::Hint => other.hint.map_or(u8::MAX, |hint| hint as u8).cmp(&self.hint.map_or(u8::MAX, |hint| hint as u8)),
        }
    }
}

/// The rows of the list. Without the groups nothing is said about who reads a topic.
pub(super) fn rows(cluster: &ClusterSnapshot, groups: Option<&GroupsSnapshot>, query: &ListQuery) -> Rows {
    let read_topics: Option<HashSet<&TopicName>> = groups
        .filter(|groups| groups.partial.is_empty())
        .map(|groups| groups.groups.iter().flat_map(|group| group.partitions.iter().map(|partition| &partition.topic)).collect());
    let shown = |topic: &&Topic| query.shows_internal || !topic.is_internal;
    let mut rows: Vec<Row> = cluster
        .topics
        .iter()
        .filter(shown)
        .filter(|topic| filter::matches(topic.name.as_str(), &query.filter))
        .map(|topic| Row::new(topic, read_topics.as_ref()))
        .collect();
    rows.sort_by(|a, b| {
        let order = a.compare(b, query.sort);
        let by_name = || a.name.cmp(&b.name);
        match (query.sort, query.is_descending) {
            (Column::Name, true) => by_name().reverse(),
            (_, true) => order.reverse().then_with(by_name),
            (_, false) => order.then_with(by_name),
        }
    });
    let total = cluster.topics.iter().filter(shown).count();
    Rows { rows, total, hidden_internal: cluster.topics.len() - total }
}

/// The table as CSV (RFC 4180), exact figures, in the order shown.
pub(super) fn to_csv(rows: &[Row]) -> String {
    let mut csv =
        String::from("topic,partitions,records,records_per_s,bytes,bytes_per_s,replication_factor,under_replicated_partitions\r\n");
    for row in rows {
        let fields = [
            text::csv_field(row.name.as_str()),
            row.partitions.to_string(),
            row.records.map(|records| records.to_string()).unwrap_or_default(),
            row.records_per_s.map(|rate| format!("{rate:.3}")).unwrap_or_default(),
            row.bytes.map(|bytes| bytes.to_string()).unwrap_or_default(),
            row.bytes_per_s.map(|rate| format!("{rate:.3}")).unwrap_or_default(),
            row.replication.to_string(),
            row.under_replicated.to_string(),
        ];
        csv.push_str(&fields.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// The table as JSON Lines, with the names `weir topics --json` uses.
pub(super) fn to_json_lines(rows: &[Row]) -> String {
    let line = |row: &Row| {
        serde_json::json!({
            "topic": row.name.as_str(),
            "partitions": row.partitions,
            "records": row.records,
            "records_per_s": row.records_per_s,
            "bytes": row.bytes,
            "bytes_per_s": row.bytes_per_s,
            "replication_factor": row.replication,
            "under_replicated_partitions": row.under_replicated,
            "is_internal": row.is_internal,
        })
    };
    rows.iter().map(|row| format!("{}\n", line(row))).collect()
}

fn hint(topic: &Topic, under_replicated: usize, read_topics: Option<&HashSet<&TopicName>>) -> Option<Hint> {
    if topic.partitions.iter().any(|partition| partition.leader.is_none()) {
        Some(Hint::Offline)
    } else if under_replicated > 0 {
        Some(Hint::UnderReplicated)
    } else if topic.is_internal {
        None
    } else if topic.records() == Some(0) {
        Some(Hint::Empty)
    } else {
        read_topics.filter(|read| !read.contains(&topic.name)).map(|_| Hint::NoConsumers)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{BrokerId, Offset, Partition, PartitionId, Rates};

    use super::*;

    fn topic(name: &str, records: i64, records_per_s: Option<f64>) -> Topic {
        let partition = Partition {
            id: PartitionId(0),
            leader: Some(BrokerId(1)),
            replicas: vec![BrokerId(1)],
            isr: vec![BrokerId(1)],
            log_start_offset: Some(Offset(0)),
            high_watermark: Some(Offset(records)),
            bytes: None,
            rates: None,
        };
        let rates = records_per_s.map(|records_per_s| Rates { records_per_s, bytes_per_s: None });
        Topic { name: name.into(), is_internal: name.starts_with("__"), partitions: vec![partition], rates }
    }

    fn cluster() -> ClusterSnapshot {
        let topics = vec![topic("__offsets", 9, None), topic("a", 5, Some(2.0)), topic("b", 1_000, None), topic("c,\"d\"", 0, Some(9.0))];
        ClusterSnapshot { topics, ..ClusterSnapshot::default() }
    }

    fn names(query: &ListQuery) -> Vec<String> {
        rows(&cluster(), None, query).rows.iter().map(|row| row.name.to_string()).collect()
    }

    #[test]
    fn any_column_sorts_and_ties_go_by_name() {
        let check = |sort: Column, is_descending: bool, expect: &[&str]| {
            assert_eq!(names(&ListQuery { sort, is_descending, ..ListQuery::default() }), expect, "{sort:?} {is_descending}");
        };
        check(Column::Name, false, &["a", "b", "c,\"d\""]);
        check(Column::Name, true, &["c,\"d\"", "b", "a"]);
        check(Column::Records, true, &["b", "a", "c,\"d\""]);
        check(Column::RecordsPerS, true, &["c,\"d\"", "a", "b"]);
        check(Column::Partitions, true, &["a", "b", "c,\"d\""]);
        check(Column::Hint, true, &["c,\"d\"", "a", "b"]);
    }

    #[test]
    fn internal_topics_are_hidden_and_counted() {
        let hidden = rows(&cluster(), None, &ListQuery::default());
        assert_eq!((hidden.rows.len(), hidden.total, hidden.hidden_internal), (3, 3, 1));
        let shown = rows(&cluster(), None, &ListQuery { shows_internal: true, filter: "__".to_owned(), ..ListQuery::default() });
        assert_eq!((shown.rows.len(), shown.total, shown.hidden_internal), (1, 4, 0));
    }

    #[test]
    fn a_hint_needs_the_facts_behind_it() {
        let hints = |groups: Option<&GroupsSnapshot>| {
            rows(&cluster(), groups, &ListQuery::default()).rows.iter().map(|row| row.hint).collect::<Vec<_>>()
        };
        assert_eq!(hints(None), [None, None, Some(Hint::Empty)]);
        assert_eq!(hints(Some(&GroupsSnapshot::default())), [Some(Hint::NoConsumers), Some(Hint::NoConsumers), Some(Hint::Empty)]);
    }

    #[test]
    fn csv_keeps_every_character_and_digit() {
        let csv = to_csv(&rows(&cluster(), None, &ListQuery::default()).rows);
        assert!(csv.contains("\"c,\"\"d\"\"\",1,0,9.000,,,1,0\r\n"), "{csv}");
        assert!(csv.contains("b,1,1000,,,,1,0\r\n"), "{csv}");
    }
}
