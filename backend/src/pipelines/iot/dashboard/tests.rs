//! What the dashboard shows of the records it is told.

use std::collections::BTreeSet;

use super::*;
use crate::pipelines::{
    iot::{meta::TOPICS, shape},
    shape::rehearsal::rehearse,
};
use weir_model::{Cell, PipelineParams};

fn body<'a>(dashboard: &'a Dashboard, id: &str) -> &'a WidgetBody {
    &dashboard.widgets.iter().find(|widget| &*widget.id == id).expect("the widget").body
}

#[test]
fn an_empty_dashboard_and_nonsense_harm_nothing() {
    let mut fold = Fold::new(0);
    let empty = fold.dashboard(TimestampMs(0)).widgets.len();
    for topic in TOPICS {
        for value in [&b"nonsense"[..], b"{}", b"null", b"[1]"] {
            let (key, value) = (Some(&b"x"[..]), Some(value));
            let record = Observed { topic, partition: 0, offset: 0, timestamp_ms: 8_000, key, value, headers: Vec::new() };
            fold.observe(&record, TimestampMs(8_000));
        }
    }
    let widgets = fold.dashboard(TimestampMs(0)).widgets;
    let ids: BTreeSet<_> = widgets.iter().map(|widget| &widget.id).collect();
    assert_eq!((widgets.len(), ids.len()), (empty, empty), "ids are unique");
}

#[test]
fn a_run_is_shown_as_it_was() {
    let params = PipelineParams { seed: 3, rate_per_s: 100, speed: 1, events_max: Some(3_600), ..PipelineParams::default() };
    let params = PipelineParams { settings: [("devices".into(), 48.0), ("defects_per_min".into(), 20.0)].into(), ..params };
    let mut fold = Fold::new(0);
    let report = rehearse(&*shape(), params, &mut |record: &Observed<'_>| fold.observe(record, TimestampMs(record.timestamp_ms)));
    let report = report.expect("topologies are right");
    let dashboard = fold.dashboard(TimestampMs(0));
    let WidgetBody::Number { value, unit, .. } = body(&dashboard, "online") else { panic!("a number") };
    assert_eq!((*value, &**unit), (Some(48.0), "of 48"), "all are back at the end");
    let WidgetBody::Heat { rows, .. } = body(&dashboard, "fleet") else { panic!("a grid") };
    assert_eq!(rows.iter().map(|row| row.values.len()).sum::<usize>(), 48);
    let WidgetBody::Table { rows, .. } = body(&dashboard, "tree") else { panic!("a table") };
    let readings = |row: &Vec<Cell>| if let Cell::Integer(count) = row[1] { count } else { 0 };
    let depth = |row: &Vec<Cell>| if let Cell::Text(name) = &row[0] { name.matches('\u{2003}').count() } else { 9 };
    let at = |wanted: usize| rows.iter().filter(|row| depth(row) == wanted).map(readings).sum::<i64>();
    assert!(at(0) > 0 && at(0) == at(1) && at(1) == at(2) && at(2) == at(3), "each level adds up to the next: {rows:?}");
    assert_eq!(fold.found, report.counts["anomalies"]);
    let answered = fold.commands.iter().filter(|told| told.answer.is_some()).count() as u64;
    assert_eq!(answered, report.counts["commands_done"] + report.counts["commands_refused"] + report.counts["commands_expired"]);
}
