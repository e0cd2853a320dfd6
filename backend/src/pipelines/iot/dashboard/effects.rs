//! What is done about it: valves, machines, commands and how soon they are answered.

use std::{collections::BTreeMap, sync::Arc};

use weir_model::{FeedEntry, Gauge, Line, Severity, Span, TimestampMs, Widget, WidgetBody};

use super::{
    BAND_PCT, Fold, Told,
    fleet::{self, Zones},
    moisture, widget,
};
use crate::{
    pipelines::iot::{
        records::DeviceState,
        settings::{ANOMALIES, COMMAND_ACKS, COMMANDS, DEVICE_STATE, DRY_PCT, WET_PCT},
    },
    sim::iot::{AckResult, Action, SensorType},
};

/// Gauges, entries of the feed, and the length of a point of the latency chart.
const GAUGES_MAX: usize = 6;
const FEED_MAX: usize = 12;
const LATENCY_MS: i64 = 5_000;

pub(super) fn tiles(fold: &Fold) -> Vec<Widget> {
    let open = fold.anomalies.iter().filter(|anomaly| anomaly.end.is_none()).count();
    let number = |value, unit: &str, decimals| WidgetBody::Number { value, unit: unit.into(), decimals, history: Arc::default() };
    let soil: Vec<_> = fold.twins.values().filter_map(moisture).collect();
    let good = soil.iter().filter(|pct| (BAND_PCT.0..=BAND_PCT.1).contains(*pct)).count();
    let in_band = (!soil.is_empty()).then(|| good as f64 * 100.0 / soil.len() as f64);
    let mut latencies: Vec<_> = latencies(fold).map(|(_, latency_ms)| latency_ms).collect();
    latencies.sort_unstable();
    let median = latencies.get(latencies.len() / 2).map(|latency_ms| *latency_ms as f64);
    vec![
        widget(
            "open_anomalies",
            "Anomalies",
            "Sensors and machines that are not as they should be now",
            Span::Tile,
            ANOMALIES,
            number(Some(open as f64), "open", 0),
        ),
        widget(
            "in_band",
            "Fields in band",
            "Fields that are neither too dry (22 %) nor too wet (50 %)",
            Span::Tile,
            DEVICE_STATE,
            number(in_band, "%", 0),
        ),
        widget(
            "latency",
            "Command to answer",
            "From a command to its device's answer, in the median: twice over the network",
            Span::Tile,
            COMMAND_ACKS,
            number(median, "ms", 0),
        ),
    ]
}

/// The closed loop: what is measured, what is done, and that it helps.
pub(super) fn all(fold: &Fold) -> [Widget; 4] {
    [soil(fold), driest(fold), actuators(fold), commands(fold)]
}

fn soil(fold: &Fold) -> Widget {
    let line = |name: &str, of: fn(&super::Standing) -> Option<f64>| {
        let point = |(at, standing): (&i64, &super::Standing)| Some((TimestampMs(at * 1_000), of(standing)?));
        Line { name: name.into(), points: fold.standings.iter().filter_map(point).collect() }
    };
    let lines = vec![
        line("mean soil moisture", |standing| Some(standing.moisture?.0)),
        line("driest field", |standing| Some(standing.moisture?.1)),
        line("valves open", |standing| Some(standing.open_pct)),
    ];
    let body = WidgetBody::TimeSeries { unit: "%".into(), lines, bands: Vec::new() };
    let help = "The loop is closed: below 30 % a valve opens by command, above 42 % it closes; without it fields would dry out";
    widget("soil", "Soil and valves", help, Span::TwoThirds, DEVICE_STATE, body)
}

fn driest(fold: &Fold) -> Widget {
    let mut fields: Vec<_> = fold.twins.values().filter_map(|twin| Some((moisture(twin)?, twin))).collect();
    fields.sort_by(|a, b| a.0.total_cmp(&b.0));
    let gauge = |(pct, twin): (f64, &DeviceState)| Gauge {
        label: format!("{}{}", twin.device_id, if twin.is_on == Some(true) { ", valve open" } else { "" }).into(),
        value: Some(pct),
        unit: "%".into(),
        decimals: 1,
        bounds: (0.0, 60.0),
        good: (DRY_PCT, WET_PCT),
    };
    let body = WidgetBody::Gauges { gauges: fields.into_iter().take(GAUGES_MAX).map(gauge).collect() };
    widget("driest", "Driest fields", "Each between the marks at which its valve opens and closes", Span::Third, DEVICE_STATE, body)
}

