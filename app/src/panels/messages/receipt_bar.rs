//! The bar under the list: what was looked at, what was found, and how to go on.

use egui::{Align, Layout, RichText, Ui};
use weir_model::StopReason;
use weir_ui_kit::{
    format, icons,
    theme::size,
    tokens,
    widgets::{self, Tone},
};

use super::{
    Wish,
    receipt::{self, ReceiptText},
};
use crate::panels::{PanelContext, text};

pub(super) fn ui(ui: &mut Ui, cx: &PanelContext<'_>, words: Option<&ReceiptText>, wish: &mut Option<Wish>) {
    let view = &cx.store.messages;
    ui.horizontal(|ui| {
        ui.set_min_height(28.0);
        let (Some(words), Some(receipt), Some(query)) = (words, &view.receipt, &view.query) else {
            widgets::badge(ui, icons::CLOCK, "Asking the cluster", Tone::Neutral);
            return;
        };
        let (icon, tone) = look(receipt.stopped.as_ref());
        widgets::badge(ui, icon, &words.state, tone).on_hover_text(&words.state_help);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some((label, next)) = receipt::continuation(query, receipt)
                && widgets::secondary_button(ui, label).clicked()
            {
                *wish = Some(Wish::Open(next));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                part(ui, &words.matched);
                part(ui, &words.partitions).on_hover_text(&words.ranges);
                part(ui, &words.cost);
                if !words.gaps.is_empty() {
                    part(ui, &words.gaps).on_hover_text("Compacted away, aborted, or markers of transactions");
                }
                if view.dropped_rows > 0 {
                    let note = format!("{} made room", text::counted(view.dropped_rows, "older row"));
                    let kept = format!(
                        "The list keeps {} rows; export or narrow the query to keep others",
                        format::integer(weir_model::MESSAGES_MAX as u64)
                    );
                    widgets::icon_text(ui, icons::WARNING, &note, Tone::Warning).on_hover_text(kept);
                }
            });
        });
    });
}

fn part(ui: &mut Ui, text: &str) -> egui::Response {
    let color = tokens(ui).text.subdued;
    ui.add(egui::Label::new(RichText::new(text).size(size::SMALL).color(color)).truncate())
}

fn look(stopped: Option<&StopReason>) -> (&'static str, Tone) {
    match stopped {
        None => (icons::PULSE, Tone::Info),
        Some(StopReason::Limit) => (icons::PAUSE, Tone::Warning),
        Some(StopReason::End) => (icons::CHECK_CIRCLE, Tone::Ok),
        Some(StopReason::Cancelled) => (icons::STOP, Tone::Neutral),
        Some(StopReason::Failed(_)) => (icons::WARNING_CIRCLE, Tone::Danger),
    }
}
