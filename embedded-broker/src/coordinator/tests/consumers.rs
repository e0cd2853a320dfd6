//! Members of the consumer protocol (KIP-848), one rule at a time.

use std::collections::BTreeSet;

use super::*;
use crate::coordinator::command::{CommitOffsets, OffsetToCommit};
use crate::coordinator::consumer::{Assignment, ConsumerGroup, Heartbeat, Heartbeated, JOIN_EPOCH, LEAVE_EPOCH, STATIC_LEAVE_EPOCH};
use crate::coordinator::ids::InstanceId;

/// A request that says everything, as a member sends it when it joins.
pub(super) fn full(member_id: &str, epoch: i32, topics: &[&str]) -> Heartbeat {
    Heartbeat {
        member_id: member_id.into(),
        epoch,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: REBALANCE_MS,
        topics: Some(topics.iter().map(|topic| TopicName::from(*topic)).collect()),
        owned: Some(Assignment::new()),
        ..Heartbeat::default()
    }
}

/// A request that says nothing new.
pub(super) fn beat(member_id: &str, epoch: i32) -> Heartbeat {
    Heartbeat {
        member_id: member_id.into(),
        epoch,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: -1,
        ..Heartbeat::default()
    }
}

pub(super) fn holding(heartbeat: Heartbeat, owned: &Assignment) -> Heartbeat {
    Heartbeat { owned: Some(owned.clone()), ..heartbeat }
}

impl Sim {
    pub(super) fn beat(&mut self, group: &str, heartbeat: Heartbeat) -> Result<Heartbeated, ResponseError> {
        match self.ask(group, Command::ConsumerHeartbeat(Box::new(heartbeat))) {
            Ok(Reply::ConsumerHeartbeat(told)) => Ok(told),
            Ok(other) => panic!("expected a heartbeat's answer, got {other:?}"),
            Err(error) => Err(error),
        }
    }

    pub(super) fn consumer(&self, group: &str) -> &ConsumerGroup {
        self.state.get(group).and_then(|entry| entry.durable.consumer.as_ref()).expect("a consumer group")
    }

    fn held(&self, group: &str, member_id: &str) -> Assignment {
        self.consumer(group).members[member_id].current.assigned.clone()
    }

    /// The partitions of a topic in the answer.
    fn parts(&self, told: &Heartbeated, topic: &str) -> Vec<i32> {
        let id = self.topics.topics[topic].id;
        let assignment = told.assignment.as_ref().expect("an assignment is told");
        assignment.get(&id).map(|partitions| partitions.iter().copied().collect()).unwrap_or_default()
    }
}

#[test]
fn who_is_alone_gets_everything_and_a_second_waits_until_it_is_given_up() {
    let mut sim = Sim::new();
    let a = sim.beat("g", full("a", 0, &["t", "u"])).unwrap();
    assert_eq!((a.epoch, sim.parts(&a, "t"), sim.parts(&a, "u")), (1, vec![0, 1, 2], vec![0, 1, 2]));
    let all = a.assignment.unwrap();
    assert_eq!(sim.beat("g", beat("a", 1)).unwrap(), Heartbeated { member_id: "a".into(), epoch: 1, assignment: None });
    assert_eq!(sim.phase("g"), "Stable");

    let b = sim.beat("g", full("b", 0, &["t", "u"])).unwrap();
    assert_eq!(
        (b.epoch, b.assignment),
        (2, Some(Assignment::new())),
        "in the new epoch, and with nothing as long as the other holds it all"
    );
    assert_eq!(sim.phase("g"), "Reconciling");
    let a = sim.beat("g", beat("a", 1)).unwrap();
    let kept = a.assignment.clone().unwrap();
    assert_eq!((a.epoch, kept.values().map(BTreeSet::len).sum::<usize>()), (1, 3), "half of it, and still in the old epoch");
    assert_eq!(sim.beat("g", beat("b", 2)).unwrap().assignment, None);
    // Still holding all of it; then as told.
    assert_eq!(sim.beat("g", holding(beat("a", 1), &all)).unwrap().epoch, 1);
    assert_eq!(sim.beat("g", holding(beat("a", 1), &kept)).unwrap().epoch, 2);
    let b = sim.beat("g", beat("b", 2)).unwrap();
    assert_eq!(b.assignment.unwrap().values().map(BTreeSet::len).sum::<usize>(), 3);
    assert_eq!(sim.phase("g"), "Stable");
}

