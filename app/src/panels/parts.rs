//! Parts that several panels are made of: load states, data age, verdicts, dialogs.

use std::sync::Arc;

use egui::{Frame, Id, Margin, Modal, RichText, Ui};
use weir_model::{Loadable, Problem, Request, TimestampMs, Verdict};
use weir_ui_kit::{
    format, icons,
    theme::{self, size},
    tokens,
    widgets::{self, Failure, Tone},
};

use super::{Command, PanelContext};

/// Rows of the outline while nothing is known.
const SKELETON_ROWS: usize = 8;
/// Width of a dialog.
const DIALOG_WIDTH: f32 = 460.0;

/// The margin of a whole screen.
pub(crate) fn screen<R>(ui: &mut Ui, add_contents: impl FnOnce(&mut Ui) -> R) -> R {
    Frame::new().inner_margin(Margin { left: 20, right: 20, top: 16, bottom: 12 }).show(ui, add_contents).inner
}

/// The value to show, stale or not. Draws what stands in for it, or above it, when it is missing, failed or old.
pub(crate) fn loaded<'a, T>(ui: &mut Ui, cx: &mut PanelContext<'a>, value: &'a Loadable<Arc<T>>) -> Option<&'a Arc<T>> {
    match value {
        Loadable::NotAsked | Loadable::Loading(None) => widgets::skeleton(ui, SKELETON_ROWS),
        Loadable::Failed { problem, stale } => {
            if widgets::error_state(ui, failure(problem)) {
                cx.request(Request::Refresh);
            }
            if let Some(stale) = stale {
                let note = format!("Below is what was known at {}", utc(stale.as_of));
                widgets::icon_text(ui, icons::CLOCK, &note, Tone::Warning);
            }
        }
        Loadable::Loading(Some(_)) | Loadable::Ready(_) => {}
    }
    value.value()
}

/// Tells which parts of an answer are missing.
pub(crate) fn partial(ui: &mut Ui, problems: &[Problem]) {
    let failures: Vec<Failure<'_>> = problems.iter().map(failure).collect();
    widgets::partial_bar(ui, &failures);
}

/// When the data was read. Absolute, so that a still screen stays right without being drawn again.
pub(crate) fn as_of(ui: &mut Ui, at: Option<TimestampMs>, now: TimestampMs) {
    if let Some(at) = at {
        let text = RichText::new(format!("as of {}", utc(at))).size(size::SMALL).color(tokens(ui).text.subdued);
        ui.label(text).on_hover_text(format!("{} UTC, {}", format::timestamp_utc(at.0), format::ago(now.since(at))));
    }
}

/// A problem in the kit's words.
pub(crate) fn failure(problem: &Problem) -> Failure<'_> {
    Failure { what: &problem.what, why: &problem.why, what_to_do: &problem.what_to_do }
}

/// How a verdict looks: never by colour alone.
pub(crate) fn verdict_look(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::CaughtUp => (icons::CHECK_CIRCLE, Tone::Ok),
        Verdict::Keeping => (icons::CHECK, Tone::Info),
        Verdict::Unknown => (icons::QUESTION, Tone::Neutral),
        Verdict::NoCommit => (icons::INFO, Tone::Neutral),
        Verdict::FallingBehind => (icons::WARNING, Tone::Warning),
        Verdict::Stalled => (icons::WARNING_CIRCLE, Tone::Danger),
        Verdict::DataLost => (icons::X, Tone::Danger),
    }
}

/// A dialog over the screen; true when the user wants it gone.
pub(crate) fn dialog(ui: &Ui, id: &str, heading: &str, add_contents: impl FnOnce(&mut Ui)) -> bool {
    let frame = Frame::popup(ui.style()).inner_margin(Margin::same(20));
    let modal = Modal::new(Id::unique(id)).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(DIALOG_WIDTH.min(ui.ctx().content_rect().width() - 64.0));
        let color = tokens(ui).text.strong;
        ui.label(RichText::new(heading).font(theme::medium(size::HEADING + 2.0)).color(color));
        ui.add_space(8.0);
        add_contents(ui);
    });
    modal.should_close()
}

/// A line to paste into a terminal, in the middle of an empty screen.
pub(crate) fn command_line(ui: &mut Ui, cx: &mut PanelContext<'_>, line: &str) {
    let font = theme::mono(size::BODY - 0.5);
    let char_width = ui.fonts_mut(|fonts| fonts.glyph_width(&font, 'm'));
    // The text, its margins and its button.
    let width = (line.chars().count() as f32 * char_width + 56.0).min(ui.available_width());
    ui.horizontal(|ui| {
        ui.add_space((ui.available_width() - width) / 2.0);
        if widgets::copy_field(ui, line, "kcat line") {
            cx.push(Command::Copy { text: line.to_owned(), what: "kcat line" });
        }
    });
}

/// What is wrong with a field, under it.
pub(crate) fn field_error(ui: &mut Ui, error: Option<&str>) {
    if let Some(error) = error {
        widgets::icon_text(ui, icons::WARNING_CIRCLE, error, Tone::Danger);
    }
}

fn utc(at: TimestampMs) -> String {
    let text = format::time_utc(at.0);
    format!("{} UTC", text.get(..8).unwrap_or(&text))
}
