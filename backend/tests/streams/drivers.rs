//! Kafka Streams' own test approach (`SmokeTestDriver`, `EosTestDriver`) with real processes: instances are killed with `kill -9`, stopped and
//! started at random while records come, some with state on disk and all with standby replicas; what they published is verified to the
//! record.
//!
//! `WEIR_TEST_KILLS=50 WEIR_TEST_SEED=1 cargo test -p weir-backend --test streams drivers` goes on for minutes.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use weir_backend::{
    client::{Admin, Connection, OffsetSpec},
    sim::Random,
    stream::{
        Emission, Record, TimeWindows, Topology, Windowed,
        app::{AppConfig, Guarantee, StreamsApp},
    },
};

use weir_model::{ClusterProperty, Secret};

use crate::support::{Cluster, DEADLINE, eventually};

const DATA: &str = "data";
const ECHO: &str = "echo";
const SUPPRESSED: &str = "suppressed";
/// Aggregates by key.
const TABLES: [&str; 5] = ["min", "max", "sum", "cnt", "avg"];
const APP: &str = "smoke";
const PARTITIONS: i32 = 3;
const KEYS: u64 = 9;
const WINDOW_MS: i64 = 40;
/// librdkafka takes a timestamp of 0 for "now".
const BEGIN_MS: i64 = 1_000;
const KILLS: usize = 2;
const RECORDS_PER_KILL: usize = 150;
/// Keys of the records that close the last windows: enough for every partition to get one.
const CLOSERS: usize = 30;

/// Set in the environment of a child to make it an instance: where the cluster is, its name, and its folder, if it has one.
const BOOTSTRAP: &str = "WEIR_TEST_INSTANCE_BOOTSTRAP";
const INSTANCE: &str = "WEIR_TEST_INSTANCE";
const FOLDER: &str = "WEIR_TEST_INSTANCE_FOLDER";

fn topology() -> Topology {
    Topology::new(APP, |builder| {
        let data = builder.stream::<String, i64>(DATA);
        data.to(ECHO);
        let by_key = |name: &str| data.group_by_key(name);
        let value = |record: &Record<String, i64>| record.value;
        by_key("min").aggregate(|| i64::MAX, move |record, min| *min = value(record).min(*min)).to_stream().to("min");
        by_key("max").aggregate(|| i64::MIN, move |record, max| *max = value(record).max(*max)).to_stream().to("max");
        let sum = by_key("sum").aggregate(|| 0_i64, move |record, sum| *sum += value(record));
        let count = by_key("cnt").count();
        sum.to_stream().to("sum");
        count.to_stream().to("cnt");
        sum.join(&count, "avg", |_, sum, count| *sum as f64 / *count as f64).to_stream().to("avg");
        let windows = TimeWindows::tumbling(WINDOW_MS, 0);
        let windowed = by_key("windows").windowed(windows, Emission::OnWindowClose, || 0_u64, |_, count| *count += 1);
        windowed
            .map_values(|record: &Record<Windowed<String>, u64>| (record.key.key.clone(), record.key.start_ms, record.value))
            .to(SUPPRESSED);
    })
    .unwrap()
}

/// Not a test by itself: an instance in a process of its own. It works until its parent closes its input, or kills it.
#[test]
fn child_instance() {
    let (Ok(bootstrap), Ok(instance)) = (env::var(BOOTSTRAP), env::var(INSTANCE)) else { return };
    let connection = Connection::new(bootstrap, [ClusterProperty { name: "session.timeout.ms".into(), value: Secret::new("6000") }]);
    let app = StreamsApp::start(AppConfig {
        instance: instance.into(),
        commit_interval: Duration::from_millis(30),
        transaction_timeout: Duration::from_secs(5),
        standby_replicas: 1,
        purge_interval: Duration::from_secs(1),
        state_dir: env::var(FOLDER).ok().map(Into::into),
        ..AppConfig::new(connection, topology(), Guarantee::ExactlyOnce)
    });
    let app = app.unwrap();
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
    app.close();
}

struct Instance {
    child: Child,
    name: String,
    has_folder: bool,
}

