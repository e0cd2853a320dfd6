//! The open windows of an application's stores, with stream time as a cursor: what is behind it closes once the grace is over.

use egui::Ui;
use weir_model::{StreamsApp, StreamsStore, StreamsWindow};
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
    // The slowest task's: beyond it nothing is late anywhere.
    let cursor = app.tasks.iter().filter_map(|task| task.stream_time).min();
    let explained = "The line is stream time: green windows take records in, yellow ones wait for late records until their grace is over.";
    subdued(ui, format!("{} open in all. {explained}", format::integer(open)));
    let spans: Vec<Vec<(LaneSpan<'_>, String)>> = stores.iter().take(LANES_MAX).map(|store| lane(store, cursor.map(|at| at.0))).collect();
    let shown: Vec<Vec<LaneSpan<'_>>> =
        spans.iter().map(|lane| lane.iter().map(|(span, label)| LaneSpan { label, ..*span }).collect()).collect();
    let labels: Vec<_> = stores.iter().map(|store| format!("{} {}", store.name, store.task)).collect();
    let lanes: Vec<Lane<'_>> = labels.iter().zip(&shown).map(|(label, spans)| Lane { label, spans }).collect();
    plot::lanes(ui, &plot::Lanes { lanes: &lanes, cursor_ms: cursor.map(|at| at.0) });
    if stores.len() > LANES_MAX {
        subdued(ui, format!("{} more stores have open windows.", stores.len() - LANES_MAX));
    }
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
