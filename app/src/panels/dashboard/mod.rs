//! A pipeline's dashboard: whatever widgets the pipeline sends, under controls for rate, pause and faults. Knows no pipeline by name.

mod bodies;
mod controls;
mod demo;
mod desk;
mod faults;
mod trace;
mod view;
mod widget;

use egui::Ui;
use weir_model::{Availability, Phase, PipelineId, PipelineMeta, Problem, Store};
use weir_ui_kit::{
    icons,
    widgets::{Failure, empty_state, error_state, segmented, skeleton, title},
};

use super::{
    Command, Panel, PanelContext, PanelMeta, Route,
    grid::{LastCell, grid, scrolled},
    parts,
    pipelines::{StartDialog, start},
};
use controls::Controls;
use view::View;
use widget::Charts;

pub(crate) use view::FREEZE;

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::DASHBOARD,
    title: "Dashboard",
    icon: icons::CHART_LINE_UP,
    help: "What a running pipeline computes, live, with its rate, faults and checks",
    make: || Box::new(DashboardPanel::default()),
};

/// Rows of the outline while nothing has come.
const SKELETON_ROWS: usize = 8;

#[derive(Default)]
struct DashboardPanel {
    /// The pipeline that was asked for.
    chosen: Option<PipelineId>,
    controls: Controls,
    view: View,
    charts: Charts,
    dialog: StartDialog,
}

impl Panel for DashboardPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(Route::Dashboard(id)) = cx.arrival.take() {
            self.chosen = Some(id);
        }
        let store = cx.store;
        let Some(meta) = shown(store, self.chosen.as_ref()) else {
            parts::screen(ui, |ui| {
                title(ui, META.title);
                if store.pipelines.is_empty() {
                    skeleton(ui, SKELETON_ROWS);
                } else {
                    empty_state(ui, icons::FLOW_ARROW, "No pipeline can be started yet", "They will be listed under Pipelines.", None);
                }
            });
            return;
        };
        scrolled(ui, |ui| {
            if !cx.is_presenting {
                self.choice(ui, store, meta);
            }
            self.pipeline(ui, meta, cx);
        });
        self.dialog.ui(ui, cx);
    }
}

impl DashboardPanel {
    /// The pipelines that can be shown, when there are several.
    fn choice(&mut self, ui: &mut Ui, store: &Store, shown: &PipelineMeta) {
        let ready: Vec<(usize, &str)> = store
            .pipelines
            .iter()
            .enumerate()
            .filter(|(_, meta)| meta.availability == Availability::Ready)
            .map(|(at, meta)| (at, &*meta.title))
            .collect();
        let mut chosen = store.pipelines.iter().position(|meta| meta.id == shown.id).unwrap_or(0);
        if ready.len() > 1 && segmented(ui, &mut chosen, &ready) {
            self.chosen = store.pipelines.get(chosen).map(|meta| meta.id.clone());
        }
    }

    fn pipeline(&mut self, ui: &mut Ui, meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
        let store = cx.store;
        let view = store.runs.get(&meta.id);
        let status = view.and_then(|view| view.status.as_deref());
        let dashboard = view.and_then(|view| view.dashboard.as_ref());
        let phase = status.map(|status| &status.phase);
        ui.horizontal_wrapped(|ui| {
            controls::heading(ui, meta, view);
            self.view.ui(ui, &meta.id, (phase, dashboard), cx);
        });
        self.controls.ui(ui, meta, view, &mut self.dialog, cx);
        if let Some(Phase::Failed(Problem { what, why, what_to_do })) = status.map(|status| &status.phase)
            && error_state(ui, Failure { what, why, what_to_do })
        {
            start(meta, cx);
        }
        match dashboard.map(|newest| self.view.shown(newest)) {
            Some(dashboard) => {
                self.charts.refresh(&dashboard);
                let spans: Vec<u8> = dashboard.widgets.iter().map(|widget| widget.span.columns()).collect();
                ui.add_space(4.0);
                grid(ui, meta.id.as_str(), &spans, LastCell::Grows, |ui, at, height| match dashboard.widgets.get(at) {
                    Some(widget) => self.charts.ui(ui, height, at, (&meta.id, widget), cx),
                    None => 0.0,
                });
            }
            None if status.is_some_and(|status| status.phase.is_active()) => skeleton(ui, SKELETON_ROWS),
            None if status.is_some_and(|status| matches!(status.phase, Phase::Failed(_))) => {}
            None => empty(ui, meta, &mut self.dialog, cx),
        }
    }
}

fn empty(ui: &mut Ui, meta: &PipelineMeta, dialog: &mut StartDialog, cx: &mut PanelContext<'_>) {
    let is_connected = cx.store.connection.bootstrap().is_some();
    let heading = format!("{} does not run", meta.title);
    let action = format!("{}  Start {}", icons::PLAY, meta.title);
    let (what_to_do, action) = match is_connected {
        true => (&*meta.story, Some(action.as_str())),
        false => ("It can be started as soon as a cluster answers.", None),
    };
    if empty_state(ui, icons::CHART_LINE_UP, &heading, what_to_do, action) {
        start(meta, cx);
    }
    if is_connected {
        ui.vertical_centered(|ui| {
            dialog.button(ui, meta);
            demo::buttons(ui, meta, cx);
        });
    }
}

/// The pipeline that was asked for, or one that runs, or the first that could.
fn shown<'a>(store: &'a Store, chosen: Option<&PipelineId>) -> Option<&'a PipelineMeta> {
    let ready = || store.pipelines.iter().filter(|meta| meta.availability == Availability::Ready);
    let status = |meta: &PipelineMeta| store.runs.get(&meta.id).and_then(|view| view.status.as_deref());
    ready()
        .find(|meta| Some(&meta.id) == chosen)
        .or_else(|| ready().find(|meta| status(meta).is_some_and(|status| status.phase.is_active())))
        .or_else(|| ready().next())
}

/// A link to where a widget's figures come from.
fn open_source(source: &weir_model::Source) -> Command {
    Command::Navigate(match source {
        weir_model::Source::Topic(topic) => Route::Topic(topic.clone()),
        weir_model::Source::Group(group) => Route::Group(group.clone()),
    })
}
