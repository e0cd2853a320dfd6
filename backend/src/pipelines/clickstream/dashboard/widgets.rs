//! The widgets, in reading order.

use std::sync::Arc;

use weir_model::{Cell, Column, FunnelStage, Line, Source, Span, TimestampMs, TopRow, Widget, WidgetBody};

use super::{Fold, Window, partitions, stages};
use crate::{
    pipelines::{
        clickstream::settings::{AB, EXPERIMENT, FUNNEL, PAGE_STATS, SESSIONS, STATS},
        shape::experiment,
    },
    sim::clickstream::Action,
};

/// Pages in the list.
const PAGES_SHOWN: usize = 10;
/// Points of a tile's history.
const HISTORY_POINTS: usize = 60;

/// All widgets.
pub(super) fn all(fold: &Fold, now: TimestampMs) -> Vec<Widget> {
    let windows = fold.complete_windows();
    let mut widgets = tiles(fold, &windows, now);
    widgets.push(events_by_action(fold, &windows));
    widgets.push(top_pages(fold));
    widgets.push(funnel(fold));
    widgets.push(ab(fold));
    widgets.push(late(&windows));
    widgets.extend(partitions::all(fold));
    widgets.extend(stages::all(fold));
    widgets.push(latest_sessions(fold));
    widgets
}

fn tiles(fold: &Fold, windows: &[(i64, Window)], now: TimestampMs) -> Vec<Widget> {
    let recent = &windows[windows.len().saturating_sub(HISTORY_POINTS)..];
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64 * 100.0);
    let tile = |id, title, help, unit: &str, decimals, of: &dyn Fn(&Window) -> Option<f64>| {
        let history: Arc<[f64]> = recent.iter().filter_map(|(_, window)| of(window)).collect();
        let body = WidgetBody::Number { value: history.last().copied(), unit: unit.into(), decimals, history };
        widget(id, title, help, Span::Tile, STATS, body)
    };
    let per_s = |window: &Window| Some(fold.per_s(window.events()));
    let mut events_per_s = tile(
        "events_per_s",
        "Events",
        "Events per second of the wall clock, over the newest window that all partitions have passed",
        "events/s",
        0,
        &per_s,
    );
    if fold.is_quiet(now)
        && let WidgetBody::Number { value: value @ Some(_), .. } = &mut events_per_s.body
    {
        *value = Some(0.0);
    }
    vec![
        events_per_s,
        tile("active_users", "Active users", "Users with an event in the last five minutes of event time", "users", 0, &|window| {
            Some(window.active_users as f64)
        }),
        tile(
            "sessions_closed",
            "Sessions closed",
            "Sessions with their final result: 30 minutes of event time without an event, plus 10 seconds of grace",
            "sessions",
            0,
            &|window| Some(window.totals.sessions_closed as f64),
        ),
        tile("bounce_rate", "Bounce rate", "Closed sessions with at most one view and nothing but scrolling", "%", 1, &|window| {
            share(window.totals.bounced, window.totals.sessions_closed)
        }),
        tile("conversion", "Conversion", "Closed sessions with a purchase", "%", 2, &|window| {
            share(window.totals.converted, window.totals.sessions_closed)
        }),
        tile("revenue", "Revenue", "The sum of all purchases in closed sessions", "EUR", 0, &|window| {
            Some(window.totals.revenue_minor as f64 / 100.0)
        }),
    ]
}

fn events_by_action(fold: &Fold, windows: &[(i64, Window)]) -> Widget {
    let line = |action: Action| {
        let point = |(start, window): &(i64, Window)| (TimestampMs(*start), fold.per_s(window.actions[action.index()]));
        Line { name: action.name().into(), points: windows.iter().map(point).collect() }
    };
    let body = WidgetBody::TimeSeries { unit: "events/s".into(), lines: Action::ALL.into_iter().map(line).collect(), bands: Vec::new() };
    let help = "Events per second of the wall clock by action, over event time; each point is a window that is closed";
    widget("events_by_action", "Events by action", help, Span::TwoThirds, STATS, body)
}

