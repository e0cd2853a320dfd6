//! What a panel may see and say: the store to read, commands to push. Never a client, a channel or a file.

use std::{path::PathBuf, sync::Arc};

use weir_model::{Cluster, GroupId, MessageQuery, MessageRow, PipelineId, Request, Store, TimestampMs, TopicName};
use weir_ui_kit::Theme;

/// What a panel is given for one frame.
pub struct PanelContext<'a> {
    /// All that the backend told.
    pub store: &'a Store,
    /// The wall clock; fixed in tests.
    pub now: TimestampMs,
    /// What the panel wants done, after the frame.
    pub commands: &'a mut Vec<Command>,
    /// When the panel wants to be drawn again although nothing happened; the earliest wish counts.
    pub repaint_at: &'a mut Option<TimestampMs>,
    /// Whether an audience looks on: what is only for the one at the keys stays away.
    pub is_presenting: bool,
    /// Why the panel was opened, once, right after a link led here.
    pub arrival: Option<Route>,
}

impl PanelContext<'_> {
    /// Asks for something to be done.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Asks the backend for something.
    pub fn request(&mut self, request: Request) {
        self.commands.push(Command::Request(request));
    }

    /// Wants to be drawn again then.
    pub fn repaint_at(&mut self, at: TimestampMs) {
        *self.repaint_at = Some(self.repaint_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Something a panel, a shortcut or the palette wants done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Ask the backend.
    Request(Request),
    /// Ask the backend for messages, and make the store show them.
    OpenMessages(MessageQuery),
    /// Show something.
    Navigate(Route),
    /// Put a text on the clipboard and say what it was.
    Copy {
        /// The text.
        text: String,
        /// What it is, such as "Bootstrap address".
        what: &'static str,
    },
    /// Ask for a file, then write these rows to it.
    ExportMessages(Vec<Arc<MessageRow>>),
    /// Somebody has seen to these alerts, by `alert_id`.
    Acknowledge(Vec<Arc<str>>),
    /// The last acknowledgement is taken back.
    UndoAcknowledge,
    /// Work with another cluster.
    Connect(Cluster),
    /// Change the theme; kept in the settings.
    SetTheme(ThemeChoice),
    /// Open the command palette.
    OpenPalette,
    /// Open the list of shortcuts.
    OpenHelp,
    /// Show the panel in front for an audience, or go back to work.
    TogglePresentation,
    /// Open the cluster menu.
    OpenClusterMenu,
    /// Show this panel beside the others.
    Split(super::PanelId),
    /// The answer of a file dialog.
    FileChosen {
        /// Where to write.
        path: PathBuf,
        /// What to write.
        rows: Vec<Arc<MessageRow>>,
    },
    /// End the program.
    Quit,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A panel as it stands.
    Panel(super::PanelId),
    /// A topic's detail.
    Topic(TopicName),
    /// A topic's messages, newest first.
    Messages(TopicName),
    /// A message query.
    Query(MessageQuery),
    /// A group's detail.
    Group(GroupId),
    /// A pipeline's dashboard.
    Dashboard(PipelineId),
    /// What a pipeline's stream applications do.
    Streams(PipelineId),
}

impl Route {
    /// The panel that shows it.
    pub fn panel(&self) -> super::PanelId {
        match self {
            Self::Panel(id) => id,
            Self::Topic(_) => super::TOPICS,
            Self::Messages(_) | Self::Query(_) => super::MESSAGES,
            Self::Group(_) => super::CONSUMERS,
            Self::Dashboard(_) => super::DASHBOARD,
            Self::Streams(_) => super::STREAMS,
        }
    }
}

/// Which theme the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    /// As the desktop has it; dark where it does not say.
    #[default]
    System,
    /// Always dark.
    Dark,
    /// Always light.
    Light,
}

impl ThemeChoice {
    /// The theme to draw.
    pub fn theme(self, system: Option<egui::Theme>) -> Theme {
        match (self, system) {
            (Self::Dark, _) | (Self::System, None | Some(egui::Theme::Dark)) => Theme::Dark,
            (Self::Light, _) | (Self::System, Some(egui::Theme::Light)) => Theme::Light,
        }
    }
}
