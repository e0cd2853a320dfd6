//! Random histories of members of both protocols that behave as real clients do: crash, return, are late, lose answers.
//!
//! At every moment: no partition is in two hands, the log replayed is the state. Left alone: every partition that someone reads has a hand.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::consumers::{beat, full, holding};
use super::*;
use crate::coordinator::command::{CommitOffsets, OffsetToCommit};
use crate::coordinator::consumer::{Assignment, Heartbeated, LEAVE_EPOCH};
use crate::coordinator::embedded;

const TOPICS: &[&str] = &["t", "u", "t0"];
const MEMBERS: usize = 5;

/// A client's program. What it holds is what it really processes.
#[derive(Clone, Debug, Default)]
struct Client {
    runs: Option<Runs>,
    incarnation: u32,
}

#[derive(Clone, Debug)]
enum Runs {
    Consumer(ConsumerClient),
    Classic(ClassicClient),
}

#[derive(Clone, Debug, Default)]
struct ConsumerClient {
    id: String,
    epoch: i32,
    topics: Vec<&'static str>,
    held: Assignment,
    /// What it was told to hold; it gives up and takes at its own pace.
    told: Assignment,
    must_say_all: bool,
}

/// A classic member with a cooperative assignor: it keeps what it has while it joins.
#[derive(Clone, Debug, Default)]
struct ClassicClient {
    id: MemberId,
    fresh: String,
    generation: i32,
    protocol: String,
    topics: Vec<&'static str>,
    held: Assignment,
    next: Next,
    parked: Option<WaiterId>,
    leads: Vec<JoinedMember>,
    /// The topics as they were when it joined. Clients look at the metadata themselves and join again when it changes.
    seen_topics: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Next {
    #[default]
    Join,
    Sync,
    Beat,
}

use crate::coordinator::command::JoinedMember;

#[derive(Clone, Debug)]
enum Step {
    Start { client: usize, classic: bool, topics: usize },
    Act { client: usize, lose_answer: bool },
    Revoke { client: usize },
    Subscribe { client: usize, topics: usize },
    Leave { client: usize },
    Crash { client: usize },
    Commit { client: usize, late: bool },
    Topic { topic: usize, partitions: i32 },
    Advance { ms: i64 },
    Restart,
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..MEMBERS;
    prop_oneof![
        4 => (client(), any::<bool>(), 0..4_usize).prop_map(|(client, classic, topics)| Step::Start { client, classic, topics }),
        20 => (client(), prop::bool::weighted(0.1)).prop_map(|(client, lose_answer)| Step::Act { client, lose_answer }),
        8 => client().prop_map(|client| Step::Revoke { client }),
        2 => (client(), 0..4_usize).prop_map(|(client, topics)| Step::Subscribe { client, topics }),
        1 => client().prop_map(|client| Step::Leave { client }),
        1 => client().prop_map(|client| Step::Crash { client }),
        2 => (client(), any::<bool>()).prop_map(|(client, late)| Step::Commit { client, late }),
        1 => (0..TOPICS.len(), 0..6_i32).prop_map(|(topic, partitions)| Step::Topic { topic, partitions }),
        2 => prop_oneof![0..3_000_i64, Just(i64::from(SESSION_MS)), Just(50_000)].prop_map(|ms| Step::Advance { ms }),
        1 => Just(Step::Restart),
        1 => Just(Step::Expire),
    ]
}

fn some_topics(choice: usize) -> Vec<&'static str> {
    [vec!["t"], vec!["t", "u"], vec!["u", "t0"], vec!["t", "u", "t0"]][choice % 4].clone()
}

struct World {
    sim: Sim,
    clients: Vec<Client>,
    started: u32,
}

