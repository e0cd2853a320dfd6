//! Consumer groups over the wire: raw frames on real sockets, against a broker in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

#[path = "groups/client.rs"]
mod client;
#[path = "groups/history.rs"]
mod history;

use std::path::Path;

use bytes::Bytes;
use client::{Client, Member, SESSION_MS, commit, copy_dir, fetch, start, topic};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};
use weir_broker::Broker;

fn code(error: ResponseError) -> i16 {
    error.code()
}

fn group(name: &str) -> GroupId {
    GroupId(StrBytes::from_string(name.to_owned()))
}

#[test]
fn every_version_of_every_group_api_is_answered() {
    fn check<R: Request + Default>(client: &mut Client, versions: std::ops::RangeInclusive<i16>) {
        for version in versions {
            client.call(version, &R::default());
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let client = &mut Client::connect(&broker);
    check::<OffsetCommitRequest>(client, 2..=9);
    check::<OffsetFetchRequest>(client, 1..=9);
    check::<FindCoordinatorRequest>(client, 0..=6);
    check::<JoinGroupRequest>(client, 0..=9);
    check::<HeartbeatRequest>(client, 0..=4);
    check::<LeaveGroupRequest>(client, 0..=5);
    check::<SyncGroupRequest>(client, 0..=5);
    check::<DescribeGroupsRequest>(client, 0..=6);
    check::<ListGroupsRequest>(client, 0..=5);
    check::<DeleteGroupsRequest>(client, 0..=2);
    check::<OffsetDeleteRequest>(client, 0..=0);
}

#[test]
fn this_node_is_the_coordinator_of_everything() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let client = &mut Client::connect(&broker);
    let key = StrBytes::from_static_str("g");
    let port = i32::from(broker.address().port());
    for version in 0..=3 {
        let found = client.call(version, &FindCoordinatorRequest::default().with_key(key.clone()));
        assert_eq!((found.error_code, found.port, found.host.as_str()), (0, port, "127.0.0.1"));
    }
    let keys = vec![key.clone(), StrBytes::from_static_str("h")];
    for (key_type, error) in [(0, 0), (1, 0), (2, code(ResponseError::InvalidRequest))] {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(keys.clone()).with_key_type(key_type);
        let found = client.call(6, &request);
        assert_eq!(found.coordinators.len(), 2);
        assert!(found.coordinators.iter().all(|coordinator| coordinator.error_code == error));
    }
}

#[test]
fn two_members_share_a_group_and_one_takes_over_when_the_other_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    for version in 0..=9 {
        let name = format!("g{version}");
        let mut a = Member::new(&broker, &name, version);
        a.join();
        assert_eq!((a.generation, a.is_leader()), (1, true));
        a.sync();
        assert_eq!(a.heartbeat(), 0);
        let mut b = Member::new(&broker, &name, version);
        b.send_join();
        assert_eq!(a.heartbeat_until_rebalance(), code(ResponseError::RebalanceInProgress));
        a.send_join();
        a.receive_join();
        b.receive_join();
        assert_eq!((a.generation, b.generation, a.is_leader(), b.is_leader()), (2, 2, true, false));
        assert_eq!(a.others.len(), 2);
        b.send_sync();
        a.sync();
        b.receive_sync();
        assert_eq!((a.assignment.clone(), b.assignment.clone()), (Bytes::from(a.id.clone()), Bytes::from(b.id.clone())));
        describe_stable(&broker, &name, &[&a, &b]);
        a.leave();
        assert_eq!(b.heartbeat(), code(ResponseError::RebalanceInProgress));
        b.join();
        assert_eq!((b.generation, b.is_leader()), (3, true));
        b.sync();
        b.leave();
        let described = Client::connect(&broker).call(6, &DescribeGroupsRequest::default().with_groups(vec![group(&name)]));
        assert_eq!((described.groups[0].group_state.as_str(), described.groups[0].members.len()), ("Empty", 0));
    }
}

fn describe_stable(broker: &Broker, name: &str, members: &[&Member]) {
    for version in 0..=6 {
        let request = DescribeGroupsRequest::default().with_groups(vec![group(name)]);
        let described = Client::connect(broker).call(version, &request).groups.remove(0);
        assert_eq!((described.error_code, described.group_state.as_str()), (0, "Stable"));
        assert_eq!((described.protocol_type.as_str(), described.protocol_data.as_str()), ("consumer", "range"));
        assert_eq!(described.members.len(), members.len());
        for member in described.members {
            let expect = members.iter().find(|expect| expect.id == member.member_id.as_str()).unwrap();
            assert_eq!((member.client_id.as_str(), member.client_host.as_str()), ("test", "/127.0.0.1"));
            assert_eq!((member.member_assignment, member.member_metadata), (expect.assignment.clone(), Member::metadata()));
        }
    }
}

