//! From one topic to the rows of its detail: partitions, configuration, readers. Pure.

use std::{cmp::Reverse, sync::Arc};

use weir_model::{BrokerId, ConfigEntry, ConfigSource, GroupId, GroupsSnapshot, Offset, Partition, Topic, TopicName, Verdict};
use weir_ui_kit::format;

use crate::panels::text;

/// One partition with the texts of its cells.
#[derive(Clone, Debug)]
pub(super) struct PartitionRow {
    pub(super) number: Arc<str>,
    pub(super) leader: Arc<str>,
    pub(super) replicas: Arc<str>,
    pub(super) isr: Arc<str>,
    pub(super) log_start: Arc<str>,
    pub(super) high_watermark: Arc<str>,
    pub(super) records: Arc<str>,
    pub(super) bytes: Arc<str>,
    pub(super) rate: Arc<str>,
    /// Its records as a share of the fullest partition's: skew at a glance.
    pub(super) share: f32,
    pub(super) is_under_replicated: bool,
    pub(super) is_offline: bool,
    /// The leader is not the first replica.
    pub(super) is_leader_moved: bool,
}

/// The partitions of a topic, by number.
pub(super) fn partition_rows(topic: &Topic) -> Vec<PartitionRow> {
    let fullest = topic.partitions.iter().filter_map(Partition::records).max().unwrap_or(0).max(1);
    let row = |partition: &Partition| PartitionRow {
        number: partition.id.to_string().into(),
        leader: partition.leader.map_or_else(|| "none".into(), |leader| leader.to_string().into()),
        replicas: broker_list(&partition.replicas),
        isr: broker_list(&partition.isr),
        log_start: offset_text(partition.log_start_offset),
        high_watermark: offset_text(partition.high_watermark),
        records: partition.records().map_or_else(text::unknown, |records| format::integer(records).into()),
        bytes: partition.bytes.map_or_else(text::unknown, |bytes| text::bytes(bytes).into()),
        rate: partition.rates.map_or_else(text::unknown, |rates| format::si(rates.records_per_s).into()),
        share: partition.records().map_or(0.0, |records| (records as f64 / fullest as f64) as f32),
        is_under_replicated: partition.isr.len() < partition.replicas.len(),
        is_offline: partition.leader.is_none(),
        is_leader_moved: partition.leader.is_some() && partition.leader.as_ref() != partition.replicas.first(),
    };
    topic.partitions.iter().map(row).collect()
}

/// How uneven the partitions are: the fullest one's share of the mean; `None` with fewer than two, or without records.
pub(super) fn skew(topic: &Topic) -> Option<f64> {
    let counts: Option<Vec<u64>> = topic.partitions.iter().map(Partition::records).collect();
    let counts = counts.filter(|counts| counts.len() > 1)?;
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    (mean > 0.0).then(|| counts.iter().max().map_or(0.0, |max| *max as f64 / mean))
}

/// A topic's configuration with what was set on it first.
pub(super) fn config_rows(entries: &[ConfigEntry]) -> Vec<ConfigEntry> {
    let mut rows = entries.to_vec();
    rows.sort_by(|a, b| (a.source != ConfigSource::Topic).cmp(&(b.source != ConfigSource::Topic)).then_with(|| a.name.cmp(&b.name)));
    rows
}

/// Where a value comes from, in words.
pub(super) fn source_label(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "Set on this topic",
        ConfigSource::Broker => "Set on the broker",
        ConfigSource::Default => "Default",
        ConfigSource::Unknown => "Not told",
    }
}

/// A value with its unit spelled out, for names that end in `.ms` or `.bytes`; empty when there is nothing to add.
pub(super) fn value_note(entry: &ConfigEntry) -> String {
    let number: Option<i64> = entry.value.as_deref().and_then(|value| value.parse().ok());
    match number {
        Some(-1) if entry.name.ends_with(".ms") || entry.name.ends_with(".bytes") => "no limit".to_owned(),
        Some(i64::MAX) => "no limit".to_owned(),
        Some(number @ 1_000..) if entry.name.ends_with(".ms") => format::duration_ms(number),
        Some(number @ 1_024..) if entry.name.ends_with(".bytes") => format::bytes(number as f64),
        _ => String::new(),
    }
}

