//! Charts: lines over time, top lists, funnels, intervals here; the others in a file each. Axes have units; colours are the theme's.

mod flow;
mod gauge;
mod heat;
mod lanes;
mod layers;
mod map;

use egui::{
    Align2, Color32, CornerRadius, CursorIcon, FontId, Rect, Role, Sense, Shape, Stroke, TextStyle, Ui, Vec2b, WidgetInfo, pos2, vec2,
};
use egui_plot::{AxisHints, GridMark, HoverPosition, Line, Plot, PlotPoints};

use crate::{
    format,
    theme::{self, size},
    tokens::tokens,
};

pub use flow::{FlowEdge, FlowNode, graph, sankey};
pub use gauge::{Gauge, gauge};
pub use heat::{Heat, HeatRow, heat};
pub use lanes::{Lane, LaneSpan, Lanes, lanes};
pub use map::{MapPoint, map};

/// One line over time: epoch milliseconds and values, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct TimeLine<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its points.
    pub points: &'a [(i64, f64)],
}

/// Lines over time, as wide as there is room; what they are stands above them, where it hides no line. Ctrl and the wheel zoom into time,
/// dragging moves along it, a double click shows all again. Gives the moment that was pressed with the second button, as epoch milliseconds;
/// `hint` says what that does.
pub fn time_series(ui: &mut Ui, id: &str, lines: &[TimeLine<'_>], unit: &str, height: f32, hint: &str) -> Option<i64> {
    const LEGEND_HEIGHT: f32 = 18.0;
    if lines.iter().all(|line| line.points.len() < 2) {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        label(
            ui,
            rect,
            "Drawn as soon as there are two readings",
            FontId::proportional(size::SMALL),
            tokens(ui).text.subdued,
            Align2::CENTER_CENTER,
        );
        return None;
    }
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        // The plot writes its axes in the body's font and colour; axes matter less than that.
        let subdued = tokens(ui).text.subdued;
        let style = ui.style_mut();
        style.text_styles.insert(TextStyle::Body, FontId::proportional(size::SMALL));
        style.visuals.override_text_color = Some(subdued);
        legend(ui, lines, unit, LEGEND_HEIGHT);
        lines_plot(ui, id, lines, (unit, hint), (height - LEGEND_HEIGHT - 4.0).max(LEGEND_HEIGHT))
    })
    .inner
}

