//! Whatever happens to a store, it is what was committed and what was changed since, in memory as on disk.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::stream::data::Windowed;

type Numbers = Store<String, i64>;

/// Three keys to a window; every seventh lies in none.
fn window_of(key: &str) -> Option<(i64, i64)> {
    let number: i64 = key.parse().ok()?;
    let start_ms = number - number % 3;
    (number % 7 != 0).then_some((start_ms, start_ms + 3))
}

/// Every other value is an open window.
fn start_of(_: &String, value: &i64) -> Option<i64> {
    (value % 2 == 0).then_some(value - 5)
}

impl Numbers {
    fn take(&mut self, step: Step) {
        match step {
            Step::Put(key, value) => {
                self.update(&key.to_string(), || value, |kept| *kept = value);
            }
            Step::Delete(key) => drop(self.delete(&key.to_string())),
            Step::Expire(before) => while self.pop_expired(before).is_some() {},
            Step::Commit => self.commit(),
            Step::Rollback => self.rollback(),
        }
    }
}

fn contents(store: &Numbers) -> Vec<(String, i64)> {
    store.iter().map(|(key, value)| (key.into_owned(), *value)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, i64),
    Delete(u8),
    Expire(i64),
    Commit,
    Rollback,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..6, 0_i64..50).prop_map(|(key, value)| Step::Put(key, value)),
        2 => (0_u8..6).prop_map(Step::Delete),
        1 => (0_i64..50).prop_map(Step::Expire),
        1 => Just(Step::Commit),
        1 => Just(Step::Rollback),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// A rollback returns to the last commit, the changelog rebuilds what was committed, and the index never lies.
    #[test]
    fn state_is_what_was_committed(steps in steps()) {
        let mut store = Numbers::expiring(|_, value| *value).in_windows(|key| window_of(key), 0);
        let mut own = Numbers::expiring(|_, value| *value).in_own_windows(start_of, 0);
        let (mut committed, mut replica) = (Vec::new(), Numbers::new());
        for step in steps {
            own.take(step.clone());
            match step {
                Step::Put(key, value) => store.put(key.to_string(), value),
                Step::Delete(key) => drop(store.delete(&key.to_string())),
                Step::Expire(before) => {
                    while let Some((_, value)) = store.pop_expired(before) {
                        prop_assert!(value < before);
                    }
                    prop_assert!(store.iter().all(|(_, value)| *value >= before));
                }
                Step::Commit => {
                    for change in store.changes().unwrap() {
                        replica.restore(&change.key, change.value.as_deref(), 0).unwrap();
                    }
                    store.commit();
                    committed = contents(&store);
                    prop_assert_eq!(&contents(&replica), &committed);
                }
                Step::Rollback => {
                    store.rollback();
                    prop_assert_eq!(&contents(&store), &committed);
                }
            }
            prop_assert_eq!(store.by_expiry.len(), store.len());
            prop_assert_eq!(store.last_expiry_ms(), store.iter().map(|(_, value)| *value).max());
            let between: BTreeSet<_> = store.expiring_between(10, 30).map(|(key, _)| key.into_owned()).collect();
            let expected = store.iter().filter(|(_, value)| (10..30).contains(&**value)).map(|(key, _)| key.into_owned());
            prop_assert_eq!(between, expected.collect());
            let mut lanes = BTreeMap::<_, usize>::new();
            store.iter().filter_map(|(key, _)| window_of(&key)).for_each(|window| *lanes.entry(window).or_default() += 1);
            let shown: BTreeMap<_, _> =
                store.lanes(usize::MAX).into_iter().map(|lane| ((lane.start_ms, lane.end_ms), lane.entries)).collect();
            prop_assert_eq!(shown, lanes);
            prop_assert_eq!(contents(&own), contents(&store));
            let open = own.iter().filter(|(key, value)| start_of(key, value).is_some()).count();
            prop_assert_eq!((own.lane_count(), own.lanes(usize::MAX).len()), (open, open));
        }
    }
}

/// Nor is it remembered: of short windows far more come and go between two commits than there are at once.
#[test]
fn what_came_and_went_is_no_change() {
    let mut store = Numbers::expiring(|_, value| *value);
    store.put("kept".to_owned(), 1_000);
    store.commit();
    for at in 0..100 {
        store.put(at.to_string(), at);
        store.pop_expired(at + 1);
        store.delete(&"never there".to_owned());
    }
    assert_eq!((store.changes(), store.before.len(), store.len()), (Ok(vec![]), 0, 1));
    store.delete(&"kept".to_owned());
    store.put("kept".to_owned(), 2_000);
    store.delete(&"kept".to_owned());
    store.rollback();
    assert_eq!(contents(&store), [("kept".to_owned(), 1_000)]);
}

/// A key in a window, so that keys sort otherwise than they are written.
type Place = Windowed<String>;
type OfWindows = Store<Place, i64>;

