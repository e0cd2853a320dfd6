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

const COLUMNS: [TableColumn<'static>; 6] = [
    TableColumn { title: "Time (UTC)", width: 178.0, is_number: false, is_sortable: true },
    TableColumn { title: "Partition", width: 72.0, is_number: true, is_sortable: false },
    TableColumn { title: "Offset", width: 96.0, is_number: true, is_sortable: false },
    TableColumn { title: "Key", width: 150.0, is_number: false, is_sortable: false },
    TableColumn { title: "Size", width: 76.0, is_number: true, is_sortable: false },
    TableColumn { title: "Value", width: 320.0, is_number: false, is_sortable: false },
];

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
        let response = ui
            .push_id(self.generation, |ui| {
                Table::new("Messages", &COLUMNS, count)
                    .selected(selected)
                    .sorted(0, !self.is_oldest_first)
                    .follow_end(self.is_oldest_first && is_live)
                    .show(ui, |at, column| view.rows.get(order.flip(at)).map_or_else(TableCell::default, |row| cell(row, column, now)))
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

fn cell(row: &MessageRow, column: usize, now: TimestampMs) -> TableCell<'_> {
    let record = &row.record;
    match column {
        0 => record.timestamp.map_or_else(|| TableCell::mono("no timestamp").subdued(), |at| TableCell::mono(time_text(at, now))),
        1 => TableCell::mono(record.partition.to_string()).subdued(),
        2 => TableCell::mono(format::integer(record.offset.0)),
        3 => payload_cell(record.key.as_deref(), &row.key_preview, "null"),
        4 => TableCell::mono(text::bytes(size_bytes(row))).subdued(),
        _ => payload_cell(record.value.as_deref(), &row.value_preview, "null (tombstone)"),
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
    let is_today = at.0.div_euclid(DAY_MS) == now.0.div_euclid(DAY_MS);
    if is_today { format::time_utc(at.0) } else { format::timestamp_utc(at.0) }
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