fn legend(ui: &mut Ui, lines: &[TimeLine<'_>], unit: &str, height: f32) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let font = FontId::proportional(size::SMALL);
    let mut rest = Rect::from_min_max(
        pos2(label(ui, rect, unit, font.clone(), tokens.text.subdued, Align2::LEFT_CENTER).right() + 16.0, rect.top()),
        rect.max,
    );
    if lines.len() < 2 {
        return;
    }
    for (at, line) in lines.iter().enumerate() {
        ui.painter().circle_filled(pos2(rest.left() + 4.0, rest.center().y), 3.5, tokens.series.color(at));
        let name = Rect::from_min_max(pos2(rest.left() + 12.0, rest.top()), rest.max);
        rest.min.x = label(ui, name, line.name, font.clone(), tokens.text.normal, Align2::LEFT_CENTER).right() + 16.0;
    }
}

/// Of a time of day in an axis.
const LABEL_WIDTH: f32 = 52.0;

/// Where all time axes begin to count, 2026-01-01, so that charts can be read side by side.
const START_MS: i64 = 1_767_225_600_000;

fn lines_plot(ui: &mut Ui, id: &str, lines: &[TimeLine<'_>], (unit, hint): (&str, &str), height: f32) -> Option<i64> {
    let tokens = tokens(ui);
    let width = ui.available_width();
    let after_figure = if hint.is_empty() { unit.to_owned() } else { format!("{unit}\n{hint}") };
    let times = || lines.iter().flat_map(|line| line.points).map(|point| point.0);
    let span_ms = times().max().zip(times().min()).map_or(0, |(last, first)| last - first);
    // Dates take more room than times of day.
    let label_width = if span_ms < 86_400_000 { LABEL_WIDTH } else { LABEL_WIDTH * 1.4 };
    let along_time = Vec2b::new(true, false);
    let y_axis = AxisHints::new_y().formatter(|mark: GridMark, _: &_| format::si(mark.value)).min_thickness(40.0);
    let x_axis = AxisHints::new_x().formatter(move |mark: GridMark, shown: &std::ops::RangeInclusive<f64>| {
        // A text in the middle of its mark would reach over the edge of the card.
        let is_at_the_edge = shown.end() - mark.value < (shown.end() - shown.start()) * f64::from(label_width / 2.0 / width);
        let span_ms = (shown.end() - shown.start()) as i64;
        if is_at_the_edge { String::new() } else { format::moment_utc(START_MS + mark.value as i64, span_ms) }
    });
    let plot = Plot::new(id)
        .height(height)
        .width(width)
        .custom_y_axes(vec![y_axis])
        .custom_x_axes(vec![x_axis])
        .x_grid_spacer(move |input| time_marks(input.bounds, f64::from((width / label_width / 1.5).max(2.0))))
        .include_y(0.0)
        // Lines that are all zero need a height too.
        .include_y(if lines.iter().flat_map(|line| line.points).all(|point| point.1 == 0.0) { 1.0 } else { 0.0 })
        .show_background(false)
        .grid_color(tokens.line.grid)
        .allow_zoom(along_time)
        .allow_drag(along_time)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        // The moment under the pointer is marked in all charts in sight.
        .link_cursor(egui::Id::unique("time"), along_time)
        .set_margin_fraction(vec2(0.0, 0.08))
        .auto_bounds(Vec2b::TRUE)
        .label_formatter(move |hover| match hover {
            HoverPosition::NearDataPoint { plot_name, position, .. } => {
                let at = format::moment_utc(START_MS + position.x as i64, span_ms);
                Some(format!("{plot_name}\n{at}\n{} {after_figure}", format::si(position.y)))
            }
            HoverPosition::Elsewhere { .. } => None,
        });
    let shown = plot.show(ui, |plot| {
        for (at, line) in lines.iter().enumerate() {
            let points: Vec<[f64; 2]> =
                downsample(line.points, (width / 4.0) as usize).into_iter().map(|(at, value)| [(at - START_MS) as f64, value]).collect();
            plot.line(Line::new(line.name, PlotPoints::from(points)).color(tokens.series.color(at)).width(1.6));
        }
    });
    let at = shown.response.secondary_clicked().then(|| shown.response.interact_pointer_pos()).flatten()?;
    Some(START_MS + shown.transform.value_from_position(at).x as i64)
}

/// Some moments that people would choose, between these and at most so many, as milliseconds since [`START_MS`].
fn time_marks((from, to): (f64, f64), marks_max: f64) -> Vec<GridMark> {
    const SECOND: f64 = 1_000.0;
    const STEPS_S: [f64; 17] =
        [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0];
    let wanted = (to - from) / marks_max;
    let longest = (wanted / (86_400.0 * SECOND)).ceil().max(1.0) * 86_400.0 * SECOND;
    let step = STEPS_S.iter().map(|step| step * SECOND).find(|step| *step >= wanted).unwrap_or(longest);
    let first = (from / step).ceil();
    let count = ((to / step).floor() - first).clamp(0.0, 2.0 * marks_max) as u32;
    (0..=count).map(|at| GridMark { value: (first + f64::from(at)) * step, step_size: step }).collect()
}

/// The smallest and the largest value of each bucket, in time order: spikes stay.
pub fn downsample(points: &[(i64, f64)], buckets: usize) -> Vec<(i64, f64)> {
    let buckets = buckets.max(2);
    if points.len() <= buckets * 2 {
        return points.to_vec();
    }
    let mut out = Vec::with_capacity(buckets * 2);
    for chunk in points.chunks(points.len().div_ceil(buckets)) {
        let low = chunk.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let high = chunk.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        if let (Some(low), Some(high)) = (low, high) {
            out.extend(if low.0 <= high.0 { [*low, *high] } else { [*high, *low] });
        }
    }
    out.dedup();
    out
}

/// One row of a top list.
#[derive(Debug, Clone, Copy)]
pub struct BarRow<'a> {
    /// What is counted.
    pub label: &'a str,
    /// Its count.
    pub value: f64,
}

/// The largest of many as bars, best first. Gives the row that was pressed, of those that lead somewhere.
pub fn bar_list(ui: &mut Ui, rows: &[BarRow<'_>], unit: &str, leads: impl Fn(usize) -> Option<String>) -> Option<usize> {
    let tokens = tokens(ui);
    let max = rows.iter().map(|row| row.value).fold(0.0_f64, f64::max);
    let mut pressed = None;
    ui.spacing_mut().item_spacing.y = 4.0;
    for (at, row) in rows.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::hover());
        let share = if max > 0.0 { (row.value / max) as f32 } else { 0.0 };
        let bar = Rect::from_min_size(rect.min, vec2((rect.width() * share).max(2.0), rect.height()));
        ui.painter().rect_filled(bar, 4.0, tokens.accent.soft);
        let value = format::integer(row.value.round() as i64);
        let value_rect =
            label(ui, rect.shrink2(vec2(8.0, 0.0)), &value, theme::mono(size::BODY - 1.0), tokens.text.strong, Align2::RIGHT_CENTER);
        let name = Rect::from_min_max(rect.min + vec2(8.0, 0.0), pos2(value_rect.left() - 8.0, rect.bottom()));
        label(ui, name, row.label, FontId::proportional(size::BODY), tokens.text.normal, Align2::LEFT_CENTER);
        response.on_hover_text(format!("{}: {value} {unit}", row.label));
        if let Some(whither) = leads(at)
            && link(ui, rect, at, &whither)
        {
            pressed = Some(at);
        }
    }
    pressed
}

