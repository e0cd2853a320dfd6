//! Twelve columns that become fewer as the window narrows, with cells of a row equally tall.

use egui::{CornerRadius, Frame, Margin, Rect, ScrollArea, Stroke, Ui, UiBuilder, vec2};
use weir_ui_kit::tokens;

/// Columns of a wide page.
const COLUMNS: u8 = 12;
/// Between cells, both ways.
pub(crate) const GAP: f32 = 12.0;
/// From this width on, cells are as wide as they ask for.
const WIDE: f32 = 920.0;
/// From this width on, two larger cells stand side by side.
const MEDIUM: f32 = 600.0;
/// Around the content of a card.
const CARD_MARGIN: i8 = 16;
/// What a card adds to its content's height: margin and stroke.
const CARD_OVERHEAD: f32 = 2.0 * (CARD_MARGIN as f32 + 1.0);
/// What a cell may take in its first frame, before its row's height is known.
const HEIGHT_GUESS: f32 = 240.0;

/// What becomes of the room that the last cell of a row leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastCell {
    /// It takes it.
    Grows,
    /// It stays free, as among equal cards.
    Stays,
}

/// Draws one cell per span, in reading order. `add(ui, cell, height)` draws a cell that tall and returns the height it needs; rows whose
/// height is known and that are out of sight are not drawn.
pub(crate) fn grid(ui: &mut Ui, id: &str, spans: &[u8], last: LastCell, mut add: impl FnMut(&mut Ui, usize, f32) -> f32) {
    let width = ui.available_width();
    let heights_id = ui.scope_id().with(id);
    let known: Vec<f32> = ui.ctx().data(|data| data.get_temp(heights_id)).unwrap_or_default();
    let rows = rows(spans, width, last);
    let mut heights = Vec::with_capacity(rows.len());
    let column = (width + GAP) / f32::from(COLUMNS);
    for (number, row) in rows.iter().enumerate() {
        let top = ui.cursor().min;
        let guess = known.get(number).copied();
        if let Some(height) = guess
            && !ui.is_rect_visible(Rect::from_min_size(top, vec2(width, height)))
        {
            heights.push(height);
        } else {
            let mut left = top.x;
            let mut needed = 0.0_f32;
            for (cell, span) in row {
                let cell_width = column * f32::from(*span) - GAP;
                let place = Rect::from_min_size(egui::pos2(left, top.y), vec2(cell_width, guess.unwrap_or(HEIGHT_GUESS)));
                let mut child = ui.new_child(UiBuilder::new().id_salt((id, *cell)).max_rect(place));
                needed = needed.max(add(&mut child, *cell, guess.unwrap_or(0.0)));
                left += cell_width + GAP;
            }
            heights.push(needed.ceil());
        }
        let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, GAP);
        ui.allocate_space(vec2(width, heights.last().copied().unwrap_or(0.0)));
        ui.spacing_mut().item_spacing.y = spacing;
    }
    if heights != known {
        ui.ctx().data_mut(|data| data.insert_temp(heights_id, heights));
        ui.ctx().request_discard("a row of the grid has another height");
    }
}

/// A screen that scrolls as a whole.
pub(crate) fn scrolled(ui: &mut Ui, add_contents: impl FnOnce(&mut Ui)) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| super::parts::screen(ui, add_contents));
}

/// Which cell goes into which row, and how many columns it gets.
fn rows(spans: &[u8], width: f32, last: LastCell) -> Vec<Vec<(usize, u8)>> {
    let mut rows: Vec<Vec<(usize, u8)>> = Vec::new();
    let mut used = COLUMNS;
    for (cell, span) in spans.iter().enumerate() {
        let span = fitted(*span, width);
        match rows.last_mut() {
            Some(row) if used + span <= COLUMNS => row.push((cell, span)),
            _ => {
                rows.push(vec![(cell, span)]);
                used = 0;
            }
        }
        used += span;
    }
    if last == LastCell::Grows {
        for row in &mut rows {
            let used: u8 = row.iter().map(|(_, span)| span).sum();
            if let Some((_, span)) = row.last_mut() {
                *span += COLUMNS - used;
            }
        }
    }
    rows
}

fn fitted(span: u8, width: f32) -> u8 {
    let span = span.clamp(1, COLUMNS);
    match span {
        _ if width >= WIDE => span,
        1..=2 if width >= MEDIUM => 4,
        1..=2 => 6,
        3..=6 if width >= MEDIUM => 6,
        _ => COLUMNS,
    }
}

