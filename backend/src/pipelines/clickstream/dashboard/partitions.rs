//! How the events spread over partitions: a hot key is a hot partition.

use weir_model::{Cell, Line, Span, TimestampMs, Widget, WidgetBody};

use super::{
    Fold, Window,
    widgets::{column, widget},
};
use crate::pipelines::clickstream::settings::STATS;

/// Both of them.
pub(super) fn all(fold: &Fold) -> [Widget; 2] {
    [rates(fold), now(fold)]
}

fn rates(fold: &Fold) -> Widget {
    let line = |partition: &i32| {
        let points = fold.windows.iter().filter_map(|(start, windows)| Some((*start, windows.get(partition)?)));
        let points = points.map(|(start, window)| (TimestampMs(start), fold.per_s(window.events()))).collect();
        Line { name: format!("partition {partition}").into(), points }
    };
    let lines = fold.newest_by_partition.keys().map(line).collect();
    let help = "Events per second of the wall clock by partition, over event time. All of a user's events go to one partition: a user whom \
                everybody is makes it hot";
    let body = WidgetBody::TimeSeries { unit: "events/s".into(), lines, bands: Vec::new() };
    widget("partitions", "Events by partition", help, Span::TwoThirds, STATS, body)
}

fn now(fold: &Fold) -> Widget {
    let newest = fold.newest_by_partition.values().max().copied().unwrap_or(0);
    let latest = |partition: i32, start: i64| fold.windows.get(&start).and_then(|windows| windows.get(&partition));
    let rows: Vec<_> = fold.newest_by_partition.iter().map(|(partition, start)| (*partition, *start, latest(*partition, *start))).collect();
    let events = |window: Option<&Window>| window.map_or(0, Window::events);
    let all = rows.iter().map(|(.., window)| events(*window)).sum::<u64>().max(1);
    let row = |(partition, start, window): &(i32, i64, Option<&Window>)| {
        let events = events(*window);
        let open = window.map_or(0, |window| window.sessions_open);
        vec![
            Cell::Integer(i64::from(*partition)),
            Cell::Integer(fold.per_s(events).round() as i64),
            Cell::Percent(events as f64 / all as f64 * 100.0),
            Cell::Integer(i64::try_from(open).unwrap_or(i64::MAX)),
            Cell::DurationMs(newest - start),
        ]
    };
    let columns = vec![column("No.", true), column("Rate", true), column("Share", true), column("Open", true), column("Behind", true)];
    let help = "The newest closed window of each partition: its events a second, its share of all, its open sessions, and how far in event time it is behind the others";
    widget("partition_lag", "Partitions now", help, Span::Third, STATS, WidgetBody::Table { columns, rows: rows.iter().map(row).collect() })
}