#[test]
fn an_old_generation_is_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    topic(&broker, "t");
    let mut a = Member::new(&broker, "g", 5);
    a.join();
    a.sync();
    let old = a.generation;
    let mut b = Member::new(&broker, "g", 5);
    b.send_join();
    a.heartbeat_until_rebalance();
    a.send_join();
    a.receive_join();
    b.receive_join();
    a.sync();
    let client = &mut Client::connect(&broker);
    let stale = code(ResponseError::IllegalGeneration);
    let heartbeat =
        HeartbeatRequest::default().with_group_id(group("g")).with_member_id(StrBytes::from_string(a.id.clone())).with_generation_id(old);
    assert_eq!(client.call(4, &heartbeat).error_code, stale);
    assert_eq!(commit(client, "g", Some((&a.id, old)), "t", 3), stale);
    assert_eq!(commit(client, "g", Some((&a.id, a.generation)), "t", 5), 0);
    assert_eq!(commit(client, "g", Some(("stranger", a.generation)), "t", 7), code(ResponseError::UnknownMemberId));
    assert_eq!(commit(client, "g", None, "t", 7), code(ResponseError::UnknownMemberId));
    assert_eq!(fetch(client, "g", "t"), 5);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_its_past_self_is_fenced() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let mut a = Member::new(&broker, "g", 9).with_instance("one");
    let mut b = Member::new(&broker, "g", 9).with_instance("two");
    a.send_join();
    b.send_join();
    a.receive_join();
    b.receive_join();
    a.send_sync();
    b.send_sync();
    a.receive_sync();
    b.receive_sync();
    let (follower, leader) = if a.is_leader() { (&mut b, &mut a) } else { (&mut a, &mut b) };
    let mut again = Member::new(&broker, "g", 9).with_instance(follower.instance.as_deref().unwrap());
    again.join();
    assert_eq!(again.generation, follower.generation);
    assert_ne!(again.id, follower.id);
    again.sync();
    assert_eq!(again.assignment, follower.assignment);
    assert_eq!(leader.heartbeat(), 0);
    assert_eq!(follower.heartbeat(), code(ResponseError::FencedInstanceId));
    // An operator removes it by its name alone.
    let identity = MemberIdentity::default().with_group_instance_id(again.instance.clone().map(StrBytes::from_string));
    let left = leader.client.call(5, &LeaveGroupRequest::default().with_group_id(group("g")).with_members(vec![identity]));
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    assert_eq!(leader.heartbeat(), code(ResponseError::RebalanceInProgress));
}

#[test]
fn a_client_that_hangs_up_while_joining_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let mut a = Member::new(&broker, "g", 3);
    a.join();
    a.sync();
    let mut b = Member::new(&broker, "g", 3);
    b.send_join();
    a.heartbeat_until_rebalance();
    drop(b);
    // Only when the broker has noticed does the rebalance know of one member.
    let request = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    let client = &mut Client::connect(&broker);
    client::until("the broker notices", || client.call(5, &request).groups[0].members.len() == 1);
    a.join();
    assert_eq!(a.others.len(), 1);
}

#[test]
fn what_was_committed_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    topic(&broker, "t");
    let client = &mut Client::connect(&broker);
    assert_eq!(commit(client, "simple", None, "t", 41), 0);
    assert_eq!(commit(client, "simple", None, "t", 42), 0);
    assert_eq!(commit(client, "doomed", None, "t", 1), 0);
    let deleted = client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group("doomed"), group("never")]));
    let errors: Vec<i16> = deleted.results.iter().map(|result| result.error_code).collect();
    assert_eq!(errors, [0, code(ResponseError::GroupIdNotFound)]);
    let mut member = Member::new(&broker, "g", 7);
    member.join();
    member.sync();
    assert_eq!(commit(client, "g", Some((&member.id, member.generation)), "t", 7), 0);
    // What a kill -9 leaves behind is what the files hold at this moment.
    let after = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), after.path());
    drop(broker);
    check_survivors(after.path(), member);
}