/// What happens to a store that is on disk.
#[derive(Clone, Debug)]
pub(in crate::stream) enum DiskStep {
    Put(Place, i64),
    Update(Place, i64),
    Delete(Place),
    Expire(i64),
    ExpireOne(i64),
    Restore(Place, Option<i64>),
    Commit,
    Rollback,
    Reopen,
}

pub(in crate::stream) fn disk_steps() -> impl Strategy<Value = Vec<DiskStep>> {
    use DiskStep::{Commit, Delete, Expire, ExpireOne, Put, Reopen, Restore, Rollback, Update};
    let place = || {
        let key = prop::sample::select(vec!["", "a", "a\0", "a\0b", "b"]);
        (-1_i64..2, key, 0_i64..2).prop_map(|(start_ms, key, end_ms)| Windowed { start_ms, key: key.to_owned(), end_ms })
    };
    // Few values, so that many expire at one time; the last never does.
    let value = || prop::sample::select(vec![-3_i64, 0, 2, 7, 8, i64::MAX]);
    let step = prop_oneof![
        5 => (place(), value()).prop_map(|(key, value)| Put(key, value)),
        3 => (place(), value()).prop_map(|(key, value)| Update(key, value)),
        3 => place().prop_map(Delete),
        1 => (-4_i64..9).prop_map(Expire),
        2 => (-4_i64..9).prop_map(ExpireOne),
        2 => Just(Commit),
        1 => Just(Rollback),
        1 => Just(Reopen),
        1 => (place(), prop::option::of(value())).prop_map(|(key, value)| Restore(key, value)),
    ];
    prop::collection::vec(step, 0..60)
}

/// Whatever is asked of a store.
fn seen(store: &OfWindows) -> impl PartialEq + std::fmt::Debug {
    let own = |(key, value): (Cow<'_, Place>, Cow<'_, i64>)| (key.into_owned(), value.into_owned());
    let all: Vec<_> = store.iter().map(own).collect();
    let (mut ends, mut from_ends) = (store.iter(), Vec::new());
    while let Some(first) = ends.next() {
        from_ends.extend([Some(own(first)), ends.next_back().map(own)]);
    }
    let bound = |start_ms, key: &str| Windowed { start_ms, key: key.to_owned(), end_ms: 1 };
    let part: Vec<_> = store.range(bound(-1, "a")..bound(1, "a\0")).rev().map(own).collect();
    let rest: Vec<_> = store.range((std::ops::Bound::Excluded(bound(0, "a")), std::ops::Bound::Unbounded)).map(own).collect();
    let keys: BTreeSet<Place> = all.iter().chain(&part).map(|(key, _)| key.clone()).chain([bound(0, "a"), bound(0, "nobody")]).collect();
    let values: Vec<_> = keys.iter().map(|key| store.get(key).map(Cow::into_owned)).collect();
    let expiring: Vec<_> = store.expiring_between(-1, 8).map(own).collect();
    let lanes = (store.lanes(3), store.lanes(usize::MAX), store.lane_count());
    (
        ((all, from_ends), (part, rest)),
        (values, expiring, lanes),
        (store.len(), store.last_expiry_ms(), store.browse("a", 3), store.changes()),
    )
}

/// Whether a store over this disk does as one in memory does. `open` opens the disk, and gives what writes that is staged.
pub(in crate::stream) fn behaves(
    steps: Vec<DiskStep>,
    cache_bytes: u64,
    has_own_windows: bool,
    mut open: impl FnMut() -> (Rc<dyn Backing>, Box<dyn Fn()>),
) -> Result<(), TestCaseError> {
    let store = || {
        let store = OfWindows::expiring(|_, value| *value);
        if has_own_windows {
            store.in_own_windows(|_, value| (value % 2 == 0).then_some(value - 5), 1)
        } else {
            store.in_windows(Place::bounds, 1)
        }
    };
    let (mut memory, mut disk) = (store(), store());
    let (mut backing, mut write) = open();
    disk.keep_on(Rc::clone(&backing), cache_bytes).unwrap();
    for step in steps {
        match step.clone() {
            DiskStep::Put(key, value) => [&mut memory, &mut disk].into_iter().for_each(|store| store.put(key.clone(), value)),
            DiskStep::Update(key, value) => {
                let add = |store: &mut OfWindows| *store.update(&key, || value, |it| *it = it.wrapping_add(value) % 10);
                prop_assert_eq!(add(&mut memory), add(&mut disk));
            }
            DiskStep::Delete(key) => prop_assert_eq!(memory.delete(&key), disk.delete(&key)),
            DiskStep::ExpireOne(before_ms) => prop_assert_eq!(memory.pop_expired(before_ms), disk.pop_expired(before_ms)),
            DiskStep::Expire(before_ms) => loop {
                let expired = memory.pop_expired(before_ms);
                prop_assert_eq!(&expired, &disk.pop_expired(before_ms));
                if expired.is_none() {
                    break;
                }
            },
            DiskStep::Restore(key, value) => {
                // A changelog is read before anything else changes.
                let value = value.map(|value| value.to_string().into_bytes());
                for store in [&mut memory, &mut disk] {
                    store.commit();
                    write();
                    store.restore(&Key::to_bytes(&key), value.as_deref(), 0).unwrap();
                    store.commit();
                    write();
                }
            }
            DiskStep::Commit => {
                [&mut memory, &mut disk].into_iter().for_each(StateStore::commit);
                write();
                prop_assert!(disk.entries.is_empty() && disk.before.is_empty() && disk.by_expiry.is_empty());
            }
            DiskStep::Rollback => [&mut memory, &mut disk].into_iter().for_each(StateStore::rollback),
            DiskStep::Reopen => {
                memory.rollback();
                disk = store();
                drop((backing, write));
                (backing, write) = open();
                disk.keep_on(Rc::clone(&backing), cache_bytes).unwrap();
            }
        }
        prop_assert_eq!(seen(&disk), seen(&memory), "after {:?}", step);
        let changed = disk.entries.len();
        prop_assert!(disk.in_memory() as u64 <= changed as u64 + cache_bytes / 64);
        prop_assert_eq!(backing.damage(), None);
    }
    Ok(())
}

