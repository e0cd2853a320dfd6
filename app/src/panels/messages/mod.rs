//! Messages: choose a topic, read it newest first or from anywhere, watch it live, and look at any record whole.

pub(crate) mod commands;
mod detail;
mod json_tree;
mod list;
mod payload;
mod query;
mod receipt;
mod receipt_bar;
#[cfg(test)]
mod tests;
mod toolbar;
mod value_view;

use std::sync::Arc;

use egui::{Frame, Margin, Panel as SidePanel, Ui};
use weir_model::{MessageQuery, MessageRow, MessagesView, QueryId, Request, TopicName};
use weir_ui_kit::{icons, tokens, widgets};

use super::{Command, Panel, PanelContext, PanelMeta, Route, parts};
use detail::Detail;
use list::List;
use query::Form;
use receipt::ReceiptText;

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::MESSAGES,
    title: "Messages",
    icon: icons::CHATS_CIRCLE,
    help: "Any topic's records, newest first, live, filtered, and whole; reading joins no group and commits nothing",
    make: || Box::new(MessagesPanel::default()),
};

/// Below this width the detail stands under the list rather than beside it.
const SIDE_BY_SIDE_WIDTH: f32 = 900.0;

#[derive(Default)]
struct MessagesPanel {
    form: Form,
    /// The query the form was last filled from.
    shown: Option<QueryId>,
    /// What is wrong with the form.
    error: Option<String>,
    topic_filter: String,
    list: List,
    detail: Option<Detail>,
    receipt: Option<(u64, ReceiptText)>,
}

/// What a part of the panel wants done.
enum Wish {
    Run,
    Open(MessageQuery),
    Stop,
}

impl Panel for MessagesPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        self.arrive(cx);
        let view = &cx.store.messages;
        self.adopt(view);
        let mut wish = None;
        parts::screen(ui, |ui| {
            toolbar::ui(self, ui, cx, &mut wish);
            if view.query.is_some() {
                self.receipt_ui(ui, cx, &mut wish);
                self.detail_ui(ui, cx);
            }
            SidePanelFree::show(ui, |ui| self.body(ui, cx, &mut wish));
        });
        match wish {
            Some(Wish::Run) => self.run(cx),
            Some(Wish::Open(query)) => self.open(query, cx),
            Some(Wish::Stop) => {
                if let Some(query) = &view.query {
                    cx.request(Request::StopMessages(query.id));
                }
            }
            None => {}
        }
    }
}

impl MessagesPanel {
    fn arrive(&mut self, cx: &mut PanelContext<'_>) {
        match cx.arrival.take() {
            Some(Route::Messages(topic)) => {
                self.form = Form { topic: Some(topic), ..Form::default() };
                self.run(cx);
            }
            Some(Route::Query(query)) => self.open(query, cx),
            _ => {}
        }
    }

    /// Shows in the form what the open query asks, whoever asked it.
    fn adopt(&mut self, view: &MessagesView) {
        let Some(query) = &view.query else { return };
        if self.shown != Some(query.id) {
            self.shown = Some(query.id);
            self.form = Form::of_query(query);
            self.error = None;
            self.detail = None;
            self.list.reset();
        }
    }

    fn run(&mut self, cx: &mut PanelContext<'_>) {
        match self.form.query(QueryId(0), cx.now) {
            Some(Ok(query)) => self.open(query, cx),
            Some(Err(text)) => self.error = Some(text),
            None => {}
        }
    }

    fn open(&mut self, query: MessageQuery, cx: &mut PanelContext<'_>) {
        let last = cx.store.messages.query.as_ref().map_or(0, |query| query.id.0);
        self.error = None;
        cx.push(Command::OpenMessages(MessageQuery { id: QueryId(last + 1), ..query }));
    }