/// Makes a place a link, for pointer, keyboard and screen reader; whether it was pressed.
pub(crate) fn link(ui: &Ui, place: Rect, salt: usize, whither: &str) -> bool {
    let response = ui.interact(place, ui.scope_id().with(("link", salt)), Sense::click()).on_hover_cursor(CursorIcon::PointingHand);
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, whither));
    if response.has_focus() {
        ui.painter().rect_stroke(place, 4.0, Stroke::new(1.0, tokens(ui).accent.main), egui::StrokeKind::Inside);
    }
    response.clicked()
}

/// Steps that ever fewer pass, each with its share of the first and of the step before.
pub fn funnel(ui: &mut Ui, stages: &[(&str, u64)]) {
    let tokens = tokens(ui);
    let first = stages.first().map_or(0, |stage| stage.1);
    let mut before = first;
    ui.spacing_mut().item_spacing.y = 6.0;
    for (at, (name, count)) in stages.iter().enumerate() {
        let share = |of: u64| if of > 0 { *count as f64 / of as f64 } else { 0.0 };
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::hover());
        let bar = Rect::from_min_size(rect.min, vec2((rect.width() * share(first) as f32).max(3.0), rect.height()));
        ui.painter().rect_filled(bar, CornerRadius::same(5), tokens.series.color(at).gamma_multiply(0.28));
        ui.painter().rect_filled(Rect::from_min_size(rect.min, vec2(3.0, rect.height())), 1.0, tokens.series.color(at));
        let inner = rect.shrink2(vec2(12.0, 3.0));
        let shares = format!("{} of all · {} of the step before", format::percent(share(first), 1), format::percent(share(before), 1));
        let value = format::integer(*count);
        let (left, right) = if at == 0 { (Align2::LEFT_CENTER, Align2::RIGHT_CENTER) } else { (Align2::LEFT_TOP, Align2::RIGHT_TOP) };
        let taken = label(ui, inner, &value, theme::medium(size::BODY), tokens.text.strong, right);
        let name_area = Rect::from_min_max(inner.min, pos2(taken.left() - 8.0, inner.bottom()));
        label(ui, name_area, name, theme::medium(size::BODY), tokens.text.strong, left);
        if at > 0 {
            label(ui, inner, &shares, FontId::proportional(size::SMALL), tokens.text.normal, Align2::LEFT_BOTTOM);
        }
        response.on_hover_text(format!("{name}: {value}, {shares}"));
        before = *count;
    }
}

/// An estimate with its uncertainty.
#[derive(Debug, Clone, Copy)]
pub struct IntervalRow<'a> {
    /// The variant.
    pub name: &'a str,
    /// How many were observed.
    pub n: u64,
    /// The estimate.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// Estimates side by side on one axis; in a narrow place the axis goes below names and figures.
