//! Whatever is asked in whatever order: the records replayed are the state, epochs only rise, and who has been fenced changes nothing.

use proptest::prelude::*;

use crate::codec::ResponseError;
use crate::coordinator::transaction::TransactionConfig;
use crate::coordinator::transaction::decide::{Command, Reply, decide, needs_fresh_id};
use crate::coordinator::transaction::records::Record;
use crate::coordinator::transaction::state::{EPOCH_MAX, Phase, State, TopicPartition, Transaction, TransactionalId};
use crate::log::ProducerEpoch;

const TIMEOUT_MS: i32 = 1_000;

/// The state, everything that led to it, and a clock.
struct World {
    state: State,
    records: Vec<Record>,
    config: TransactionConfig,
    now_ms: i64,
    last_id: i64,
}

impl World {
    fn new() -> Self {
        let config = TransactionConfig { id_expiration_ms: 10_000, max_ids: 3, max_partitions: 4, ..TransactionConfig::default() };
        Self { state: State::default(), records: Vec::new(), config, now_ms: 1_000_000, last_id: 0 }
    }

    /// As the coordinator does it, but that an end is left half done until [`Command::Completed`] comes.
    fn ask(&mut self, id: &str, command: &Command) -> Result<Reply, ResponseError> {
        let id = TransactionalId::from(id);
        let fresh_id = needs_fresh_id(&self.state, &id, command).then(|| {
            self.last_id += 1;
            self.last_id
        });
        let decision = decide(&self.state, &self.config, &id, command, fresh_id, self.now_ms);
        if let Some(record) = decision.record {
            assert!(decision.reply.is_ok(), "an error writes nothing: {command:?}");
            self.state.apply(&record);
            self.records.push(record);
        }
        if let Some(replaced) = decision.replaced {
            self.state.set_replaced(&id, replaced);
        }
        decision.reply
    }

    fn replayed(&self) -> State {
        let mut state = State::default();
        for record in &self.records {
            let (key, value) = record.encode();
            state.apply(&Record::decode(&key, value.as_deref()).unwrap());
        }
        state
    }

    fn all(state: &State) -> Vec<(TransactionalId, Transaction)> {
        state.iter().map(|(id, transaction)| (id.clone(), transaction.clone())).collect()
    }