/// Valves and machines by zone.
fn actuators(fold: &Fold) -> Widget {
    let (mut valves, mut machines) = (Zones::new(), Zones::new());
    for twin in fold.twins.values().filter(|twin| twin.is_on.is_some()) {
        let of = if twin.sensor_type == SensorType::Machine { &mut machines } else { &mut valves };
        of.entry((&twin.site, &twin.zone)).or_default().push(twin);
    }
    let is_on = |twin: &DeviceState| twin.is_on == Some(true);
    let mut rows = fleet::rows(valves, "valves", |twin| if is_on(twin) { 1.0 } else { 0.0 });
    rows.extend(fleet::rows(machines, "machines", |twin| if is_on(twin) { 0.0 } else { 2.0 }));
    let body = WidgetBody::Heat {
        unit: "".into(),
        decimals: 0,
        columns: Vec::new(),
        rows,
        scale: (0.0, 2.0),
        severity: Severity::Info,
        states: ["valve closed, machine runs", "valve open", "machine stopped"].map(Into::into).into(),
    };
    let help = "A cell for each actuator, by zone; under the pointer it tells its name";
    widget("actuators", "Valves and machines", help, Span::TwoThirds, DEVICE_STATE, body)
}

fn latencies(fold: &Fold) -> impl Iterator<Item = (i64, i64)> {
    fold.commands.iter().filter_map(|told| {
        let (result, answered_ms) = told.answer?;
        (result == AckResult::Done).then_some((told.command.ts, answered_ms - told.command.ts))
    })
}

pub(super) fn latency(fold: &Fold) -> Widget {
    let mut by_time = BTreeMap::<i64, Vec<i64>>::new();
    for (at_ms, latency_ms) in latencies(fold) {
        by_time.entry(at_ms - at_ms.rem_euclid(LATENCY_MS)).or_default().push(latency_ms);
    }
    by_time.values_mut().for_each(|all| all.sort_unstable());
    let line = |name: &str, at: fn(usize) -> usize| {
        let point = |(at_ms, all): (&i64, &Vec<i64>)| Some((TimestampMs(*at_ms), *all.get(at(all.len()))? as f64));
        Line { name: name.into(), points: by_time.iter().filter_map(point).collect() }
    };
    let lines = vec![line("median", |count| count / 2), line("slowest", |count| count.saturating_sub(1))];
    let body = WidgetBody::TimeSeries { unit: "ms".into(), lines, bands: Vec::new() };
    let help = "From the command to the device's answer, twice over the network; who is offline answers when it is back";
    widget("command_latency", "Command to answer", help, Span::Half, COMMAND_ACKS, body)
}

fn commands(fold: &Fold) -> Widget {
    let entry = |told: &Told| {
        let command = &told.command;
        let action = match command.action {
            Action::OpenValve => "open the valve",
            Action::CloseValve => "close the valve",
            Action::ShutDown => "shut down",
        };
        let (answer, severity) = match told.answer {
            Some((AckResult::Done, at_ms)) => (format!("done after {} ms", at_ms - command.ts), Severity::Ok),
            Some((AckResult::Refused, _)) => ("refused".to_owned(), Severity::Critical),
            Some((AckResult::Expired, _)) => ("came too late".to_owned(), Severity::Warning),
            None => ("no answer yet".to_owned(), Severity::Info),
        };
        let text = format!("{}: {action}, {}: {answer}", command.device_id, command.reason);
        FeedEntry { at: TimestampMs(command.ts), severity, text: text.into() }
    };
    let body = WidgetBody::Feed { entries: fold.commands.iter().take(FEED_MAX).map(entry).collect() };
    widget("commands", "Commands", "What devices were told, why, and what they answered", Span::Third, COMMANDS, body)
}
