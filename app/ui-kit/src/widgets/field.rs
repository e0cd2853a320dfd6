//! Things to type into.

use egui::{CornerRadius, Frame, Margin, Response, Role, Slider, TextEdit, Ui, WidgetInfo};

use super::{copy_button, mono, subdued};
use crate::{format, icons, tokens::tokens};

/// Data with a button that copies it; true in the frame when it was pressed.
pub fn copy_field(ui: &mut Ui, text: &str, what: &str) -> bool {
    let tokens = tokens(ui);
    let frame = Frame::new().fill(tokens.background.raised).corner_radius(CornerRadius::same(5)).inner_margin(Margin {
        left: 10,
        right: 2,
        top: 0,
        bottom: 0,
    });
    frame
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                let width = (ui.available_width() - 36.0).max(40.0);
                ui.scope(|ui| {
                    ui.set_max_width(width);
                    mono(ui, text).on_hover_text(text);
                });
                copy_button(ui, text, what)
            })
            .inner
        })
        .inner
}

/// Text that narrows a list. `/` puts the cursor there, Escape empties it.
pub fn search_field(ui: &mut Ui, text: &mut String, hint: &str, width: f32) -> Response {
    let edit = TextEdit::singleline(text)
        .hint_text(format!("{}  {hint}", icons::MAGNIFYING_GLASS))
        .desired_width(width)
        .margin(Margin::symmetric(8, 6));
    let response = ui.add(edit);
    let value = text.clone();
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::TextInput, true, hint);
        info.current_text_value = Some(value.clone());
        info
    });
    let nobody_types = ui.ctx().memory(|memory| memory.focused().is_none());
    if nobody_types && ui.input(|input| input.key_pressed(egui::Key::Slash)) {
        response.request_focus();
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Escape)) {
        text.clear();
    }
    response
}

/// A label above a text field.
pub fn labelled_field(ui: &mut Ui, label: &str, text: &mut String, hint: &str) -> Response {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        let name = subdued(ui, label);
        ui.add(TextEdit::singleline(text).hint_text(hint).desired_width(f32::INFINITY).margin(Margin::symmetric(8, 6))).labelled_by(name.id)
    })
    .inner
}

/// A rate on a logarithmic slider, with a field to type it.
pub fn rate_slider(ui: &mut Ui, rate: &mut f64, range: std::ops::RangeInclusive<f64>, what: &str) -> Response {
    let slider = Slider::new(rate, range)
        .logarithmic(true)
        .smart_aim(true)
        .integer()
        .custom_formatter(|value, _| format::integer(value.round() as i64))
        .custom_parser(|text| text.replace([',', ' ', '_'], "").parse().ok());
    let accent = tokens(ui).accent.main;
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().interact_size.y = 26.0; // the figure's height, so that both stand on one line
            ui.visuals_mut().selection.bg_fill = accent; // the part of the rail left of the handle
            ui.add(slider)
        })
        .inner;
    let value = *rate;
    response.widget_info(|| WidgetInfo::slider(true, value, what));
    response
}
