//! What the dashboard shows of the records it is told.

use std::collections::BTreeSet;

use super::*;
use crate::pipelines::{
    iot::{
        meta::TOPICS,
        settings::{SERIES, SERIES_SCORES},
        shape,
    },
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

#[test]
fn a_device_is_chosen_and_its_anomalies_are_bands() {
    let mut fold = Fold::new(0);
    let mut see = |topic, value: serde_json::Value| {
        let value = serde_json::to_vec(&value).unwrap();
        let record =
            Observed { topic, partition: 0, offset: 0, timestamp_ms: 1, key: Some(b"k"), value: Some(&value), headers: Vec::new() };
        fold.observe(&record, TimestampMs(1));
    };
    for (id, at) in (1..=5).flat_map(|at| [("a", at), ("b", at)]) {
        let values = BTreeMap::from([("soil_moisture_pct".to_owned(), 30.0), ("humidity_pct".to_owned(), 60.0)]);
        let twin = DeviceState { device_id: DeviceId(id.to_owned()), last_ts: at * 1_000, values, ..DeviceState::default() };
        see(DEVICE_STATE, serde_json::to_value(&twin).unwrap());
    }
    let anomaly = |id: &str, start, end: Option<i64>| {
        serde_json::json!({"anomaly_id": format!("{id}{start}"), "device_id": id, "sensor": "humidity_pct", "kind": "drift", "score": 0.7,
            "start": start, "detected_at": start + 500, "end": end})
    };
    see(ANOMALIES, anomaly("b", 2_000, Some(3_000)));
    see(ANOMALIES, anomaly("b", 4_000, None));
    let shown = |fold: &Fold| {
        let dashboard = fold.dashboard(TimestampMs(0));
        let WidgetBody::Chosen { chooser, body } = body(&dashboard, "device") else { panic!("a choice") };
        let WidgetBody::TimeSeries { unit, bands, .. } = &**body else { panic!("a chart") };
        let bands: Vec<_> = bands.iter().map(|band| (band.from.0, band.to.0)).collect();
        (chooser.value.to_string(), chooser.is_chosen, unit.to_string(), bands)
    };
    let text = str::to_owned;
    assert_eq!(shown(&fold), (text("b"), false, text("humidity, %"), vec![(4_000, 5_000), (2_000, 3_000)]));
    let choose = |fold: &mut Fold, subject: &str| {
        let action = PipelineAction { widget: "device".into(), verb: Chooser::VERB.into(), subject: subject.into(), text: "".into() };
        fold.act(&action, &mut Emit::default()).is_ok()
    };
    assert!(choose(&mut fold, "a"));
    assert_eq!(shown(&fold), (text("a"), true, text("soil moisture, %"), vec![]));
    assert!(!choose(&mut fold, "nobody"), "it is told");
    assert!(choose(&mut fold, ""));
    assert_eq!(shown(&fold).0, "b");
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut fold = Fold::new(0);
    for at in 0..60 {
        let device_id = DeviceId(format!("d{at:02}"));
        let twin = DeviceState { device_id, site: "alder".to_owned(), zone: "z1".to_owned(), missing: 1, ..DeviceState::default() };
        fold.add_twin(twin);
    }
    let dashboard = fold.dashboard(TimestampMs(0));
    let WidgetBody::Heat { rows, .. } = body(&dashboard, "fleet") else { panic!("a grid") };
    assert_eq!((&*rows[0].label, rows[0].values.len()), ("alder z1, 12 more", 48));
    let names: BTreeSet<_> = rows[0].names.iter().collect();
    assert_eq!((names.len(), &**rows[0].names.first().unwrap()), (48, "d00"), "each cell has its device's name");
    for (id, more) in [("gaps", "and 52 more"), ("devices", "and 50 more")] {
        let WidgetBody::Table { rows, columns } = body(&dashboard, id) else { panic!("a table") };
        assert!(rows.iter().all(|row| row.len() == columns.len()));
        assert_eq!(rows.last().unwrap()[0], Cell::Text(more.into()));
    }
}

#[test]
fn given_series_are_shown_as_far_as_they_were_read() {
    let mut fold = SeriesFold::default();
    let mut see = |topic, key: &str, value: serde_json::Value| {
        let value = serde_json::to_vec(&value).unwrap();
        let key = Some(key.as_bytes());
        let record = Observed { topic, partition: 0, offset: 0, timestamp_ms: 1, key, value: Some(&value), headers: Vec::new() };
        fold.observe(&record, TimestampMs(1));
    };
    let window = serde_json::json!({"kind": "series_window", "series": "a", "first_row": 20, "last_row": 29});
    see(TRUTH, "truth", window);
    for row in 0..50 {
        let is_alarm = row == 22 || row == 25 || row == 40;
        see(SERIES, "a", serde_json::json!({"row": row, "ts": row * 1_000, "value": 1.5, "rows": 100}));
        let score = if is_alarm { 0.9 } else { 0.1 };
        see(SERIES_SCORES, "a", serde_json::json!({"row": row, "ts": row * 1_000, "value": 1.5, "score": score, "is_alarm": is_alarm}));
    }
    let dashboard = fold.dashboard(TimestampMs(0));
    let number = |id| if let WidgetBody::Number { value, .. } = body(&dashboard, id) { *value } else { None };
    assert_eq!(["series_read", "rows_scored", "alarms", "windows_found"].map(number), [0.0, 50.0, 3.0, 1.0].map(Some));
    let WidgetBody::Chosen { chooser, body: chart } = body(&dashboard, "series") else { panic!("a choice") };
    let WidgetBody::TimeSeries { lines, bands, .. } = &**chart else { panic!("a chart") };
    assert_eq!((&*chooser.value, lines[0].points.len()), ("a", 50));
    let bands: Vec<_> = bands.iter().map(|band| (band.from.0, band.to.0, &*band.label)).collect();
    let alarm = |at| (at, at, "alarm");
    assert_eq!(bands, [(20_000, 29_000, "labelled"), alarm(22_000), alarm(25_000), alarm(40_000)]);
    let WidgetBody::Table { rows, .. } = body(&dashboard, "series_progress") else { panic!("a table") };
    assert_eq!(rows[0][2], Cell::Text("50 %".into()));
}
