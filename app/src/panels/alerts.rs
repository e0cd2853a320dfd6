//! Alerts of all pipelines, newest first: what, about whom, why, and one step from there to the dashboard and the records.

use egui::Ui;
use weir_model::{Alert, AlertSeverity, PipelineId, Store};
use weir_ui_kit::{
    format, icons,
    table::{Table, TableCell, TableColumn},
    widgets::{Tone, empty_state, key_value, search_field, secondary_button, segmented, subdued, title},
};

use super::{Command, PIPELINES, Panel, PanelContext, PanelMeta, Route, parts};

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::ALERTS,
    title: "Alerts",
    icon: icons::WARNING,
    help: "What running pipelines want somebody to look at: rule, subject, evidence",
    make: || Box::new(AlertsPanel::default()),
};

/// The topic all of them come from.
const TOPIC: &str = "alerts";
/// Room under the table for one alert's evidence.
const DETAIL_HEIGHT: f32 = 176.0;

#[derive(Default)]
struct AlertsPanel {
    filter: String,
    /// By place: all, warnings and worse, critical.
    least: usize,
    selected: Option<std::sync::Arc<str>>,
}

impl Panel for AlertsPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        parts::screen(ui, |ui| {
            title(ui, META.title);
            let store = cx.store;
            if store.alerts.is_empty() {
                let action = format!("{}  Pipelines", icons::FLOW_ARROW);
                let what_to_do =
                    "Alerts of running pipelines come here. Start fraud detection or IoT, and break something on its dashboard.";
                if empty_state(ui, icons::CHECK_CIRCLE, "Nothing to look at", what_to_do, Some(&action)) {
                    cx.push(Command::Navigate(Route::Panel(PIPELINES)));
                }
                return;
            }
            self.toolbar(ui, store, cx);
            let shown = self.shown(store);
            self.table(ui, &shown, cx);
        });
    }
}

impl AlertsPanel {
    fn toolbar(&mut self, ui: &mut Ui, store: &Store, cx: &mut PanelContext<'_>) {
        ui.horizontal_wrapped(|ui| {
            segmented(ui, &mut self.least, &[(0, "All"), (1, "Warnings and worse"), (2, "Critical")]);
            search_field(ui, &mut self.filter, "Rule, subject, pipeline", 220.0);
            let (kept, all) = (store.alerts.len() as u64, store.alerts_total);
            let kept = if kept < all { format!("the newest {} of ", format::integer(kept)) } else { String::new() };
            subdued(ui, format!("{kept}{} alerts", format::integer(all)));
            if secondary_button(ui, "Open the topic").clicked() {
                cx.push(Command::Navigate(Route::Messages(TOPIC.into())));
            }
        });
        ui.add_space(4.0);
    }

    fn shown<'a>(&self, store: &'a Store) -> Vec<&'a Alert> {
        let least = [AlertSeverity::Info, AlertSeverity::Warning, AlertSeverity::Critical].get(self.least).copied();
        let filter = self.filter.to_lowercase();
        let fits = |alert: &&Alert| {
            let texts = [&*alert.rule, &*alert.subject, alert.pipeline.as_str()];
            least.is_none_or(|least| alert.severity >= least) && texts.iter().any(|text| text.to_lowercase().contains(&filter))
        };
        store.alerts.iter().rev().filter(fits).collect()
    }

    fn table(&mut self, ui: &mut Ui, shown: &[&Alert], cx: &mut PanelContext<'_>) {
        let columns = [
            TableColumn::text("Event time UTC", 170.0).unsorted(),
            TableColumn::text("Severity", 100.0).unsorted(),
            TableColumn::text("Pipeline", 100.0).unsorted(),
            TableColumn::text("Rule", 180.0).unsorted(),
            TableColumn::text("About", 180.0).unsorted(),
            TableColumn::number("Value", 110.0).unsorted(),
            TableColumn::number("Limit", 110.0).unsorted(),
        ];
        let selected = shown.iter().position(|alert| Some(&alert.alert_id) == self.selected.as_ref());
        let height = ui.available_height() - if selected.is_some() { DETAIL_HEIGHT } else { 0.0 };
        let table = Table::new("Alerts", &columns, shown.len()).height(height).selected(selected);
        let response = table.show(ui, |row, column| match shown.get(row) {
            Some(alert) => cell(alert, column),
            None => TableCell::default(),
        });
        if let Some(alert) = response.selected.and_then(|row| shown.get(row)) {
            self.selected = Some(std::sync::Arc::clone(&alert.alert_id));
        }
        if let Some(alert) = response.opened.and_then(|row| shown.get(row)) {
            open(&alert.pipeline, cx);
        }
        if let Some(alert) = selected.and_then(|row| shown.get(row)) {
            detail(ui, alert, cx);
        }
    }
}

fn cell(alert: &Alert, column: usize) -> TableCell<'_> {
    let number = |value: f64| TableCell::mono(format::decimal(value, 2));
    match column {
        0 => TableCell::mono(format::timestamp_utc(alert.at.0).chars().take(19).collect::<String>()),
        1 => match alert.severity {
            AlertSeverity::Info => TableCell::badge(icons::INFO, "info", Tone::Info),
            AlertSeverity::Warning => TableCell::badge(icons::WARNING, "warning", Tone::Warning),
            AlertSeverity::Critical => TableCell::badge(icons::WARNING_CIRCLE, "critical", Tone::Danger),
        },
        2 => TableCell::text(alert.pipeline.as_str()),
        3 => TableCell::text(alert.rule.replace('_', " ")),
        4 => TableCell::mono(&*alert.subject),
        5 => number(alert.value),
        _ => number(alert.threshold),
    }
}

fn detail(ui: &mut Ui, alert: &Alert, cx: &mut PanelContext<'_>) {
    ui.add_space(8.0);
    ui.horizontal_wrapped(|ui| {
        if secondary_button(ui, &format!("{}  Dashboard", icons::CHART_LINE_UP)).clicked() {
            open(&alert.pipeline, cx);
        }
        if secondary_button(ui, &format!("{}  Copy", icons::COPY)).clicked() {
            let evidence = alert.evidence.join("; ");
            let text = format!("{} {} {}: {evidence}", format::timestamp_utc(alert.at.0), alert.rule, alert.subject);
            cx.push(Command::Copy { text, what: "Alert" });
        }
    });
    key_value(ui, "About", &alert.subject);
    for evidence in alert.evidence.iter().take(4) {
        key_value(ui, "Why", evidence);
    }
}

fn open(pipeline: &PipelineId, cx: &mut PanelContext<'_>) {
    cx.push(Command::Navigate(Route::Dashboard(pipeline.clone())));
}
