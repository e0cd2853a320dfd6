//! Transactions through raw frames: what is committed is seen, what is aborted is not, who is fenced is told.

use std::collections::BTreeMap;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::RecordBatchDecoder;
use proptest::prelude::*;
use weir_broker::Broker;

use crate::client::{Client, Writer, config, encode, fetch_request, name, produce_request};

const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const INVALID_PRODUCER_ID_MAPPING: i16 = 49;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;
const PRODUCER_FENCED: i16 = 90;
const TRANSACTION_ABORTABLE: i16 = 120;
const READ_COMMITTED: i8 = 1;

/// Which protocol a producer speaks: before KIP-890, or since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    V1,
    V2,
}

/// A transactional producer of one topic's partition 0.
struct Producer {
    client: Client,
    protocol: Protocol,
    id: TransactionalId,
    producer_id: i64,
    epoch: i16,
    /// The next one, by topic.
    sequences: BTreeMap<String, i32>,
}

fn id(text: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(text.to_owned()))
}

impl Producer {
    fn start(broker: &Broker, name: &str, protocol: Protocol) -> Self {
        let mut client = Client::connect(broker);
        let request = InitProducerIdRequest::default().with_transactional_id(Some(id(name))).with_transaction_timeout_ms(60_000);
        let request = request.with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
        let answer = client.call(5, &request);
        assert_eq!(answer.error_code, 0);
        Self { client, protocol, id: id(name), producer_id: answer.producer_id.0, epoch: answer.producer_epoch, sequences: BTreeMap::new() }
    }

    /// The error code.
    fn add(&mut self, topic: &str) -> i16 {
        let topic = AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone())
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let answer = self.client.call(3, &request);
        answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    }

    /// The error code.
    fn write(&mut self, topic: &str, value: &str) -> i16 {
        let sequence = self.sequences.entry(topic.to_owned()).or_default();
        let writer = Writer { producer_id: self.producer_id, epoch: self.epoch, sequence: *sequence, transactional: true };
        let request = produce_request(topic, encode(&[value], writer)).with_transactional_id(Some(self.id.clone()));
        let version = if self.protocol == Protocol::V2 { 12 } else { 11 };
        let error = self.client.call(version, &request).responses[0].partition_responses[0].error_code;
        *sequence += i32::from(error == 0);
        error
    }

    /// As a client does it: adds the partition where the protocol wants it, then writes.
    fn send(&mut self, topic: &str, value: &str) {
        if self.protocol == Protocol::V1 {
            assert_eq!(self.add(topic), 0);
        }
        assert_eq!(self.write(topic, value), 0);
    }

    /// The error code.
    fn end(&mut self, is_commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(is_commit);
        if self.protocol == Protocol::V1 {
            return self.client.call(4, &request).error_code;
        }
        let answer = self.client.call(5, &request);
        if answer.error_code == 0 {
            assert_eq!((answer.producer_id.0, answer.producer_epoch), (self.producer_id, self.epoch + 1));
            (self.epoch, self.sequences) = (answer.producer_epoch, BTreeMap::new());
        }
        answer.error_code
    }

    /// The error code.
    fn commit_offset(&mut self, group: &str, topic: &str, offset: i64) -> i16 {
        if self.protocol == Protocol::V1 {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(self.id.clone())
                .with_producer_id(ProducerId(self.producer_id))
                .with_producer_epoch(self.epoch)
                .with_group_id(GroupId(StrBytes::from_string(group.to_owned())));
            assert_eq!(self.client.call(3, &request).error_code, 0);
        }
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset).with_committed_metadata(None);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id.clone())
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        let version = if self.protocol == Protocol::V2 { 5 } else { 3 };
        self.client.call(version, &request).topics[0].partitions[0].error_code
    }
}