#[test]
fn epochs_that_are_not_the_members_are_refused() {
    let mut sim = Sim::new();
    sim.beat("g", full("a", 0, &["t"])).unwrap();
    let check = |sim: &mut Sim, heartbeat: Heartbeat, expect: ResponseError| assert_eq!(sim.beat("g", heartbeat), Err(expect));
    check(&mut sim, beat("a", 2), ResponseError::FencedMemberEpoch);
    check(&mut sim, beat("x", 1), ResponseError::UnknownMemberId);
    check(&mut sim, beat("x", LEAVE_EPOCH), ResponseError::UnknownMemberId);
    check(&mut sim, beat("", 1), ResponseError::InvalidRequest);
    check(&mut sim, beat("a", -3), ResponseError::InvalidRequest);
    check(&mut sim, beat("a", STATIC_LEAVE_EPOCH), ResponseError::InvalidRequest);
    check(&mut sim, beat("b", JOIN_EPOCH), ResponseError::InvalidRequest);
    check(&mut sim, Heartbeat { assignor: Some("sticky".into()), ..full("b", 0, &["t"]) }, ResponseError::UnsupportedAssignor);
    check(&mut sim, Heartbeat { regex: Some("(".into()), ..full("b", 0, &[]) }, ResponseError::InvalidRegularExpression);
    assert!(!sim.consumer("g").members.contains_key("b"), "what is refused leaves nothing behind");
    // The answer that told epoch 2 was lost: the member says the one before, and holds no more than it may.
    let held = sim.held("g", "a");
    let changed = Heartbeat { topics: Some(vec!["t".into(), "never".into()]), ..holding(beat("a", 1), &held) };
    assert_eq!(sim.beat("g", changed).unwrap().epoch, 2);
    assert_eq!(sim.beat("g", holding(beat("a", 1), &held)).unwrap().epoch, 2);
    let too_much = [(uuid::Uuid::from_u128(999), [0].into())].into();
    check(&mut sim, holding(beat("a", 1), &too_much), ResponseError::FencedMemberEpoch);
    check(&mut sim, beat("a", 1), ResponseError::FencedMemberEpoch);
}

#[test]
fn a_full_group_takes_no_more() {
    let mut sim = Sim::new();
    sim.config.max_members = 1;
    sim.beat("g", full("a", 0, &["t"])).unwrap();
    assert_eq!(sim.beat("g", full("b", 0, &["t"])), Err(ResponseError::GroupMaxSizeReached));
    assert!(sim.beat("g", full("a", 0, &["t"])).is_ok(), "who is in it may join again");
}

#[test]
fn topics_that_come_grow_and_go_are_shared_out_at_the_next_heartbeat() {
    let mut sim = Sim::new();
    let a = sim.beat("g", full("a", 0, &["t", "later"])).unwrap();
    assert_eq!(sim.parts(&a, "t"), [0, 1, 2]);
    sim.topics.set("later", 1);
    let a = sim.beat("g", beat("a", 1)).unwrap();
    assert_eq!((a.epoch, sim.parts(&a, "later")), (2, vec![0]));
    sim.topics.set("t", 5);
    let a = sim.beat("g", beat("a", 2)).unwrap();
    assert_eq!((a.epoch, sim.parts(&a, "t")), (3, vec![0, 1, 2, 3, 4]));
    sim.topics.set("other", 5);
    assert_eq!(sim.beat("g", beat("a", 3)).unwrap().epoch, 3, "what nobody reads changes nothing");
    sim.topics.set("t", 0);
    let a = sim.beat("g", beat("a", 3)).unwrap();
    assert_eq!((a.epoch, a.assignment.as_ref().map(BTreeMap::len)), (3, Some(1)), "it must be given up first");
    assert_eq!(sim.beat("g", holding(beat("a", 3), &a.assignment.unwrap())).unwrap().epoch, 4);
}

#[test]
fn a_regular_expression_follows_the_topics() {
    let mut sim = Sim::new();
    let by_regex = |regex: &str| Heartbeat { topics: None, regex: Some(regex.into()), ..full("a", 0, &[]) };
    let a = sim.beat("g", by_regex("t[0-9]")).unwrap();
    assert_eq!(a.assignment.unwrap().len(), 3);
    sim.topics.set("t3", 2);
    let a = sim.beat("g", beat("a", 1)).unwrap();
    assert_eq!((a.epoch, sim.parts(&a, "t3")), (2, vec![0, 1]));
    assert_eq!(sim.consumer("g").regexes.len(), 1);
    // The empty one takes it back.
    let names = Heartbeat { regex: Some(String::new()), topics: Some(vec!["t".into()]), ..beat("a", 2) };
    sim.beat("g", names).unwrap();
    assert!(sim.consumer("g").regexes.is_empty());
}

