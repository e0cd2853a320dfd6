//! Where state comes from after a restart or a takeover: from disk and from standby replicas, with next to nothing left to read.

use std::{path::PathBuf, time::Duration};

use weir_backend::{
    client::{Admin, OffsetSpec},
    stream::app::{AppConfig, AppEventKind, AppSnapshot, Guarantee, StoreSnapshot, StreamsApp, Warmth},
};

use crate::{
    support::{Cluster, DEADLINE, eventually, start, wait_for_tasks},
    word_count::{COUNTS, LINES, PARTITIONS, config, lines, naive},
};

/// Room for an entry or two of each store.
const CACHE_BYTES: u64 = 600;
const REPARTITION: &str = "word-count-words-repartition";

/// Entries that were there at once from such a place, and records read after them.
fn restored(snapshot: &AppSnapshot, wanted: Warmth) -> (u64, u64) {
    snapshot.events.iter().fold((0, 0), |(entries, records), event| match event.what {
        AppEventKind::RestoreBegan { warm, from, .. } if from == wanted => (entries + warm, records),
        AppEventKind::Restored { records: read, .. } => (entries, records + read),
        _ => (entries, records),
    })
}

#[test]
fn state_that_can_not_be_kept_is_told() {
    let (cluster, folder) = (Cluster::start(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)]), tempfile::tempdir().unwrap());
    // Where the folders of the tasks should be there is a file.
    std::fs::write(folder.path().join("word-count"), "").unwrap();
    let lines = lines(9, 100);
    for (state_dir, told) in [(Some(folder.path().to_owned()), true), (None, false)] {
        let app = start(AppConfig { state_dir, threads: 64, ..config(&cluster, Guarantee::ExactlyOnce) });
        assert_eq!(app.snapshot().threads.len(), app.tasks(), "no thread without a task");
        cluster.produce(LINES, lines.iter().take(if told { 100 } else { 0 }).cloned());
        eventually("all is counted", || cluster.table(COUNTS) == naive(&lines));
        let unkept = app.close();
        assert_eq!(unkept.is_some(), told, "{unkept:?}");
        assert!(unkept.is_none_or(|unkept| unkept.what.contains("of word-count is not in") && unkept.what_to_do.contains("Make room")));
    }
}

#[test]
fn a_restart_with_a_folder_reads_only_the_rest() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let (cluster, folder) = (Cluster::start(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)]), tempfile::tempdir().unwrap());
        let on_disk =
            || AppConfig { state_dir: Some(folder.path().to_owned()), state_cache_bytes: CACHE_BYTES, ..config(&cluster, guarantee) };
        let lines = lines(9, 400);
        let (first, second) = lines.split_at(200);
        let app = start(on_disk());
        cluster.produce(LINES, first.iter().cloned());
        eventually("the first half is counted", || cluster.table(COUNTS) == naive(first));
        let sum = |of: fn(&StoreSnapshot) -> usize| app.snapshot().tasks().flat_map(|task| &task.stores).map(of).sum::<usize>();
        assert!(app.snapshot().tasks().flat_map(|task| &task.stores).any(|store| store.is_persistent));
        eventually("most of it is on disk alone", || sum(|store| store.entries_in_memory) * 4 < sum(|store| store.entries));
        app.close();
        let app = start(on_disk());
        let snapshot = wait_for_tasks(&app);
        assert_eq!(restored(&snapshot, Warmth::Disk), (naive(first).len() as u64, 0), "{guarantee:?}: {:?}", snapshot.events);
        // A life that ends in the middle: what it had not committed is neither in the topics nor on disk.
        cluster.produce(LINES, second.iter().cloned());
        app.kill(0);
        eventually("all is counted", || cluster.table(COUNTS) == naive(&lines) || guarantee == Guarantee::AtLeastOnce);
        app.close();
        if guarantee == Guarantee::ExactlyOnce {
            // Without the folder: the changelogs have all of it too.
            let app = start(config(&cluster, guarantee));
            let snapshot = wait_for_tasks(&app);
            let entries: usize = snapshot.tasks().flat_map(|task| &task.stores).map(|store| store.entries).sum();
            assert_eq!(entries, naive(&lines).len());
        }
    }
}

#[test]
fn a_standby_takes_over_with_nothing_to_read() {
    let (cluster, folder) = (Cluster::start(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)]), tempfile::tempdir().unwrap());
    let lines = lines(10, 200);
    let with_standby = |instance: &str, state_dir: Option<PathBuf>| {
        let config = config(&cluster, Guarantee::ExactlyOnce);
        start(AppConfig { instance: instance.into(), standby_replicas: 1, state_dir, state_cache_bytes: CACHE_BYTES, ..config })
    };
    let one = with_standby("one", None);
    wait_for_tasks(&one);
    cluster.produce(LINES, lines.iter().cloned());
    eventually("all is counted", || cluster.table(COUNTS) == naive(&lines));
    // Two instances share the tasks; each keeps a replica of what the other runs: one in memory, two on disk.
    let two = with_standby("two", Some(folder.path().to_owned()));
    let entries = |app: &StreamsApp| app.snapshot().tasks().flat_map(|task| &task.stores).map(|store| store.entries).sum::<usize>();
    let replicated = |app: &StreamsApp| app.snapshot().standbys.iter().filter(|it| it.lag <= 1).map(|it| it.entries).sum::<usize>();
    eventually("each has what the other has", || {
        one.snapshot().running() + two.snapshot().running() == one.tasks()
            && entries(&one) + entries(&two) == naive(&lines).len()
            && (replicated(&one), replicated(&two)) == (entries(&two), entries(&one))
            && two.snapshot().running() > 0
            && entries(&one) > 0
    });
    let (cold, of_one) = (restored(&two.snapshot(), Warmth::Standby), entries(&one) as u64);
    one.crash();
    let snapshot = wait_for_tasks(&two);
    let (warm, read) = restored(&snapshot, Warmth::Standby);
    assert_eq!((warm - cold.0, read - cold.1), (of_one, 0), "{:?}", snapshot.events);
    assert_eq!(entries(&two), naive(&lines).len());
}

#[test]
fn processed_records_are_purged_from_repartition_topics() {
    let cluster = Cluster::start(&[(LINES, PARTITIONS), (COUNTS, PARTITIONS)]);
    let lines = lines(11, 200);
    let purging = AppConfig { purge_interval: Duration::from_millis(100), ..config(&cluster, Guarantee::ExactlyOnce) };
    let app = start(purging);
    cluster.produce(LINES, lines.iter().cloned());
    let admin = Admin::new(&cluster.connection, DEADLINE).unwrap();
    let partitions: Vec<_> = (0..PARTITIONS).map(|partition| (REPARTITION.to_owned(), partition)).collect();
    eventually("only what follows the commits is left", || {
        let starts = admin.list_offsets(&partitions, OffsetSpec::Earliest).unwrap();
        let start = starts.into_iter().map(|listed| listed.offset.unwrap().unwrap_or(0)).sum::<i64>();
        start > 0 && start == cluster.committed("word-count", REPARTITION)
    });
    assert_eq!(cluster.table(COUNTS), naive(&lines));
    drop(app);
}