/// What a consumer that reads only what is committed sees of partition 0, and the last stable offset.
fn committed(broker: &Broker, topic: &str) -> (Vec<String>, i64) {
    let mut client = Client::connect(broker);
    let (mut offset, mut seen) = (0, Vec::new());
    loop {
        let response = client.call(11, &fetch_request(topic, offset, 0).with_isolation_level(READ_COMMITTED));
        let partition = &response.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0);
        let aborted: Vec<_> = partition.aborted_transactions.iter().flatten().map(|it| (it.producer_id.0, it.first_offset)).collect();
        let mut open = BTreeMap::new();
        let batches = RecordBatchDecoder::decode_all(&mut partition.records.clone().unwrap_or_default()).unwrap();
        let before = offset;
        for record in batches.iter().flat_map(|batch| &batch.records) {
            offset = record.offset + 1;
            if record.control {
                open.remove(&record.producer_id);
            } else if !*open.entry(record.producer_id).or_insert_with(|| aborted.contains(&(record.producer_id, record.offset))) {
                seen.push(String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap());
            }
        }
        if offset == before {
            return (seen, partition.last_stable_offset);
        }
    }
}

fn with_broker(test: impl Fn(&Broker)) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let mut client = Client::connect(&broker);
    client.topic("t");
    client.topic("u");
    test(&broker);
}

#[test]
fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    for protocol in [Protocol::V1, Protocol::V2] {
        with_broker(|broker| {
            let mut producer = Producer::start(broker, "p", protocol);
            producer.send("t", "a");
            producer.send("t", "b");
            assert_eq!(committed(broker, "t"), (vec![], 0), "nothing of an open transaction");
            assert_eq!(producer.end(true), 0);
            assert_eq!(committed(broker, "t"), (vec!["a".to_owned(), "b".to_owned()], 3));
            producer.send("t", "c");
            producer.send("u", "d");
            assert_eq!(producer.end(false), 0);
            producer.send("t", "e");
            assert_eq!(producer.end(true), 0);
            assert_eq!(committed(broker, "t").0, ["a", "b", "e"]);
            assert_eq!(committed(broker, "u"), (vec![], 2));
        });
    }
}

#[test]
fn a_reader_that_waits_is_woken_by_the_commit() {
    with_broker(|broker| {
        let mut producer = Producer::start(broker, "p", Protocol::V2);
        producer.send("t", "a");
        let mut reader = Client::connect(broker);
        // Far beyond the read deadline of the test's client.
        reader.send(11, &fetch_request("t", 0, 120_000).with_isolation_level(READ_COMMITTED));
        assert_eq!(producer.end(true), 0);
        let response = reader.receive::<FetchRequest>(11);
        assert!(!response.responses[0].partitions[0].records.clone().unwrap_or_default().is_empty());
    });
}

#[test]
fn a_new_incarnation_aborts_and_fences_the_old_one() {
    for protocol in [Protocol::V1, Protocol::V2] {
        with_broker(|broker| {
            let mut old = Producer::start(broker, "p", protocol);
            old.send("t", "lost");
            let mut new = Producer::start(broker, "p", protocol);
            assert_eq!(new.producer_id, old.producer_id);
            assert!(new.epoch > old.epoch);
            assert_eq!(committed(broker, "t"), (vec![], 2), "aborted before the new one was answered");
            assert_eq!(old.write("t", "zombie"), INVALID_PRODUCER_EPOCH);
            assert_eq!(old.end(true), PRODUCER_FENCED);
            assert_eq!(old.commit_offset_unadded("g"), INVALID_PRODUCER_EPOCH);
            new.send("t", "kept");
            assert_eq!(new.end(true), 0);
            assert_eq!(committed(broker, "t").0, ["kept"]);
        });
    }
}

impl Producer {
    /// Straight to the group coordinator, as a zombie would.
    fn commit_offset_unadded(&mut self, group: &str) -> i16 {
        let added = std::mem::replace(&mut self.protocol, Protocol::V2);
        let error = self.commit_offset(group, "t", 1);
        self.protocol = added;
        error
    }
}

