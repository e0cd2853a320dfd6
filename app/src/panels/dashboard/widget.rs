//! One widget, whatever its kind.

use std::{borrow::Cow, sync::Arc};

use egui::{Align, CursorIcon, Label, Layout, RichText, Sense, Ui};
use weir_model::{Cell, Column, Dashboard, PipelineId, Source, TimestampMs, TopRow, Variant, Widget, WidgetBody};
use weir_ui_kit::{
    format, icons,
    plot::{self, TimeGroup},
    table::{ROW_HEIGHT, Table, TableCell, TableColumn},
    theme::size,
    tokens,
    widgets::{StatTile, icon_button, section, subdued},
};

use super::{bodies, desk, open_source, trace};
use crate::panels::{
    PanelContext,
    grid::{Room, filled_card},
};

/// The height of a chart.
pub(super) const CHART_HEIGHT: f32 = 250.0;
/// Characters of a figure and its unit that fit beside one another in a tile.
const FIGURE_CHARS_MAX: usize = 13;
/// Rows of a table in sight; the others scroll.
const TABLE_ROWS: usize = 8;
/// Widths of columns of numbers, times and texts.
const NUMBER_WIDTH: f32 = 84.0;
const TIME_WIDTH: f32 = 164.0;
const TEXT_WIDTH: f32 = 130.0;
/// What a character of a title takes, and the space around it.
const TITLE_CHAR_WIDTH: f32 = 6.6;
const TITLE_PADDING: f32 = 22.0;
/// As narrow, and as wide, as columns may get, in parts of their width.
const SQUEEZE_MIN: f32 = 0.72;
const STRETCH_MAX: f32 = 1.7;

/// The lines of a dashboard in the form that plots take; made once per dashboard, not per frame.
#[derive(Default)]
pub(super) struct Charts {
    dashboard: Option<Arc<Dashboard>>,
    /// By widget, then by line.
    lines: Vec<Vec<Vec<(i64, f64)>>>,
    /// The time that all of them cover.
    covers_ms: Option<(i64, i64)>,
}

/// What a chart over time takes from its dashboard.
#[derive(Clone, Copy)]
pub(super) struct Chart<'a> {
    /// By line.
    pub(super) points: &'a [Vec<(i64, f64)>],
    pub(super) covers_ms: Option<(i64, i64)>,
}

/// The charts of a pipeline's dashboard show the same part of time.
pub(super) fn time_group(pipeline: &PipelineId) -> TimeGroup {
    TimeGroup::new(pipeline.as_str())
}

impl Charts {
    /// Takes in a dashboard if it is another than before.
    pub(super) fn refresh(&mut self, dashboard: &Arc<Dashboard>) {
        if self.dashboard.as_ref().is_some_and(|old| Arc::ptr_eq(old, dashboard)) {
            return;
        }
        fn lines(body: &WidgetBody) -> Vec<Vec<(i64, f64)>> {
            match body {
                WidgetBody::TimeSeries { lines, .. } => {
                    lines.iter().map(|line| line.points.iter().map(|(TimestampMs(at), value)| (*at, *value)).collect()).collect()
                }
                WidgetBody::Chosen { body, .. } => lines(body),
                _ => Vec::new(),
            }
        }
        self.lines = dashboard.widgets.iter().map(|widget| lines(&widget.body)).collect();
        let times = || self.lines.iter().flatten().flatten().map(|(at, _)| *at);
        self.covers_ms = times().min().zip(times().max());
        self.dashboard = Some(Arc::clone(dashboard));
    }

    /// Draws the widget as tall as its row; returns the height it needs.
    pub(super) fn ui(
        &self,
        ui: &mut Ui,
        height: f32,
        at: usize,
        (pipeline, widget): (&PipelineId, &Widget),
        cx: &mut PanelContext<'_>,
    ) -> f32 {
        if let WidgetBody::Number { value, unit, decimals, history } = &widget.body {
            return number(ui, widget, (*value, unit, *decimals), history, cx);
        }
        filled_card(ui, height, |ui, room| {
            heading(ui, widget, cx);
            let chart = Chart { points: self.lines.get(at).map(Vec::as_slice).unwrap_or_default(), covers_ms: self.covers_ms };
            body(ui, (pipeline, widget), &widget.body, (chart, room), cx);
        })
    }
}

