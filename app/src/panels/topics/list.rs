//! The list of topics.

use std::sync::Arc;

use egui::{Align, Layout, RichText, Ui};
use weir_model::{ClusterSnapshot, GroupsSnapshot, TopicName};
use weir_ui_kit::{
    icons,
    table::{Table, TableCell, TableColumn},
    widgets::{self, Tone},
};

use super::{
    Wish, browse,
    rows::{self, Column, Hint, ListQuery, Row, Rows},
};
use crate::panels::{Command, PanelContext, messages::commands::kcat_write, parts, text};

/// Columns that go first when there is little room, with the width below which they go.
const DROPPED_BELOW: &[(Column, f32)] = &[(Column::Replication, 900.0), (Column::BytesPerS, 800.0), (Column::Hint, 640.0)];

#[derive(Default)]
pub(super) struct List {
    query: ListQuery,
    selected: Option<TopicName>,
    cache: Option<Cache>,
}

/// Rows with what they were made from.
struct Cache {
    cluster: Arc<ClusterSnapshot>,
    groups: Option<Arc<GroupsSnapshot>>,
    query: ListQuery,
    rows: Rows,
}

impl Cache {
    fn is_of(&self, cluster: &Arc<ClusterSnapshot>, groups: Option<&Arc<GroupsSnapshot>>, query: &ListQuery) -> bool {
        let same_groups = match (&self.groups, groups) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        Arc::ptr_eq(&self.cluster, cluster) && same_groups && self.query == *query
    }
}

impl List {
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> Option<Wish> {
        let mut wish = None;
        header(ui, cx, &mut wish);
        let store = cx.store;
        let cluster = parts::loaded(ui, cx, &store.cluster)?;
        parts::partial(ui, &cluster.partial);
        if cluster.user_topics().next().is_none() && !self.query.shows_internal {
            self.empty_ui(ui, cx, cluster, &mut wish);
            return wish;
        }
        self.derive(cluster, store.groups.value());
        self.toolbar(ui, cx, &mut wish);
        self.table(ui, &mut wish);
        wish
    }

    fn derive(&mut self, cluster: &Arc<ClusterSnapshot>, groups: Option<&Arc<GroupsSnapshot>>) {
        if self.cache.as_ref().is_some_and(|cache| cache.is_of(cluster, groups, &self.query)) {
            return;
        }
        self.cache = Some(Cache {
            cluster: Arc::clone(cluster),
            groups: groups.cloned(),
            query: self.query.clone(),
            rows: rows::rows(cluster, groups.map(Arc::as_ref), &self.query),
        });
    }

    fn toolbar(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, wish: &mut Option<Wish>) {
        let Some(Rows { rows, total, hidden_internal }) = self.cache.as_ref().map(|cache| &cache.rows) else { return };
        ui.horizontal_wrapped(|ui| {
            widgets::search_field(ui, &mut self.query.filter, "Filter topics  /", 220.0);
            let shown = if self.query.filter.is_empty() {
                text::counted(*total as u64, "topic")
            } else {
                format!("{} of {}", rows.len(), text::counted(*total as u64, "topic"))
            };
            widgets::subdued(ui, shown);
            if *hidden_internal > 0 || self.query.shows_internal {
                let label = if *hidden_internal > 0 { format!("Internal ({hidden_internal})") } else { "Internal".to_owned() };
                ui.toggle_value(&mut self.query.shows_internal, label).on_hover_text("Kafka's own topics, such as __consumer_offsets");
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                copy_menu(ui, cx, rows);
                if let Some(topic) = self.selected.as_ref().filter(|topic| rows.iter().any(|row| row.name == **topic)) {
                    selection_ui(ui, cx, topic, wish);
                }
            });
        });
        ui.add_space(4.0);
    }

    fn table(&mut self, ui: &mut Ui, wish: &mut Option<Wish>) {
        let Some(cache) = &self.cache else { return };
        let rows = &cache.rows.rows;
        if rows.is_empty() {
            if widgets::empty_state(
                ui,
                icons::MAGNIFYING_GLASS,
                "No topic fits the filter",
                "Words may stand in any order; letters must stand in theirs.",
                Some("Clear the filter"),
            ) {
                self.query.filter.clear();
            }
            return;
        }
        let width = ui.available_width();
        let columns: Vec<Column> = Column::ALL.into_iter().filter(|column| !is_dropped(*column, width)).collect();
        let headings: Vec<TableColumn<'_>> = columns.iter().map(|column| heading(*column)).collect();
        let selected = self.selected.as_ref().and_then(|name| rows.iter().position(|row| row.name == *name));
        let mut table = Table::new("Topics", &headings, rows.len()).selected(selected);
        if let Some(at) = columns.iter().position(|column| *column == self.query.sort) {
            table = table.sorted(at, self.query.is_descending);
        }
        let response = table.show(ui, |row, column| cell(&rows[row], columns[column]));
        if let Some(row) = response.selected.and_then(|row| rows.get(row)) {
            self.selected = Some(row.name.clone());
        }
        if let Some(row) = response.opened.and_then(|row| rows.get(row)) {
            *wish = Some(Wish::Open(row.name.clone()));
        }
        if let Some(column) = response.sort_by.and_then(|at| columns.get(at)) {
            let again = self.query.sort == *column;
            self.query.is_descending = if again { !self.query.is_descending } else { column.is_number() || *column == Column::Hint };
            self.query.sort = *column;
        }
    }

    fn empty_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, cluster: &ClusterSnapshot, wish: &mut Option<Wish>) {
        let what_to_do = "Create one, or write to one with any Kafka client: the broker makes it. Paste this line and type:";
        if widgets::empty_state(ui, icons::STACK, "No topics yet", what_to_do, Some("New topic")) {
            *wish = Some(Wish::Create);
        }
        let line = kcat_write(cx.store.connection.bootstrap(), &"hello".into());
        parts::command_line(ui, cx, &line);
        ui.vertical_centered(|ui| {
            let internal = cluster.topics.len();
            if internal > 0 && ui.link(format!("Show {}", text::counted(internal as u64, "internal topic"))).clicked() {
                self.query.shows_internal = true;
            }
        });
    }
}

