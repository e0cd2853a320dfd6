//! Things to press.

use egui::{Button, Color32, Response, RichText, Role, TextWrapMode, Ui, WidgetInfo, vec2};

use crate::{
    icons,
    theme::{self, size},
    tokens::tokens,
};

/// The one thing to do here.
pub fn primary_button(ui: &mut Ui, text: &str) -> Response {
    let tokens = tokens(ui);
    filled(ui, text, tokens.accent.main, tokens.text.on_accent)
}

/// Something else to do here.
pub fn secondary_button(ui: &mut Ui, text: &str) -> Response {
    secondary_button_if(ui, true, text)
}

/// The same, which can be pressed only now and then. In a row that is full it begins the next one.
pub fn secondary_button_if(ui: &mut Ui, is_enabled: bool, text: &str) -> Response {
    ui.add_enabled(is_enabled, Button::new(text).wrap_mode(TextWrapMode::Extend))
}

/// Something that can't be taken back.
pub fn danger_button(ui: &mut Ui, text: &str) -> Response {
    let tokens = tokens(ui);
    filled(ui, text, tokens.meaning.danger_soft, tokens.meaning.danger)
}

fn filled(ui: &mut Ui, text: &str, fill: Color32, color: Color32) -> Response {
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for (state, strength) in [(&mut widgets.inactive, 1.0), (&mut widgets.hovered, 0.88), (&mut widgets.active, 0.8)] {
            state.weak_bg_fill = fill.gamma_multiply(strength);
        }
        ui.add(Button::new(RichText::new(text).font(theme::medium(size::BODY)).color(color)))
    })
    .inner
}

/// An icon to press; the tooltip says what it does.
pub fn icon_button(ui: &mut Ui, icon: &str, what: &str) -> Response {
    let color = tokens(ui).text.subdued;
    let button =
        Button::new(RichText::new(icon).font(theme::icon(16.0)).color(color)).frame_when_inactive(false).min_size(vec2(28.0, 28.0));
    let enabled = ui.is_enabled();
    let response = ui.add(button).on_hover_text(what);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, what));
    response
}

/// Copies a text when pressed; true in the frame when it was.
pub fn copy_button(ui: &mut Ui, text: &str, what: &str) -> bool {
    let is_clicked = icon_button(ui, icons::COPY, &format!("Copy {what}")).clicked();
    if is_clicked {
        ui.ctx().copy_text(text.to_owned());
    }
    is_clicked
}

/// Text that leads somewhere.
pub fn link(ui: &mut Ui, text: &str) -> Response {
    ui.link(text)
}

/// One of a few; true when the choice changed.
pub fn segmented<T: Copy + PartialEq>(ui: &mut Ui, chosen: &mut T, options: &[(T, &str)]) -> bool {
    let tokens = tokens(ui);
    let mut is_changed = false;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        for (value, text) in options {
            let is_chosen = *value == *chosen;
            let color = if is_chosen { tokens.text.strong } else { tokens.text.subdued };
            let button = Button::new(RichText::new(*text).color(color)).selected(is_chosen).frame_when_inactive(is_chosen);
            let response = ui.add(button);
            if response.clicked() && !is_chosen {
                *chosen = *value;
                is_changed = true;
            }
        }
    });
    is_changed
}