/// Draws what a widget shows.
fn body(
    ui: &mut Ui,
    (pipeline, widget): (&PipelineId, &Widget),
    shown: &WidgetBody,
    (chart, room): (Chart<'_>, &mut Room),
    cx: &mut PanelContext<'_>,
) {
    match shown {
        WidgetBody::Number { .. } => {}
        WidgetBody::TimeSeries { unit, lines, bands } => {
            bodies::time_series(ui, (pipeline, widget), unit, (lines, bands), (chart, room), cx);
        }
        WidgetBody::TopK { unit, rows } => top(ui, widget, unit, rows, cx),
        WidgetBody::Funnel { stages } if stages.iter().all(|stage| stage.count == 0) => nothing_yet(ui, widget),
        WidgetBody::Funnel { stages } => {
            let stages: Vec<(&str, u64)> = stages.iter().map(|stage| (&*stage.label, stage.count)).collect();
            let pressed = plot::funnel(ui, &stages, &trace::words_of(widget, ""));
            if pressed.is_some() {
                cx.push(open_source(&widget.source));
            }
        }
        WidgetBody::Intervals { unit, variants, conclusion } => intervals(ui, widget, unit, variants, conclusion, cx),
        WidgetBody::Heat { unit, decimals, columns, rows, scale, severity, states } => {
            bodies::heat(ui, widget, (unit, *decimals), (columns, rows), (*scale, *severity, states), cx);
        }
        WidgetBody::Lanes { lanes, cursor } => bodies::lanes(ui, widget, lanes, *cursor, cx),
        WidgetBody::Gauges { gauges } => bodies::gauges(ui, widget, gauges, cx),
        WidgetBody::Sankey { unit, nodes, edges } => bodies::sankey(ui, widget, unit, (nodes, edges), (room, cx)),
        WidgetBody::Graph { unit, nodes, edges } => bodies::graph(ui, widget, unit, nodes, edges, cx),
        WidgetBody::Map { unit, points } => bodies::map(ui, widget, unit, points, (room, cx)),
        WidgetBody::Incidents { incidents } => bodies::incidents(ui, incidents, cx),
        WidgetBody::Feed { entries } => bodies::feed(ui, widget, entries, (room, cx)),
        WidgetBody::Queue { rows, waiting, verbs } => desk::queue(ui, (pipeline, widget), (rows, *waiting), verbs, cx),
        WidgetBody::Editor { rows, hint, verbs, answer } => {
            desk::editor(ui, (pipeline, widget), rows, (hint, answer), verbs, cx);
        }
        WidgetBody::Table { columns, rows } => table(ui, widget, (columns, rows), room, cx),
        WidgetBody::Chosen { chooser, body: chosen } => {
            desk::chooser(ui, (pipeline, widget), chooser, cx);
            body(ui, (pipeline, widget), chosen, (chart, room), cx);
        }
    }
}

fn heading(ui: &mut Ui, widget: &Widget, cx: &mut PanelContext<'_>) {
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            if icon_button(ui, icons::ARROW_RIGHT, &format!("Open {}, where {} comes from", source(&widget.source), widget.title)).clicked()
            {
                cx.push(open_source(&widget.source));
            }
            icon_button(ui, icons::INFO, &widget.help);
            // What the buttons leave: a long title ends in an ellipsis rather than under them.
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| section(ui, &widget.title));
        });
    });
}

pub(super) fn source(source: &Source) -> String {
    match source {
        Source::Topic(topic) => format!("topic {topic}"),
        Source::Group(group) => format!("group {group}"),
    }
}

pub(super) fn nothing_yet(ui: &mut Ui, widget: &Widget) {
    nothing(ui, "Nothing yet.", &widget.help);
}

/// That there is nothing, and what there will be.
pub(super) fn nothing(ui: &mut Ui, what: &str, help: &str) {
    subdued(ui, what);
    if !help.is_empty() {
        ui.add(Label::new(RichText::new(help).size(size::SMALL).color(tokens(ui).text.subdued)).wrap());
    }
}

