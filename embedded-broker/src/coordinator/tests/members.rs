//! Dynamic members: joining, rebalancing, fencing, silence.

use super::*;

#[test]
fn a_member_alone_joins_after_the_initial_delay_and_leads() {
    let mut sim = Sim::new();
    let waiter = sim.send("g", Command::Join(join("", "a")));
    sim.advance(DELAY_MS - 1);
    assert_eq!(sim.take(waiter), None);
    sim.advance(1);
    let joined = sim.joined(waiter);
    assert_eq!((joined.generation, joined.leader.as_str(), joined.members.len()), (1, "a", 1));
    assert_eq!((joined.protocol_type.as_str(), joined.protocol_name.as_str()), ("consumer", "range"));
    assert_eq!(sim.phase("g"), "CompletingRebalance");
    sim.sync_all("g", std::slice::from_ref(&joined));
    assert_eq!(sim.ask("g", heartbeat(&joined)), Ok(Reply::Done));
}

#[test]
fn each_newcomer_extends_the_initial_delay_up_to_the_rebalance_timeout() {
    let mut sim = Sim::new();
    let first = sim.send("g", Command::Join(join("", "a")));
    sim.advance(DELAY_MS - 10);
    let second = sim.send("g", Command::Join(join("", "b")));
    sim.advance(DELAY_MS);
    assert_eq!(sim.take(first), None);
    sim.advance(10);
    assert_eq!(sim.joined(first).members.len(), 2);
    assert!(sim.joined(second).members.is_empty());
}

