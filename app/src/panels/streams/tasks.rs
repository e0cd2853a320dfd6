//! The tasks of an application: on which thread, how far, what waits.

use egui::Ui;
use weir_model::{StreamsApp, StreamsStandby, StreamsTask, StreamsTaskPhase, TimestampMs};
use weir_ui_kit::{
    format, icons,
    table::{ROW_HEIGHT, Table, TableCell, TableColumn},
    widgets::{Tone, section, subdued},
};

/// Rows in sight.
const ROWS_MAX: usize = 9;

pub(super) fn ui(ui: &mut Ui, app: &StreamsApp) {
    section(ui, "Tasks");
    if app.tasks.is_empty() && app.standbys.is_empty() {
        subdued(ui, "None here: the group has given them to nobody yet, or to other processes.");
        return;
    }
    let columns = [
        TableColumn::text("Task", 60.0).unsorted(),
        TableColumn::number("Thread", 60.0).unsorted(),
        TableColumn::text("Phase", 116.0).unsorted(),
        TableColumn::number("Waiting", 70.0).unsorted(),
        TableColumn::number("Late", 60.0).unsorted(),
        TableColumn::text("Stream time UTC", 140.0).unsorted(),
    ];
    let rows = app.tasks.len() + app.standbys.len();
    let height = (rows.min(ROWS_MAX) + 2) as f32 * ROW_HEIGHT;
    Table::new("Tasks", &columns, rows).height(height).show(ui, |row, column| match app.tasks.get(row) {
        Some(task) => cell(task, column),
        None => app.standbys.get(row - app.tasks.len()).map(|standby| standby_cell(standby, column)).unwrap_or_default(),
    });
}

/// A replica has no thread and processes nothing: what waits is what it has not read yet.
fn standby_cell(standby: &StreamsStandby, column: usize) -> TableCell<'_> {
    match column {
        0 => TableCell::mono(&*standby.task),
        2 => TableCell::badge(icons::COPY, "standby", Tone::Info),
        3 => TableCell::mono(format::integer(standby.lag_records)),
        5 => TableCell::text(format!("{} entries", format::integer(standby.entries))).subdued(),
        _ => TableCell::text("–").subdued(),
    }
}

/// `11-30 16:29:00`: nobody looks for the year of a moment that moves.
fn month_to_second(at: TimestampMs) -> String {
    format::timestamp_utc(at.0).chars().skip(5).take(14).collect()
}

fn cell(task: &StreamsTask, column: usize) -> TableCell<'_> {
    match column {
        0 => TableCell::mono(&*task.id),
        1 => TableCell::mono(task.thread.to_string()),
        2 => match task.phase {
            StreamsTaskPhase::Running => TableCell::badge(icons::PLAY, "running", Tone::Ok),
            StreamsTaskPhase::Suspended => TableCell::badge(icons::PAUSE, "suspended", Tone::Warning),
            StreamsTaskPhase::Restoring { done, total } => {
                let share = done as f32 / total.max(1) as f32;
                TableCell::badge(icons::ARROWS_CLOCKWISE, format!("restoring {:.0} %", share * 100.0), Tone::Info).with_bar(share)
            }
        },
        3 => TableCell::mono(format::integer(task.queued)),
        4 => TableCell::mono(format::integer(task.dropped.0)),
        _ => match task.stream_time {
            Some(at) => TableCell::mono(month_to_second(at)),
            None => TableCell::text("no record yet").subdued(),
        },
    }
}
