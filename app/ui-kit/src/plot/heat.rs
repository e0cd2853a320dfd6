//! A grid of coloured cells: many of the same thing at one glance, such as error rates by region and network, or a fleet.

use std::sync::Arc;

use egui::{Align2, Color32, FontId, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::label;
use crate::{
    format,
    theme::{self, size},
    tokens::{Tokens, tokens},
    widgets::Tone,
};

/// The grid.
#[derive(Debug, Clone, Copy)]
pub struct Heat<'a> {
    /// What stands above the columns; none for cells that need no name of their own.
    pub columns: &'a [&'a str],
    /// The rows.
    pub rows: &'a [HeatRow<'a>],
    /// The unit of the values.
    pub unit: &'a str,
    /// Digits after the point.
    pub decimals: usize,
    /// Values up to here have no colour.
    pub low: f64,
    /// Values from here on have all of it.
    pub high: f64,
    /// What much of it means.
    pub tone: Tone,
    /// What the values 0, 1, 2 and so on are called where they are states; empty for measures.
    pub states: &'a [Arc<str>],
}

/// One row of a grid.
#[derive(Debug, Clone, Copy)]
pub struct HeatRow<'a> {
    /// What stands to its left.
    pub label: &'a str,
    /// Its cells; `None` where nothing is known.
    pub values: &'a [Option<f64>],
    /// Who each cell is, where cells are things of their own; empty where row and column say it.
    pub names: &'a [Arc<str>],
}

const CELL_HEIGHT: f32 = 24.0;
const GAP: f32 = 2.0;
/// Between a name and what is beside it.
const NAME_GAP: f32 = 3.0;
/// A column's name reaches this far over its cell's edge, where nobody else is.
const NAME_OVERHANG_MAX: f32 = 6.0;
/// A cell at least this wide shows its value.
const VALUE_WIDTH: f32 = 34.0;
/// As much of the width as names of rows take.
const LABELS_SHARE_MAX: f32 = 0.32;
const LABEL_GAP: f32 = 10.0;

/// Draws a grid as wide as there is room, and below it what the colours mean. Gives the cell that was pressed, as row and column.
pub fn heat(ui: &mut Ui, heat: &Heat<'_>) -> Option<(usize, usize)> {
    let tokens = tokens(ui);
    let count = heat.rows.iter().map(|row| row.values.len()).max().unwrap_or(0).max(heat.columns.len());
    if count == 0 {
        return None;
    }
    let mut pressed = None;
    let widest = heat.rows.iter().map(|row| width(ui, row.label, FontId::proportional(size::BODY))).fold(0.0, f32::max);
    let label_width = (widest + LABEL_GAP).min(ui.available_width() * LABELS_SHARE_MAX);
    let cell_width = ((ui.available_width() - label_width) / count as f32 - GAP).max(3.0);
    ui.spacing_mut().item_spacing.y = GAP;
    let column = |rect: Rect, at: usize| {
        let left = rect.left() + label_width + at as f32 * (cell_width + GAP);
        Rect::from_min_size(pos2(left, rect.top()), vec2(cell_width, rect.height()))
    };
    if !heat.columns.is_empty() {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
        let font = FontId::proportional(size::SMALL);
        let widths: Vec<f32> = heat.columns.iter().map(|name| width(ui, name, font.clone())).collect();
        for (at, name) in heat.columns.iter().enumerate() {
            // A name may be wider than its cell where those beside it leave room: 100 stands over a column as narrow as 90's.
            let room = |beside: Option<usize>| {
                let taken = beside.and_then(|at| widths.get(at)).map_or(0.0, |width| width.min(cell_width) / 2.0);
                (cell_width + GAP - taken - NAME_GAP).clamp(cell_width / 2.0, cell_width / 2.0 + NAME_OVERHANG_MAX)
            };
            let (left, right) = (room(at.checked_sub(1)), room(Some(at + 1)));
            let is_centred = widths[at] <= 2.0 * left.min(right);
            let (left, right) = if is_centred { (left.min(right), left.min(right)) } else { (left, right) };
            let center = column(rect, at).center().x;
            let place = Rect::from_x_y_ranges(center - left..=center + right, rect.y_range());
            label(ui, place, name, font.clone(), tokens.text.subdued, Align2::CENTER_CENTER);
        }
    }
    for (number, row) in heat.rows.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), CELL_HEIGHT), Sense::click());
        let name = Rect::from_min_size(rect.min, vec2(label_width - LABEL_GAP / 2.0, rect.height()));
        label(ui, name, row.label, FontId::proportional(size::BODY), tokens.text.normal, Align2::LEFT_CENTER);
        for (at, value) in row.values.iter().enumerate() {
            let cell = column(rect, at);
            ui.painter().rect_filled(cell, 3.0, shade(&tokens, heat, *value));
            let name = row.names.get(at).and_then(|name| fitting(ui, name, cell_width - 2.0 * NAME_GAP));
            if name.is_some() || cell_width >= VALUE_WIDTH {
                let value_text = || value.map_or_else(|| "–".to_owned(), |value| format::decimal(value, heat.decimals));
                let text = name.map_or_else(value_text, str::to_owned);
                let color = if value.is_some() { tokens.text.strong } else { tokens.text.subdued };
                label(ui, cell, &text, theme::mono(size::SMALL), color, Align2::CENTER_CENTER);
            }
        }
        let hovered = response.hover_pos().and_then(|at| (0..row.values.len()).find(|index| column(rect, *index).contains(at)));
        if let Some(at) = hovered
            && response.on_hover_text(told(heat, row, at)).clicked()
        {
            pressed = Some((number, at));
        }
    }
    key(ui, heat);
    pressed
}

