//! Reading brokers, topics and partitions, in few requests.

use std::{collections::HashMap, sync::Arc, time::Duration};

use weir_model::{Broker, BrokerId, ClusterSnapshot, Offset, Partition, PartitionId, Problem, Rates, TimestampMs, Topic, TopicName};

use crate::client::{Admin, ClientError, Connection, LogDirs, Metadata, OffsetSpec, PartitionMetadata, TopicMetadata, read_log_dirs};

const LOG_DIRS_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the cluster: one Metadata, one DescribeCluster, and two ListOffsets and one DescribeLogDirs a broker.
///
/// # Errors
/// When no broker answers. Parts that failed stand in the snapshot's `partial`.
pub fn read_cluster(admin: &Admin, connection: &Connection) -> Result<ClusterSnapshot, ClientError> {
    let Metadata { mut brokers, mut topics } = admin.metadata(None)?;
    brokers.sort();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let mut partial = Vec::new();
    let (cluster_id, controller) = admin.describe_cluster().unwrap_or_else(|error| {
        partial.push(error.problem("The cluster's id and controller are unknown"));
        (None, None)
    });

    let known: Vec<(String, i32)> = topics
        .iter()
        .flat_map(|topic| {
            topic.partitions.iter().flatten().filter(|partition| partition.leader >= 0).map(|partition| (topic.name.clone(), partition.id))
        })
        .collect();
    let log_starts = offsets(admin, &known, OffsetSpec::Earliest, &mut partial);
    let ends = offsets(admin, &known, OffsetSpec::Latest, &mut partial);
    let sizes = sizes(connection, &brokers, &mut partial);

    let partition = |topic: &str, it: &PartitionMetadata| {
        let key = (topic.to_owned(), it.id);
        Partition {
            id: PartitionId(it.id),
            leader: (it.leader >= 0).then_some(BrokerId(it.leader)),
            replicas: it.replicas.iter().copied().map(BrokerId).collect(),
            isr: it.isr.iter().copied().map(BrokerId).collect(),
            log_start_offset: log_starts.get(&key).copied(),
            high_watermark: ends.get(&key).copied(),
            bytes: sizes.get(&it.leader).and_then(|sizes| sizes.get(&key)).copied(),
            rates: None,
        }
    };
    let topics = topics.into_iter().filter_map(|TopicMetadata { name, partitions }| match partitions {
        Ok(mut of_topic) => {
            of_topic.sort_by_key(|it| it.id);
            let partitions = of_topic.iter().map(|it| partition(&name, it)).collect();
            Some(Topic { is_internal: name.starts_with("__"), name: TopicName::from(name), partitions, rates: None })
        }
        Err(error) => {
            partial.push(error.problem(format!("Topic {name} could not be read")));
            None
        }
    });
    let topics = topics.collect();
    Ok(ClusterSnapshot {
        cluster_id: cluster_id.map(Into::into),
        controller: controller.map(BrokerId),
        brokers: brokers.into_iter().map(|(id, host, port)| Broker { id: BrokerId(id), host: host.into(), port, rack: None }).collect(),
        topics,
        partial,
    })
}

fn offsets(admin: &Admin, partitions: &[(String, i32)], spec: OffsetSpec, partial: &mut Vec<Problem>) -> HashMap<(String, i32), Offset> {
    match admin.list_offsets(partitions, spec) {
        Ok(listed) => listed.into_iter().filter_map(|it| Some(((it.topic, it.partition), Offset(it.offset.ok()??)))).collect(),
        Err(error) => {
            partial.push(error.problem("Offsets could not be read"));
            HashMap::new()
        }
    }
}

/// Sizes by broker. Without TLS and SASL only: librdkafka does not speak DescribeLogDirs.
fn sizes(connection: &Connection, brokers: &[(i32, String, u16)], partial: &mut Vec<Problem>) -> HashMap<i32, LogDirs> {
    if !connection.is_plaintext() {
        return HashMap::new();
    }
    let read = |(id, host, port): &(i32, String, u16)| match read_log_dirs(host, *port, LOG_DIRS_TIMEOUT) {
        Ok(sizes) => Some((*id, sizes)),
        Err(error) => {
            partial.push(Problem::new(
                format!("Sizes on broker {id} are unknown"),
                error.to_string(),
                "They come back when the broker answers",
            ));
            None
        }
    };
    brokers.iter().filter_map(read).collect()
}

/// Fills in write rates from the snapshot before. Logs that shrank (retention, deletion, a topic made anew) count as no growth.
pub fn add_rates(now: &mut ClusterSnapshot, before: Option<(&ClusterSnapshot, TimestampMs)>, at: TimestampMs) {
    let Some((before, before_at)) = before else { return };
    let seconds = at.since(before_at) as f64 / 1e3;
    if seconds <= 0.0 {
        return;
    }
    for topic in &mut now.topics {
        let Some(old) = before.topic(&topic.name) else { continue };
        for partition in &mut topic.partitions {
            let Some(old) = old.partition(partition.id) else { continue };
            partition.rates = rates(partition, old, seconds);
        }
        topic.rates = topic.partitions.iter().filter_map(|partition| partition.rates).reduce(|a, b| Rates {
            records_per_s: a.records_per_s + b.records_per_s,
            bytes_per_s: a.bytes_per_s.zip(b.bytes_per_s).map(|(a, b)| a + b),
        });
    }
}

fn rates(now: &Partition, old: &Partition, seconds: f64) -> Option<Rates> {
    let records = now.high_watermark?.0.saturating_sub(old.high_watermark?.0).max(0);
    let bytes = now.bytes.zip(old.bytes).map(|(now, old)| now.saturating_sub(old));
    Some(Rates { records_per_s: records as f64 / seconds, bytes_per_s: bytes.map(|bytes| bytes as f64 / seconds) })
}

/// A snapshot that several may hold.
pub type SharedSnapshot = Arc<ClusterSnapshot>;

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(high_watermark: i64, bytes: Option<u64>) -> ClusterSnapshot {
        let partition = Partition {
            id: PartitionId(0),
            leader: None,
            replicas: Vec::new(),
            isr: Vec::new(),
            log_start_offset: Some(Offset(0)),
            high_watermark: Some(Offset(high_watermark)),
            bytes,
            rates: None,
        };
        let topic = Topic { name: TopicName::from("t"), is_internal: false, partitions: vec![partition], rates: None };
        ClusterSnapshot { topics: vec![topic], ..ClusterSnapshot::default() }
    }

    #[test]
    fn rates_are_growth_over_time() {
        let check = |old: (i64, Option<u64>), now: (i64, Option<u64>), after_ms: i64, expect: Option<(f64, Option<f64>)>| {
            let (old, mut now) = (snapshot(old.0, old.1), snapshot(now.0, now.1));
            add_rates(&mut now, Some((&old, TimestampMs(0))), TimestampMs(after_ms));
            let rates = now.topics[0].rates.map(|rates| (rates.records_per_s, rates.bytes_per_s));
            assert_eq!(rates, expect);
        };
        check((0, Some(0)), (100, Some(5_000)), 2_000, Some((50.0, Some(2_500.0))));
        check((0, None), (100, Some(5_000)), 1_000, Some((100.0, None)));
        check((100, Some(9)), (10, Some(3)), 1_000, Some((0.0, Some(0.0))));
        check((0, None), (1, None), 0, None);
    }
}