impl World {
    fn new() -> Self {
        Self { sim: Sim::new(), clients: vec![Client::default(); MEMBERS], started: 0 }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Start { client, classic, topics } if self.clients[client].runs.is_none() => {
                self.started += 1;
                let id = format!("m{}", self.started);
                let topics = some_topics(topics);
                let runs = if classic {
                    Runs::Classic(ClassicClient { fresh: id, topics, ..ClassicClient::default() })
                } else {
                    Runs::Consumer(ConsumerClient { id, topics, ..ConsumerClient::default() })
                };
                self.clients[client] = Client { runs: Some(runs), incarnation: self.started };
            }
            Step::Start { .. } => {}
            Step::Act { client, lose_answer } => self.act(client, lose_answer),
            Step::Revoke { client } => {
                if let Some(Runs::Consumer(consumer)) = &mut self.clients[client].runs {
                    consumer.give_up();
                }
            }
            Step::Subscribe { client, topics } => {
                if let Some(Runs::Consumer(consumer)) = &mut self.clients[client].runs {
                    consumer.topics = some_topics(topics);
                    consumer.must_say_all = true;
                }
            }
            Step::Leave { client } => self.leave(client),
            Step::Crash { client } => self.crash(client),
            Step::Commit { client, late } => self.commit(client, late),
            Step::Topic { topic, partitions } => {
                let now = self.sim.topics.topic(TOPICS[topic]).map_or(0, |topic| topic.partitions);
                if partitions == 0 || partitions > now {
                    self.sim.topics.set(TOPICS[topic], partitions);
                }
            }
            Step::Advance { ms } => {
                self.sim.advance(ms);
                self.fence_the_silent();
            }
            Step::Restart => {
                // Whoever waits for an answer is cut off and asks again.
                for client in &mut self.clients {
                    if let Some(Runs::Classic(classic)) = &mut client.runs
                        && classic.parked.take().is_some()
                    {
                        classic.next = Next::Join;
                    }
                }
                self.sim.restart();
            }
            Step::Expire => _ = self.sim.send("g", Command::ExpireOffsets),
        }
        self.collect();
    }

    /// A client that the broker gave up has lost its session on its own clock as well, and has stopped processing.
    fn fence_the_silent(&mut self) {
        let known: BTreeSet<String> = self.sim.state.get("g").map(member_ids).unwrap_or_default();
        for client in &mut self.clients {
            match &mut client.runs {
                Some(Runs::Consumer(consumer)) if consumer.epoch > 0 && !known.contains(&consumer.id) => consumer.start_over(),
                Some(Runs::Classic(classic)) if !classic.held.is_empty() && !known.contains(classic.id.as_str()) => classic.start_over(),
                _ => {}
            }
        }
    }

    fn act(&mut self, index: usize, lose_answer: bool) {
        let Some(mut runs) = self.clients[index].runs.clone() else { return };
        match &mut runs {
            Runs::Consumer(consumer) => consumer.act(&mut self.sim, lose_answer),
            Runs::Classic(classic) => classic.act(&mut self.sim),
        }
        self.clients[index].runs = Some(runs);
    }

    fn leave(&mut self, index: usize) {
        match self.clients[index].runs.take() {
            Some(Runs::Consumer(consumer)) if consumer.epoch > 0 => _ = self.sim.beat("g", beat(&consumer.id, LEAVE_EPOCH)),
            Some(Runs::Classic(classic)) => {
                if let Some(waiter) = classic.parked {
                    self.sim.send_as("g", Command::Abandon, waiter);
                    self.sim.take(waiter);
                }
                let _gone_or_not = self.sim.ask("g", super::leave(&classic.id));
            }
            Some(Runs::Consumer(_)) | None => {}
        }
    }

    fn crash(&mut self, index: usize) {
        if let Some(Runs::Classic(ClassicClient { parked: Some(waiter), .. })) = self.clients[index].runs.take() {
            self.sim.send_as("g", Command::Abandon, waiter);
            self.sim.take(waiter);
        }
    }

    fn commit(&mut self, index: usize, late: bool) {
        let (member_id, epoch, has_member_epoch) = match &self.clients[index].runs {
            Some(Runs::Consumer(consumer)) => (MemberId::from(consumer.id.as_str()), consumer.epoch, true),
            Some(Runs::Classic(classic)) => (classic.id.clone(), classic.generation, false),
            None => return,
        };
        if epoch == 0 {
            return;
        }
        let generation = epoch - i32::from(late);
        let member = Caller { member_id: member_id.clone(), instance_id: None, generation };
        let offset =
            OffsetToCommit { topic: "t".into(), partition: 0, offset: 1, leader_epoch: -1, metadata: String::new(), retention_ms: None };
        let current = self.sim.state.get("g").and_then(|entry| epoch_of(entry, &member_id));
        let answer =
            self.sim.ask("g", Command::CommitOffsets(CommitOffsets { member, offsets: vec![offset], has_member_epoch, producer: None }));
        assert!(answer.is_err() || generation < 0 || current == Some(generation), "an epoch that is not the member's own is refused");
    }

    fn collect(&mut self) {
        for client in &mut self.clients {
            if let Some(Runs::Classic(classic)) = &mut client.runs
                && let Some(answer) = classic.parked.and_then(|waiter| self.sim.take(waiter))
            {
                classic.parked = None;
                classic.hear(&self.sim, answer);
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.sim.state.bytes(), self.sim.state.counted_bytes());
        let mut hands: BTreeMap<(Uuid, i32), u32> = BTreeMap::new();
        for client in &self.clients {
            let held = match &client.runs {
                Some(Runs::Consumer(consumer)) => &consumer.held,
                Some(Runs::Classic(classic)) => &classic.held,
                None => continue,
            };
            for partition in crate::coordinator::consumer::each_partition(held) {
                if let Some(other) = hands.insert(partition, client.incarnation) {
                    panic!("{partition:?} is in the hands of {other} and {}\n{:#?}", client.incarnation, self.sim.state.get("g"));
                }
            }
        }
    }

    fn check_replay(&self) {
        assert_eq!(self.sim.replayed().durable(), self.sim.state.durable());
    }

    /// Everyone goes on as a good client until nothing changes any more.
    fn settle(&mut self) {
        for _ in 0..60 {
            for index in 0..MEMBERS {
                if let Some(Runs::Consumer(consumer)) = &mut self.clients[index].runs {
                    consumer.give_up();
                }
                self.act(index, false);
                self.collect();
                self.check();
            }
            self.sim.advance(3_000);
            self.fence_the_silent();
            self.collect();
            self.check();
        }
    }

    /// What is read is held, all of it.
    fn check_settled(&self) {
        let mut wanted: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        let mut held: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        for client in &self.clients {
            let (topics, holds) = match &client.runs {
                Some(Runs::Consumer(consumer)) => (&consumer.topics, &consumer.held),
                Some(Runs::Classic(classic)) => (&classic.topics, &classic.held),
                None => continue,
            };
            for topic in topics.iter().filter_map(|topic| self.sim.topics.topic(topic)) {
                wanted.extend((0..topic.partitions).map(|partition| (topic.id, partition)));
            }
            held.extend(crate::coordinator::consumer::each_partition(holds));
        }
        let missing: Vec<_> = wanted.difference(&held).collect();
        assert!(missing.is_empty(), "nobody holds {missing:?}\n{:#?}\n{:#?}", self.clients, self.sim.state.get("g"));
    }
}

