//! Groups of the consumer protocol (KIP-848) over the wire: joining, sharing, describing, restarting, and living with classic members.

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use weir_broker::Broker;

use crate::client::{Client, config, name};

const REBALANCE_IN_PROGRESS: i16 = 27;
const GROUP_ID_NOT_FOUND: i16 = 69;
const UNKNOWN_MEMBER_ID: i16 = 25;
const FENCED_MEMBER_EPOCH: i16 = 110;
const STALE_MEMBER_EPOCH: i16 = 113;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group() -> GroupId {
    GroupId(text("g"))
}

/// What a member says when it joins.
fn joining(member_id: &str, topic: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text(member_id))
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![name(topic)]))
        .with_topic_partitions(Some(vec![]))
}

fn beat(member_id: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default().with_group_id(group()).with_member_id(text(member_id)).with_member_epoch(epoch)
}

fn partitions(response: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let assignment = response.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.clone()).collect())
}

fn topic_of_four(client: &mut Client) -> uuid::Uuid {
    let topic = create_topics_request::CreatableTopic::default().with_name(name("t")).with_num_partitions(4).with_replication_factor(1);
    let created = client.call(7, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000));
    assert_eq!(created.topics[0].error_code, 0);
    created.topics[0].topic_id
}

fn describe(client: &mut Client) -> consumer_group_describe_response::DescribedGroup {
    client.call(1, &ConsumerGroupDescribeRequest::default().with_group_ids(vec![group()])).groups[0].clone()
}

fn commit(client: &mut Client, member_id: &str, epoch: i32) -> i16 {
    let partition = offset_commit_request::OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(7);
    let topic = offset_commit_request::OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default().with_group_id(group()).with_member_id(text(member_id));
    let response = client.call(9, &request.with_generation_id_or_member_epoch(epoch).with_topics(vec![topic]));
    response.topics[0].partitions[0].error_code
}

fn fetch_offset(client: &mut Client, member_id: Option<&str>, epoch: i32) -> i16 {
    let asked = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(None);
    let asked = asked.with_member_id(member_id.map(text)).with_member_epoch(epoch);
    client.call(9, &OffsetFetchRequest::default().with_groups(vec![asked])).groups[0].error_code
}

#[test]
fn two_members_share_a_topic_and_a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    let topic_id = topic_of_four(client);
    let a = client.call(1, &joining("a", "t"));
    assert_eq!((a.error_code, a.member_epoch, partitions(&a)), (0, 1, Some(vec![0, 1, 2, 3])));
    assert_eq!(a.heartbeat_interval_ms, 5_000);
    let b = client.call(1, &joining("b", "t"));
    assert_eq!((b.error_code, b.member_epoch, partitions(&b)), (0, 2, Some(vec![])));
    let a = client.call(1, &beat("a", 1));
    let kept = partitions(&a).unwrap();
    assert_eq!((a.member_epoch, kept.len()), (1, 2));
    assert_eq!(describe(client).group_state.as_str(), "Reconciling");
    let holds = TopicPartitions::default().with_topic_id(topic_id).with_partitions(kept);
    let a = client.call(1, &beat("a", 1).with_topic_partitions(Some(vec![holds])));
    assert_eq!((a.member_epoch, partitions(&a)), (2, None));
    let b = client.call(1, &beat("b", 2));
    assert_eq!(partitions(&b).unwrap().len(), 2);

    assert_eq!([commit(client, "a", 2), commit(client, "a", 1), commit(client, "x", 2)], [0, STALE_MEMBER_EPOCH, UNKNOWN_MEMBER_ID]);
    assert_eq!([fetch_offset(client, Some("a"), 2), fetch_offset(client, Some("a"), 1)], [0, STALE_MEMBER_EPOCH]);
    assert_eq!(fetch_offset(client, None, -1), 0, "who says nothing of itself may look");
    let described = describe(client);
    assert_eq!((described.group_state.as_str(), described.group_epoch, described.assignment_epoch), ("Stable", 2, 2));
    assert_eq!((described.assignor_name.as_str(), described.members.len()), ("uniform", 2));
    assert_eq!(described.members[0].assignment, described.members[0].target_assignment);
    assert_eq!(described.members[0].assignment.topic_partitions[0].topic_name, name("t"));
    broker.shutdown();

    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    assert_eq!(describe(client), described);
    assert_eq!(client.call(1, &beat("a", 2)).error_code, 0);
    assert_eq!(client.call(1, &beat("a", 7)).error_code, FENCED_MEMBER_EPOCH);
    let listed = client.call(5, &ListGroupsRequest::default().with_types_filter(vec![text("Consumer")]));
    assert_eq!((listed.groups[0].group_type.as_str(), listed.groups[0].group_state.as_str()), ("consumer", "Stable"));
    assert!(client.call(5, &ListGroupsRequest::default().with_types_filter(vec![text("classic")])).groups.is_empty());
    let classic = client.call(6, &DescribeGroupsRequest::default().with_groups(vec![group()]));
    assert_eq!(classic.groups[0].error_code, GROUP_ID_NOT_FOUND);
    assert_eq!([client.call(1, &beat("a", -1)).error_code, client.call(1, &beat("b", -1)).error_code], [0, 0]);
    assert_eq!(describe(client).group_state.as_str(), "Empty");
    let deleted = client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group()]));
    assert_eq!((deleted.results[0].error_code, describe(client).error_code), (0, GROUP_ID_NOT_FOUND));
}