fn header(ui: &mut Ui, cx: &PanelContext<'_>, wish: &mut Option<Wish>) {
    ui.horizontal(|ui| {
        widgets::title(ui, "Topics");
        parts::as_of(ui, cx.store.cluster.as_of(), cx.now);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::primary_button(ui, &format!("{}  New topic", icons::PLUS)).clicked() {
                *wish = Some(Wish::Create);
            }
        });
    });
    ui.add_space(4.0);
}

/// What can be done with the chosen topic, from right to left.
fn selection_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, topic: &TopicName, wish: &mut Option<Wish>) {
    if widgets::icon_button(ui, icons::TRASH, "Delete topic").clicked() {
        *wish = Some(Wish::Delete(topic.clone()));
    }
    if widgets::icon_button(ui, icons::COPY, "Copy topic name").clicked() {
        cx.push(Command::Copy { text: topic.to_string(), what: "Topic name" });
    }
    if widgets::icon_button(ui, icons::PAPER_PLANE_TILT, "Produce a record").clicked() {
        *wish = Some(Wish::Produce(topic.clone()));
    }
    if widgets::icon_button(ui, icons::CHATS_CIRCLE, "Browse messages").clicked() {
        browse(cx, topic);
    }
    if widgets::secondary_button(ui, "Open").on_hover_text("Enter, or a double click").clicked() {
        *wish = Some(Wish::Open(topic.clone()));
    }
}

fn copy_menu(ui: &mut Ui, cx: &mut PanelContext<'_>, rows: &[Row]) {
    ui.menu_button(format!("{}  Copy table", icons::EXPORT), |ui| {
        if ui.button("As CSV").clicked() {
            cx.push(Command::Copy { text: rows::to_csv(rows), what: "Table as CSV" });
            ui.close();
        }
        if ui.button("As JSON Lines").clicked() {
            cx.push(Command::Copy { text: rows::to_json_lines(rows), what: "Table as JSON Lines" });
            ui.close();
        }
    });
}

fn heading(column: Column) -> TableColumn<'static> {
    let width = match column {
        Column::Name => 300.0,
        Column::Partitions | Column::Replication => 80.0,
        Column::Records => 110.0,
        Column::RecordsPerS | Column::Bytes | Column::BytesPerS => 92.0,
        Column::Hint => 150.0,
    };
    if column.is_number() { TableColumn::number(column.title(), width) } else { TableColumn::text(column.title(), width) }
}

fn is_dropped(column: Column, width: f32) -> bool {
    DROPPED_BELOW.iter().any(|(dropped, below)| *dropped == column && width < *below)
}

fn cell(row: &Row, column: Column) -> TableCell<'_> {
    let text = &**row.text(column);
    match (column, row.hint) {
        (Column::Name, Some(Hint::Offline)) => TableCell { icon: icons::WARNING_CIRCLE, ..TableCell::text(text) },
        (Column::Name, Some(Hint::UnderReplicated)) => TableCell { icon: icons::WARNING, ..TableCell::text(text) },
        (Column::Name, _) if row.is_internal => TableCell::text(text).subdued(),
        (Column::Name, _) => TableCell::text(text),
        (Column::Hint, Some(hint @ (Hint::Offline | Hint::UnderReplicated))) => {
            let tone = if hint == Hint::Offline { Tone::Danger } else { Tone::Warning };
            TableCell::badge(icons::WARNING, text, tone)
        }
        (Column::Hint, _) => TableCell::text(text).subdued(),
        _ if text == "–" => TableCell::mono(text).subdued(),
        _ => TableCell::mono(text),
    }
}

/// The rest of a line in small letters.
pub(super) fn small(ui: &mut Ui, text: impl Into<String>) {
    let color = weir_ui_kit::tokens(ui).text.subdued;
    ui.label(RichText::new(text).size(weir_ui_kit::theme::size::SMALL).color(color));
}
