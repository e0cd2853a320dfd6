//! A figure between its bounds, with the band it should be in.

use egui::{Align2, FontId, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

use super::{as_link, label};
use crate::{
    format,
    theme::{self, size},
    tokens::tokens,
    widgets::Tone,
};

/// The gauge.
#[derive(Debug, Clone, Copy)]
pub struct Gauge<'a> {
    /// What is measured.
    pub label: &'a str,
    /// The figure; `None` while unknown.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: &'a str,
    /// Digits after the point.
    pub decimals: usize,
    /// The left end.
    pub min: f64,
    /// The right end.
    pub max: f64,
    /// Where all is well.
    pub good: (f64, f64),
}

impl Gauge<'_> {
    fn tone(&self) -> Tone {
        match self.value {
            None => Tone::Neutral,
            Some(value) if (self.good.0..=self.good.1).contains(&value) => Tone::Ok,
            Some(_) => Tone::Warning,
        }
    }
}

/// Draws one as wide as there is room; whether it was pressed, where it leads somewhere.
pub fn gauge(ui: &mut Ui, gauge: &Gauge<'_>, whither: &str) -> bool {
    let tokens = tokens(ui);
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), 46.0), if whither.is_empty() { Sense::hover() } else { Sense::click() });
    let words = rect.with_max_y(rect.top() + 20.0);
    let value = gauge.value.map_or_else(|| "–".to_owned(), |value| format::decimal(value, gauge.decimals));
    let figure = format!("{value} {}", gauge.unit);
    let figure = figure.trim_end();
    let taken = label(ui, words, figure, theme::medium(size::BODY), gauge.tone().color(&tokens), Align2::RIGHT_CENTER);
    let name = words.with_max_x(taken.left() - 8.0);
    label(ui, name, gauge.label, FontId::proportional(size::BODY), tokens.text.normal, Align2::LEFT_CENTER);
    let span = (gauge.max - gauge.min).max(f64::MIN_POSITIVE);
    let x = |value: f64| rect.left() + rect.width() * ((value - gauge.min) / span).clamp(0.0, 1.0) as f32;
    let track = Rect::from_min_max(pos2(rect.left(), rect.top() + 24.0), pos2(rect.right(), rect.top() + 32.0));
    ui.painter().rect_filled(track, 4.0, tokens.background.raised);
    let good = Rect::from_min_max(pos2(x(gauge.good.0), track.top()), pos2(x(gauge.good.1), track.bottom()));
    ui.painter().rect_filled(good, 4.0, tokens.meaning.ok.gamma_multiply(0.35));
    let ends = Rect::from_min_max(pos2(rect.left(), track.bottom() + 1.0), rect.max);
    let small = || FontId::proportional(size::SMALL);
    label(ui, ends, &format::decimal(gauge.min, 0), small(), tokens.text.subdued, Align2::LEFT_CENTER);
    label(ui, ends, &format::decimal(gauge.max, 0), small(), tokens.text.subdued, Align2::RIGHT_CENTER);
    if let Some(value) = gauge.value {
        let (x, color) = (x(value), gauge.tone().color(&tokens));
        ui.painter().line_segment([pos2(x, track.top() - 2.0), pos2(x, track.bottom() + 2.0)], Stroke::new(3.0, color));
        let tip = pos2(x, track.top() - 1.0);
        ui.painter().add(Shape::convex_polygon(vec![tip, tip + vec2(-4.0, -5.0), tip + vec2(4.0, -5.0)], color, Stroke::NONE));
    }
    let (low, high) = (format::decimal(gauge.good.0, gauge.decimals), format::decimal(gauge.good.1, gauge.decimals));
    let told = format!("{}: {figure}; should be {low} – {high}", gauge.label);
    let response = response.on_hover_text(super::told(&told, whither));
    !whither.is_empty() && as_link(ui, response, &format!("{}: {whither}", gauge.label))
}