fn told(heat: &Heat<'_>, row: &HeatRow<'_>, at: usize) -> String {
    let column = heat.columns.get(at).map_or_else(|| format!("{}", at + 1), |name| (*name).to_owned());
    let cell = row.names.get(at).map_or_else(|| format!("{} × {column}", row.label), |name| format!("{name}, {}", row.label));
    match row.values.get(at).copied().flatten() {
        Some(value) => match state(heat, value) {
            Some(state) => format!("{cell}: {state}"),
            None => format!("{cell}: {} {}", format::decimal(value, heat.decimals), heat.unit),
        },
        None => format!("{cell}: nothing yet"),
    }
}

/// What a value is called where it is a state.
fn state<'a>(heat: &Heat<'a>, value: f64) -> Option<&'a str> {
    heat.states.get(value.round() as usize).map(|name| &**name)
}

/// A name as far as there is room for it: whole, or what tells it from others of its kind, as 0007 does of field-0007.
fn fitting<'a>(ui: &Ui, name: &'a str, room: f32) -> Option<&'a str> {
    let end = name.rsplit_once('-').map(|(_, end)| end);
    [Some(name), end].into_iter().flatten().find(|part| width(ui, part, theme::mono(size::SMALL)) <= room)
}

/// How wide a text is on one line.
fn width(ui: &Ui, text: &str, font: FontId) -> f32 {
    ui.painter().layout_no_wrap(text.to_owned(), font, Color32::WHITE).size().x
}

fn shade(tokens: &Tokens, heat: &Heat<'_>, value: Option<f64>) -> Color32 {
    let Some(value) = value else { return tokens.background.raised };
    let span = heat.high - heat.low;
    let share = if span > 0.0 { ((value - heat.low) / span).clamp(0.0, 1.0) as f32 } else { 0.0 };
    blend(tokens.background.raised, full(tokens, heat.tone), share * 0.75)
}

fn full(tokens: &Tokens, tone: Tone) -> Color32 {
    if tone == Tone::Neutral { tokens.accent.main } else { tone.color(tokens) }
}

fn blend(from: Color32, to: Color32, share: f32) -> Color32 {
    let mix = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * share).round() as u8;
    Color32::from_rgb(mix(from.r(), to.r()), mix(from.g(), to.g()), mix(from.b(), to.b()))
}

/// The scale, from little to much, or each state.
fn key(ui: &mut Ui, heat: &Heat<'_>) {
    const STEPS: u16 = 12;
    const SWATCH: f32 = 10.0;
    let tokens = tokens(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
    let font = FontId::proportional(size::SMALL);
    if !heat.states.is_empty() {
        let mut rest = rect;
        for (at, name) in heat.states.iter().enumerate() {
            let swatch = Rect::from_center_size(pos2(rest.left() + SWATCH / 2.0, rest.center().y), vec2(SWATCH, SWATCH));
            ui.painter().rect_filled(swatch, 2.0, shade(&tokens, heat, Some(at as f64)));
            ui.painter().rect_stroke(swatch, 2.0, Stroke::new(1.0, tokens.line.border), StrokeKind::Inside);
            let words = rest.with_min_x(swatch.right() + 6.0);
            rest.min.x = label(ui, words, name, font.clone(), tokens.text.subdued, Align2::LEFT_CENTER).right() + 16.0;
        }
        return;
    }
    let high = format!("{} {}", format::decimal(heat.high, heat.decimals), heat.unit);
    let high = high.trim_end();
    let taken = label(ui, rect, high, font.clone(), tokens.text.subdued, Align2::RIGHT_CENTER);
    let bar = Rect::from_min_size(pos2(taken.left() - 8.0 - 84.0, rect.center().y - 4.0), vec2(84.0, 8.0));
    for step in 0..STEPS {
        let share = f32::from(step) / f32::from(STEPS - 1);
        let at = Rect::from_min_size(pos2(bar.left() + f32::from(step) * 7.0, bar.top()), vec2(7.0, bar.height()));
        ui.painter().rect_filled(at, 0.0, blend(tokens.background.raised, full(&tokens, heat.tone), share * 0.75));
    }
    let low = Rect::from_min_max(rect.min, pos2(bar.left() - 8.0, rect.bottom()));
    label(ui, low, &format::decimal(heat.low, heat.decimals), font, tokens.text.subdued, Align2::RIGHT_CENTER);
}
