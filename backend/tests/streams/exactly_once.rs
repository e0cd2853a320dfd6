//! Instances are killed in the middle of transactions and others started, brokers restart, producers are fenced: every input counts once in
//! every output.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

use weir_backend::{
    client::Producer,
    sim::Random,
    stream::{
        Record, Topology,
        app::{AppConfig, Guarantee, StreamsApp, ThreadPhase},
    },
};

use crate::support::{Cluster, DEADLINE, eventually, start};

const APP: &str = "sums";
const NUMBERS: &str = "numbers";
const SUMS: &str = "sums-of-numbers";
const PARTITIONS: i32 = 3;
const KEYS: usize = 7;
const KILLS: usize = 6;
const RECORDS_PER_KILL: usize = 200;
const SEED: u64 = 20_261_123;

/// Publishes the count and the sum by key after each record, so that a loss or a repetition stands in the topic for ever.
fn topology(cluster: &Cluster, look: impl Fn(&Record<String, u64>) + Clone + Send + Sync + 'static) -> Topology {
    let (numbers, sums) = (cluster.name(NUMBERS), cluster.name(SUMS));
    Topology::new(&cluster.name(APP), move |builder| {
        let numbers = builder.stream::<String, u64>(&numbers).peek(look.clone());
        let sum = |number: &Record<String, u64>, sum: &mut (u64, u64)| *sum = (sum.0 + 1, sum.1 + number.value);
        numbers.group_by_key("by-key").aggregate(|| (0, 0), sum).to_stream().to(&sums);
    })
    .unwrap()
}

fn instance(cluster: &Cluster, number: usize) -> StreamsApp {
    with(cluster, number, topology(cluster, |_| {}))
}

fn with(cluster: &Cluster, number: usize, topology: Topology) -> StreamsApp {
    let config = AppConfig::new(cluster.connection.clone(), topology, Guarantee::ExactlyOnce);
    start(AppConfig { instance: format!("i{number}").into(), commit_interval: Duration::from_millis(20), ..config })
}

fn numbers(random: &mut Random, from: usize, count: usize) -> Vec<(String, String, i64)> {
    let number = |at| (format!("k{}", random.below(KEYS as u64)), random.below(1_000).to_string(), at as i64);
    (from..from + count).map(number).collect()
}

fn committed(cluster: &Cluster) -> usize {
    usize::try_from(cluster.committed(&cluster.name(APP), &cluster.name(NUMBERS))).unwrap()
}

/// By key, what must stand in the topic, in order.
fn expected(numbers: &[(String, String, i64)]) -> BTreeMap<String, Vec<String>> {
    let mut sums = BTreeMap::<String, (u64, u64)>::new();
    let mut published = BTreeMap::<String, Vec<String>>::new();
    for (key, number, _) in numbers {
        let sum = sums.entry(key.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + number.parse::<u64>().unwrap());
        published.entry(key.clone()).or_default().push(format!("[{},{}]", sum.0, sum.1));
    }
    published
}

/// Waits until all was read, and compares.
fn check(cluster: &Cluster, numbers: &[(String, String, i64)]) {
    eventually("all is committed", || committed(cluster) >= numbers.len());
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for (key, value) in cluster.read(&cluster.name(SUMS)) {
        found.entry(key).or_default().push(value);
    }
    for (key, expected) in &expected(numbers) {
        assert_eq!(found.get(key), Some(expected), "key {key}, seed {SEED}");
    }
    assert_eq!(found.len(), expected(numbers).len(), "seed {SEED}");
}

