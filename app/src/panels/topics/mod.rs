//! Topics: the list, one topic's detail, and the dialogs that create, write to and delete them.

mod create;
mod detail;
mod detail_rows;
mod dialogs;
mod list;
mod produce;
mod rows;
#[cfg(test)]
mod tests;

use egui::Ui;
use weir_model::{Request, TopicName};
use weir_ui_kit::icons;

use super::{Command, Panel, PanelContext, PanelMeta, Route, parts};
use create::NewTopicForm;
use detail::Detail;
use dialogs::Dialog;
use list::List;

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::TOPICS,
    title: "Topics",
    icon: icons::STACK,
    help: "Topics with their partitions, records, sizes and rates; create, configure, write to and delete them",
    make: || Box::new(TopicsPanel::default()),
};

/// The list, or one topic's detail over it.
#[derive(Default)]
struct TopicsPanel {
    list: List,
    detail: Option<Detail>,
    dialog: Option<Dialog>,
    /// Kept until the topic is there, so that a refused one need not be typed again.
    new_topic: NewTopicForm,
}

/// What the list or the detail wants of the panel.
enum Wish {
    Open(TopicName),
    Back,
    Create,
    Produce(TopicName),
    Delete(TopicName),
}

impl Panel for TopicsPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        match cx.arrival.take() {
            Some(Route::Topic(name)) => self.open(name, cx),
            Some(Route::Panel(_)) => self.detail = None,
            _ => {}
        }
        let wish = parts::screen(ui, |ui| match &mut self.detail {
            Some(detail) => detail.ui(ui, cx),
            None => self.list.ui(ui, cx),
        });
        match wish {
            Some(Wish::Open(name)) => self.open(name, cx),
            Some(Wish::Back) => self.detail = None,
            Some(Wish::Create) => self.create(cx),
            Some(Wish::Produce(name)) => self.dialog = Some(Dialog::produce(name)),
            Some(Wish::Delete(name)) => self.dialog = Some(Dialog::delete(name)),
            None => {}
        }
        if let Some(dialog) = &mut self.dialog
            && dialog.ui(ui, cx, &mut self.new_topic)
        {
            self.dialog = None;
        }
    }
}

impl TopicsPanel {
    fn open(&mut self, name: TopicName, cx: &mut PanelContext<'_>) {
        cx.request(Request::LoadTopicConfigs(name.clone()));
        self.detail = Some(Detail::new(name));
    }

    fn create(&mut self, cx: &PanelContext<'_>) {
        let is_made = cx.store.cluster.value().is_some_and(|cluster| cluster.topic(&self.new_topic.name.trim().into()).is_some());
        if is_made {
            self.new_topic = NewTopicForm::default();
        }
        self.dialog = Some(Dialog::Create);
    }
}

/// Shows a topic's messages.
fn browse(cx: &mut PanelContext<'_>, topic: &TopicName) {
    cx.push(Command::Navigate(Route::Messages(topic.clone())));
}
