//! Lines over time, with spans of time behind them. Charts of a group show the same part of time.

use egui::{Align2, FontId, Id, Rect, Sense, TextStyle, Ui, Vec2b, pos2, vec2};
use egui_plot::{AxisHints, GridMark, HoverPosition, Line, Plot, PlotPoints, PlotUi, Span};

use super::{LaneSpan, label};
use crate::{
    format,
    theme::size,
    tokens::{Tokens, tokens},
};

/// One line over time: epoch milliseconds and values, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct TimeLine<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its points.
    pub points: &'a [(i64, f64)],
}

/// Charts that show the same part of time: zooming or dragging one moves all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeGroup(Id);

/// What a group shows, in milliseconds since [`START_MS`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window(f64, f64);

impl TimeGroup {
    /// The group of that name.
    pub fn new(name: &str) -> Self {
        Self(Id::unique(("time group", name)))
    }

    /// Whether it shows less, or other, than all there is.
    pub fn is_zoomed(self, ui: &Ui) -> bool {
        self.window(ui).is_some()
    }

    /// Has it show all again.
    pub fn show_all(self, ui: &Ui) {
        ui.data_mut(|data| data.remove::<Window>(self.0));
    }

    fn window(self, ui: &Ui) -> Option<Window> {
        ui.data(|data| data.get_temp(self.0))
    }

    fn set(self, ui: &Ui, window: Window) {
        ui.data_mut(|data| data.insert_temp(self.0, window));
    }
}

/// Lines over time.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeSeries<'a> {
    /// Unique where it is drawn.
    pub id: &'a str,
    /// The lines.
    pub lines: &'a [TimeLine<'a>],
    /// Spans of time behind them.
    pub bands: &'a [LaneSpan<'a>],
    /// The unit of the y axis.
    pub unit: &'a str,
    /// How tall it is.
    pub height: f32,
    /// What the second button does; empty where it does nothing.
    pub hint: &'a str,
    /// With which others it shares what it shows of time; `None` for none.
    pub group: Option<TimeGroup>,
    /// The time that all of the group cover, as epoch milliseconds; `None` for what its own lines do.
    pub covers_ms: Option<(i64, i64)>,
}

/// Draws lines over time, as wide as there is room; what they are stands above them, where it hides no line. Ctrl and the wheel zoom into
/// time, dragging moves along it, a double click shows all again. Gives the moment that was pressed with the second button, as epoch
/// milliseconds.
pub fn time_series(ui: &mut Ui, series: &TimeSeries<'_>) -> Option<i64> {
    const LEGEND_HEIGHT: f32 = 18.0;
    if series.lines.iter().all(|line| line.points.len() < 2) {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), series.height), Sense::hover());
        let waiting = "Drawn as soon as there are two readings";
        label(ui, rect, waiting, FontId::proportional(size::SMALL), tokens(ui).text.subdued, Align2::CENTER_CENTER);
        return None;
    }
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        // The plot writes its axes in the body's font and colour; axes matter less than that.
        let subdued = tokens(ui).text.subdued;
        let style = ui.style_mut();
        style.text_styles.insert(TextStyle::Body, FontId::proportional(size::SMALL));
        style.visuals.override_text_color = Some(subdued);
        legend(ui, series.lines, series.unit, LEGEND_HEIGHT);
        lines_plot(ui, series, (series.height - LEGEND_HEIGHT - 4.0).max(LEGEND_HEIGHT))
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
/// From one value in an axis to the next, at least.
const MARK_HEIGHT: f32 = 32.0;

/// Where all time axes begin to count, 2026-01-01, so that charts can be read side by side.
const START_MS: i64 = 1_767_225_600_000;

