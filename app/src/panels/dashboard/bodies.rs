//! The widgets that the kit draws from plain data: each is handed over in the kit's terms.

use std::sync::Arc;

use egui::{CursorIcon, ScrollArea, Sense, Ui};
use weir_model::{
    FeedEntry, FlowEdge, FlowNode, Gauge, HeatRow, Incident, Lane, LaneSpan, Line, MapPoint, PipelineId, Severity, TimestampMs, Widget,
};
use weir_ui_kit::{
    format, plot,
    widgets::{self, Tone},
};

use super::{
    open_source, trace,
    widget::{CHART_HEIGHT, Chart, nothing_yet, source, time_group},
};
use crate::panels::{PanelContext, grid::Room};

const MAP_HEIGHT: f32 = 340.0;
/// Beside something taller a map, and a chart, grow as far as this.
const MAP_HEIGHT_MAX: f32 = 520.0;
const CHART_HEIGHT_MAX: f32 = 420.0;
const FEED_HEIGHT: f32 = 240.0;

pub(super) fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Neutral => Tone::Neutral,
        Severity::Ok => Tone::Ok,
        Severity::Info => Tone::Info,
        Severity::Warning => Tone::Warning,
        Severity::Critical => Tone::Danger,
    }
}

pub(super) fn time_series(
    ui: &mut Ui,
    (pipeline, widget): (&PipelineId, &Widget),
    unit: &str,
    (lines, bands): (&[Line], &[LaneSpan]),
    (chart, room): (Chart<'_>, &mut Room),
    cx: &mut PanelContext<'_>,
) {
    if chart.points.iter().all(|line| line.len() < 2) {
        return nothing_yet(ui, widget);
    }
    let lines: Vec<plot::TimeLine<'_>> =
        lines.iter().zip(chart.points).map(|(line, points)| plot::TimeLine { name: &line.name, points }).collect();
    let bands: Vec<plot::LaneSpan<'_>> = bands.iter().map(span).collect();
    let series = plot::TimeSeries {
        id: &widget.id,
        lines: &lines,
        bands: &bands,
        unit,
        height: room.fill(ui, CHART_HEIGHT, CHART_HEIGHT_MAX),
        hint: "Right button: the records from here on",
        group: Some(time_group(pipeline)),
        covers_ms: chart.covers_ms,
    };
    let pressed = plot::time_series(ui, &series);
    trace::open(pressed.and_then(|at| widget.records_from(TimestampMs(at))), cx);
}

fn span(span: &LaneSpan) -> plot::LaneSpan<'_> {
    plot::LaneSpan { from_ms: span.from.0, to_ms: span.to.0, label: &span.label, tone: tone(span.severity) }
}

pub(super) fn heat(
    ui: &mut Ui,
    widget: &Widget,
    (unit, decimals): (&str, u8),
    (columns, rows): (&[Arc<str>], &[HeatRow]),
    ((low, high), severity, states): ((f64, f64), Severity, &[Arc<str>]),
    cx: &mut PanelContext<'_>,
) {
    if rows.iter().all(|row| row.values.is_empty()) {
        return nothing_yet(ui, widget);
    }
    let columns: Vec<&str> = columns.iter().map(|name| &**name).collect();
    let shown: Vec<plot::HeatRow<'_>> =
        rows.iter().map(|row| plot::HeatRow { label: &row.label, values: &row.values, names: &row.names }).collect();
    let heat = plot::Heat { columns: &columns, rows: &shown, unit, decimals: decimals.into(), low, high, tone: tone(severity), states };
    if let Some((row, at)) = plot::heat(ui, &heat) {
        // Where cells are things of their own, it is the thing that was pressed.
        let name = rows.get(row).map(|row| row.names.get(at).unwrap_or(&row.label));
        trace::open(name.and_then(|name| widget.records_with(name)), cx);
    }
}

pub(super) fn lanes(ui: &mut Ui, widget: &Widget, lanes: &[Lane], cursor: Option<TimestampMs>, cx: &mut PanelContext<'_>) {
    let spans: Vec<Vec<plot::LaneSpan<'_>>> = lanes.iter().map(|lane| lane.spans.iter().map(span).collect()).collect();
    let shown: Vec<plot::Lane<'_>> =
        lanes.iter().zip(&spans).map(|(lane, spans)| plot::Lane { label: &lane.label, spans, cursor_ms: None }).collect();
    if let Some((lane, span)) = plot::lanes(ui, &plot::Lanes { lanes: &shown, cursor_ms: cursor.map(|cursor| cursor.0) }) {
        let span = lanes.get(lane).and_then(|lane| lane.spans.get(span));
        trace::open(span.and_then(|span| widget.records_from(span.from)), cx);
    }
}

pub(super) fn gauges(ui: &mut Ui, widget: &Widget, gauges: &[Gauge], cx: &mut PanelContext<'_>) {
    if gauges.is_empty() {
        return nothing_yet(ui, widget);
    }
    for gauge in gauges {
        let shown = plot::Gauge {
            label: &gauge.label,
            value: gauge.value,
            unit: &gauge.unit,
            decimals: gauge.decimals.into(),
            min: gauge.bounds.0,
            max: gauge.bounds.1,
            good: gauge.good,
        };
        if plot::gauge(ui, &shown, &trace::words_of(widget, &gauge.label)) {
            trace::open_of(widget, &gauge.label, cx);
        }
    }
}

