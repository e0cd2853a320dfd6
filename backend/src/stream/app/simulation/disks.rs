//! Disks that outlive the threads which write them: what is written stays, what is not is gone with its thread.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use super::log::Log;
use crate::stream::{
    Backing,
    app::{
        TaskId,
        cluster::{Disk, ParkedDisk},
        disk::{DiskError, Next},
    },
    store::tests::Shelf,
};

/// A folder and a task.
type Place = (PathBuf, TaskId);

/// All folders there are. A task's file is open once at most.
#[derive(Debug, Default)]
pub(super) struct Disks {
    files: RefCell<BTreeMap<Place, Rc<File>>>,
    open: RefCell<BTreeSet<Place>>,
}

/// A task's stores by changelog, and what follows in these.
#[derive(Debug, Default)]
struct File {
    shelves: RefCell<BTreeMap<Arc<str>, Rc<Shelf>>>,
    next: RefCell<Next>,
}

/// A file that is open.
#[derive(Debug)]
struct Opened {
    disks: Rc<Disks>,
    place: Place,
    file: Rc<File>,
}

impl Disks {
    pub(super) fn open(self: &Rc<Self>, dir: &Path, task: TaskId, is_locked: bool) -> Result<Rc<dyn Disk>, DiskError> {
        let place = (dir.to_owned(), task);
        if !self.open.borrow_mut().insert(place.clone()) && is_locked {
            return Err(DiskError::Locked);
        }
        let file = Rc::clone(self.files.borrow_mut().entry(place.clone()).or_default());
        Ok(Rc::new(Opened { disks: Rc::clone(self), place, file }))
    }

    /// What is open in a folder notes the ends of its changelogs as what follows, whatever was written.
    pub(super) fn note_ends(&self, dir: &Path, log: &Log) {
        let files = self.files.borrow();
        for (place, file) in files.iter().filter(|(place, _)| place.0 == dir && self.open.borrow().contains(place)) {
            let end = |changelog: &Arc<str>| (Arc::clone(changelog), log.end_of(&(Arc::clone(changelog), place.1.partition)) as i64);
            file.next.borrow_mut().extend(file.shelves.borrow().keys().map(end));
        }
    }
}

impl Disk for Opened {
    fn next(&self) -> Result<Next, DiskError> {
        Ok(self.file.next.borrow().clone())
    }

    fn place(self: Rc<Self>, changelog: &str) -> Rc<dyn Backing> {
        Rc::clone(self.file.shelves.borrow_mut().entry(changelog.into()).or_default()) as Rc<dyn Backing>
    }

    fn write(&self, next: &Next, _: i64) -> Result<(), DiskError> {
        self.file.shelves.borrow().values().for_each(|shelf| shelf.write());
        self.file.next.borrow_mut().extend(next.clone());
        Ok(())
    }

    fn clear(&self) -> Result<(), DiskError> {
        self.file.shelves.borrow_mut().clear();
        self.file.next.borrow_mut().clear();
        Ok(())
    }

    fn is_damaged(&self) -> bool {
        false
    }

    fn park(self: Rc<Self>) -> Option<Box<dyn ParkedDisk>> {
        let opened = Rc::into_inner(self)?;
        PARKED.with_borrow_mut(|parked| {
            let number = parked.last_key_value().map_or(0, |(number, _)| number + 1);
            parked.insert(number, opened);
            Some(Box::new(Parked(number)) as Box<dyn ParkedDisk>)
        })
    }
}

thread_local! {
    /// What is parked by the simulations of this thread: it can't go to another.
    static PARKED: RefCell<BTreeMap<usize, Opened>> = RefCell::default();
}

/// A number in place of a disk.
struct Parked(usize);

impl ParkedDisk for Parked {
    fn unpark(self: Box<Self>) -> Rc<dyn Disk> {
        let opened = PARKED.with_borrow_mut(|parked| parked.remove(&self.0));
        Rc::new(opened.expect("it is parked until it is taken or dropped"))
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        // Not before the map can be used again: to drop what was open looks at others.
        drop(PARKED.with_borrow_mut(|parked| parked.remove(&self.0)));
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.file.shelves.borrow().values().for_each(|shelf| shelf.forget_unwritten());
        self.disks.open.borrow_mut().remove(&self.place);
    }
}
