//! What flows from where to where: as ribbons as wide as what flows (Sankey), or as boxes and arrows with rates.

use egui::{Align2, Color32, FontId, Mesh, Pos2, Rect, Sense, Shape, Stroke, Ui, epaint::CubicBezierShape, pos2, vec2};

use super::{label, layers::layers, link};
use crate::{
    format,
    theme::{self, size},
    tokens::tokens,
    widgets::Tone,
};

/// A place that something flows through.
#[derive(Debug, Clone, Copy)]
pub struct FlowNode<'a> {
    /// Its name.
    pub label: &'a str,
    /// One more thing to know; may be empty.
    pub note: &'a str,
    /// How it stands.
    pub tone: Tone,
}

/// What flows between two nodes, by their places in the list.
#[derive(Debug, Clone, Copy)]
pub struct FlowEdge {
    /// Out of this node.
    pub from: usize,
    /// Into this one.
    pub to: usize,
    /// How much.
    pub value: f64,
}

const NODE_WIDTH: f32 = 10.0;
const NODE_GAP: f32 = 14.0;
const LABEL_HEIGHT: f32 = 16.0;
/// Between a place and its label.
const LABEL_SPACE: f32 = 6.0;
/// As much of the width as the labels of the last column may take.
const LABELS_SHARE_MAX: f32 = 0.35;
const RIBBON_STEPS: u16 = 24;

