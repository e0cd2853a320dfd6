//! Alerts of all pipelines, newest first: what, about whom, why, and one step from there to the dashboard and the records.

use std::sync::Arc;

use egui::Ui;
use weir_model::{Alert, AlertSeverity, MessageQuery, PipelineId, QueryId, Start, Store, TopicName};
use weir_ui_kit::{
    format, icons,
    table::{Table, TableCell, TableColumn},
    widgets::{Tone, empty_state, key_value, search_field, secondary_button, secondary_button_if, segmented, subdued, title},
};

use super::{Command, PIPELINES, Panel, PanelContext, PanelMeta, Route, parts, text};

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
/// Records of each partition that are searched for a name.
const SEARCHED_RECORDS: u64 = 50_000;
/// Records shown.
const SHOWN_RECORDS: usize = 200;
/// Room under the table for one alert's evidence.
const DETAIL_HEIGHT: f32 = 176.0;

#[derive(Default)]
struct AlertsPanel {
    filter: String,
    /// By place: all, warnings and worse, critical.
    least: usize,
    /// Whether those that somebody has seen to are shown too.
    has_acknowledged: bool,
    selected: Option<Arc<str>>,
}

impl Panel for AlertsPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        parts::screen(ui, |ui| {
            title(ui, META.title);
            let store = cx.store;
            if store.alerts.alerts.is_empty() {
                let action = format!("{}  Pipelines", icons::FLOW_ARROW);
                let what_to_do = "Alerts of running pipelines come here. Start one, and break something on its dashboard.";
                if empty_state(ui, icons::CHECK_CIRCLE, "Nothing to look at", what_to_do, Some(&action)) {
                    cx.push(Command::Navigate(Route::Panel(PIPELINES)));
                }
                return;
            }
            let shown = self.shown(store);
            self.toolbar(ui, &shown, cx);
            let shown = self.shown(store);
            self.table(ui, &shown, cx);
        });
    }
}

