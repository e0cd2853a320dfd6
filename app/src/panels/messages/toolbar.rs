//! The fields above the list: which topic, from where, how many, which of them.

use egui::{Align, ComboBox, Key, Layout, Margin, PopupCloseBehavior, ScrollArea, TextEdit, Ui};
use weir_model::TopicName;
use weir_ui_kit::{
    format, icons,
    widgets::{self, Tone},
};

use super::{
    MessagesPanel, Wish,
    query::{From, LIMITS},
};
use crate::panels::{Command, PanelContext, filter};

/// Topics listed in the menu at once; the filter reaches the rest.
const MENU_TOPICS_MAX: usize = 200;

pub(super) fn ui(panel: &mut MessagesPanel, ui: &mut Ui, cx: &mut PanelContext<'_>, wish: &mut Option<Wish>) {
    ui.horizontal(|ui| {
        widgets::title(ui, "Messages");
        topic_menu(panel, ui, cx, wish);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| run_buttons(panel, ui, cx, wish));
    });
    if panel.form.topic.is_none() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        start_menu(panel, ui, wish);
        limit_menu(panel, ui, wish);
        let contains = widgets::search_field(ui, &mut panel.form.contains, "Contains text  /", 160.0)
            .on_hover_text("Keeps records whose key, value or a header holds this text, in any case. Enter searches.");
        submit(ui, &contains, wish);
        let partitions = text_field(ui, &mut panel.form.partitions, "Partitions", "all partitions", 92.0)
            .on_hover_text("Such as 0,2,5-7; empty for all");
        submit(ui, &partitions, wish);
        if ui
            .toggle_value(&mut panel.form.follow, format!("{}  Follow", icons::PULSE))
            .on_hover_text("Go on with records as they arrive")
            .clicked()
        {
            *wish = Some(Wish::Run);
        }
    });
    if let Some(error) = &panel.error {
        widgets::icon_text(ui, icons::WARNING_CIRCLE, error, Tone::Danger);
    }
    ui.add_space(2.0);
}

fn topic_menu(panel: &mut MessagesPanel, ui: &mut Ui, cx: &PanelContext<'_>, wish: &mut Option<Wish>) {
    let name = panel.form.topic.as_ref().map_or("Choose a topic", TopicName::as_str).to_owned();
    let menu = ComboBox::new("topic", "")
        .selected_text(name.clone())
        .width(240.0)
        .height(420.0)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let shown = menu.show_ui(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let field = text_field(ui, &mut panel.topic_filter, "Filter topics", "filter topics", 260.0);
        if ui.memory(|memory| memory.focused().is_none()) {
            field.request_focus();
        }
        let Some(cluster) = cx.store.cluster.value() else {
            widgets::subdued(ui, "The cluster's topics are not known yet");
            return;
        };
        let is_enter = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let mut fitting =
            cluster.topics.iter().filter(|topic| filter::matches(topic.name.as_str(), &panel.topic_filter)).collect::<Vec<_>>();
        fitting.sort_by_key(|topic| topic.is_internal);
        let mut chosen = fitting.first().filter(|_| is_enter).map(|topic| topic.name.clone());
        let more = fitting.len().saturating_sub(MENU_TOPICS_MAX);
        ScrollArea::vertical().max_height(340.0).show(ui, |ui| {
            for topic in fitting.iter().take(MENU_TOPICS_MAX) {
                if ui.selectable_label(panel.form.topic.as_ref() == Some(&topic.name), topic.name.as_str()).clicked() {
                    chosen = Some(topic.name.clone());
                }
            }
            match (fitting.is_empty(), more) {
                (true, _) => _ = widgets::subdued(ui, "No topic fits"),
                (false, 1..) => _ = widgets::subdued(ui, format!("{} more; type to narrow", format::integer(more as u64))),
                _ => {}
            }
        });
        if let Some(topic) = chosen {
            panel.form.topic = Some(topic);
            panel.form.partitions.clear();
            *wish = Some(Wish::Run);
            ui.close();
        }
    });
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("Topic: {name}")));
}

fn start_menu(panel: &mut MessagesPanel, ui: &mut Ui, wish: &mut Option<Wish>) {
    let form = &mut panel.form;
    let label = form.from.label();
    let shown = ComboBox::new("from", "").selected_text(format!("From: {label}")).width(150.0).show_ui(ui, |ui| {
        for from in From::ALL {
            if ui.selectable_label(form.from == from, from.label()).clicked() {
                form.from = from;
                form.from_text.clear();
                if from.hint().is_none() {
                    *wish = Some(Wish::Run);
                }
            }
        }
    });
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("From: {label}")));
    if let Some(hint) = form.from.hint() {
        let field = text_field(ui, &mut form.from_text, form.from.label(), hint, 170.0);
        submit(ui, &field, wish);
    }
}

fn limit_menu(panel: &mut MessagesPanel, ui: &mut Ui, wish: &mut Option<Wish>) {
    let form = &mut panel.form;
    let label = format!("{} rows", format::integer(form.limit as u64));
    let shown = ComboBox::new("limit", "").selected_text(label.clone()).width(96.0).show_ui(ui, |ui| {
        for limit in LIMITS {
            if ui.selectable_label(form.limit == *limit, format::integer(*limit as u64)).clicked() {
                form.limit = *limit;
                *wish = Some(Wish::Run);
            }
        }
    });
    shown.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("Stop after {label}")));
}

fn run_buttons(panel: &MessagesPanel, ui: &mut Ui, cx: &mut PanelContext<'_>, wish: &mut Option<Wish>) {
    let view = &cx.store.messages;
    let is_running = view.query.is_some() && view.receipt.as_ref().is_none_or(|receipt| receipt.stopped.is_none());
    if is_running {
        if widgets::secondary_button(ui, &format!("{}  Stop", icons::STOP)).clicked() {
            *wish = Some(Wish::Stop);
        }
    } else {
        ui.add_enabled_ui(panel.form.topic.is_some(), |ui| {
            if widgets::primary_button(ui, &format!("{}  Read", icons::PLAY)).clicked() {
                *wish = Some(Wish::Run);
            }
        });
    }
    if !view.rows.is_empty() && widgets::icon_button(ui, icons::EXPORT, "Export rows as JSON Lines").clicked() {
        cx.push(Command::ExportMessages(view.rows.iter().cloned().collect()));
    }
}

fn text_field(ui: &mut Ui, text: &mut String, name: &str, hint: &str, width: f32) -> egui::Response {
    let response = ui.add(TextEdit::singleline(text).hint_text(hint).desired_width(width).margin(Margin::symmetric(8, 6)));
    let value = text.clone();
    response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, name);
        info.current_text_value = Some(value.clone());
        info
    });
    response
}

fn submit(ui: &Ui, field: &egui::Response, wish: &mut Option<Wish>) {
    if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
        *wish = Some(Wish::Run);
    }
}