fn lines_plot(ui: &mut Ui, series: &TimeSeries<'_>, height: f32) -> Option<i64> {
    let TimeSeries { id, lines, bands, unit, hint, .. } = *series;
    let tokens = tokens(ui);
    let width = ui.available_width();
    let group = series.group.unwrap_or_else(|| TimeGroup(ui.scope_id().with(("time window", id))));
    let all = covered(series);
    let span_ms = (all.1 - all.0) as i64;
    let window = group.window(ui).unwrap_or(all);
    // Dates take more room than times of day.
    let label_width = if span_ms < 86_400_000 { LABEL_WIDTH } else { LABEL_WIDTH * 1.4 };
    let along_time = Vec2b::new(true, false);
    let y_axis = AxisHints::new_y().formatter(|mark: GridMark, _: &_| format::si_step(mark.value, mark.step_size)).min_thickness(40.0);
    let is_whole = lines.iter().flat_map(|line| line.points).all(|point| point.1.fract() == 0.0);
    let value_marks_max = f64::from((height / MARK_HEIGHT).max(2.0));
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
        .y_grid_spacer(move |input| value_marks(input.bounds, value_marks_max, is_whole))
        .include_y(0.0)
        // Lines that are all zero need a height too.
        .include_y(if lines.iter().flat_map(|line| line.points).all(|point| point.1 == 0.0) { 1.0 } else { 0.0 })
        .show_background(false)
        .grid_color(tokens.line.grid)
        .allow_zoom(along_time)
        .allow_drag(along_time)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        // The moment under the pointer is marked in all charts in sight.
        .link_cursor(Id::unique("time"), along_time)
        .set_margin_fraction(vec2(0.0, 0.08))
        .label_formatter(move |hover| match hover {
            HoverPosition::NearDataPoint { plot_name, position, .. } => {
                let at = format::moment_utc(START_MS + position.x as i64, span_ms);
                let lines = [format!("{plot_name}\n{at}\n{} {unit}", format::si(position.y)), hint.to_owned(), under(bands, position.x)];
                Some(lines.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join("\n"))
            }
            HoverPosition::Elsewhere { position } => Some(under(bands, position.x)).filter(|told| !told.is_empty()),
        });
    let shown = plot.show(ui, |plot| {
        // The group says what is shown of time, the lines how high they are.
        plot.set_auto_bounds(Vec2b::new(false, true));
        plot.set_plot_bounds_x(window.0..=window.1);
        draw_bands(plot, bands, &tokens);
        for (at, line) in lines.iter().enumerate() {
            let points: Vec<[f64; 2]> =
                downsample(line.points, (width / 4.0) as usize).into_iter().map(|(at, value)| [since_start(at), value]).collect();
            plot.line(Line::new(line.name, PlotPoints::from(points)).color(tokens.series.color(at)).width(1.6));
        }
    });
    let bounds = shown.transform.bounds();
    let moved = Window(bounds.min()[0], bounds.max()[0]);
    if shown.response.double_clicked() {
        group.show_all(ui);
    } else if (moved.0 - window.0).abs().max((moved.1 - window.1).abs()) > 0.5 {
        group.set(ui, moved);
    }
    let at = shown.response.secondary_clicked().then(|| shown.response.interact_pointer_pos()).flatten()?;
    Some(START_MS + shown.transform.value_from_position(at).x as i64)
}

/// All the time there is to show.
fn covered(series: &TimeSeries<'_>) -> Window {
    let times = || series.lines.iter().flat_map(|line| line.points).map(|point| point.0);
    let own = times().min().zip(times().max());
    let (from, to) = series.covers_ms.or(own).unwrap_or((START_MS, START_MS));
    Window(since_start(from), since_start(to.max(from + 1)))
}

fn since_start(at_ms: i64) -> f64 {
    (at_ms - START_MS) as f64
}

fn draw_bands(plot: &mut PlotUi<'_>, bands: &[LaneSpan<'_>], tokens: &Tokens) {
    for band in bands {
        let (fill, edge) = (band.tone.color(tokens).gamma_multiply(0.14), band.tone.color(tokens).gamma_multiply(0.5));
        plot.span(Span::new(band.label, since_start(band.from_ms)..=since_start(band.to_ms)).fill(fill).border_color(edge));
    }
}

/// What the bands at a moment are, for a tooltip.
fn under(bands: &[LaneSpan<'_>], at: f64) -> String {
    let here = bands.iter().filter(|band| (since_start(band.from_ms)..=since_start(band.to_ms)).contains(&at));
    let told = here.map(|band| format!("{}, {}", band.label, format::duration_ms(band.to_ms - band.from_ms)));
    told.collect::<Vec<_>>().join("\n")
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

/// Some values that people would choose, between these and at most so many: no half ones of what is counted in whole ones.
fn value_marks((from, to): (f64, f64), marks_max: f64, is_whole: bool) -> Vec<GridMark> {
    let wanted = (to - from) / marks_max;
    if !wanted.is_normal() || wanted < 0.0 {
        return Vec::new();
    }
    let ten = 10.0_f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|step| step * ten).find(|step| *step >= wanted).unwrap_or(10.0 * ten);
    let step = if is_whole { step.max(1.0) } else { step };
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
    fn values_are_marked_where_people_would() {
        let check = |bounds, is_whole, expect: &[&str]| {
            let marks = value_marks(bounds, 5.0, is_whole);
            let told: Vec<String> = marks.iter().map(|mark| format::si_step(mark.value, mark.step_size)).collect();
            assert_eq!(told, expect, "{bounds:?} {is_whole}");
        };
        check((-0.1, 1.1), true, &["0", "1"]);
        check((-0.1, 1.1), false, &["0.0", "0.5", "1.0"]);
        check((0.0, 620.0), true, &["0", "200", "400", "600"]);
        check((0.0, 2_300.0), false, &["0", "500", "1.0 k", "1.5 k", "2.0 k"]);
        check((0.0, 0.043), false, &["0.00", "0.01", "0.02", "0.03", "0.04"]);
        check((-24.0, 24.0), false, &["−20", "−10", "0", "10", "20"]);
        check((3.0, 3.0), false, &[]);
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