#[test]
fn a_member_without_an_id_gets_one_in_version_0_only() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    topic_of_four(client);
    let given = client.call(0, &joining("", "t"));
    assert_eq!((given.error_code, given.member_epoch), (0, 1));
    assert!(!given.member_id.unwrap().is_empty());
    assert_eq!(client.call(1, &joining("", "t")).error_code, 42, "INVALID_REQUEST");
    let by_regex = joining("r", "t").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("[a-z]")));
    assert_eq!(client.call(1, &by_regex).error_code, 0);
    let by_bad_regex = joining("s", "t").with_subscribed_topic_names(None).with_subscribed_topic_regex(Some(text("(")));
    let refused = client.call(1, &by_bad_regex);
    assert_eq!((refused.error_code, refused.error_message.is_some()), (128, true));
}

/// A `ConsumerProtocolSubscription` of version 1: topics, no user data, nothing owned.
fn subscription(topic: &str) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(1);
    out.put_i32(1);
    out.put_i16(topic.len() as i16);
    out.put_slice(topic.as_bytes());
    out.put_i32(-1);
    out.put_i32(0);
    out.freeze()
}

fn classic_join(client: &mut Client, member_id: &str) -> JoinGroupResponse {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription("t"));
    let request = JoinGroupRequest::default().with_group_id(group()).with_member_id(text(member_id)).with_protocol_type(text("consumer"));
    client.call(9, &request.with_session_timeout_ms(45_000).with_rebalance_timeout_ms(60_000).with_protocols(vec![protocol]))
}

fn classic_sync(client: &mut Client, joined: &JoinGroupResponse, assignment: Option<Bytes>) -> SyncGroupResponse {
    let own = |assignment| {
        let entry = sync_group_request::SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
        entry.with_assignment(assignment)
    };
    let request = SyncGroupRequest::default().with_group_id(group()).with_member_id(joined.member_id.clone());
    let request = request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
    client.call(5, &request.with_generation_id(joined.generation_id).with_assignments(assignment.map(own).into_iter().collect()))
}

fn classic_beat(client: &mut Client, joined: &JoinGroupResponse) -> i16 {
    let request = HeartbeatRequest::default().with_group_id(group()).with_member_id(joined.member_id.clone());
    client.call(4, &request.with_generation_id(joined.generation_id)).error_code
}

/// How many partitions an assignment of one topic names.
fn count(assignment: &[u8], topic: &str) -> i32 {
    if assignment[2..6] == [0; 4] {
        return 0;
    }
    let at = 2 + 4 + 2 + topic.len();
    i32::from_be_bytes(assignment[at..at + 4].try_into().unwrap())
}

#[test]
fn a_group_moves_to_the_consumer_protocol_and_back_with_its_members_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).unwrap();
    let client = &mut Client::connect(&broker);
    let topic_id = topic_of_four(client);
    let member_id = classic_join(client, "").member_id;
    let joined = classic_join(client, member_id.as_str());
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    // All four, in the members' own language.
    let mut all = BytesMut::from(&b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x04"[..]);
    (0..4).for_each(|partition| all.put_i32(partition));
    all.put_i32(-1);
    assert_eq!(classic_sync(client, &joined, Some(all.freeze())).error_code, 0);
    assert_eq!(classic_beat(client, &joined), 0);

    // Up: the other is told to rebalance, and what it holds is not given away before it has joined again without it.
    let new = client.call(1, &joining("new", "t"));
    assert_eq!((new.error_code, new.member_epoch, partitions(&new)), (0, 2, Some(vec![])));
    let described = describe(client);
    let types: Vec<i8> = described.members.iter().map(|member| member.member_type).collect();
    assert_eq!((described.members.len(), types.contains(&0) && types.contains(&1)), (2, true));
    assert_eq!(classic_beat(client, &joined), REBALANCE_IN_PROGRESS);
    let joined = classic_join(client, member_id.as_str());
    assert_eq!((joined.error_code, joined.generation_id, joined.leader.as_str()), (0, 2, ""));
    let synced = classic_sync(client, &joined, None);
    assert_eq!((synced.error_code, count(&synced.assignment, "t")), (0, 2));
    assert_eq!(classic_beat(client, &joined), 0);
    let new = client.call(1, &beat("new", 2));
    assert_eq!(partitions(&new).unwrap().len(), 2);
    assert_eq!(commit(client, "new", 2), 0);
    assert_eq!(describe(client).group_state.as_str(), "Stable");

    // Down: the last of the new protocol leaves, and the classic member leads again.
    let held = TopicPartitions::default().with_topic_id(topic_id).with_partitions(vec![]);
    assert_eq!(client.call(1, &beat("new", -1).with_topic_partitions(Some(vec![held]))).error_code, 0);
    assert_eq!(describe(client).error_code, GROUP_ID_NOT_FOUND);
    assert_eq!(classic_beat(client, &joined), REBALANCE_IN_PROGRESS);
    let joined = classic_join(client, member_id.as_str());
    assert_eq!((joined.error_code, &joined.leader, joined.members.len()), (0, &member_id, 1));
    assert_eq!(joined.generation_id, 3, "generations go on from the group's epochs");
    assert_eq!(classic_sync(client, &joined, Some(synced.assignment)).error_code, 0);
    assert_eq!(fetch_offset(client, None, -1), 0);
    broker.shutdown();
    let broker = Broker::start(config(dir.path())).unwrap();
    assert_eq!(classic_beat(&mut Client::connect(&broker), &joined), 0, "also after a restart");
}
