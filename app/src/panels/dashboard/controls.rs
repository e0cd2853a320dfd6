//! What stands above a dashboard: the run's state, its controls, the faults to inject, and the verdicts against truth.

use egui::{Align, Layout, Link, RichText, Role, Ui, WidgetInfo, vec2};
use weir_model::{
    Check, CheckMeta, CheckVerdict, GroupId, Phase, PipelineMeta, PipelineParams, PipelineStatus, PipelineView, Request, RunReport, Store,
    TimestampMs,
};
use weir_ui_kit::{
    format, icons, tokens,
    widgets::{Tone, badge, badge_button, primary_button, rate_slider, secondary_button, secondary_button_if, subdued, title},
};

use super::{demo, faults::Faults};
use crate::panels::{
    Command, PanelContext, Route,
    pipelines::{StartDialog, phase_badge, start_with},
    text,
};

/// Rows of badges stand closer than rows of buttons.
const BADGE_ROW_HEIGHT: f32 = 20.0;

/// What the user is setting and the backend has not taken over yet.
#[derive(Default)]
pub(super) struct Controls {
    rate: Option<f64>,
    faults: Faults,
}

impl Controls {
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        meta: &PipelineMeta,
        view: Option<&PipelineView>,
        dialog: &mut StartDialog,
        cx: &mut PanelContext<'_>,
    ) {
        let status = view.and_then(|view| view.status.as_deref());
        subdued(ui, &*meta.story);
        ui.add_space(4.0);
        ui.horizontal_wrapped(|ui| match status {
            Some(status) if status.phase.is_active() && status.params.is_watching => watching(ui, meta, cx),
            Some(status) if status.phase.is_active() => {
                self.running(ui, meta, status, cx);
            }
            Some(status) => {
                let again = primary_button(ui, &format!("{}  Start again", icons::PLAY)).on_hover_text("As it was started the last time");
                if again.clicked() {
                    start_with(meta, PipelineParams { scenario: None, ..status.params.clone() }, cx);
                }
                dialog.button(ui, meta);
                demo::buttons(ui, meta, cx);
            }
            None => {}
        });
        if let Some(view) = status.and_then(|status| status.scenario.as_deref()) {
            ui.add_space(4.0);
            demo::progress(ui, view);
        }
        if let Some(status) = status {
            figures(ui, meta, status, cx);
            let report = view.and_then(|view| view.report.as_deref()).filter(|_| !status.phase.is_active());
            checks(ui, meta, report.map_or(&status.checks[..], |report| &report.checks), cx);
            if let Some(report) = report {
                ended(ui, report);
            }
        }
    }

    fn running(&mut self, ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
        let id = || meta.id.clone();
        if cx.is_presenting {
            return self.faults.ui(ui, meta, status, cx);
        }
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
        self.faults.ui(ui, meta, status, cx);
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

/// What can be done with a run that another program leads.
fn watching(ui: &mut Ui, meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
    if secondary_button(ui, &format!("{}  Stop watching", icons::STOP)).clicked() {
        cx.request(Request::StopPipeline(meta.id.clone()));
    }
    subdued(ui, "Another program on this cluster leads the run, paces it and judges it; this is what its topics say.");
}

/// A latency: with a digit after the point where it is short, in seconds where it is long.
fn milliseconds(value: f64) -> String {
    if value < 100.0 { format!("{} ms", format::decimal(value, 1)) } else { format::duration_ms(value.round() as i64) }
}

/// What goes in and out, each figure a link to what it was counted of.
fn figures(ui: &mut Ui, meta: &PipelineMeta, status: &PipelineStatus, cx: &mut PanelContext<'_>) {
    if !status.phase.is_active() || status.params.is_watching {
        return;
    }
    let per_s = |rate: f64| format::integer(rate.round() as i64);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 16.0;
        if let Some(input) = meta.topics.first() {
            let produced = figure(ui, &format!("{} produced/s", per_s(status.produced_per_s)), &format!("Open topic {input}"));
            if produced {
                cx.push(Command::Navigate(Route::Topic(input.clone())));
            }
        }
        if figure(ui, &format!("{} processed/s", per_s(status.processed_per_s)), "Open what processes it: graph, tasks, stores") {
            cx.push(Command::Navigate(Route::Streams(meta.id.clone())));
        }
        if let Some(Waiting { records, group }) = waiting(meta, cx.store) {
            let told = format!("Open group {group}, for which most of them wait");
            if figure(ui, &format!("lag {}", text::counted(records, "record")), &told) {
                cx.push(Command::Navigate(Route::Group(group)));
            }
        }
        let (latency, seed) = (&status.latency, status.params.seed);
        let (p50, p99) = (milliseconds(latency.p50), milliseconds(latency.p99));
        if !cx.is_presenting {
            subdued(ui, format!("produce to process: p50 {p50}, p99 {p99}    seed {seed}"));
        }
        if let Some(sabotage) = &status.params.sabotage {
            let check = meta.sabotages.iter().find(|known| known.id == *sabotage).map_or("a check", |known| &*known.check);
            let told = format!("Started so on purpose: it turns {} red", check.replace('_', " "));
            badge(ui, icons::WARNING, &format!("sabotage: {}", sabotage.replace('_', " ")), Tone::Warning).on_hover_text(told);
        }
    });
}

/// A figure that leads somewhere.
fn figure(ui: &mut Ui, text: &str, whither: &str) -> bool {
    let color = tokens(ui).text.normal;
    let response = ui.add(Link::new(RichText::new(text).color(color))).on_hover_text(whither);
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, format!("{text}: {whither}")));
    response.clicked()
}

