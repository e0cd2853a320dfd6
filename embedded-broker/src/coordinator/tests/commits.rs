//! Stored offsets: who may store, what is kept, what goes.

use super::*;
use crate::coordinator::command::{CommitOffsets, OffsetToCommit};
use crate::coordinator::ids::TopicName;

fn offset(topic: &str, offset: i64) -> OffsetToCommit {
    OffsetToCommit { topic: topic.into(), partition: 0, offset, leader_epoch: -1, metadata: String::new(), retention_ms: None }
}

fn commit_as(member: Caller, offsets: Vec<OffsetToCommit>) -> Command {
    Command::CommitOffsets(CommitOffsets { member, offsets, producer: None, has_member_epoch: false })
}

fn stranger() -> Caller {
    Caller { generation: -1, ..Caller::default() }
}

fn committed(sim: &Sim, group: &str, topic: &str) -> Option<i64> {
    let entry = sim.state.get(group)?;
    Some(entry.durable.offsets.get(topic)?.get(&0)?.offset)
}

fn stored(results: Vec<Option<ResponseError>>) -> Answer {
    Ok(Reply::Offsets(results))
}

#[test]
fn members_of_this_generation_commit_and_others_do_not() {
    let mut sim = Sim::new();
    let a = sim.stable_group("g", &["a"]).remove(0);
    let good = caller(&a);
    let cases = [
        (good.clone(), stored(vec![None])),
        (Caller { generation: 0, ..good.clone() }, Err(ResponseError::IllegalGeneration)),
        (Caller { member_id: "b".into(), ..good.clone() }, Err(ResponseError::UnknownMemberId)),
        (Caller { instance_id: Some("i".into()), ..good.clone() }, Err(ResponseError::UnknownMemberId)),
        (stranger(), Err(ResponseError::UnknownMemberId)),
    ];
    for (member, expect) in cases {
        assert_eq!(sim.ask("g", commit_as(member.clone(), vec![offset("t", 5)])), expect, "{member:?}");
    }
    // While the group prepares, members still store what they have done; between join and sync they may not.
    sim.send("g", Command::Join(join("", "b")));
    assert_eq!(sim.ask("g", commit_as(good, vec![offset("t", 6)])), stored(vec![None]));
    let waiter = sim.send("g", Command::Join(join("a", "")));
    let a = sim.joined(waiter);
    assert_eq!(sim.ask("g", commit_as(caller(&a), vec![offset("t", 7)])), Err(ResponseError::RebalanceInProgress));
    assert_eq!(committed(&sim, "g", "t"), Some(6));
}

#[test]
fn a_client_that_keeps_its_own_partitions_commits_to_a_group_without_members() {
    let mut sim = Sim::new();
    let unknown_generation = Caller { member_id: "a".into(), instance_id: None, generation: 3 };
    assert_eq!(sim.ask("g", commit_as(unknown_generation, vec![offset("t", 1)])), Err(ResponseError::IllegalGeneration));
    assert_eq!(sim.ask("g", commit_as(stranger(), vec![offset("t", 1)])), stored(vec![None]));
    assert_eq!(committed(&sim, "g", "t"), Some(1));
    assert_eq!(sim.phase("g"), "Empty");
    sim.restart();
    assert_eq!(committed(&sim, "g", "t"), Some(1));
}

#[test]
fn too_much_text_beside_an_offset_is_refused_alone() {
    let mut sim = Sim::new();
    let long = OffsetToCommit { metadata: "x".repeat(4_097), ..offset("t", 1) };
    let answer = sim.ask("g", commit_as(stranger(), vec![long, offset("u", 2)]));
    assert_eq!(answer, stored(vec![Some(ResponseError::OffsetMetadataTooLarge), None]));
    assert_eq!((committed(&sim, "g", "t"), committed(&sim, "g", "u")), (None, Some(2)));
}

