//! Disks that outlive the members which write them: what is written stays, what is not is gone with its member.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use super::MEMBERS;
use crate::stream::{Backing, app::TaskId, store::tests::Shelf};

/// A folder for each member that may live at once, which its successors inherit. One that is started early may find its task's file still open:
/// then it works in memory, as does every third.
#[derive(Default)]
pub(super) struct Folders {
    disks: BTreeMap<(usize, TaskId), Rc<Disk>>,
    /// By task and member.
    open: BTreeSet<(TaskId, usize)>,
}

impl Folders {
    /// What the member's folder has of a task.
    pub(super) fn open(&mut self, member: usize, task: TaskId) -> Option<Rc<Disk>> {
        let folder = member % MEMBERS;
        let is_locked = self.open.iter().any(|(of, by)| *of == task && by % MEMBERS == folder);
        if folder == MEMBERS - 1 || is_locked {
            return None;
        }
        self.open.insert((task, member));
        let disk = Rc::clone(self.disks.entry((folder, task)).or_default());
        disk.forget_unwritten();
        Some(disk)
    }

    /// What the member has open of a task.
    pub(super) fn of(&self, member: usize, task: TaskId) -> Option<&Disk> {
        self.disks.get(&(member % MEMBERS, task)).filter(|_| self.open.contains(&(task, member))).map(|disk| &**disk)
    }

    /// The member has no other tasks any more.
    pub(super) fn keep_open(&mut self, member: usize, is_kept: impl Fn(TaskId) -> bool) {
        self.open.retain(|(task, by)| *by != member || is_kept(*task));
    }

    /// The member has no task any more.
    pub(super) fn close(&mut self, member: usize) {
        self.keep_open(member, |_| false);
    }
}

/// A task's stores by changelog, and what follows in these.
#[derive(Default)]
pub(super) struct Disk {
    shelves: RefCell<BTreeMap<Arc<str>, Rc<Shelf>>>,
    next: RefCell<BTreeMap<Arc<str>, usize>>,
}

impl Disk {
    pub(super) fn place(&self, changelog: &Arc<str>) -> Rc<dyn Backing> {
        Rc::clone(self.shelves.borrow_mut().entry(Arc::clone(changelog)).or_default()) as Rc<dyn Backing>
    }

    pub(super) fn next(&self, changelog: &str) -> usize {
        self.next.borrow().get(changelog).copied().unwrap_or(0)
    }

    pub(super) fn write(&self, next: impl Iterator<Item = (Arc<str>, usize)>) {
        self.shelves.borrow().values().for_each(|shelf| shelf.write());
        self.note(next);
    }

    pub(super) fn note(&self, next: impl Iterator<Item = (Arc<str>, usize)>) {
        self.next.borrow_mut().extend(next);
    }

    fn forget_unwritten(&self) {
        self.shelves.borrow().values().for_each(|shelf| shelf.forget_unwritten());
    }
}
