//! What a screen shows when it has nothing to show: empty, loading, failed, partial.

use egui::{CornerRadius, Frame, Label, Margin, Rect, RichText, Sense, Ui, vec2};

use super::{Tone, icon_text, primary_button, secondary_button};
use crate::{
    icons,
    theme::{self, size},
    tokens::tokens,
};

/// Nothing is here yet: says so, and what to do next. True when the action was pressed.
pub fn empty_state(ui: &mut Ui, icon: &str, heading: &str, what_to_do: &str, action: Option<&str>) -> bool {
    let tokens = tokens(ui);
    let mut is_pressed = false;
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.18).clamp(16.0, 120.0));
        ui.add(Label::new(RichText::new(icon).font(theme::icon(36.0)).color(tokens.text.subdued)).selectable(false));
        ui.label(RichText::new(heading).font(theme::medium(size::HEADING)).color(tokens.text.strong));
        ui.scope(|ui| {
            ui.set_max_width(ui.available_width().min(480.0));
            ui.add(Label::new(RichText::new(what_to_do).color(tokens.text.subdued)).wrap());
        });
        if let Some(action) = action {
            ui.add_space(8.0);
            is_pressed = primary_button(ui, action).clicked();
        }
        ui.add_space(16.0);
    });
    is_pressed
}

/// What went wrong, as a person needs it.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// What did not work.
    pub what: &'a str,
    /// Why.
    pub why: &'a str,
    /// What to do.
    pub what_to_do: &'a str,
}

/// Something failed. True when "Try again" was pressed.
pub fn error_state(ui: &mut Ui, failure: Failure<'_>) -> bool {
    let tokens = tokens(ui);
    let frame = Frame::new().fill(tokens.meaning.danger_soft).corner_radius(CornerRadius::same(6)).inner_margin(Margin::same(14));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            icon_text(ui, icons::WARNING_CIRCLE, failure.what, Tone::Danger);
            ui.label(RichText::new(failure.why).color(tokens.text.normal));
            ui.label(RichText::new(failure.what_to_do).color(tokens.text.strong));
            secondary_button(ui, "Try again").clicked()
        })
        .inner
}

/// A part of what is shown is missing; hovering tells which.
pub fn partial_bar(ui: &mut Ui, failures: &[Failure<'_>]) {
    let Some(first) = failures.first() else { return };
    let tokens = tokens(ui);
    let more = if failures.len() > 1 { format!(" (and {} more)", failures.len() - 1) } else { String::new() };
    let frame = Frame::new().fill(tokens.meaning.warning_soft).corner_radius(CornerRadius::same(6)).inner_margin(Margin::symmetric(12, 6));
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        icon_text(ui, icons::WARNING, &format!("Partial: {}{more}", first.what), Tone::Warning)
    });
    shown.inner.on_hover_ui(|ui| {
        for failure in failures {
            ui.label(format!("{}: {}. {}", failure.what, failure.why, failure.what_to_do));
        }
    });
}

/// The outline of rows that will come. Still, so that waiting costs nothing.
pub fn skeleton(ui: &mut Ui, rows: usize) {
    let color = tokens(ui).background.raised;
    ui.vertical(|ui| {
        for row in 0..rows {
            let width = ui.available_width() * [0.92, 0.7, 0.84, 0.6][row % 4];
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
            ui.painter().rect_filled(Rect::from_min_size(rect.min, vec2(width, 12.0)), 4.0, color);
        }
    });
}
