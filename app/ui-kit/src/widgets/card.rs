//! Surfaces and rows.

use egui::{Align, CornerRadius, Frame, InnerResponse, Label, Layout, Margin, RichText, Stroke, Ui};

use super::{mono, subdued};
use crate::{
    theme::{self, size},
    tokens::tokens,
};

/// A surface as wide as there is room, with a heading when `heading` is not empty.
pub fn card<R>(ui: &mut Ui, heading: &str, add_contents: impl FnOnce(&mut Ui) -> R) -> InnerResponse<R> {
    let tokens = tokens(ui);
    let frame = Frame::new()
        .fill(tokens.background.card)
        .stroke(Stroke::new(1.0, tokens.line.separator))
        .corner_radius(CornerRadius::same(6))
        .inner_margin(Margin::same(16));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if !heading.is_empty() {
            section(ui, heading);
        }
        add_contents(ui)
    })
}

/// The heading of a card or a part of a screen.
pub fn section(ui: &mut Ui, heading: &str) {
    let color = tokens(ui).text.strong;
    ui.add(Label::new(RichText::new(heading).font(theme::medium(size::HEADING)).color(color)).truncate());
}

/// A row of controls, the rest of it free.
pub fn toolbar<R>(ui: &mut Ui, add_contents: impl FnOnce(&mut Ui) -> R) -> R {
    ui.horizontal_wrapped(|ui| {
        ui.set_min_height(28.0);
        ui.with_layout(Layout::left_to_right(Align::Center).with_main_wrap(true), add_contents).inner
    })
    .inner
}

/// A name and a value.
pub fn key_value(ui: &mut Ui, key: &str, value: &str) {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 20.0; // nothing here is to be pressed
        ui.horizontal(|ui| {
            ui.scope(|ui| {
                ui.set_min_width(130.0);
                ui.set_max_width(130.0);
                subdued(ui, key);
            });
            mono(ui, value).on_hover_text(value);
        });
    });
}