#[test]
fn a_version_4_client_gets_an_id_first() {
    let mut sim = Sim::new();
    let with_id = |id: &str| Command::Join(Join { can_require_member_id: true, ..join(id, "a") });
    assert_eq!(sim.ask("g", with_id("")), Ok(Reply::MemberIdRequired("a".into())));
    assert_eq!(sim.phase("g"), "Empty");
    let waiter = sim.send("g", with_id("a"));
    sim.advance(DELAY_MS);
    assert_eq!(sim.joined(waiter).member_id.as_str(), "a");
    // An id that nobody comes back with lapses, and the group with it.
    assert_eq!(sim.ask("other", with_id("")), Ok(Reply::MemberIdRequired("a".into())));
    sim.advance(i64::from(SESSION_MS));
    assert_eq!(sim.phase("other"), "Dead");
    assert_eq!(sim.ask("other", with_id("a")), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_second_member_starts_a_rebalance_that_the_first_hears_of() {
    let mut sim = Sim::new();
    let a = sim.stable_group("g", &["a"]).remove(0);
    let waiter_b = sim.send("g", Command::Join(join("", "b")));
    assert_eq!(sim.phase("g"), "PreparingRebalance");
    assert_eq!(sim.ask("g", heartbeat(&a)), Err(ResponseError::RebalanceInProgress));
    let waiter_a = sim.send("g", Command::Join(join("a", "")));
    let both = [sim.joined(waiter_a), sim.joined(waiter_b)];
    assert_eq!(both[0].generation, 2);
    assert_eq!(both[0].members.len(), 2);
    assert_eq!(sim.ask("g", heartbeat(&a)), Err(ResponseError::IllegalGeneration));
    sim.sync_all("g", &both);
}

#[test]
fn a_member_that_does_not_come_back_is_left_behind() {
    let mut sim = Sim::new();
    let group = sim.stable_group("g", &["a", "b"]);
    let waiter = sim.send("g", Command::Join(join("a", "")));
    // b is alive but never joins.
    for _ in 0..(REBALANCE_MS / SESSION_MS) {
        assert_eq!(sim.take(waiter), None);
        assert_eq!(sim.ask("g", heartbeat(&group[1])), Err(ResponseError::RebalanceInProgress));
        sim.advance(i64::from(SESSION_MS) - 1);
    }
    sim.advance(i64::from(SESSION_MS));
    assert_eq!(sim.joined(waiter).members.len(), 1);
    assert_eq!(sim.ask("g", heartbeat(&group[1])), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_silent_member_is_dropped_and_the_last_one_leaves_an_empty_group() {
    let mut sim = Sim::new();
    let group = sim.stable_group("g", &["a", "b"]);
    sim.advance(i64::from(SESSION_MS) / 2);
    assert_eq!(sim.ask("g", heartbeat(&group[0])), Ok(Reply::Done));
    sim.advance(i64::from(SESSION_MS) / 2);
    assert_eq!(sim.ask("g", heartbeat(&group[0])), Err(ResponseError::RebalanceInProgress));
    assert_eq!(sim.ask("g", heartbeat(&group[1])), Err(ResponseError::UnknownMemberId));
    sim.advance(i64::from(SESSION_MS));
    assert_eq!((sim.phase("g"), sim.group("g").generation), ("Empty", 2));
}

#[test]
fn leaving_rebalances_at_once() {
    let mut sim = Sim::new();
    let group = sim.stable_group("g", &["a", "b"]);
    let stranger = Leaving { member_id: "nobody".into(), instance_id: None };
    let left = |entry, error| Ok(Reply::Left(vec![(entry, error)]));
    assert_eq!(sim.ask("g", Command::Leave(vec![stranger.clone()])), left(stranger, Some(ResponseError::UnknownMemberId)));
    assert_eq!(sim.phase("g"), "Stable");
    sim.ask("g", leave(&group[0].member_id)).unwrap();
    assert_eq!(sim.phase("g"), "PreparingRebalance");
    let waiter = sim.send("g", Command::Join(join("b", "")));
    let b = sim.joined(waiter);
    assert_eq!((b.leader.as_str(), b.members.len()), ("b", 1));
    sim.sync_all("g", &[b]);
    sim.ask("g", leave(&group[1].member_id)).unwrap();
    assert_eq!(sim.phase("g"), "Empty");
}

#[test]
fn a_lost_id_of_a_newcomer_does_not_disturb_a_stable_group() {
    let mut sim = Sim::new();
    let group = sim.stable_group("g", &["a"]);
    sim.ask("g", Command::Join(Join { can_require_member_id: true, ..join("", "b") })).unwrap();
    sim.ask("g", leave(&"b".into())).unwrap();
    assert_eq!(sim.ask("g", heartbeat(&group[0])), Ok(Reply::Done));
    sim.ask("g", Command::Join(Join { can_require_member_id: true, ..join("", "c") })).unwrap();
    for _ in 0..3 {
        assert_eq!(sim.ask("g", heartbeat(&group[0])), Ok(Reply::Done));
        sim.advance(i64::from(SESSION_MS) - 1);
    }
    assert!(sim.group("g").pending.is_empty());
}

#[test]
fn a_member_that_joined_but_never_syncs_is_dropped() {
    let mut sim = Sim::new();
    let waiters = ["a", "b"].map(|name| sim.send("g", Command::Join(join("", name))));
    sim.advance(DELAY_MS * 2);
    let [a, b] = waiters.map(|waiter| sim.joined(waiter));
    assert_eq!(a.leader.as_str(), "a");
    let parked = sim.send("g", sync(&b));
    // a heartbeats, so its session lives, but the leader's assignments never come.
    for _ in 0..7 {
        sim.ask("g", heartbeat(&a)).ok();
        sim.advance(i64::from(SESSION_MS) - 1);
    }
    assert_eq!(sim.take(parked), Some(Err(ResponseError::RebalanceInProgress)));
    assert_eq!(sim.ask("g", heartbeat(&a)), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_join_whose_answer_was_lost_is_answered_again_without_a_rebalance() {
    let mut sim = Sim::new();
    let group = sim.stable_group("g", &["a", "b"]);
    let again = sim.ask("g", Command::Join(join("b", "")));
    assert_eq!(again, Ok(Reply::Joined(group[1].clone())));
    // The leader asks for new assignments by joining again.
    sim.send("g", Command::Join(join("a", "")));
    assert_eq!(sim.phase("g"), "PreparingRebalance");
}

#[test]
fn a_changed_subscription_rebalances() {
    let mut sim = Sim::new();
    sim.stable_group("g", &["a", "b"]);
    sim.send("g", Command::Join(Join { protocols: vec![protocol("range", b"other")], ..join("b", "") }));
    assert_eq!(sim.phase("g"), "PreparingRebalance");
}

#[test]
fn the_protocol_all_know_and_most_prefer_wins() {
    let mut sim = Sim::new();
    let offers = |names: &[&str]| names.iter().map(|name| protocol(name, b"m")).collect::<Vec<_>>();
    let member =
        |sim: &mut Sim, name: &str, names: &[&str]| sim.send("g", Command::Join(Join { protocols: offers(names), ..join("", name) }));
    let waiters = [member(&mut sim, "a", &["x", "y", "z"]), member(&mut sim, "b", &["y", "z"]), member(&mut sim, "c", &["z", "y"])];
    let refused = Command::Join(Join { protocols: offers(&["x"]), ..join("", "d") });
    assert_eq!(sim.ask("g", refused), Err(ResponseError::InconsistentGroupProtocol));
    let other_type = Command::Join(Join { protocol_type: "connect".into(), ..join("", "d") });
    assert_eq!(sim.ask("g", other_type), Err(ResponseError::InconsistentGroupProtocol));
    sim.advance(DELAY_MS * 3);
    for waiter in waiters {
        assert_eq!(sim.joined(waiter).protocol_name, "y");
    }
}

#[test]
fn requests_that_can_not_be_right_are_refused() {
    let mut sim = Sim::new();
    sim.config.max_members = 1;
    sim.config.max_groups = 1;
    sim.config.max_member_metadata_bytes = 100;
    let cases = [
        ("", join("", "a"), ResponseError::InvalidGroupId),
        ("g", join("who", "a"), ResponseError::UnknownMemberId),
        ("g", Join { session_timeout_ms: 5_999, ..join("", "a") }, ResponseError::InvalidSessionTimeout),
        ("g", Join { session_timeout_ms: i32::MAX, ..join("", "a") }, ResponseError::InvalidSessionTimeout),
        ("g", Join { protocols: vec![], ..join("", "a") }, ResponseError::InconsistentGroupProtocol),
        ("g", Join { protocol_type: String::new(), ..join("", "a") }, ResponseError::InconsistentGroupProtocol),
        ("g", Join { protocols: vec![protocol("x", &[0; 100])], ..join("", "a") }, ResponseError::GroupMaxSizeReached),
        ("g", Join { client_id: "x".repeat(30_000), ..join("", "a") }, ResponseError::InvalidRequest),
    ];
    for (group, request, expect) in cases {
        assert_eq!(sim.ask(group, Command::Join(request.clone())), Err(expect), "{request:?}");
    }
    assert_eq!(sim.state.len(), 0);
    sim.stable_group("g", &["a"]);
    assert_eq!(sim.ask("g", Command::Join(join("", "b"))), Err(ResponseError::GroupMaxSizeReached));
    assert_eq!(sim.ask("h", Command::Join(join("", "b"))), Err(ResponseError::GroupMaxSizeReached));
    let nowhere = Joined { member_id: "a".into(), ..Joined::default() };
    assert_eq!(sim.ask("h", heartbeat(&nowhere)), Err(ResponseError::UnknownMemberId));
    assert_eq!(sim.ask("h", sync(&nowhere)), Err(ResponseError::UnknownMemberId));
    assert_eq!(sim.ask("", heartbeat(&nowhere)), Err(ResponseError::InvalidGroupId));
    assert_eq!(sim.state.len(), 1);
}

#[test]
fn a_sync_of_another_protocol_is_refused() {
    let mut sim = Sim::new();
    let a = sim.stable_group("g", &["a"]).remove(0);
    let with = |protocol_type: &str, name: &str| {
        let named = Sync { protocol_type: Some(protocol_type.into()), protocol_name: Some(name.into()), ..Sync::default() };
        Command::Sync(Sync { member: caller(&a), ..named })
    };
    assert_eq!(sim.ask("g", with("connect", "range")), Err(ResponseError::InconsistentGroupProtocol));
    assert_eq!(sim.ask("g", with("consumer", "sticky")), Err(ResponseError::InconsistentGroupProtocol));
    assert!(sim.ask("g", with("consumer", "range")).is_ok());
}

#[test]
fn a_newcomer_that_hangs_up_is_gone_at_once_a_known_member_has_its_session() {
    let mut sim = Sim::new();
    sim.stable_group("g", &["a", "b"]);
    let newcomer = sim.send("g", Command::Join(join("", "c")));
    sim.send_as("g", Command::Abandon, newcomer);
    assert_eq!(sim.group("g").members.len(), 2);
    sim.take(newcomer);
    let waiter_a = sim.send("g", Command::Join(join("a", "")));
    sim.send_as("g", Command::Abandon, waiter_a);
    assert_eq!(sim.group("g").members.len(), 2);
    sim.advance(i64::from(SESSION_MS));
    assert_eq!(sim.phase("g"), "Empty");
}

#[test]
fn a_failed_append_answers_an_error_and_changes_nothing() {
    let mut sim = Sim::new();
    let waiter = sim.send("g", Command::Join(join("", "a")));
    sim.advance(DELAY_MS);
    let a = sim.joined(waiter);
    let before = sim.group("g").clone();
    sim.fail_appends = true;
    assert_eq!(sim.ask("g", sync(&a)), Err(ResponseError::CoordinatorNotAvailable));
    assert_eq!(*sim.group("g"), before);
    sim.fail_appends = false;
    sim.sync_all("g", &[a]);
}
