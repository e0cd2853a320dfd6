//! What the screens show, in text: a page for terminals, a line for logs.

use weir_model::{Check, CheckVerdict, ConnectionState, Dashboard, Gauge, PipelineStatus, Store, Widget, WidgetBody};

use crate::cli::{numbers, output::safe, status_line, time::format_elapsed};

/// Lines longer than this would wrap, and a page that wraps can't be redrawn in place.
const LINE_CHARS_MAX: usize = 118;
/// Rows of a list that fit a line.
const TOP_MAX: usize = 3;

/// Everything in one line.
pub(super) fn line(store: &Store, up_ms: u64) -> String {
    let mut parts = vec![format!("up {}", format_elapsed(up_ms)), connection(store), cluster(store)];
    parts.extend(statuses(store).map(status_line));
    parts.extend(statuses(store).map(|status| checks(&status.checks)));
    parts.join(" | ")
}

/// A page of short lines.
pub(super) fn page(store: &Store, up_ms: u64) -> Vec<String> {
    let mut lines = vec![format!("{}   up {}", connection(store), format_elapsed(up_ms)), cluster(store)];
    for (id, view) in &store.runs {
        if let Some(status) = &view.status {
            lines.push(String::new());
            lines.push(format!("{id}: {}", status_line(status)));
            lines.push(format!("  {}", checks(&status.checks)));
        }
        if let Some(dashboard) = &view.dashboard {
            lines.extend(widgets(dashboard));
        }
    }
    lines.push(String::new());
    lines.push("Ctrl-C ends; the data stays".to_owned());
    lines.iter().map(|line| safe(line).chars().take(LINE_CHARS_MAX).collect()).collect()
}

fn statuses(store: &Store) -> impl Iterator<Item = &PipelineStatus> {
    store.runs.values().filter_map(|view| view.status.as_deref())
}

fn connection(store: &Store) -> String {
    match &store.connection {
        ConnectionState::Idle => "starting".to_owned(),
        ConnectionState::Connecting(cluster) => format!("connecting to {}", cluster.label()),
        ConnectionState::Connected { bootstrap, .. } => format!("bootstrap {bootstrap}"),
        ConnectionState::Failed { cluster, problem } => format!("{}: {}", cluster.label(), problem.what),
    }
}

fn cluster(store: &Store) -> String {
    let Some(snapshot) = store.cluster.value() else { return "topics: not read yet".to_owned() };
    let records: Option<u64> = snapshot.user_topics().map(weir_model::Topic::records).sum();
    let rate = snapshot.rates().map_or_else(|| "-".to_owned(), |rates| numbers::decimal(rates.records_per_s, 0));
    let bytes = snapshot.rates().and_then(|rates| rates.bytes_per_s).map_or_else(|| "-".to_owned(), |bytes| numbers::bytes(bytes as u64));
    let groups = store.groups.value().map_or_else(|| "-".to_owned(), |groups| groups.groups.len().to_string());
    let lag = store.groups.value().map(|groups| groups.groups.iter().filter_map(weir_model::Group::lag_records).sum::<u64>());
    format!(
        "{} topics, {} records, {rate} records/s, {bytes}/s, {groups} groups, lag {}",
        snapshot.user_topics().count(),
        records.map_or_else(|| "-".to_owned(), |records| numbers::grouped(records.into())),
        lag.map_or_else(|| "-".to_owned(), |lag| numbers::grouped(lag.into())),
    )
}

fn checks(checks: &[Check]) -> String {
    let count = |verdict: CheckVerdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let failed: Vec<&str> = checks.iter().filter(|check| check.verdict == CheckVerdict::Fail).map(|check| &*check.id).collect();
    let which = if failed.is_empty() { String::new() } else { format!(" ({})", failed.join(", ")) };
    format!("checks: {} pass, {} fail{which}, {} pending", count(CheckVerdict::Pass), failed.len(), count(CheckVerdict::Pending))
}

