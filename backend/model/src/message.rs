//! Records, and the queries that find them.

use std::sync::Arc;

use crate::{Offset, PartitionId, QueryId, TimestampMs, TopicName};

/// One record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp; `None` when it has none.
    pub timestamp: Option<TimestampMs>,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// In order, duplicates kept.
    pub headers: Vec<RecordHeader>,
    /// `None` is a null key, which differs from an empty one.
    pub key: Option<Arc<[u8]>>,
    /// `None` is a tombstone.
    pub value: Option<Arc<[u8]>>,
}

/// One header of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its name.
    pub name: Arc<str>,
    /// Its value; `None` is null.
    pub value: Option<Arc<[u8]>>,
}

/// Who set a record's timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker.
    LogAppendTime,
    /// Not told.
    Unknown,
}

impl TimestampType {
    /// kcat's word for it in `tstype`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateTime => "create",
            Self::LogAppendTime => "logappend",
            Self::Unknown => "unknown",
        }
    }
}

/// A record with the texts a list shows, made once, off the UI thread.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    /// The record itself.
    pub record: Arc<Record>,
    /// The key in one line, shortened for display only.
    pub key_preview: Arc<str>,
    /// The value in one line, shortened for display only.
    pub value_preview: Arc<str>,
    /// Which decoder read the value.
    pub decoder: DecoderName,
    /// Why better decoders did not fit, one reason a line; empty when the first did.
    pub decoder_notes: Arc<str>,
}

/// A decoder's name, such as `json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DecoderName(pub &'static str);

/// What to read. Reading joins no group and commits nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    /// Chosen by the asker; answers carry it.
    pub id: QueryId,
    /// The topic.
    pub topic: TopicName,
    /// These partitions; `None` for all.
    pub partitions: Option<Vec<PartitionId>>,
    /// Where to begin.
    pub start: Start,
    /// Stop after so many matches.
    pub limit: usize,
    /// Go on with records as they arrive.
    pub follow: bool,
    /// Keep records whose key, value or a header holds this text, in any case; empty keeps all.
    pub contains: Arc<str>,
}

/// Where a query begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the log start offset.
    Beginning,
    /// At the high watermark: only what comes from now on.
    End,
    /// The newest `limit` records over all partitions, by time.
    Newest,
    /// At this offset in every partition.
    Offset(Offset),
    /// So many records before the end of each partition.
    Last(u64),
    /// At the first record that is not older.
    Timestamp(TimestampMs),
}

/// How a query went: what was looked at, and why it stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Offsets looked at, by partition.
    pub ranges: Vec<PartitionRange>,
    /// Records looked at.
    pub records_scanned: u64,
    /// Records that matched.
    pub records_matched: u64,
    /// Bytes of keys and values looked at.
    pub bytes_scanned: u64,
    /// Why it stopped; `None` while it goes on.
    pub stopped: Option<StopReason>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// Offsets looked at in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRange {
    /// The partition.
    pub partition: PartitionId,
    /// The first offset asked for.
    pub from: Offset,
    /// One past the last offset looked at.
    pub to: Offset,
    /// Records seen; fewer than `to − from` means gaps (compaction, transaction markers).
    pub records: u64,
}

/// Why a query stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Found as many as asked for.
    Limit,
    /// Reached the end of every partition.
    End,
    /// The user stopped it.
    Cancelled,
    /// Something failed; what was found before stands.
    Failed(crate::Problem),
}