#[test]
fn nothing_is_lost_and_nothing_counts_twice_while_instances_are_killed() {
    let mut random = Random::new(SEED);
    let cluster = Cluster::anywhere(&[(NUMBERS, PARTITIONS), (SUMS, PARTITIONS)]);
    let mut instances: Vec<_> = (0..3).map(|number| instance(&cluster, number)).collect();
    let mut all = Vec::new();
    for kill in 0..KILLS {
        let more = numbers(&mut random, all.len(), RECORDS_PER_KILL);
        cluster.produce(&cluster.name(NUMBERS), more.iter().cloned());
        all.extend(more);
        eventually("half of it is committed", || committed(&cluster) >= all.len() - RECORDS_PER_KILL / 2);
        let victim = usize::try_from(random.below(instances.len() as u64)).unwrap();
        if random.below(2) == 0 {
            instances[victim].kill(0);
        } else {
            instances.remove(victim).crash();
            instances.push(instance(&cluster, 3 + kill));
        }
    }
    check(&cluster, &all);
}

#[test]
fn a_broker_that_restarts_in_the_middle_of_transactions_costs_nothing() {
    let mut random = Random::new(SEED);
    let mut cluster = Cluster::start(&[(NUMBERS, PARTITIONS), (SUMS, PARTITIONS)]);
    let app = instance(&cluster, 0);
    let mut all = Vec::new();
    for _ in 0..2 {
        let more = numbers(&mut random, all.len(), RECORDS_PER_KILL);
        cluster.produce(NUMBERS, more.iter().cloned());
        let before = all.len();
        all.extend(more);
        eventually("some of it is committed", || committed(&cluster) > before);
        cluster.bounce();
    }
    check(&cluster, &all);
    assert!(app.failure().is_none(), "{:?}", app.failure());
}

/// Where a thread waits once, with what it did not committed yet: for instance because its machine stood still.
#[derive(Clone)]
struct Gate {
    is_open: Arc<AtomicBool>,
    opens: Arc<Mutex<Receiver<()>>>,
}

impl Gate {
    const VALUE: u64 = 7_777;

    fn pass(&self, record: &Record<String, u64>) {
        if record.value == Self::VALUE && !self.is_open.swap(true, Ordering::AcqRel) {
            self.opens.lock().unwrap().recv().unwrap();
        }
    }
}

#[test]
fn a_zombie_is_fenced_and_what_it_did_is_done_again() {
    let mut random = Random::new(SEED);
    let cluster = Cluster::anywhere(&[(NUMBERS, PARTITIONS), (SUMS, PARTITIONS)]);
    let (open, opens) = sync_channel(1);
    let gate = Gate { is_open: Arc::default(), opens: Arc::new(Mutex::new(opens)) };
    let mut all = numbers(&mut random, 0, RECORDS_PER_KILL);
    all.push(("k0".to_owned(), Gate::VALUE.to_string(), RECORDS_PER_KILL as i64));
    all.extend(numbers(&mut random, all.len(), RECORDS_PER_KILL));
    cluster.produce(&cluster.name(NUMBERS), all.iter().cloned());
    let at_gate = gate.clone();
    let zombie = with(&cluster, 0, topology(&cluster, move |record| at_gate.pass(record)));
    eventually("it stands still", || gate.is_open.load(Ordering::Acquire));
    // The next producer of that transactional id ends what the zombie began, and takes its place.
    drop(Producer::transactional(&cluster.connection, &format!("{}-i0-0", cluster.name(APP)), DEADLINE / 2, DEADLINE).unwrap());
    zombie.stop();
    open.send(()).unwrap();
    eventually("the zombie is gone", || zombie.snapshot().threads[0].phase == ThreadPhase::Stopped);
    let problem = zombie.snapshot().threads[0].last_problem.clone();
    // Brokers refuse its commit as fenced, or before that a record of it as of an old epoch.
    let is_fenced = |problem: String| problem.contains("fenced") || problem.contains("old epoch");
    assert!(problem.is_some_and(|problem| is_fenced(problem.to_string())), "{:?}", zombie.snapshot().threads);
    drop(zombie);
    assert!(committed(&cluster) < all.len(), "its last commit was refused");
    let _next = instance(&cluster, 0);
    check(&cluster, &all);
}
