//! Programs that are killed (`kill -9`) in the middle of a run: who takes part, and who leads.

use serde_json::Value;

use crate::support::{Broker, Spawned};

/// Kills come early; what the dead held is free again after the session timeout and the transaction timeout, 10 s each.
const RUN: [&str; 7] = ["run", "clickstream", "--rate", "1000", "--seed", "7", "--json"];
const GROUP: &str = "clickstream-processor";

#[test]
fn a_member_that_is_killed_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    let leader = broker.spawn(&[&RUN[..], &["--for", "15s"]].concat());
    until(&broker, "the leader's threads are in the group", |group| group["members"].as_u64() >= Some(2));
    let state = folder.path().join("state").display().to_string();
    let member = ["run", "clickstream", "--join", "--instances", "2", "--standby", "1", "--state-dir", &state, "--json"];
    let killed = broker.spawn(&member);
    until(&broker, "the member's are too", |group| group["members"].as_u64() >= Some(4) && group["state"] == "Stable");
    // A group may be settled before the member has begun with what it was given.
    until(&broker, "the member keeps state on disk", |_| std::fs::read_dir(&state).is_ok_and(|mut folder| folder.next().is_some()));
    killed.kill();
    // It comes back to what it left, while the cluster still believes that it is there.
    let back = broker.spawn(&member);
    check_green(leader);
    back.kill();
}

#[test]
fn a_leader_that_is_killed_leaves_nothing_that_harms_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path());
    let killed = broker.spawn(&RUN);
    until(&broker, "it has committed something", |group| group["state"] == "Stable" && group["lag_records"].as_u64().is_some());
    killed.kill();
    check_green(broker.spawn(&[&RUN[..], &["--for", "3s"]].concat()));
}

/// Asks the broker for the group until it is so.
fn until(broker: &Broker, what: &str, is_so: impl Fn(&Value) -> bool) {
    const ASKED_MAX: usize = 400;
    let mut last = Vec::new();
    for _ in 0..ASKED_MAX {
        last = broker.weir(&["groups", "--json"]).json();
        if last.iter().any(|group| group["group"] == GROUP && is_so(group)) {
            return;
        }
    }
    panic!("not so after {ASKED_MAX} looks: {what}; {last:?}");
}

fn check_green(run: Spawned) {
    let ended = run.finish();
    let reports = ended.json();
    let checks = reports[0]["checks"].as_array().unwrap();
    for check in checks {
        assert_ne!(check["verdict"], "fail", "{check}\n{}", ended.stderr);
    }
    // What a short run can't tell is pending; that nothing was lost and all was computed right is none of that.
    for id in ["no_loss", "sessions_equal_batch", "funnel_equal_batch", "late_drops_equal_oracle"] {
        assert!(checks.iter().any(|check| check["id"] == id && check["verdict"] == "pass"), "{id}: {checks:?}");
    }
}
