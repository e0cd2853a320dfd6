//! One key or value in the detail: as a tree, as text or in hex. Only lines in view are laid out, so nothing has to be cut off.

use std::{collections::HashSet, ops::Range, sync::Arc};

use egui::{Align, Color32, FontId, Label, Layout, Rect, Role, Sense, TextFormat, Ui, UiBuilder, WidgetInfo, pos2, text::LayoutJob, vec2};
use weir_ui_kit::{Tokens, icons, theme, tokens};

use super::{
    json_tree::{JsonTree, Kind, Node, TREE_BYTES_MAX},
    payload,
};

/// Height of a line.
const LINE_HEIGHT: f32 = 18.0;
/// Indentation of a level of the tree.
const INDENT: f32 = 16.0;
/// Characters of one string in the tree; the text view has all of a longer one.
const TREE_STRING_CHARS_MAX: usize = 2_000;

/// Ways to look at bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// JSON, line by line.
    Tree,
    /// The text as it is.
    Text,
    /// Sixteen bytes a line.
    Hex,
}

impl View {
    /// Its name on the button.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Tree => "Tree",
            Self::Text => "Text",
            Self::Hex => "Hex",
        }
    }
}

/// Bytes, and what was derived from them once.
pub(super) struct ValueView {
    pub(super) bytes: Option<Arc<[u8]>>,
    pub(super) view: View,
    is_text: bool,
    tree: Option<JsonTree>,
    closed: HashSet<usize>,
    visible: Vec<usize>,
    /// Lines of the text at this many characters each.
    lines: (usize, Vec<Range<usize>>),
}

impl ValueView {
    pub(super) fn new(bytes: Option<Arc<[u8]>>) -> Self {
        let tree = bytes.as_deref().and_then(JsonTree::parse);
        let is_text = bytes.as_deref().is_some_and(|bytes| std::str::from_utf8(bytes).is_ok());
        let view = match (&tree, is_text) {
            (Some(_), _) => View::Tree,
            (None, true) => View::Text,
            (None, false) => View::Hex,
        };
        let closed = tree.as_ref().map(JsonTree::closed_at_first).unwrap_or_default();
        let visible = tree.as_ref().map(|tree| tree.visible(&closed)).unwrap_or_default();
        Self { bytes, view, is_text, tree, closed, visible, lines: (0, Vec::new()) }
    }

