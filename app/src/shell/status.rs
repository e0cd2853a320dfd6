//! The bar at the bottom: the connection, how much is written, how old the figures are.

use egui::{Align, Layout, Margin, Panel as BottomPanel, RichText, Ui};
use weir_model::{ConnectionState, Store, TimestampMs};
use weir_ui_kit::{
    format,
    theme::{self, size},
    tokens,
    widgets::{copy_button, status_dot},
};

use super::nav::state_of;

/// Figures older than this are shown as old.
const STALE_AFTER_MS: i64 = 20_000;

/// Draws the bar. Returns when it has to be drawn again although nothing happens.
pub(super) fn ui(ui: &mut Ui, store: &Store, now: TimestampMs) -> Option<TimestampMs> {
    let background = tokens(ui).background.panel;
    let frame = egui::Frame::new().fill(background).inner_margin(Margin::symmetric(12, 2));
    BottomPanel::bottom("status")
        .exact_size(30.0)
        .frame(frame)
        .show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                ui.style_mut().override_text_style = Some(egui::TextStyle::Small);
                let (tone, state) = state_of(&store.connection);
                status_dot(ui, state, tone);
                if let Some(bootstrap) = store.connection.bootstrap() {
                    ui.add_space(4.0);
                    ui.label(RichText::new(bootstrap).font(theme::mono(size::SMALL)));
                    copy_button(ui, bootstrap, "bootstrap address");
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| figures(ui, store, now)).inner
            })
            .inner
        })
        .inner
}

fn figures(ui: &mut Ui, store: &Store, now: TimestampMs) -> Option<TimestampMs> {
    let tokens = tokens(ui);
    let as_of = store.cluster.as_of()?;
    let age_ms = now.since(as_of);
    let is_stale = age_ms >= STALE_AFTER_MS;
    if is_stale {
        ui.label(RichText::new(format!("as of {}", format::ago(age_ms))).color(tokens.meaning.warning))
            .on_hover_text("The cluster has not answered since");
    } else {
        ui.label(RichText::new("live").color(tokens.text.subdued)).on_hover_text(format!("Read at {} UTC", format::time_utc(as_of.0)));
    }
    if let Some(cluster) = store.cluster.value() {
        ui.separator();
        ui.label(format!("{} topics", format::integer(cluster.user_topics().count() as i64)));
        if let Some(rates) = cluster.rates() {
            ui.separator();
            if let Some(bytes_per_s) = rates.bytes_per_s {
                ui.label(format!("{}/s", format::bytes(bytes_per_s)));
            }
            ui.label(format!("{} records/s", format::si(rates.records_per_s)));
        }
    }
    let is_connected = matches!(store.connection, ConnectionState::Connected { .. });
    (is_connected && !is_stale).then(|| TimestampMs(as_of.0 + STALE_AFTER_MS)).or_else(|| is_stale.then(|| TimestampMs(now.0 + 1_000)))
}
