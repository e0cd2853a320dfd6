//! A figure to read from afar, with its recent past.

use egui::{Color32, CornerRadius, Frame, Label, Margin, Response, RichText, Sense, Shape, Stroke, Ui, Vec2, pos2, vec2};

use crate::{
    theme::{self, size},
    tokens::tokens,
};

/// A label, a figure, a unit, a note, a history.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatTile<'a> {
    /// What it is.
    pub label: &'a str,
    /// The figure; `–` when unknown.
    pub value: &'a str,
    /// Its unit.
    pub unit: &'a str,
    /// One more thing to know; may be empty.
    pub note: &'a str,
    /// Its recent past, oldest first; empty for none.
    pub history: &'a [f64],
    /// What it means, for a tooltip; may be empty.
    pub help: &'a str,
}

impl StatTile<'_> {
    /// Draws it as wide as there is room.
    pub fn show(self, ui: &mut Ui) -> Response {
        let tokens = tokens(ui);
        let frame = Frame::new()
            .fill(tokens.background.card)
            .stroke(Stroke::new(1.0, tokens.line.separator))
            .corner_radius(CornerRadius::same(6))
            .inner_margin(Margin { left: 14, right: 14, top: 10, bottom: 10 });
        let response = frame
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.set_min_height(74.0);
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.add(Label::new(RichText::new(self.label).size(size::SMALL).color(tokens.text.subdued)).truncate().selectable(false));
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = 5.0;
                    ui.label(RichText::new(self.value).font(theme::medium(size::FIGURE)).color(tokens.text.strong));
                    if !self.unit.is_empty() {
                        ui.add(Label::new(RichText::new(self.unit).color(tokens.text.subdued)).truncate());
                    }
                });
                if self.history.len() > 1 {
                    ui.add_space(3.0);
                    sparkline(ui, self.history, vec2(ui.available_width(), 18.0), tokens.accent.main);
                } else if !self.note.is_empty() {
                    ui.add(Label::new(RichText::new(self.note).size(size::SMALL).color(tokens.text.subdued)).truncate());
                }
            })
            .response;
        if self.help.is_empty() { response } else { response.on_hover_text(self.help) }
    }
}

/// A line without axes: only its shape speaks.
pub fn sparkline(ui: &mut Ui, values: &[f64], size: Vec2, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let max = values.iter().copied().fold(0.0_f64, f64::max);
    if values.len() < 2 || max <= 0.0 || !max.is_finite() {
        let y = rect.bottom() - 1.0;
        ui.painter().line_segment([pos2(rect.left(), y), pos2(rect.right(), y)], Stroke::new(1.0, color.gamma_multiply(0.4)));
        return response;
    }
    // More points than pixels say nothing more.
    let step = (values.len() as f32 / rect.width().max(1.0)).ceil().max(1.0) as usize;
    let last = (values.len() - 1) as f32;
    let points = values.iter().enumerate().step_by(step).map(|(at, value)| {
        let share = (*value / max).clamp(0.0, 1.0) as f32;
        pos2(rect.left() + rect.width() * at as f32 / last, rect.bottom() - 1.0 - (rect.height() - 2.0) * share)
    });
    ui.painter().add(Shape::line(points.collect(), Stroke::new(1.5, color)));
    response
}
