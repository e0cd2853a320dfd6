//! Static members (KIP-345): a restart is not a rebalance, and two programs with one name are told apart.

use super::*;
use crate::coordinator::ids::InstanceId;

fn static_join(member_id: &str, fresh: &str, instance: &str) -> Join {
    Join { instance_id: Some(instance.into()), can_require_member_id: true, ..join(member_id, fresh) }
}

fn static_caller(joined: &Joined, instance: &str) -> Caller {
    Caller { instance_id: Some(instance.into()), ..caller(joined) }
}

fn stable_statics(sim: &mut Sim) -> [Joined; 2] {
    let waiters = [("a-1", "a"), ("b-1", "b")].map(|(fresh, instance)| sim.send("g", Command::Join(static_join("", fresh, instance))));
    sim.advance(DELAY_MS * 2);
    let joined = waiters.map(|waiter| sim.joined(waiter));
    sim.sync_all("g", &joined);
    joined
}

#[test]
fn a_follower_that_restarts_gets_its_assignment_back_without_a_rebalance() {
    let mut sim = Sim::new();
    let [_, b] = stable_statics(&mut sim);
    let Ok(Reply::Joined(again)) = sim.ask("g", Command::Join(static_join("", "b-2", "b"))) else { panic!("joined") };
    assert_eq!((again.generation, again.member_id.as_str(), again.leader.as_str()), (1, "b-2", "a-1"));
    assert_eq!(sim.phase("g"), "Stable");
    let Ok(Reply::Synced(synced)) = sim.ask("g", sync(&again)) else { panic!("synced") };
    assert_eq!(&synced.assignment[..], b"b-1");
    // The old incarnation is fenced wherever it shows up.
    let old = static_caller(&b, "b");
    assert_eq!(sim.ask("g", Command::Heartbeat(old.clone())), Err(ResponseError::FencedInstanceId));
    assert_eq!(sim.ask("g", Command::Join(static_join("b-1", "", "b"))), Err(ResponseError::FencedInstanceId));
    let entry = Leaving { member_id: "b-1".into(), instance_id: Some("b".into()) };
    let fenced = Ok(Reply::Left(vec![(entry.clone(), Some(ResponseError::FencedInstanceId))]));
    assert_eq!(sim.ask("g", Command::Leave(vec![entry])), fenced);
    // The new id survives a restart of the broker.
    sim.restart();
    assert_eq!(sim.ask("g", heartbeat(&again)), Ok(Reply::Done));
}

#[test]
fn a_leader_that_restarts_is_kept_from_assigning_anew() {
    for can_skip_assignment in [false, true] {
        let mut sim = Sim::new();
        stable_statics(&mut sim);
        let request = Join { can_skip_assignment, ..static_join("", "a-2", "a") };
        let Ok(Reply::Joined(again)) = sim.ask("g", Command::Join(request)) else { panic!("joined") };
        assert_eq!(again.generation, 1);
        let expect = if can_skip_assignment { (true, "a-2", 2) } else { (false, "a-1", 0) };
        assert_eq!((again.skip_assignment, again.leader.as_str(), again.members.len()), expect);
    }
}

#[test]
fn a_static_member_keeps_its_place_while_its_session_lasts() {
    let mut sim = Sim::new();
    let [a, _] = stable_statics(&mut sim);
    sim.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(sim.ask("g", heartbeat(&a)), Ok(Reply::Done));
    sim.advance(1);
    assert_eq!(sim.ask("g", heartbeat(&a)), Err(ResponseError::RebalanceInProgress));
    assert!(!sim.group("g").static_members.contains_key(&InstanceId::from("b")));
}

#[test]
fn an_operator_removes_a_static_member_by_its_name() {
    let mut sim = Sim::new();
    stable_statics(&mut sim);
    let entry = Leaving { member_id: MemberId::default(), instance_id: Some("b".into()) };
    assert_eq!(sim.ask("g", Command::Leave(vec![entry.clone()])), Ok(Reply::Left(vec![(entry, None)])));
    assert_eq!(sim.group("g").members.len(), 1);
}

#[test]
fn a_second_program_of_the_same_name_takes_over_a_parked_join() {
    let mut sim = Sim::new();
    let first = sim.send("g", Command::Join(static_join("", "a-1", "a")));
    let second = sim.send("g", Command::Join(static_join("", "a-2", "a")));
    assert_eq!(sim.take(first), Some(Err(ResponseError::FencedInstanceId)));
    sim.advance(DELAY_MS * 2);
    assert_eq!(sim.joined(second).member_id.as_str(), "a-2");
}

#[test]
fn a_restart_in_the_middle_of_a_rebalance_starts_another() {
    let mut sim = Sim::new();
    let waiters = [("a-1", "a"), ("b-1", "b")].map(|(fresh, instance)| sim.send("g", Command::Join(static_join("", fresh, instance))));
    sim.advance(DELAY_MS * 2);
    let [_, b] = waiters.map(|waiter| sim.joined(waiter));
    let parked = sim.send("g", sync(&b));
    sim.send("g", Command::Join(static_join("", "a-2", "a")));
    assert_eq!(sim.take(parked), Some(Err(ResponseError::RebalanceInProgress)));
    assert_eq!(sim.phase("g"), "PreparingRebalance");
}
