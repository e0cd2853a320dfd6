//! Overview: the cluster at a glance, how to reach it, and what to start.

mod activity;
mod cluster;
mod figures;

use egui::Ui;
use weir_model::{Availability, PipelineMeta};
use weir_ui_kit::{
    icons,
    widgets::{link, section, skeleton, title},
};

use super::{
    Command, Panel, PanelContext, PanelMeta, Route,
    grid::{LastCell, grid, scrolled},
    parts,
    pipelines::{StartDialog, pipeline_card},
};

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::OVERVIEW,
    title: "Overview",
    icon: icons::GAUGE,
    help: "The cluster at a glance: its address, rates, lag, and the pipelines to start",
    make: || Box::new(OverviewPanel::default()),
};

/// Pipelines shown here; the others are one click away.
const PIPELINES_SHOWN: usize = 3;
/// Rows of the outline while the list of pipelines is on its way.
const SKELETON_ROWS: usize = 3;
/// The width of a pipeline's card, in twelfths.
const PIPELINE_SPAN: u8 = 4;
/// The write rate takes two thirds, the busiest topics the rest; groups have a row of their own.
const ACTIVITY_SPANS: [u8; 3] = [8, 4, 12];

#[derive(Default)]
struct OverviewPanel {
    figures: figures::Figures,
    dialog: StartDialog,
}

impl Panel for OverviewPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.figures.refresh(cx.store);
        scrolled(ui, |ui| {
            title(ui, META.title);
            partial(ui, cx);
            cluster::ui(ui, cx);
            self.figures.ui(ui, cx);
            pipelines(ui, &mut self.dialog, cx);
            ui.add_space(8.0);
            grid(ui, "activity", &ACTIVITY_SPANS, LastCell::Grows, |ui, cell, height| match cell {
                0 => activity::write_rate(ui, height, &self.figures, cx),
                1 => activity::busiest_topics(ui, height, &self.figures, cx),
                _ => activity::groups(ui, height, &self.figures, cx),
            });
        });
        self.dialog.ui(ui, cx);
    }
}

fn partial(ui: &mut Ui, cx: &PanelContext<'_>) {
    let cluster = cx.store.cluster.value().map(|cluster| cluster.partial.as_slice()).unwrap_or_default();
    let groups = cx.store.groups.value().map(|groups| groups.partial.as_slice()).unwrap_or_default();
    parts::partial(ui, &[cluster, groups].concat());
}

fn pipelines(ui: &mut Ui, dialog: &mut StartDialog, cx: &mut PanelContext<'_>) {
    let store = cx.store;
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        section(ui, "Pipelines");
        let total = store.pipelines.len();
        if total > PIPELINES_SHOWN && link(ui, &format!("All {total}")).clicked() {
            cx.push(Command::Navigate(Route::Panel(super::PIPELINES)));
        }
    });
    if store.pipelines.is_empty() {
        skeleton(ui, SKELETON_ROWS);
        return;
    }
    // What can be started comes first, each kind in the order of the list.
    let mut shown: Vec<&PipelineMeta> = store.pipelines.iter().collect();
    shown.sort_by_key(|meta| meta.availability != Availability::Ready);
    shown.truncate(PIPELINES_SHOWN);
    grid(ui, "pipelines", &vec![PIPELINE_SPAN; shown.len()], LastCell::Stays, |ui, at, height| match shown.get(at) {
        Some(meta) => pipeline_card(ui, height, meta, dialog, cx),
        None => 0.0,
    });
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;
    use weir_model::Update;

    use super::*;
    use crate::panels::testing;

    #[test]
    fn what_can_be_started_comes_before_what_is_planned() {
        let updates = testing::updates().into_iter().chain([Update::Pipelines(weir_backend::pipelines::metas())]);
        let harness = testing::bench(&META, updates.collect(), None);
        assert_eq!(harness.query_all_by_label_contains("Start with").count(), PIPELINES_SHOWN);
        assert!(harness.query_by_label_contains("Planned").is_none());
    }
}