fn number(
    ui: &mut Ui,
    widget: &Widget,
    (value, unit, decimals): (Option<f64>, &str, u8),
    history: &[f64],
    cx: &mut PanelContext<'_>,
) -> f32 {
    let (value, unit, decimals) = readable(value, unit, decimals);
    let value = value.map_or_else(|| "–".to_owned(), |value| format::decimal(value, decimals.into()));
    let (label, beside) = placed(&widget.title, &value, unit);
    let tile = StatTile { label: &label, value: &value, unit: beside, note: "", history, help: &widget.help }.show(ui);
    let pressed = tile.interact(Sense::click()).on_hover_cursor(CursorIcon::PointingHand);
    let name = format!("{}: {value} {unit}. Open {}", widget.title, source(&widget.source));
    pressed.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &name));
    if pressed.clicked() {
        cx.push(open_source(&widget.source));
    }
    tile.rect.height()
}

/// Ten seconds and more are no milliseconds to a reader.
fn readable(value: Option<f64>, unit: &str, decimals: u8) -> (Option<f64>, &str, u8) {
    const MS_MAX: f64 = 10_000.0;
    match value {
        Some(value) if unit == "ms" && value >= MS_MAX => (Some(value / 1_000.0), "s", 1),
        _ => (value, unit, decimals),
    }
}

/// A tile's label, and the unit beside its figure: a unit that would not fit there goes to the label, unless the title says it already.
fn placed<'a>(title: &'a str, value: &str, unit: &'a str) -> (Cow<'a, str>, &'a str) {
    if value.chars().count() + unit.chars().count() <= FIGURE_CHARS_MAX {
        (title.into(), unit)
    } else if title.to_lowercase().contains(&unit.to_lowercase()) {
        (title.into(), "")
    } else {
        (format!("{title} ({unit})").into(), "")
    }
}

fn top(ui: &mut Ui, widget: &Widget, unit: &str, rows: &[TopRow], cx: &mut PanelContext<'_>) {
    if rows.is_empty() {
        return nothing_yet(ui, widget);
    }
    let records = |at: usize| rows.get(at).and_then(|row: &TopRow| widget.records_with(&row.label));
    let bars: Vec<plot::BarRow<'_>> = rows.iter().map(|row| plot::BarRow { label: &row.label, value: row.value }).collect();
    let pressed = plot::bar_list(ui, &bars, unit, |at| records(at).as_ref().map(trace::words));
    trace::open(pressed.and_then(records), cx);
}

fn intervals(ui: &mut Ui, widget: &Widget, unit: &str, variants: &[Variant], conclusion: &str, cx: &mut PanelContext<'_>) {
    if !variants.is_empty() {
        let rows: Vec<plot::IntervalRow<'_>> = variants
            .iter()
            .map(|variant| plot::IntervalRow {
                name: &variant.name,
                n: variant.n,
                estimate: variant.estimate,
                low: variant.low,
                high: variant.high,
            })
            .collect();
        if plot::intervals(ui, &rows, unit, &trace::words_of(widget, "")).is_some() {
            cx.push(open_source(&widget.source));
        }
    }
    subdued(ui, conclusion);
}

