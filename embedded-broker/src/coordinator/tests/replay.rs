//! Whatever is asked in whatever order: the log replayed is the state, every deadline passes, nobody waits for ever.

use proptest::prelude::*;

use super::*;
use crate::coordinator::command::{CommitOffsets, OffsetToCommit};
use crate::coordinator::ids::InstanceId;

/// One step of a random history. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Join { member: u8, requires_id: bool, instance: Option<u8>, protocol: u8 },
    Sync { member: u8 },
    Heartbeat { member: u8, stale: bool },
    Leave { member: u8, instance: Option<u8> },
    Commit { member: Option<u8>, topic: u8, offset: i64 },
    Delete { topic: u8 },
    DeleteGroup,
    Abandon { waiter: u8 },
    Forget { topic: u8 },
    Expire,
    Advance { ms: i64 },
    Restart,
    FailAppends { on: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let instance = || proptest::option::weighted(0.3, 0..3_u8);
    prop_oneof![
        6 => (any::<u8>(), any::<bool>(), instance(), 0..3_u8)
            .prop_map(|(member, requires_id, instance, protocol)| Step::Join { member, requires_id, instance, protocol }),
        6 => any::<u8>().prop_map(|member| Step::Sync { member }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(member, stale)| Step::Heartbeat { member, stale }),
        1 => (any::<u8>(), instance()).prop_map(|(member, instance)| Step::Leave { member, instance }),
        3 => (proptest::option::of(any::<u8>()), 0..3_u8, 0..100_i64)
            .prop_map(|(member, topic, offset)| Step::Commit { member, topic, offset }),
        1 => (0..3_u8).prop_map(|topic| Step::Delete { topic }),
        1 => Just(Step::DeleteGroup),
        1 => any::<u8>().prop_map(|waiter| Step::Abandon { waiter }),
        1 => (0..3_u8).prop_map(|topic| Step::Forget { topic }),
        1 => Just(Step::Expire),
        4 => prop_oneof![0..500_i64, Just(i64::from(SESSION_MS)), Just(i64::from(REBALANCE_MS)), Just(700_000_000)]
            .prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Restart),
        1 => prop::bool::weighted(0.2).prop_map(|on| Step::FailAppends { on }),
    ]
}

/// What the clients of a random history remember.
#[derive(Default)]
struct Clients {
    known: Vec<Joined>,
    parked: Vec<WaiterId>,
    fresh: u32,
}

impl Clients {
    fn pick(&self, number: u8) -> Joined {
        self.known.get(usize::from(number) % (self.known.len() + 1)).cloned().unwrap_or_default()
    }

    fn collect(&mut self, sim: &mut Sim) {
        for waiter in std::mem::take(&mut self.parked) {
            match sim.take(waiter) {
                None => self.parked.push(waiter),
                Some(Ok(Reply::Joined(joined))) => self.known.push(joined),
                Some(Ok(Reply::MemberIdRequired(member_id))) => self.known.push(Joined { member_id, ..Joined::default() }),
                Some(_) => {}
            }
        }
        let surplus = self.known.len().saturating_sub(6);
        self.known.drain(..surplus);
    }
}

