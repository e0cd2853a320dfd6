//! Weir's look: tokens, fonts, widgets, plots, a virtual table, and a rasteriser for pictures without a GPU. Knows egui, no Kafka.
//!
//! Call [`theme::install`] once and [`theme::apply`] whenever the theme changes; everything else is a function over `&mut Ui`.

pub mod format;
pub mod icons;
pub mod plot;
pub mod raster;
pub mod table;
pub mod theme;
pub mod tokens;
pub mod widgets;

pub use theme::Theme;
pub use tokens::{Tokens, tokens};