fn widgets(dashboard: &Dashboard) -> impl Iterator<Item = String> + '_ {
    dashboard.widgets.iter().filter_map(|widget| Some(format!("  {:<24} {}", widget.title, figure(widget)?)))
}

/// A widget in one line; tables and lines over time have no place here.
fn figure(widget: &Widget) -> Option<String> {
    match &widget.body {
        WidgetBody::Number { value, unit, decimals, .. } => {
            Some(format!("{} {unit}", value.map_or_else(|| "-".to_owned(), |value| numbers::decimal(value, usize::from(*decimals)))))
        }
        WidgetBody::TopK { rows, .. } => {
            let top: Vec<String> =
                rows.iter().take(TOP_MAX).map(|row| format!("{} {}", row.label, numbers::decimal(row.value, 0))).collect();
            Some(top.join(", "))
        }
        WidgetBody::Funnel { stages } => {
            let stages: Vec<String> =
                stages.iter().map(|stage| format!("{} {}", stage.label, numbers::grouped(stage.count.into()))).collect();
            Some(stages.join(" → "))
        }
        WidgetBody::Intervals { conclusion, .. } => Some(conclusion.to_string()),
        WidgetBody::Gauges { gauges } => {
            let gauge = |gauge: &Gauge| {
                let value = gauge.value.map_or_else(|| "-".to_owned(), |value| numbers::decimal(value, usize::from(gauge.decimals)));
                format!("{} {value} {}", gauge.label, gauge.unit)
            };
            Some(gauges.iter().map(gauge).collect::<Vec<_>>().join(", "))
        }
        WidgetBody::Incidents { incidents } => {
            let open: Vec<&str> = incidents.iter().filter(|incident| incident.to.is_none()).map(|incident| &*incident.title).collect();
            Some(if open.is_empty() { "none".to_owned() } else { open.join(", ") })
        }
        WidgetBody::Queue { waiting, .. } => Some(format!("{} wait", numbers::grouped((*waiting).into()))),
        WidgetBody::Editor { rows, .. } => Some(rows.iter().map(|row| &*row.subject).collect::<Vec<_>>().join(", ")),
        WidgetBody::Feed { entries } => entries.first().map(|newest| newest.text.to_string()),
        WidgetBody::TimeSeries { .. }
        | WidgetBody::Table { .. }
        | WidgetBody::Heat { .. }
        | WidgetBody::Lanes { .. }
        | WidgetBody::Sankey { .. }
        | WidgetBody::Graph { .. }
        | WidgetBody::Map { .. }
        | WidgetBody::Chosen { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_model::{Cluster, FunnelStage, PipelineId, Source, Span, TopicName, Update};

    use super::*;

    fn widget(title: &str, body: WidgetBody) -> Widget {
        let source = Source::Topic(TopicName::from("t"));
        Widget { id: "w".into(), title: title.into(), help: "".into(), span: Span::Tile, source, body }
    }

    #[test]
    fn a_page_shows_what_is_known_and_says_what_is_not() {
        let mut store = Store::default();
        assert!(page(&store, 0)[0].starts_with("starting"));
        store.apply(Update::Connection(ConnectionState::Connected {
            cluster: Cluster::Local,
            bootstrap: "127.0.0.1:9092".into(),
            data_dir: None,
        }));
        let stages = vec![FunnelStage { label: "view".into(), count: 1_000 }, FunnelStage { label: "purchase".into(), count: 7 }];
        let number = WidgetBody::Number { value: Some(1_234.5), unit: "events/s".into(), decimals: 1, history: Arc::from([]) };
        let widgets = vec![widget("Events", number), widget("Funnel", WidgetBody::Funnel { stages })];
        store.apply(Update::Dashboard(PipelineId::from("p"), Arc::new(Dashboard { event_time: None, widgets })));
        let page = page(&store, 61_000).join("\n");
        assert!(page.contains("bootstrap 127.0.0.1:9092   up 1 min 01 s"), "{page}");
        assert!(page.contains("1,234.5 events/s") && page.contains("view 1,000 → purchase 7"), "{page}");
        assert!(!line(&store, 0).contains('\n'));
    }
}
