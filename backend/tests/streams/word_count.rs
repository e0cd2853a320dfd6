//! Word count with a repartition in the middle: equal to a naive count, also from restored state, and shared by members.

use std::collections::BTreeMap;

use weir_backend::{
    sim::Random,
    stream::{
        NodeId, NodeKind, Topology,
        app::{AppConfig, AppEvent, AppEventKind, Guarantee, StreamsApp},
    },
};

use crate::support::{Cluster, eventually, start, wait_for_tasks};

pub(crate) const LINES: &str = "lines";
pub(crate) const COUNTS: &str = "counts";
pub(crate) const PARTITIONS: i32 = 3;

pub(crate) fn topology() -> Topology {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    Topology::new("word-count", move |builder| {
        let lines = builder.stream::<String, String>(LINES);
        let words = lines.flat_map_values(move |line| words(&line.value));
        words.group_by("words", |word| word.value.clone()).count().to_stream().to(COUNTS);
    })
    .unwrap()
}

pub(crate) fn lines(seed: u64, count: usize) -> Vec<(String, String, i64)> {
    let mut random = Random::new(seed);
    let word = |random: &mut Random| format!("w{}", random.below(40));
    let line = |random: &mut Random| (0..4).map(|_| word(random)).collect::<Vec<_>>().join(" ");
    (0..count).map(|at| (format!("k{}", at % 17), format!("\"{}\"", line(&mut random)), 1_000 + at as i64)).collect()
}

pub(crate) fn naive<'a>(lines: impl IntoIterator<Item = &'a (String, String, i64)>) -> BTreeMap<String, String> {
    let mut counts = BTreeMap::<String, u64>::new();
    for word in lines.into_iter().flat_map(|(_, line, _)| line.trim_matches('"').split(' ')) {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts.into_iter().map(|(word, count)| (word, count.to_string())).collect()
}

pub(crate) fn config(cluster: &Cluster, guarantee: Guarantee) -> AppConfig {
    AppConfig::new(cluster.connection.clone(), topology(), guarantee)
}

#[test]
fn counts_equal_a_naive_count_before_and_after_a_restore() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let cluster = Cluster::start(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)]);
        let lines = lines(7, 600);
        let (first, second) = lines.split_at(300);
        cluster.produce(LINES, first.iter().cloned());
        let app = start(config(&cluster, guarantee));
        wait_for_tasks(&app);
        eventually("the first half is counted", || cluster.table(COUNTS) == naive(first));
        app.close();
        // Another instance, with nothing in memory.
        let app = start(config(&cluster, guarantee));
        cluster.produce(LINES, second.iter().cloned());
        eventually("all is counted", || cluster.table(COUNTS) == naive(&lines));
        let entries: BTreeMap<_, _> = app.query("words", "", 1_000).into_iter().collect();
        assert_eq!(entries.len(), naive(&lines).len(), "{guarantee:?}: the store can be looked into");
        let snapshot = app.snapshot();
        let rows: usize = snapshot.tasks().flat_map(|task| &task.stores).map(|store| store.entries).sum();
        assert_eq!(rows, naive(&lines).len(), "{guarantee:?}");
        check_told(&cluster, &app, guarantee);
    }
}

/// What the screen shows agrees with the topics.
fn check_told(cluster: &Cluster, app: &StreamsApp, guarantee: Guarantee) {
    eventually("the changelogs' ends are known", || {
        let snapshot = app.snapshot();
        let stores = snapshot.tasks().flat_map(|task| &task.stores).filter(|store| store.changelog.is_some());
        let ends = stores.map(|store| (cluster.last_record(store.changelog.as_ref().unwrap(), store.partition), store.changelog_offset));
        ends.into_iter().all(|(last, next)| last.is_none() || last.map(|last| last + 1) == next)
    });
    let snapshot = app.snapshot();
    assert!(snapshot.tasks().flat_map(|task| &task.stores).any(|store| store.approximate_bytes > 0), "{guarantee:?}");
    let assigned = snapshot.events.iter().filter(|event| matches!(event.what, AppEventKind::Assigned(_)));
    assert!(assigned.count() > 0, "{guarantee:?}: {:?}", snapshot.events);
    let restored = snapshot
        .events
        .iter()
        .filter_map(|event| if let AppEventKind::Restored { records, .. } = event.what { Some(records) } else { None });
    assert!(restored.sum::<u64>() > 0, "{guarantee:?}: {:?}", snapshot.events);
    let is_transaction = guarantee == Guarantee::ExactlyOnce;
    let is_commit = |event: &AppEvent| matches!(event.what, AppEventKind::Committed { is_transaction: is, .. } if is == is_transaction);
    assert!(snapshot.commits.iter().any(is_commit), "{guarantee:?}: {:?}", snapshot.commits);
    let (topology, passed) = (&snapshot.topology, snapshot.passed());
    assert_eq!(topology.edges().len(), topology.nodes.len() - 1, "a chain, through the repartition topic");
    let kind = |kind| (0..topology.nodes.len()).filter(|at| topology.kind(NodeId(*at)) == kind).collect::<Vec<_>>();
    assert_eq!((kind(NodeKind::Source).len(), kind(NodeKind::Sink).len(), kind(NodeKind::Stateful).len()), (2, 2, 1));
    assert!(kind(NodeKind::Source).iter().all(|at| passed[*at] > 0), "{passed:?}");
}

#[test]
fn a_second_member_takes_tasks_over_with_their_state() {
    let cluster = Cluster::start(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)]);
    let lines = lines(8, 400);
    let (first, second) = lines.split_at(200);
    let one = start(config(&cluster, Guarantee::ExactlyOnce));
    cluster.produce(LINES, first.iter().cloned());
    eventually("the first half is counted", || cluster.table(COUNTS) == naive(first));
    let two = start(AppConfig { instance: "two".into(), ..config(&cluster, Guarantee::ExactlyOnce) });
    let running = |app: &StreamsApp| app.snapshot().running();
    eventually("both have tasks", || running(&one) > 0 && running(&two) > 0 && running(&one) + running(&two) == one.tasks());
    cluster.produce(LINES, second.iter().cloned());
    eventually("all is counted", || cluster.table(COUNTS) == naive(&lines));
    one.crash();
    eventually("the other has all", || running(&two) == two.tasks());
    cluster.produce(LINES, first.iter().cloned());
    let all: Vec<_> = lines.iter().chain(first).cloned().collect();
    eventually("all is counted again", || cluster.table(COUNTS) == naive(&all));
}
