//! The navigation on the left: cluster, panels, and what belongs to the whole program.

use egui::{Align, Button, Layout, Margin, Panel as SidePanel, Rect, RichText, Role, Ui, WidgetInfo, vec2};
use weir_model::{ConnectionState, Store, WaitingAlerts};
use weir_ui_kit::{
    icons,
    theme::{self, size},
    tokens,
    widgets::Tone,
};

use super::shortcuts;
use crate::panels::{ALERTS, Command, PANELS, PanelId, Route};

/// Narrower windows show icons only.
const LABELS_FROM_WIDTH: f32 = 900.0;

pub(super) fn ui(ui: &mut Ui, store: &Store, current: PanelId, commands: &mut Vec<Command>) {
    let has_labels = ui.available_width() >= LABELS_FROM_WIDTH;
    let background = tokens(ui).background.panel;
    let frame = egui::Frame::new().fill(background).inner_margin(Margin::symmetric(8, 12));
    SidePanel::left("navigation").exact_size(if has_labels { 204.0 } else { 56.0 }).resizable(false).frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        brand(ui, has_labels);
        cluster(ui, &store.connection, has_labels, commands);
        ui.add_space(12.0);
        for (at, meta) in PANELS.iter().enumerate() {
            let shortcut = shortcuts::of_panel(at).map(|keys| ui.ctx().format_shortcut(&keys)).unwrap_or_default();
            let waiting = if meta.id == ALERTS { store.alerts.waiting } else { WaitingAlerts::default() };
            let (is_chosen, help) = (meta.id == current, meta.help);
            let entry = Entry { icon: meta.icon, label: meta.title, hint: &shortcut, help, is_chosen, waiting };
            if entry.ui(ui, has_labels) {
                commands.push(Command::Navigate(Route::Panel(meta.id)));
            }
        }
        ui.with_layout(Layout::bottom_up(Align::Min), |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            let hint = ui.ctx().format_shortcut(&shortcuts::PALETTE);
            if (Entry { icon: icons::QUESTION, label: "Help", hint: "?", help: "Shortcuts and settings", ..Entry::default() })
                .ui(ui, has_labels)
            {
                commands.push(Command::OpenHelp);
            }
            if (Entry {
                icon: icons::COMMAND,
                label: "Commands",
                hint: &hint,
                help: "Find any screen, topic, group or action",
                ..Entry::default()
            })
            .ui(ui, has_labels)
            {
                commands.push(Command::OpenPalette);
            }
        });
    });
}

fn brand(ui: &mut Ui, has_labels: bool) {
    let tokens = tokens(ui);
    ui.horizontal(|ui| {
        ui.add_space(6.0);
        ui.label(RichText::new(icons::PULSE).font(theme::icon(20.0)).color(tokens.accent.main));
        if has_labels {
            ui.label(RichText::new("Weir").font(theme::medium(17.0)).color(tokens.text.strong));
        }
    });
    ui.add_space(10.0);
}

fn cluster(ui: &mut Ui, connection: &ConnectionState, has_labels: bool, commands: &mut Vec<Command>) {
    let (tone, state) = state_of(connection);
    let tokens = tokens(ui);
    let name = connection.cluster().map_or("No cluster", |cluster| cluster.label());
    let text = if has_labels { format!("{}  {name}", icons::HARD_DRIVES) } else { icons::HARD_DRIVES.to_owned() };
    let button = Button::new(RichText::new(text).color(tokens.text.strong)).min_size(vec2(ui.available_width(), 34.0)).truncate();
    let response = ui.add(button).on_hover_text(format!("{state}. Click to choose another cluster"));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Cluster: {name}, {state}")));
    let dot = response.rect.right_center() - vec2(if has_labels { 14.0 } else { 8.0 }, if has_labels { 0.0 } else { 10.0 });
    ui.painter().circle_filled(dot, 4.0, tone.color(&tokens));
    if response.clicked() {
        commands.push(Command::OpenClusterMenu);
    }
}

