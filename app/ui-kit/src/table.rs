//! A table of any length: only the rows in sight are asked for and drawn.
//!
//! Rows are drawn with the painter, cell by cell, as egui's own table costs half as much again. Beyond some hundred thousand rows `f32`
//! can't place pixels any more, so the scrolled height is capped and the first visible row is found by share.

use std::borrow::Cow;

use egui::{
    Align2, CursorIcon, FontId, Id, Key, Rect, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, pos2, scroll_area::ScrollBarVisibility,
    vec2,
};

use crate::{
    icons,
    theme::{self, size},
    tokens::{Tokens, tokens},
    widgets::Tone,
};

/// The height of a row in points.
pub const ROW_HEIGHT: f32 = 26.0;
const HEADER_HEIGHT: f32 = 28.0;
const CELL_MARGIN: f32 = 8.0;
const COLUMN_WIDTH_MIN: f32 = 40.0;
/// Below this height `f32` still places every pixel.
const SCROLL_HEIGHT_MAX: f32 = 4_000_000.0;

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct TableColumn<'a> {
    /// The heading.
    pub title: &'a str,
    /// The width it starts with; the last column also takes what is left.
    pub width: f32,
    /// Numbers stand on the right.
    pub is_number: bool,
    /// Whether a click on the heading means something.
    pub is_sortable: bool,
}

impl<'a> TableColumn<'a> {
    /// A column of text.
    pub fn text(title: &'a str, width: f32) -> Self {
        Self { title, width, is_number: false, is_sortable: true }
    }

    /// A column of numbers.
    pub fn number(title: &'a str, width: f32) -> Self {
        Self { title, width, is_number: true, is_sortable: true }
    }

    /// The same, without sorting.
    pub fn unsorted(self) -> Self {
        Self { is_sortable: false, ..self }
    }
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct TableCell<'a> {
    /// What it says.
    pub text: Cow<'a, str>,
    /// An icon before it; may be empty.
    pub icon: &'a str,
    /// What it means.
    pub tone: Option<Tone>,
    /// Whether it is data.
    pub is_mono: bool,
    /// Whether it matters less.
    pub is_subdued: bool,
    /// A bar behind it, as a share of one.
    pub bar: Option<f32>,
    /// What the pointer is told there; may be empty. A text that is cut off is told whole.
    pub hint: Cow<'a, str>,
}

impl<'a> TableCell<'a> {
    /// Plain text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Data.
    pub fn mono(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), is_mono: true, ..Self::default() }
    }

    /// A word with an icon and a colour.
    pub fn badge(icon: &'a str, text: impl Into<Cow<'a, str>>, tone: Tone) -> Self {
        Self { text: text.into(), icon, tone: Some(tone), ..Self::default() }
    }

    /// The same, mattering less.
    pub fn subdued(self) -> Self {
        Self { is_subdued: true, ..self }
    }

    /// The same, with more to tell to who points at it.
    pub fn with_hint(self, hint: impl Into<Cow<'a, str>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same, with a bar behind it.
    pub fn with_bar(self, share: f32) -> Self {
        Self { bar: Some(share), ..self }
    }
}

/// A table.
pub struct Table<'a> {
    id: &'a str,
    columns: &'a [TableColumn<'a>],
    rows: usize,
    selected: Option<usize>,
    sorted: Option<(usize, bool)>,
    follows_end: bool,
    height: Option<f32>,
}

/// What the user did.
#[derive(Debug, Clone, Default)]
pub struct TableResponse {
    /// The row that was chosen, by pointer or keyboard.
    pub selected: Option<usize>,
    /// The row that was opened, by double click or Enter.
    pub opened: Option<usize>,
    /// The column whose heading was pressed.
    pub sort_by: Option<usize>,
    /// The rows in sight.
    pub visible: std::ops::Range<usize>,
}