fn table(ui: &mut Ui, widget: &Widget, (columns, rows): (&[Column], &[Vec<Cell>]), room: &mut Room, cx: &mut PanelContext<'_>) {
    if rows.is_empty() {
        return nothing_yet(ui, widget);
    }
    let natural: Vec<f32> =
        columns.iter().enumerate().map(|(at, column)| natural_width(column, rows.iter().find_map(|row| row.get(at)))).collect();
    let factor = stretch(ui.available_width(), &natural);
    let last = columns.len().saturating_sub(1);
    let width = |at: usize| match columns.len() {
        // Two columns share a narrow card: the text takes what the number leaves.
        2 if at < last => (ui.available_width() - natural[last]).max(TEXT_WIDTH),
        2 => natural[at],
        _ => natural[at] * factor,
    };
    let shown: Vec<TableColumn<'_>> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| TableColumn { title: &column.title, width: width(at), is_number: column.is_number, is_sortable: false })
        .collect();
    let height_of = |rows: usize| (rows as f32 + 1.2) * ROW_HEIGHT + 8.0;
    let height = room.fill(ui, height_of(rows.len().min(TABLE_ROWS)), height_of(rows.len()));
    // The arrows move the mark, Enter or a click opens what it stands on.
    let id = ui.scope_id().with("marked");
    let marked: Option<usize> = ui.data(|data| data.get_temp(id));
    let shown = Table::new(&widget.id, &shown, rows.len())
        .height(height)
        .selected(marked)
        .show(ui, |row, column| rows.get(row).and_then(|row| row.get(column)).map(cell).unwrap_or_default());
    if let Some(row) = shown.selected {
        ui.data_mut(|data| data.insert_temp(id, row));
    }
    let is_click = shown.selected.is_some() && ui.input(|input| input.pointer.any_released());
    if let Some(row) = shown.opened.or(shown.selected.filter(|_| is_click)).and_then(|row| rows.get(row)) {
        trace::open(trace::of_row(widget, row), cx);
    }
}

/// The width that a column's title and contents like.
fn natural_width(column: &Column, first: Option<&Cell>) -> f32 {
    let contents = match first {
        Some(Cell::Time(_)) => TIME_WIDTH,
        _ if column.is_number => NUMBER_WIDTH,
        _ => TEXT_WIDTH,
    };
    contents.max(column.title.chars().count() as f32 * TITLE_CHAR_WIDTH + TITLE_PADDING)
}

/// By which factor columns become wider or narrower, so that they fill the card: a table that would not quite fit is drawn tighter rather
/// than cut off, and beyond some width numbers would stand too far from their names.
fn stretch(available: f32, natural: &[f32]) -> f32 {
    (available / natural.iter().sum::<f32>().max(1.0)).clamp(SQUEEZE_MIN, STRETCH_MAX)
}

fn cell(cell: &Cell) -> TableCell<'_> {
    match cell {
        Cell::Text(text) => TableCell::text(&**text),
        Cell::Integer(value) => TableCell::mono(format::integer(*value)),
        Cell::Float(value) => TableCell::mono(format::decimal(*value, 2)),
        Cell::Percent(value) => TableCell::mono(format!("{} %", format::decimal(*value, 1))),
        Cell::Missing(why) => TableCell::mono("–").subdued().with_hint(&**why),
        Cell::Time(at) => TableCell::mono(format::timestamp_utc(at.0).chars().take(19).collect::<String>()).subdued(),
        Cell::DurationMs(length) => TableCell::mono(format::duration_ms(*length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_their_card_and_none_is_cut_off_by_the_others() {
        let check = |available: f32, natural: &[f32], expect: f32| assert!((stretch(available, natural) - expect).abs() < 1e-3);
        check(600.0, &[130.0, 84.0, 84.0], STRETCH_MAX);
        check(600.0, &[200.0, 200.0], 1.5);
        check(600.0, &[400.0, 400.0], 0.75);
        check(300.0, &[400.0, 400.0], SQUEEZE_MIN);
        check(300.0, &[], STRETCH_MAX);
    }

    #[test]
    fn long_times_are_told_in_seconds() {
        assert_eq!(readable(Some(9_999.0), "ms", 2), (Some(9_999.0), "ms", 2));
        assert_eq!(readable(Some(20_972.0), "ms", 0), (Some(20.972), "s", 1));
        assert_eq!(readable(Some(20_972.0), "EUR", 0), (Some(20_972.0), "EUR", 0));
    }

    #[test]
    fn a_unit_stands_where_it_fits() {
        let check = |title: &str, value: &str, unit: &str, expect: (&str, &str)| {
            let (label, beside) = placed(title, value, unit);
            assert_eq!((&*label, beside), expect);
        };
        check("Bounce rate", "31.4", "%", ("Bounce rate", "%"));
        check("Events", "1,002", "events/s", ("Events", "events/s"));
        check("Revenue", "123,456,789", "EUR", ("Revenue (EUR)", ""));
        check("Sessions closed", "23,456", "sessions", ("Sessions closed", ""));
    }
}
