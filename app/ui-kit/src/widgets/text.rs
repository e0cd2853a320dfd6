//! Text in its tiers, badges and dots.

use egui::{
    Color32, CornerRadius, CursorIcon, FontId, Frame, Label, Margin, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui, Vec2,
    WidgetInfo, vec2,
};

use crate::{
    theme::{self, size},
    tokens::{Tokens, tokens},
};

/// What a colour says; a word or an icon always says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Neutral,
    /// All is well.
    Ok,
    /// Worth knowing.
    Info,
    /// Needs a look.
    Warning,
    /// Is broken.
    Danger,
}

impl Tone {
    /// The colour of text and icons.
    pub fn color(self, tokens: &Tokens) -> Color32 {
        match self {
            Self::Neutral => tokens.text.subdued,
            Self::Ok => tokens.meaning.ok,
            Self::Info => tokens.meaning.info,
            Self::Warning => tokens.meaning.warning,
            Self::Danger => tokens.meaning.danger,
        }
    }

    /// The wash behind it.
    pub fn soft(self, tokens: &Tokens) -> Color32 {
        match self {
            Self::Neutral => tokens.meaning.neutral_soft,
            Self::Ok => tokens.meaning.ok_soft,
            Self::Info => tokens.meaning.info_soft,
            Self::Warning => tokens.meaning.warning_soft,
            Self::Danger => tokens.meaning.danger_soft,
        }
    }
}

/// The heading of a screen.
pub fn title(ui: &mut Ui, text: &str) -> Response {
    let color = tokens(ui).text.strong;
    ui.add(Label::new(RichText::new(text).font(theme::medium(size::TITLE)).color(color)).selectable(false))
}

/// Text that matters more than what is around it.
pub fn strong(ui: &mut Ui, text: impl Into<String>) -> Response {
    let color = tokens(ui).text.strong;
    ui.add(Label::new(RichText::new(text).font(theme::medium(size::BODY)).color(color)).truncate())
}

/// Text that matters less.
pub fn subdued(ui: &mut Ui, text: impl Into<String>) -> Response {
    let color = tokens(ui).text.subdued;
    ui.add(Label::new(RichText::new(text).color(color)).wrap())
}

/// Data.
pub fn mono(ui: &mut Ui, text: impl Into<String>) -> Response {
    let color = tokens(ui).text.normal;
    ui.add(Label::new(RichText::new(text).font(theme::mono(size::BODY - 0.5)).color(color)).truncate())
}

/// An icon and a text of one colour.
pub fn icon_text(ui: &mut Ui, icon: &str, text: &str, tone: Tone) -> Response {
    let color = if tone == Tone::Neutral { tokens(ui).text.normal } else { tone.color(&tokens(ui)) };
    ui.label(RichText::new(format!("{icon}  {text}")).color(color))
}

/// A short word on a wash.
pub fn badge(ui: &mut Ui, icon: &str, text: &str, tone: Tone) -> Response {
    let (response, text) = painted_badge(ui, icon, text, tone, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    response
}

/// A badge that leads somewhere; `told` is what it rests on and where it leads, on hover and for a screen reader.
pub fn badge_button(ui: &mut Ui, icon: &str, text: &str, tone: Tone, told: &str) -> Response {
    let (response, _) = painted_badge(ui, icon, text, tone, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Link, true, told));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_stroke(response.rect, 4.0, Stroke::new(1.0, tone.color(&tokens(ui))), StrokeKind::Inside);
    }
    response.on_hover_cursor(CursorIcon::PointingHand).on_hover_text(told)
}

fn painted_badge(ui: &mut Ui, icon: &str, text: &str, tone: Tone, sense: Sense) -> (Response, String) {
    const MARGIN: Vec2 = vec2(6.0, 2.0);
    let tokens = tokens(ui);
    let text = if icon.is_empty() { text.to_owned() } else { format!("{icon} {text}") };
    // Of one piece, so that a row that is full goes on below.
    let galley = ui.painter().layout_no_wrap(text.clone(), FontId::proportional(size::SMALL), tone.color(&tokens));
    let (rect, response) = ui.allocate_exact_size(galley.size() + 2.0 * MARGIN, sense);
    ui.painter().rect_filled(rect, 4.0, tone.soft(&tokens));
    ui.painter().galley(rect.min + MARGIN, galley, tone.color(&tokens));
    (response, text)
}

/// A dot and a word.
pub fn status_dot(ui: &mut Ui, text: &str, tone: Tone) -> Response {
    let color = tone.color(&tokens(ui));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let (rect, _) = ui.allocate_exact_size(vec2(8.0, ui.available_height().min(16.0)), Sense::hover());
        ui.painter().circle_filled(rect.center(), 4.0, color);
        ui.label(text)
    })
    .inner
}

/// Text to read and copy as it is, on a surface of its own.
pub fn code(ui: &mut Ui, text: &str) -> Response {
    let tokens = tokens(ui);
    let frame = Frame::new().fill(tokens.background.raised).corner_radius(CornerRadius::same(5)).inner_margin(Margin::symmetric(10, 6));
    frame.show(ui, |ui| ui.add(Label::new(RichText::new(text).font(theme::mono(size::BODY - 0.5)).color(tokens.text.normal)).wrap())).inner
}
