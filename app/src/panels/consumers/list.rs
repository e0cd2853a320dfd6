//! The list of consumer groups, the most urgent first.

use std::sync::Arc;

use egui::{Align, Layout, Ui};
use weir_model::{GroupId, GroupsSnapshot, Verdict};
use weir_ui_kit::{
    icons,
    table::{Table, TableCell, TableColumn},
    widgets,
};

use super::{
    Wish,
    rows::{self, Column, ListQuery, Row},
};
use crate::panels::{Command, PanelContext, parts, text};

/// Columns that go first when there is little room, with the width below which they go.
const DROPPED_BELOW: &[(Column, f32)] = &[(Column::Kind, 1_080.0), (Column::State, 840.0), (Column::Topics, 640.0)];

#[derive(Default)]
pub(super) struct List {
    query: ListQuery,
    selected: Option<GroupId>,
    cache: Option<(Arc<GroupsSnapshot>, ListQuery, Vec<Row>)>,
}

impl List {
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> Option<Wish> {
        header(ui, cx);
        let store = cx.store;
        let groups = parts::loaded(ui, cx, &store.groups)?;
        parts::partial(ui, &groups.partial);
        if groups.groups.is_empty() {
            empty_ui(ui, cx);
            return None;
        }
        if !self.cache.as_ref().is_some_and(|(of, query, _)| Arc::ptr_eq(of, groups) && *query == self.query) {
            self.cache = Some((Arc::clone(groups), self.query.clone(), rows::rows(groups, &self.query)));
        }
        let mut wish = None;
        self.toolbar(ui, cx, &mut wish);
        self.table(ui, &mut wish);
        wish
    }

    fn toolbar(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>, wish: &mut Option<Wish>) {
        let Some((groups, _, rows)) = &self.cache else { return };
        ui.horizontal_wrapped(|ui| {
            widgets::search_field(ui, &mut self.query.filter, "Filter groups or topics  /", 220.0);
            let total = text::counted(groups.groups.len() as u64, "group");
            let shown = if self.query.filter.is_empty() { total } else { format!("{} of {total}", rows.len()) };
            widgets::subdued(ui, shown);
            summary(ui, rows);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if widgets::icon_button(ui, icons::EXPORT, "Copy table as CSV").clicked() {
                    cx.push(Command::Copy { text: rows::to_csv(rows), what: "Table as CSV" });
                }
                let selected = self.selected.as_ref().and_then(|id| rows.iter().find(|row| row.id == *id));
                if let Some(row) = selected {
                    let can_delete = !row.has_members;
                    ui.add_enabled_ui(can_delete, |ui| {
                        let why = if can_delete { "Delete group" } else { "Delete group (only once it has no members)" };
                        if widgets::icon_button(ui, icons::TRASH, why).clicked() {
                            *wish = Some(Wish::Delete(row.id.clone()));
                        }
                    });
                    if widgets::secondary_button(ui, "Open").on_hover_text("Enter, or a double click").clicked() {
                        *wish = Some(Wish::Open(row.id.clone()));
                    }
                }
            });
        });
        ui.add_space(4.0);
    }

    fn table(&mut self, ui: &mut Ui, wish: &mut Option<Wish>) {
        let Some((_, _, rows)) = &self.cache else { return };
        if rows.is_empty() {
            if widgets::empty_state(
                ui,
                icons::MAGNIFYING_GLASS,
                "No group fits the filter",
                "Groups are found by their id and by the topics they read.",
                Some("Clear the filter"),
            ) {
                self.query.filter.clear();
            }
            return;
        }
        let width = ui.available_width();
        let columns: Vec<Column> = Column::ALL
            .into_iter()
            .filter(|column| !DROPPED_BELOW.iter().any(|(dropped, below)| dropped == column && width < *below))
            .collect();
        let headings: Vec<TableColumn<'_>> = columns.iter().map(|column| heading(*column)).collect();
        let selected = self.selected.as_ref().and_then(|id| rows.iter().position(|row| row.id == *id));
        let most = rows.iter().filter_map(|row| row.lag_records).max().unwrap_or(0).max(1);
        let mut table = Table::new("Consumer groups", &headings, rows.len()).selected(selected);
        if let Some(at) = columns.iter().position(|column| *column == self.query.sort) {
            table = table.sorted(at, self.query.is_descending);
        }
        let response = table.show(ui, |row, column| cell(&rows[row], columns[column], most));
        if let Some(row) = response.selected.and_then(|row| rows.get(row)) {
            self.selected = Some(row.id.clone());
        }
        if let Some(row) = response.opened.and_then(|row| rows.get(row)) {
            *wish = Some(Wish::Open(row.id.clone()));
        }
        if let Some(column) = response.sort_by.and_then(|at| columns.get(at)) {
            let again = self.query.sort == *column;
            self.query.is_descending = if again { !self.query.is_descending } else { column.begins_descending() };
            self.query.sort = *column;
        }
    }
}

fn header(ui: &mut Ui, cx: &PanelContext<'_>) {
    ui.horizontal(|ui| {
        widgets::title(ui, "Consumers");
        parts::as_of(ui, cx.store.groups.as_of(), cx.now);
    });
    ui.add_space(4.0);
}

/// How many groups need a look, in words and colour.
fn summary(ui: &mut Ui, rows: &[Row]) {
    for verdict in [Verdict::DataLost, Verdict::Stalled, Verdict::FallingBehind] {
        let count = rows.iter().filter(|row| row.verdict == verdict).count();
        if count > 0 {
            let (icon, tone) = parts::verdict_look(verdict);
            widgets::badge(ui, icon, &format!("{count} {}", verdict.label().to_lowercase()), tone);
        }
    }
}

fn empty_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let what_to_do = "A group appears once a consumer joins it or commits an offset. Start one in a terminal:";
    widgets::empty_state(ui, icons::USERS_THREE, "No consumer groups yet", what_to_do, None);
    let topic = cx.store.cluster.value().and_then(|cluster| cluster.user_topics().next()).map_or("hello", |topic| topic.name.as_str());
    let line = format!("kcat -b {} -G mygroup {topic}", cx.store.connection.bootstrap().unwrap_or("HOST:PORT"));
    parts::command_line(ui, cx, &line);
}

fn heading(column: Column) -> TableColumn<'static> {
    let width = match column {
        Column::Verdict => 140.0,
        Column::Group => 240.0,
        Column::State => 140.0,
        Column::Members => 80.0,
        Column::Lag => 140.0,
        Column::Topics => 220.0,
        Column::Kind => 130.0,
    };
    if column.is_number() { TableColumn::number(column.title(), width) } else { TableColumn::text(column.title(), width) }
}

fn cell(row: &Row, column: Column, most: u64) -> TableCell<'_> {
    let text = &**row.text(column);
    match column {
        Column::Verdict => {
            let (icon, tone) = parts::verdict_look(row.verdict);
            TableCell::badge(icon, text, tone)
        }
        Column::Group => TableCell::text(text),
        Column::Lag => {
            let (_, tone) = parts::verdict_look(row.verdict);
            let share = row.lag_records.map_or(0.0, |lag| (lag as f64 / most as f64) as f32);
            let cell = TableCell { is_mono: true, ..TableCell::text(text) };
            if share > 0.0 { TableCell { tone: Some(tone), ..cell.with_bar(share) } } else { cell }
        }
        Column::Members => TableCell::mono(text),
        Column::State | Column::Topics | Column::Kind => TableCell::text(text).subdued(),
    }
}
