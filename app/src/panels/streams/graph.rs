//! The topology as a picture: layers from the topics that are read to those that are written, edges as thick as what flows.

use std::collections::{BTreeMap, BTreeSet};

use egui::{
    Align2, Color32, CursorIcon, FontId, Painter, Pos2, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    epaint::CubicBezierShape, vec2,
};
use weir_model::{StreamsApp, StreamsNode, StreamsNodeKind};
use weir_ui_kit::{format, theme::size, tokens};

use crate::panels::{Command, PanelContext, Route};

const NODE_HEIGHT: f32 = 40.0;
const ROW_GAP: f32 = 12.0;
/// A node's width and the gap to the next column: as they should be, and as narrow as they get before the picture scrolls.
const WIDTHS: (f32, f32) = (172.0, 48.0);
const WIDTHS_MIN: (f32, f32) = (136.0, 32.0);
/// The thickest edge.
const EDGE_MAX: f32 = 6.0;

pub(super) fn ui(ui: &mut Ui, app: &StreamsApp, has_all_operators: bool, cx: &mut PanelContext<'_>) {
    let is_shown = |node: &StreamsNode| has_all_operators || node.kind != StreamsNodeKind::Stateless;
    let shown: Vec<usize> = (0..app.nodes.len()).filter(|at| app.nodes.get(*at).is_some_and(is_shown)).collect();
    let edges = edges(app, &shown.iter().copied().collect());
    let cells = places(&shown, &edges, &app.nodes);
    let columns = cells.values().map(|(column, _)| column + 1).max().unwrap_or(0);
    let (node_width, gap) = widths(ui.available_width() - 2.0, columns);
    let node = vec2(node_width, NODE_HEIGHT);
    let place = |(column, row): (usize, usize)| vec2(column as f32 * (node_width + gap), row as f32 * (NODE_HEIGHT + ROW_GAP));
    let extent = cells.values().fold(vec2(0.0, 0.0), |extent, cell| extent.max(place(*cell) + node));
    ScrollArea::horizontal().id_salt("topology").show(ui, |ui| {
        let (area, _) = ui.allocate_exact_size(extent + vec2(2.0, 8.0), Sense::hover());
        let at = |number: usize| cells.get(&number).map(|cell| Rect::from_min_size(area.min + place(*cell), node));
        let most = app.nodes.iter().map(|node| node.records_per_s).fold(1.0, f64::max);
        for (from, to) in &edges {
            if let (Some(from_rect), Some(to_rect), Some(node)) = (at(*from), at(*to), app.nodes.get(*from)) {
                edge(ui.painter(), from_rect.right_center(), to_rect.left_center(), node.records_per_s / most, ui);
            }
        }
        for number in &shown {
            if let (Some(rect), Some(node)) = (at(*number), app.nodes.get(*number)) {
                draw(ui, rect, *number, node, cx);
            }
        }
    });
}

/// Edges between what is shown; through what is not.
fn edges(app: &StreamsApp, shown: &BTreeSet<usize>) -> BTreeSet<(usize, usize)> {
    let mut all = BTreeSet::new();
    for from in shown {
        let mut waiting: Vec<usize> = vec![*from];
        let mut seen = BTreeSet::new();
        while let Some(at) = waiting.pop() {
            for (_, to) in app.edges.iter().filter(|(of, _)| *of == at) {
                if shown.contains(to) {
                    all.insert((*from, *to));
                } else if seen.insert(*to) {
                    waiting.push(*to);
                }
            }
        }
    }
    all
}

/// A node's width and the gap beside it, with which so many columns fit, if they can.
fn widths(available: f32, columns: usize) -> (f32, f32) {
    let taken = |(node, gap): (f32, f32)| columns as f32 * (node + gap) - gap;
    let (most, least) = (taken(WIDTHS), taken(WIDTHS_MIN));
    let share = ((available - least) / (most - least).max(1.0)).clamp(0.0, 1.0);
    let between = |least: f32, most: f32| least + (most - least) * share;
    (between(WIDTHS_MIN.0, WIDTHS.0), between(WIDTHS_MIN.1, WIDTHS.1))
}