#[test]
fn who_is_silent_or_does_not_give_up_in_time_is_out() {
    let mut sim = Sim::new();
    sim.beat("g", full("a", 0, &["t"])).unwrap();
    sim.beat("g", full("b", 0, &["t"])).unwrap();
    // It is told to give something up, beats on, and never does.
    let mut told = sim.beat("g", beat("a", 1)).unwrap();
    assert_eq!(told.epoch, 1);
    let mut epoch = 2;
    let session_ms = i64::from(sim.config.consumer_session_timeout_ms);
    for _ in 0..(i64::from(REBALANCE_MS) / 10_000) {
        assert!(sim.consumer("g").members.contains_key("a"));
        sim.advance(10_000);
        epoch = sim.beat("g", beat("b", epoch)).unwrap().epoch;
        if let Ok(again) = sim.beat("g", beat("a", 1)) {
            told = again;
        }
    }
    assert_eq!((told.epoch, sim.beat("g", beat("a", 1))), (1, Err(ResponseError::UnknownMemberId)));
    let b = sim.beat("g", beat("b", epoch)).unwrap();
    assert_eq!(b.epoch, 3);
    assert_eq!(sim.held("g", "b").values().map(BTreeSet::len).sum::<usize>(), 3, "the rest is b's now");
    sim.advance(session_ms - 1);
    assert_eq!(sim.phase("g"), "Stable");
    sim.advance(1);
    assert_eq!(sim.phase("g"), "Empty");
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let mut sim = Sim::new();
    let as_static = |heartbeat: Heartbeat| Heartbeat { instance_id: Some(InstanceId::from("i")), ..heartbeat };
    let a = sim.beat("g", as_static(full("a", 0, &["t"]))).unwrap();
    sim.beat("g", full("b", 0, &["u"])).unwrap();
    assert_eq!(sim.beat("g", as_static(full("a2", 0, &["t"]))), Err(ResponseError::UnreleasedInstanceId));
    sim.beat("g", beat("a", 1)).unwrap();
    let epoch = sim.consumer("g").epoch;
    let left = sim.beat("g", as_static(beat("a", STATIC_LEAVE_EPOCH))).unwrap();
    assert_eq!(left.epoch, STATIC_LEAVE_EPOCH);
    let back = sim.beat("g", as_static(full("a2", 0, &["t"]))).unwrap();
    assert_eq!((back.epoch, &back.assignment), (epoch, &a.assignment), "its past self's partitions, and no new epoch");
    assert_eq!(sim.beat("g", as_static(beat("a", 1))), Err(ResponseError::FencedInstanceId));
    // Gone for good when its session ends.
    sim.beat("g", as_static(beat("a2", STATIC_LEAVE_EPOCH))).unwrap();
    sim.beat("g", beat("b", 2)).unwrap();
    sim.advance(i64::from(sim.config.consumer_session_timeout_ms) - 1);
    sim.beat("g", beat("b", 2)).unwrap();
    sim.advance(1);
    assert_eq!(sim.consumer("g").members.keys().map(MemberId::as_str).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn offsets_are_taken_from_members_in_their_epoch() {
    let mut sim = Sim::new();
    let commit = |member_id: &str, epoch: i32, has_member_epoch: bool| {
        let member = Caller { member_id: member_id.into(), instance_id: None, generation: epoch };
        let offset =
            OffsetToCommit { topic: "t".into(), partition: 0, offset: 1, leader_epoch: -1, metadata: String::new(), retention_ms: None };
        Command::CommitOffsets(CommitOffsets { member, offsets: vec![offset], has_member_epoch, producer: None })
    };
    let check = |sim: &mut Sim, command: Command, expect: Result<(), ResponseError>| {
        assert_eq!(sim.ask("g", command.clone()).map(|_| ()), expect, "{command:?}");
    };
    check(&mut sim, commit("a", 1, true), Err(ResponseError::GroupIdNotFound));
    check(&mut sim, commit("a", 1, false), Err(ResponseError::IllegalGeneration));
    sim.beat("g", full("a", 0, &["t"])).unwrap();
    check(&mut sim, commit("a", 1, true), Ok(()));
    check(&mut sim, commit("a", 0, true), Err(ResponseError::StaleMemberEpoch));
    check(&mut sim, commit("a", 2, true), Err(ResponseError::StaleMemberEpoch));
    check(&mut sim, commit("a", 1, false), Err(ResponseError::UnsupportedVersion));
    check(&mut sim, commit("x", 1, true), Err(ResponseError::UnknownMemberId));
    check(&mut sim, commit("", -1, true), Err(ResponseError::UnknownMemberId));
    assert_eq!(sim.ask("g", Command::DeleteGroup), Err(ResponseError::NonEmptyGroup));
    sim.beat("g", beat("a", LEAVE_EPOCH)).unwrap();
    check(&mut sim, commit("", -1, true), Ok(()));
    assert_eq!((sim.phase("g"), sim.ask("g", Command::DeleteGroup)), ("Empty", Ok(Reply::Done)));
    assert_eq!((sim.phase("g"), sim.replayed().len()), ("Dead", 0));
}

#[test]
fn a_restart_forgets_nothing_and_gives_everyone_a_session() {
    let mut sim = Sim::new();
    let a = sim.beat("g", full("a", 0, &["t"])).unwrap();
    sim.beat("g", full("b", 0, &["t"])).unwrap();
    let kept = sim.beat("g", beat("a", 1)).unwrap().assignment.unwrap();
    sim.restart();
    assert_eq!(sim.beat("g", holding(beat("a", 1), &a.assignment.unwrap())).unwrap().epoch, 1, "still giving up");
    assert_eq!(sim.beat("g", holding(beat("a", 1), &kept)).unwrap().epoch, 2);
    sim.beat("g", beat("b", 2)).unwrap();
    sim.restart();
    assert_eq!(sim.phase("g"), "Stable");
    sim.advance(i64::from(sim.config.consumer_session_timeout_ms));
    assert_eq!(sim.phase("g"), "Empty");
}
