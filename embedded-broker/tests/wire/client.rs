//! One connection of raw frames, and batches made by the codec crate: an independent hand, for the broker builds its own.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{FetchRequest, FetchResponse, MetadataRequest, ProduceRequest, RequestHeader, TopicName};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion as _, Request, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use weir_broker::{Broker, BrokerConfig};

/// Longer than anything here should take, shorter than a test runner's patience.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn config(data_dir: &std::path::Path) -> BrokerConfig {
    let mut config = BrokerConfig::new(data_dir);
    config.listen.set_port(0);
    config
}

pub(crate) fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    next_id: i32,
    asked: VecDeque<i32>,
}

impl Client {
    pub(crate) fn connect(broker: &Broker) -> Self {
        Self::over(TcpStream::connect(broker.address()).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, next_id: 0, asked: VecDeque::new() }
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.next_id += 1;
        self.asked.push_back(self.next_id);
        self.stream.write_all(&frame(version, self.next_id, request)).unwrap();
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut frame = Bytes::from(self.receive_bytes().expect("the broker answers"));
        assert_eq!(Some(frame.get_i32()), self.asked.pop_front(), "answers come in the order of the questions");
        if R::Response::header_version(version) >= 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields");
        }
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes too many in version {version} of key {}", frame.len(), R::KEY);
        response
    }

    /// The next frame without its length; `None` when the broker closed the connection.
    pub(crate) fn receive_bytes(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).ok()?;
        Some(frame)
    }

    /// Creates a topic by asking for it.
    pub(crate) fn topic(&mut self, topic: &str) {
        let asked = kafka_protocol::messages::metadata_request::MetadataRequestTopic::default().with_name(Some(name(topic)));
        let response = self.call(9, &MetadataRequest::default().with_topics(Some(vec![asked])));
        assert_eq!(response.topics[0].error_code, 0);
    }

    pub(crate) fn produce(&mut self, topic: &str, batch: Bytes) -> PartitionProduceResponse {
        let response = self.call(9, &produce_request(topic, batch));
        response.responses[0].partition_responses[0].clone()
    }

    /// The answer for one partition: error code, high watermark, records.
    pub(crate) fn fetch(&mut self, request: &FetchRequest) -> (i16, i64, Bytes) {
        let response = self.call(11, request);
        partition_of(&response)
    }
}

pub(crate) fn partition_of(response: &FetchResponse) -> (i16, i64, Bytes) {
    let partition = &response.responses[0].partitions[0];
    (partition.error_code, partition.high_watermark, partition.records.clone().unwrap_or_default())
}

/// A whole frame, length included.
pub(crate) fn frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> BytesMut {
    try_frame(version, correlation_id, request).unwrap()
}

/// The same; `None` when this version can't say what is asked.
pub(crate) fn try_frame<R: Request>(version: i16, correlation_id: i32, request: &R) -> Option<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header.encode(&mut frame, R::header_version(version)).ok()?;
    request.encode(&mut frame, version).ok()?;
    let length = (frame.len() - 4) as i32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Some(frame)
}

pub(crate) fn produce_request(topic: &str, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

pub(crate) fn fetch_request(topic: &str, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_partition(0).with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(max_wait_ms).with_min_bytes(1).with_max_bytes(1 << 20).with_topics(vec![topic])
}

/// A batch of records with these values, as the codec crate makes it.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    // The encoder starts a new batch where sequences and offsets do not go together.
    encode(values, Writer { producer_id: -1, epoch: -1, sequence: -1, transactional: false })
}

/// Who a batch says it is from.
#[derive(Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) transactional: bool,
}

/// A batch of a producer's.
pub(crate) fn encode(values: &[&str], writer: Writer) -> Bytes {
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let records: Vec<Record> = values
        .iter()
        .zip(0..)
        .map(|(value, index)| Record {
            transactional: writer.transactional,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 0,
            producer_id: writer.producer_id,
            producer_epoch: writer.epoch,
            timestamp_type: TimestampType::Creation,
            offset: index,
            sequence: index as i32 + writer.sequence,
            timestamp: now_ms,
            key: None,
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: IndexMap::new(),
        })
        .collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}