fn top_pages(fold: &Fold) -> Widget {
    let pages = fold.top_pages(PAGES_SHOWN);
    let bound = match pages.iter().map(|stats| stats.error).max().unwrap_or(0) {
        0 => "counted exactly".to_owned(),
        most => format!("of which up to {most} may be other pages' views: more were viewed than are counted one by one"),
    };
    let length_s = pages.first().map_or(0, |stats| stats.window_end - stats.window_start) / 1_000;
    let help = &format!(
        "The most viewed pages of the newest window, {bound}. Windows are {length_s} s of event time long, and a new one ends ten times as often"
    );
    let rows = pages.into_iter().map(|stats| TopRow { label: stats.page.as_str().into(), value: stats.views as f64 }).collect();
    widget("top_pages", "Top pages", help, Span::Third, PAGE_STATS, WidgetBody::TopK { unit: "views".into(), rows })
}

fn funnel(fold: &Fold) -> Widget {
    let funnel = fold.funnel();
    let stages = [("View", funnel.view), ("Add to cart", funnel.add_to_cart), ("Purchase", funnel.purchase)];
    let stages = stages.map(|(label, count)| FunnelStage { label: label.into(), count }).into();
    let help = "Sessions, open ones included, that reached each step after the one before, by event time";
    widget("funnel", "Funnel", help, Span::Third, FUNNEL, WidgetBody::Funnel { stages })
}

fn ab(fold: &Fold) -> Widget {
    let of_shop = fold.ab.iter().filter(|((experiment, _), _)| experiment == EXPERIMENT);
    let sides: Vec<_> = of_shop.map(|((_, variant), ab)| (variant.as_str(), (ab.conversions, ab.n))).collect();
    let help = "Users who bought soon after their first sight of a side, each counted once and robots left out, with \
                Wilson's 95 % interval. The difference has an always-valid interval (mixture SPRT): one may look at any time and stop";
    widget("ab", "A/B: conversion", help, Span::Third, AB, experiment(&sides, "converts better than", "users"))
}

fn late(windows: &[(i64, Window)]) -> Widget {
    let totals = windows.last().map(|(_, window)| window.totals).unwrap_or_default();
    let rows = [
        ("Sessions merged by a late event", totals.sessions_merged),
        ("Too late to be counted, dropped", totals.window_late_dropped),
        ("Too late for their session, dropped", totals.session_late_dropped),
        ("No event at all, passed over", totals.malformed),
    ];
    let rows = rows.map(|(what, count)| vec![Cell::Text(what.into()), Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX))]).into();
    let columns = vec![column("What", false), column("Count", true)];
    let help = "Stream time never goes back: a window closes 10 seconds of event time after its end, and what comes later is counted here";
    widget("late", "Late and dropped", help, Span::Third, STATS, WidgetBody::Table { columns, rows })
}

fn latest_sessions(fold: &Fold) -> Widget {
    let columns = [
        ("Closed session", false),
        ("User", false),
        ("Start", true),
        ("Length", true),
        ("Events", true),
        ("Pages", true),
        ("Entry page", false),
        ("Exit page", false),
        ("Device", false),
        ("Variant", false),
        ("Revenue (EUR)", true),
    ];
    let text = |text: &str| Cell::Text(text.into());
    let integer = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let rows = fold.sessions.iter().map(|session| {
        vec![
            text(session.session_id.as_str()),
            text(session.user_id.as_str()),
            Cell::Time(TimestampMs(session.start)),
            Cell::DurationMs(session.end - session.start),
            integer(session.events),
            integer(session.pages),
            text(&session.entry_page),
            text(&session.exit_page),
            text(&session.device),
            text(&session.variant),
            Cell::Float(session.revenue_minor as f64 / 100.0),
        ]
    });
    let body = WidgetBody::Table { columns: columns.map(|(title, is_number)| column(title, is_number)).into(), rows: rows.collect() };
    widget("sessions", "Latest sessions", "The newest final results, times in event time", Span::Full, SESSIONS, body)
}

pub(super) fn widget(id: &str, title: &str, help: &str, span: Span, topic: &str, body: WidgetBody) -> Widget {
    Widget { id: id.into(), title: title.into(), help: help.into(), span, source: Source::Topic(topic.into()), body }
}

pub(super) fn column(title: &str, is_number: bool) -> Column {
    Column { title: title.into(), is_number }
}