/// What a card has beyond what its content needs, because another of its row is taller.
pub(crate) struct Room {
    /// Where the card's content may end; above where it begins as long as the row's height is not known.
    bottom: f32,
    /// What was taken of it.
    taken: f32,
}

impl Room {
    /// What is left of the card's height.
    pub(crate) fn height(&self, ui: &Ui) -> f32 {
        (self.bottom - ui.cursor().top()).max(0.0)
    }

    /// The height for something that needs one height and is no better for being taller than another.
    pub(crate) fn fill(&mut self, ui: &Ui, needed: f32, most: f32) -> f32 {
        let height = self.height(ui).clamp(needed, most.max(needed));
        self.took(height - needed);
        height
    }

    /// Tells that something was drawn so much taller than it needs to be, or not.
    pub(crate) fn took(&mut self, beyond: f32) {
        self.taken += beyond.max(0.0);
    }
}

/// A card that fills its cell. Returns the height its content needs.
pub(crate) fn cell_card(ui: &mut Ui, height: f32, add: impl FnOnce(&mut Ui)) -> f32 {
    filled_card(ui, height, |ui, _| add(ui))
}

/// A card that fills its cell, with content that may grow into the room there is. Returns the height its content needs.
pub(crate) fn filled_card(ui: &mut Ui, height: f32, add: impl FnOnce(&mut Ui, &mut Room)) -> f32 {
    let tokens = tokens(ui);
    let frame = Frame::new()
        .fill(tokens.background.card)
        .stroke(Stroke::new(1.0, tokens.line.separator))
        .corner_radius(CornerRadius::same(6))
        .inner_margin(Margin::same(CARD_MARGIN));
    let content = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        // The content is measured on its own: the card may be taller, as tall as its row.
        ui.set_min_height((height - CARD_OVERHEAD).max(0.0));
        let mut room = Room { bottom: ui.cursor().top() + height - CARD_OVERHEAD, taken: 0.0 };
        ui.vertical(|ui| add(ui, &mut room)).response.rect.height() - room.taken
    });
    content.inner + CARD_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How tall two cells of a row are drawn, one of which takes the room it has.
    fn drawn(ui: &mut Ui, tall: f32) -> f32 {
        let mut drawn = 0.0;
        grid(ui, "row", &[6, 6], LastCell::Stays, |ui, cell, height| {
            filled_card(ui, height, |ui, room| {
                let height = if cell == 0 { tall } else { room.fill(ui, 100.0, 400.0) };
                ui.allocate_space(vec2(10.0, height));
                drawn = height;
            })
        });
        drawn
    }

    #[test]
    fn what_may_grow_is_as_tall_as_its_row_and_no_row_is_taller_for_it() {
        let mut harness = egui_kittest::Harness::builder()
            .with_context_setup(weir_ui_kit::theme::install)
            .build_ui_state(|ui, (tall, shown): &mut (f32, f32)| *shown = drawn(ui, *tall), (0.0, 0.0));
        let mut frames = |tall: f32| {
            harness.state_mut().0 = tall;
            harness.run();
            harness.state().1
        };
        for (tall, expect) in [(300.0, 300.0), (900.0, 400.0), (300.0, 300.0), (50.0, 100.0)] {
            let shown = frames(tall);
            assert!((shown - expect).abs() <= 1.0, "beside {tall}: {shown} rather than {expect}");
        }
    }

    #[test]
    fn cells_fill_rows_in_reading_order() {
        let check = |spans: &[u8], width: f32, last: LastCell, expect: &[&[(usize, u8)]]| {
            assert_eq!(rows(spans, width, last), expect, "{spans:?} at {width}");
        };
        check(&[2, 2, 8, 4], 1_000.0, LastCell::Grows, &[&[(0, 2), (1, 2), (2, 8)], &[(3, 12)]]);
        check(&[8, 4, 4, 4, 4], 1_000.0, LastCell::Stays, &[&[(0, 8), (1, 4)], &[(2, 4), (3, 4), (4, 4)]]);
        check(&[2, 2, 2, 8, 4], 700.0, LastCell::Grows, &[&[(0, 4), (1, 4), (2, 4)], &[(3, 12)], &[(4, 12)]]);
        check(&[2, 2, 2], 400.0, LastCell::Stays, &[&[(0, 6), (1, 6)], &[(2, 6)]]);
        check(&[0, 99], 1_000.0, LastCell::Stays, &[&[(0, 1)], &[(1, 12)]]);
        check(&[], 1_000.0, LastCell::Grows, &[]);
    }
}
