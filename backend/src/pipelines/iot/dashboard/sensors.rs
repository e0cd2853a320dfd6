//! What is measured, what is wrong with it, and what it adds up to.

use std::{collections::BTreeMap, sync::Arc};

use weir_model::{Cell, Chooser, Column, FeedEntry, Lane, LaneSpan, Line, Severity, Span, TimestampMs, Widget, WidgetBody};

use super::{Fold, quantity, widget};
use crate::{
    pipelines::iot::{
        records::{Anomaly, Rollup, Summary},
        settings::{ANOMALIES, DEVICE_STATE, SITE_ROLLUPS, WINDOW_MS},
    },
    sim::iot::{DeviceId, SensorType},
};

/// Devices with a lane, and entries of the feed.
const LANES_MAX: usize = 8;
const FEED_MAX: usize = 12;
/// How much of the past lanes show.
const LANES_MS: i64 = 120_000;
/// What is drawn of a machine, and of a field that is well.
const MACHINE_FIGURE: &str = "vibration_rms_g";
const FIELD_FIGURE: &str = "soil_moisture_pct";
/// Devices that are offered; any other can be typed.
const OPTIONS_MAX: usize = 60;
/// The widget of one device.
pub(super) const DEVICE: &str = "device";

/// What is measured, and what is wrong.
pub(super) fn all(fold: &Fold) -> [Widget; 3] {
    [device(fold), feed(fold), lanes(fold)]
}

/// A chosen device, else the one with the newest anomaly, else any.
fn device(fold: &Fold) -> Widget {
    let is_traced = |anomaly: &&Anomaly| fold.traces.contains_key(&anomaly.device_id);
    let newest = || fold.anomalies.iter().find(is_traced).map(|anomaly| &anomaly.device_id);
    let id = fold.chosen.as_ref().or_else(newest).or_else(|| fold.traces.keys().next());
    let mine: Vec<_> = fold.anomalies.iter().filter(|anomaly| Some(&anomaly.device_id) == id).collect();
    let figure = match (mine.first().map(|anomaly| anomaly.sensor.as_str()), id.and_then(|id| fold.twins.get(id))) {
        (Some("machine"), _) => MACHINE_FIGURE,
        (Some(sensor), _) => sensor,
        (None, Some(twin)) if twin.sensor_type == SensorType::Machine => MACHINE_FIGURE,
        (None, _) => FIELD_FIGURE,
    };
    let trace = id.and_then(|id| fold.traces.get(id));
    let points: Vec<_> =
        trace.into_iter().flatten().filter_map(|(at_ms, values)| Some((TimestampMs(*at_ms), *values.get(figure)?))).collect();
    let (mut lines, mut bands) = (Vec::new(), Vec::new());
    if let Some((id, ((first, _), (last, _)))) = id.zip(points.first().copied().zip(points.last().copied())) {
        lines.push(Line { name: id.0.as_str().into(), points: points.into() });
        lines.extend(fold.downsampled(id, figure, first));
        lines.extend(fold.zone_mean(id, figure, first));
        let is_seen = |anomaly: &&&Anomaly| anomaly.end.is_none_or(|end| end >= first.0) && anomaly.start <= last.0;
        bands.extend(mine.iter().filter(is_seen).map(|anomaly| LaneSpan {
            from: TimestampMs(anomaly.start.max(first.0)),
            to: TimestampMs(anomaly.end.unwrap_or(last.0).clamp(first.0, last.0).max(anomaly.start)),
            label: found_after(anomaly).into(),
            severity: severity(anomaly),
        }));
    }
    let with_anomalies = fold.anomalies.iter().map(|anomaly| &anomaly.device_id);
    let mut options: Vec<Arc<str>> = Vec::new();
    for id in with_anomalies.chain(fold.traces.keys()) {
        if options.len() < OPTIONS_MAX && !options.iter().any(|known| **known == *id.0) {
            options.push(id.0.as_str().into());
        }
    }
    let value = id.map_or("", |id| id.0.as_str()).into();
    let chooser = Chooser { what: "device".into(), value, is_chosen: fold.chosen.is_some(), options };
    let body = Box::new(WidgetBody::TimeSeries { unit: with_unit(figure).into(), lines, bands });
    let help = "A device with what its windows of ten seconds come to, beside its zone's mean, unless you choose another the one with the newest anomaly; \
                bands are its anomalies";
    widget(DEVICE, "One device", help, Span::TwoThirds, DEVICE_STATE, WidgetBody::Chosen { chooser, body })
}

/// A quantity with its unit, as it stands beside an axis.
fn with_unit(figure: &str) -> String {
    let (name, unit) = quantity(figure);
    if unit.is_empty() { name.to_owned() } else { format!("{name}, {unit}") }
}

fn found_after(anomaly: &Anomaly) -> String {
    format!("{} found after {:.1} s", anomaly.kind, (anomaly.detected_at - anomaly.start).max(0) as f64 / 1_000.0)
}

impl Fold {
    /// A device's windows: least, mean and most.
    fn downsampled(&self, id: &DeviceId, figure: &str, from: TimestampMs) -> Vec<Line> {
        type Of = fn(&Summary) -> f64;
        const LINES: [(&str, Of); 3] = [("least of 10 s", |it| it.min), ("mean of 10 s", |it| it.avg), ("most of 10 s", |it| it.max)];
        let windows: Vec<_> = self.downsampled.get(&id.0).into_iter().flat_map(BTreeMap::values).collect();
        let line = |(name, of): (&str, Of)| {
            let point = |rollup: &&Rollup| Some((TimestampMs(rollup.window_start + WINDOW_MS / 2), of(rollup.metrics.get(figure)?)));
            let points = windows.iter().filter(|rollup| rollup.window_end > from.0).filter_map(point).collect();
            Line { name: name.into(), points }
        };
        if windows.is_empty() { Vec::new() } else { LINES.map(line).into() }
    }