    /// The views that fit these bytes; none for null and for nothing.
    pub(super) fn views(&self) -> Vec<View> {
        match &self.bytes {
            Some(bytes) if !bytes.is_empty() => {
                let tree = self.tree.is_some().then_some(View::Tree);
                tree.into_iter().chain(self.is_text.then_some(View::Text)).chain([View::Hex]).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the views can't say themselves.
    pub(super) fn note(&self) -> Option<&'static str> {
        match &self.bytes {
            None => Some("null: no bytes at all"),
            Some(bytes) if bytes.is_empty() => Some("empty: 0 bytes, which is not null"),
            Some(bytes) if bytes.len() > TREE_BYTES_MAX && self.is_text => {
                Some("Larger than 2 MiB, so it is shown whole as text rather than as a tree")
            }
            _ => None,
        }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui) {
        let Some(bytes) = self.bytes.clone().filter(|bytes| !bytes.is_empty()) else { return };
        match self.view {
            View::Tree => self.tree_ui(ui),
            View::Text => self.text_ui(ui, &bytes),
            View::Hex => hex_ui(ui, &bytes),
        }
    }

    fn tree_ui(&mut self, ui: &mut Ui) {
        let Some(tree) = &self.tree else { return };
        let tokens = tokens(ui);
        let mut toggled = None;
        let closed = &self.closed;
        let visible = &self.visible;
        lines_ui(ui, visible.len(), |ui, line, rect| {
            let Some((at, node)) = visible.get(line).and_then(|at| Some((*at, tree.node(*at)?))) else { return };
            let left = rect.left() + f32::from(node.depth) * INDENT;
            if node.is_container() {
                let is_closed = closed.contains(&at);
                let caret = if is_closed { icons::CARET_RIGHT } else { icons::CARET_DOWN };
                ui.painter().text(
                    pos2(left + 6.0, rect.center().y),
                    egui::Align2::CENTER_CENTER,
                    caret,
                    theme::icon(10.0),
                    tokens.text.subdued,
                );
                let area = Rect::from_min_max(pos2(left, rect.top()), rect.right_bottom());
                let response = ui.interact(area, ui.scope_id().with(("node", at)), Sense::click());
                let name = node.name.as_deref().unwrap_or("document");
                response.widget_info(|| WidgetInfo::selected(Role::Button, true, !is_closed, name));
                if response.clicked() {
                    toggled = Some(at);
                }
            }
            let text = Rect::from_min_max(pos2(left + INDENT, rect.top()), rect.right_bottom());
            line_label(ui, text, node_text(node, &tokens), !node.is_container());
        });
        if let Some(at) = toggled {
            if !self.closed.remove(&at) {
                self.closed.insert(at);
            }
            self.visible = tree.visible(&self.closed);
        }
    }

    fn text_ui(&mut self, ui: &mut Ui, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let font = theme::mono(theme::size::BODY - 0.5);
        let char_width = ui.fonts_mut(|fonts| fonts.glyph_width(&font, 'm')).max(1.0);
        let chars_per_line = ((ui.available_width() / char_width) as usize).max(8);
        if self.lines.0 != chars_per_line {
            self.lines = (chars_per_line, payload::text_lines(text, chars_per_line));
        }
        let color = tokens(ui).text.normal;
        lines_ui(ui, self.lines.1.len(), |ui, line, rect| {
            let part = self.lines.1.get(line).and_then(|range| text.get(range.clone())).unwrap_or_default();
            line_label(ui, rect, LayoutJob::simple_singleline(part.to_owned(), font.clone(), color), true);
        });
    }
}

fn hex_ui(ui: &mut Ui, bytes: &[u8]) {
    let color = tokens(ui).text.normal;
    let font = theme::mono(theme::size::SMALL);
    lines_ui(ui, payload::hex_line_count(bytes.len()), |ui, line, rect| {
        line_label(ui, rect, LayoutJob::simple_singleline(payload::hex_line(bytes, line), font.clone(), color), true);
    });
}

/// Takes the room of all lines and lays out those in view.
fn lines_ui(ui: &mut Ui, count: usize, mut line_ui: impl FnMut(&mut Ui, usize, Rect)) {
    let (area, _) = ui.allocate_exact_size(vec2(ui.available_width(), count as f32 * LINE_HEIGHT), Sense::hover());
    let seen = ui.clip_rect().intersect(area);
    if !seen.is_positive() {
        return;
    }
    let first = ((seen.top() - area.top()) / LINE_HEIGHT) as usize;
    let last = (((seen.bottom() - area.top()) / LINE_HEIGHT).ceil() as usize).min(count);
    for line in first..last {
        let top = area.top() + line as f32 * LINE_HEIGHT;
        line_ui(ui, line, Rect::from_min_size(pos2(area.left(), top), vec2(area.width(), LINE_HEIGHT)));
    }
}

fn line_label(ui: &mut Ui, rect: Rect, job: LayoutJob, is_selectable: bool) {
    ui.scope_builder(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)), |ui| {
        ui.add(Label::new(job).selectable(is_selectable).extend());
    });
}

fn node_text(node: &Node, tokens: &Tokens) -> LayoutJob {
    let font = theme::mono(theme::size::BODY - 0.5);
    let mut job = LayoutJob::default();
    if let Some(name) = &node.name {
        append(&mut job, &format!("{name}: "), &font, tokens.text.subdued);
    }
    let color = match node.kind {
        Kind::Object | Kind::Array | Kind::Null => tokens.text.subdued,
        Kind::String => tokens.meaning.ok,
        Kind::Number => tokens.meaning.info,
        Kind::Bool => tokens.meaning.warning,
    };
    match node.text.char_indices().nth(TREE_STRING_CHARS_MAX) {
        None => append(&mut job, &node.text, &font, color),
        Some((cut, _)) => {
            append(&mut job, node.text.get(..cut).unwrap_or_default(), &font, color);
            append(&mut job, &format!(" … {} of {} bytes shown; see Text for all", cut, node.text.len()), &font, tokens.meaning.warning);
        }
    }
    job.wrap.max_rows = 1;
    job.break_on_newline = false;
    job
}

fn append(job: &mut LayoutJob, text: &str, font: &FontId, color: Color32) {
    job.append(text, 0.0, TextFormat::simple(font.clone(), color));
}
