//! The frame around the panels, and the one struct that is the whole interface. It knows no host: see [`crate::hosts`].
//!
//! Each frame: [`Weir::logic`] drains news into the store and runs the commands of the frame before; [`Weir::ui`] paints. Painting changes
//! nothing but what belongs to the interface itself.

mod alerts;
mod cluster_menu;
mod files;
mod help;
mod layout;
mod nav;
mod palette;
pub mod settings;
mod shortcuts;
mod status;

use std::collections::{BTreeMap, VecDeque};

use egui::{Context, Ui, UserAttentionType, ViewportCommand};
use weir_model::{Cluster, ConnectionState, Notice, NoticeLevel, Problem, Request, Store, TimestampMs, Update};
use weir_ui_kit::{
    Theme, theme,
    widgets::{Failure, Toast, ToastKind, error_state, toasts},
};

use crate::{
    hosts::Screen,
    panels::{self, Command, Panel, PanelContext, PanelId, Route},
};
use alerts::CriticalAlerts;
use cluster_menu::ClusterMenu;
use files::FileDialogs;
use layout::Layout;
use palette::Palette;
use settings::{Loaded, Saver, Settings};

/// Updates taken in before a frame; more wait for the next.
const UPDATES_PER_FRAME: usize = 512;
/// Toasts that wait to be seen; the oldest make room.
const TOASTS_MAX: usize = 16;
/// Text for people three metres away: as large as a screen of so many points allows, from half again to three times the usual.
const PRESENTED_WIDTH: f32 = 1_100.0;
const PRESENTATION_SCALES: std::ops::RangeInclusive<f32> = 1.5..=3.0;
/// How long a toast stays that is no error.
const TOAST_MS: i64 = 6_000;

/// What the interface needs of a backend; tests and pictures bring their own.
pub trait Backend {
    /// Asks for something, without waiting.
    ///
    /// # Errors
    /// When too much waits already.
    fn request(&self, request: Request) -> Result<(), Problem>;

    /// Takes at most `max` updates, without waiting.
    fn drain(&self, max: usize) -> Vec<Update>;
}

impl Backend for weir_backend::Handle {
    fn request(&self, request: Request) -> Result<(), Problem> {
        Self::request(self, request)
    }

    fn drain(&self, max: usize) -> Vec<Update> {
        Self::drain(self, max)
    }
}

/// Updates that were recorded, and no backend behind them: the same screens, for tests and pictures.
#[derive(Debug, Default)]
pub struct Recorded;

impl Backend for Recorded {
    fn request(&self, _request: Request) -> Result<(), Problem> {
        Ok(())
    }

    fn drain(&self, _max: usize) -> Vec<Update> {
        Vec::new()
    }
}

/// The whole interface.
pub struct Weir<B: Backend> {
    backend: B,
    store: Store,
    panels: BTreeMap<PanelId, Box<dyn Panel>>,
    layout: Layout,
    commands: Vec<Command>,
    arrivals: BTreeMap<PanelId, Route>,
    palette: Option<Palette>,
    cluster_menu: Option<ClusterMenu>,
    is_help_open: bool,
    is_presenting: bool,
    presentation_scale: f32,
    toasts: VecDeque<Toast>,
    notices_seen: u64,
    critical_alerts: CriticalAlerts,
    settings: Settings,
    saver: Option<Saver>,
    dialogs: FileDialogs,
    applied: Option<(Theme, f32)>,
    clock: fn() -> TimestampMs,
}

impl<B: Backend> Weir<B> {
    /// The interface over a backend, with settings as loaded. `wake` has the next frame drawn.
    pub fn new(backend: B, loaded: Loaded, wake: impl Fn() + Send + 'static) -> Self {
        let saver = Saver::start(&loaded, wake);
        let mut weir = Self::without_disk(backend, loaded.settings);
        weir.saver = Some(saver);
        if let Some(problem) = &loaded.problem {
            weir.tell(&Notice::of_problem(problem, TimestampMs::now()));
        }
        weir
    }

