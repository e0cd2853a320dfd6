//! Topic configs: what a value may be, where it comes from, and what the logs make of it. `keys` has the list all of it is derived from.

mod keys;
mod stored;

use std::collections::BTreeMap;

use crate::config::Limits;
use crate::log::{Codec, LogConfig};
pub(crate) use keys::TOPIC_CONFIGS;
pub(crate) use stored::BROKER_CONFIGS_FILE;

/// What an operator has set on a topic, or on the broker; everything else is default.
pub(crate) type Overrides = BTreeMap<String, String>;

/// One config a topic has.
#[derive(Debug)]
pub(crate) struct ConfigKey {
    pub(crate) name: &'static str,
    /// The broker config that gives topics their default.
    pub(crate) server: Option<&'static str>,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) doc: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// 32 bits, from here to there.
    Int(i64, i64),
    /// 64 bits, at least this.
    Long(i64),
    /// From 0 to 1.
    Ratio,
    /// A level of gzip.
    Gzip,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Any of these, with commas between.
    List(&'static [&'static str]),
    /// Anything, with commas between.
    Text,
}

impl Kind {
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::List(_) | Self::Text)
    }

    fn check(self, value: &str) -> Result<(), String> {
        let whole = |min: i64, max: i64| value.parse::<i64>().is_ok_and(|value| (min..=max).contains(&value));
        let (is_valid, wanted) = match self {
            Self::Bool => (value.parse::<bool>().is_ok(), "true or false".to_owned()),
            Self::Ratio => (value.parse::<f64>().is_ok_and(|value| (0.0..=1.0).contains(&value)), "a number from 0 to 1".to_owned()),
            Self::Int(min, max) => (whole(min, max), format!("a whole number from {min} to {max}")),
            Self::Long(min) => (whole(min, i64::MAX), format!("a whole number of at least {min}")),
            Self::Gzip => (value == "-1" || whole(1, 9), "a whole number from 1 to 9, or -1".to_owned()),
            Self::Choice(choices) => (choices.contains(&value), choices.join(" or ")),
            Self::List(choices) => (
                !value.is_empty() && value.split(',').all(|part| choices.contains(&part.trim())),
                format!("a list of {}", choices.join(", ")),
            ),
            Self::Text => (true, String::new()),
        };
        if is_valid { Ok(()) } else { Err(format!("{wanted} is wanted")) }
    }
}

/// The topic config of this name.
pub(crate) fn find(name: &str) -> Option<&'static ConfigKey> {
    TOPIC_CONFIGS.iter().find(|key| key.name == name)
}

/// The topic config whose default this broker config gives.
pub(crate) fn find_server(name: &str) -> Option<&'static ConfigKey> {
    TOPIC_CONFIGS.iter().find(|key| key.server == Some(name))
}

/// Checks one value of a topic config; the error says what is wrong, and with what.
pub(crate) fn validate(name: &str, value: &str) -> Result<(), String> {
    let key = find(name).ok_or_else(|| format!("unknown topic config {name}"))?;
    validate_value(key, name, value)
}

/// Checks one value of a broker config that topics take their default from.
pub(crate) fn validate_server(name: &str, value: &str) -> Result<(), String> {
    let key = find_server(name).ok_or_else(|| format!("the broker config {name} can't be changed while the broker runs"))?;
    validate_value(key, name, value)
}

fn validate_value(key: &ConfigKey, name: &str, value: &str) -> Result<(), String> {
    if value.contains(char::is_control) {
        return Err(format!("the value of {name} contains a control character"));
    }
    key.kind.check(value).map_err(|wanted| format!("invalid value {value:?} for {name}: {wanted}"))
}

/// Where a value comes from, in the order in which one is looked for, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Topic = 1,
    Broker = 2,
    /// Set for all brokers.
    Cluster = 3,
    Default = 5,
}

/// What is set on the broker while it runs, and gives topics their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BrokerOverrides {
    pub(crate) broker: Overrides,
    /// For all brokers, of which there is one.
    pub(crate) cluster: Overrides,
}

impl BrokerOverrides {
    /// Every place a topic's value could come from that has one, the one that counts first.
    pub(crate) fn values<'a>(&'a self, topic: &'a Overrides, key: &'a ConfigKey) -> impl Iterator<Item = (Source, &'a str, &'a str)> {
        let set = topic.get(key.name).map(|value| (Source::Topic, key.name, value.as_str()));
        set.into_iter().chain(self.server_values(key))
    }

    /// The same for what the broker itself has to say.
    pub(crate) fn server_values<'a>(&'a self, key: &'a ConfigKey) -> impl Iterator<Item = (Source, &'a str, &'a str)> {
        let name = key.server.unwrap_or(key.name);
        let places = [(Source::Broker, &self.broker), (Source::Cluster, &self.cluster)];
        let set = places.into_iter().filter_map(move |(source, overrides)| Some((source, name, overrides.get(name)?.as_str())));
        set.chain(std::iter::once((Source::Default, name, key.default)))
    }

    fn value<'a>(&'a self, topic: &'a Overrides, key: &'a ConfigKey) -> &'a str {
        // Values were validated before they were stored; what a hand edit broke does not count.
        self.values(topic, key).map(|(_, _, value)| value).find(|value| key.kind.check(value).is_ok()).unwrap_or(key.default)
    }
}

