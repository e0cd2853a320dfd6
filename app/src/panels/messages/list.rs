//! The rows of a query, newest first by default. While the user looks further down, arriving rows wait above.

use std::sync::Arc;

use egui::Ui;
use weir_model::{MessageRow, MessagesView, TimestampMs};
use weir_ui_kit::{
    format, icons,
    table::{Table, TableCell, TableColumn},
    widgets,
};

use crate::panels::text;

/// A column of the list, in the order shown. The value takes what is left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    Partition,
    Offset,
    Key,
    Size,
    Value,
}

impl Column {
    const ALL: [Self; 6] = [Self::Time, Self::Partition, Self::Offset, Self::Key, Self::Size, Self::Value];

    fn heading(self, is_long_time: bool) -> TableColumn<'static> {
        match self {
            Self::Time if is_long_time => TableColumn::text("Time (UTC)", 180.0),
            Self::Time => TableColumn::text("Time (UTC)", 110.0),
            Self::Partition => TableColumn::number("Partition", 68.0).unsorted(),
            Self::Offset => TableColumn::number("Offset", 92.0).unsorted(),
            Self::Key => TableColumn::text("Key", 130.0).unsorted(),
            Self::Size => TableColumn::number("Size", 72.0).unsorted(),
            Self::Value => TableColumn::text("Value", 160.0).unsorted(),
        }
    }
}

/// Below this width sizes make room for values.
const SIZE_SHOWN_FROM: f32 = 700.0;

const DAY_MS: i64 = 86_400_000;

#[derive(Default)]
pub(super) struct List {
    is_oldest_first: bool,
    /// Counted from the query's first row, so that it stays right while rows come and go.
    selected: Option<u64>,
    /// Rows up to here are shown while the user looks further down.
    held_at: Option<u64>,
    /// Another number makes the table begin at its top again.
    generation: u64,
}

impl List {
    pub(super) fn reset(&mut self) {
        *self = Self { is_oldest_first: self.is_oldest_first, generation: self.generation + 1, ..Self::default() };
    }

    pub(super) fn clear_selection(&mut self) {
        self.selected = None;
    }

    /// Draws the rows; the one that was just chosen comes back.
    pub(super) fn ui(&mut self, ui: &mut Ui, now: TimestampMs, view: &MessagesView) -> Option<Arc<MessageRow>> {
        let total = view.dropped_rows + view.rows.len() as u64;
        let end = self.held_at.filter(|_| !self.is_oldest_first).map_or(total, |held| held.clamp(view.dropped_rows, total));
        if end < total {
            let waiting = total - end;
            let text = format!("{}  {}", icons::ARROW_UP, text::counted(waiting, "new record"));
            ui.vertical_centered(|ui| {
                if widgets::secondary_button(ui, &text).clicked() {
                    self.held_at = None;
                    self.generation += 1;
                }
            });
        }
        let count = usize::try_from(end - view.dropped_rows).unwrap_or(0);
        let order = Order { count, is_oldest_first: self.is_oldest_first };
        let selected = self.selected.and_then(|at| usize::try_from(at.checked_sub(view.dropped_rows)?).ok()).map(|at| order.flip(at));
        let is_live = view.receipt.as_ref().is_none_or(|receipt| receipt.stopped.is_none());
        let has_size = ui.available_width() >= SIZE_SHOWN_FROM;
        let columns: Vec<Column> = Column::ALL.into_iter().filter(|column| has_size || *column != Column::Size).collect();
        // Time only rises within a partition, so the ends tell whether another day is in the list.
        let is_long_time = [view.rows.front(), view.rows.back()].into_iter().flatten().any(|row| !is_today(row.record.timestamp, now));
        let headings: Vec<TableColumn<'_>> = columns.iter().map(|column| column.heading(is_long_time)).collect();
        let response = ui
            .push_id((self.generation, is_long_time), |ui| {
                Table::new("Messages", &headings, count)
                    .selected(selected)
                    .sorted(0, !self.is_oldest_first)
                    .follow_end(self.is_oldest_first && is_live)
                    .show(ui, |at, column| {
                        view.rows.get(order.flip(at)).map_or_else(TableCell::default, |row| cell(row, columns[column], now))
                    })
            })
            .inner;
        if response.sort_by.is_some() {
            self.is_oldest_first = !self.is_oldest_first;
            self.generation += 1;
        }
        self.held_at = (response.visible.start > 0 && is_live).then_some(end);
        let at = order.flip(response.selected?);
        self.selected = Some(view.dropped_rows + at as u64);
        view.rows.get(at).cloned()
    }
}