#[test]
fn when_memory_is_used_up_offsets_still_move_but_none_are_added() {
    let mut sim = Sim::new();
    sim.ask("g", commit_as(stranger(), vec![offset("t", 1)])).unwrap();
    sim.config.max_total_bytes = sim.state.bytes();
    assert_eq!(sim.ask("g", commit_as(stranger(), vec![offset("t", 2)])), stored(vec![None]));
    assert_eq!(sim.ask("g", commit_as(stranger(), vec![offset("u", 3)])), Err(ResponseError::InvalidCommitOffsetSize));
    assert_eq!(sim.ask("g", Command::Join(join("", "a"))), Err(ResponseError::GroupMaxSizeReached));
    assert_eq!(committed(&sim, "g", "t"), Some(2));
}

#[test]
fn a_group_is_deleted_when_it_is_empty() {
    let mut sim = Sim::new();
    assert_eq!(sim.ask("g", Command::DeleteGroup), Err(ResponseError::GroupIdNotFound));
    let a = sim.stable_group("g", &["a"]).remove(0);
    sim.ask("g", commit_as(caller(&a), vec![offset("t", 5)])).unwrap();
    assert_eq!(sim.ask("g", Command::DeleteGroup), Err(ResponseError::NonEmptyGroup));
    sim.ask("g", leave(&a.member_id)).unwrap();
    assert_eq!(sim.ask("g", Command::DeleteGroup), Ok(Reply::Done));
    assert_eq!(sim.phase("g"), "Dead");
    assert_eq!(sim.replayed().len(), 0);
}

#[test]
fn offsets_of_a_topic_that_is_being_read_are_not_deleted() {
    let mut sim = Sim::new();
    let delete = |topic: &str| Command::DeleteOffsets(vec![(TopicName::from(topic), 0)]);
    assert_eq!(sim.ask("g", delete("t")), Err(ResponseError::GroupIdNotFound));
    sim.ask("g", commit_as(stranger(), vec![offset("t", 1), offset("u", 2)])).unwrap();
    let a = sim.stable_group("g", &["a"]).remove(0);
    assert_eq!(sim.ask("g", delete("t")), stored(vec![Some(ResponseError::GroupSubscribedToTopic)]));
    assert_eq!(sim.ask("g", delete("u")), stored(vec![None]));
    sim.ask("g", leave(&a.member_id)).unwrap();
    assert_eq!(sim.ask("g", delete("t")), stored(vec![None]));
    assert_eq!((committed(&sim, "g", "t"), committed(&sim, "g", "u")), (None, None));
}

#[test]
fn offsets_expire_after_the_retention_of_a_group_without_members() {
    let mut sim = Sim::new();
    let retention_ms = sim.config.offsets_retention_ms;
    let own = OffsetToCommit { retention_ms: Some(1_000), ..offset("own", 1) };
    sim.ask("simple", commit_as(stranger(), vec![offset("t", 1), own])).unwrap();
    let a = sim.stable_group("g", &["a"]).remove(0);
    sim.ask("g", commit_as(caller(&a), vec![offset("t", 5)])).unwrap();
    sim.now_ms += 1_000;
    sim.send("simple", Command::ExpireOffsets);
    assert_eq!((committed(&sim, "simple", "own"), committed(&sim, "simple", "t")), (None, Some(1)));
    sim.now_ms += retention_ms;
    for group in ["g", "simple", "nowhere"] {
        sim.send(group, Command::ExpireOffsets);
    }
    // The one still has a member. Its retention begins when that goes, and survives a restart.
    assert_eq!((sim.phase("simple"), committed(&sim, "g", "t")), ("Dead", Some(5)));
    sim.ask("g", leave(&a.member_id)).unwrap();
    sim.now_ms += retention_ms - 1;
    sim.restart();
    sim.send("g", Command::ExpireOffsets);
    assert_eq!(committed(&sim, "g", "t"), Some(5));
    sim.now_ms += 1;
    sim.send("g", Command::ExpireOffsets);
    assert_eq!((sim.phase("g"), sim.replayed().len()), ("Dead", 0));
}

#[test]
fn a_deleted_topics_offsets_are_forgotten() {
    let mut sim = Sim::new();
    sim.ask("g", commit_as(stranger(), vec![offset("t", 1), offset("u", 2)])).unwrap();
    sim.send("g", Command::ForgetTopics(vec!["t".into(), "never".into()]));
    assert_eq!((committed(&sim, "g", "t"), committed(&sim, "g", "u")), (None, Some(2)));
}
