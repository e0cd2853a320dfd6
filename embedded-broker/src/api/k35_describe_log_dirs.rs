//! DescribeLogDirs: 1-4. How many bytes each partition takes.
//!
//! - There is one log dir, the data folder. No list means all topics. 3: a top-level error code.
//! - 4: the volume's total and usable bytes (KIP-827); -1 where the system does not tell.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Api, Refusal, RequestContext, shared};
use crate::codec::messages::describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
use crate::codec::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use crate::codec::text;
use crate::disk::Volume;
use crate::node::Node;
use crate::topics::Topic;

pub(crate) struct DescribeLogDirs;

impl Api for DescribeLogDirs {
    const KEY: i16 = 35;
    const NAME: &'static str = "DescribeLogDirs";
    const VERSIONS: RangeInclusive<i16> = 1..=4;
    type Request = DescribeLogDirsRequest;
    type Response = DescribeLogDirsResponse;

    async fn handle(
        node: Arc<Node>,
        context: Arc<RequestContext>,
        request: DescribeLogDirsRequest,
    ) -> Result<DescribeLogDirsResponse, Refusal> {
        let topics = match request.topics {
            None => node.topics.all().iter().map(|topic| described(topic, &|_| true)).collect(),
            Some(asked) => {
                // What is not there is left out, as Kafka does.
                let described = |asked: &crate::codec::messages::describe_log_dirs_request::DescribableLogDirTopic| {
                    Some(described(node.topics.get(&asked.topic)?.as_ref(), &|index| asked.partitions.contains(&index)))
                };
                shared::once(&asked, |asked| &asked.topic).filter_map(described).collect()
            }
        };
        let folder = node.config.data_dir.display().to_string();
        let asking = node.blocking(|node| node.config.disk.volume(&node.config.data_dir).ok());
        let volume = asking.await.map_err(|stopping| Refusal::Close(stopping.to_string()))?;
        let bytes = |of: fn(Volume) -> u64| volume.map_or(-1, |volume| i64::try_from(of(volume)).unwrap_or(i64::MAX));
        let result = DescribeLogDirsResult::default().with_log_dir(text(folder)).with_topics(topics);
        let result = if context.version >= 4 {
            result.with_total_bytes(bytes(|volume| volume.total_bytes)).with_usable_bytes(bytes(|volume| volume.usable_bytes))
        } else {
            result
        };
        Ok(DescribeLogDirsResponse::default().with_results(vec![result]))
    }
}

fn described(topic: &Topic, is_wanted: &dyn Fn(i32) -> bool) -> DescribeLogDirsTopic {
    let partitions = (0..).zip(topic.partitions()).filter(|(index, _)| is_wanted(*index)).map(|(index, log)| {
        let bytes = i64::try_from(log.size_bytes()).unwrap_or(i64::MAX);
        DescribeLogDirsPartition::default().with_partition_index(index).with_partition_size(bytes)
    });
    DescribeLogDirsTopic::default().with_name(TopicName(text(topic.name.as_ref()))).with_partitions(partitions.collect())
}
