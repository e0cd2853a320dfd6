//! Charts: funnels and intervals here; the others in a file each. Axes have units; colours are the theme's.

mod bars;
mod flow;
mod gauge;
mod heat;
mod lanes;
mod layers;
mod map;
mod time;

use egui::{Align2, Color32, CornerRadius, CursorIcon, FontId, Rect, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::{
    format,
    theme::{self, size},
    tokens::tokens,
};

pub use bars::{BarRow, bar_list};
pub use flow::{FlowEdge, FlowNode, graph, sankey};
pub use gauge::{Gauge, gauge};
pub use heat::{Heat, HeatRow, heat};
pub use lanes::{Lane, LaneSpan, Lanes, lanes};
pub use map::{MapPoint, map};
pub use time::{TimeGroup, TimeLine, TimeSeries, downsample, time_series};

/// Makes a place a link, for pointer, keyboard and screen reader; whether it was pressed.
pub(crate) fn link(ui: &Ui, place: Rect, salt: usize, whither: &str) -> bool {
    as_link(ui, ui.interact(place, ui.scope_id().with(("link", salt)), Sense::click()), whither)
}

fn as_link(ui: &Ui, response: Response, whither: &str) -> bool {
    let response = response.on_hover_cursor(CursorIcon::PointingHand);
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, whither));
    if response.has_focus() {
        ui.painter().rect_stroke(response.rect, 4.0, Stroke::new(1.0, tokens(ui).accent.main), egui::StrokeKind::Inside);
    }
    response.clicked()
}

/// A figure and where it leads, for a tooltip.
fn told(figure: &str, whither: &str) -> String {
    if whither.is_empty() { figure.to_owned() } else { format!("{figure}\n{whither}") }
}

/// Steps that ever fewer pass, each with its share of the first and of the step before. Gives the step that was pressed, where they lead
/// somewhere.
pub fn funnel(ui: &mut Ui, stages: &[(&str, u64)], whither: &str) -> Option<usize> {
    let tokens = tokens(ui);
    let first = stages.first().map_or(0, |stage| stage.1);
    let mut before = first;
    let mut pressed = None;
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
        response.on_hover_text(told(&format!("{name}: {value}, {shares}"), whither));
        if !whither.is_empty() && link(ui, rect, at, &format!("{name}: {whither}")) {
            pressed = Some(at);
        }
        before = *count;
    }
    pressed
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

/// Estimates side by side on one axis; in a narrow place the axis goes below names and figures. Gives the row that was pressed, where they
/// lead somewhere.
pub fn intervals(ui: &mut Ui, rows: &[IntervalRow<'_>], unit: &str, whither: &str) -> Option<usize> {
    const NAME_WIDTH: f32 = 96.0;
    const FIGURES_WIDTH: f32 = 190.0;
    const NARROW: f32 = 480.0;
    let tokens = tokens(ui);
    let max = rows.iter().map(|row| row.high).fold(0.0_f64, f64::max).max(f64::MIN_POSITIVE) * 1.1;
    let min = (rows.iter().map(|row| row.low).fold(f64::INFINITY, f64::min) * 0.9).max(0.0).min(max * 0.9);
    let is_narrow = ui.available_width() < NARROW;
    let mut pressed = None;
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
        response.on_hover_text(told(&format!("{}: {figures}, n = {}", row.name, format::integer(row.n)), whither));
        if !whither.is_empty() && link(ui, rect, at, &format!("{}: {whither}", row.name)) {
            pressed = Some(at);
        }
    }
    axis(ui, min, max, unit, left, right);
    pressed
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
