//! What stands above a dashboard: the run's state, its controls, the faults to inject, and the verdicts against truth.

use egui::{Align, Layout, Ui};
use weir_model::{Check, CheckVerdict, Phase, PipelineMeta, PipelineStatus, PipelineView, Request, RunReport, TimestampMs};
use weir_ui_kit::{
    format, icons,
    widgets::{Tone, badge, primary_button, rate_slider, secondary_button, secondary_button_if, subdued, title},
};

use super::demo;
use crate::panels::{
    Command, PanelContext, Route,
    pipelines::{phase_badge, start},
};

/// How soon the countdown of a fault moves.
const COUNTDOWN_STEP_MS: i64 = 1_000;
/// The width of the menu of faults: lines that can be read at a glance.
const FAULTS_WIDTH: f32 = 420.0;

/// What the user is setting and the backend has not taken over yet.
#[derive(Default)]
pub(super) struct Controls {
    rate: Option<f64>,
}

impl Controls {
    pub(super) fn ui(&mut self, ui: &mut Ui, meta: &PipelineMeta, view: Option<&PipelineView>, cx: &mut PanelContext<'_>) {
        let status = view.and_then(|view| view.status.as_deref());
        ui.horizontal_wrapped(|ui| {
            title(ui, &meta.title);
            if let Some(status) = status {
                phase_badge(ui, &status.phase);
            }
            if let Some(at) = view.and_then(|view| view.dashboard.as_deref()).and_then(|dashboard| dashboard.event_time) {
                subdued(ui, format!("event time {} UTC", trimmed(at)));
            }
        });
        subdued(ui, &*meta.story);
        ui.add_space(4.0);
        ui.horizontal_wrapped(|ui| match status {
            Some(status) if status.phase.is_active() => {
                self.running(ui, meta, status, cx);
            }
            Some(_) => {
                if primary_button(ui, &format!("{}  Start again", icons::PLAY)).clicked() {
                    start(meta, cx);
                }
                demo::buttons(ui, meta, cx);
            }
            None => {}
        });
        if let Some(view) = status.and_then(|status| status.scenario.as_deref()) {
            ui.add_space(4.0);
            demo::progress(ui, view);
        }
        if let Some(status) = status {
            figures(ui, status);
            let report = view.and_then(|view| view.report.as_deref()).filter(|_| !status.phase.is_active());
            checks(ui, report.map_or(&status.checks[..], |report| &report.checks));
            if let Some(report) = report {
                ended(ui, report);
            }
        }
    }

    fn running(&mut self, ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
        let id = || meta.id.clone();
        match status.phase {
            Phase::Paused => {
                if primary_button(ui, &format!("{}  Resume", icons::PLAY)).clicked() {
                    cx.request(Request::ResumePipeline(id()));
                }
            }
            _ => {
                let can_pause = status.phase == Phase::Running;
                if secondary_button_if(ui, can_pause, &format!("{}  Pause", icons::PAUSE)).clicked() {
                    cx.request(Request::PausePipeline(id()));
                }
            }
        }
        let can_stop = status.phase != Phase::Stopping;
        if secondary_button_if(ui, can_stop, &format!("{}  Stop", icons::STOP)).clicked() {
            cx.request(Request::StopPipeline(id()));
        }
        if secondary_button(ui, &format!("{}  Inside", icons::STACK)).on_hover_text("Graph, tasks, state stores, windows").clicked() {
            cx.push(Command::Navigate(Route::Streams(id())));
        }
        self.rate(ui, meta, status, cx);
        faults(ui, meta, status, cx);
    }

