//! Who is there, who is not, and what is missing of them.

use std::{collections::BTreeMap, sync::Arc};

use weir_model::{Cell, Column, HeatRow, Line, Severity, Span, TimestampMs, Widget, WidgetBody};

use super::{Fold, quantity, widget};
use crate::pipelines::iot::{
    records::{DeviceState, Status},
    settings::{DEVICE_EVENTS, DEVICE_STATE, SENSOR_DATA, TRUTH},
};

/// Devices of a zone that are drawn; the worst come first where there are more.
const COLUMNS_MAX: usize = 48;
/// Rows of the tables of gaps and of devices.
const GAPS_MAX: usize = 8;
const WORST_MAX: usize = 10;

pub(super) fn tiles(fold: &Fold) -> Vec<Widget> {
    let history = |of: fn(&super::Standing) -> u64| fold.standings.values().map(|standing| of(standing) as f64).collect::<Arc<[f64]>>();
    let online = fold.twins.values().filter(|twin| twin.status == Status::Online).count() as f64;
    let is_known = !fold.twins.is_empty();
    let number = |value: Option<f64>, unit: String, history| WidgetBody::Number { value, unit: unit.into(), decimals: 0, history };
    let of_all = format!("of {}", fold.twins.len());
    // The newest second is not over yet.
    let complete = fold.seconds.len().saturating_sub(1);
    let rates: Arc<[f64]> = fold.seconds.values().take(complete).map(|second| second.readings as f64).collect();
    let missing = is_known.then(|| fold.twins.values().map(|twin| twin.missing).sum::<u64>() as f64);
    vec![
        widget(
            "online",
            "Online",
            "Devices that were heard of within two of their readings",
            Span::Tile,
            DEVICE_STATE,
            number(is_known.then_some(online), of_all, history(|standing| standing.online)),
        ),
        widget(
            "readings_per_s",
            "Readings",
            "What arrives, kept readings of devices that are back included",
            Span::Tile,
            SENSOR_DATA,
            number(rates.last().copied(), "/s".to_owned(), rates),
        ),
        widget(
            "missing",
            "Missing now",
            "Readings that were taken, as newer numbers prove, and have not come yet",
            Span::Tile,
            DEVICE_STATE,
            number(missing, "readings".to_owned(), history(|standing| standing.missing)),
        ),
    ]
}

/// What is seen first.
pub(super) fn fleet(fold: &Fold) -> [Widget; 2] {
    [grid(fold), connections(fold)]
}

/// Devices one by one.
pub(super) fn devices(fold: &Fold) -> [Widget; 2] {
    [worst(fold), gaps(fold)]
}

/// Devices by site and zone.
pub(super) type Zones<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a DeviceState>>;

/// One row a zone, one cell a device; of more devices than there is room for, those with the highest values.
pub(super) fn rows(zones: Zones<'_>, what: &str, value: impl Fn(&DeviceState) -> f64) -> Vec<HeatRow> {
    let row = |((site, zone), twins): ((&str, &str), Vec<&DeviceState>)| {
        let mut cells: Vec<_> = twins.into_iter().map(|twin| (value(twin), &twin.device_id)).collect();
        let more = cells.len().saturating_sub(COLUMNS_MAX);
        if more > 0 {
            cells.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
            cells.truncate(COLUMNS_MAX);
        }
        let more = if more > 0 { format!(", {more} more") } else { String::new() };
        let label = [site, zone, what].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let (values, names) = cells.into_iter().map(|(value, id)| (Some(value), id.0.as_str().into())).unzip();
        HeatRow { label: format!("{label}{more}").into(), values, names }
    };
    zones.into_iter().map(row).collect()
}

fn grid(fold: &Fold) -> Widget {
    let mut zones = Zones::new();
    for twin in fold.twins.values() {
        zones.entry((&twin.site, &twin.zone)).or_default().push(twin);
    }
    let value = |twin: &DeviceState| match twin.status {
        Status::Online => 0.0,
        Status::Stale => 1.0,
        Status::Offline => 2.0,
    };
    let body = WidgetBody::Heat {
        unit: "".into(),
        decimals: 0,
        columns: Vec::new(),
        rows: rows(zones, "", value),
        scale: (0.0, 2.0),
        severity: Severity::Critical,
        states: ["online", "stale: late with its readings", "offline"].map(Into::into).into(),
    };
    let help = "A cell for each device, by zone; under the pointer, and where there is room, it tells its name";
    widget("fleet", "The fleet", help, Span::TwoThirds, DEVICE_STATE, body)
}

