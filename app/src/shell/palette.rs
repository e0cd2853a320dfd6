//! The command palette: type a few letters of anything.

use egui::{Context, Key, Modal, RichText, ScrollArea, TextEdit, Ui, vec2};
use weir_model::{Availability, Cluster, Request, Store};
use weir_ui_kit::{icons, theme, tokens};

use crate::panels::{Command, PANELS, Route, ThemeChoice};

/// Entries shown at once.
const SHOWN_MAX: usize = 50;

/// An open palette.
#[derive(Default)]
pub(super) struct Palette {
    text: String,
    chosen: usize,
}

struct Entry {
    icon: &'static str,
    label: String,
    command: Command,
}

impl Palette {
    /// Draws it. False when it is to close.
    pub(super) fn ui(&mut self, ctx: &Context, store: &Store, commands: &mut Vec<Command>) -> bool {
        let mut is_open = true;
        let entries = found(entries(store), &self.text);
        self.chosen = self.chosen.min(entries.len().saturating_sub(1));
        let modal = Modal::new(egui::Id::unique("palette")).show(ctx, |ui| {
            ui.set_width(560.0_f32.min(ui.ctx().content_rect().width() - 64.0));
            let field = TextEdit::singleline(&mut self.text)
                .hint_text("Type a screen, topic, group or action")
                .desired_width(f32::INFINITY)
                .margin(egui::Margin::same(8));
            let field = ui.add(field);
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Command palette"));
            field.request_focus();
            if field.changed() {
                self.chosen = 0;
            }
            ui.input(|input| {
                if input.key_pressed(Key::ArrowDown) {
                    self.chosen = (self.chosen + 1).min(entries.len().saturating_sub(1));
                }
                if input.key_pressed(Key::ArrowUp) {
                    self.chosen = self.chosen.saturating_sub(1);
                }
            });
            let is_entered = ui.input(|input| input.key_pressed(Key::Enter));
            if let Some(command) = self.list(ui, entries, is_entered) {
                commands.push(command);
                is_open = false;
            }
        });
        is_open && !modal.should_close()
    }

    fn list(&self, ui: &mut Ui, entries: Vec<Entry>, is_entered: bool) -> Option<Command> {
        let tokens = tokens(ui);
        let mut picked = None;
        if entries.is_empty() {
            ui.label(RichText::new("Nothing has these letters in this order").color(tokens.text.subdued));
        }
        ScrollArea::vertical().max_height(380.0).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (at, entry) in entries.into_iter().enumerate() {
                let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), egui::Sense::click());
                let is_chosen = at == self.chosen;
                if is_chosen || response.hovered() {
                    ui.painter().rect_filled(rect, 5.0, if is_chosen { tokens.background.selected } else { tokens.background.hover });
                }
                ui.painter().text(
                    rect.left_center() + vec2(16.0, 0.0),
                    egui::Align2::CENTER_CENTER,
                    entry.icon,
                    theme::icon(16.0),
                    tokens.text.subdued,
                );
                ui.painter().text(
                    rect.left_center() + vec2(34.0, 0.0),
                    egui::Align2::LEFT_CENTER,
                    &entry.label,
                    egui::FontId::proportional(theme::size::BODY),
                    tokens.text.strong,
                );
                response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &entry.label));
                if is_chosen && is_entered || response.clicked() {
                    picked = Some(entry.command);
                }
                if is_chosen {
                    response.scroll_to_me(None);
                }
            }
        });
        picked
    }
}

