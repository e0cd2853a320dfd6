//! News in the corner.

use egui::{Align2, Area, Context, CornerRadius, Frame, Id, Label, Margin, Order, RichText, Stroke, vec2};

use super::{Tone, icon_button};
use crate::{
    icons,
    theme::{self, size},
    tokens::of_context,
};

/// How urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToastKind {
    /// Worth knowing.
    Info,
    /// Done.
    Success,
    /// Not as it should be.
    Warning,
    /// Failed. Stays until it is dismissed.
    Error,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// How urgent.
    pub kind: ToastKind,
    /// The headline.
    pub title: String,
    /// The rest; may be empty.
    pub detail: String,
    /// When it goes, in epoch milliseconds; `None` for not by itself.
    pub expires_at_ms: Option<i64>,
}

/// Draws the newest few above everything. Returns the position of one that was dismissed.
pub fn toasts(ctx: &Context, toasts: &[Toast]) -> Option<usize> {
    const SHOWN_MAX: usize = 4;
    if toasts.is_empty() {
        return None;
    }
    let tokens = of_context(ctx);
    let mut dismissed = None;
    Area::new(Id::unique("toasts")).order(Order::Foreground).anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -44.0)).show(ctx, |ui| {
        ui.set_width(360.0);
        for (at, toast) in toasts.iter().enumerate().skip(toasts.len().saturating_sub(SHOWN_MAX)) {
            let (icon, tone) = match toast.kind {
                ToastKind::Info => (icons::INFO, Tone::Info),
                ToastKind::Success => (icons::CHECK_CIRCLE, Tone::Ok),
                ToastKind::Warning => (icons::WARNING, Tone::Warning),
                ToastKind::Error => (icons::WARNING_CIRCLE, Tone::Danger),
            };
            let frame = Frame::new()
                .fill(tokens.background.card)
                .stroke(Stroke::new(1.0, tokens.line.border))
                .corner_radius(CornerRadius::same(8))
                .inner_margin(Margin::same(10))
                .shadow(ui.visuals().popup_shadow);
            frame.show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.label(RichText::new(icon).font(theme::icon(18.0)).color(tone.color(&tokens)));
                    ui.vertical(|ui| {
                        ui.set_width(280.0);
                        ui.spacing_mut().item_spacing.y = 2.0;
                        ui.add(Label::new(RichText::new(&toast.title).font(theme::medium(size::BODY)).color(tokens.text.strong)).wrap());
                        if !toast.detail.is_empty() {
                            ui.add(Label::new(RichText::new(&toast.detail).color(tokens.text.normal)).wrap());
                        }
                    });
                    if icon_button(ui, icons::X, &format!("Dismiss: {}", toast.title)).clicked() {
                        dismissed = Some(at);
                    }
                });
            });
        }
    });
    dismissed
}