/// What is wrong with values that are right each for itself.
pub(crate) fn check_together(topic: &Overrides, broker: &BrokerOverrides) -> Result<(), String> {
    let value = |name: &str| find(name).and_then(|key| broker.value(topic, key).parse::<i64>().ok()).unwrap_or_default();
    let (min, max) = (value("min.compaction.lag.ms"), value("max.compaction.lag.ms"));
    if min > max {
        return Err(format!("min.compaction.lag.ms ({min}) is larger than max.compaction.lag.ms ({max})"));
    }
    Ok(())
}

/// What the logs of a topic with these overrides obey.
pub(crate) fn log_config(overrides: &Overrides, broker: &BrokerOverrides, limits: &Limits) -> LogConfig {
    let value = |name: &str| find(name).map_or("", |key| broker.value(overrides, key));
    let number = |name: &str| value(name).parse::<i64>().unwrap_or_default();
    let has_policy = |policy: &str| value("cleanup.policy").split(',').any(|there| there.trim() == policy);
    LogConfig {
        deletes_old: has_policy("delete"),
        compacts: has_policy("compact"),
        retention_ms: number("retention.ms"),
        retention_bytes: number("retention.bytes"),
        segment_bytes: number("segment.bytes").unsigned_abs(),
        segment_ms: number("segment.ms"),
        segment_jitter_ms: number("segment.jitter.ms"),
        segment_index_bytes: number("segment.index.bytes").unsigned_abs(),
        max_message_bytes: usize::try_from(number("max.message.bytes")).unwrap_or(0),
        log_append_time: value("message.timestamp.type") == "LogAppendTime",
        timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
        timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
        index_interval_bytes: number("index.interval.bytes").unsigned_abs(),
        compression: codec(value("compression.type"), &number),
        delete_retention_ms: number("delete.retention.ms"),
        min_cleanable_dirty_ratio: value("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
        min_compaction_lag_ms: number("min.compaction.lag.ms"),
        max_compaction_lag_ms: number("max.compaction.lag.ms"),
        flush_messages: number("flush.messages"),
        flush_ms: number("flush.ms"),
        max_producers: limits.max_producers_per_partition,
        producer_id_expiration_ms: limits.producer_id_expiration_ms,
        max_decompressed_bytes: limits.max_decompressed_batch_bytes,
        max_compaction_keys: limits.max_compaction_keys,
    }
}

/// `None`: as the producer sent them.
fn codec(compression_type: &str, number: &dyn Fn(&str) -> i64) -> Option<Codec> {
    let level = |name: &str| i32::try_from(number(name)).unwrap_or_default();
    match compression_type {
        "uncompressed" => Some(Codec::None),
        "gzip" => Some(Codec::Gzip { level: u32::try_from(level("compression.gzip.level")).ok() }),
        "snappy" => Some(Codec::Snappy),
        "lz4" => Some(Codec::Lz4),
        "zstd" => Some(Codec::Zstd { level: level("compression.zstd.level") }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_the_list_is_in_order() {
        for key in TOPIC_CONFIGS {
            assert_eq!(validate(key.name, key.default), Ok(()), "{}", key.name);
            if let Some(server) = key.server {
                assert_eq!(validate_server(server, key.default), Ok(()), "{server}");
            }
        }
        assert!(TOPIC_CONFIGS.is_sorted_by_key(|key| key.name));
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        let bad = [
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("segment.bytes", "3"),
            ("segment.bytes", "3000000000"),
            ("cleanup.policy", "burn"),
            ("cleanup.policy", ""),
            ("compression.type", "none"),
            ("compression.gzip.level", "0"),
            ("min.cleanable.dirty.ratio", "1.1"),
            ("remote.storage.enable", "true"),
            ("preallocate", "yes"),
            ("retention.ms", "1\n2"),
            ("no.such", "1"),
        ];
        for (name, value) in bad {
            assert!(validate(name, value).is_err_and(|reason| reason.contains(name)), "{name}={value}");
        }
        assert_eq!(validate("cleanup.policy", "compact,delete"), Ok(()));
        assert!(validate_server("listeners", "x").is_err());
    }

    #[test]
    fn the_nearest_value_counts() {
        let set = |name: &str, value: &str| Overrides::from([(name.to_owned(), value.to_owned())]);
        let retention = |topic: &Overrides, broker: &BrokerOverrides| log_config(topic, broker, &Limits::default()).retention_ms;
        let none = Overrides::new();
        let mut broker = BrokerOverrides { cluster: set("log.retention.ms", "3"), ..BrokerOverrides::default() };
        assert_eq!(retention(&none, &broker), 3);
        broker.broker = set("log.retention.ms", "2");
        assert_eq!(retention(&none, &broker), 2);
        assert_eq!(retention(&set("retention.ms", "1"), &broker), 1);
        assert_eq!(retention(&none, &BrokerOverrides::default()), 604_800_000);
        // Somebody edited the file.
        assert_eq!(retention(&set("retention.ms", "soon"), &broker), 2);
    }

    #[test]
    fn values_that_contradict_each_other_are_refused() {
        let lags = |min: &str, max: &str| {
            let set = [("min.compaction.lag.ms", min), ("max.compaction.lag.ms", max)];
            check_together(&set.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), &BrokerOverrides::default())
        };
        assert_eq!(lags("5", "5"), Ok(()));
        assert!(lags("6", "5").is_err());
    }
}
