//! One record, whole: where it lies, its headers, its key and its value, and texts to take along.

use std::sync::Arc;

use egui::{Align, Layout, ScrollArea, Ui};
use weir_model::{MessageRow, Record};
use weir_ui_kit::{
    format, icons,
    widgets::{self, Tone},
};

use super::{commands, value_view::ValueView};
use crate::panels::{Command, PanelContext, text};

/// Headers are previews of this many characters; the whole is in the tooltip and the JSON.
const HEADER_CHARS_MAX: usize = 400;

pub(super) struct Detail {
    row: Arc<MessageRow>,
    key: ValueView,
    value: ValueView,
    /// Name and value as texts.
    headers: Vec<(Arc<str>, HeaderText)>,
}

/// A header's value as it is shown.
enum HeaderText {
    Null,
    Empty,
    Text(String),
}

impl Detail {
    pub(super) fn new(row: Arc<MessageRow>) -> Self {
        let record = &row.record;
        let header_text = |bytes: Option<&[u8]>| match bytes {
            None => HeaderText::Null,
            Some([]) => HeaderText::Empty,
            Some(bytes) => HeaderText::Text(commands::copyable(Some(bytes))),
        };
        let headers = record.headers.iter().map(|header| (Arc::clone(&header.name), header_text(header.value.as_deref()))).collect();
        Self { key: ValueView::new(record.key.clone()), value: ValueView::new(record.value.clone()), headers, row }
    }

    /// Draws it; false when it is to close.
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> bool {
        let is_open = self.heading(ui, cx);
        ScrollArea::vertical().id_salt("record").auto_shrink(false).show(ui, |ui| {
            ui.scope(|ui| self.metadata_ui(ui, cx));
            ui.scope(|ui| self.headers_ui(ui));
            payload_ui(ui, cx, "Key", &mut self.key, "");
            payload_ui(ui, cx, "Value", &mut self.value, self.row.decoder.0);
            self.notes_ui(ui);
            ui.add_space(16.0);
        });
        is_open
    }

    fn heading(&self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> bool {
        let mut is_open = true;
        let record = &self.row.record;
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                is_open = !widgets::icon_button(ui, icons::X, "Close record").clicked();
                if widgets::icon_button(ui, icons::TERMINAL_WINDOW, "Copy kcat command").clicked() {
                    cx.push(Command::Copy { text: commands::kcat_read(cx.store.connection.bootstrap(), record), what: "kcat command" });
                }
                if widgets::icon_button(ui, icons::FILE_TEXT, "Copy as JSON").clicked() {
                    cx.push(Command::Copy { text: weir_backend::envelope(record), what: "Record as JSON" });
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    widgets::strong(ui, format!("Partition {}, offset {}", record.partition, format::integer(record.offset.0)));
                });
            });
        });
        is_open
    }

    fn metadata_ui(&self, ui: &mut Ui, cx: &PanelContext<'_>) {
        let Record { topic, timestamp, timestamp_type, key, value, .. } = &*self.row.record;
        // Lines of text, not of buttons.
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.spacing_mut().interact_size.y = 20.0;
        widgets::key_value(ui, "Topic", topic.as_str());
        match timestamp {
            None => widgets::key_value(ui, "Time", "none"),
            Some(at) => {
                widgets::key_value(ui, "Time (UTC)", &format::timestamp_utc(at.0));
                let age_ms = cx.now.since(*at);
                let age = if age_ms < -1_500 { format!("{} in the future", format::duration_ms(-age_ms)) } else { format::ago(age_ms) };
                widgets::key_value(ui, "Age", &age);
            }
        }
        widgets::key_value(
            ui,
            "Timestamp set by",
            match timestamp_type {
                weir_model::TimestampType::CreateTime => "the producer (CreateTime)",
                weir_model::TimestampType::LogAppendTime => "the broker (LogAppendTime)",
                weir_model::TimestampType::Unknown => "not told",
            },
        );
        let len = |bytes: &Option<Arc<[u8]>>| bytes.as_deref().map_or_else(|| "null".to_owned(), |bytes| text::bytes(bytes.len() as u64));
        widgets::key_value(ui, "Key, value", &format!("{}, {}", len(key), len(value)));
    }

    fn headers_ui(&self, ui: &mut Ui) {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.spacing_mut().interact_size.y = 20.0;
        section(ui, &format!("Headers ({})", self.headers.len()));
        for (name, value) in &self.headers {
            ui.horizontal(|ui| {
                ui.scope(|ui| {
                    ui.set_min_width(130.0);
                    ui.set_max_width(130.0);
                    widgets::mono(ui, &**name);
                });
                match value {
                    HeaderText::Null => _ = widgets::subdued(ui, "null"),
                    HeaderText::Empty => _ = widgets::subdued(ui, "empty"),
                    HeaderText::Text(value) => _ = widgets::mono(ui, preview(value)).on_hover_text(value),
                }
            });
        }
        if self.headers.is_empty() {
            widgets::subdued(ui, "none");
        }
    }

    fn notes_ui(&self, ui: &mut Ui) {
        if self.row.decoder_notes.is_empty() {
            return;
        }
        let heading = format!("Why is this {}?", self.row.decoder.0);
        ui.collapsing(heading, |ui| {
            for line in self.row.decoder_notes.lines() {
                widgets::subdued(ui, line);
            }
        });
    }
}

fn payload_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, name: &'static str, value: &mut ValueView, decoder: &str) {
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        widgets::section(ui, name);
        if !decoder.is_empty() {
            widgets::badge(ui, "", decoder, Tone::Neutral);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let views = value.views();
            if !views.is_empty() && widgets::icon_button(ui, icons::COPY, if name == "Key" { "Copy key" } else { "Copy value" }).clicked() {
                cx.push(Command::Copy { text: commands::copyable(value.bytes.as_deref()), what: name });
            }
            if views.len() > 1 {
                let options: Vec<_> = views.iter().map(|view| (*view, view.label())).collect();
                ui.push_id(name, |ui| {
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| widgets::segmented(ui, &mut value.view, &options))
                });
            }
        });
    });
    if let Some(note) = value.note() {
        widgets::subdued(ui, note);
    }
    ui.push_id((name, "lines"), |ui| value.ui(ui));
}

fn section(ui: &mut Ui, heading: &str) {
    ui.add_space(8.0);
    widgets::section(ui, heading);
}

fn preview(value: &str) -> String {
    match value.char_indices().nth(HEADER_CHARS_MAX) {
        None => value.to_owned(),
        Some((cut, _)) => format!("{}… ({} bytes)", value.get(..cut).unwrap_or_default(), value.len()),
    }
}
