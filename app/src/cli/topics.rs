//! `weir topics`: the topics of a cluster.

use clap::Args;
use serde::Serialize;
use weir_model::Topic;

use super::{
    Failure, Globals, Subcommand,
    numbers::bytes,
    output::{Column, Field, Output, Row, cell, number, text},
    support::{Example, Takes, cluster, examples},
};

/// The arguments.
#[derive(Args)]
pub(super) struct Topics {
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

impl Subcommand for Topics {
    const NAME: &'static str = "topics";
    const ABOUT: &'static str = "List topics with their partitions, records and bytes";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir topics", what: "The topics of the local broker" },
        Example { line: "weir topics -b kafka.example:9092 --json | jq -r .topic", what: "The names of a cluster's topics" },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: false };

    fn details() -> Option<String> {
        Some(examples::json_section(TopicRow::FIELDS))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let snapshot = cluster::read_cluster(globals)?;
        let rows: Vec<TopicRow> = snapshot.topics.iter().map(TopicRow::of).collect();
        Output::stdout(self.json).rows(&rows)?;
        cluster::report_partial(&snapshot.partial)
    }
}

#[derive(Serialize)]
struct TopicRow {
    topic: String,
    partitions: usize,
    replication_factor: usize,
    under_replicated_partitions: usize,
    records: Option<u64>,
    bytes: Option<u64>,
    is_internal: bool,
}

impl TopicRow {
    fn of(topic: &Topic) -> Self {
        Self {
            topic: topic.name.to_string(),
            partitions: topic.partitions.len(),
            replication_factor: topic.replication_factor(),
            under_replicated_partitions: topic.under_replicated_partitions(),
            records: topic.records(),
            bytes: topic.bytes(),
            is_internal: topic.is_internal,
        }
    }
}

impl Row for TopicRow {
    const FIELDS: &'static [Field] = &[
        Field { name: "topic", meaning: "its name" },
        Field { name: "partitions", meaning: "how many it has" },
        Field { name: "replication_factor", meaning: "the largest replica count of its partitions" },
        Field { name: "under_replicated_partitions", meaning: "partitions with fewer in-sync replicas than replicas" },
        Field {
            name: "records",
            meaning: "high watermark − log start offset, over all partitions; an upper bound where compaction or transactions are",
        },
        Field { name: "bytes", meaning: "stored on the leaders' disks" },
        Field { name: "is_internal", meaning: "whether it is Kafka's own" },
    ];
    const COLUMNS: &'static [Column] =
        &[text("TOPIC"), number("PARTITIONS"), number("REPLICAS"), number("RECORDS"), number("BYTES"), text("INTERNAL")];

    fn cells(&self) -> Vec<String> {
        vec![
            self.topic.clone(),
            cell(Some(self.partitions as u64)),
            cell(Some(self.replication_factor as u64)),
            cell(self.records),
            self.bytes.map_or_else(|| "-".to_owned(), bytes),
            if self.is_internal { "internal".to_owned() } else { String::new() },
        ]
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{BrokerId, Offset, Partition, PartitionId, TopicName};

    use super::*;
    use crate::cli::output::tests::check_row;

    #[test]
    fn a_row_holds_what_its_help_says_and_null_where_unknown() {
        let partition = |high_watermark| Partition {
            id: PartitionId(0),
            leader: Some(BrokerId(0)),
            replicas: vec![BrokerId(0)],
            isr: vec![BrokerId(0)],
            log_start_offset: Some(Offset(5)),
            high_watermark,
            bytes: Some(2048),
            rates: None,
        };
        let topic = |partitions| Topic { name: TopicName::from("t"), is_internal: false, partitions, rates: None };
        let known = TopicRow::of(&topic(vec![partition(Some(Offset(1_239)))]));
        check_row(&known);
        assert_eq!(known.cells(), ["t", "1", "1", "1,234", "2.0 KiB", ""]);
        assert_eq!(TopicRow::of(&topic(vec![partition(None)])).records, None);
    }
}
