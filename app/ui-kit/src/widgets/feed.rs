//! What happened, newest first: a time, how it matters, a sentence.

use egui::{Color32, FontId, Label, RichText, Ui, text::LayoutJob, vec2};

use super::Tone;
use crate::{
    format, icons,
    plot::link,
    theme::{self, size},
    tokens::tokens,
};

/// Lines of an entry; what is longer ends in an ellipsis.
const LINES_MAX: usize = 3;

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub struct FeedEntry<'a> {
    /// When, as epoch milliseconds.
    pub at_ms: i64,
    /// How it matters.
    pub tone: Tone,
    /// What it was.
    pub text: &'a str,
}

/// Draws the entries in the order they have. Gives the one that was pressed.
pub fn feed<'a>(ui: &mut Ui, entries: impl Iterator<Item = FeedEntry<'a>> + Clone) -> Option<usize> {
    let tokens = tokens(ui);
    ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
    let times = || entries.clone().map(|entry| entry.at_ms);
    let span_ms = times().max().zip(times().min()).map_or(0, |(last, first)| last - first);
    let mut pressed = None;
    for (at, entry) in entries.clone().enumerate() {
        let shown = ui.horizontal_top(|ui| {
            let time = format::moment_utc(entry.at_ms, span_ms);
            ui.label(RichText::new(time).font(theme::mono(size::SMALL)).color(tokens.text.subdued));
            ui.label(RichText::new(sign(entry.tone)).font(theme::icon(14.0)).color(entry.tone.color(&tokens)));
            ui.add(Label::new(words(entry.text, tokens.text.normal)).wrap());
        });
        if link(ui, shown.response.rect, at, entry.text) {
            pressed = Some(at);
        }
    }
    pressed
}

/// As many lines as a narrow card needs to say it, up to a few.
fn words(text: &str, color: Color32) -> LayoutJob {
    let mut job = LayoutJob::simple(text.to_owned(), FontId::proportional(size::BODY), color, f32::INFINITY);
    job.wrap.max_rows = LINES_MAX;
    job
}

fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Neutral => icons::CARET_RIGHT,
        Tone::Ok => icons::CHECK_CIRCLE,
        Tone::Warning => icons::WARNING,
        Tone::Danger => icons::WARNING_CIRCLE,
        Tone::Info => icons::INFO,
    }
}