impl<'a> Table<'a> {
    /// A table of that many rows. `id` is its accessible name too.
    pub fn new(id: &'a str, columns: &'a [TableColumn<'a>], rows: usize) -> Self {
        Self { id, columns, rows, selected: None, sorted: None, follows_end: false, height: None }
    }

    /// Marks a row.
    pub fn selected(self, selected: Option<usize>) -> Self {
        Self { selected, ..self }
    }

    /// Marks the column that rows are sorted by; true for descending.
    pub fn sorted(self, column: usize, is_descending: bool) -> Self {
        Self { sorted: Some((column, is_descending)), ..self }
    }

    /// Stays at the end while rows arrive, until the user scrolls away.
    pub fn follow_end(self, follows_end: bool) -> Self {
        Self { follows_end, ..self }
    }

    /// Takes this height instead of all there is.
    pub fn height(self, height: f32) -> Self {
        Self { height: Some(height), ..self }
    }

    /// Draws it; `cell(row, column)` is asked for what is in sight.
    pub fn show<'c>(self, ui: &mut Ui, mut cell: impl FnMut(usize, usize) -> TableCell<'c>) -> TableResponse {
        let tokens = tokens(ui);
        let mut response = TableResponse::default();
        let state_id = ui.scope_id().with(self.id);
        let natural: f32 = self.columns.iter().map(|column| column.width).sum();
        let total_width = natural.max(ui.available_width());
        let widths = self.widths(ui, state_id, total_width);
        let height = self.height.unwrap_or_else(|| ui.available_height()).max(HEADER_HEIGHT + ROW_HEIGHT);
        ScrollArea::horizontal().id_salt((self.id, "sideways")).scroll_bar_visibility(ScrollBarVisibility::VisibleWhenNeeded).show(
            ui,
            |ui| {
                ui.set_width(widths.iter().sum());
                ui.spacing_mut().item_spacing.y = 0.0;
                self.header(ui, &tokens, state_id, &widths, &mut response);
                self.body(ui, &tokens, state_id, &widths, height - HEADER_HEIGHT, &mut cell, &mut response);
            },
        );
        response
    }

    /// Widths as the user left them; the last column takes what is left.
    fn widths(&self, ui: &Ui, state_id: Id, total: f32) -> Vec<f32> {
        let kept: Option<Vec<f32>> = ui.ctx().data_mut(|data| data.get_persisted(state_id));
        let mut widths =
            kept.filter(|kept| kept.len() == self.columns.len()).unwrap_or_else(|| self.columns.iter().map(|it| it.width).collect());
        let used: f32 = widths.iter().take(widths.len().saturating_sub(1)).sum();
        if let Some(last) = widths.last_mut() {
            *last = last.max(total - used);
        }
        widths
    }

