//! What happened last in an application: rebalances, restores, aborted transactions, threads that were replaced.

use egui::{ScrollArea, Ui};
use weir_model::{NoticeLevel, StreamsApp};
use weir_ui_kit::widgets::{FeedEntry, Tone, feed, section, subdued};

const HEIGHT: f32 = 286.0;

pub(super) fn ui(ui: &mut Ui, app: &StreamsApp) {
    section(ui, "Rebalances, restores, transactions");
    for problem in app.threads.iter().filter_map(|thread| thread.last_problem.as_deref()) {
        subdued(ui, format!("Last problem: {problem}"));
    }
    if app.events.is_empty() {
        subdued(ui, "Nothing yet: commits that succeed are counted above.");
        return;
    }
    let texts: Vec<_> = app.events.iter().map(|event| format!("thread {} {}", event.thread, event.what)).collect();
    let entries = app.events.iter().zip(&texts).map(|(event, text)| FeedEntry {
        at_ms: event.at.0,
        tone: match event.level {
            NoticeLevel::Info => Tone::Info,
            NoticeLevel::Success => Tone::Ok,
            NoticeLevel::Warning => Tone::Warning,
            NoticeLevel::Error => Tone::Danger,
        },
        text,
    });
    ScrollArea::vertical().id_salt("history").max_height(HEIGHT).auto_shrink([false, true]).show(ui, |ui| feed(ui, entries));
}
