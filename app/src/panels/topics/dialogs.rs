//! Dialogs: create a topic, write a record, delete a topic.

use egui::{Align, Key, Layout, Margin, Response, TextEdit, TextStyle, Ui};
use weir_model::{Request, TopicName};
use weir_ui_kit::{
    icons,
    widgets::{self, Tone},
};

use super::{
    create::{FormErrors, NewTopicForm},
    list::small,
    produce::{Field, ProduceForm},
};
use crate::panels::{PanelContext, parts, text};

/// The dialog that stands open.
pub(super) enum Dialog {
    Create,
    Produce { topic: TopicName, form: Box<ProduceForm>, error: Option<String> },
    Delete { topic: TopicName, typed: String },
}

impl Dialog {
    pub(super) fn produce(topic: TopicName) -> Self {
        Self::Produce { topic, form: Box::default(), error: None }
    }

    pub(super) fn delete(topic: TopicName) -> Self {
        Self::Delete { topic, typed: String::new() }
    }

    /// Draws it; true when it is done.
    pub(super) fn ui(&mut self, ui: &Ui, cx: &mut PanelContext<'_>, new_topic: &mut NewTopicForm) -> bool {
        let mut is_done = false;
        let wants_out = match self {
            Self::Create => parts::dialog(ui, "new topic", "New topic", |ui| is_done = create_ui(ui, cx, new_topic)),
            Self::Produce { topic, form, error } => {
                let heading = format!("Produce a record to {topic}");
                parts::dialog(ui, "produce", &heading, |ui| is_done = produce_ui(ui, cx, topic, form, error))
            }
            Self::Delete { topic, typed } => {
                let heading = format!("Delete {topic}?");
                parts::dialog(ui, "delete topic", &heading, |ui| is_done = delete_ui(ui, cx, topic, typed))
            }
        };
        wants_out || is_done
    }
}

fn create_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, form: &mut NewTopicForm) -> bool {
    let checked = form.check(cx.store.cluster.value().map(AsRef::as_ref));
    let errors = checked.as_ref().err().cloned().unwrap_or_default();
    let FormErrors { name, partitions, replication_factor, configs } = errors;
    let field = widgets::labelled_field(ui, "Name", &mut form.name, "orders");
    if form.name.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
        field.request_focus();
    }
    // Nobody has done anything wrong before typing.
    parts::field_error(ui, name.as_deref().filter(|_| !form.name.is_empty()));
    ui.columns_const(|[left, right]| {
        widgets::labelled_field(left, "Partitions", &mut form.partitions, "1");
        parts::field_error(left, partitions.as_deref());
        widgets::labelled_field(right, "Replication factor", &mut form.replication_factor, "the broker's default");
        parts::field_error(right, replication_factor.as_deref());
    });
    lines_field(ui, "Configuration, one name=value a line", &mut form.configs, "cleanup.policy=compact\nretention.ms=604800000");
    parts::field_error(ui, configs.as_deref());
    ui.add_space(4.0);
    let is_submitted = submitted(ui, &field) && checked.is_ok();
    match buttons(ui, "Create topic", false, checked.is_ok()).or_go(is_submitted) {
        Pressed::Go => {
            if let Ok(topic) = checked {
                cx.request(Request::CreateTopic(topic));
            }
            true
        }
        Pressed::Cancel => true,
        Pressed::Nothing => false,
    }
}

fn produce_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, topic: &TopicName, form: &mut ProduceForm, error: &mut Option<String>) -> bool {
    let partitions = cx.store.cluster.value().and_then(|cluster| cluster.topic(topic)).map_or(0, |topic| topic.partitions.len());
    payload_field(ui, "Key", &mut form.key, 1, "null: no key, any partition");
    payload_field(ui, "Value", &mut form.value, 5, "null: a tombstone, which deletes the key in a compacted topic");
    lines_field(ui, "Headers, one name=value a line; a name alone is a null header", &mut form.headers, "");
    widgets::labelled_field(ui, "Partition", &mut form.partition, "chosen by the key");
    parts::field_error(ui, error.as_deref());
    ui.add_space(4.0);
    match buttons(ui, "Produce", false, true) {
        Pressed::Go => match form.record(topic, partitions) {
            Ok(record) => {
                cx.request(Request::Produce(record));
                true
            }
            Err(text) => {
                *error = Some(text);
                false
            }
        },
        Pressed::Cancel => true,
        Pressed::Nothing => false,
    }
}

