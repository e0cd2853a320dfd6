//! Spans of time in lanes: sessions of a user, windows of a store, incidents, with a cursor for the stream's time.

use egui::{Align2, FontId, Rect, Sense, Stroke, Ui, pos2, vec2};

use super::label;
use crate::{
    format,
    theme::size,
    tokens::tokens,
    widgets::{Tone, subdued},
};

/// All of them.
#[derive(Debug, Clone, Copy)]
pub struct Lanes<'a> {
    /// From top to bottom.
    pub lanes: &'a [Lane<'a>],
    /// Where stream time stands, as epoch milliseconds.
    pub cursor_ms: Option<i64>,
}

/// One lane.
#[derive(Debug, Clone, Copy)]
pub struct Lane<'a> {
    /// Its name.
    pub label: &'a str,
    /// What happened in it, in no order.
    pub spans: &'a [LaneSpan<'a>],
    /// Where time stands in this lane alone, as epoch milliseconds.
    pub cursor_ms: Option<i64>,
}

/// One span of time, as epoch milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct LaneSpan<'a> {
    /// From here.
    pub from_ms: i64,
    /// Up to here.
    pub to_ms: i64,
    /// What it is.
    pub label: &'a str,
    /// How it stands.
    pub tone: Tone,
}

const LANE_HEIGHT: f32 = 26.0;
const LABEL_WIDTH_MAX: f32 = 130.0;
const TICKS: i64 = 4;
/// The least that is shown: of a shorter time the axis would tell the same second five times.
const SPAN_MIN_MS: i64 = 20_000;

/// Draws the lanes over the time they cover, as wide as there is room. Gives the span that was pressed, as its lane and its place there.
pub fn lanes(ui: &mut Ui, shown: &Lanes<'_>) -> Option<(usize, usize)> {
    let tokens = tokens(ui);
    let spans = || shown.lanes.iter().flat_map(|lane| lane.spans);
    let Some(from_ms) = spans().map(|span| span.from_ms).min() else {
        subdued(ui, "Nothing yet.");
        return None;
    };
    let cursors = shown.lanes.iter().filter_map(|lane| lane.cursor_ms).chain(shown.cursor_ms);
    let to_ms = spans().map(|span| span.to_ms).chain(cursors).max().unwrap_or(from_ms).max(from_ms + SPAN_MIN_MS);
    let label_width = (ui.available_width() * 0.25).min(LABEL_WIDTH_MAX);
    ui.spacing_mut().item_spacing.y = 0.0;
    let top = ui.cursor().top();
    let mut area = Rect::NOTHING;
    let mut pressed = None;
    for (number, lane) in shown.lanes.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LANE_HEIGHT), Sense::click());
        area = rect.with_min_x(rect.left() + label_width);
        let x = |at_ms: i64| area.left() + area.width() * ((at_ms - from_ms) as f64 / (to_ms - from_ms) as f64) as f32;
        label(
            ui,
            rect.with_max_x(area.left() - 8.0),
            lane.label,
            FontId::proportional(size::BODY),
            tokens.text.normal,
            Align2::LEFT_CENTER,
        );
        ui.painter().line_segment([area.left_bottom(), area.right_bottom()], Stroke::new(1.0, tokens.line.grid));
        let mut hovered = None;
        for (at, span) in lane.spans.iter().enumerate() {
            let bar = Rect::from_min_max(pos2(x(span.from_ms), rect.top() + 4.0), pos2(x(span.to_ms), rect.bottom() - 4.0));
            let bar = bar.with_max_x(bar.right().max(bar.left() + 3.0));
            ui.painter().rect_filled(bar, 3.0, span.tone.soft(&tokens));
            ui.painter().rect_stroke(bar, 3.0, Stroke::new(1.0, span.tone.color(&tokens)), egui::StrokeKind::Inside);
            if bar.width() > 40.0 {
                let inner = bar.shrink2(vec2(6.0, 0.0));
                label(ui, inner, span.label, FontId::proportional(size::SMALL), tokens.text.normal, Align2::LEFT_CENTER);
            }
            if response.hover_pos().is_some_and(|pointer| bar.expand(1.0).contains(pointer)) {
                hovered = Some((at, span));
            }
        }
        if let Some(cursor_ms) = lane.cursor_ms {
            let x = x(cursor_ms).max(area.left());
            ui.painter().line_segment([pos2(x, rect.top() + 1.0), pos2(x, rect.bottom() - 1.0)], Stroke::new(2.0, tokens.accent.main));
        }
        if let Some((at, span)) = hovered {
            if response.clicked() {
                pressed = Some((number, at));
            }
            let length = format::duration_ms(span.to_ms - span.from_ms);
            let clock = |at_ms| format::moment_utc(at_ms, to_ms - from_ms);
            response.on_hover_text(format!("{}\n{} – {}, {length}", span.label, clock(span.from_ms), clock(span.to_ms)));
        }
    }
    axis(ui, from_ms, to_ms, label_width);
    if let Some(cursor_ms) = shown.cursor_ms {
        let x = area.left() + area.width() * ((cursor_ms - from_ms) as f64 / (to_ms - from_ms) as f64).clamp(0.0, 1.0) as f32;
        ui.painter().line_segment([pos2(x, top), pos2(x, area.bottom())], Stroke::new(1.5, tokens.accent.main));
    }
    pressed
}

fn axis(ui: &mut Ui, from_ms: i64, to_ms: i64, label_width: f32) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
    let area = rect.with_min_x(rect.left() + label_width);
    for tick in 0..=TICKS {
        let share = tick as f32 / TICKS as f32;
        let (anchor, x) = match tick {
            0 => (Align2::LEFT_CENTER, area.left()),
            TICKS => (Align2::RIGHT_CENTER, area.right()),
            _ => (Align2::CENTER_CENTER, area.left() + area.width() * share),
        };
        let place = Rect::from_center_size(pos2(x, area.center().y), vec2(area.width() / TICKS as f32, area.height()));
        let place = match tick {
            0 => place.translate(vec2(place.width() / 2.0, 0.0)),
            TICKS => place.translate(vec2(-place.width() / 2.0, 0.0)),
            _ => place,
        };
        let at_ms = from_ms + (to_ms - from_ms) * tick / TICKS;
        label(ui, place, &format::moment_utc(at_ms, to_ms - from_ms), FontId::proportional(size::SMALL), tokens.text.subdued, anchor);
    }
}
