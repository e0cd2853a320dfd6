//! What an acknowledged record survives, on a disk that loses what was not synced.

use super::*;
use crate::log::Committed;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn after_power_cut(world: &World) -> World {
    let after = World { disk: world.disk.copy(), ..world.copy() };
    after.disk.lose_unsynced();
    after
}

#[test]
fn an_acknowledged_record_survives_power_loss() {
    let mut world = World::new(&[("segment.bytes", "1000")]);
    world.durability = Durability::Sync;
    let log = Arc::new(world.open());
    let acknowledged = Arc::new(std::sync::atomic::AtomicI64::new(-1));
    runtime().block_on(async {
        let appending = (0..4).map(|_| {
            let (log, acknowledged) = (Arc::clone(&log), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                for _ in 0..50 {
                    let offset = append(&log, &plain(1, 100, NOW_MS));
                    assert_eq!(log.environment.committed().await, Committed::All);
                    acknowledged.fetch_max(offset, std::sync::atomic::Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            })
        });
        let appending: Vec<_> = appending.collect();
        // The power goes again and again while they work.
        while !appending.iter().all(tokio::task::JoinHandle::is_finished) {
            let acknowledged = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
            let left = after_power_cut(&world).open().offsets().high_watermark;
            assert!(left > acknowledged, "{acknowledged} was acknowledged, {left} is the end");
            tokio::task::yield_now().await;
        }
        for task in appending {
            task.await.unwrap();
        }
    });
    assert_eq!(after_power_cut(&world).open().offsets().high_watermark, 200);
}

#[test]
fn appends_of_a_moment_share_a_sync() {
    let mut world = World::new(&[]);
    world.durability = Durability::Sync;
    let log = world.open();
    (0..100).for_each(|_| _ = append(&log, &plain(1, 10, NOW_MS)));
    let before = world.disk.syncs();
    assert_eq!(after_power_cut(&world).open().offsets().high_watermark, 0, "nothing was promised yet");
    runtime().block_on(async {
        let waiting: Vec<_> =
            (0..100).map(|_| Arc::clone(&log.environment)).map(|all| tokio::spawn(async move { all.committed().await })).collect();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), Committed::All);
        }
    });
    assert_eq!(world.disk.syncs() - before, 1);
    assert_eq!(after_power_cut(&world).open().offsets().high_watermark, 100);
}

#[test]
fn flush_messages_and_flush_ms_sync_what_has_gathered() {
    let world = World::new(&[("flush.messages", "3"), ("flush.ms", "1000")]);
    let log = world.open();
    let durable = || {
        runtime().block_on(log.environment.committed());
        after_power_cut(&world).open().offsets().high_watermark
    };
    append(&log, &plain(2, 10, NOW_MS));
    assert_eq!(durable(), 0);
    append(&log, &plain(1, 10, NOW_MS));
    assert_eq!(durable(), 3);
    append(&log, &plain(1, 10, NOW_MS));
    log.retain().unwrap();
    assert_eq!(durable(), 3);
    world.clock.advance(Duration::from_millis(1_000));
    log.retain().unwrap();
    assert_eq!(durable(), 4);
}

#[test]
fn after_a_failed_sync_nothing_is_promised_any_more() {
    let mut world = World::new(&[]);
    world.durability = Durability::Sync;
    let log = world.open();
    append(&log, &idempotent(1, 9, 0, 0));
    runtime().block_on(log.environment.committed());
    world.disk.set_syncs_fail(true);
    append(&log, &idempotent(1, 9, 0, 1));
    assert_eq!(runtime().block_on(log.environment.committed()), Committed::Failed);
    assert!(log.has_failed());
    world.disk.set_syncs_fail(false);
    // Also not to a retry, which would be told that its record is there.
    assert!(matches!(log.append(&idempotent(1, 9, 0, 1), Origin::Client), Err(AppendError::Storage(_))));
    assert_eq!(read_all(&log).len(), 2, "what is there can be read");
    let again = after_power_cut(&world).open();
    assert_eq!(append(&again, &idempotent(1, 9, 0, 1)), 1, "after a restart it goes on from what the disk has");
}

#[test]
fn without_sync_nothing_is_synced() {
    let world = World::new(&[]);
    let log = world.open();
    (0..10).for_each(|_| _ = append(&log, &plain(1, 10, NOW_MS)));
    assert_eq!(runtime().block_on(log.environment.committed()), Committed::All);
    assert_eq!(world.disk.syncs(), 0);
}
