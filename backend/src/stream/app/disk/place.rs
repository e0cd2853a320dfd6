//! One store's place in a task's file: a table for each section.

use std::{cell::RefCell, ops::Bound, rc::Rc, sync::Arc};

use redb::{ReadOnlyTable, TableDefinition, TableError};

use super::{DiskError, TaskDisk, caught, unusable};
use crate::stream::{Backing, Row, RowRange, Section};

/// Keys as they sort, and values.
type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

pub(super) fn table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

#[derive(Debug)]
pub(super) struct Place {
    // Before the file: what is open of it is closed first.
    open: RefCell<Open>,
    names: [Arc<str>; 3],
    disk: Rc<TaskDisk>,
}

/// Tables as of one write; there is none before the first row.
#[derive(Debug, Default)]
struct Open {
    writes: u64,
    tables: [Option<Option<Rows>>; 3],
}

impl Place {
    pub(super) fn new(disk: Rc<TaskDisk>, changelog: &str) -> Self {
        let names = [Section::Entries, Section::Expiries, Section::Totals].map(|section| format!("{section:?} {changelog}").into());
        Self { open: RefCell::default(), names, disk }
    }

    /// Reads a section, or nothing where that has no rows or can't be read.
    fn read<T>(&self, section: Section, read: impl FnOnce(&Rows) -> Result<T, DiskError>) -> Option<T> {
        if self.disk.damage.borrow().is_some() {
            return None;
        }
        let found = caught(|| {
            let (at, writes) = (section as usize, self.disk.writes.get());
            let mut open = self.open.borrow_mut();
            if open.writes != writes {
                *open = Open { writes, ..Open::default() };
            }
            if open.tables[at].is_none() {
                open.tables[at] = Some(match self.disk.begin_read()?.open_table(table(&self.names[at])) {
                    Ok(rows) => Some(rows),
                    Err(TableError::TableDoesNotExist(_)) => None,
                    Err(error) => return Err(unusable(error)),
                });
            }
            open.tables[at].as_ref().and_then(Option::as_ref).map(read).transpose()
        });
        found.unwrap_or_else(|error| {
            self.disk.note_damage(error.to_string());
            None
        })
    }
}

impl Backing for Place {
    fn get(&self, section: Section, key: &[u8]) -> Option<Vec<u8>> {
        self.read(section, |rows| Ok(rows.get(key).map_err(unusable)?.map(|value| value.value().to_vec()))).flatten()
    }

    fn scan(&self, section: Section, (from, to): &RowRange, is_reversed: bool, rows_max: usize) -> Vec<Row> {
        let range = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        if is_empty(&range) {
            return Vec::new();
        }
        let scan = |rows: &Rows| {
            let mut found = rows.range::<&[u8]>(range).map_err(unusable)?;
            let next = || {
                let row = if is_reversed { found.next_back() } else { found.next() };
                Some(row?.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())).map_err(unusable))
            };
            std::iter::from_fn(next).take(rows_max).collect()
        };
        self.read(section, scan).unwrap_or_default()
    }

    fn stage(&self, section: Section, key: Vec<u8>, value: Option<Vec<u8>>) {
        let name = &self.names[section as usize];
        self.disk.staged.borrow_mut().entry(Arc::clone(name)).or_default().push((key, value));
    }

    fn note_damage(&self, why: String) {
        self.disk.note_damage(why);
    }

    fn damage(&self) -> Option<String> {
        self.disk.damage.borrow().clone()
    }
}

/// Whether no key lies within.
fn is_empty(range: &(Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match range {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        _ => false,
    }
}