/// Devices by name, the worst first.
fn worst(fold: &Fold) -> Widget {
    let mut twins: Vec<_> = fold.twins.values().collect();
    twins.sort_by(|a, b| b.status.cmp(&a.status).then(a.health.total_cmp(&b.health)).then_with(|| a.device_id.cmp(&b.device_id)));
    let row = |twin: &DeviceState| {
        let status = match twin.status {
            Status::Online => "online",
            Status::Stale => "stale",
            Status::Offline => "offline",
        };
        vec![
            text(&twin.device_id.0),
            text(&format!("{} {}", twin.site, twin.zone)),
            text(
                &std::iter::once(status)
                    .map(str::to_owned)
                    .chain(twin.anomalies.iter().map(|anomaly| said(anomaly)))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            Cell::Integer(twin.health.round() as i64),
            Cell::DurationMs(twin.clock_offset_ms),
        ]
    };
    let columns = [("Device", false), ("Where", false), ("Status", false), ("Health", true), ("Clock", true)];
    let body = table(&columns, twins.into_iter().map(row).collect(), WORST_MAX);
    let help =
        "Health is 100 less what silence, anomalies, gaps, a wrong clock, a weak battery and a weak radio take from it; the worst first";
    widget("devices", "Devices", help, Span::Half, DEVICE_STATE, body)
}

/// A sensor and what is wrong with it, in words.
fn said(anomaly: &str) -> String {
    let (sensor, kind) = anomaly.split_once(' ').unwrap_or((anomaly, ""));
    format!("{} {kind}", quantity(sensor).0).trim_end().to_owned()
}

/// By which way devices send.
pub(super) fn network(fold: &Fold) -> Widget {
    let rows = fold.network.iter().flat_map(|network| {
        let integer = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        let direct = network.devices - network.mqtt_devices.min(network.devices);
        let (is_mqtt, through) = (network.mqtt_devices > 0, network.through.as_str());
        let by_mqtt = is_mqtt.then(|| vec![text("MQTT"), integer(network.mqtt_devices), text(through)]);
        let why = if is_mqtt { "more than can have a connection of their own" } else { through };
        let by_kafka = (direct > 0).then(|| vec![text("straight to Kafka"), integer(direct), text(why)]);
        by_mqtt.into_iter().chain(by_kafka)
    });
    let body = table(&[("Way", false), ("Devices", true), ("Through, or why", false)], rows.collect(), 2);
    widget("network", "How devices send", "A broker, a bridge and each device a client; or none of them", Span::Third, TRUTH, body)
}

/// A table of the first rows, and how many more there are.
fn table(columns: &[(&str, bool)], mut rows: Vec<Vec<Cell>>, rows_max: usize) -> WidgetBody {
    let more = rows.len().saturating_sub(rows_max);
    rows.truncate(rows_max);
    if more > 0 {
        let blank = columns.iter().skip(1).map(|_| text(""));
        rows.push(std::iter::once(text(&format!("and {more} more"))).chain(blank).collect());
    }
    let column = |(title, is_number): &(&str, bool)| Column { title: (*title).into(), is_number: *is_number };
    WidgetBody::Table { columns: columns.iter().map(column).collect(), rows }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn connections(fold: &Fold) -> Widget {
    let line = |name: &str, of: fn(&super::Second) -> u64| {
        let point = |(at, second): (&i64, &super::Second)| (TimestampMs(at * 1_000), of(second) as f64);
        Line { name: name.into(), points: fold.seconds.iter().map(point).collect() }
    };
    let lines = vec![line("connected", |second| second.connected), line("lost", |second| second.lost)];
    let body = WidgetBody::TimeSeries { unit: "devices/s".into(), lines, bands: Vec::new() };
    let help = "After a failure of the broker all devices want to come back: a herd, unless they wait for random times";
    widget("connections", "Connections", help, Span::Third, DEVICE_EVENTS, body)
}

fn gaps(fold: &Fold) -> Widget {
    let mut twins: Vec<_> = fold.twins.values().filter(|twin| twin.missing > 0 || twin.filled > 0).collect();
    twins.sort_by(|a, b| b.missing.cmp(&a.missing).then(b.filled.cmp(&a.filled)).then_with(|| a.device_id.cmp(&b.device_id)));
    let integer = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let row = |twin: &DeviceState| {
        let first = twin.first_missing.filter(|_| twin.missing > 0);
        vec![
            text(&twin.device_id.0),
            integer(twin.missing),
            first.map_or_else(|| text("–"), integer),
            integer(twin.filled),
            integer(twin.duplicates),
        ]
    };
    let columns = [("Device", false), ("Missing", true), ("From reading", true), ("Came later", true), ("Came twice", true)];
    let body = table(&columns, twins.into_iter().map(row).collect(), GAPS_MAX);
    let help = "Devices number their readings: what is missing shows, fills when the device sends what it kept, and counts once";
    widget("gaps", "Gaps", help, Span::Half, DEVICE_STATE, body)
}