fn member_ids(entry: &crate::coordinator::state::Entry) -> BTreeSet<String> {
    let consumer = entry.durable.consumer.iter().flat_map(|group| group.members.keys());
    consumer.chain(entry.live.members.keys()).map(|id| id.as_str().to_owned()).collect()
}

fn epoch_of(entry: &crate::coordinator::state::Entry, member_id: &MemberId) -> Option<i32> {
    match &entry.durable.consumer {
        Some(group) => group.members.get(member_id).map(|member| member.current.epoch),
        None => entry.live.members.get(member_id).map(|_| entry.live.generation),
    }
}

impl ConsumerClient {
    fn start_over(&mut self) {
        self.epoch = 0;
        self.held.clear();
        self.told.clear();
    }

    fn give_up(&mut self) {
        let told = &self.told;
        for (topic_id, partitions) in &mut self.held {
            partitions.retain(|partition| told.get(topic_id).is_some_and(|told| told.contains(partition)));
        }
        self.held.retain(|_, partitions| !partitions.is_empty());
    }

    fn act(&mut self, sim: &mut Sim, lose_answer: bool) {
        let says_all = self.epoch == 0 || std::mem::take(&mut self.must_say_all);
        let base = if says_all { full(&self.id, self.epoch, &self.topics) } else { beat(&self.id, self.epoch) };
        // Java's client says what it holds when it joins, says everything, or has done what it was told.
        let reconciled = self.held == self.told;
        let heartbeat = if says_all || reconciled { holding(base, &self.held) } else { base };
        let answer = sim.beat("g", heartbeat);
        if lose_answer {
            self.must_say_all = true;
            return;
        }
        match answer {
            Ok(Heartbeated { epoch, assignment, .. }) => {
                self.epoch = epoch;
                if let Some(told) = assignment {
                    self.told = told;
                    // New partitions are taken at once when there is nothing to give up; else after that.
                    let must_give_up = crate::coordinator::consumer::each_partition(&self.held)
                        .any(|(id, partition)| !self.told.get(&id).is_some_and(|told| told.contains(&partition)));
                    if !must_give_up {
                        self.held = self.told.clone();
                    }
                } else if self.held.iter().all(|(id, held)| self.told.get(id).is_some_and(|told| held.is_subset(told))) {
                    self.held = self.told.clone();
                }
            }
            Err(ResponseError::FencedMemberEpoch | ResponseError::UnknownMemberId) => self.start_over(),
            Err(ResponseError::GroupIdNotFound) => self.start_over(),
            Err(other) => panic!("unexpected {other:?}"),
        }
    }
}

