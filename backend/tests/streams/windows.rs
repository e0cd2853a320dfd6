//! Windows whose results are told once, when they close: over a crash, from restored state, and in partitions that fall silent.

use std::{collections::BTreeMap, time::Duration};

use weir_backend::stream::{
    Emission, Record, TimeWindows, Topology, Windowed,
    app::{AppConfig, Guarantee},
};

use crate::support::{Cluster, eventually, start};

const APP: &str = "visits";
const CLICKS: &str = "clicks";
const VISITS: &str = "visits-by-window";
const PARTITIONS: i32 = 3;
const CLICKS_COUNT: i64 = 200;
const KEYS: i64 = 7;
/// Late enough for retention to leave it alone.
const START_MS: i64 = 1_790_000_000_000;
const EVERY_MS: i64 = 50;
const SIZE_MS: i64 = 1_000;
/// Long enough for a slow machine to bring each record in time.
const GRACE_MS: i64 = 2_000;

fn topology(cluster: &Cluster) -> Topology {
    let (clicks, visits) = (cluster.name(CLICKS), cluster.name(VISITS));
    Topology::new(&cluster.name(APP), move |builder| {
        let by_key = builder.stream::<String, u64>(&clicks).group_by_key("windows");
        let windows = TimeWindows::tumbling(SIZE_MS, GRACE_MS);
        let counts = by_key.windowed(windows, Emission::OnWindowClose, || 0_u64, |_, count| *count += 1);
        let flat = |it: &Record<Windowed<String>, u64>| (it.key.key.clone(), it.key.start_ms, it.value);
        counts.map_values(flat).to(&visits);
    })
    .unwrap()
}

/// All records are there, and no later one comes that would close the last windows: the wall clock does, with stream time's leave.
#[test]
fn every_window_is_told_once_though_nothing_comes_after_the_last() {
    let cluster = Cluster::anywhere(&[(CLICKS, PARTITIONS), (VISITS, PARTITIONS)]);
    let clicks = (0..CLICKS_COUNT).map(|at| (format!("k{}", at % KEYS), "1".to_owned(), START_MS + at * EVERY_MS));
    let mut expected = BTreeMap::<(String, i64), u64>::new();
    for (key, _, at_ms) in clicks.clone() {
        *expected.entry((key, at_ms - at_ms % SIZE_MS)).or_default() += 1;
    }
    cluster.produce(&cluster.name(CLICKS), clicks);
    let instance = |name: &str, idle_advance| {
        let config = AppConfig::new(cluster.connection.clone(), topology(&cluster), Guarantee::ExactlyOnce);
        start(AppConfig { instance: name.into(), idle_advance, ..config })
    };
    // Only records move stream time: the last windows stay open.
    let first = instance("first", None);
    eventually("all is read", || cluster.committed(&cluster.name(APP), &cluster.name(CLICKS)) == CLICKS_COUNT);
    let open = || first.snapshot().tasks().flat_map(|task| &task.stores).map(|store| store.entries).sum::<usize>();
    eventually("windows are open", || open() > 0);
    first.crash();
    let second = instance("second", Some(Duration::from_millis(300)));
    eventually("all windows are closed", || cluster.read(&cluster.name(VISITS)).len() >= expected.len());
    assert_eq!(second.snapshot().tasks().map(|task| task.dropped.late).sum::<u64>(), 0);
    let mut found = BTreeMap::new();
    for (_, value) in cluster.read(&cluster.name(VISITS)) {
        let (key, start_ms, count): (String, i64, u64) = serde_json::from_str(&value).unwrap();
        assert_eq!(found.insert((key, start_ms), count), None, "a final result comes once: {value}");
    }
    assert_eq!(found, expected);
}