type Rows = BTreeMap<(Section, Vec<u8>), Vec<u8>>;
/// A key, with its value or to be deleted.
type Staged = (Section, Vec<u8>, Option<Vec<u8>>);

/// A disk that forgets nothing but what was not written.
#[derive(Debug, Default)]
pub(in crate::stream) struct Shelf {
    rows: RefCell<Rows>,
    staged: RefCell<Vec<Staged>>,
    damage: RefCell<Option<String>>,
}

impl Shelf {
    pub(in crate::stream) fn forget_unwritten(&self) {
        self.staged.borrow_mut().clear();
    }

    pub(in crate::stream) fn write(&self) {
        for (section, key, value) in self.staged.take() {
            match value {
                Some(value) => drop(self.rows.borrow_mut().insert((section, key), value)),
                None => drop(self.rows.borrow_mut().remove(&(section, key))),
            }
        }
    }
}

impl Backing for Shelf {
    fn get(&self, section: Section, key: &[u8]) -> Option<Vec<u8>> {
        assert!(self.staged.borrow().is_empty(), "what is staged is written before anything is read");
        self.rows.borrow().get(&(section, key.to_vec())).cloned()
    }

    fn scan(&self, section: Section, range: &RowRange, is_reversed: bool, rows_max: usize) -> Vec<Row> {
        let rows = self.rows.borrow();
        let all = rows.iter().filter(|((of, key), _)| *of == section && range.contains(key));
        let all = all.map(|((_, key), value)| (key.clone(), value.clone()));
        if is_reversed { all.rev().take(rows_max).collect() } else { all.take(rows_max).collect() }
    }

    fn stage(&self, section: Section, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.staged.borrow_mut().push((section, key, value));
    }

    fn note_damage(&self, why: String) {
        self.damage.borrow_mut().get_or_insert(why);
    }

    fn damage(&self) -> Option<String> {
        self.damage.borrow().clone()
    }
}

proptest! {
    #[test]
    fn a_store_on_disk_is_the_one_in_memory(steps in disk_steps(), cache_entries in 0_u64..6, has_own_windows: bool) {
        let shelf = Rc::new(Shelf::default());
        behaves(steps, cache_entries * 150, has_own_windows, || {
            shelf.forget_unwritten();
            let writer = Rc::clone(&shelf);
            (Rc::clone(&shelf) as Rc<dyn Backing>, Box::new(move || writer.write()))
        })?;
    }
}

#[test]
fn what_can_not_be_read_is_noted() {
    let check = |spoil: &dyn Fn(&mut Rows), look: &dyn Fn(&mut OfWindows)| {
        let shelf = Rc::new(Shelf::default());
        let opened = || {
            let mut store = OfWindows::expiring(|_, value| *value);
            store.keep_on(Rc::clone(&shelf) as Rc<dyn Backing>, 0).map(|()| store)
        };
        let mut store = opened().unwrap();
        store.put(Windowed { start_ms: 0, key: "a".to_owned(), end_ms: 1 }, 5);
        store.commit();
        shelf.write();
        spoil(&mut shelf.rows.borrow_mut());
        let read = opened().map(|mut store| look(&mut store));
        assert!(read.is_err() || shelf.damage().is_some());
    };
    let cut = |section: Section| {
        move |rows: &mut Rows| rows.iter_mut().filter(|((of, _), _)| *of == section).for_each(|(_, value)| value.clear())
    };
    check(&cut(Section::Totals), &|_| ());
    check(&cut(Section::Entries), &|store| assert_eq!(store.get(&Windowed { start_ms: 0, key: "a".to_owned(), end_ms: 1 }), None));
    check(&cut(Section::Entries), &|store| assert_eq!(store.iter().count(), 0));
    check(&|rows| rows.retain(|(of, _), _| *of != Section::Entries), &|store| assert_eq!(store.pop_expired(9), None));
}
