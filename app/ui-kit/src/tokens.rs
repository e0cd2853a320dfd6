//! Colours by role, read from the files in `assets/theme`.

use std::sync::Arc;

use egui::{Color32, Context, Id, Ui};
use serde::{Deserialize, Deserializer};

use crate::Theme;

/// All colours of a theme.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tokens {
    /// Surfaces, from back to front.
    pub background: Background,
    /// Lines.
    pub line: LineColors,
    /// Text in three tiers.
    pub text: Text,
    /// The one accent.
    pub accent: Accent,
    /// Colours that mean something; never the only sign of it.
    pub meaning: Meaning,
    /// Colours of plots.
    pub series: Series,
}

macro_rules! roles {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(deserialize_with = "color")] pub $field: Color32,)+
        }
    };
}

roles! {
    /// Surfaces, from back to front.
    Background {
        /// Behind everything.
        app,
        /// Navigation and bars.
        panel,
        /// Cards.
        card,
        /// Buttons, fields.
        raised,
        /// Under the pointer.
        hover,
        /// Chosen rows and entries.
        selected,
    }
}
roles! {
    /// Lines.
    LineColors {
        /// Between regions.
        separator,
        /// In plots.
        grid,
        /// Around fields and cards.
        border,
    }
}
roles! {
    /// Text in three tiers.
    Text {
        /// Headings and figures.
        strong,
        /// Everything else.
        normal,
        /// Labels and hints.
        subdued,
        /// On the accent.
        on_accent,
    }
}
roles! {
    /// The one accent.
    Accent {
        /// Primary buttons, links, the chosen entry's mark.
        main,
        /// A wash of it.
        soft,
    }
}
roles! {
    /// Colours that mean something, each with a wash for badges.
    Meaning {
        /// All is well.
        ok,
        /// Its wash.
        ok_soft,
        /// Needs a look.
        warning,
        /// Its wash.
        warning_soft,
        /// Is broken.
        danger,
        /// Its wash.
        danger_soft,
        /// Worth knowing.
        info,
        /// Its wash.
        info_soft,
        /// The wash of what means nothing special.
        neutral_soft,
    }
}

/// Colours of plots.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Series {
    #[serde(deserialize_with = "colors")]
    colors: Vec<Color32>,
}

impl Series {
    /// The colour of the n-th line; they repeat.
    pub fn color(&self, n: usize) -> Color32 {
        self.colors.get(n % self.colors.len().max(1)).copied().unwrap_or(Color32::GRAY)
    }
}

impl Tokens {
    /// The tokens of a theme.
    pub fn of(theme: Theme) -> Arc<Self> {
        use std::sync::LazyLock;
        static DARK: LazyLock<Arc<Tokens>> = LazyLock::new(|| Arc::new(read(include_str!("../../../assets/theme/dark.toml"))));
        static LIGHT: LazyLock<Arc<Tokens>> = LazyLock::new(|| Arc::new(read(include_str!("../../../assets/theme/light.toml"))));
        Arc::clone(match theme {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        })
    }
}

/// The tokens in force. Those of the dark theme until [`crate::theme::apply`] was called.
pub fn tokens(ui: &Ui) -> Arc<Tokens> {
    of_context(ui.ctx())
}

/// The tokens in force.
pub fn of_context(ctx: &Context) -> Arc<Tokens> {
    ctx.data(|data| data.get_temp(key())).unwrap_or_else(|| Tokens::of(Theme::Dark))
}

pub(crate) fn set(ctx: &Context, tokens: Arc<Tokens>) {
    ctx.data_mut(|data| data.insert_temp(key(), tokens));
}

fn key() -> Id {
    Id::unique("weir tokens")
}

#[expect(clippy::expect_used, reason = "the files are compiled in, and a test reads both")]
fn read(text: &str) -> Tokens {
    toml::from_str(text).expect("the theme file is complete")
}

fn parse(text: &str) -> Result<Color32, String> {
    Color32::from_hex(text).map_err(|_| format!("{text} is not a colour like #1b1f24"))
}

fn color<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Color32, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn colors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Color32>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.iter().map(|text| parse(text).map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.1 relative luminance.
    fn luminance(color: Color32) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(color.r()) + 0.7152 * channel(color.g()) + 0.0722 * channel(color.b())
    }

    #[test]
    fn text_can_be_read_on_every_surface() {
        for theme in Theme::ALL {
            let tokens = Tokens::of(theme);
            let check = |what: &str, text: Color32, on: Color32, at_least: f64| {
                let (a, b) = (luminance(text) + 0.05, luminance(on) + 0.05);
                let contrast = if a > b { a / b } else { b / a };
                assert!(contrast >= at_least, "{theme:?}: {what}: contrast {contrast:.2} < {at_least}");
            };
            for (name, surface) in [("app", tokens.background.app), ("panel", tokens.background.panel), ("card", tokens.background.card)] {
                check(&format!("normal on {name}"), tokens.text.normal, surface, 7.0);
                check(&format!("subdued on {name}"), tokens.text.subdued, surface, 4.5);
                check(&format!("accent on {name}"), tokens.accent.main, surface, 4.5);
            }
            check("on accent", tokens.text.on_accent, tokens.accent.main, 4.5);
            let meaning = &tokens.meaning;
            check("ok", meaning.ok, meaning.ok_soft, 4.5);
            check("warning", meaning.warning, meaning.warning_soft, 4.5);
            check("danger", meaning.danger, meaning.danger_soft, 4.5);
            check("info", meaning.info, meaning.info_soft, 4.5);
        }
    }
}
