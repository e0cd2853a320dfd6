//! Who is there, who is not, and what is missing of them.

use std::{collections::BTreeMap, sync::Arc};

use weir_model::{Cell, Column, HeatRow, Line, Severity, Span, TimestampMs, Widget, WidgetBody};

use super::{Fold, widget};
use crate::pipelines::iot::{
    records::{DeviceState, Status},
    settings::{DEVICE_EVENTS, DEVICE_STATE, SENSOR_DATA},
};

/// Devices of a zone that are drawn; the worst come first where there are more.
const COLUMNS_MAX: usize = 48;
/// Rows of the table of gaps.
const GAPS_MAX: usize = 8;

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
            "Devices that were heard of within three of their readings",
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

pub(super) fn all(fold: &Fold) -> Vec<Widget> {
    vec![grid(fold), connections(fold), gaps(fold)]
}

fn grid(fold: &Fold) -> Widget {
    let mut zones = BTreeMap::<(&str, &str), Vec<&DeviceState>>::new();
    for twin in fold.twins.values() {
        zones.entry((&twin.site, &twin.zone)).or_default().push(twin);
    }
    let value = |status| match status {
        Status::Online => 0.0,
        Status::Stale => 1.0,
        Status::Offline => 2.0,
    };
    let row = |((site, zone), mut twins): ((&str, &str), Vec<&DeviceState>)| {
        if twins.len() > COLUMNS_MAX {
            twins.sort_by_key(|twin| std::cmp::Reverse(twin.status));
        }
        let values = twins.into_iter().take(COLUMNS_MAX).map(|twin| Some(value(twin.status))).collect();
        HeatRow { label: format!("{site} {zone}").into(), values }
    };
    let body = WidgetBody::Heat {
        unit: "(0 online, 1 stale, 2 offline)".into(),
        decimals: 0,
        columns: Vec::new(),
        rows: zones.into_iter().map(row).collect(),
        scale: (0.0, 2.0),
        severity: Severity::Critical,
    };
    widget(
        "fleet",
        "The fleet",
        "A cell for each device, by zone: pale is online, half red stale, red offline",
        Span::TwoThirds,
        DEVICE_STATE,
        body,
    )
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
            Cell::Text(twin.device_id.0.as_str().into()),
            integer(twin.missing),
            first.map_or_else(|| Cell::Text("–".into()), integer),
            integer(twin.filled),
            integer(twin.duplicates),
        ]
    };
    let columns = [("Device", false), ("Missing", true), ("From reading", true), ("Came later", true), ("Came twice", true)];
    let body = WidgetBody::Table {
        columns: columns.map(|(title, is_number)| Column { title: title.into(), is_number }).into(),
        rows: twins.into_iter().take(GAPS_MAX).map(row).collect(),
    };
    let help = "Devices number their readings: what is missing shows, fills when the device sends what it kept, and counts once";
    widget("gaps", "Gaps", help, Span::Half, DEVICE_STATE, body)
}
