//! A group member made of raw frames, so that each step of the protocol can be taken by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    CreateTopicsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    RequestHeader, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion as _, Request, StrBytes};
use weir_broker::{Broker, BrokerConfig};

/// The shortest session the broker accepts.
pub(crate) const SESSION_MS: i32 = 6_000;
const REBALANCE_MS: i32 = 60_000;
/// Longer than anything here should take, shorter than a test runner's patience.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn start(data_dir: &Path) -> Broker {
    let mut config = BrokerConfig::new(data_dir);
    config.listen.set_port(0);
    Broker::start(config).expect("the broker starts")
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Waits for something that comes about by itself, by asking again and again.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn connect(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation_id: 0 }
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = (frame.len() - 4) as i32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        assert_eq!(frame.get_i32(), self.correlation_id);
        if R::Response::header_version(version) >= 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields");
        }
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes too many in {version} of key {}", frame.len(), R::KEY);
        response
    }
}

pub(crate) fn topic(broker: &Broker, name: &str) {
    let topic = CreatableTopic::default().with_name(TopicName(text(name))).with_num_partitions(1).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    assert_eq!(Client::connect(broker).call(5, &request).topics[0].error_code, 0);
}

/// Commits partition 0 of a topic, as a member or as nobody; returns the error code.
pub(crate) fn commit(client: &mut Client, group: &str, member: Option<(&str, i32)>, topic: &str, offset: i64) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset).with_committed_metadata(Some(text("")));
    let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
    let (member_id, generation) = member.unwrap_or(("", -1));
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member_id))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![topic]);
    client.call(8, &request).topics[0].partitions[0].error_code
}

pub(crate) fn fetch(client: &mut Client, group: &str, topic: &str) -> i64 {
    let topic = OffsetFetchRequestTopic::default().with_name(TopicName(text(topic))).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let answer = client.call(6, &request);
    assert_eq!((answer.error_code, answer.topics[0].partitions[0].error_code), (0, 0));
    answer.topics[0].partitions[0].committed_offset
}

/// A member, and what it knows.
pub(crate) struct Member {
    pub(crate) client: Client,
    pub(crate) instance: Option<String>,
    group: String,
    version: i16,
    pub(crate) id: String,
    pub(crate) generation: i32,
    leader: String,
    /// The members of the generation, if this one leads.
    pub(crate) others: Vec<String>,
    pub(crate) assignment: Bytes,
}

impl Member {
    /// A member that joins with this version of JoinGroup, and versions of the same age of the rest.
    pub(crate) fn new(broker: &Broker, group: &str, version: i16) -> Self {
        Self {
            client: Client::connect(broker),
            instance: None,
            group: group.to_owned(),
            version,
            id: String::new(),
            generation: -1,
            leader: String::new(),
            others: Vec::new(),
            assignment: Bytes::new(),
        }
    }

    pub(crate) fn with_instance(mut self, instance: &str) -> Self {
        self.instance = Some(instance.to_owned());
        self
    }

    /// A subscription to topic "t".
    pub(crate) fn metadata() -> Bytes {
        Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff")
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.id == self.leader
    }

    pub(crate) fn join(&mut self) {
        self.send_join();
        self.receive_join();
    }

    /// Sends a join that will be parked. A first join of version 4 and up is sent twice, for an id comes first.
    pub(crate) fn send_join(&mut self) {
        if self.id.is_empty() && self.instance.is_none() && self.version >= 4 {
            // The broker answers this one at once.
            let answer = self.client.call(self.version, &self.join_request());
            assert_eq!(answer.error_code, ResponseError::MemberIdRequired.code());
            self.id = answer.member_id.to_string();
        }
        let request = self.join_request();
        self.client.send(self.version, &request);
    }

    pub(crate) fn receive_join(&mut self) {
        assert_eq!(self.try_receive_join(), 0);
    }

    pub(crate) fn try_receive_join(&mut self) -> i16 {
        let answer = self.client.receive::<JoinGroupRequest>(self.version);
        if answer.error_code == 0 {
            self.id = answer.member_id.to_string();
            self.generation = answer.generation_id;
            self.leader = answer.leader.to_string();
            self.others = answer.members.iter().map(|member| member.member_id.to_string()).collect();
            assert_eq!(answer.protocol_name.as_deref(), Some("range"));
        }
        answer.error_code
    }

    fn join_request(&self) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Self::metadata());
        JoinGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(if self.version == 0 { -1 } else { REBALANCE_MS })
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    }

    pub(crate) fn sync(&mut self) {
        self.send_sync();
        self.receive_sync();
    }

    /// A leader gives each member its own id as assignment.
    pub(crate) fn send_sync(&mut self) {
        let assignment =
            |id: &String| SyncGroupRequestAssignment::default().with_member_id(text(id)).with_assignment(Bytes::from(id.clone()));
        let version = self.sync_version();
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_protocol_type(Some(text("consumer")).filter(|_| version >= 5))
            .with_protocol_name(Some(text("range")).filter(|_| version >= 5))
            .with_assignments(self.others.iter().map(assignment).collect());
        self.client.send(version, &request);
    }

    pub(crate) fn receive_sync(&mut self) {
        assert_eq!(self.try_receive_sync(), 0);
    }

    pub(crate) fn try_receive_sync(&mut self) -> i16 {
        let answer = self.client.receive::<SyncGroupRequest>(self.sync_version());
        self.assignment = answer.assignment;
        answer.error_code
    }

    fn sync_version(&self) -> i16 {
        (self.version - 2).clamp(0, 5).max(if self.instance.is_some() { 3 } else { 0 })
    }

    pub(crate) fn heartbeat(&mut self) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text));
        self.client.call(if self.instance.is_some() { 3 } else { 0 }, &request).error_code
    }

    /// Heartbeats until another member's join has reached the broker.
    pub(crate) fn heartbeat_until_rebalance(&mut self) -> i16 {
        let mut error = 0;
        until("a rebalance starts", || {
            error = self.heartbeat();
            error != 0
        });
        error
    }

    pub(crate) fn leave(&mut self) {
        assert_eq!(self.try_leave(), 0);
    }

    pub(crate) fn try_leave(&mut self) -> i16 {
        let request = LeaveGroupRequest::default().with_group_id(GroupId(text(&self.group)));
        let answer = if self.version < 5 {
            self.client.call(2, &request.with_member_id(text(&self.id)))
        } else {
            let identity = MemberIdentity::default().with_member_id(text(&self.id));
            self.client.call(5, &request.with_members(vec![identity]))
        };
        self.id.clear();
        answer.members.iter().map(|member| member.error_code).chain([answer.error_code]).find(|error| *error != 0).unwrap_or(0)
    }
}