    /// The same with settings that are not kept: for tests and pictures.
    pub fn without_disk(backend: B, settings: Settings) -> Self {
        Self {
            backend,
            store: Store::default(),
            panels: panels::PANELS.iter().map(|meta| (meta.id, (meta.make)())).collect(),
            layout: Layout::new(settings.layout.as_ref()),
            commands: Vec::new(),
            arrivals: BTreeMap::new(),
            palette: None,
            cluster_menu: None,
            is_help_open: false,
            is_presenting: false,
            presentation_scale: *PRESENTATION_SCALES.start(),
            toasts: VecDeque::new(),
            notices_seen: 0,
            critical_alerts: CriticalAlerts::default(),
            settings,
            saver: None,
            dialogs: FileDialogs::new(),
            applied: None,
            clock: TimestampMs::now,
        }
    }

    /// Takes the time from elsewhere: tests and pictures stand still.
    pub fn with_clock(mut self, clock: fn() -> TimestampMs) -> Self {
        self.clock = clock;
        self
    }

    /// All that the backend told.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes in news, as if the backend had told it.
    pub fn apply(&mut self, update: Update) {
        self.store.apply(update);
    }

    /// Has something done at the next frame.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// The panel that navigation changes.
    pub fn current_panel(&self) -> PanelId {
        self.layout.current()
    }

    /// What the last frames asked for and is not yet done.
    pub fn pending(&self) -> &[Command] {
        &self.commands
    }