fn delete_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, topic: &TopicName, typed: &mut String) -> bool {
    let cluster = cx.store.cluster.value();
    let known = cluster.and_then(|cluster| cluster.topic(topic));
    let records =
        known.and_then(weir_model::Topic::records).map_or_else(|| "all its records".to_owned(), |records| text::counted(records, "record"));
    let readers = cx
        .store
        .groups
        .value()
        .map_or(0, |groups| groups.groups.iter().filter(|group| group.partitions.iter().any(|it| it.topic == *topic)).count());
    let cluster_name = cx.store.connection.cluster().map_or("the cluster", weir_model::Cluster::label);
    widgets::icon_text(ui, icons::WARNING, &format!("This deletes {records} on {cluster_name}. It can't be undone."), Tone::Danger);
    if readers > 0 {
        widgets::subdued(ui, format!("{} committed offsets on it.", text::counted(readers as u64, "consumer group")));
    }
    ui.add_space(4.0);
    let field = widgets::labelled_field(ui, "Type the topic's name to confirm", typed, topic.as_str());
    if typed.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
        field.request_focus();
    }
    ui.add_space(4.0);
    let is_confirmed = typed.trim() == topic.as_str();
    let is_submitted = submitted(ui, &field) && is_confirmed;
    match buttons(ui, "Delete topic", true, is_confirmed).or_go(is_submitted) {
        Pressed::Go => {
            cx.request(Request::DeleteTopic(topic.clone()));
            true
        }
        Pressed::Cancel => true,
        Pressed::Nothing => false,
    }
}

/// A key or a value: its text, or null.
fn payload_field(ui: &mut Ui, label: &str, field: &mut Field, rows: usize, null_means: &'static str) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        let name = ui
            .horizontal(|ui| {
                let name = widgets::subdued(ui, label);
                ui.toggle_value(&mut field.is_null, format!("{label} is null"));
                small(ui, field.note(null_means));
                name
            })
            .inner;
        let edit = TextEdit::multiline(&mut field.text)
            .font(TextStyle::Monospace)
            .desired_rows(rows)
            .desired_width(f32::INFINITY)
            .margin(Margin::symmetric(8, 6));
        ui.add_enabled(!field.is_null, edit).labelled_by(name.id);
    });
}

fn lines_field(ui: &mut Ui, label: &str, text: &mut String, hint: &'static str) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        let name = widgets::subdued(ui, label);
        let edit = TextEdit::multiline(text)
            .font(TextStyle::Monospace)
            .hint_text(hint)
            .desired_rows(3)
            .desired_width(f32::INFINITY)
            .margin(Margin::symmetric(8, 6));
        ui.add(edit).labelled_by(name.id);
    });
}

/// Which button of a dialog was pressed.
enum Pressed {
    Nothing,
    Cancel,
    Go,
}

impl Pressed {
    /// Enter in the dialog's one line does what its button does.
    fn or_go(self, is_submitted: bool) -> Self {
        if is_submitted { Self::Go } else { self }
    }
}

fn submitted(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
}

fn buttons(ui: &mut Ui, go: &str, is_dangerous: bool, is_ready: bool) -> Pressed {
    let mut pressed = Pressed::Nothing;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        ui.add_enabled_ui(is_ready, |ui| {
            let button = if is_dangerous { widgets::danger_button(ui, go) } else { widgets::primary_button(ui, go) };
            if button.clicked() {
                pressed = Pressed::Go;
            }
        });
        if widgets::secondary_button(ui, "Cancel").clicked() {
            pressed = Pressed::Cancel;
        }
    });
    pressed
}
