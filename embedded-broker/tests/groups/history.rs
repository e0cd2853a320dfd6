//! Members that join, sync, commit, leave and vanish at random, on a clock that runs fast; then the history they saw is judged.
//!
//! Every claim is about what clients could see, in the order they could see it: an event is numbered when a request is sent and again when
//! its answer has come, so "before" means that one ended before the other began.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use kafka_protocol::ResponseError;
use weir_broker::{Broker, BrokerConfig, ManualClock};

use super::client::{Client, Member, commit, fetch, topic};

const MEMBERS: u64 = 5;
const ROUNDS: u32 = 40;
/// The clock moves this much every millisecond: sessions end and rebalances time out while one looks on.
const SPEED: Duration = Duration::from_millis(40);

#[derive(Clone, Debug)]
struct Event {
    began: u64,
    ended: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Joined { member: String, generation: i32, leads: bool },
    Synced { member: String, generation: i32, assignment: String },
    Committed { generation: i32, offset: i64 },
}

#[derive(Default)]
struct History {
    counter: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl History {
    fn now(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::SeqCst)
    }

    fn record(&self, began: u64, what: What) {
        let ended = self.now();
        self.events.lock().unwrap().push(Event { began, ended, what });
    }
}

#[test]
fn whatever_members_do_no_generation_mixes_with_another() {
    let seed = std::env::var("WEIR_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()));
    println!("repeat with WEIR_TEST_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let mut config = BrokerConfig::new(dir.path());
    config.listen.set_port(0);
    config.clock = clock.clone();
    let broker = Broker::start(config).unwrap();
    topic(&broker, "t");
    let history = History::default();
    let (stop, stopped) = mpsc::sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                clock.advance(SPEED);
            }
        });
        let members: Vec<_> = (0..MEMBERS)
            .map(|number| {
                scope.spawn({
                    let (broker, history) = (&broker, &history);
                    move || {
                        live(
                            broker,
                            history,
                            Random(seed.wrapping_mul(MEMBERS).wrapping_add(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
                        )
                    }
                })
            })
            .collect();
        for member in members {
            member.join().unwrap();
        }
        drop(stop);
    });
    let events = history.events.into_inner().unwrap();
    let stored = fetch(&mut Client::connect(&broker), "g", "t");
    judge(&events, stored);
}

/// One member's life. Any error but those of the protocol is a failure; those mean: join again.
fn live(broker: &Broker, history: &History, mut random: Random) {
    let mut member = Member::new(broker, "g", 3 + (random.next() % 7) as i16);
    for _ in 0..ROUNDS {
        let began = history.now();
        member.send_join();
        if member.try_receive_join() != 0 {
            member.id.clear();
            continue;
        }
        let (id, generation, leads) = (member.id.clone(), member.generation, member.is_leader());
        history.record(began, What::Joined { member: id.clone(), generation, leads });
        match random.next() % 8 {
            // Vanishes without a word.
            0 => {
                member = Member::new(broker, "g", 3 + (random.next() % 7) as i16);
                continue;
            }
            // Forgets to sync, and joins again.
            1 => continue,
            _ => {}
        }
        let began = history.now();
        member.send_sync();
        if member.try_receive_sync() == 0 {
            let assignment = String::from_utf8(member.assignment.to_vec()).unwrap();
            history.record(began, What::Synced { member: id.clone(), generation, assignment });
            work(&mut member, history, &mut random);
        }
        if random.next().is_multiple_of(6) {
            leave_if_possible(&mut member);
        }
    }
    leave_if_possible(&mut member);
}

/// Commits and heartbeats until told to stop.
fn work(member: &mut Member, history: &History, random: &mut Random) {
    let (id, generation) = (member.id.clone(), member.generation);
    for _ in 0..random.next() % 20 {
        let began = history.now();
        let offset = began as i64;
        let error = commit(&mut member.client, "g", Some((&id, generation)), "t", offset);
        if error == 0 {
            history.record(began, What::Committed { generation, offset });
        }
        if error != 0 || member.heartbeat() != 0 {
            return;
        }
    }
}

fn leave_if_possible(member: &mut Member) {
    let left = member.try_leave();
    assert!(left == 0 || left == ResponseError::UnknownMemberId.code(), "{left}");
}

fn judge(events: &[Event], stored: i64) {
    let mut leaders = BTreeMap::new();
    let mut generations = Vec::new();
    for event in events {
        match &event.what {
            What::Joined { member, generation, leads } => {
                generations.push((event.ended, *generation));
                if *leads {
                    let other = leaders.insert(*generation, member.clone());
                    assert!(other.is_none_or(|other| other == *member), "generation {generation} has two leaders");
                }
            }
            // Leaders assign each member its own id, so anything else comes from another generation or member.
            What::Synced { member, generation, assignment } => assert_eq!(member, assignment, "in generation {generation}"),
            What::Committed { .. } => {}
        }
    }
    let mut accepted = Vec::new();
    for event in events {
        let What::Committed { generation, offset } = event.what else { continue };
        let newer = generations.iter().find(|(seen, newer)| *seen < event.began && *newer > generation);
        assert_eq!(newer, None, "a commit of generation {generation} was accepted after a newer one was announced");
        accepted.push((event, offset));
    }
    assert!(leaders.len() > 5 && accepted.len() > 20, "{} generations, {} commits: too little happened", leaders.len(), accepted.len());
    let (last, _) = accepted.iter().find(|(_, offset)| *offset == stored).expect("what is stored was committed by someone");
    let later = accepted.iter().find(|(event, _)| event.began > last.ended);
    assert!(later.is_none(), "{stored} is stored, but {later:?} was accepted after it");
}

/// xorshift64*: enough for a shuffle that a seed repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}
