//! The coordinator's logic against a clock that tests own and a log kept in memory.

mod commits;
mod consumers;
mod histories;
mod members;
mod replay;
mod runtime;
mod statics;

use std::collections::BTreeMap;

use crate::codec::ResponseError;
use bytes::Bytes;

use super::command::{Answer, Caller, Command, Join, Joined, Leaving, Protocol, Reply, Sync};
use super::config::GroupConfig;
use super::decide::{Context, decide};
use super::group::Group;
use super::ids::{GroupId, MemberId, TopicName, WaiterId};
use super::image::{Now, TopicInfo, TopicsImage};
use super::records::Record;
use super::state::State;

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;
const DELAY_MS: i64 = 100;

/// Topics without logs.
struct FakeTopics {
    version: u64,
    topics: BTreeMap<String, TopicInfo>,
}

impl FakeTopics {
    fn new(topics: &[(&str, i32)]) -> Self {
        let mut fake = Self { version: 0, topics: BTreeMap::new() };
        topics.iter().for_each(|(name, partitions)| fake.set(name, *partitions));
        fake
    }

    /// A topic comes, grows, or (without partitions) goes. One that comes again is another.
    fn set(&mut self, name: &str, partitions: i32) {
        self.version += 1;
        if partitions == 0 {
            self.topics.remove(name);
            return;
        }
        let id = uuid::Uuid::from_u128(u128::from(self.version));
        self.topics.entry(name.to_owned()).or_insert(TopicInfo { id, partitions }).partitions = partitions;
    }
}

impl TopicsImage for FakeTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<TopicInfo> {
        self.topics.get(name).copied()
    }

    fn public_names(&self) -> Vec<TopicName> {
        self.topics.keys().map(|name| TopicName::from(name.as_str())).collect()
    }
}

/// Monotone time began long before 1970 here: a decision that takes one for the other is found out.
fn at(now_ms: i64) -> Now {
    Now { wall_ms: now_ms + 5_000_000_000, monotonic_ms: now_ms }
}

/// A coordinator without a broker around it.
struct Sim {
    config: GroupConfig,
    topics: FakeTopics,
    state: State,
    now_ms: i64,
    /// Every record ever appended, as bytes.
    log: Vec<(Bytes, Option<Bytes>)>,
    answers: BTreeMap<WaiterId, Answer>,
    last_waiter: u64,
    fail_appends: bool,
}

impl Sim {
    fn new() -> Self {
        let config = GroupConfig { initial_rebalance_delay_ms: DELAY_MS, ..GroupConfig::default() };
        Self {
            config,
            topics: FakeTopics::new(&[("t", 3), ("u", 3), ("t0", 1), ("t1", 1), ("t2", 1)]),
            state: State::default(),
            now_ms: 1_000_000,
            log: Vec::new(),
            answers: BTreeMap::new(),
            last_waiter: 0,
            fail_appends: false,
        }
    }

    fn send(&mut self, group: &str, command: Command) -> WaiterId {
        self.last_waiter += 1;
        let waiter = WaiterId(self.last_waiter);
        self.send_as(group, command, waiter);
        waiter
    }

    fn send_as(&mut self, group: &str, command: Command, waiter: WaiterId) {
        let is_asked = !matches!(command, Command::Abandon | Command::Tick | Command::ExpireOffsets | Command::ForgetTopics(_));
        let context = Context { config: &self.config, topics: &self.topics, now: at(self.now_ms) };
        let mut decision = decide(&self.state, &context, &GroupId::from(group), command, waiter);
        if self.fail_appends && !decision.records.is_empty() {
            if is_asked {
                self.answers.insert(waiter, Err(ResponseError::CoordinatorNotAvailable));
            }
            return;
        }
        self.log.extend(decision.records.iter().map(Record::encode));
        self.state.carry_out(&mut decision);
        for (waiter, answer) in decision.answers {
            assert!(self.answers.insert(waiter, answer).is_none(), "{waiter:?} answered twice");
        }
    }

