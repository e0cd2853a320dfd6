//! `weir consume`: the records of a topic. Joins no group and commits nothing.

use std::io::{self, Write};

use clap::Args;
use weir_model::{MessageQuery, PartitionId, QueryId, Receipt, Record, Start, StopReason, TopicName};

use super::{
    Failure, Globals, Subcommand, note,
    numbers::{bytes, grouped},
    output::{Field, Output, safe},
    support::{Example, Takes, cluster, examples, parse},
    time::{format_elapsed, format_utc},
};

/// The newest records shown when no number is given.
const NEWEST_DEFAULT: usize = 10;

/// The envelope of kcat's `-J`, which tools of the field read.
const FIELDS: &[Field] = &[
    Field { name: "topic", meaning: "the topic" },
    Field { name: "partition", meaning: "the partition's number" },
    Field { name: "offset", meaning: "the record's offset" },
    Field { name: "tstype", meaning: "who set the time: create, logappend or unknown" },
    Field { name: "ts", meaning: "milliseconds since 1970" },
    Field { name: "headers", meaning: "names and values in turn: [\"name\",\"value\", …]" },
    Field { name: "key", meaning: "null is a null key" },
    Field { name: "payload", meaning: "null is a tombstone" },
    Field { name: "key_hex, payload_hex", meaning: "only for bytes that are not UTF-8, in place of key and payload, which are null then" },
];

/// The arguments.
#[derive(Args)]
pub(super) struct Consume {
    /// The topic to read
    topic: String,

    /// Stop after so many records
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Where to begin: beginning, end, newest, OFFSET, -N (the last N of each partition), or a time: @2026-05-09T07:30:00Z, @-1h, s@MS
    ///
    /// Unless given, reading begins at the beginning, or at the end with --follow. `newest` shows the newest records of all partitions by
    /// time, ten unless -n says otherwise.
    #[arg(long, value_name = "WHERE", value_parser = parse::start, allow_hyphen_values = true)]
    from: Option<Start>,

    /// Go on with records as they arrive, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// Only records whose key, value or a header holds this text, in any case
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    contains: String,

    /// Only this partition; may be repeated
    #[arg(short, long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,

    /// One JSON object a line, in the envelope of kcat -J
    #[arg(long)]
    json: bool,
}

impl Subcommand for Consume {
    const NAME: &'static str = "consume";
    const ABOUT: &'static str = "Read a topic's records, from any place, without joining a group";
    const EXAMPLES: &'static [Example] = &[
        Example { line: "weir consume orders", what: "Everything in the topic, from the beginning to the end" },
        Example { line: "weir consume orders -f", what: "Records as they arrive" },
        Example { line: "weir consume orders --from newest -n 5", what: "The newest five, over all partitions" },
        Example { line: "weir consume orders --from @-1h --contains refund --json", what: "Refunds of the last hour as JSON Lines" },
    ];
    const TAKES: Takes = Takes { cluster: true, data_dir: false };

    fn details() -> Option<String> {
        Some(examples::json_section(FIELDS))
    }

    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let query = self.query();
        let mut out = Output::stdout(self.json);
        let receipt = cluster::read_messages(globals, query, |record| match record {
            Some(record) => write_record(&mut out, record, self.json),
            None => out.flush(),
        })?;
        note(summary(&receipt));
        match &receipt.stopped {
            Some(StopReason::Failed(problem)) => Err(problem.clone().into()),
            _ => Ok(()),
        }
    }
}

