//! Changes to the cluster, and questions that are asked once: one after the other, each told when it is done.

use std::{
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use futures::executor::block_on;
use weir_model::{GroupId, NewTopic, NoticeLevel, PipelineMeta, Problem, ProduceRecord, Stamped, TimestampMs, TopicName, Update};

use crate::{
    client::{Admin, Connection, OutgoingRecord, Producer},
    pipelines,
    poller::Refresh,
    updates::Updates,
};

/// A change that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One thing to do.
#[derive(Debug)]
pub enum Operation {
    /// Read a topic's configuration.
    LoadTopicConfigs(TopicName),
    /// Create a topic.
    CreateTopic(NewTopic),
    /// Delete a topic.
    DeleteTopic(TopicName),
    /// Delete a group.
    DeleteGroup(GroupId),
    /// Delete what a pipeline's runs left.
    ResetPipeline(PipelineMeta),
    /// Write a record.
    Produce(ProduceRecord),
}

/// Works until the inbox is closed.
pub fn work(connection: &Connection, inbox: &Receiver<Operation>, updates: &Updates, refresh: &Refresh) {
    for operation in inbox {
        match operate(connection, operation, updates) {
            Ok(Some(done)) => updates.notice(NoticeLevel::Success, done, ""),
            Ok(None) => {}
            Err(problem) => updates.problem(&problem),
        }
        refresh.now();
    }
}

/// Does one thing; what comes back is to be told.
fn operate(connection: &Connection, operation: Operation, updates: &Updates) -> Result<Option<String>, Problem> {
    let admin = || Admin::new(connection, TIMEOUT).map_err(|error| error.problem("The cluster can't be administered"));
    match operation {
        Operation::LoadTopicConfigs(topic) => {
            let answer = admin().and_then(|admin| {
                let entries = block_on(admin.topic_configs(topic.as_str()));
                entries.map_err(|error| error.problem(format!("The configuration of {topic} could not be read")))
            });
            let answer = answer.map(|entries| Stamped { value: Arc::from(entries), as_of: TimestampMs::now() });
            updates.publish(Update::TopicConfigs(topic, answer));
            Ok(None)
        }
        Operation::CreateTopic(topic) => {
            let configs: Vec<(&str, &str)> = topic.configs.iter().map(|(name, value)| (&**name, &**value)).collect();
            block_on(admin()?.create_topic(topic.name.as_str(), topic.partitions, topic.replication_factor, &configs))
                .map_err(|error| error.problem(format!("Topic {} was not created", topic.name)))?;
            Ok(Some(format!("Topic {} created", topic.name)))
        }
        Operation::DeleteTopic(topic) => {
            block_on(admin()?.delete_topic(topic.as_str())).map_err(|error| error.problem(format!("Topic {topic} was not deleted")))?;
            Ok(Some(format!("Topic {topic} deleted")))
        }
        Operation::DeleteGroup(group) => {
            block_on(admin()?.delete_group(group.as_str())).map_err(|error| error.problem(format!("Group {group} was not deleted")))?;
            Ok(Some(format!("Group {group} deleted")))
        }
        Operation::ResetPipeline(meta) => pipelines::reset(&meta, connection, updates).map(Some),
        Operation::Produce(record) => produce(connection, &record).map(Some),
    }
}

fn produce(connection: &Connection, record: &ProduceRecord) -> Result<String, Problem> {
    let what = || format!("The record was not written to {}", record.topic);
    let producer = Producer::new(connection).map_err(|error| error.problem(what()))?;
    let headers: Vec<(&str, Option<&[u8]>)> = record.headers.iter().map(|header| (&*header.name, header.value.as_deref())).collect();
    let outgoing = OutgoingRecord {
        topic: record.topic.as_str(),
        partition: record.partition.map(|partition| partition.0),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
        timestamp_ms: None,
    };
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    // A producer that was just made has room.
    let _ = producer.send_with(outgoing, move |outcome| drop(tell.try_send(outcome))).map_err(|error| error.problem(what()))?;
    match told.recv_timeout(TIMEOUT) {
        Ok(Ok(at)) => Ok(format!("Written to {} [{}] at offset {}", record.topic, at.partition, at.offset)),
        Ok(Err(error)) => Err(error.problem(what())),
        Err(_) => Err(Problem::new(
            what(),
            format!("no acknowledgement came within {} s", TIMEOUT.as_secs()),
            "It may still arrive: look before you write it again",
        )),
    }
}
