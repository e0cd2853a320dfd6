//! The screens. One list; navigation, palette, shortcuts, `weir shot`, the README's table and the loop that tests them all derive from it.
//!
//! To add a panel: write its file or folder with a type that implements [`Panel`], declare the module, add it to [`PANELS`].

mod context;

pub mod alerts;
pub mod consumers;
pub mod dashboard;
mod filter;
mod grid;
pub mod messages;
pub mod overview;
mod parts;
pub mod pipelines;
pub mod streams;
#[cfg(test)]
mod testing;
mod text;
pub mod topics;

use egui::Ui;

pub use context::{Command, PanelContext, Route, ThemeChoice};

/// A panel's short name: in settings, on the command line, in links.
pub type PanelId = &'static str;

/// The first screen.
pub const OVERVIEW: PanelId = "overview";
/// Topics and their detail.
pub const TOPICS: PanelId = "topics";
/// Messages.
pub const MESSAGES: PanelId = "messages";
/// Groups, members and lag.
pub const CONSUMERS: PanelId = "consumers";
/// The pipelines' cards.
pub const PIPELINES: PanelId = "pipelines";
/// A pipeline's dashboard.
pub const DASHBOARD: PanelId = "dashboard";
/// What pipelines want somebody to look at.
pub const ALERTS: PanelId = "alerts";
/// What stream applications do.
pub const STREAMS: PanelId = "streams";

/// One screen.
pub trait Panel {
    /// Draws the screen and pushes what it wants done.
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>);
}

/// What the rest knows of a panel before it is made.
#[derive(Clone, Copy)]
pub struct PanelMeta {
    /// Its short name.
    pub id: PanelId,
    /// Its title.
    pub title: &'static str,
    /// A character of the icon font.
    pub icon: &'static str,
    /// One sentence: what it is for.
    pub help: &'static str,
    /// Makes it.
    pub make: fn() -> Box<dyn Panel>,
}

/// Every panel, in the order of the navigation; the n-th opens with Ctrl+n.
pub const PANELS: &[PanelMeta] =
    &[overview::META, topics::META, messages::META, consumers::META, pipelines::META, dashboard::META, streams::META, alerts::META];

/// The panel of that name.
pub fn meta(id: &str) -> Option<&'static PanelMeta> {
    PANELS.iter().find(|meta| meta.id == id)
}