impl ClassicClient {
    fn start_over(&mut self) {
        self.held.clear();
        self.id = MemberId::default();
        self.generation = -1;
        self.next = Next::Join;
    }

    fn act(&mut self, sim: &mut Sim) {
        if self.parked.is_some() {
            return;
        }
        if self.next == Next::Beat && self.seen_topics != sim.topics.version {
            self.next = Next::Join;
        }
        let member = Caller { member_id: self.id.clone(), instance_id: None, generation: self.generation };
        let command = match self.next {
            Next::Join => {
                self.seen_topics = sim.topics.version;
                let metadata = subscription(sim, &self.topics, &self.held, self.generation);
                Command::Join(Join {
                    can_require_member_id: true,
                    can_skip_assignment: true,
                    protocols: vec![Protocol { name: "cooperative-sticky".into(), metadata }],
                    ..join(self.id.as_str(), &self.fresh)
                })
            }
            Next::Sync => {
                let assignments = share_out(sim, &self.leads);
                Command::Sync(Sync {
                    member,
                    protocol_type: Some("consumer".into()),
                    protocol_name: Some(self.protocol.clone()),
                    assignments,
                })
            }
            Next::Beat => Command::Heartbeat(member),
        };
        let waiter = sim.send("g", command);
        match sim.take(waiter) {
            Some(answer) => self.hear(sim, answer),
            None => self.parked = Some(waiter),
        }
    }

    fn hear(&mut self, sim: &Sim, answer: Answer) {
        match answer {
            Ok(Reply::MemberIdRequired(id)) => self.id = id,
            Ok(Reply::Joined(joined)) => {
                self.id = joined.member_id;
                self.generation = joined.generation;
                self.protocol = joined.protocol_name;
                self.leads = joined.members;
                self.next = Next::Sync;
            }
            Ok(Reply::Synced(synced)) => {
                let assigned = by_id(sim, &embedded::parse_assignment(&synced.assignment).unwrap());
                let gives_up = crate::coordinator::consumer::each_partition(&self.held)
                    .any(|(id, partition)| !assigned.get(&id).is_some_and(|assigned| assigned.contains(&partition)));
                self.held = assigned;
                // Who gave something up joins again at once, so that others can have it.
                self.next = if gives_up { Next::Join } else { Next::Beat };
            }
            Ok(_) => {}
            Err(ResponseError::RebalanceInProgress) => self.next = Next::Join,
            Err(ResponseError::UnknownMemberId | ResponseError::IllegalGeneration | ResponseError::FencedInstanceId) => self.start_over(),
            Err(ResponseError::InconsistentGroupProtocol) => self.start_over(),
            Err(other) => panic!("unexpected {other:?}"),
        }
    }
}

fn names(sim: &Sim, assignment: &Assignment) -> Vec<(String, Vec<i32>)> {
    let name = |id: &Uuid| sim.topics.topics.iter().find(|(_, topic)| topic.id == *id).map(|(name, _)| name.clone());
    assignment.iter().filter_map(|(id, partitions)| Some((name(id)?, partitions.iter().copied().collect()))).collect()
}

