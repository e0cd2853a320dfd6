//! A store on disk is the store in memory whatever happens, and a kill at any point leaves something that is behind the log, never ahead.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use proptest::prelude::*;

use super::*;
use crate::stream::{
    Key as _, Section, StateStore as _, Store,
    store::tests::{behaves, disk_steps},
};

const TASK: TaskId = TaskId { subtopology: 0, partition: 1 };
const LOG: &str = "app-counts-changelog";

fn owner(run: &str) -> Owner {
    Owner { app: "app".into(), run: run.into(), cluster: "c".to_owned() }
}

fn open(dir: &Path) -> Rc<TaskDisk> {
    Rc::new(TaskDisk::open(dir, &owner("r"), TASK, 0).unwrap().0)
}

fn path(dir: &Path) -> PathBuf {
    folder(dir, &owner("r"), TASK).join(FILE)
}

type Numbers = Store<i64, i64>;

/// A store over a file, with next to no cache.
fn over(disk: &Rc<TaskDisk>) -> Numbers {
    let mut store = Numbers::expiring(|_, value| *value);
    store.keep_on(disk.place(LOG), 300).unwrap();
    store
}

fn contents(disk: &Rc<TaskDisk>) -> BTreeMap<i64, i64> {
    over(disk).iter().map(|(key, value)| (*key, *value)).collect()
}

/// A key, and its value or its deletion.
type Logged = (i64, Option<i64>);

fn change(store: &mut Numbers, (key, value): Logged) {
    match value {
        Some(value) => store.put(key, value),
        None => drop(store.delete(&key)),
    }
}

/// What the changelog says up to an offset.
fn replay(log: &[Logged]) -> BTreeMap<i64, i64> {
    let mut entries = BTreeMap::new();
    for (key, value) in log {
        match value {
            Some(value) => drop(entries.insert(*key, *value)),
            None => drop(entries.remove(key)),
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_store_in_a_file_is_the_one_in_memory(steps in disk_steps(), cache_entries in 0_u64..6, has_own_windows: bool) {
        let dir = tempfile::tempdir().unwrap();
        behaves(steps, cache_entries * 150, has_own_windows, || {
            let disk = open(dir.path());
            (disk.place(LOG), Box::new(move || disk.write(&Next::new(), 0).unwrap()))
        })?;
    }

    /// After each commit the file is copied as a kill would leave it: opened again, it is the log up to the offset it names.
    #[test]
    fn a_kill_at_any_point_leaves_the_log_up_to_an_offset(
        commits in prop::collection::vec(prop::collection::vec((0_i64..5, prop::option::weighted(0.7, 0_i64..9)), 1..6), 1..6),
    ) {
        let (dir, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let disk = open(dir.path());
        let (mut store, mut log) = (over(&disk), Vec::new());
        for (at, commit) in commits.into_iter().enumerate() {
            commit.iter().for_each(|logged| change(&mut store, *logged));
            log.extend(commit);
            // Here the transaction is committed and the store is not written: what a kill leaves is checked before and after.
            for is_written in [false, true] {
                if is_written {
                    store.commit();
                    let durability = if at % 2 == 0 { Durability::Immediate } else { Durability::None };
                    disk.write_with(&[(LOG.into(), log.len() as i64)].into(), 0, durability).unwrap();
                    prop_assert_eq!(contents(&disk), replay(&log));
                }
                fs::create_dir_all(path(killed.path()).parent().unwrap()).unwrap();
                fs::copy(path(dir.path()), path(killed.path())).unwrap();
                let left = open(killed.path());
                let next = left.next().unwrap().get(LOG).copied().unwrap_or(0) as usize;
                prop_assert!(next <= log.len());
                prop_assert_eq!(contents(&left), replay(&log[..next]));
            }
        }
        drop((store, disk));
        prop_assert_eq!(contents(&open(dir.path())), replay(&log));
    }
}

#[test]
fn what_is_of_no_use_is_wiped_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path());
    let write = || {
        let disk = open(dir.path());
        let mut store = over(&disk);
        store.put(1, 1);
        store.commit();
        disk.write(&[(LOG.into(), 1)].into(), 0).unwrap();
    };
    let reopened = |run: &str, now_ms| {
        let (disk, why) = TaskDisk::open(dir.path(), &owner(run), TASK, now_ms).unwrap();
        let disk = Rc::new(disk);
        (contents(&disk).len() + disk.next().unwrap().len(), why.unwrap_or_default())
    };
    write();
    assert_eq!(reopened("r", 0), (2, String::new()));
    type Spoil<'a> = (&'a str, &'a dyn Fn() -> (usize, String));
    let spoil: [Spoil<'_>; 7] = [
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
        ("does not have the expected fields", &|| {
            let disk = open(dir.path());
            disk.place(LOG).stage(Section::Entries, 1_i64.to_sorted_bytes(), Some(b"no number".to_vec()));
            disk.write(&Next::new(), 0).unwrap();
            assert_eq!(over(&disk).get(&1), None);
            assert!(disk.is_damaged() && disk.write(&[(LOG.into(), 2)].into(), 0).is_err());
            drop(disk);
            reopened("r", 0)
        }),
        ("", &|| {
            // Pages of which only the first is as it was: redb may see that when it opens the file, or when it reads it.
            let disk = open(dir.path());
            let mut bytes = fs::read(&path).unwrap();
            bytes[4096..].fill(0xff);
            fs::write(&path, bytes).unwrap();
            let store = over(&disk);
            assert!((1..1_000).filter_map(|key| store.get(&key)).count() <= 1);
            drop((store, disk));
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