/// Column and row of each node: layers by the longest way from a source; within a layer in the order of the topology.
fn places(shown: &[usize], edges: &BTreeSet<(usize, usize)>, nodes: &[StreamsNode]) -> BTreeMap<usize, (usize, usize)> {
    let mut layer: BTreeMap<usize, usize> = shown.iter().map(|node| (*node, 0)).collect();
    // As many rounds as nodes: a graph that loops would grow for ever.
    for _ in 0..shown.len() {
        let mut is_changed = false;
        for (from, to) in edges {
            let least = layer.get(from).copied().unwrap_or(0) + 1;
            if least < shown.len() && layer.get(to).is_some_and(|at| *at < least) {
                layer.insert(*to, least);
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    let mut placed = BTreeMap::new();
    let mut order: Vec<_> = shown.to_vec();
    order.sort_by_key(|node| (layer.get(node).copied(), nodes.get(*node).map(|node| node.kind != StreamsNodeKind::Sink), *node));
    for node in order {
        let column = layer.get(&node).copied().unwrap_or(0);
        let row = rows.entry(column).or_default();
        placed.insert(node, (column, *row));
        *row += 1;
    }
    placed
}

fn edge(painter: &Painter, from: Pos2, to: Pos2, share: f64, ui: &Ui) {
    let tokens = tokens(ui);
    let color = if share > 0.0 { tokens.accent.main.gamma_multiply(0.7) } else { tokens.line.separator };
    let stroke = Stroke::new(1.0 + (EDGE_MAX - 1.0) * share.sqrt() as f32, color);
    let bend = vec2(((to.x - from.x) / 2.0).abs().max(24.0), 0.0);
    painter.add(CubicBezierShape::from_points_stroke([from, from + bend, to - bend, to], false, Color32::TRANSPARENT, stroke));
}

fn draw(ui: &mut Ui, rect: Rect, number: usize, node: &StreamsNode, cx: &mut PanelContext<'_>) {
    let tokens = tokens(ui);
    let response = ui.interact(rect, ui.scope_id().with(("node", number)), Sense::click());
    let (fill, line) = match node.kind {
        StreamsNodeKind::Source | StreamsNodeKind::Sink => (tokens.background.raised, tokens.line.separator),
        StreamsNodeKind::Stateful => (tokens.accent.soft, tokens.accent.main),
        StreamsNodeKind::Stateless => (tokens.background.card, tokens.line.separator),
    };
    let radius = if node.topic.is_some() { 4.0 } else { 12.0 };
    ui.painter().rect_filled(rect, radius, fill);
    let line = if response.hovered() && node.topic.is_some() { tokens.accent.main } else { line };
    ui.painter().rect_stroke(rect, radius, Stroke::new(1.0, line), StrokeKind::Inside);
    let name = shortened(ui, &node.name, rect.width() - 20.0);
    let text = |at: Pos2, text: String, size: f32, color: Color32| {
        ui.painter().text(at, Align2::LEFT_CENTER, text, FontId::proportional(size), color);
    };
    text(rect.left_top() + vec2(10.0, 13.0), name, size::BODY - 1.0, tokens.text.strong);
    let rate = format!("{} records/s", format::si(node.records_per_s));
    text(rect.left_top() + vec2(10.0, 29.0), rate, size::SMALL - 0.5, tokens.text.subdued);
    let kind = match node.kind {
        StreamsNodeKind::Source => "reads the topic",
        StreamsNodeKind::Sink => "writes the topic",
        StreamsNodeKind::Stateful => "keeps state",
        StreamsNodeKind::Stateless => "works on each record alone",
    };
    let stores = if node.stores.is_empty() { String::new() } else { format!(" in {}", node.stores.join(", ")) };
    let told = format!("{}\n{kind}{stores}\n{} records passed on", node.name, format::integer(node.records));
    let label = format!("{} {kind}", node.name);
    response.widget_info(|| WidgetInfo::labeled(if node.topic.is_some() { Role::Link } else { Role::Label }, true, &label));
    let response = if node.topic.is_some() { response.on_hover_cursor(CursorIcon::PointingHand) } else { response };
    if response.on_hover_text(told).clicked()
        && let Some(topic) = &node.topic
    {
        cx.push(Command::Navigate(Route::Topic(topic.clone())));
    }
}

/// A name that fits into its box; the end tells more than the beginning, which an application's topics share.
fn shortened(ui: &Ui, name: &str, width: f32) -> String {
    let fits = |text: &str| {
        let galley = ui.painter().layout_no_wrap(text.to_owned(), FontId::proportional(size::BODY - 1.0), Color32::WHITE);
        galley.size().x <= width
    };
    if fits(name) {
        return name.to_owned();
    }
    let starts = name.char_indices().map(|(at, _)| format!("…{}", &name[at..]));
    starts.into_iter().find(|text| fits(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_draw_together_before_the_picture_scrolls() {
        assert_eq!(widths(2_000.0, 5), WIDTHS);
        assert_eq!(widths(300.0, 5), WIDTHS_MIN);
        let (node, gap) = widths(1_000.0, 5);
        assert!((5.0 * node + 4.0 * gap - 1_000.0).abs() < 0.1, "{node}, {gap}");
    }
}