fn by_id(sim: &Sim, named: &[(String, Vec<i32>)]) -> Assignment {
    let ids = named.iter().filter(|(_, partitions)| !partitions.is_empty());
    ids.filter_map(|(name, partitions)| Some((sim.topics.topic(name)?.id, partitions.iter().copied().collect()))).collect()
}

/// A `ConsumerProtocolSubscription` of version 2.
fn subscription(sim: &Sim, topics: &[&str], held: &Assignment, generation: i32) -> Bytes {
    use bytes::BufMut as _;
    let mut out = bytes::BytesMut::new();
    out.put_i16(2);
    out.put_i32(topics.len() as i32);
    for topic in topics {
        out.put_i16(topic.len() as i16);
        out.put_slice(topic.as_bytes());
    }
    out.put_i32(-1);
    let owned = names(sim, held);
    let assignment = embedded::encode_assignment(0, owned.iter().map(|(topic, partitions)| (topic.as_str(), &partitions[..])));
    // The list of topics and partitions is what stands between an assignment's version and its user data.
    out.put_slice(&assignment[2..assignment.len() - 4]);
    out.put_i32(generation);
    out.freeze()
}

/// The leader's work: everyone keeps what it has; what nobody has goes to whoever has least; one partition at a time moves to even it out,
/// by being taken away first.
fn share_out(sim: &Sim, members: &[JoinedMember]) -> Vec<(MemberId, Bytes)> {
    let said: Vec<embedded::Subscription> = members.iter().map(|member| embedded::parse_subscription(&member.metadata).unwrap()).collect();
    let mut taken = BTreeSet::new();
    let mut parts: Vec<BTreeSet<(String, i32)>> = Vec::new();
    let newest = said.iter().map(|said| said.generation).max().unwrap_or(-1);
    for said in &said {
        let owned = said.owned.iter().filter(|(topic, _)| said.topics.contains(topic) && said.generation == newest);
        let owned = owned.flat_map(|(topic, partitions)| partitions.iter().map(move |partition| (topic.clone(), *partition)));
        parts.push(owned.filter(|partition| taken.insert(partition.clone())).collect());
    }
    // What someone says to hold since an older generation must not be given to another before it is given up.
    for said in said.iter().filter(|said| said.generation != newest) {
        taken.extend(said.owned.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |partition| (topic.clone(), *partition))));
    }
    for topic in said.iter().flat_map(|said| &said.topics).collect::<BTreeSet<_>>() {
        for partition in 0..sim.topics.topic(topic).map_or(0, |topic| topic.partitions) {
            if taken.insert((topic.clone(), partition)) {
                let readers = (0..members.len()).filter(|index| said[*index].topics.contains(topic));
                let least = readers.min_by_key(|index| parts[*index].len()).unwrap();
                parts[least].insert((topic.clone(), partition));
            }
        }
    }
    let encoded = members.iter().zip(parts).map(|(member, parts)| {
        let mut by_topic: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        parts.into_iter().for_each(|(topic, partition)| by_topic.entry(topic).or_default().push(partition));
        let assignment = embedded::encode_assignment(0, by_topic.iter().map(|(topic, partitions)| (topic.as_str(), &partitions[..])));
        (member.member_id.clone(), assignment)
    });
    encoded.collect()
}

fn run(steps: &[Step]) {
    let mut world = World::new();
    for step in steps {
        world.take(step);
        world.check();
        world.check_replay();
    }
    world.settle();
    world.check_replay();
    world.check_settled();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// proptest prints the shrunk history of a failure; PROPTEST_RNG_SEED repeats a run.
    #[test]
    fn no_partition_is_ever_in_two_hands(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps);
    }

    /// The same with members of the consumer protocol only.
    #[test]
    fn consumers_alone_share_everything_and_nothing_twice(steps in prop::collection::vec(step(), 1..80)) {
        let steps: Vec<Step> = steps
            .into_iter()
            .map(|step| match step {
                Step::Start { client, topics, .. } => Step::Start { client, classic: false, topics },
                other => other,
            })
            .collect();
        run(&steps);
    }
}
