//! Shortcuts, and the few settings there are.

use egui::{Context, Grid, Modal, RichText, ScrollArea};
use weir_ui_kit::{
    theme::{self, size},
    tokens,
    widgets::{secondary_button, section, segmented, subdued},
};

use super::{settings::Settings, shortcuts};
use crate::panels::{Command, ThemeChoice};

/// Draws it. False when it is to close.
pub(super) fn ui(ctx: &Context, settings: &mut Settings, commands: &mut Vec<Command>) -> bool {
    let mut is_open = true;
    let modal = Modal::new(egui::Id::unique("help")).show(ctx, |ui| {
        ui.set_width(520.0_f32.min(ui.ctx().content_rect().width() - 64.0));
        ScrollArea::vertical().max_height(ui.ctx().content_rect().height() - 120.0).show(ui, |ui| {
            section(ui, "Settings");
            Grid::new("settings").num_columns(2).spacing([24.0, 8.0]).show(ui, |ui| {
                subdued(ui, "Theme");
                let mut theme = settings.theme;
                if segmented(ui, &mut theme, &[(ThemeChoice::System, "System"), (ThemeChoice::Dark, "Dark"), (ThemeChoice::Light, "Light")])
                {
                    commands.push(Command::SetTheme(theme));
                }
                ui.end_row();
                subdued(ui, "Text size");
                segmented(ui, &mut settings.text_scale, &[(0.9, "Small"), (1.0, "Normal"), (1.15, "Large"), (1.4, "Presentation")]);
                ui.end_row();
            });
            ui.add_space(12.0);
            section(ui, "Shortcuts");
            Grid::new("shortcuts").num_columns(2).spacing([24.0, 6.0]).show(ui, |ui| {
                let color = tokens(ui).text.strong;
                for (keys, what) in shortcuts::list(ui.ctx()) {
                    ui.label(RichText::new(keys).font(theme::mono(size::BODY - 1.0)).color(color));
                    ui.label(what);
                    ui.end_row();
                }
            });
            ui.add_space(12.0);
            subdued(ui, concat!("Weir ", env!("CARGO_PKG_VERSION"), ". Browsing joins no group and commits nothing. Times are UTC."));
            if secondary_button(ui, "Close").clicked() {
                is_open = false;
            }
        });
    });
    is_open && !modal.should_close()
}