    fn ask(&mut self, group: &str, command: Command) -> Answer {
        let waiter = self.send(group, command);
        self.answers.remove(&waiter).expect("answered at once")
    }

    fn take(&mut self, waiter: WaiterId) -> Option<Answer> {
        self.answers.remove(&waiter)
    }

    /// Lets time pass, every deadline on its way being served when it is due.
    fn advance(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        for _ in 0..10_000 {
            let deadlines = self.state.iter().filter_map(|(id, entry)| Some((entry.next_deadline_ms()?, id.clone())));
            let Some((due_ms, group_id)) = deadlines.min().filter(|(due_ms, _)| *due_ms <= until_ms) else {
                self.now_ms = until_ms;
                return;
            };
            self.now_ms = self.now_ms.max(due_ms);
            self.send(group_id.as_str(), Command::Tick);
        }
        panic!("time stands still: a deadline is served and stays");
    }

    fn replayed(&self) -> State {
        let mut state = State::default();
        for (key, value) in &self.log {
            state.apply(&Record::decode(key, value.as_deref()).unwrap().unwrap());
        }
        state
    }

    /// Ends the process and starts it again.
    fn restart(&mut self) {
        self.state = self.replayed();
        self.state.activate(&self.config, at(self.now_ms));
    }

    fn group(&self, group: &str) -> &Group {
        &self.state.get(group).expect("the group exists").live
    }

    fn phase(&self, group: &str) -> &'static str {
        self.state.get(group).map_or("Dead", |entry| entry.state_name())
    }

    fn joined(&mut self, waiter: WaiterId) -> Joined {
        match self.take(waiter) {
            Some(Ok(Reply::Joined(joined))) => joined,
            other => panic!("expected a join, got {other:?}"),
        }
    }

    /// Brings new members into an empty group, up to Stable. The first is not always the leader.
    fn stable_group(&mut self, group: &str, names: &[&str]) -> Vec<Joined> {
        let waiters: Vec<WaiterId> = names.iter().map(|name| self.send(group, Command::Join(join("", name)))).collect();
        self.advance(DELAY_MS * 2);
        let joined: Vec<Joined> = waiters.into_iter().map(|waiter| self.joined(waiter)).collect();
        self.sync_all(group, &joined);
        joined
    }

    fn sync_all(&mut self, group: &str, joined: &[Joined]) {
        let waiters: Vec<WaiterId> = joined.iter().map(|member| self.send(group, sync(member))).collect();
        for (waiter, member) in waiters.into_iter().zip(joined) {
            match self.take(waiter) {
                Some(Ok(Reply::Synced(synced))) => assert_eq!(synced.assignment, member.member_id.as_str().to_owned()),
                other => panic!("expected an assignment, got {other:?}"),
            }
        }
        assert_eq!(self.phase(group), "Stable");
    }
}

/// A dynamic member that speaks version 3: no KIP-394.
fn join(member_id: &str, fresh: &str) -> Join {
    Join {
        member_id: member_id.into(),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", b"\0\0\0\0\0\x01\0\x01t")],
        fresh_member_id: fresh.into(),
        ..Join::default()
    }
}

fn protocol(name: &str, metadata: &'static [u8]) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::from_static(metadata) }
}

fn caller(joined: &Joined) -> Caller {
    Caller { member_id: joined.member_id.clone(), instance_id: None, generation: joined.generation }
}

/// The leader gives everyone its own member id as assignment.
fn sync(joined: &Joined) -> Command {
    let assignments = joined.members.iter().map(|member| (member.member_id.clone(), Bytes::from(member.member_id.as_str().to_owned())));
    Command::Sync(Sync { member: caller(joined), assignments: assignments.collect(), ..Sync::default() })
}

fn heartbeat(joined: &Joined) -> Command {
    Command::Heartbeat(caller(joined))
}

fn leave(member_id: &MemberId) -> Command {
    Command::Leave(vec![Leaving { member_id: member_id.clone(), instance_id: None }])
}