    fn run(&mut self, ctx: &Context, command: Command) {
        match command {
            Command::Request(request) => self.request(request),
            Command::OpenMessages(query) => {
                self.store.messages.begin(query.clone());
                self.request(Request::OpenMessages(query));
            }
            Command::Navigate(route) => {
                self.layout.show(route.panel());
                self.arrivals.insert(route.panel(), route);
                ctx.request_repaint(); // the panel hears of it in the frame after
            }
            Command::Copy { text, what } => {
                ctx.copy_text(text);
                self.toast(ToastKind::Success, format!("{what} copied"), String::new());
            }
            Command::ExportMessages(rows) => {
                let repaint = ctx.clone();
                if let Err(problem) = self.dialogs.save(rows, move || repaint.request_repaint()) {
                    self.tell(&Notice::of_problem(&problem, (self.clock)()));
                }
            }
            Command::FileChosen { path, rows } => self.request(Request::ExportMessages { rows, path }),
            Command::Acknowledge(ids) => self.store.alerts.acknowledge(ids),
            Command::UndoAcknowledge => self.store.alerts.undo_acknowledge(),
            Command::Connect(cluster) => self.connect(cluster),
            Command::SetTheme(theme) => self.settings.theme = theme,
            Command::OpenPalette => self.palette = Some(Palette::default()),
            Command::OpenHelp => self.is_help_open = true,
            Command::TogglePresentation => self.present(ctx, !self.is_presenting),
            Command::OpenClusterMenu => self.cluster_menu = Some(ClusterMenu::default()),
            Command::Split(panel) => self.layout.split(panel),
            Command::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
    }

    fn present(&mut self, ctx: &Context, is_presenting: bool) {
        self.is_presenting = is_presenting;
        if is_presenting {
            // The whole monitor, where it is known: the window is about to fill it.
            let window = ctx.content_rect().size();
            let width = ctx.input(|input| input.viewport().monitor_size).unwrap_or(window).x * ctx.zoom_factor();
            self.presentation_scale = (width / PRESENTED_WIDTH).clamp(*PRESENTATION_SCALES.start(), *PRESENTATION_SCALES.end());
        }
        ctx.send_viewport_cmd(ViewportCommand::Fullscreen(is_presenting));
        if is_presenting {
            self.toast(ToastKind::Info, "For an audience".to_owned(), "F11 or Esc leads back to work".to_owned());
        }
    }

    /// Esc leaves, unless it closes something first.
    fn leaves_presentation(&self, ctx: &Context) -> bool {
        let is_something_open = self.palette.is_some() || self.cluster_menu.is_some() || self.is_help_open;
        self.is_presenting && !is_something_open && ctx.input(|input| input.key_pressed(egui::Key::Escape))
    }

    fn connect(&mut self, cluster: Cluster) {
        self.settings.remember_cluster(&cluster);
        self.request(Request::Connect(cluster));
    }

    fn request(&mut self, request: Request) {
        if let Err(problem) = self.backend.request(request) {
            self.tell(&Notice::of_problem(&problem, (self.clock)()));
        }
    }

    fn tell(&mut self, notice: &Notice) {
        let kind = match notice.level {
            NoticeLevel::Info => ToastKind::Info,
            NoticeLevel::Success => ToastKind::Success,
            NoticeLevel::Warning => ToastKind::Warning,
            NoticeLevel::Error => ToastKind::Error,
        };
        self.toast(kind, notice.title.to_string(), notice.detail.to_string());
    }

    fn toast(&mut self, kind: ToastKind, title: String, detail: String) {
        let expires_at_ms = (kind != ToastKind::Error).then(|| (self.clock)().0 + TOAST_MS);
        let toast = Toast { kind, title, detail, expires_at_ms };
        self.toasts.retain(|old| (&old.title, &old.detail) != (&toast.title, &toast.detail));
        if self.toasts.len() == TOASTS_MAX {
            self.toasts.pop_front();
        }
        self.toasts.push_back(toast);
    }

    /// Notices become toasts once; those that were read in a burst beyond the store's memory are gone there too.
    fn take_notices(&mut self) {
        let new = usize::try_from(self.store.notices_total - self.notices_seen).unwrap_or(usize::MAX).min(self.store.notices.len());
        self.notices_seen = self.store.notices_total;
        let notices: Vec<Notice> = self.store.notices.iter().skip(self.store.notices.len() - new).cloned().collect();
        notices.iter().for_each(|notice| self.tell(notice));
        if let Some(problem) = self.saver.as_ref().and_then(Saver::problem) {
            self.tell(&Notice::of_problem(&problem, (self.clock)()));
        }
    }

    /// Critical alerts become a toast now and then, and have the window marked on the desktop while another one is worked in; an audience
    /// is not disturbed.
    fn take_alerts(&mut self, ctx: &Context) {
        let news = self.critical_alerts.news(&self.store.alerts, (self.clock)());
        if let Some((title, detail)) = news.filter(|_| !self.is_presenting) {
            if !ctx.input(|input| input.focused) {
                ctx.send_viewport_cmd(ViewportCommand::RequestUserAttention(UserAttentionType::Informational));
            }
            self.toast(ToastKind::Warning, title, detail);
        }
    }

    fn apply_theme(&mut self, ctx: &Context) {
        let scale = if self.is_presenting { self.settings.text_scale.max(self.presentation_scale) } else { self.settings.text_scale };
        let wanted = (self.settings.theme.theme(ctx.system_theme()), scale);
        // A picture is drawn on a context of its own, which nothing was applied to yet.
        if self.applied != Some(wanted) || ctx.zoom_factor() != wanted.1 {
            theme::apply(ctx, wanted.0);
            ctx.set_zoom_factor(wanted.1);
            self.applied = Some(wanted);
        }
    }

    fn keep_settings(&mut self, ctx: &Context) {
        self.settings.layout = self.layout.saved();
        ctx.input(|input| {
            let viewport = input.viewport();
            self.settings.window.is_maximized = viewport.maximized.unwrap_or(self.settings.window.is_maximized);
            if let Some(rect) = viewport.inner_rect.filter(|_| !self.settings.window.is_maximized) {
                self.settings.window.size = [rect.width().round(), rect.height().round()];
            }
        });
        if let Some(saver) = &mut self.saver {
            saver.keep(&self.settings);
        }
    }

    fn central(&mut self, ui: &mut Ui, now: TimestampMs, repaint_at: &mut Option<TimestampMs>) {
        self.banner(ui);
        let Self { store, panels, layout, commands, arrivals, is_presenting, .. } = self;
        layout.ui(ui, &mut |ui, panel| {
            let arrival = arrivals.remove(panel);
            let mut cx = PanelContext { store, now, commands, repaint_at, is_presenting: *is_presenting, arrival };
            if let Some(panel) = panels.get_mut(panel) {
                panel.ui(ui, &mut cx);
            }
        });
    }

    /// A cluster that does not answer is told on every screen, with the way out.
    fn banner(&mut self, ui: &mut Ui) {
        if let ConnectionState::Failed { cluster, problem } = &self.store.connection {
            let failure = Failure { what: &problem.what, why: &problem.why, what_to_do: &problem.what_to_do };
            let is_again = egui::Frame::new()
                .inner_margin(egui::Margin { left: 16, right: 16, top: 12, bottom: 0 })
                .show(ui, |ui| error_state(ui, failure))
                .inner;
            if is_again {
                self.commands.push(Command::Connect(cluster.clone()));
            }
        }
    }

    fn overlays(&mut self, ctx: &Context, now: TimestampMs, repaint_at: &mut Option<TimestampMs>) {
        if let Some(palette) = &mut self.palette
            && !palette.ui(ctx, &self.store, &mut self.commands)
        {
            self.palette = None;
        }
        if let Some(menu) = &mut self.cluster_menu
            && !menu.ui(ctx, &self.store.connection, &self.settings.recent_clusters, &mut self.commands)
        {
            self.cluster_menu = None;
        }
        if self.is_help_open {
            self.is_help_open = help::ui(ctx, &mut self.settings, &mut self.commands);
        }
        self.toasts.retain(|toast| toast.expires_at_ms.is_none_or(|at| at > now.0));
        if let Some(next) = self.toasts.iter().filter_map(|toast| toast.expires_at_ms).min() {
            *repaint_at = Some(repaint_at.map_or(TimestampMs(next), |at| at.min(TimestampMs(next))));
        }
        if let Some(dismissed) = toasts(ctx, self.toasts.make_contiguous()) {
            self.toasts.remove(dismissed);
        }
    }
}

impl<B: Backend> Screen for Weir<B> {
    fn logic(&mut self, ctx: &Context) {
        self.apply_theme(ctx);
        let updates = self.backend.drain(UPDATES_PER_FRAME);
        if updates.len() == UPDATES_PER_FRAME {
            ctx.request_repaint();
        }
        for update in updates {
            self.store.apply(update);
        }
        self.take_notices();
        self.take_alerts(ctx);
        self.commands.extend(self.dialogs.answered());
        for command in std::mem::take(&mut self.commands) {
            self.run(ctx, command);
        }
        self.keep_settings(ctx);
    }

    fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        let now = (self.clock)();
        self.commands.extend(shortcuts::pressed(&ctx));
        if self.leaves_presentation(&ctx) {
            self.commands.push(Command::TogglePresentation);
        }
        let mut repaint_at = None;
        if !self.is_presenting {
            repaint_at = status::ui(ui, &self.store, now);
            nav::ui(ui, &self.store, self.layout.current(), &mut self.commands);
        }
        egui::CentralPanel::default()
            .frame(egui::Frame::new().fill(ui.visuals().panel_fill))
            .show(ui, |ui| self.central(ui, now, &mut repaint_at));
        self.overlays(&ctx, now, &mut repaint_at);
        if !self.commands.is_empty() {
            ctx.request_repaint(); // they run before the next frame
        }
        if let Some(at) = repaint_at {
            let wait_ms = u64::try_from(at.since(now)).unwrap_or(0).max(1);
            ctx.request_repaint_after(std::time::Duration::from_millis(wait_ms));
        }
    }

    fn close(&mut self) {
        if let Some(saver) = &mut self.saver {
            saver.keep_last(&self.settings);
        }
    }
}