/// Ribbons from left to right. Edges that lead back are left out. Gives the place that was pressed, where they lead somewhere.
pub fn sankey(
    ui: &mut Ui,
    nodes: &[FlowNode<'_>],
    edges: &[FlowEdge],
    unit: &str,
    height: f32,
    leads: impl Fn(usize) -> Option<String>,
) -> Option<usize> {
    let tokens = tokens(ui);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let layer = ends_last(layers(nodes.len(), edges.iter().map(|edge| (edge.from, edge.to))), edges);
    let is_drawn = |edge: &&FlowEdge| edge.value > 0.0 && layer.get(edge.from) < layer.get(edge.to);
    let flows: Vec<&FlowEdge> = edges.iter().filter(is_drawn).collect();
    let total = |at: usize| {
        let sum = |of: fn(&FlowEdge) -> usize| flows.iter().filter(|edge| of(edge) == at).map(|edge| edge.value).sum::<f64>();
        sum(|edge| edge.from).max(sum(|edge| edge.to))
    };
    let text = |at: usize| format!("{}  {}", nodes.get(at).map_or("", |node| node.label), format::si(total(at)));
    let font = FontId::proportional(size::SMALL);
    let text_width = |at: usize| ui.painter().layout_no_wrap(text(at), font.clone(), tokens.text.strong).size().x;
    let last = layer.iter().max();
    let margin = (0..nodes.len()).filter(|at| layer.get(*at) == last).map(text_width).fold(0.0, f32::max) + LABEL_SPACE;
    // Every label stands right of its place: the last column leaves room for its own.
    let drawn = area.with_max_x(area.right() - margin.min(area.width() * LABELS_SHARE_MAX));
    let places = columns(drawn, &layer, nodes.len(), &total);
    let per_value = places.scale;
    // How much of each side is taken already.
    let mut taken = vec![(0.0_f32, 0.0_f32); nodes.len()];
    let (mut told, mut pressed) = (None, None);
    for edge in &flows {
        let (Some(from), Some(to)) = (places.rects.get(edge.from), places.rects.get(edge.to)) else { continue };
        let width = edge.value as f32 * per_value;
        let start = pos2(from.right(), from.top() + taken[edge.from].1);
        let end = pos2(to.left(), to.top() + taken[edge.to].0);
        taken[edge.from].1 += width;
        taken[edge.to].0 += width;
        let is_hovered = response.hover_pos().is_some_and(|at| is_on_ribbon(start, end, width, at));
        let color = tokens.series.color(edge.from).gamma_multiply(if is_hovered { 0.55 } else { 0.28 });
        ui.painter().add(Shape::mesh(ribbon(start, end, width, color)));
        if is_hovered {
            let name = |at: usize| nodes.get(at).map_or("", |node| node.label);
            told = Some(format!("{} → {}: {} {unit}", name(edge.from), name(edge.to), format::integer(edge.value.round() as i64)));
        }
    }
    for (at, (node, rect)) in nodes.iter().zip(&places.rects).enumerate() {
        // Where nothing has come yet there is nothing to show.
        if total(at) <= 0.0 {
            continue;
        }
        ui.painter().rect_filled(*rect, 2.0, tokens.series.color(at));
        let rows = places.label_y[at] - LABEL_HEIGHT / 2.0..=places.label_y[at] + LABEL_HEIGHT / 2.0;
        let is_in_the_way = |other: &&Rect| other.left() > rect.right() && other.top() < *rows.end() && other.bottom() > *rows.start();
        let right = places.rects.iter().filter(is_in_the_way).map(Rect::left).fold(area.right() + LABEL_SPACE, f32::min) - LABEL_SPACE;
        let place = Rect::from_x_y_ranges(rect.right() + LABEL_SPACE..=right, rows);
        let taken = label(ui, place, &text(at), font.clone(), tokens.text.strong, Align2::LEFT_CENTER);
        if let Some(whither) = leads(at)
            && link(ui, rect.union(taken), at, &format!("{}: {whither}", node.label))
        {
            pressed = Some(at);
        }
    }
    if let Some(told) = told {
        response.on_hover_text(told);
    }
    pressed
}

/// Whatever nothing flows out of stands in the last column, so that what flows on has its labels to itself.
fn ends_last(mut layer: Vec<usize>, edges: &[FlowEdge]) -> Vec<usize> {
    let last = layer.iter().max().copied().unwrap_or(0);
    for (at, layer) in layer.iter_mut().enumerate() {
        let goes_on = edges.iter().any(|edge| edge.from == at && edge.to != at);
        let is_reached = edges.iter().any(|edge| edge.to == at);
        if is_reached && !goes_on {
            *layer = last;
        }
    }
    layer
}

struct Columns {
    rects: Vec<Rect>,
    /// The middle of each place's label.
    label_y: Vec<f32>,
    /// Height of one unit.
    scale: f32,
}

fn columns(area: Rect, layer: &[usize], nodes: usize, total: &impl Fn(usize) -> f64) -> Columns {
    let last = layer.iter().max().copied().unwrap_or(0);
    let members = |column: usize| (0..nodes).filter(move |at| layer.get(*at) == Some(&column));
    let scale_of = |column: usize| {
        let gaps = members(column).count().saturating_sub(1) as f32 * NODE_GAP;
        let sum: f64 = members(column).map(total).sum();
        if sum > 0.0 { (area.height() - gaps).max(1.0) / sum as f32 } else { f32::INFINITY }
    };
    let scale = (0..=last).map(scale_of).fold(f32::INFINITY, f32::min);
    let scale = if scale.is_finite() { scale } else { 0.0 };
    let (mut rects, mut label_y) = (vec![Rect::NOTHING; nodes], vec![0.0; nodes]);
    for column in 0..=last {
        let x = area.left() + (area.width() - NODE_WIDTH) * column as f32 / last.max(1) as f32;
        let gaps = members(column).count().saturating_sub(1) as f32 * NODE_GAP;
        let used = members(column).map(|at| (total(at) as f32 * scale).max(2.0)).sum::<f32>() + gaps;
        let mut y = area.top() + ((area.height() - used) / 2.0).max(0.0);
        for at in members(column) {
            let height = (total(at) as f32 * scale).max(2.0);
            rects[at] = Rect::from_min_size(pos2(x, y), vec2(NODE_WIDTH, height));
            y += height + NODE_GAP;
        }
        let middles: Vec<f32> = members(column).map(|at| rects[at].center().y).collect();
        let spread = spread(&middles, LABEL_HEIGHT, (area.top(), area.bottom()));
        members(column).zip(spread).for_each(|(at, y)| label_y[at] = y);
    }
    Columns { rects, label_y, scale }
}

/// Middles of labels as near as can be to where they want to be, from top to bottom, none on another: the lower ones give way, and all go up
/// where the bottom is reached.
fn spread(wanted: &[f32], height: f32, (top, bottom): (f32, f32)) -> Vec<f32> {
    let mut middles = wanted.to_vec();
    let mut free_from = top;
    for middle in &mut middles {
        *middle = middle.max(free_from + height / 2.0);
        free_from = *middle + height / 2.0;
    }
    let mut free_to = bottom.max(top + height * wanted.len() as f32);
    for middle in middles.iter_mut().rev() {
        *middle = middle.min(free_to - height / 2.0);
        free_to = *middle - height / 2.0;
    }
    middles
}

/// The upper edge of a ribbon, at a share of its way.
fn along(start: Pos2, end: Pos2, share: f32) -> Pos2 {
    let eased = share * share * (3.0 - 2.0 * share);
    pos2(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * eased)
}

fn is_on_ribbon(start: Pos2, end: Pos2, width: f32, at: Pos2) -> bool {
    let share = (at.x - start.x) / (end.x - start.x).max(1.0);
    let top = along(start, end, share.clamp(0.0, 1.0)).y;
    (0.0..=1.0).contains(&share) && (top..=top + width).contains(&at.y)
}

fn ribbon(start: Pos2, end: Pos2, width: f32, color: Color32) -> Mesh {
    let mut mesh = Mesh::default();
    for step in 0..=RIBBON_STEPS {
        let top = along(start, end, f32::from(step) / f32::from(RIBBON_STEPS));
        mesh.colored_vertex(top, color);
        mesh.colored_vertex(top + vec2(0.0, width), color);
        if step > 0 {
            let at = u32::from(step) * 2;
            mesh.add_triangle(at - 2, at - 1, at);
            mesh.add_triangle(at - 1, at + 1, at);
        }
    }
    mesh
}

const BOX_HEIGHT: f32 = 40.0;
const BOX_WIDTH_MAX: f32 = 190.0;
const BOX_GAP: f32 = 12.0;

/// Boxes and arrows from left to right, each arrow with how much goes along it. Gives the box that was pressed.
pub fn graph(ui: &mut Ui, nodes: &[FlowNode<'_>], edges: &[FlowEdge], unit: &str) -> Option<usize> {
    let tokens = tokens(ui);
    let layer = layers(nodes.len(), edges.iter().map(|edge| (edge.from, edge.to)));
    let last = layer.iter().max().copied().unwrap_or(0);
    let in_column = |column: usize| layer.iter().filter(|at| **at == column).count();
    let rows = (0..=last).map(in_column).max().unwrap_or(0).max(1);
    let height = rows as f32 * (BOX_HEIGHT + BOX_GAP);
    let (area, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let width = (area.width() / (last + 1) as f32 * 0.72).min(BOX_WIDTH_MAX);
    let step = (area.width() - width) / last.max(1) as f32;
    let mut next_row = vec![0_usize; last + 1];
    let boxes: Vec<Rect> = layer
        .iter()
        .map(|column| {
            let free = (rows - in_column(*column)) as f32 * (BOX_HEIGHT + BOX_GAP) / 2.0;
            let y = area.top() + free + next_row[*column] as f32 * (BOX_HEIGHT + BOX_GAP) + BOX_GAP / 2.0;
            next_row[*column] += 1;
            Rect::from_min_size(pos2(area.left() + *column as f32 * step, y), vec2(width, BOX_HEIGHT))
        })
        .collect();
    // Where all arrows carry the same, saying so on each tells nothing.
    let has_rates = edges.iter().any(|edge| Some(edge.value) != edges.first().map(|first| first.value)) || edges.len() == 1;
    for edge in edges {
        let (Some(from), Some(to)) = (boxes.get(edge.from), boxes.get(edge.to)) else { continue };
        arrow(ui, from, to, if edge.value > 0.0 { tokens.accent.main } else { tokens.line.border });
        if !has_rates {
            continue;
        }
        let (start, end) = (from.right_center(), to.left_center());
        let rate = format!("{} {unit}", format::si(edge.value));
        let galley = ui.painter().layout_no_wrap(rate, FontId::proportional(size::SMALL), tokens.text.subdued);
        let place = Rect::from_center_size(start + (end - start) * 0.5, galley.size() + vec2(6.0, 2.0));
        ui.painter().rect_filled(place, 2.0, tokens.background.card);
        ui.painter().galley(place.min + vec2(3.0, 1.0), galley, tokens.text.subdued);
    }
    let mut told = None;
    for (at, (node, rect)) in nodes.iter().zip(&boxes).enumerate() {
        ui.painter().rect_filled(*rect, 5.0, tokens.background.raised);
        ui.painter().rect_stroke(*rect, 5.0, Stroke::new(1.0, tokens.line.border), egui::StrokeKind::Inside);
        let stripe = Rect::from_min_size(rect.min, vec2(3.0, rect.height()));
        ui.painter().rect_filled(stripe, 1.0, node.tone.color(&tokens));
        let inner = rect.shrink2(vec2(10.0, 4.0));
        let (anchor, name_area) = if node.note.is_empty() { (Align2::LEFT_CENTER, inner) } else { (Align2::LEFT_TOP, inner) };
        label(ui, name_area, node.label, theme::medium(size::SMALL + 0.5), tokens.text.strong, anchor);
        label(ui, inner, node.note, FontId::proportional(size::SMALL), tokens.text.subdued, Align2::LEFT_BOTTOM);
        if response.hover_pos().is_some_and(|pointer| rect.contains(pointer)) {
            told = Some((at, format!("{}\n{}", node.label, node.note)));
        }
    }
    let (at, told) = told?;
    response.on_hover_text(told).clicked().then_some(at)
}

fn arrow(ui: &Ui, from: &Rect, to: &Rect, color: Color32) {
    let (start, end) = (from.right_center(), to.left_center());
    let bend = vec2(((end.x - start.x).abs() * 0.5).max(16.0), 0.0);
    let curve = [start, start + bend, end - bend, end];
    let stroke = Stroke::new(1.5, color.gamma_multiply(0.7));
    ui.painter().add(CubicBezierShape::from_points_stroke(curve, false, Color32::TRANSPARENT, stroke));
    let head = vec![end, end + vec2(-6.0, -3.5), end + vec2(-6.0, 3.5)];
    ui.painter().add(Shape::convex_polygon(head, color, Stroke::NONE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_near_their_places_and_off_each_other() {
        let check = |wanted: &[f32], expect: &[f32]| assert_eq!(spread(wanted, 10.0, (0.0, 100.0)), expect);
        check(&[20.0, 60.0], &[20.0, 60.0]);
        check(&[20.0, 22.0, 90.0], &[20.0, 30.0, 90.0]);
        check(&[1.0], &[5.0]);
        check(&[90.0, 95.0, 99.0], &[75.0, 85.0, 95.0]);
        // More than fit go on below rather than over one another.
        check(&[50.0; 11], &[5.0, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0, 85.0, 95.0, 105.0]);
        check(&[], &[]);
    }
}