impl AlertsPanel {
    fn toolbar(&mut self, ui: &mut Ui, shown: &[&Alert], cx: &mut PanelContext<'_>) {
        let log = &cx.store.alerts;
        ui.horizontal_wrapped(|ui| {
            segmented(ui, &mut self.least, &[(0, "All"), (1, "Warnings and worse"), (2, "Critical")]);
            search_field(ui, &mut self.filter, "Rule, subject, pipeline", 220.0);
            ui.checkbox(&mut self.has_acknowledged, "Acknowledged too");
            let (kept, all) = (log.alerts.len() as u64, log.total);
            let kept = if kept < all { format!("the newest {} of ", format::integer(kept)) } else { String::new() };
            subdued(ui, format!("{kept}{} alerts", format::integer(all)));
        });
        ui.horizontal_wrapped(|ui| {
            let open: Vec<Arc<str>> =
                shown.iter().filter(|alert| !log.is_acknowledged(alert)).map(|alert| Arc::clone(&alert.alert_id)).collect();
            let all = secondary_button_if(ui, !open.is_empty(), &format!("{}  Acknowledge all", icons::CHECK));
            if all.on_hover_text(format!("{} that are listed here", text::counted(open.len() as u64, "alert"))).clicked() {
                cx.push(Command::Acknowledge(open));
            }
            let undo = secondary_button_if(ui, log.undo_len() > 0, &format!("{}  Undo", icons::ARROW_LEFT));
            if undo.on_hover_text(format!("Takes {} back", text::counted(log.undo_len() as u64, "acknowledgement"))).clicked() {
                cx.push(Command::UndoAcknowledge);
            }
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
            least.is_none_or(|least| alert.severity >= least)
                && (self.has_acknowledged || !store.alerts.is_acknowledged(alert))
                && texts.iter().any(|text| text.to_lowercase().contains(&filter))
        };
        store.alerts.alerts.iter().rev().filter(fits).collect()
    }

    fn table(&mut self, ui: &mut Ui, shown: &[&Alert], cx: &mut PanelContext<'_>) {
        if shown.is_empty() {
            subdued(ui, "None that nobody has seen to, with this filter.");
            return;
        }
        let log = &cx.store.alerts;
        let columns = [
            TableColumn::text("Event time UTC", 170.0).unsorted(),
            TableColumn::text("Severity", 96.0).unsorted(),
            TableColumn::text("State", 124.0).unsorted(),
            TableColumn::text("Pipeline", 96.0).unsorted(),
            TableColumn::text("Rule", 156.0).unsorted(),
            TableColumn::text("About", 160.0).unsorted(),
            TableColumn::number("Value", 90.0).unsorted(),
            TableColumn::number("Limit", 90.0).unsorted(),
        ];
        let selected = shown.iter().position(|alert| Some(&alert.alert_id) == self.selected.as_ref());
        let height = ui.available_height() - if selected.is_some() { DETAIL_HEIGHT } else { 0.0 };
        let table = Table::new("Alerts", &columns, shown.len()).height(height).selected(selected);
        let response = table.show(ui, |row, column| match shown.get(row) {
            Some(alert) => cell(alert, log.is_acknowledged(alert), column),
            None => TableCell::default(),
        });
        if let Some(alert) = response.selected.and_then(|row| shown.get(row)) {
            self.selected = Some(Arc::clone(&alert.alert_id));
        }
        if let Some(alert) = response.opened.and_then(|row| shown.get(row)) {
            open(&alert.pipeline, cx);
        }
        if let Some((row, alert)) = selected.and_then(|row| Some((row, shown.get(row)?)))
            && detail(ui, alert, cx)
        {
            // The next one takes its place.
            let next = shown.get(row + 1).or(row.checked_sub(1).and_then(|before| shown.get(before)));
            self.selected = next.map(|next| Arc::clone(&next.alert_id));
        }
    }
}

fn cell(alert: &Alert, is_acknowledged: bool, column: usize) -> TableCell<'_> {
    let number = |value: f64| TableCell::mono(format::decimal(value, 2));
    match column {
        0 => TableCell::mono(format::timestamp_utc(alert.at.0).chars().take(19).collect::<String>()),
        1 => match alert.severity {
            AlertSeverity::Info => TableCell::badge(icons::INFO, "info", Tone::Info),
            AlertSeverity::Warning => TableCell::badge(icons::WARNING, "warning", Tone::Warning),
            AlertSeverity::Critical => TableCell::badge(icons::WARNING_CIRCLE, "critical", Tone::Danger),
        },
        2 if is_acknowledged => TableCell::badge(icons::CHECK, "acknowledged", Tone::Neutral),
        2 => TableCell::text("open"),
        3 => TableCell::text(alert.pipeline.as_str()),
        4 => TableCell::text(alert.rule.replace('_', " ")),
        5 => TableCell::mono(&*alert.subject),
        6 => number(alert.value),
        _ => number(alert.threshold),
    }
}