#[test]
fn nothing_is_written_outside_of_a_transaction() {
    with_broker(|broker| {
        let mut producer = Producer::start(broker, "p", Protocol::V1);
        assert_eq!(producer.write("t", "not added"), TRANSACTION_ABORTABLE);
        assert_eq!(producer.end(true), INVALID_TXN_STATE);
        producer.send("t", "a");
        assert_eq!(producer.end(true), 0);
        assert_eq!(producer.write("t", "late"), TRANSACTION_ABORTABLE, "a batch that was under way when its transaction ended");
        assert_eq!((producer.end(true), producer.end(false)), (0, INVALID_TXN_STATE), "once more is no error, otherwise is");
        let mut stranger = Producer { producer_id: producer.producer_id + 100, ..Producer::start(broker, "q", Protocol::V1) };
        assert_eq!(stranger.end(true), INVALID_PRODUCER_ID_MAPPING);
        assert_eq!(committed(broker, "t").0, ["a"]);
    });
}

#[test]
fn an_end_that_comes_again_is_answered_as_the_first_time() {
    with_broker(|broker| {
        let mut producer = Producer::start(broker, "p", Protocol::V2);
        producer.send("t", "a");
        let before = producer.epoch;
        assert_eq!(producer.end(true), 0);
        producer.epoch = before;
        assert_eq!(producer.end(true), 0, "the answer was lost");
        producer.epoch = before;
        assert_eq!(producer.end(false), PRODUCER_FENCED, "but it can't be turned round");
        producer.epoch += 1;
        assert_eq!(producer.end(false), 0, "an abort of nothing");
        producer.send("t", "b");
        assert_eq!(producer.end(true), 0);
        assert_eq!(committed(broker, "t").0, ["a", "b"]);
    });
}

#[test]
fn offsets_count_once_the_transaction_commits() {
    let stored = |broker: &Broker, require_stable| {
        let topic = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0]);
        let group =
            OffsetFetchRequestGroup::default().with_group_id(GroupId(StrBytes::from_static_str("g"))).with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(require_stable);
        let answer = Client::connect(broker).call(8, &request);
        let partition = &answer.groups[0].topics[0].partitions[0];
        (partition.committed_offset, partition.error_code)
    };
    for protocol in [Protocol::V1, Protocol::V2] {
        let dir = tempfile::tempdir().unwrap();
        let mut broker = Broker::start(config(dir.path())).unwrap();
        Client::connect(&broker).topic("t");
        let mut producer = Producer::start(&broker, "p", protocol);
        assert_eq!(producer.commit_offset("g", "t", 5), 0);
        assert_eq!((stored(&broker, false), stored(&broker, true)), ((-1, 0), (-1, UNSTABLE_OFFSET_COMMIT)));
        assert_eq!(producer.end(true), 0);
        assert_eq!(stored(&broker, true), (5, 0));
        assert_eq!(producer.commit_offset("g", "t", 9), 0);
        assert_eq!(producer.end(false), 0);
        assert_eq!(stored(&broker, true), (5, 0));
        // One that is open over a restart stays open, and is ended by the producer's next life.
        assert_eq!(producer.commit_offset("g", "t", 11), 0);
        broker.shutdown();
        broker = Broker::start(config(dir.path())).unwrap();
        assert_eq!(stored(&broker, true), (-1, UNSTABLE_OFFSET_COMMIT));
        Producer::start(&broker, "p", protocol);
        assert_eq!(stored(&broker, true), (5, 0));
    }
}