pub(super) fn sankey(
    ui: &mut Ui,
    widget: &Widget,
    unit: &str,
    (nodes, edges): (&[FlowNode], &[FlowEdge]),
    (room, cx): (&mut Room, &mut PanelContext<'_>),
) {
    if edges.iter().all(|edge| edge.value <= 0.0) {
        return nothing_yet(ui, widget);
    }
    let (places, edges) = flow(nodes, edges);
    let whither = |at: usize| nodes.get(at).map(|node| trace::words_of(widget, &node.label));
    let height = room.fill(ui, CHART_HEIGHT, CHART_HEIGHT_MAX);
    if let Some(node) = plot::sankey(ui, &places, &edges, unit, height, whither).and_then(|at| nodes.get(at)) {
        trace::open_of(widget, &node.label, cx);
    }
}

pub(super) fn graph(ui: &mut Ui, widget: &Widget, unit: &str, nodes: &[FlowNode], edges: &[FlowEdge], cx: &mut PanelContext<'_>) {
    if nodes.is_empty() {
        return nothing_yet(ui, widget);
    }
    let (boxes, edges) = flow(nodes, edges);
    let pressed = plot::graph(ui, &boxes, &edges, unit);
    trace::open(pressed.and_then(|at| nodes.get(at)).and_then(|node| widget.records_with(&node.label)), cx);
}

fn flow<'a>(nodes: &'a [FlowNode], edges: &[FlowEdge]) -> (Vec<plot::FlowNode<'a>>, Vec<plot::FlowEdge>) {
    let node = |node: &'a FlowNode| plot::FlowNode { label: &node.label, note: &node.note, tone: tone(node.severity) };
    let edge = |edge: &FlowEdge| plot::FlowEdge { from: edge.from, to: edge.to, value: edge.value };
    (nodes.iter().map(node).collect(), edges.iter().map(edge).collect())
}

pub(super) fn map(ui: &mut Ui, widget: &Widget, unit: &str, points: &[MapPoint], (room, cx): (&mut Room, &mut PanelContext<'_>)) {
    if points.is_empty() {
        return nothing_yet(ui, widget);
    }
    let point = |point: &'_ MapPoint| (point.latitude, point.longitude, point.value, tone(point.severity));
    let shown: Vec<plot::MapPoint<'_>> = points
        .iter()
        .map(|each| {
            let (latitude, longitude, value, tone) = point(each);
            plot::MapPoint { label: &each.label, latitude, longitude, value, tone }
        })
        .collect();
    let pressed = plot::map(ui, &shown, unit, room.fill(ui, MAP_HEIGHT, MAP_HEIGHT_MAX));
    trace::open(pressed.and_then(|at| points.get(at)).and_then(|point| widget.records_with(&point.label)), cx);
}

pub(super) fn incidents(ui: &mut Ui, incidents: &[Incident], cx: &mut PanelContext<'_>) {
    if incidents.is_empty() {
        widgets::icon_text(ui, weir_ui_kit::icons::CHECK_CIRCLE, "Nothing is wrong.", Tone::Ok);
        return;
    }
    ui.spacing_mut().item_spacing.y = 8.0;
    for incident in incidents {
        let time = |at: TimestampMs| format::moment_utc(at.0, incident.to.map_or(0, |to| to.0 - incident.from.0));
        let when = match incident.to {
            None => format!("since {}", time(incident.from)),
            Some(to) => format!("{} – {}, {}", time(incident.from), time(to), format::duration_ms(to.0 - incident.from.0)),
        };
        let facts: Vec<(&str, &str)> = incident.facts.iter().map(|(name, value)| (&**name, &**value)).collect();
        let shown = widgets::incident(
            ui,
            &widgets::Incident {
                title: &incident.title,
                tone: tone(incident.severity),
                state: &incident.state,
                when: &when,
                facts: &facts,
                note: &incident.note,
            },
        );
        let pressed = shown.interact(Sense::click()).on_hover_cursor(CursorIcon::PointingHand);
        let name = format!("{}, {}. Open {}", incident.title, incident.state, source(&incident.source));
        pressed.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &name));
        if pressed.clicked() {
            cx.push(open_source(&incident.source));
        }
    }
}

pub(super) fn feed(ui: &mut Ui, widget: &Widget, entries: &[FeedEntry], (room, cx): (&mut Room, &mut PanelContext<'_>)) {
    if entries.is_empty() {
        return nothing_yet(ui, widget);
    }
    let height = room.height(ui).max(FEED_HEIGHT);
    let area = ScrollArea::vertical().id_salt("feed").max_height(height).min_scrolled_height(height).auto_shrink([false, true]);
    let shown = area.show(ui, |ui| {
        let entry = |entry: &'_ FeedEntry| (entry.at.0, tone(entry.severity));
        let pressed = widgets::feed(
            ui,
            entries.iter().map(|each| {
                let (at_ms, tone) = entry(each);
                widgets::FeedEntry { at_ms, tone, text: &each.text }
            }),
        );
        trace::open(pressed.and_then(|at| entries.get(at)).and_then(|entry| widget.records_from(entry.at)), cx);
    });
    room.took(shown.inner_rect.height() - FEED_HEIGHT);
}
