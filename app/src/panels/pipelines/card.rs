//! One pipeline as a card: what it shows, how it runs, and the buttons to start, open and stop it.

use egui::{Align, Layout, Ui};
use weir_model::{Availability, Phase, PipelineMeta, PipelineParams, PipelineStatus, Request, ScenarioId};
use weir_ui_kit::{
    format, icons,
    widgets::{Tone, badge, primary_button, secondary_button, section, subdued},
};

use super::{reset, start_dialog::StartDialog, start_form::default_params};
use crate::panels::{Command, PanelContext, Route, grid::cell_card};

/// Draws the card as tall as its row; returns the height it needs.
pub(crate) fn pipeline_card(ui: &mut Ui, height: f32, meta: &PipelineMeta, dialog: &mut StartDialog, cx: &mut PanelContext<'_>) -> f32 {
    let store = cx.store;
    let view = store.runs.get(&meta.id);
    let status = view.and_then(|view| view.status.as_deref());
    cell_card(ui, height, |ui| {
        ui.horizontal(|ui| {
            section(ui, &meta.title);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| match status {
                Some(status) => phase_badge(ui, &status.phase),
                None if meta.availability == Availability::Planned => drop(badge(ui, "", "Planned", Tone::Neutral)),
                None => drop(badge(ui, "", "Ready", Tone::Info)),
            });
        });
        subdued(ui, &*meta.story);
        if meta.availability == Availability::Planned {
            return;
        }
        if let Some(status) = status.filter(|status| status.phase.is_active()) {
            ui.label(figures(status));
        }
        ui.add_space(4.0);
        ui.horizontal(|ui| buttons(ui, meta, (status, view.is_some_and(|view| view.dashboard.is_some())), dialog, cx));
    })
}

fn figures(status: &PipelineStatus) -> String {
    format!("{} events/s produced, {} processed", format::si(status.produced_per_s), format::si(status.processed_per_s))
}

fn buttons(
    ui: &mut Ui,
    meta: &PipelineMeta,
    (status, has_dashboard): (Option<&PipelineStatus>, bool),
    dialog: &mut StartDialog,
    cx: &mut PanelContext<'_>,
) {
    let open = Command::Navigate(Route::Dashboard(meta.id.clone()));
    let is_connected = cx.store.connection.bootstrap().is_some();
    if status.is_some_and(|status| status.phase.is_active()) {
        if primary_button(ui, &format!("{}  Open", icons::CHART_LINE_UP)).clicked() {
            cx.push(open);
        }
        if secondary_button(ui, &format!("{}  Stop", icons::STOP)).clicked() {
            cx.request(Request::StopPipeline(meta.id.clone()));
        }
        return;
    }
    let pressed = ui.add_enabled_ui(is_connected, |ui| primary_button(ui, &format!("{}  Start", icons::PLAY)).clicked());
    if pressed.response.on_disabled_hover_text("No cluster answers yet").contains_pointer() && !is_connected {
        ui.ctx().set_cursor_icon(egui::CursorIcon::NotAllowed);
    }
    if pressed.inner {
        start(meta, cx);
    }
    if is_led_elsewhere(meta, cx) {
        let help = "A run that another program leads on this cluster: its dashboard, from its beginning; nothing is processed here";
        if secondary_button(ui, &format!("{}  Watch", icons::EYE)).on_hover_text(help).clicked() {
            watch(meta, cx);
        }
    }
    if is_connected {
        dialog.button(ui, meta);
    }
    if has_dashboard && secondary_button(ui, "Last results").clicked() {
        cx.push(open);
    }
    reset::button(ui, meta, cx);
}

/// Whether somebody is in its groups, although it does not run here.
fn is_led_elsewhere(meta: &PipelineMeta, cx: &PanelContext<'_>) -> bool {
    let groups = cx.store.groups.value().map_or(&[][..], |groups| &groups.groups);
    groups.iter().any(|group| meta.groups.contains(&group.id) && !group.members.is_empty())
}

/// Shows the dashboard of a run that is led elsewhere.
fn watch(meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
    let params = PipelineParams { is_watching: true, ..default_params(meta) };
    cx.request(Request::StartPipeline(meta.id.clone(), params));
    cx.push(Command::Navigate(Route::Dashboard(meta.id.clone())));
}

/// Starts a pipeline as its card says, and shows its dashboard.
pub(crate) fn start(meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
    start_with(meta, default_params(meta), cx);
}

/// Starts a pipeline with these parameters, and shows its dashboard.
pub(crate) fn start_with(meta: &PipelineMeta, params: PipelineParams, cx: &mut PanelContext<'_>) {
    cx.request(Request::StartPipeline(meta.id.clone(), params));
    cx.push(Command::Navigate(Route::Dashboard(meta.id.clone())));
}

/// Starts a guided demo, and shows it.
pub(crate) fn start_demo(meta: &PipelineMeta, id: &ScenarioId, cx: &mut PanelContext<'_>) {
    start_with(meta, PipelineParams { scenario: Some(id.clone()), ..default_params(meta) }, cx);
}

/// Where a run is, as a word in a colour.
pub(crate) fn phase_badge(ui: &mut Ui, phase: &Phase) {
    let (icon, tone) = match phase {
        Phase::Stopped => ("", Tone::Neutral),
        Phase::Starting => (icons::CLOCK, Tone::Info),
        Phase::Running => (icons::PLAY, Tone::Ok),
        Phase::Paused => (icons::PAUSE, Tone::Warning),
        Phase::Stopping => (icons::CLOCK, Tone::Info),
        Phase::Failed(_) => (icons::WARNING_CIRCLE, Tone::Danger),
    };
    badge(ui, icon, phase.label(), tone);
}