fn entries(store: &Store) -> Vec<Entry> {
    let mut entries: Vec<Entry> = PANELS
        .iter()
        .map(|meta| Entry { icon: meta.icon, label: meta.title.to_owned(), command: Command::Navigate(Route::Panel(meta.id)) })
        .collect();
    for meta in store.pipelines.iter().filter(|meta| meta.availability == Availability::Ready) {
        entries.push(Entry {
            icon: icons::FLOW_ARROW,
            label: format!("Dashboard: {}", meta.title),
            command: Command::Navigate(Route::Dashboard(meta.id.clone())),
        });
        let is_active = store.runs.get(&meta.id).and_then(|run| run.status.as_ref()).is_some_and(|status| status.phase.is_active());
        if is_active {
            let stop = Command::Request(Request::StopPipeline(meta.id.clone()));
            entries.push(Entry { icon: icons::STOP, label: format!("Stop {}", meta.title), command: stop });
        }
    }
    for topic in store.cluster.value().into_iter().flat_map(|cluster| cluster.topics.iter()) {
        entries.push(Entry {
            icon: icons::STACK,
            label: format!("Topic: {}", topic.name),
            command: Command::Navigate(Route::Topic(topic.name.clone())),
        });
        if !topic.is_internal {
            entries.push(Entry {
                icon: icons::CHATS_CIRCLE,
                label: format!("Messages: {}", topic.name),
                command: Command::Navigate(Route::Messages(topic.name.clone())),
            });
        }
    }
    for group in store.groups.value().into_iter().flat_map(|groups| groups.groups.iter()) {
        entries.push(Entry {
            icon: icons::USERS_THREE,
            label: format!("Group: {}", group.id),
            command: Command::Navigate(Route::Group(group.id.clone())),
        });
    }
    for meta in PANELS {
        entries.push(Entry { icon: icons::PLUS, label: format!("Show {} beside", meta.title), command: Command::Split(meta.id) });
    }
    if let Some(bootstrap) = store.connection.bootstrap() {
        let copy = Command::Copy { text: bootstrap.to_owned(), what: "Bootstrap address" };
        entries.push(Entry { icon: icons::COPY, label: format!("Copy bootstrap address {bootstrap}"), command: copy });
    }
    entries.extend([
        Entry { icon: icons::ARROWS_CLOCKWISE, label: "Refresh: read the cluster now".into(), command: Command::Request(Request::Refresh) },
        Entry { icon: icons::HARD_DRIVES, label: "Cluster: local, the embedded broker".into(), command: Command::Connect(Cluster::Local) },
        Entry { icon: icons::PLUGS, label: "Cluster: connect to another …".into(), command: Command::OpenClusterMenu },
        Entry { icon: icons::MOON, label: "Theme: dark".into(), command: Command::SetTheme(ThemeChoice::Dark) },
        Entry { icon: icons::SUN, label: "Theme: light".into(), command: Command::SetTheme(ThemeChoice::Light) },
        Entry { icon: icons::GEAR, label: "Theme: as the desktop has it".into(), command: Command::SetTheme(ThemeChoice::System) },
        Entry {
            icon: icons::EYE,
            label: "Presentation: larger, nothing but the screen (F11)".into(),
            command: Command::TogglePresentation,
        },
        Entry { icon: icons::QUESTION, label: "Help, shortcuts and settings".into(), command: Command::OpenHelp },
        Entry { icon: icons::X, label: "Quit".into(), command: Command::Quit },
    ]);
    entries
}

/// Those that have the letters in this order, best first; the order of the list decides between equals.
fn found(entries: Vec<Entry>, text: &str) -> Vec<Entry> {
    let mut scored: Vec<(usize, Entry)> = entries.into_iter().filter_map(|entry| Some((score(&entry.label, text)?, entry))).collect();
    scored.sort_by_key(|(score, _)| *score);
    scored.truncate(SHOWN_MAX);
    scored.into_iter().map(|(_, entry)| entry).collect()
}

/// How far the letters lie apart in the label; less is better. `None` when they are not all there in this order.
fn score(label: &str, text: &str) -> Option<usize> {
    let label = label.to_lowercase();
    let text = text.trim().to_lowercase();
    if let Some(at) = label.find(&text) {
        return Some(at);
    }
    let mut letters = label.char_indices();
    let mut last = None;
    let mut apart = label.len();
    for wanted in text.chars().filter(|c| !c.is_whitespace()) {
        let (at, _) = letters.find(|(_, letter)| *letter == wanted)?;
        apart += last.map_or(at, |last: usize| at - last - 1);
        last = Some(at);
    }
    Some(apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_are_found_and_close_ones_are_better() {
        assert_eq!(score("Topics", ""), Some(0));
        assert_eq!(score("Topics", "topi"), Some(0));
        assert!(score("Topic: orders", "tord").is_some());
        assert_eq!(score("Topics", "xyz"), None);
        assert!(score("Consumers", "cons") < score("Copy bootstrap names", "cons"));
    }
}
