//! Topic configs: Kafka's names, types and defaults, in one list. DescribeConfigs and validation are derived from it.

use std::collections::BTreeMap;

use crate::config::Limits;
use crate::log::LogConfig;

/// What an operator has set on a topic; everything else is default.
pub(crate) type Overrides = BTreeMap<String, String>;

/// One config a topic has.
#[derive(Debug)]
pub(crate) struct ConfigKey {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// 32 bits, at least this.
    Int(i64),
    /// 64 bits, at least this.
    Long(i64),
    Double,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Any of these, with commas between.
    List(&'static [&'static str]),
}

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> ConfigKey {
    ConfigKey { name, kind, default, doc }
}

/// Every topic config known here, by name.
pub(crate) const TOPIC_CONFIGS: &[ConfigKey] = &[
    key(
        "cleanup.policy",
        Kind::List(&["delete", "compact"]),
        "delete",
        "Delete old segments, or keep the last value of each key. Compaction is not done yet: a compacted topic only grows.",
    ),
    key("compression.type", Kind::Choice(&["producer"]), "producer", "This broker keeps batches exactly as producers sent them."),
    key("delete.retention.ms", Kind::Long(0), "86400000", "How long compaction keeps tombstones."),
    key("file.delete.delay.ms", Kind::Long(0), "60000", "Files are deleted at once here."),
    key("flush.messages", Kind::Long(1), "9223372036854775807", "Flushing is left to the operating system and to segment roll."),
    key("flush.ms", Kind::Long(0), "9223372036854775807", "Flushing is left to the operating system and to segment roll."),
    key("index.interval.bytes", Kind::Int(0), "4096", "Bytes of log between two index entries."),
    key("max.compaction.lag.ms", Kind::Long(1), "9223372036854775807", "The longest a record stays uncompacted."),
    key("max.message.bytes", Kind::Int(0), "1048588", "The largest record batch that is accepted."),
    key("message.timestamp.after.max.ms", Kind::Long(0), "3600000", "How far ahead of the broker's clock a record's timestamp may be."),
    key(
        "message.timestamp.before.max.ms",
        Kind::Long(0),
        "9223372036854775807",
        "How far behind the broker's clock a record's timestamp may be.",
    ),
    key(
        "message.timestamp.type",
        Kind::Choice(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        "Whose clock a record's timestamp is from.",
    ),
    key("min.cleanable.dirty.ratio", Kind::Double, "0.5", "How much uncompacted log starts a compaction."),
    key("min.compaction.lag.ms", Kind::Long(0), "0", "The shortest a record stays uncompacted."),
    key("min.insync.replicas", Kind::Int(1), "1", "There is one replica here, which is always in sync."),
    key("preallocate", Kind::Bool, "false", "Segments grow as they are written."),
    key("retention.bytes", Kind::Long(-1), "-1", "Bytes a partition keeps before its oldest segments are deleted; -1 is no limit."),
    key("retention.ms", Kind::Long(-1), "604800000", "How long a partition keeps records before their segment is deleted; -1 is no limit."),
    key("segment.bytes", Kind::Int(1024), "1073741824", "The largest segment file."),
    key("segment.index.bytes", Kind::Int(4), "10485760", "Index files are as large as they need to be here."),
    key("segment.jitter.ms", Kind::Long(0), "0", "Segments roll on time here."),
    key("segment.ms", Kind::Long(1), "604800000", "The longest a segment is written to before a new one begins."),
    key("unclean.leader.election.enable", Kind::Bool, "false", "There is one replica here, and nothing to elect."),
];

/// The config of this name.
pub(crate) fn find(name: &str) -> Option<&'static ConfigKey> {
    TOPIC_CONFIGS.iter().find(|key| key.name == name)
}

/// Checks one value; the error says what is wrong, and with what.
pub(crate) fn validate(name: &str, value: &str) -> Result<(), String> {
    let Some(key) = find(name) else {
        return Err(format!("unknown topic config {name}"));
    };
    let wrong = |wanted: String| Err(format!("invalid value {value:?} for {name}: {wanted}"));
    match key.kind {
        Kind::Bool if value.parse::<bool>().is_err() => wrong("true or false is wanted".into()),
        Kind::Double if value.parse::<f64>().is_err() => wrong("a number is wanted".into()),
        Kind::Int(min) if !value.parse::<i32>().is_ok_and(|value| i64::from(value) >= min) => {
            wrong(format!("a whole number from {min} to {} is wanted", i32::MAX))
        }
        Kind::Long(min) if !value.parse::<i64>().is_ok_and(|value| value >= min) => {
            wrong(format!("a whole number of at least {min} is wanted"))
        }
        Kind::Choice(choices) if !choices.contains(&value) => wrong(format!("{} is wanted here", choices.join(" or "))),
        Kind::List(choices) if value.is_empty() || !value.split(',').all(|part| choices.contains(&part.trim())) => {
            wrong(format!("a list of {} is wanted", choices.join(", ")))
        }
        _ => Ok(()),
    }
}

/// What the logs of a topic with these overrides obey.
pub(crate) fn log_config(overrides: &Overrides, limits: &Limits) -> LogConfig {
    let value = |name: &str| overrides.get(name).map_or_else(|| find(name).map_or("", |key| key.default), String::as_str);
    // Values were validated before they were stored; what a hand edit broke counts as the default.
    let number = |name: &str| value(name).parse::<i64>().or_else(|_| find(name).map_or("0", |key| key.default).parse()).unwrap_or(0);
    LogConfig {
        deletes_old: value("cleanup.policy").split(',').any(|policy| policy.trim() == "delete"),
        retention_ms: number("retention.ms"),
        retention_bytes: number("retention.bytes"),
        segment_bytes: number("segment.bytes").unsigned_abs(),
        segment_ms: number("segment.ms"),
        max_message_bytes: usize::try_from(number("max.message.bytes")).unwrap_or(0),
        log_append_time: value("message.timestamp.type") == "LogAppendTime",
        timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
        index_interval_bytes: number("index.interval.bytes").unsigned_abs(),
        max_producers: limits.max_producers_per_partition,
        producer_id_expiration_ms: limits.producer_id_expiration_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_the_list_is_in_order() {
        for key in TOPIC_CONFIGS {
            assert_eq!(validate(key.name, key.default), Ok(()), "{}", key.name);
        }
        assert!(TOPIC_CONFIGS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        let bad = [
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("segment.bytes", "3"),
            ("cleanup.policy", "burn"),
            ("cleanup.policy", ""),
            ("no.such", "1"),
        ];
        for (name, value) in bad {
            assert!(validate(name, value).is_err_and(|reason| reason.contains(name)), "{name}={value}");
        }
        assert_eq!(validate("cleanup.policy", "compact,delete"), Ok(()));
    }
}