    fn init(&mut self, id: &str) -> ProducerEpoch {
        loop {
            match self.ask(id, &Command::Init { timeout_ms: TIMEOUT_MS, expected: None }) {
                Ok(Reply::Producer(producer)) => return producer,
                Ok(Reply::AbortedFirst) | Err(ResponseError::ConcurrentTransactions) => {
                    self.ask(id, &Command::Completed).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: "t".into(), partition }
}

fn add(producer: ProducerEpoch, client_version: i16) -> Command {
    Command::Add { producer, partitions: vec![at(0)], client_version }
}

fn end(producer: ProducerEpoch, is_commit: bool, client_version: i16) -> Command {
    Command::End { producer, is_commit, client_version }
}

#[derive(Clone, Debug)]
struct Step {
    id: u8,
    /// How many epochs ago the producer was told its id and epoch.
    staleness: usize,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Init { knows_itself: bool, timeout_ms: i32 },
    Add { partition: i32, is_new: bool },
    End { is_commit: bool, is_new: bool },
    Completed,
    TimedOut,
    Expire,
    Advance(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        3 => (any::<bool>(), prop_oneof![9 => Just(TIMEOUT_MS), 1 => Just(0)])
            .prop_map(|(knows_itself, timeout_ms)| What::Init { knows_itself, timeout_ms }),
        6 => (0..6, any::<bool>()).prop_map(|(partition, is_new)| What::Add { partition, is_new }),
        6 => (any::<bool>(), any::<bool>()).prop_map(|(is_commit, is_new)| What::End { is_commit, is_new }),
        5 => Just(What::Completed),
        1 => Just(What::TimedOut),
        1 => Just(What::Expire),
        2 => prop_oneof![0..300_i64, Just(20_000)].prop_map(What::Advance),
    ];
    let step = (0..4_u8, prop_oneof![5 => Just(0), 2 => 1..3_usize], what);
    prop::collection::vec(step.prop_map(|(id, staleness, what)| Step { id, staleness, what }), 1..120)
}

fn version(is_new: bool) -> i16 {
    if is_new { 2 } else { 0 }
}

/// What a step asks, of a producer as it knows itself.
fn command(what: &What, told: ProducerEpoch) -> Option<Command> {
    Some(match *what {
        What::Init { knows_itself, timeout_ms } => Command::Init { timeout_ms, expected: knows_itself.then_some(told) },
        What::Add { partition, is_new } => {
            Command::Add { producer: told, partitions: vec![at(partition)], client_version: version(is_new) }
        }
        What::End { is_commit, is_new } => end(told, is_commit, version(is_new)),
        What::Completed => Command::Completed,
        What::TimedOut => Command::TimedOut,
        What::Expire => Command::Expire,
        What::Advance(_) => return None,
    })
}

proptest! {
    #[test]
    fn the_records_replayed_are_the_state(steps in steps()) {
        let mut world = World::new();
        let mut told: [Vec<ProducerEpoch>; 4] = Default::default();
        for Step { id, staleness, what } in steps {
            let (name, told) = (format!("id-{id}"), &mut told[usize::from(id)]);
            let nobody = ProducerEpoch { producer_id: 77, epoch: 0 };
            let producer = told.iter().rev().nth(staleness).copied().unwrap_or(nobody);
            if let What::Advance(ms) = what {
                world.now_ms += ms;
            }
            let Some(command) = command(&what, producer) else { continue };
            let before = world.state.get(&name).cloned();
            let reply = world.ask(&name, &command);
            let after = world.state.get(&name).cloned();
            if let Ok(Reply::Producer(producer)) = reply && told.last() != Some(&producer) {
                told.push(producer);
            }
            if let (Some(before), Some(after)) = (&before, &after) {
                let is_same_id = before.producer.producer_id == after.producer.producer_id;
                prop_assert!(!is_same_id || before.producer.epoch <= after.producer.epoch);
                // Nobody but the newest touches anything.
                let is_of_producer = matches!(command, Command::Add { .. } | Command::End { .. });
                prop_assert!(!is_of_producer || producer == before.producer || before == after, "{command:?} {before:?} {after:?}");
                // What is being ended is only ended.
                prop_assert!(!before.phase.is_ending() || matches!(command, Command::Completed) || before == after);
            }
            prop_assert!(after.is_none_or(|it| it.partitions.len() <= world.config.max_partitions));
            prop_assert!(world.state.len() <= world.config.max_ids);
            let replayed = world.replayed();
            prop_assert_eq!(World::all(&replayed), World::all(&world.state));
            prop_assert_eq!(replayed.next_deadline(), world.state.next_deadline());
            prop_assert!(replayed.ending().eq(world.state.ending()));
        }
    }
}

#[test]
fn a_producer_that_asks_again_with_its_old_epoch_is_told_the_same() {
    let mut world = World::new();
    let first = world.init("x");
    let bump = Command::Init { timeout_ms: TIMEOUT_MS, expected: Some(first) };
    let second = ProducerEpoch { epoch: 1, ..first };
    assert_eq!(world.ask("x", &bump), Ok(Reply::Producer(second)));
    assert_eq!(world.ask("x", &bump), Ok(Reply::Producer(second)), "the answer was lost");
    let third = world.init("x");
    assert_eq!(world.ask("x", &bump), Err(ResponseError::ProducerFenced), "somebody else has come since");
    let stranger = ProducerEpoch { producer_id: first.producer_id + 100, ..third };
    let bump = Command::Init { timeout_ms: TIMEOUT_MS, expected: Some(stranger) };
    assert_eq!(world.ask("x", &bump), Err(ResponseError::ProducerFenced));
}

#[test]
fn who_has_used_up_the_epochs_gets_a_new_id() {
    for is_new in [false, true] {
        let mut world = World::new();
        let first = world.init("x");
        let last = ProducerEpoch { epoch: EPOCH_MAX, ..first };
        let worn = Transaction { producer: last, ..world.state.get("x").unwrap().clone() };
        world.state.apply(&Record { id: "x".into(), transaction: Some(worn) });
        if !is_new {
            let fresh = world.init("x");
            assert_eq!((fresh.epoch, fresh.producer_id > first.producer_id), (0, true));
            continue;
        }
        world.ask("x", &add(last, 2)).unwrap();
        let Ok(Reply::Producer(fresh)) = world.ask("x", &end(last, true, 2)) else { panic!("it ends") };
        assert_eq!((fresh.epoch, fresh.producer_id > first.producer_id), (0, true));
        let markers = world.state.get("x").unwrap().producer;
        assert_eq!(markers, ProducerEpoch { epoch: i16::MAX, ..first }, "the markers close the old id for good");
        assert_eq!(world.ask("x", &end(last, true, 2)), Err(ResponseError::ConcurrentTransactions));
        world.ask("x", &Command::Completed).unwrap();
        assert_eq!(world.ask("x", &end(last, true, 2)), Ok(Reply::Producer(fresh)), "the answer was lost");
        assert_eq!(world.ask("x", &end(first, true, 2)), Err(ResponseError::InvalidProducerIdMapping), "of long ago");
        world.ask("x", &add(fresh, 2)).unwrap();
    }
}

#[test]
fn what_takes_too_long_is_aborted_and_its_producer_fenced() {
    for client_version in [0, 2] {
        let mut world = World::new();
        let producer = world.init("x");
        world.ask("x", &add(producer, client_version)).unwrap();
        world.now_ms += i64::from(TIMEOUT_MS) - 1;
        world.ask("x", &Command::TimedOut).unwrap();
        assert_eq!(world.state.get("x").unwrap().phase, Phase::Ongoing);
        world.now_ms += 1;
        world.ask("x", &Command::TimedOut).unwrap();
        assert_eq!(world.state.get("x").unwrap().phase, Phase::PrepareAbort);
        world.ask("x", &Command::Completed).unwrap();
        assert_eq!(world.ask("x", &end(producer, true, client_version)), Err(ResponseError::ProducerFenced));
        assert_eq!(world.ask("x", &add(producer, client_version)), Err(ResponseError::ProducerFenced));
        assert_ne!(world.init("x"), producer);
    }
}

#[test]
fn a_late_end_does_not_touch_the_next_transaction() {
    let mut world = World::new();
    let first = world.init("x");
    world.ask("x", &add(first, 2)).unwrap();
    let Ok(Reply::Producer(second)) = world.ask("x", &end(first, true, 2)) else { panic!("it ends") };
    world.ask("x", &Command::Completed).unwrap();
    world.ask("x", &add(second, 2)).unwrap();
    for is_commit in [true, false] {
        assert_eq!(world.ask("x", &end(first, is_commit, 2)), Err(ResponseError::ProducerFenced));
        assert_eq!(world.ask("x", &end(first, is_commit, 0)), Err(ResponseError::ProducerFenced));
    }
    assert_eq!(world.state.get("x").unwrap().phase, Phase::Ongoing);
}

#[test]
fn an_idle_id_is_forgotten_and_a_busy_one_is_not() {
    let mut world = World::new();
    let producer = world.init("busy");
    world.init("idle");
    world.ask("busy", &add(producer, 2)).unwrap();
    world.now_ms += world.config.id_expiration_ms;
    world.ask("busy", &Command::Expire).unwrap();
    world.ask("idle", &Command::Expire).unwrap();
    assert_eq!(World::all(&world.state).len(), 1);
    assert!(world.replayed().get("busy").is_some());
}
