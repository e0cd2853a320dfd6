//! Pipelines: the classic uses of Kafka as cards, to be started and opened.

mod card;
mod reset;
mod start_dialog;
mod start_form;
#[cfg(test)]
mod tests;

use egui::Ui;
use weir_model::Availability;
use weir_ui_kit::{
    icons,
    widgets::{section, skeleton, subdued, title},
};

use super::{
    Panel, PanelContext, PanelMeta,
    grid::{LastCell, grid, scrolled},
};
pub(super) use card::{phase_badge, pipeline_card, start, start_demo, start_with};
pub(super) use start_dialog::StartDialog;

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::PIPELINES,
    title: "Pipelines",
    icon: icons::FLOW_ARROW,
    help: "Start one of the classic uses of Kafka as a real program over real topics",
    make: || Box::new(PipelinesPanel::default()),
};

/// Rows of the outline while the list is on its way.
const SKELETON_ROWS: usize = 6;
/// The width of a card that can be started, in twelfths.
const READY_SPAN: u8 = 6;
/// The width of a planned one.
const PLANNED_SPAN: u8 = 4;

#[derive(Default)]
struct PipelinesPanel {
    dialog: StartDialog,
}

impl Panel for PipelinesPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        scrolled(ui, |ui| {
            title(ui, META.title);
            subdued(
                ui,
                "Each is a real program over real topics, with a live dashboard, faults to inject and known truth to check it against.",
            );
            ui.add_space(8.0);
            if cx.store.pipelines.is_empty() {
                skeleton(ui, SKELETON_ROWS);
                return;
            }
            cards(ui, &mut self.dialog, cx, Availability::Ready, READY_SPAN);
            ui.add_space(12.0);
            section(ui, "Planned");
            cards(ui, &mut self.dialog, cx, Availability::Planned, PLANNED_SPAN);
        });
        self.dialog.ui(ui, cx);
    }
}

fn cards(ui: &mut Ui, dialog: &mut StartDialog, cx: &mut PanelContext<'_>, availability: Availability, span: u8) {
    let store = cx.store;
    let metas: Vec<_> = store.pipelines.iter().filter(|meta| meta.availability == availability).collect();
    let id = match availability {
        Availability::Ready => "ready",
        Availability::Planned => "planned",
    };
    grid(ui, id, &vec![span; metas.len()], LastCell::Stays, |ui, at, height| match metas.get(at) {
        Some(meta) => pipeline_card(ui, height, meta, dialog, cx),
        None => 0.0,
    });
}
