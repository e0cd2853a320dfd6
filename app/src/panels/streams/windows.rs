//! The open windows of an application's stores, with stream time as a cursor: what is behind it closes once the grace is over.

use egui::Ui;
use weir_model::{StreamsApp, StreamsStore, StreamsWindow, TimestampMs};
use weir_ui_kit::{
    format,
    plot::{self, Lane, LaneSpan},
    widgets::{Tone, section, subdued},
};

/// Lanes shown.
const LANES_MAX: usize = 12;

pub(super) fn ui(ui: &mut Ui, app: &StreamsApp) {
    section(ui, "Open windows");
    let mut stores: Vec<&StreamsStore> = app.stores.iter().filter(|store| !store.windows.is_empty()).collect();
    stores.sort_by_key(|store| (&store.name, &store.task));
    let open: u64 = app.stores.iter().map(|store| store.windows_open).sum();
    if stores.is_empty() {
        subdued(ui, "None: no store here keeps windows, or no record has come yet.");
        return;
    }
    let explained = "The line in a lane is its task's stream time: green windows take records in, yellow ones wait for late records until their grace is over.";
    subdued(ui, format!("{} open in all. {explained}", format::integer(open)));
    let cursor = |store: &StreamsStore| stream_time(app, store).map(|at| at.0);
    let spans: Vec<Vec<(LaneSpan<'_>, String)>> = stores.iter().take(LANES_MAX).map(|store| lane(store, cursor(store))).collect();
    let shown: Vec<Vec<LaneSpan<'_>>> =
        spans.iter().map(|lane| lane.iter().map(|(span, label)| LaneSpan { label, ..*span }).collect()).collect();
    let labels: Vec<_> = stores.iter().map(|store| (format!("{} {}", store.name, store.task), cursor(store))).collect();
    let lanes: Vec<Lane<'_>> =
        labels.iter().zip(&shown).map(|((label, cursor_ms), spans)| Lane { label, spans, cursor_ms: *cursor_ms }).collect();
    plot::lanes(ui, &plot::Lanes { lanes: &lanes, cursor_ms: None });
    if stores.len() > LANES_MAX {
        subdued(ui, format!("{} more stores have open windows.", stores.len() - LANES_MAX));
    }
}

/// Each task has a time of its own: what is late for one is not for another.
fn stream_time(app: &StreamsApp, store: &StreamsStore) -> Option<TimestampMs> {
    app.tasks.iter().find(|task| task.id == store.task).and_then(|task| task.stream_time)
}

fn lane(store: &StreamsStore, cursor_ms: Option<i64>) -> Vec<(LaneSpan<'static>, String)> {
    let span = |window: &StreamsWindow| {
        let is_over = cursor_ms.is_some_and(|now| now >= window.end.0);
        let tone = if is_over { Tone::Warning } else { Tone::Ok };
        let label = match &window.key {
            Some(key) => format!("{key}: {}", format::integer(window.entries)),
            None => format::integer(window.entries),
        };
        (LaneSpan { from_ms: window.start.0, to_ms: window.end.0.max(window.start.0 + 1), label: "", tone }, label)
    };
    store.windows.iter().map(span).collect()
}