pub fn intervals(ui: &mut Ui, rows: &[IntervalRow<'_>], unit: &str) {
    const NAME_WIDTH: f32 = 96.0;
    const FIGURES_WIDTH: f32 = 190.0;
    const NARROW: f32 = 480.0;
    let tokens = tokens(ui);
    let max = rows.iter().map(|row| row.high).fold(0.0_f64, f64::max).max(f64::MIN_POSITIVE) * 1.1;
    let min = (rows.iter().map(|row| row.low).fold(f64::INFINITY, f64::min) * 0.9).max(0.0).min(max * 0.9);
    let is_narrow = ui.available_width() < NARROW;
    let (left, right) = if is_narrow { (6.0, 6.0) } else { (NAME_WIDTH, FIGURES_WIDTH) };
    for (at, row) in rows.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), if is_narrow { 44.0 } else { 34.0 }), Sense::hover());
        let (words, y) = if is_narrow {
            (Rect::from_min_size(rect.min, vec2(rect.width(), 22.0)), rect.bottom() - 11.0)
        } else {
            (rect, rect.center().y)
        };
        let x = |value: f64| rect.left() + left + (rect.width() - left - right) * (((value - min) / (max - min)) as f32).clamp(0.0, 1.0);
        let color = tokens.series.color(at);
        let figures =
            format!("{} {unit}  ({} – {})", format::decimal(row.estimate, 2), format::decimal(row.low, 2), format::decimal(row.high, 2));
        let taken = label(ui, words, &figures, FontId::proportional(size::BODY), tokens.text.normal, Align2::RIGHT_CENTER);
        let name = words.with_max_x(if is_narrow { taken.left() - 8.0 } else { rect.left() + left - 8.0 });
        label(ui, name, row.name, theme::medium(size::BODY), tokens.text.strong, Align2::LEFT_CENTER);
        ui.painter().line_segment([pos2(x(min), y), pos2(x(max), y)], Stroke::new(1.0, tokens.line.grid));
        ui.painter().line_segment([pos2(x(row.low), y), pos2(x(row.high), y)], Stroke::new(6.0, color.gamma_multiply(0.35)));
        ui.painter().circle_filled(pos2(x(row.estimate), y), 5.0, color);
        response.on_hover_text(format!("{}: {figures}, n = {}", row.name, format::integer(row.n)));
    }
    axis(ui, min, max, unit, left, right);
}

fn axis(ui: &mut Ui, min: f64, max: f64, unit: &str, left: f32, right: f32) {
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 16.0), Sense::hover());
    let axis = Rect::from_min_max(rect.min + vec2(left, 0.0), rect.max - vec2(right, 0.0));
    for (share, anchor) in [(0.0, Align2::LEFT_CENTER), (0.5, Align2::CENTER_CENTER), (1.0, Align2::RIGHT_CENTER)] {
        let text = format!("{} {unit}", format::decimal(min + (max - min) * share, 2));
        label(ui, axis, &text, FontId::proportional(size::SMALL), tokens.text.subdued, anchor);
    }
}

/// Paints a line of text into a place, shortened if need be; returns what it took.
fn label(ui: &Ui, rect: Rect, text: &str, font: FontId, color: Color32, anchor: Align2) -> Rect {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width().max(0.0));
    let galley = ui.painter().layout_job(job);
    let taken = anchor.anchor_size(anchor.pos_in_rect(&rect), galley.size());
    ui.painter().add(Shape::galley(taken.min, galley, color));
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_marked_where_people_would() {
        let check = |from: f64, to: f64, expect: &[f64]| {
            let marks: Vec<f64> = time_marks((from * 1_000.0, to * 1_000.0), 8.0).iter().map(|mark| mark.value / 1_000.0).collect();
            assert_eq!(marks, expect, "{from} to {to} seconds");
        };
        check(0.0, 7.5, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        check(61.0, 290.0, &[90.0, 120.0, 150.0, 180.0, 210.0, 240.0, 270.0]);
        check(3_601.0, 7_199.0, &[4_200.0, 4_800.0, 5_400.0, 6_000.0, 6_600.0]);
        check(0.0, 864_000.0, &[0.0, 172_800.0, 345_600.0, 518_400.0, 691_200.0, 864_000.0]);
    }

    #[test]
    fn downsampling_keeps_spikes_and_order() {
        let mut points: Vec<(i64, f64)> = (0..10_000).map(|at| (at, 1.0)).collect();
        points[7_777].1 = 100.0;
        points[3_333].1 = -5.0;
        let few = downsample(&points, 100);
        assert!(few.len() <= 200);
        assert!(few.contains(&(7_777, 100.0)) && few.contains(&(3_333, -5.0)));
        assert!(few.is_sorted_by_key(|point| point.0));
        assert_eq!(downsample(&points[..50], 100), points[..50]);
    }
}
