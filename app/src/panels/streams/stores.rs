//! The state stores of an application: how much is in them, where their changelog is, and what they hold.

use egui::Ui;
use weir_model::{PipelineId, Request, StoreEntries, StoreQuery, StreamsApp, StreamsStore};
use weir_ui_kit::{
    format, icons,
    table::{ROW_HEIGHT, Table, TableCell, TableColumn},
    widgets::{search_field, secondary_button, section, subdued},
};

use crate::panels::{Command, PanelContext, Route};

/// Rows in sight.
const ROWS_MAX: usize = 8;
const ENTRIES_SHOWN: usize = 10;

/// Which store is looked into.
#[derive(Default)]
pub(super) struct Stores {
    store: Option<std::sync::Arc<str>>,
    filter: String,
}

impl Stores {
    pub(super) fn ui(&mut self, ui: &mut Ui, pipeline: &PipelineId, app: &StreamsApp, cx: &mut PanelContext<'_>) {
        section(ui, "State stores");
        if app.stores.is_empty() {
            subdued(ui, "None: this application keeps no state, or its tasks are elsewhere.");
            return;
        }
        subdued(ui, "Enter, or a double click, looks into a store.");
        if let Some(text) = outside_memory(&app.stores) {
            subdued(ui, &text);
        }
        let selected = app.stores.iter().position(|store| Some(&store.name) == self.store.as_ref());
        let height = (app.stores.len().min(ROWS_MAX) + 2) as f32 * ROW_HEIGHT;
        let columns = columns();
        let table = Table::new("State stores", &columns, app.stores.len()).height(height).selected(selected);
        let response = table.show(ui, |row, column| match app.stores.get(row) {
            Some(store) => cell(store, column),
            None => TableCell::default(),
        });
        if let Some(store) = response.selected.or(response.opened).and_then(|row| app.stores.get(row)) {
            self.store = Some(std::sync::Arc::clone(&store.name));
            if response.opened.is_some() {
                self.ask(pipeline, app, cx);
            }
        }
        self.browser(ui, pipeline, app, cx);
    }

    fn browser(&mut self, ui: &mut Ui, pipeline: &PipelineId, app: &StreamsApp, cx: &mut PanelContext<'_>) {
        let Some(store) = self.store.clone().and_then(|name| app.stores.iter().find(|store| store.name == name)) else { return };
        ui.add_space(8.0);
        ui.horizontal_wrapped(|ui| {
            let is_typed = search_field(ui, &mut self.filter, "Keys from the first that contains", 260.0).changed();
            let is_asked = secondary_button(ui, &format!("{}  Look into {}", icons::MAGNIFYING_GLASS, store.name)).clicked();
            if is_typed || is_asked {
                self.ask(pipeline, app, cx);
            }
            if let Some((topic, ..)) = &store.changelog
                && secondary_button(ui, "Open its changelog").on_hover_text(topic.as_str()).clicked()
            {
                cx.push(Command::Navigate(Route::Messages(topic.clone())));
            }
        });
        let run = cx.store.runs.get(pipeline);
        let found = run.and_then(|run| run.store_entries.as_deref());
        if let Some(found) = found.filter(|found| found.query.group == app.group && found.query.store == store.name) {
            entries(ui, found);
        }
    }

    fn ask(&self, pipeline: &PipelineId, app: &StreamsApp, cx: &mut PanelContext<'_>) {
        let Some(store) = &self.store else { return };
        let query = StoreQuery { group: app.group.clone(), store: std::sync::Arc::clone(store), filter: self.filter.as_str().into() };
        cx.request(Request::BrowseStore(pipeline.clone(), query));
    }
}

fn entries(ui: &mut Ui, found: &StoreEntries) {
    if found.entries.is_empty() {
        subdued(ui, "No entry has a key with that.");
        return;
    }
    let count = found.entries.len();
    let all = if count == StoreEntries::ENTRIES_MAX { format!("The first {count} entries") } else { format!("{count} entries") };
    subdued(ui, all);
    let columns = [TableColumn::text("Key", 260.0).unsorted(), TableColumn::text("Value", 500.0).unsorted()];
    let height = (count.min(ENTRIES_SHOWN) + 2) as f32 * ROW_HEIGHT;
    Table::new("Entries", &columns, count).height(height).show(ui, |row, column| match (found.entries.get(row), column) {
        (Some((key, _)), 0) => TableCell::mono(key.as_str()),
        (Some((_, value)), _) => TableCell::mono(value.as_str()),
        (None, _) => TableCell::default(),
    });
}

/// How much of it is in memory, where that is not all.
fn outside_memory(stores: &[StreamsStore]) -> Option<String> {
    let sum = |of: fn(&StreamsStore) -> u64| stores.iter().filter(|store| store.is_persistent).map(of).sum::<u64>();
    let (all, in_memory) = (sum(|store| store.entries), sum(|store| store.entries_in_memory));
    let (all_told, told) = (format::integer(all), format::integer(in_memory));
    (in_memory < all).then(|| format!("Of {all_told} entries on disk {told} are in memory; the others are read when they are needed."))
}

fn columns() -> [TableColumn<'static>; 6] {
    [
        TableColumn::text("Store", 180.0).unsorted(),
        TableColumn::text("Task", 60.0).unsorted(),
        TableColumn::number("Entries", 90.0).unsorted(),
        TableColumn::number("Bytes, about", 110.0).unsorted(),
        TableColumn::number("Changelog offset", 130.0).unsorted(),
        TableColumn::text("Changelog", 320.0).unsorted(),
    ]
}

fn cell(store: &StreamsStore, column: usize) -> TableCell<'_> {
    match (column, &store.changelog) {
        (0, _) => TableCell::text(&*store.name),
        (1, _) => TableCell::mono(&*store.task),
        (2, _) => TableCell::mono(format::integer(store.entries)),
        (3, _) => TableCell::mono(format::bytes(store.bytes as f64)),
        (4, Some((.., Some(offset)))) => TableCell::mono(format::integer(*offset)),
        (4, _) => TableCell::text("–").subdued(),
        (_, Some((topic, partition, _))) => TableCell::mono(format!("{topic} [{partition}]")),
        (_, None) => TableCell::text(if store.is_persistent { "on disk" } else { "a topic read whole" }).subdued(),
    }
}