fn take_step(sim: &mut Sim, clients: &mut Clients, step: &Step) {
    let instance_id = |instance: Option<u8>| instance.map(|number| InstanceId::from(format!("i{number}")));
    let topic_name = |topic: u8| crate::coordinator::ids::TopicName::from(format!("t{topic}"));
    let command = match *step {
        Step::Join { member, requires_id, instance, protocol } => {
            clients.fresh += 1;
            let member_id = clients.pick(member).member_id;
            let names: &[&str] = [&["range"][..], &["range", "sticky"], &["sticky", "range"]][usize::from(protocol)];
            Command::Join(Join {
                instance_id: instance_id(instance),
                can_require_member_id: requires_id,
                can_skip_assignment: requires_id,
                protocols: names.iter().map(|name| self::protocol(name, b"\0\0\0\0\0\x01\0\x02t1")).collect(),
                ..join(member_id.as_str(), &format!("m{}", clients.fresh))
            })
        }
        Step::Sync { member } => sync(&clients.pick(member)),
        Step::Heartbeat { member, stale } => {
            let joined = clients.pick(member);
            heartbeat(&Joined { generation: joined.generation - i32::from(stale), ..joined })
        }
        Step::Leave { member, instance } => {
            Command::Leave(vec![Leaving { member_id: clients.pick(member).member_id, instance_id: instance_id(instance) }])
        }
        Step::Commit { member, topic, offset } => {
            let stranger = Caller { generation: -1, ..Caller::default() };
            let member = member.map_or(stranger, |member| caller(&clients.pick(member)));
            let topic = topic_name(topic);
            let offset = OffsetToCommit { topic, partition: 0, offset, leader_epoch: 0, metadata: "m".into(), retention_ms: None };
            Command::CommitOffsets(CommitOffsets { member, offsets: vec![offset], producer: None, has_member_epoch: false })
        }
        Step::Delete { topic } => Command::DeleteOffsets(vec![(topic_name(topic), 0)]),
        Step::DeleteGroup => Command::DeleteGroup,
        // The broker's own errands: nobody waits for their answer.
        Step::Forget { topic } => {
            sim.send("g", Command::ForgetTopics(vec![topic_name(topic)]));
            return;
        }
        Step::Expire => {
            sim.send("g", Command::ExpireOffsets);
            return;
        }
        Step::Abandon { waiter } => {
            if clients.parked.is_empty() {
                return;
            }
            let waiter = clients.parked.remove(usize::from(waiter) % clients.parked.len());
            return sim.send_as("g", Command::Abandon, waiter);
        }
        Step::Advance { ms } => {
            // A failing disk fails every tick; the runtime waits before it tries again, the test just mends the disk.
            sim.fail_appends = false;
            return sim.advance(ms);
        }
        Step::Restart => {
            clients.parked.clear();
            return sim.restart();
        }
        Step::FailAppends { on } => {
            sim.fail_appends = on;
            return;
        }
    };
    let waiter = sim.send("g", command);
    clients.parked.push(waiter);
}

fn check_invariants(sim: &Sim) {
    assert_eq!(sim.replayed().durable(), sim.state.durable());
    assert_eq!(sim.state.bytes(), sim.state.counted_bytes());
    let Some(entry) = sim.state.get("g") else { return };
    let group = &entry.live;
    assert!(!(entry.durable.is_empty() && group.is_vacant()), "a group with nothing in it is forgotten");
    let only_pending = group.members.is_empty() && group.phase.name() == "PreparingRebalance" && !group.pending.is_empty();
    assert!(only_pending || group.members.is_empty() == (group.phase.name() == "Empty"));
    for (instance_id, member_id) in &group.static_members {
        assert_eq!(group.members[member_id].instance_id.as_ref(), Some(instance_id));
    }
    assert_eq!(group.static_members.len(), group.members.values().filter(|member| member.instance_id.is_some()).count());
    if !group.members.is_empty() {
        assert!(group.leader.as_ref().is_some_and(|leader| group.members.contains_key(leader)), "the leader is a member");
        assert!(group.next_deadline_ms().is_some(), "a group with members always has something to wait for");
    }
    for member in group.members.values() {
        let phase = group.phase.name();
        assert!(
            member.joining.is_none() || phase == "PreparingRebalance",
            "a join is parked only while the group prepares, not in {phase}"
        );
        assert!(member.syncing.is_none() || phase == "CompletingRebalance", "a sync is parked only for the leader, not in {phase}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// proptest prints the shrunk history of a failure; PROPTEST_RNG_SEED repeats a run.
    #[test]
    fn any_history_replays_to_the_same_state(steps in prop::collection::vec(step(), 1..60)) {
        let mut sim = Sim::new();
        let mut clients = Clients::default();
        for step in &steps {
            take_step(&mut sim, &mut clients, step);
            clients.collect(&mut sim);
            check_invariants(&sim);
        }
        // Left alone, the group comes to rest and everyone who waits is told.
        sim.fail_appends = false;
        for _ in 0..4 {
            sim.advance(10 * i64::from(REBALANCE_MS));
        }
        clients.collect(&mut sim);
        prop_assert!(clients.parked.is_empty(), "still parked: {:?}", clients.parked);
        prop_assert!(matches!(sim.phase("g"), "Empty" | "Dead"));
        check_invariants(&sim);
    }
}