    fn header(&self, ui: &mut Ui, tokens: &Tokens, state_id: Id, widths: &[f32], response: &mut TableResponse) {
        let (rect, _) = ui.allocate_exact_size(vec2(widths.iter().sum(), HEADER_HEIGHT), Sense::hover());
        ui.painter().line_segment([rect.left_bottom(), rect.right_bottom()], Stroke::new(1.0, tokens.line.separator));
        let mut left = rect.left();
        for (at, (column, width)) in self.columns.iter().zip(widths).enumerate() {
            let area = Rect::from_min_size(pos2(left, rect.top()), vec2(*width, HEADER_HEIGHT));
            left += width;
            let sense = if column.is_sortable { Sense::click() } else { Sense::hover() };
            let heading = ui.interact(area.shrink2(vec2(3.0, 0.0)), state_id.with(("heading", at)), sense);
            let mark = match self.sorted {
                Some((by, is_descending)) if by == at => {
                    if is_descending {
                        icons::CARET_DOWN
                    } else {
                        icons::CARET_UP
                    }
                }
                _ => "",
            };
            let color = if mark.is_empty() && !heading.hovered() { tokens.text.subdued } else { tokens.text.strong };
            let text = match (mark, column.is_number) {
                ("", _) => column.title.to_owned(),
                (mark, true) => format!("{mark} {}", column.title),
                (mark, false) => format!("{} {mark}", column.title),
            };
            paint(ui, area, text, theme::medium(size::SMALL), color, column.is_number);
            if column.is_sortable {
                heading.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, format!("Sort by {}", column.title)));
                if heading.clicked() {
                    response.sort_by = Some(at);
                }
            }
            if at + 1 < widths.len() {
                self.resize(ui, state_id, widths, at, area);
            }
        }
    }

    fn resize(&self, ui: &Ui, state_id: Id, widths: &[f32], at: usize, area: Rect) {
        let handle = Rect::from_center_size(area.right_center(), vec2(6.0, area.height()));
        let drag = ui.interact(handle, state_id.with(("edge", at)), Sense::drag());
        if drag.hovered() || drag.dragged() {
            ui.ctx().set_cursor_icon(CursorIcon::ResizeColumn);
        }
        if drag.dragged() {
            let mut widths = widths.to_vec();
            widths[at] = (widths[at] + drag.drag_delta().x).max(COLUMN_WIDTH_MIN);
            if let (Some(last), Some(column)) = (widths.last_mut(), self.columns.last()) {
                *last = column.width;
            }
            ui.ctx().data_mut(|data| data.insert_persisted(state_id, widths));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one caller; a struct of the same would only rename them")]
    fn body<'c>(
        &self,
        ui: &mut Ui,
        tokens: &Tokens,
        state_id: Id,
        widths: &[f32],
        height: f32,
        cell: &mut dyn FnMut(usize, usize) -> TableCell<'c>,
        response: &mut TableResponse,
    ) {
        let scroll_height = (full_height(self.rows) as f32).min(SCROLL_HEIGHT_MAX);
        let focus_id = state_id.with("rows");
        let moved = self.keyboard(ui, focus_id, height, response);
        let mut area = ScrollArea::vertical()
            .id_salt(self.id)
            .auto_shrink(false)
            .min_scrolled_height(height)
            .max_height(height)
            .stick_to_bottom(self.follows_end);
        if let Some(row) = moved {
            area = self.reveal(ui, area, state_id, row, height);
        }
        let output = area.show_viewport(ui, |ui, viewport| {
            ui.set_height(scroll_height);
            let offset = RowSpace { rows: self.rows, view_height: viewport.height() }.content_offset(viewport.min.y);
            let first = (offset / f64::from(ROW_HEIGHT)).max(0.0) as usize;
            let above = (offset - first as f64 * f64::from(ROW_HEIGHT)) as f32;
            let count = (viewport.height() / ROW_HEIGHT).ceil() as usize + 1;
            response.visible = first.min(self.rows)..(first + count).min(self.rows);
            let top = ui.max_rect().top() + viewport.min.y - above;
            let rows = Rect::from_min_size(
                pos2(ui.max_rect().left(), ui.max_rect().top() + viewport.min.y),
                vec2(widths.iter().sum(), viewport.height()),
            );
            self.rows(ui, tokens, focus_id, widths, rows, top, cell, response);
        });
        ui.ctx().data_mut(|data| data.insert_temp(state_id.with("offset"), output.state.clamped_offset().y));
    }

    #[expect(clippy::too_many_arguments, reason = "one caller; a struct of the same would only rename them")]
    fn rows<'c>(
        &self,
        ui: &mut Ui,
        tokens: &Tokens,
        focus_id: Id,
        widths: &[f32],
        area: Rect,
        top: f32,
        cell: &mut dyn FnMut(usize, usize) -> TableCell<'c>,
        response: &mut TableResponse,
    ) {
        let click = ui.interact(area, focus_id, Sense::click());
        let selected_text = self
            .selected
            .filter(|row| *row < self.rows)
            .map(|row| (0..self.columns.len()).map(|column| cell(row, column).text.into_owned()).collect::<Vec<_>>().join(", "));
        let (rows, id) = (self.rows, self.id);
        click.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Table, true, format!("{id}, {rows} rows"));
            info.current_text_value.clone_from(&selected_text);
            info
        });
        let pointed = click
            .hover_pos()
            .map(|at| response.visible.start + ((at.y - top) / ROW_HEIGHT).max(0.0) as usize)
            .filter(|row| *row < self.rows);
        let mut told = None;
        for row in response.visible.clone() {
            let y = top + (row - response.visible.start) as f32 * ROW_HEIGHT;
            let row_rect = Rect::from_min_size(pos2(area.left(), y), vec2(area.width(), ROW_HEIGHT));
            if self.selected == Some(row) {
                ui.painter().rect_filled(row_rect, 4.0, tokens.background.selected);
            } else if pointed == Some(row) {
                ui.painter().rect_filled(row_rect, 4.0, tokens.background.raised);
            }
            let mut left = area.left();
            for (at, (column, width)) in self.columns.iter().zip(widths).enumerate() {
                let rect = Rect::from_min_size(pos2(left, y), vec2(*width, ROW_HEIGHT));
                left += width;
                let cell = cell(row, at);
                // Only what is pointed at is worth a copy.
                let is_pointed = pointed == Some(row) && click.hover_pos().is_some_and(|pointer| rect.x_range().contains(pointer.x));
                let words = is_pointed.then(|| (cell.hint.to_string(), cell.text.to_string()));
                let is_cut_off = paint_cell(ui, tokens, rect, cell, column.is_number);
                told = told
                    .or_else(|| words.and_then(|(hint, text)| Some(hint).filter(|hint| !hint.is_empty()).or(is_cut_off.then_some(text))));
            }
        }
        if click.has_focus() {
            // The mark of the keyboard: it moves this table's choice.
            let line = Stroke::new(1.0, tokens.accent.main.gamma_multiply(0.6));
            ui.painter().rect_stroke(area.intersect(ui.clip_rect()), 4.0, line, egui::StrokeKind::Inside);
        }
        if let Some(told) = told {
            click.clone().on_hover_text(told);
        }
        if click.clicked() || click.double_clicked() {
            click.request_focus();
            response.selected = pointed;
        }
        if click.double_clicked() {
            response.opened = pointed;
        }
    }

    /// Moves the choice with the keys, while the table has the focus.
    fn keyboard(&self, ui: &Ui, focus_id: Id, height: f32, response: &mut TableResponse) -> Option<usize> {
        if self.rows == 0 || !ui.ctx().memory(|memory| memory.has_focus(focus_id)) {
            return None;
        }
        // The arrows are ours; egui would move the focus with them.
        ui.ctx().memory_mut(|memory| {
            memory.set_focus_lock_filter(focus_id, egui::EventFilter { vertical_arrows: true, ..egui::EventFilter::default() });
        });
        let page = ((height / ROW_HEIGHT) as usize).max(1);
        let last = self.rows - 1;
        let from = self.selected.unwrap_or(0).min(last);
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        let to = if pressed(Key::ArrowDown) {
            Some(if self.selected.is_none() { 0 } else { (from + 1).min(last) })
        } else if pressed(Key::ArrowUp) {
            Some(from.saturating_sub(1))
        } else if pressed(Key::PageDown) {
            Some((from + page).min(last))
        } else if pressed(Key::PageUp) {
            Some(from.saturating_sub(page))
        } else if pressed(Key::Home) {
            Some(0)
        } else if pressed(Key::End) {
            Some(last)
        } else {
            None
        };
        if pressed(Key::Enter) && self.selected.is_some() {
            response.opened = self.selected;
        }
        if to.is_some() {
            response.selected = to;
        }
        to
    }

    /// Scrolls so that the row is in sight.
    fn reveal(&self, ui: &Ui, area: ScrollArea, state_id: Id, row: usize, height: f32) -> ScrollArea {
        let offset: f32 = ui.ctx().data(|data| data.get_temp(state_id.with("offset"))).unwrap_or(0.0);
        let space = RowSpace { rows: self.rows, view_height: height };
        let above = space.content_offset(offset);
        let top = row as f64 * f64::from(ROW_HEIGHT);
        let bottom = top + f64::from(ROW_HEIGHT);
        if top < above {
            area.vertical_scroll_offset(space.scroll_offset(top))
        } else if bottom > above + f64::from(height) {
            area.vertical_scroll_offset(space.scroll_offset(bottom - f64::from(height)))
        } else {
            area
        }
    }
}