    fn rate(&mut self, ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
        let Some(param) = meta.params.iter().find(|param| &*param.name == "rate_per_s" && param.is_live) else { return };
        let taken_over = f64::from(status.params.rate_per_s);
        if self.rate == Some(taken_over) {
            self.rate = None;
        }
        let mut rate = self.rate.unwrap_or(taken_over);
        ui.separator();
        subdued(ui, &*param.label);
        let response = rate_slider(ui, &mut rate, param.min..=param.max, &format!("{} in {}", param.label, param.unit));
        subdued(ui, &*param.unit);
        if response.changed() {
            self.rate = Some(rate.round());
        }
        // While the hand moves only the slider follows; the pipeline gets the rate that is meant.
        let is_meant = response.drag_stopped() || (response.changed() && !response.dragged());
        if is_meant && let Some(rate) = self.rate {
            cx.request(Request::SetPipelineRate(meta.id.clone(), rate as u32));
        }
        ui.separator();
    }
}

/// What can be broken: a menu that says what each will do, and a badge for each that is at work.
fn faults(ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
    if meta.faults.is_empty() {
        return;
    }
    let is_running = status.phase == Phase::Running;
    let menu = ui.add_enabled_ui(is_running, |ui| {
        ui.menu_button(format!("{}  Break something  {}", icons::LIGHTNING, icons::CARET_DOWN), |ui| {
            ui.set_max_width(FAULTS_WIDTH);
            for fault in &meta.faults {
                if ui.button(format!("{}  {}", icons::LIGHTNING, fault.label)).clicked() {
                    cx.request(Request::InjectFault(meta.id.clone(), fault.id.clone()));
                    ui.close();
                }
                subdued(ui, &*fault.effect);
                ui.add_space(4.0);
            }
        })
    });
    menu.response.on_disabled_hover_text("Only while the pipeline runs");
    for fault in &meta.faults {
        let heals_at = status.active_faults.iter().find(|(id, _)| *id == fault.id).map(|(_, at)| *at);
        if let Some(heals_at) = heals_at.filter(|at| *at > cx.now) {
            let left = format::duration_ms((heals_at.0 - cx.now.0 + 999) / 1_000 * 1_000);
            badge(ui, icons::LIGHTNING, &format!("{}: {left}", fault.label), Tone::Warning).on_hover_text(&*fault.effect);
            cx.repaint_at(TimestampMs(cx.now.0 + COUNTDOWN_STEP_MS));
        }
    }
}

fn figures(ui: &mut Ui, status: &PipelineStatus) {
    if !status.phase.is_active() {
        return;
    }
    let latency = &status.latency;
    subdued(
        ui,
        format!(
            "{} produced/s    {} processed/s    produce to process: p50 {} ms, p99 {} ms    seed {}",
            format::integer(status.produced_per_s.round() as i64),
            format::integer(status.processed_per_s.round() as i64),
            format::decimal(latency.p50, 1),
            format::decimal(latency.p99, 1),
            status.params.seed,
        ),
    );
}

fn checks(ui: &mut Ui, checks: &[Check]) {
    if checks.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        subdued(ui, "Against truth");
        for check in checks {
            let (icon, tone, word) = match check.verdict {
                CheckVerdict::Pass => (icons::CHECK_CIRCLE, Tone::Ok, "passes"),
                CheckVerdict::Fail => (icons::WARNING_CIRCLE, Tone::Danger, "fails"),
                CheckVerdict::Pending => (icons::CLOCK, Tone::Neutral, "is too early to tell"),
            };
            let name = check.id.replace('_', " ");
            badge(ui, icon, &name, tone).on_hover_text(format!("{name} {word}: {}", check.evidence));
        }
    });
}

fn ended(ui: &mut Ui, report: &RunReport) {
    let counts: Vec<String> =
        report.counts.iter().map(|(name, count)| format!("{} {}", format::integer(*count), name.replace('_', " "))).collect();
    ui.with_layout(Layout::top_down(Align::Min), |ui| subdued(ui, format!("The last run ended: {}", counts.join(", "))));
}

/// To the second: more would flicker.
fn trimmed(at: TimestampMs) -> String {
    format::timestamp_utc(at.0).chars().take(19).collect()
}