/// What waits to be processed.
struct Waiting {
    records: u64,
    /// The group for which most of it waits.
    group: GroupId,
}

/// The lag of a pipeline's groups; `None` before it was read.
fn waiting(meta: &PipelineMeta, store: &Store) -> Option<Waiting> {
    let groups = store.groups.value()?;
    let lags = || meta.groups.iter().filter_map(|id| Some((groups.group(id)?.lag_records()?, id)));
    let (_, group) = lags().max_by_key(|(lag, _)| *lag)?;
    Some(Waiting { records: lags().map(|(lag, _)| lag).sum(), group: group.clone() })
}

fn checks(ui: &mut Ui, meta: &PipelineMeta, checks: &[Check], cx: &mut PanelContext<'_>) {
    if checks.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
        ui.spacing_mut().interact_size.y = BADGE_ROW_HEIGHT;
        subdued(ui, "Against truth");
        // A room is shown what is known; what is not yet is counted.
        let is_shown = |check: &&Check| !cx.is_presenting || check.verdict != CheckVerdict::Pending;
        let shown: Vec<&Check> = checks.iter().filter(is_shown).collect();
        let waiting = checks.len() - shown.len();
        for check in shown {
            let (icon, tone, word) = match check.verdict {
                CheckVerdict::Pass => (icons::CHECK_CIRCLE, Tone::Ok, "passes"),
                CheckVerdict::Fail => (icons::WARNING_CIRCLE, Tone::Danger, "fails"),
                CheckVerdict::Pending => (icons::CLOCK, Tone::Neutral, "is too early to tell"),
            };
            let name = check.id.replace('_', " ");
            let told = format!("{name} {word}: {}", check.evidence);
            match meta.checks.iter().find(|known| known.id == check.id) {
                Some(CheckMeta { topic, .. }) => {
                    if badge_button(ui, icon, &name, tone, &format!("{told}. Open topic {topic}")).clicked() {
                        cx.push(Command::Navigate(Route::Topic(topic.clone())));
                    }
                }
                None => drop(badge(ui, icon, &name, tone).on_hover_text(told)),
            }
        }
        if waiting > 0 {
            badge(ui, icons::CLOCK, &format!("{waiting} too early to tell"), Tone::Neutral);
        }
    });
}

fn ended(ui: &mut Ui, report: &RunReport) {
    let counts: Vec<String> =
        report.counts.iter().map(|(name, count)| format!("{} {}", format::integer(*count), name.replace('_', " "))).collect();
    ui.with_layout(Layout::top_down(Align::Min), |ui| subdued(ui, format!("The last run ended: {}", counts.join(", "))));
}

/// The pipeline's name, where its run is, and how far in time.
pub(super) fn heading(ui: &mut Ui, meta: &PipelineMeta, view: Option<&PipelineView>) {
    title(ui, &meta.title);
    if let Some(status) = view.and_then(|view| view.status.as_deref()) {
        phase_badge(ui, &status.phase);
    }
    if let Some(at) = view.and_then(|view| view.dashboard.as_deref()).and_then(|dashboard| dashboard.event_time) {
        subdued(ui, format!("event time {} UTC", trimmed(at)));
    }
}

/// To the second: more would flicker.
fn trimmed(at: TimestampMs) -> String {
    format::timestamp_utc(at.0).chars().take(19).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egui::accesskit;
    use egui_kittest::kittest::Queryable as _;
    use weir_model::{PipelineId, Update};

    use super::*;
    use crate::panels::{dashboard, testing};

    #[test]
    fn a_verdict_leads_to_the_topic_it_judges() {
        let id = PipelineId::from("clickstream");
        let check = Check { id: "sessions_equal_batch".into(), verdict: CheckVerdict::Pass, evidence: "12 of 12 sessions equal".into() };
        let status = PipelineStatus { checks: vec![check], ..testing::running("clickstream") };
        let updates = vec![Update::Pipelines(weir_backend::pipelines::metas()), Update::PipelineStatus(Arc::new(status))];
        let mut harness = testing::bench(&dashboard::META, updates, Some(Route::Dashboard(id)));
        let told = "sessions equal batch passes: 12 of 12 sessions equal. Open topic clickstream.sessions";
        harness.get_by_role_and_label(accesskit::Role::Link, told).click();
        harness.run();
        let commands = &harness.state().commands;
        assert!(matches!(commands.last(), Some(Command::Navigate(Route::Topic(topic))) if topic.as_str() == "clickstream.sessions"));
    }

    #[test]
    fn a_room_is_shown_the_verdicts_there_are() {
        let check = |id: &str, verdict| Check { id: id.into(), verdict, evidence: "".into() };
        let checks = vec![check("bots_found", CheckVerdict::Pending), check("no_loss", CheckVerdict::Pass)];
        let status = PipelineStatus { checks, ..testing::running("clickstream") };
        let updates = vec![Update::Pipelines(weir_backend::pipelines::metas()), Update::PipelineStatus(Arc::new(status))];
        let mut harness = testing::bench(&dashboard::META, updates, Some(Route::Dashboard("clickstream".into())));
        assert!(harness.query_by_label_contains("bots found").is_some() && harness.query_by_label_contains("too early to tell").is_some());
        harness.state_mut().is_presenting = true;
        harness.run();
        assert!(harness.query_by_label_contains("no loss").is_some() && harness.query_by_label_contains("bots found").is_none());
        assert!(harness.query_by_label_contains("1 too early to tell").is_some());
    }
}
