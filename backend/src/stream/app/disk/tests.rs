//! The copy on disk equals the memory store whatever happens, and a kill at any point leaves something that is behind the log, never ahead.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use proptest::prelude::*;

use super::*;

const TASK: TaskId = TaskId { subtopology: 0, partition: 1 };
const LOG: &str = "app-counts-changelog";

fn owner(run: &str) -> Owner {
    Owner { app: "app".into(), run: run.into(), cluster: "c".to_owned() }
}

fn open(dir: &Path) -> TaskDisk {
    TaskDisk::open(dir, &owner("r"), TASK, 0).unwrap().0
}

fn contents(disk: &TaskDisk) -> BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)> {
    let mut entries = BTreeMap::new();
    disk.read(|topic, change| {
        assert_eq!(topic, LOG);
        entries.insert(change.key.clone(), (change.value.clone().unwrap(), change.timestamp_ms));
        Ok(())
    })
    .unwrap();
    entries
}

fn change(key: u8, value: Option<u8>) -> Logged {
    (LOG.into(), Change { key: vec![key], value: value.map(|it| vec![it]), timestamp_ms: value.map(i64::from) })
}

/// What the changelog says up to an offset.
fn replay(log: &[Logged], next: usize) -> BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)> {
    let mut entries = BTreeMap::new();
    for (_, change) in &log[..next] {
        match &change.value {
            Some(value) => drop(entries.insert(change.key.clone(), (value.clone(), change.timestamp_ms))),
            None => drop(entries.remove(&change.key)),
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// After each commit the file is copied as a kill would leave it: opened again, it is the log up to the offset it names, and with the
    /// rest of the log it is the memory store.
    #[test]
    fn a_kill_at_any_point_leaves_the_log_up_to_an_offset(
        commits in prop::collection::vec(prop::collection::vec((0_u8..5, prop::option::weighted(0.7, 0_u8..9)), 1..6), 1..6),
    ) {
        let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut disk = open(dir.path());
        let mut log = Vec::new();
        for (at, commit) in commits.into_iter().enumerate() {
            let changes: Vec<_> = commit.into_iter().map(|(key, value)| change(key, value)).collect();
            log.extend(changes.iter().cloned());
            // Here the transaction is committed and the store is not written: what a kill leaves is checked before and after.
            for is_written in [false, true] {
                if is_written {
                    let durability = if at % 2 == 0 { Durability::Immediate } else { Durability::None };
                    disk.write_with(&changes, &[(LOG.into(), log.len() as i64)].into(), 0, durability).unwrap();
                    prop_assert_eq!(contents(&disk), replay(&log, log.len()));
                }
                let (from, to) = (folder(dir.path(), &owner("r"), TASK), folder(killed.path(), &owner("r"), TASK));
                fs::create_dir_all(&to).unwrap();
                fs::copy(from.join(FILE), to.join(FILE)).unwrap();
                let left = open(killed.path());
                let next = left.next().unwrap().get(LOG).copied().unwrap_or(0) as usize;
                prop_assert!(next <= log.len());
                prop_assert_eq!(contents(&left), replay(&log, next));
            }
        }
        drop(disk);
        prop_assert_eq!(contents(&open(dir.path())), replay(&log, log.len()));
    }
}

#[test]
fn what_is_of_no_use_is_wiped_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = folder(dir.path(), &owner("r"), TASK).join(FILE);
    let write = || {
        let (mut disk, _) = TaskDisk::open(dir.path(), &owner("r"), TASK, 0).unwrap();
        disk.write(&[change(1, Some(1))], &[(LOG.into(), 1)].into(), 0).unwrap();
    };
    let reopened = |run: &str, now_ms| {
        let (disk, why) = TaskDisk::open(dir.path(), &owner(run), TASK, now_ms).unwrap();
        (contents(&disk).len(), why.unwrap_or_default())
    };
    write();
    assert_eq!(reopened("r", 0), (1, String::new()));
    type Spoil<'a> = (&'a str, &'a dyn Fn() -> (usize, String));
    let spoil: [Spoil<'_>; 5] = [
        ("another run", &|| reopened("other", 0)),
        ("so old", &|| reopened("r", AGE_MAX_MS + 1)),
        ("magic number mismatch", &|| {
            fs::write(&path, b"no database at all").unwrap();
            reopened("r", 0)
        }),
        ("", &|| {
            let half = fs::metadata(&path).unwrap().len() / 2;
            fs::File::options().write(true).open(&path).unwrap().set_len(half).unwrap();
            reopened("r", 0)
        }),
        ("format is 0", &|| {
            let database = Database::create(&path).unwrap();
            let transaction = database.begin_write().unwrap();
            transaction.open_table(META).unwrap().insert("format", "0").unwrap();
            transaction.commit().unwrap();
            drop(database);
            reopened("r", 0)
        }),
    ];
    for (reason, spoil) in spoil {
        drop(fs::remove_file(&path));
        write();
        let (entries, why) = spoil();
        assert_eq!(entries, 0, "{reason}");
        assert!(why.to_lowercase().contains(reason), "{reason}: {why}");
    }
}

#[test]
fn two_can_not_have_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    assert!(matches!(TaskDisk::open(dir.path(), &owner("r"), TASK, 0), Err(DiskError::Locked)));
}
