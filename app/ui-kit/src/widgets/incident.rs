//! Something that went wrong, or did and is over: what, how bad, since when, and the facts.

use egui::{Align, CornerRadius, Frame, Layout, Margin, Response, RichText, Stroke, Ui};

use super::{Tone, badge, subdued};
use crate::{
    theme::{self, size},
    tokens::tokens,
};

/// The incident.
#[derive(Debug, Clone, Copy)]
pub struct Incident<'a> {
    /// What it is, in a few words.
    pub title: &'a str,
    /// How bad it is.
    pub tone: Tone,
    /// The same in a word, such as `critical`, `resolved`.
    pub state: &'a str,
    /// Since when, or how long.
    pub when: &'a str,
    /// Names and values.
    pub facts: &'a [(&'a str, &'a str)],
    /// What is done about it; may be empty.
    pub note: &'a str,
}

/// Draws one as wide as there is room.
pub fn incident(ui: &mut Ui, incident: &Incident<'_>) -> Response {
    let tokens = tokens(ui);
    let frame = Frame::new()
        .fill(incident.tone.soft(&tokens))
        .stroke(Stroke::new(1.0, incident.tone.color(&tokens).gamma_multiply(0.5)))
        .corner_radius(CornerRadius::same(6))
        .inner_margin(Margin::symmetric(12, 8));
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.horizontal(|ui| {
            badge(ui, "", incident.state, incident.tone);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                subdued(ui, incident.when);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let title = RichText::new(incident.title).font(theme::medium(size::BODY)).color(tokens.text.strong);
                    ui.add(egui::Label::new(title).truncate());
                });
            });
        });
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            for (name, value) in incident.facts {
                ui.label(RichText::new(*name).size(size::SMALL).color(tokens.text.subdued));
                ui.label(RichText::new(*value).font(theme::medium(size::SMALL)).color(tokens.text.strong));
                ui.add_space(10.0);
            }
        });
        if !incident.note.is_empty() {
            ui.label(RichText::new(incident.note).size(size::SMALL).color(tokens.text.normal));
        }
    });
    shown.response
}
