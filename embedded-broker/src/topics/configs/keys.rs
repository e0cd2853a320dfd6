//! The list of topic configs, by name: Kafka's names, types and defaults.
//!
//! `server` is the broker config that gives all topics their default, as Kafka's `ServerTopicConfigSynonyms` has it; it can be changed while
//! the broker runs. Where this broker does less than Kafka the documentation says so: a value that changes nothing is not hidden.

use super::{ConfigKey, Kind};

const DAY_MS: &str = "86400000";
const WEEK_MS: &str = "604800000";
const NEVER: &str = "9223372036854775807";
const ONE_REPLICA: &str = "There is one replica here, so this changes nothing.";
const NO_TIERS: &str = "All of a log is local here: there is no tiered storage, so this changes nothing.";

const fn key(name: &'static str, server: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> ConfigKey {
    ConfigKey { name, server: Some(server), kind, default, doc }
}

const fn topic_only(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> ConfigKey {
    ConfigKey { name, server: None, kind, default, doc }
}

/// Every topic config known here, by name.
pub(crate) const TOPIC_CONFIGS: &[ConfigKey] = &[
    key(
        "cleanup.policy",
        "log.cleanup.policy",
        Kind::List(&["delete", "compact"]),
        "delete",
        "Delete old segments, keep the last value of each key, or both.",
    ),
    key("compression.gzip.level", "compression.gzip.level", Kind::Gzip, "-1", "Level for compression.type gzip; -1 is gzip's own."),
    key(
        "compression.lz4.level",
        "compression.lz4.level",
        Kind::Int(1, 17),
        "9",
        "There is one level of lz4 here, so this changes nothing.",
    ),
    key(
        "compression.type",
        "compression.type",
        Kind::Choice(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "producer",
        "How batches are stored: as the producer sent them, or compressed anew with this codec.",
    ),
    key("compression.zstd.level", "compression.zstd.level", Kind::Int(-131_072, 22), "3", "Level for compression.type zstd."),
    key(
        "delete.retention.ms",
        "log.cleaner.delete.retention.ms",
        Kind::Long(0),
        DAY_MS,
        "How long compaction keeps tombstones and transaction markers after it has first met them.",
    ),
    key(
        "file.delete.delay.ms",
        "log.segment.delete.delay.ms",
        Kind::Long(0),
        "60000",
        "Files are deleted at once here: readers that have one open keep it.",
    ),
    key(
        "flush.messages",
        "log.flush.interval.messages",
        Kind::Long(1),
        NEVER,
        "After this many records the log is synced to the disk, and the append that brought them is answered after that.",
    ),
    key(
        "flush.ms",
        "log.flush.interval.ms",
        Kind::Long(0),
        NEVER,
        "The longest records stay unsynced, looked at every log.retention.check.interval.ms.",
    ),
    topic_only("follower.replication.throttled.replicas", Kind::Text, "", ONE_REPLICA),
    key("index.interval.bytes", "log.index.interval.bytes", Kind::Int(0, I32_MAX), "4096", "Bytes of log between two index entries."),
    topic_only("leader.replication.throttled.replicas", Kind::Text, "", ONE_REPLICA),
    key("local.retention.bytes", "log.local.retention.bytes", Kind::Long(-2), "-2", NO_TIERS),
    key("local.retention.ms", "log.local.retention.ms", Kind::Long(-2), "-2", NO_TIERS),
    key(
        "max.compaction.lag.ms",
        "log.cleaner.max.compaction.lag.ms",
        Kind::Long(1),
        NEVER,
        "The longest a record stays uncompacted: the log is cleaned then, however clean it is, and its active segment closed.",
    ),
    key("max.message.bytes", "message.max.bytes", Kind::Int(0, I32_MAX), "1048588", "The largest record batch that is accepted."),
    key(
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
        Kind::Long(0),
        "3600000",
        "How far ahead of the broker's clock a record's timestamp may be.",
    ),
    key(
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
        Kind::Long(0),
        NEVER,
        "How far behind the broker's clock a record's timestamp may be.",
    ),
    key(
        "message.timestamp.type",
        "log.message.timestamp.type",
        Kind::Choice(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        "Whose clock a record's timestamp is from.",
    ),
    key(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
        Kind::Ratio,
        "0.5",
        "How much of the log must be uncompacted before a compaction is worth it.",
    ),
    key("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", Kind::Long(0), "0", "The shortest a record stays uncompacted."),
    key(
        "min.insync.replicas",
        "min.insync.replicas",
        Kind::Int(1, I32_MAX),
        "1",
        "Replicas that must have a record before acks=all is answered; there is one.",
    ),
    key("preallocate", "log.preallocate", Kind::Bool, "false", "Segments grow as they are written here, so this changes nothing."),
    topic_only("remote.log.copy.disable", Kind::Bool, "false", NO_TIERS),
    topic_only("remote.log.delete.on.disable", Kind::Bool, "false", NO_TIERS),
    topic_only("remote.storage.enable", Kind::Choice(&["false"]), "false", "There is no tiered storage here, so it can't be switched on."),
    key(
        "retention.bytes",
        "log.retention.bytes",
        Kind::Long(-1),
        "-1",
        "Bytes a partition keeps before its oldest segments are deleted; -1 is no limit.",
    ),
    key(
        "retention.ms",
        "log.retention.ms",
        Kind::Long(-1),
        WEEK_MS,
        "How long a partition keeps records before their segment is deleted; -1 is no limit.",
    ),
    key(
        "segment.bytes",
        "log.segment.bytes",
        Kind::Int(14, I32_MAX),
        "1073741824",
        "The largest segment file. Kafka 4 asks for a mebibyte at least; here 14 bytes do, as in Kafka 3, to watch segments come and go.",
    ),
    key(
        "segment.index.bytes",
        "log.index.size.max.bytes",
        Kind::Int(4, I32_MAX),
        "10485760",
        "The largest index, in Kafka's size of an entry, before a new segment begins.",
    ),
    key(
        "segment.jitter.ms",
        "log.roll.jitter.ms",
        Kind::Long(0),
        "0",
        "How much earlier than segment.ms a segment may roll, so that not all do at once.",
    ),
    key("segment.ms", "log.roll.ms", Kind::Long(1), WEEK_MS, "The longest a segment is written to before a new one begins."),
    key("unclean.leader.election.enable", "unclean.leader.election.enable", Kind::Bool, "false", ONE_REPLICA),
];

const I32_MAX: i64 = i32::MAX as i64;