/// The connection as a colour and a word.
pub(super) fn state_of(connection: &ConnectionState) -> (Tone, &'static str) {
    match connection {
        ConnectionState::Idle => (Tone::Neutral, "Not connected"),
        ConnectionState::Connecting(_) => (Tone::Info, "Connecting"),
        ConnectionState::Connected { .. } => (Tone::Ok, "Connected"),
        ConnectionState::Failed { .. } => (Tone::Danger, "Does not answer"),
    }
}

#[derive(Default)]
struct Entry<'a> {
    icon: &'a str,
    label: &'a str,
    hint: &'a str,
    help: &'a str,
    is_chosen: bool,
    /// What waits behind it.
    waiting: WaitingAlerts,
}

impl Entry<'_> {
    fn ui(&self, ui: &mut Ui, has_labels: bool) -> bool {
        let tokens = tokens(ui);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), egui::Sense::click());
        let fill = match (self.is_chosen, response.hovered() || response.has_focus()) {
            (true, _) => Some(tokens.background.selected),
            (false, true) => Some(tokens.background.hover),
            _ => None,
        };
        if let Some(fill) = fill {
            ui.painter().rect_filled(rect, 5.0, fill);
        }
        let color = if self.is_chosen { tokens.text.strong } else { tokens.text.normal };
        let icon_color = if self.is_chosen { tokens.accent.main } else { tokens.text.subdued };
        let painter = ui.painter();
        let icon_at = if has_labels { rect.left_center() + vec2(18.0, 0.0) } else { rect.center() };
        painter.text(icon_at, egui::Align2::CENTER_CENTER, self.icon, theme::icon(17.0), icon_color);
        self.badge(ui, rect, has_labels);
        let painter = ui.painter();
        if has_labels {
            let font = if self.is_chosen { theme::medium(size::BODY) } else { egui::FontId::proportional(size::BODY) };
            painter.text(rect.left_center() + vec2(36.0, 0.0), egui::Align2::LEFT_CENTER, self.label, font, color);
            let hint_font = egui::FontId::proportional(size::SMALL);
            painter.text(rect.right_center() - vec2(8.0, 0.0), egui::Align2::RIGHT_CENTER, self.hint, hint_font, tokens.text.subdued);
        }
        let waiting = if self.waiting.count > 0 { format!(", {} wait", self.waiting.count) } else { String::new() };
        let name = format!("{}{waiting}", self.label);
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, self.is_chosen, &name));
        response.on_hover_text(if has_labels { self.help.to_owned() } else { format!("{}: {}", self.label, self.help) }).clicked()
    }

    /// How many wait: a figure beside the label, or a dot at the icon.
    fn badge(&self, ui: &Ui, rect: Rect, has_labels: bool) {
        const HINT_WIDTH: f32 = 52.0;
        const COUNT_MAX: usize = 99;
        if self.waiting.count == 0 {
            return;
        }
        let tokens = tokens(ui);
        let tone = if self.waiting.critical > 0 { Tone::Danger } else { Tone::Warning };
        if !has_labels {
            ui.painter().circle_filled(rect.center() + vec2(9.0, -8.0), 4.0, tone.color(&tokens));
            return;
        }
        let text = if self.waiting.count > COUNT_MAX { format!("{COUNT_MAX}+") } else { self.waiting.count.to_string() };
        let galley = ui.painter().layout_no_wrap(text, theme::medium(size::SMALL), tone.color(&tokens));
        let place = galley.size() + vec2(12.0, 4.0);
        let place = Rect::from_min_size(rect.right_center() - vec2(HINT_WIDTH + place.x, place.y / 2.0), place);
        ui.painter().rect_filled(place, place.height() / 2.0, tone.soft(&tokens));
        ui.painter().galley(place.min + vec2(6.0, 2.0), galley, tone.color(&tokens));
    }
}