/// From the place on screen to the place among the rows, and back.
#[derive(Clone, Copy)]
struct Order {
    count: usize,
    is_oldest_first: bool,
}

impl Order {
    fn flip(self, at: usize) -> usize {
        if self.is_oldest_first { at } else { self.count.wrapping_sub(1).wrapping_sub(at) }
    }
}

fn cell(row: &MessageRow, column: Column, now: TimestampMs) -> TableCell<'_> {
    let record = &row.record;
    match column {
        Column::Time => {
            record.timestamp.map_or_else(|| TableCell::mono("no timestamp").subdued(), |at| TableCell::mono(time_text(at, now)))
        }
        Column::Partition => TableCell::mono(record.partition.to_string()).subdued(),
        Column::Offset => TableCell::mono(format::integer(record.offset.0)),
        Column::Key => payload_cell(record.key.as_deref(), &row.key_preview, "null"),
        Column::Size => TableCell::mono(text::bytes(size_bytes(row))).subdued(),
        Column::Value => payload_cell(record.value.as_deref(), &row.value_preview, "null (tombstone)"),
    }
}

fn payload_cell<'a>(bytes: Option<&[u8]>, preview: &'a str, null: &'static str) -> TableCell<'a> {
    match bytes {
        None => TableCell { text: null.into(), icon: icons::X, is_subdued: true, ..TableCell::default() },
        Some([]) => TableCell::text("empty").subdued(),
        Some(_) => TableCell::mono(preview),
    }
}

fn size_bytes(row: &MessageRow) -> u64 {
    let len = |bytes: &Option<Arc<[u8]>>| bytes.as_deref().map_or(0, <[u8]>::len) as u64;
    len(&row.record.key) + len(&row.record.value)
}

/// Today's times without their day; all others in full.
fn time_text(at: TimestampMs, now: TimestampMs) -> String {
    if is_today(Some(at), now) { format::time_utc(at.0) } else { format::timestamp_utc(at.0) }
}

fn is_today(at: Option<TimestampMs>, now: TimestampMs) -> bool {
    at.is_none_or(|at| at.0.div_euclid(DAY_MS) == now.0.div_euclid(DAY_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_first_is_a_mirror() {
        let check = |is_oldest_first: bool, at: usize, expect: usize| assert_eq!(Order { count: 10, is_oldest_first }.flip(at), expect);
        check(true, 3, 3);
        check(false, 0, 9);
        check(false, 9, 0);
    }

    #[test]
    fn another_day_is_told() {
        let now = TimestampMs(1_709_210_096_789);
        assert_eq!(time_text(now, now), "12:34:56.789");
        assert_eq!(time_text(TimestampMs(0), now), "1970-01-01 00:00:00.000");
    }

    #[test]
    fn null_and_empty_and_text_differ() {
        let check = |bytes: Option<&[u8]>, expect: &str, is_subdued: bool| {
            let cell = payload_cell(bytes, "null", "null (tombstone)");
            assert_eq!((&*cell.text, cell.is_subdued), (expect, is_subdued));
        };
        check(None, "null (tombstone)", true);
        check(Some(b""), "empty", true);
        check(Some(b"null"), "null", false);
    }
}