fn check_survivors(data_dir: &Path, mut member: Member) {
    let broker = start(data_dir);
    let client = &mut Client::connect(&broker);
    assert_eq!((fetch(client, "simple", "t"), fetch(client, "doomed", "t"), fetch(client, "g", "t")), (42, -1, 7));
    // The member never learned that the broker was away.
    member.client = Client::connect(&broker);
    assert_eq!(member.heartbeat(), 0);
    let listed = client.call(5, &ListGroupsRequest::default());
    let groups: Vec<(String, String, String)> = listed
        .groups
        .iter()
        .map(|group| (group.group_id.to_string(), group.group_state.to_string(), group.group_type.to_string()))
        .collect();
    let row = |name: &str, state: &str| (name.to_owned(), state.to_owned(), "classic".to_owned());
    assert_eq!(groups, [row("g", "Stable"), row("simple", "Empty")]);
    let filtered = |states: &[&'static str], types: &[&'static str]| {
        let strings = |list: &[&'static str]| list.iter().copied().map(StrBytes::from_static_str).collect::<Vec<_>>();
        let request = ListGroupsRequest::default().with_states_filter(strings(states)).with_types_filter(strings(types));
        Client::connect(&broker).call(5, &request).groups.len()
    };
    assert_eq!(
        (filtered(&["stable"], &[]), filtered(&["Dead"], &[]), filtered(&[], &["Classic"]), filtered(&[], &["share"])),
        (1, 0, 2, 0)
    );
}

#[test]
fn offsets_of_many_groups_come_in_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let client = &mut Client::connect(&broker);
    for name in ["t", "u"] {
        topic(&broker, name);
        assert_eq!(commit(client, "g", None, name, 5), 0);
    }
    assert_eq!(commit(client, "h", None, "u", 6), 0);
    let one =
        OffsetFetchRequestTopics::default().with_name(TopicName(StrBytes::from_static_str("t"))).with_partition_indexes(vec![0, 9, 0]);
    let all = |name: &str| OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(None);
    let asked = vec![all("g"), all("h").with_topics(Some(vec![one])), all("nobody"), all("g")];
    for version in 8..=9 {
        let request = OffsetFetchRequest::default().with_groups(asked.clone()).with_require_stable(true);
        let answer = client.call(version, &request);
        let rows: Vec<(String, String, i32, i64, i16)> = answer
            .groups
            .iter()
            .flat_map(|group| group.topics.iter().map(move |topic| (group, topic)))
            .flat_map(|(group, topic)| topic.partitions.iter().map(move |partition| (group, topic, partition)))
            .map(|(group, topic, partition)| {
                let names = (group.group_id.to_string(), topic.name.to_string());
                (names.0, names.1, partition.partition_index, partition.committed_offset, partition.error_code + group.error_code)
            })
            .collect();
        let row = |group: &str, topic: &str, partition, offset| (group.to_owned(), topic.to_owned(), partition, offset, 0);
        // What is named twice is answered once.
        assert_eq!(rows, [row("g", "t", 0, 5), row("g", "u", 0, 5), row("h", "t", 0, -1), row("h", "t", 9, -1)]);
        assert_eq!(answer.groups.len(), 3);
    }
}

#[test]
fn a_topic_that_is_deleted_takes_its_offsets_along() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let client = &mut Client::connect(&broker);
    topic(&broker, "t");
    topic(&broker, "u");
    assert_eq!((commit(client, "g", None, "t", 5), commit(client, "g", None, "u", 6)), (0, 0));
    let request = DeleteTopicsRequest::default().with_topic_names(vec![TopicName(StrBytes::from_static_str("t"))]);
    assert_eq!(client.call(5, &request).responses[0].error_code, 0);
    topic(&broker, "t");
    assert_eq!((fetch(client, "g", "t"), fetch(client, "g", "u")), (-1, 6));
}

#[test]
fn an_operator_can_not_pull_offsets_from_under_a_consumer() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let client = &mut Client::connect(&broker);
    topic(&broker, "t");
    topic(&broker, "u");
    assert_eq!((commit(client, "g", None, "t", 5), commit(client, "g", None, "u", 6)), (0, 0));
    let mut member = Member::new(&broker, "g", 9);
    member.join();
    member.sync();
    let mut delete = |name: &'static str| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        let topic =
            OffsetDeleteRequestTopic::default().with_name(TopicName(StrBytes::from_static_str(name))).with_partitions(vec![partition]);
        let answer = client.call(0, &OffsetDeleteRequest::default().with_group_id(group("g")).with_topics(vec![topic]));
        (answer.error_code, answer.topics[0].partitions[0].error_code)
    };
    assert_eq!((delete("t"), delete("u")), ((0, code(ResponseError::GroupSubscribedToTopic)), (0, 0)));
    let refused = client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group("g")]));
    assert_eq!(refused.results[0].error_code, code(ResponseError::NonEmptyGroup));
    member.leave();
    let deleted = client.call(2, &DeleteGroupsRequest::default().with_groups_names(vec![group("g")]));
    assert_eq!(deleted.results[0].error_code, 0);
    assert_eq!(fetch(client, "g", "t"), -1);
}

#[test]
fn groups_that_are_not_there_say_so_kindly() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    let client = &mut Client::connect(&broker);
    assert_eq!(fetch(client, "nobody", "t"), -1);
    for version in 0..=6 {
        let described = client.call(version, &DescribeGroupsRequest::default().with_groups(vec![group("nobody")])).groups.remove(0);
        let error = if version == 6 { code(ResponseError::GroupIdNotFound) } else { 0 };
        assert_eq!((described.error_code, described.group_state.as_str()), (error, "Dead"));
    }
    assert_eq!(commit(client, "g", None, "no-such-topic", 1), code(ResponseError::UnknownTopicOrPartition));
    assert!(client.call(0, &ListGroupsRequest::default()).groups.is_empty());
    let deleted = client.call(0, &OffsetDeleteRequest::default().with_group_id(group("nobody")));
    assert_eq!(deleted.error_code, code(ResponseError::GroupIdNotFound));
}

#[test]
fn session_timeouts_out_of_bounds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path());
    for session_timeout_ms in [-1, 0, SESSION_MS - 1, i32::MAX] {
        let request = JoinGroupRequest::default().with_group_id(group("g")).with_session_timeout_ms(session_timeout_ms);
        let answer = Client::connect(&broker).call(5, &request);
        assert_eq!(answer.error_code, code(ResponseError::InvalidSessionTimeout));
    }
}