    fn receipt_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, wish: &mut Option<Wish>) {
        let view = &cx.store.messages;
        if self.receipt.as_ref().is_none_or(|(version, _)| *version != view.version) {
            let follow = view.query.as_ref().is_some_and(|query| query.follow);
            self.receipt = view.receipt.as_ref().map(|receipt| (view.version, receipt::text(receipt, follow)));
        }
        let fill = tokens(ui).background.app;
        let frame = Frame::new().fill(fill).inner_margin(Margin { left: 0, right: 0, top: 6, bottom: 0 });
        SidePanel::bottom("receipt").frame(frame).show(ui, |ui| receipt_bar::ui(ui, cx, self.receipt.as_ref().map(|(_, text)| text), wish));
    }

    fn detail_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(detail) = &mut self.detail else { return };
        let frame = Frame::new().inner_margin(Margin { left: 12, right: 0, top: 8, bottom: 0 });
        let is_beside = ui.available_width() >= SIDE_BY_SIDE_WIDTH;
        let (width, height) = (ui.available_width(), ui.available_height());
        let panel = if is_beside {
            SidePanel::right("message").default_size(width * 0.42).size_range(280.0..=width * 0.7)
        } else {
            SidePanel::bottom("message below").default_size(height * 0.5).size_range(140.0..=height * 0.7)
        };
        let is_open = panel.resizable(true).frame(frame).show(ui, |ui| detail.ui(ui, cx)).inner;
        if !is_open {
            self.detail = None;
            self.list.clear_selection();
        }
    }

    fn body(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, wish: &mut Option<Wish>) {
        let view = &cx.store.messages;
        let Some(query) = &view.query else {
            choose_ui(ui, cx);
            return;
        };
        if view.rows.is_empty() {
            waiting_ui(ui, cx, query, view, wish);
            return;
        }
        let chosen: Option<Arc<MessageRow>> = self.list.ui(ui, cx.now, view);
        if let Some(row) = chosen {
            self.detail = Some(Detail::new(row));
        }
    }
}

/// The room that the panels at the edges leave.
struct SidePanelFree;

impl SidePanelFree {
    fn show<R>(ui: &mut Ui, add_contents: impl FnOnce(&mut Ui) -> R) -> R {
        egui::CentralPanel::no_frame().show(ui, add_contents).inner
    }
}

/// Topics offered while none is chosen.
const OFFERED_TOPICS_MAX: usize = 8;

fn choose_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let store = cx.store;
    let Some(cluster) = parts::loaded(ui, cx, &store.cluster) else { return };
    let mut topics: Vec<_> = cluster.user_topics().collect();
    if topics.is_empty() {
        widgets::empty_state(
            ui,
            icons::CHATS_CIRCLE,
            "No topics yet",
            "Write a first record with any Kafka client; the broker makes the topic:",
            None,
        );
        kcat_line(ui, cx, &"hello".into());
        return;
    }
    let rate = |topic: &weir_model::Topic| topic.rates.map_or(0.0, |rates| rates.records_per_s);
    topics.sort_by(|a, b| rate(b).total_cmp(&rate(a)).then_with(|| b.records().cmp(&a.records())));
    widgets::empty_state(
        ui,
        icons::CHATS_CIRCLE,
        "Choose a topic",
        "Its newest records come first, and new ones as they arrive. No group is joined and nothing is committed.",
        None,
    );
    ui.vertical_centered(|ui| {
        for topic in topics.into_iter().take(OFFERED_TOPICS_MAX) {
            if widgets::link(ui, topic.name.as_str()).clicked() {
                cx.push(Command::Navigate(Route::Messages(topic.name.clone())));
            }
        }
    });
}

fn waiting_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, query: &MessageQuery, view: &MessagesView, wish: &mut Option<Wish>) {
    let stopped = view.receipt.as_ref().and_then(|receipt| receipt.stopped.as_ref());
    match stopped {
        None if query.follow => {
            let what_to_do = if query.contains.is_empty() {
                "New records appear here as they arrive. Write some:".to_owned()
            } else {
                format!("New records that hold \"{}\" appear here as they arrive.", query.contains)
            };
            widgets::empty_state(ui, icons::PULSE, &format!("Waiting for records on {}", query.topic), &what_to_do, None);
            kcat_line(ui, cx, &query.topic);
        }
        None => widgets::skeleton(ui, 6),
        Some(weir_model::StopReason::Failed(problem)) => {
            if widgets::error_state(ui, parts::failure(problem)) {
                *wish = Some(Wish::Open(query.clone()));
            }
        }
        Some(_) => {
            let what_to_do = "The receipt below says which offsets were looked at.";
            let heading = if query.contains.is_empty() { "No records here" } else { "No record matches" };
            if widgets::empty_state(ui, icons::MAGNIFYING_GLASS, heading, what_to_do, Some("Read from the beginning")) {
                *wish = Some(Wish::Open(MessageQuery { start: weir_model::Start::Beginning, partitions: None, ..query.clone() }));
            }
        }
    }
}

fn kcat_line(ui: &mut Ui, cx: &mut PanelContext<'_>, topic: &TopicName) {
    let line = commands::kcat_write(cx.store.connection.bootstrap(), topic);
    parts::command_line(ui, cx, &line);
}