#[test]
fn transactions_are_described_and_listed() {
    with_broker(|broker| {
        let mut producer = Producer::start(broker, "p", Protocol::V2);
        Producer::start(broker, "q", Protocol::V1);
        producer.send("t", "a");
        let client = &mut Client::connect(broker);
        let answer = client.call(0, &DescribeTransactionsRequest::default().with_transactional_ids(vec![id("p"), id("nobody")]));
        let state = &answer.transaction_states[0];
        assert_eq!((state.transaction_state.as_str(), state.topics[0].partitions.as_slice()), ("Ongoing", &[0][..]));
        assert_eq!(answer.transaction_states[1].error_code, 105);
        let list = |client: &mut Client, states: &[&'static str], pattern: &'static str| {
            let states = states.iter().map(|state| StrBytes::from_static_str(state)).collect();
            let request = ListTransactionsRequest::default().with_state_filters(states).with_duration_filter(-1);
            let answer = client.call(2, &request.with_transactional_id_pattern(Some(StrBytes::from_static_str(pattern))));
            let ids: Vec<_> = answer.transaction_states.iter().map(|state| state.transactional_id.to_string()).collect();
            (answer.error_code, ids, answer.unknown_state_filters.len())
        };
        assert_eq!(list(client, &[], ""), (0, vec!["p".to_owned(), "q".to_owned()], 0));
        assert_eq!(list(client, &["Ongoing", "Sleeping"], ""), (0, vec!["p".to_owned()], 1));
        assert_eq!(list(client, &[], "[q-z]"), (0, vec!["q".to_owned()], 0));
        assert_eq!(list(client, &[], "(").0, 128);
    });
}

#[test]
fn the_end_of_a_partition_is_its_last_stable_offset_for_who_reads_committed() {
    with_broker(|broker| {
        let mut producer = Producer::start(broker, "p", Protocol::V2);
        producer.send("t", "a");
        let end = |isolation_level| {
            let partition = ListOffsetsPartition::default().with_timestamp(-1);
            let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default().with_isolation_level(isolation_level).with_topics(vec![topic]);
            Client::connect(broker).call(7, &request).topics[0].partitions[0].offset
        };
        assert_eq!((end(0), end(READ_COMMITTED)), (1, 0));
    });
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize, bool),
    End(usize, bool),
    Restart,
    NewLife(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize, any::<bool>()).prop_map(|(producer, is_first_topic)| Step::Send(producer, is_first_topic)),
        3 => (0..3_usize, any::<bool>()).prop_map(|(producer, is_commit)| Step::End(producer, is_commit)),
        1 => Just(Step::Restart),
        1 => (0..3_usize).prop_map(Step::NewLife),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Transactions of several producers, of both protocols, across each other, over restarts and new lives: a reader sees exactly what was
    /// committed, in the order it was written, up to the first open one.
    #[test]
    fn overlapping_transactions_are_told_apart(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut broker = Broker::start(config(dir.path())).unwrap();
        let topics = ["t", "u"];
        topics.iter().for_each(|topic| Client::connect(&broker).topic(topic));
        let protocol = |at: usize| if at == 1 { Protocol::V1 } else { Protocol::V2 };
        let start = |broker: &Broker, at: usize| Producer::start(broker, &format!("p{at}"), protocol(at));
        let mut producers: Vec<_> = (0..3).map(|at| start(&broker, at)).collect();
        // Per topic: writer, value, and what became of it.
        let mut written = [Vec::<(usize, String, Option<bool>)>::new(), Vec::new()];
        let end = |written: &mut [Vec<(usize, String, Option<bool>)>; 2], at: usize, is_commit: bool| {
            let open = written.iter_mut().flatten().filter(|(writer, _, fate)| *writer == at && fate.is_none());
            open.map(|(.., fate)| *fate = Some(is_commit)).count()
        };
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Send(at, is_first_topic) => {
                    let topic = usize::from(!is_first_topic);
                    producers[at].send(topics[topic], &number.to_string());
                    written[topic].push((at, number.to_string(), None));
                }
                Step::End(at, is_commit) => {
                    let error = producers[at].end(is_commit);
                    if end(&mut written, at, is_commit) > 0 {
                        prop_assert_eq!(error, 0);
                    }
                }
                Step::Restart => {
                    broker.shutdown();
                    broker = Broker::start(config(dir.path())).unwrap();
                    producers.iter_mut().for_each(|producer| producer.client = Client::connect(&broker));
                }
                Step::NewLife(at) => {
                    producers[at] = start(&broker, at);
                    end(&mut written, at, false);
                }
            }
            for (topic, written) in topics.iter().zip(&written) {
                let stable = written.iter().take_while(|(.., fate)| fate.is_some());
                let expected: Vec<_> = stable.filter(|(.., fate)| *fate == Some(true)).map(|(_, value, _)| value.clone()).collect();
                prop_assert_eq!(committed(&broker, topic).0, expected);
            }
        }
    }
}