impl Consume {
    fn query(&self) -> MessageQuery {
        let start = self.from.unwrap_or(if self.follow { Start::End } else { Start::Beginning });
        let default_limit = if start == Start::Newest && !self.follow { NEWEST_DEFAULT } else { usize::MAX };
        let mut partitions: Vec<PartitionId> = self.partitions.iter().copied().map(PartitionId).collect();
        partitions.sort_unstable();
        partitions.dedup();
        MessageQuery {
            id: QueryId(1),
            topic: TopicName::from(self.topic.as_str()),
            partitions: (!partitions.is_empty()).then_some(partitions),
            start,
            limit: self.limit.map_or(default_limit, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            follow: self.follow,
            contains: self.contains.as_str().into(),
        }
    }
}

/// One record on a line of its own.
fn write_record<W: Write>(out: &mut Output<W>, record: &Record, is_json: bool) -> io::Result<()> {
    if is_json { out.line(weir_backend::envelope(record)) } else { out.line(line(record)) }
}

/// Time, place, key and value, whole; what a terminal would act upon is escaped.
fn line(record: &Record) -> String {
    let at = record.timestamp.map_or_else(|| "-".to_owned(), format_utc);
    let headers: String =
        record.headers.iter().map(|header| format!("  {}={}", safe(&header.name), readable(header.value.as_deref()))).collect();
    let (key, value) = (readable(record.key.as_deref()), readable(record.value.as_deref()));
    format!("{at:<24}  {:>3}  {:>12}  {key}  {value}{headers}", record.partition, grouped(record.offset.0.into()))
}

/// Bytes as text where they are text, else in hexadecimal. Null and empty stay apart.
fn readable(bytes: Option<&[u8]>) -> String {
    match bytes.map(str::from_utf8) {
        None => "null".to_owned(),
        Some(Ok("")) => "\"\"".to_owned(),
        Some(Ok(text)) => safe(text),
        Some(Err(_)) => bytes.unwrap_or_default().iter().fold(String::from("0x"), |hex, byte| hex + &format!("{byte:02x}")),
    }
}

/// What was looked at, and why it stopped.
fn summary(receipt: &Receipt) -> String {
    let stopped = match &receipt.stopped {
        None => "goes on",
        Some(StopReason::Limit) => "stopped at the number asked for",
        Some(StopReason::End) => "stopped at the end",
        Some(StopReason::Cancelled) => "stopped by you",
        Some(StopReason::Failed(_)) => "stopped by an error",
    };
    format!(
        "{} of {} records matched, {} scanned in {} partitions, {}; {stopped}",
        grouped(receipt.records_matched.into()),
        grouped(receipt.records_scanned.into()),
        bytes(receipt.bytes_scanned),
        receipt.ranges.len(),
        format_elapsed(receipt.elapsed_ms),
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use weir_model::{Offset, RecordHeader, TimestampMs, TimestampType};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        consume: Consume,
    }

    fn query(line: &str) -> MessageQuery {
        Line::try_parse_from(line.split_whitespace()).unwrap().consume.query()
    }

    #[test]
    fn arguments_become_a_query() {
        let check = |line: &str, start: Start, limit: usize| {
            let query = query(line);
            assert_eq!((query.start, query.limit), (start, limit), "{line}");
        };
        check("consume t", Start::Beginning, usize::MAX);
        check("consume t -f", Start::End, usize::MAX);
        check("consume t --from newest", Start::Newest, 10);
        check("consume t --from newest -n 3", Start::Newest, 3);
        check("consume t --from -5", Start::Last(5), usize::MAX);
        check("consume t --from 42 -n 1 -f", Start::Offset(Offset(42)), 1);
        assert_eq!(query("consume t -p 2 -p 0 -p 2").partitions, Some(vec![PartitionId(0), PartitionId(2)]));
        assert!(Line::try_parse_from(["consume", "t", "-n", "0"]).is_err());
        assert!(Line::try_parse_from(["consume", "t", "--from", "middle"]).is_err());
    }

    #[test]
    fn a_line_is_whole_and_harmless() {
        let record = |key: Option<&[u8]>, value: Option<&[u8]>| Record {
            topic: TopicName::from("t"),
            partition: PartitionId(1),
            offset: Offset(1234),
            timestamp: Some(TimestampMs(1_700_000_000_123)),
            timestamp_type: TimestampType::CreateTime,
            headers: vec![RecordHeader { name: "h".into(), value: None }],
            key: key.map(Into::into),
            value: value.map(Into::into),
        };
        assert_eq!(line(&record(Some(b""), Some(b"a\x1b[2J"))), "2023-11-14T22:13:20.123Z    1         1,234  \"\"  a\\u{1b}[2J  h=null");
        assert!(line(&record(None, Some(b"\xff\x00"))).ends_with("  null  0xff00  h=null"));
    }
}