    /// What a zone's devices measure in the mean, by window.
    fn zone_mean(&self, id: &DeviceId, figure: &str, from: TimestampMs) -> Option<Line> {
        let twin = self.twins.get(id)?;
        let windows = self.rollups.get(&format!("{}/{}/{}", twin.region, twin.site, twin.zone))?;
        let mean = |rollup: &Rollup| Some((TimestampMs(rollup.window_start + WINDOW_MS / 2), rollup.metrics.get(figure)?.avg));
        let points = windows.values().filter(|rollup| rollup.window_end > from.0).filter_map(mean).collect();
        Some(Line { name: format!("mean of {} {}", twin.site, twin.zone).into(), points })
    }
}

fn lanes(fold: &Fold) -> Widget {
    let now_ms = fold.newest_ms.unwrap_or_default();
    let mut by_device = BTreeMap::<&str, Vec<LaneSpan>>::new();
    for anomaly in fold.anomalies.iter().filter(|anomaly| anomaly.end.unwrap_or(now_ms) > now_ms - LANES_MS) {
        let id = anomaly.device_id.0.as_str();
        if by_device.len() >= LANES_MAX && !by_device.contains_key(id) {
            continue;
        }
        by_device.entry(id).or_default().push(LaneSpan {
            from: TimestampMs(anomaly.start),
            to: TimestampMs(anomaly.end.unwrap_or(now_ms).max(anomaly.start)),
            label: anomaly.kind.as_str().into(),
            severity: severity(anomaly),
        });
    }
    let lanes = by_device.into_iter().map(|(device, spans)| Lane { label: device.into(), spans }).collect();
    let body = WidgetBody::Lanes { lanes, cursor: fold.newest_ms.map(TimestampMs) };
    let help = "From when to when each device was not as it should be";
    widget("anomaly_lanes", "Anomalies", help, Span::Half, ANOMALIES, body)
}

fn severity(anomaly: &Anomaly) -> Severity {
    match (anomaly.end, anomaly.kind.as_str()) {
        (Some(_), _) => Severity::Neutral,
        (None, "vibration") => Severity::Critical,
        (None, _) => Severity::Warning,
    }
}

fn feed(fold: &Fold) -> Widget {
    let entry = |anomaly: &Anomaly| {
        let sensor = if anomaly.sensor == "machine" { String::new() } else { format!(" of {}", quantity(&anomaly.sensor).0) };
        let state = if anomaly.end.is_some() { ", over" } else { "" };
        let text = format!("{}: {}{sensor}, score {:.2}{state}", anomaly.device_id, anomaly.kind, anomaly.score);
        FeedEntry { at: TimestampMs(anomaly.detected_at), severity: severity(anomaly), text: text.into() }
    };
    let body = WidgetBody::Feed { entries: fold.anomalies.iter().take(FEED_MAX).map(entry).collect() };
    widget("anomaly_feed", "Found", "What was found, when, and how clearly (0 to 1)", Span::Third, ANOMALIES, body)
}

/// Zones, sites, regions and the fleet, each with its newest window that all of them have.
pub(super) fn tree(fold: &Fold) -> Widget {
    let newest = fold.rollups.get("fleet").and_then(|windows| windows.keys().next_back().copied());
    let nodes =
        newest.into_iter().flat_map(|newest| fold.rollups.iter().filter_map(move |(node, windows)| Some((node, windows.get(&newest)?))));
    let mut nodes: Vec<(String, &Rollup)> =
        nodes.map(|(node, rollup)| (if node == "fleet" { String::new() } else { format!("/{node}") }, rollup)).collect();
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    let figure = |rollup: &Rollup, name: &str| {
        rollup.metrics.get(name).map_or_else(|| Cell::Text("–".into()), |metric| Cell::Float((metric.avg * 100.0).round() / 100.0))
    };
    let row = |(node, rollup): &(String, &Rollup)| {
        let depth = node.matches('/').count();
        let name = node.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("fleet");
        let label = format!("{}{name}", "\u{2003}".repeat(depth));
        let revision = i64::from(rollup.revision);
        vec![
            Cell::Text(label.into()),
            Cell::Integer(i64::try_from(rollup.readings).unwrap_or(i64::MAX)),
            figure(rollup, "temperature_c"),
            figure(rollup, "soil_moisture_pct"),
            Cell::Integer(revision),
            Cell::Integer(i64::try_from(rollup.late).unwrap_or(i64::MAX)),
        ]
    };
    let titles = [("Node", false), ("Readings", true), ("°C", true), ("Soil, %", true), ("Corrected", true), ("Of them late", true)];
    let columns = titles.map(|(title, is_number)| Column { title: title.into(), is_number }).into();
    let body = WidgetBody::Table { columns, rows: nodes.iter().map(row).collect() };
    let help = "The newest ten seconds of every node; a reading counts where its device belonged when it was taken, and corrects what was told before it came";
    widget("tree", "Sites, added up", help, Span::TwoThirds, SITE_ROLLUPS, body)
}