impl Instance {
    fn start(cluster: &Cluster, name: &str, folder: Option<&Path>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["drivers::child_instance", "--exact", "--nocapture"]);
        command.env(BOOTSTRAP, cluster.connection.bootstrap()).env(INSTANCE, name).env_remove(FOLDER);
        command.envs(folder.map(|folder| (FOLDER, folder)));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, name: name.to_owned(), has_folder: folder.is_some() }
    }

    /// Asks it to leave, and waits.
    fn stop(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // One that has ended already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn instances_that_come_go_and_are_killed_publish_what_one_would() {
    let number = |name: &str, otherwise: u64| env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(otherwise);
    let (seed, kills) = (number("WEIR_TEST_SEED", 20_261_123), number("WEIR_TEST_KILLS", KILLS as u64) as usize);
    let mut random = Random::new(seed);
    let topics: Vec<_> = [DATA, ECHO, SUPPRESSED].into_iter().chain(TABLES).map(|topic| (topic, PARTITIONS)).collect();
    let (cluster, folders) = (Cluster::start(&topics), tempfile::tempdir().unwrap());
    let folder = |name: &str| folders.path().join(name);
    let mut instances: Vec<_> =
        ["a", "b", "c"].map(|name| Instance::start(&cluster, name, (name != "c").then(|| folder(name)).as_deref())).into();
    let mut data = Vec::new();
    for kill in 0..kills {
        let more: Vec<_> = (0..RECORDS_PER_KILL)
            .map(|at| {
                (
                    format!("k{}", random.below(KEYS)),
                    random.between(-500, 500).to_string(),
                    BEGIN_MS + (kill * RECORDS_PER_KILL + at) as i64,
                )
            })
            .collect();
        cluster.produce(DATA, more.iter().cloned());
        data.extend(more);
        let some = data.len() - RECORDS_PER_KILL + random.below(RECORDS_PER_KILL as u64) as usize;
        eventually(&format!("some of it is committed, seed {seed}"), || cluster.committed(APP, DATA) >= some as i64);
        let victim = instances.remove(random.below(instances.len() as u64) as usize);
        let (name, has_folder) = (victim.name.clone(), victim.has_folder);
        if random.below(4) == 0 {
            victim.stop()
        } else {
            drop(victim)
        }
        // The same again with its folder, or somebody new.
        let name = if random.below(2) == 0 { name } else { format!("n{kill}") };
        instances.push(Instance::start(&cluster, &name, has_folder.then(|| folder(&name)).as_deref()));
    }
    let end_ms = BEGIN_MS + data.len() as i64 + 2 * WINDOW_MS;
    data.extend((0..CLOSERS).map(|at| (format!("closer{at}"), "0".to_owned(), end_ms)));
    cluster.produce(DATA, data[data.len() - CLOSERS..].iter().cloned());
    eventually(&format!("all is committed, seed {seed}"), || cluster.committed(APP, DATA) >= data.len() as i64);
    check_smoke(&cluster, &data, seed);
    check_eos(&cluster, &data, seed);
    instances.into_iter().for_each(Instance::stop);
}

/// What the aggregates must be, plainly.
fn check_smoke(cluster: &Cluster, data: &[(String, String, i64)], seed: u64) {
    let mut by_key = BTreeMap::<&str, Vec<i64>>::new();
    let mut windows = BTreeMap::<(String, i64), u64>::new();
    for (key, value, at) in data {
        by_key.entry(key).or_default().push(value.parse().unwrap());
        if !key.starts_with("closer") {
            *windows.entry((key.clone(), at - at % WINDOW_MS)).or_default() += 1;
        }
    }
    for table in TABLES {
        let expected = |values: &[i64]| match table {
            "min" => values.iter().min().unwrap().to_string(),
            "max" => values.iter().max().unwrap().to_string(),
            "sum" => values.iter().sum::<i64>().to_string(),
            "cnt" => values.len().to_string(),
            _ => serde_json::to_string(&(values.iter().sum::<i64>() as f64 / values.len() as f64)).unwrap(),
        };
        let expected: BTreeMap<_, _> = by_key.iter().map(|(key, values)| ((*key).to_owned(), expected(values))).collect();
        assert_eq!(cluster.table(table), expected, "{table}, seed {seed}");
    }
    let mut found = BTreeMap::new();
    for (_, value) in cluster.read(SUPPRESSED) {
        let (key, start_ms, count): (String, i64, u64) = serde_json::from_str(&value).unwrap();
        assert_eq!(found.insert((key, start_ms), count), None, "a final result comes once, seed {seed}: {value}");
    }
    found.retain(|(key, _), _| !key.starts_with("closer"));
    assert_eq!(found, windows, "{SUPPRESSED}, seed {seed}");
}

/// Everything came, nothing came twice, and no transaction is left open.
fn check_eos(cluster: &Cluster, data: &[(String, String, i64)], seed: u64) {
    let mut echoed = cluster.read(ECHO);
    let mut expected: Vec<_> = data.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect();
    for all in [&mut echoed, &mut expected] {
        all.sort();
    }
    assert_eq!(echoed, expected, "{ECHO}, seed {seed}");
    let admin = Admin::new(&cluster.connection, DEADLINE).unwrap();
    let topics: BTreeSet<String> =
        admin.metadata(None).unwrap().topics.into_iter().map(|topic| topic.name).filter(|name| !name.starts_with("__")).collect();
    let partitions: Vec<_> = topics.iter().flat_map(|topic| (0..PARTITIONS).map(move |partition| (topic.clone(), partition))).collect();
    let offsets = |spec| -> BTreeMap<(String, i32), Option<i64>> {
        let listed = admin.list_offsets(&partitions, spec).unwrap().into_iter();
        listed.map(|it| ((it.topic, it.partition), it.offset.unwrap())).collect()
    };
    eventually(&format!("all transactions are finished, seed {seed}"), || offsets(OffsetSpec::LatestStable) == offsets(OffsetSpec::Latest));
}