fn full_height(rows: usize) -> f64 {
    rows as f64 * f64::from(ROW_HEIGHT)
}

/// Between the height that rows would take and the one that is scrolled: the same under the cap, in proportion beyond it.
#[derive(Debug, Clone, Copy)]
struct RowSpace {
    rows: usize,
    view_height: f32,
}

impl RowSpace {
    /// How many points of rows one scrolled point stands for.
    fn scale(self) -> f64 {
        let (full, view) = (full_height(self.rows), f64::from(self.view_height));
        if full <= f64::from(SCROLL_HEIGHT_MAX) { 1.0 } else { (full - view) / (f64::from(SCROLL_HEIGHT_MAX) - view) }
    }

    fn content_offset(self, scroll: f32) -> f64 {
        let hidden = (full_height(self.rows) - f64::from(self.view_height)).max(0.0);
        (f64::from(scroll) * self.scale()).clamp(0.0, hidden)
    }

    fn scroll_offset(self, content: f64) -> f32 {
        (content / self.scale()) as f32
    }
}

/// Whether the text was cut off.
fn paint_cell(ui: &Ui, tokens: &Tokens, rect: Rect, cell: TableCell<'_>, is_number: bool) -> bool {
    if let Some(share) = cell.bar {
        let inner = rect.shrink2(vec2(CELL_MARGIN / 2.0, 5.0));
        let bar = Rect::from_min_size(inner.min, vec2(inner.width() * share.clamp(0.0, 1.0), inner.height()));
        ui.painter().rect_filled(bar, 3.0, cell.tone.map_or(tokens.accent.soft, |tone| tone.soft(tokens)));
    }
    let color = match cell.tone {
        Some(tone) if tone != Tone::Neutral => tone.color(tokens),
        _ if cell.is_subdued => tokens.text.subdued,
        _ => tokens.text.normal,
    };
    let font = if cell.is_mono { theme::mono(size::BODY - 1.0) } else { FontId::proportional(size::BODY) };
    let text = if cell.icon.is_empty() { cell.text.into_owned() } else { format!("{} {}", cell.icon, cell.text) };
    paint(ui, rect, text, font, color, is_number)
}

fn paint(ui: &Ui, rect: Rect, text: String, font: FontId, color: egui::Color32, is_number: bool) -> bool {
    if text.is_empty() || !ui.is_rect_visible(rect) {
        return false;
    }
    let inner = rect.shrink2(vec2(CELL_MARGIN, 0.0));
    let mut job = egui::text::LayoutJob::simple_singleline(text, font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(inner.width().max(0.0));
    let galley = ui.painter().layout_job(job);
    let anchor = if is_number { Align2::RIGHT_CENTER } else { Align2::LEFT_CENTER };
    let at = anchor.anchor_size(anchor.pos_in_rect(&inner), galley.size());
    let is_cut_off = galley.elided;
    ui.painter().with_clip_rect(rect.intersect(ui.clip_rect())).galley(at.min, galley, color);
    is_cut_off
}