/// A group that has this topic among its partitions.
#[derive(Clone, Debug)]
pub(super) struct ReaderRow {
    pub(super) group: GroupId,
    pub(super) state: Arc<str>,
    pub(super) verdict: Verdict,
    pub(super) evidence: Arc<str>,
    pub(super) lag: Arc<str>,
    pub(super) members: Arc<str>,
    lag_records: Option<u64>,
}

/// The groups of a topic, the most urgent first; lag and verdict are of this topic alone.
pub(super) fn reader_rows(groups: &GroupsSnapshot, topic: &TopicName) -> Vec<ReaderRow> {
    let mut rows: Vec<ReaderRow> = groups
        .groups
        .iter()
        .filter_map(|group| {
            let partitions: Vec<_> = group.partitions.iter().filter(|partition| partition.topic == *topic).collect();
            let worst = &partitions.iter().max_by_key(|partition| partition.verdict.verdict)?.verdict;
            let lag_records = partitions.iter().filter_map(|partition| partition.lag_records).reduce(u64::saturating_add);
            let members = group.members.iter().filter(|member| member.assignment.iter().any(|assigned| assigned.topic == *topic)).count();
            Some(ReaderRow {
                group: group.id.clone(),
                state: group.state.as_str().into(),
                verdict: worst.verdict,
                evidence: Arc::clone(&worst.evidence),
                lag: lag_records.map_or_else(text::unknown, |lag| format::integer(lag).into()),
                members: format::integer(members as u64).into(),
                lag_records,
            })
        })
        .collect();
    rows.sort_by_key(|row| (Reverse(row.verdict), Reverse(row.lag_records)));
    rows
}

fn broker_list(brokers: &[BrokerId]) -> Arc<str> {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ").into()
}

fn offset_text(offset: Option<Offset>) -> Arc<str> {
    offset.map_or_else(text::unknown, |offset| format::integer(offset.0).into())
}

#[cfg(test)]
mod tests {
    use weir_model::PartitionId;

    use super::*;

    fn topic(ends: &[Option<i64>]) -> Topic {
        let partition = |(id, end): (usize, &Option<i64>)| Partition {
            id: PartitionId(id as i32),
            leader: Some(BrokerId(2)),
            replicas: vec![BrokerId(1), BrokerId(2)],
            isr: vec![BrokerId(2)],
            log_start_offset: Some(Offset(0)),
            high_watermark: end.map(Offset),
            bytes: None,
            rates: None,
        };
        Topic { name: "t".into(), is_internal: false, partitions: ends.iter().enumerate().map(partition).collect(), rates: None }
    }

    #[test]
    fn skew_is_the_fullest_against_the_mean() {
        let check = |ends: &[Option<i64>], expect: Option<f64>| assert_eq!(skew(&topic(ends)), expect, "{ends:?}");
        check(&[Some(10), Some(10)], Some(1.0));
        check(&[Some(0), Some(20)], Some(2.0));
        check(&[Some(0), Some(0)], None);
        check(&[Some(5)], None);
        check(&[Some(5), None], None);
    }

    #[test]
    fn the_leader_shown_is_the_real_one() {
        let rows = partition_rows(&topic(&[Some(10), None]));
        assert_eq!((&*rows[0].leader, &*rows[0].replicas, &*rows[0].isr), ("2", "1, 2", "2"));
        assert!(rows[0].is_leader_moved && rows[0].is_under_replicated);
        assert_eq!((&*rows[1].records, &*rows[1].log_start), ("–", "0"));
    }

    #[test]
    fn what_was_set_stands_first_and_units_are_spelled_out() {
        let entry = |name: &str, value: &str, source| ConfigEntry { name: name.into(), value: Some(value.into()), source };
        let entries = [entry("cleanup.policy", "delete", ConfigSource::Default), entry("retention.ms", "604800000", ConfigSource::Topic)];
        let rows = config_rows(&entries);
        assert_eq!(&*rows[0].name, "retention.ms");
        let check = |name: &str, value: &str, expect: &str| {
            assert_eq!(value_note(&entry(name, value, ConfigSource::Topic)), expect, "{name}={value}")
        };
        check("retention.ms", "604800000", "7 d 00 h");
        check("retention.bytes", "-1", "no limit");
        check("segment.bytes", "1073741824", "1.0 GiB");
        check("flush.messages", "9223372036854775807", "no limit");
        check("cleanup.policy", "compact", "");
        check("min.insync.replicas", "1", "");
    }
}
