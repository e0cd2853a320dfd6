//! Where a store keeps what is committed when that may be more than memory holds: sorted bytes, whoever keeps them.

use std::{collections::VecDeque, fmt::Debug, ops::Bound};

/// What a backing keeps for one store, each in the order of its keys' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// Values by key.
    Entries,
    /// Times of expiry, each with its key; no values.
    Expiries,
    /// What is known of all entries together: one row.
    Totals,
}

/// A key and a value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The part of a section to look at.
pub type RowRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A store's place outside memory.
///
/// What can't be read or written is noted as damage and answered as if it were not there: an operator can't do anything about it. Whoever
/// runs the task looks for damage before it lets a result out.
pub trait Backing: Debug {
    /// A row.
    fn get(&self, section: Section, key: &[u8]) -> Option<Vec<u8>>;

    /// The first rows of a range, or its last ones, from the end, if it is reversed.
    fn scan(&self, section: Section, range: &RowRange, is_reversed: bool, rows_max: usize) -> Vec<Row>;

    /// Sets or deletes a row, as part of what the runner writes next: at once after the stores' commit, before anything is read.
    fn stage(&self, section: Section, key: Vec<u8>, value: Option<Vec<u8>>);

    /// Notes that something here is not what it should be.
    fn note_damage(&self, why: String);

    /// The first damage noted.
    fn damage(&self) -> Option<String>;
}

/// Rows of the first piece that a scan reads; each further piece has twice as many, up to the other number.
const PIECE_ROWS: [usize; 2] = [8, 256];

/// The rows of a range, read a piece at a time from either end.
pub(super) struct Scan<'a> {
    backing: &'a dyn Backing,
    section: Section,
    /// What neither end has read.
    unread: RowRange,
    is_read: bool,
    piece_rows: usize,
    front: VecDeque<Row>,
    /// The last row first.
    back: VecDeque<Row>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(backing: &'a dyn Backing, section: Section, range: RowRange) -> Self {
        let piece_rows = PIECE_ROWS[0];
        Self { backing, section, unread: range, is_read: false, piece_rows, front: VecDeque::new(), back: VecDeque::new() }
    }

    fn read(&mut self, is_reversed: bool) -> VecDeque<Row> {
        if self.is_read {
            return VecDeque::new();
        }
        let rows = self.backing.scan(self.section, &self.unread, is_reversed, self.piece_rows);
        self.is_read = rows.len() < self.piece_rows;
        if let Some((key, _)) = rows.last() {
            let end = if is_reversed { &mut self.unread.1 } else { &mut self.unread.0 };
            *end = Bound::Excluded(key.clone());
        }
        self.piece_rows = (self.piece_rows * 2).min(PIECE_ROWS[1]);
        rows.into()
    }
}

impl Iterator for Scan<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.front.is_empty() {
            self.front = self.read(false);
        }
        self.front.pop_front().or_else(|| self.back.pop_back())
    }
}

impl DoubleEndedIterator for Scan<'_> {
    fn next_back(&mut self) -> Option<Row> {
        if self.back.is_empty() {
            self.back = self.read(true);
        }
        self.back.pop_front().or_else(|| self.front.pop_back())
    }
}