/// One alert's evidence, and where it leads; true when it was acknowledged.
fn detail(ui: &mut Ui, alert: &Alert, cx: &mut PanelContext<'_>) -> bool {
    let mut is_acknowledged = false;
    ui.add_space(8.0);
    ui.horizontal_wrapped(|ui| {
        let is_open = !cx.store.alerts.is_acknowledged(alert);
        if secondary_button_if(ui, is_open, &format!("{}  Acknowledge", icons::CHECK)).clicked() {
            cx.push(Command::Acknowledge(vec![Arc::clone(&alert.alert_id)]));
            is_acknowledged = true;
        }
        if secondary_button(ui, &format!("{}  Dashboard", icons::CHART_LINE_UP)).clicked() {
            open(&alert.pipeline, cx);
        }
        if secondary_button(ui, &format!("{}  Its record", icons::FILE_TEXT)).on_hover_text("In the topic of all alerts").clicked() {
            cx.push(Command::Navigate(records(TOPIC.into(), &alert.alert_id)));
        }
        if let Some(input) = cx.store.pipelines.iter().find(|meta| meta.id == alert.pipeline).and_then(|meta| meta.topics.first()) {
            let button = secondary_button(ui, &format!("{}  Records of {}", icons::CHATS_CIRCLE, alert.subject));
            if button.on_hover_text(format!("Those in topic {input} that hold its name")).clicked() {
                cx.push(Command::Navigate(records(input.clone(), &alert.subject)));
            }
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
    is_acknowledged
}

/// The records of a topic that hold a name.
fn records(topic: TopicName, name: &str) -> Route {
    Route::Query(MessageQuery {
        id: QueryId(0), // the messages panel gives it a fresh one
        topic,
        partitions: None,
        start: Start::Last(SEARCHED_RECORDS),
        limit: SHOWN_RECORDS,
        follow: false,
        contains: name.into(),
    })
}

fn open(pipeline: &PipelineId, cx: &mut PanelContext<'_>) {
    cx.push(Command::Navigate(Route::Dashboard(pipeline.clone())));
}

#[cfg(test)]
mod tests {
    use egui::Key;
    use egui_kittest::{Harness, kittest::Queryable as _};
    use weir_model::{TimestampMs, Update};

    use super::*;
    use crate::panels::testing::{Bench, bench};

    fn shown() -> Harness<'static, Bench> {
        let alert = |number: usize, severity| Alert {
            alert_id: format!("alert-{number}").into(),
            pipeline: "fraud".into(),
            rule: "card_testing".into(),
            severity,
            subject: format!("customer-{number}").into(),
            value: 12.0,
            threshold: 4.0,
            evidence: vec!["12 cards in a minute".into()],
            at: TimestampMs(number as i64),
        };
        let alerts = vec![alert(1, AlertSeverity::Info), alert(2, AlertSeverity::Warning), alert(3, AlertSeverity::Critical)];
        let updates = vec![Update::Pipelines(weir_backend::pipelines::metas()), Update::Alerts { alerts, passed_over: 0 }];
        let mut harness = bench(&META, updates, None);
        harness.get_by_label("Alerts, 3 rows").focus();
        harness.run();
        harness.key_press(Key::Home);
        harness.run();
        harness
    }

    /// What the shell does with what was pushed.
    fn obey(harness: &mut Harness<'static, Bench>) {
        for command in std::mem::take(&mut harness.state_mut().commands) {
            match command {
                Command::Acknowledge(ids) => harness.state_mut().store.alerts.acknowledge(ids),
                Command::UndoAcknowledge => harness.state_mut().store.alerts.undo_acknowledge(),
                other => panic!("{other:?}"),
            }
        }
        harness.run();
    }

    #[test]
    fn one_after_the_other_is_acknowledged_and_the_last_taken_back() {
        let mut harness = shown();
        for left in [2, 1] {
            harness.get_by_label(&format!("{}  Acknowledge", icons::CHECK)).click();
            harness.run();
            obey(&mut harness);
            harness.get_by_label(&format!("Alerts, {left} rows"));
        }
        harness.get_by_label_contains("Undo").click();
        harness.run();
        obey(&mut harness);
        harness.get_by_label("Alerts, 2 rows");
        assert_eq!(harness.state().store.alerts.waiting.count, 1);
    }

    #[test]
    fn all_that_are_listed_are_acknowledged_at_once() {
        let mut harness = shown();
        harness.get_by_label("Critical").click();
        harness.run();
        harness.get_by_label_contains("Acknowledge all").click();
        harness.run();
        obey(&mut harness);
        harness.get_by_label("None that nobody has seen to, with this filter.");
        harness.get_by_label("All").click();
        harness.run();
        harness.get_by_label("Alerts, 2 rows");
        harness.get_by_label("Acknowledged too").click();
        harness.run();
        harness.get_by_label("Alerts, 3 rows");
    }

    #[test]
    fn an_alert_leads_to_its_record_and_to_those_of_whom_it_is_about() {
        let check = |button: &str, expect: (&str, &str)| {
            let mut harness = shown();
            harness.get_by_label_contains(button).click();
            harness.run();
            let Some(Route::Query(query)) = harness.state().navigated() else { panic!("{:?}", harness.state().navigated()) };
            assert_eq!((query.topic.as_str(), &*query.contains), expect);
        };
        check("Its record", ("alerts", "alert-3"));
        let metas = weir_backend::pipelines::metas();
        let input = metas.iter().find(|meta| meta.id.as_str() == "fraud").and_then(|meta| meta.topics.first()).expect("it has topics");
        check("Records of customer-3", (input.as_str(), "customer-3"));
    }
}
