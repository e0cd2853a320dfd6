//! Fonts and egui's style, made from the tokens.

use std::sync::Arc;

use egui::{Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Visuals, vec2};

use crate::tokens::{self, Tokens};

/// Dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Light text on dark.
    #[default]
    Dark,
    /// Dark text on light.
    Light,
}

impl Theme {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Dark, Self::Light];
}

/// Text sizes in points; no other is used.
pub mod size {
    /// Labels, hints, table headings.
    pub const SMALL: f32 = 11.5;
    /// Everything else.
    pub const BODY: f32 = 13.0;
    /// Headings of cards.
    pub const HEADING: f32 = 14.5;
    /// Headings of screens.
    pub const TITLE: f32 = 20.0;
    /// Figures in tiles.
    pub const FIGURE: f32 = 24.0;
}

/// Every distance is a multiple of this.
pub const GRID: f32 = 4.0;

/// The name of the medium weight's family.
pub const MEDIUM: &str = "medium";
/// The name of the icon font's family.
pub const ICONS: &str = "icons";

/// Loads the fonts. Once, before the first frame.
pub fn install(ctx: &Context) {
    let mut fonts = FontDefinitions::default();
    let files: [(&str, &'static [u8]); 4] = [
        ("inter", include_bytes!("../../../assets/fonts/Inter-Regular.otf")),
        ("inter medium", include_bytes!("../../../assets/fonts/Inter-Medium.otf")),
        ("jetbrains mono", include_bytes!("../../../assets/fonts/JetBrainsMono-Regular.ttf")),
        ("phosphor", include_bytes!("../../../assets/icons/Phosphor.ttf")),
    ];
    for (name, bytes) in files {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    // egui's own fonts stay behind ours for the scripts and symbols that ours lack.
    let fallback = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let family = |first: &str| {
        let mut names = vec![first.to_owned(), "phosphor".to_owned()];
        names.extend(fallback.iter().cloned());
        names
    };
    fonts.families.insert(FontFamily::Proportional, family("inter"));
    fonts.families.insert(FontFamily::Monospace, family("jetbrains mono"));
    fonts.families.insert(FontFamily::Name(MEDIUM.into()), family("inter medium"));
    fonts.families.insert(FontFamily::Name(ICONS.into()), family("phosphor"));
    ctx.set_fonts(fonts);
}

/// Puts a theme in force.
pub fn apply(ctx: &Context, theme: Theme) {
    let tokens = Tokens::of(theme);
    let style = style(&tokens, theme);
    ctx.set_theme(match theme {
        Theme::Dark => egui::Theme::Dark,
        Theme::Light => egui::Theme::Light,
    });
    ctx.all_styles_mut(|it| *it = style.clone());
    tokens::set(ctx, tokens);
}

/// The medium weight at a size.
pub fn medium(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(MEDIUM.into()))
}

/// The icon font at a size.
pub fn icon(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(ICONS.into()))
}

/// The font of data at a size.
pub fn mono(size: f32) -> FontId {
    FontId::monospace(size)
}

fn style(tokens: &Tokens, theme: Theme) -> Style {
    let text_styles = [
        (TextStyle::Small, FontId::proportional(size::SMALL)),
        (TextStyle::Body, FontId::proportional(size::BODY)),
        (TextStyle::Button, FontId::proportional(size::BODY)),
        (TextStyle::Monospace, FontId::monospace(size::BODY - 0.5)),
        (TextStyle::Heading, medium(size::TITLE)),
    ]
    .into();
    let mut style = Style { text_styles, ..Style::default() };
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 8.0);
    spacing.button_padding = vec2(10.0, 5.0);
    spacing.interact_size.y = 28.0;
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(20);
    spacing.slider_width = 180.0;
    spacing.slider_rail_height = 4.0;
    spacing.text_edit_width = 240.0;
    spacing.scroll.floating = true;
    spacing.scroll.bar_width = 8.0;
    spacing.scroll.floating_width = 4.0;
    style.animation_time = 0.1;
    style.visuals = visuals(tokens, theme);
    style
}

fn visuals(tokens: &Tokens, theme: Theme) -> Visuals {
    let Tokens { background, line, text, accent, meaning, .. } = tokens;
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    visuals.panel_fill = background.app;
    visuals.window_fill = background.card;
    visuals.window_stroke = Stroke::new(1.0, line.border);
    visuals.window_corner_radius = CornerRadius::same(8);
    visuals.menu_corner_radius = CornerRadius::same(6);
    visuals.faint_bg_color = background.panel;
    visuals.extreme_bg_color = background.panel;
    visuals.text_edit_bg_color = Some(background.raised);
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.slider_trailing_fill = true;
    visuals.code_bg_color = background.raised;
    visuals.hyperlink_color = accent.main;
    visuals.warn_fg_color = meaning.warning;
    visuals.error_fg_color = meaning.danger;
    visuals.weak_text_color = Some(text.subdued);
    visuals.selection.bg_fill = background.selected;
    visuals.selection.stroke = Stroke::new(1.0, text.strong);
    visuals.indent_has_left_vline = false;
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 16, spread: 0, color: egui::Color32::from_black_alpha(60) };
    visuals.window_shadow = visuals.popup_shadow;
    let states = &mut visuals.widgets;
    for (state, fill, color) in [
        (&mut states.noninteractive, background.card, text.normal),
        (&mut states.inactive, background.raised, text.normal),
        (&mut states.hovered, background.hover, text.strong),
        (&mut states.active, background.hover, text.strong),
        (&mut states.open, background.hover, text.strong),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::NONE;
        state.fg_stroke = Stroke::new(1.0, color);
        state.corner_radius = CornerRadius::same(5);
        state.expansion = 0.0;
    }
    states.noninteractive.bg_stroke = Stroke::new(1.0, line.separator);
    visuals
}
