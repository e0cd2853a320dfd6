//! One topic: totals, partitions, configuration, and who reads it.

use std::sync::Arc;

use egui::{Align, Layout, Ui};
use weir_model::{ClusterSnapshot, ConfigEntry, ConfigSource, GroupsSnapshot, Request, Topic, TopicName};
use weir_ui_kit::{
    format, icons,
    table::{Table, TableCell, TableColumn},
    widgets::{self, StatTile, Tone},
};

use super::{
    Wish, browse,
    detail_rows::{self, PartitionRow, ReaderRow},
};
use crate::panels::{Command, PanelContext, Route, parts, text};

/// Above this, the fullest partition deserves a word.
const SKEW_TOLD: f64 = 1.5;
/// Partitions from which a topic is large enough for skew to mean something.
const SKEW_RECORDS_MIN: u64 = 1_000;

const PARTITION_COLUMNS: [TableColumn<'static>; 10] = [
    number("Partition", 76.0),
    number("Leader", 70.0),
    words("Replicas", 96.0),
    words("In sync", 96.0),
    number("Log start", 112.0),
    number("High watermark", 124.0),
    number("Records", 112.0),
    number("Size", 96.0),
    number("Records/s", 92.0),
    words("State", 150.0),
];
const CONFIG_COLUMNS: [TableColumn<'static>; 4] =
    [words("Name", 300.0), words("Value", 240.0), words("In words", 110.0), words("Source", 150.0)];
const READER_COLUMNS: [TableColumn<'static>; 6] = [
    words("Verdict", 140.0),
    words("Group", 240.0),
    words("State", 140.0),
    number("Members here", 104.0),
    number("Lag (records)", 120.0),
    words("Why", 300.0),
];

pub(super) struct Detail {
    topic: TopicName,
    tab: Tab,
    selected_reader: Option<usize>,
    partitions: Option<(Arc<ClusterSnapshot>, Vec<PartitionRow>)>,
    configs: Option<(Arc<[ConfigEntry]>, Vec<ConfigEntry>)>,
    readers: Option<(Arc<GroupsSnapshot>, Vec<ReaderRow>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Partitions,
    Configuration,
    Consumers,
}

impl Detail {
    pub(super) fn new(topic: TopicName) -> Self {
        Self { topic, tab: Tab::Partitions, selected_reader: None, partitions: None, configs: None, readers: None }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> Option<Wish> {
        let mut wish = self.header(ui, cx);
        let store = cx.store;
        let cluster = parts::loaded(ui, cx, &store.cluster)?;
        let Some(topic) = cluster.topic(&self.topic) else {
            let what_to_do = "It was deleted, or this cluster never had it.";
            if widgets::empty_state(ui, icons::STACK, &format!("There is no topic {}", self.topic), what_to_do, Some("All topics")) {
                wish = Some(Wish::Back);
            }
            return wish;
        };
        parts::partial(ui, &cluster.partial);
        totals(ui, topic);
        ui.add_space(4.0);
        self.derive(cluster, topic, cx);
        let readers = self.readers.as_ref().map_or(0, |(_, rows)| rows.len());
        let consumers = format!("Consumers ({readers})");
        let partitions = format!("Partitions ({})", topic.partitions.len());
        widgets::segmented(
            ui,
            &mut self.tab,
            &[(Tab::Partitions, &partitions), (Tab::Configuration, "Configuration"), (Tab::Consumers, &consumers)],
        );
        match self.tab {
            Tab::Partitions => self.partitions_ui(ui, topic),
            Tab::Configuration => self.configs_ui(ui, cx),
            Tab::Consumers => self.readers_ui(ui, cx),
        }
        wish
    }

    fn header(&self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> Option<Wish> {
        let mut wish = None;
        ui.horizontal(|ui| {
            if widgets::icon_button(ui, icons::ARROW_LEFT, "Back to all topics").clicked() {
                wish = Some(Wish::Back);
            }
            widgets::title(ui, self.topic.as_str());
            if widgets::icon_button(ui, icons::COPY, "Copy topic name").clicked() {
                cx.push(Command::Copy { text: self.topic.to_string(), what: "Topic name" });
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if widgets::icon_button(ui, icons::TRASH, "Delete topic").clicked() {
                    wish = Some(Wish::Delete(self.topic.clone()));
                }
                if widgets::secondary_button(ui, &format!("{}  Produce a record", icons::PAPER_PLANE_TILT)).clicked() {
                    wish = Some(Wish::Produce(self.topic.clone()));
                }
                if widgets::primary_button(ui, &format!("{}  Browse messages", icons::CHATS_CIRCLE)).clicked() {
                    browse(cx, &self.topic);
                }
            });
        });
        ui.add_space(4.0);
        wish
    }

    fn derive(&mut self, cluster: &Arc<ClusterSnapshot>, topic: &Topic, cx: &PanelContext<'_>) {
        if !self.partitions.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, cluster)) {
            self.partitions = Some((Arc::clone(cluster), detail_rows::partition_rows(topic)));
        }
        if let Some(groups) = cx.store.groups.value()
            && !self.readers.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, groups))
        {
            self.readers = Some((Arc::clone(groups), detail_rows::reader_rows(groups, &self.topic)));
        }
        if let Some(entries) = cx.store.topic_configs.get(&self.topic).and_then(|configs| configs.value())
            && !self.configs.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, entries))
        {
            self.configs = Some((Arc::clone(entries), detail_rows::config_rows(entries)));
        }
    }

    fn partitions_ui(&self, ui: &mut Ui, topic: &Topic) {
        let Some((_, rows)) = &self.partitions else { return };
        if let Some(skew) = detail_rows::skew(topic).filter(|skew| *skew >= SKEW_TOLD)
            && topic.records().is_some_and(|records| records >= SKEW_RECORDS_MIN)
        {
            let note = format!("Uneven: the fullest partition holds {} times the mean; keys may be skewed", format::decimal(skew, 1));
            widgets::icon_text(ui, icons::WARNING, &note, Tone::Warning);
        }
        Table::new("Partitions", &PARTITION_COLUMNS, rows.len()).show(ui, |row, column| partition_cell(&rows[row], column));
    }

    fn configs_ui(&self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let problem = cx.store.topic_configs.get(&self.topic).and_then(|configs| configs.problem());
        if let Some(problem) = problem
            && widgets::error_state(ui, parts::failure(problem))
        {
            cx.request(Request::LoadTopicConfigs(self.topic.clone()));
        }
        match &self.configs {
            Some((_, rows)) => {
                Table::new("Configuration", &CONFIG_COLUMNS, rows.len()).show(ui, |row, column| config_cell(&rows[row], column));
            }
            None if problem.is_none() => widgets::skeleton(ui, 6),
            None => {}
        }
    }

    fn readers_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let store = cx.store;
        let Some(_) = parts::loaded(ui, cx, &store.groups) else { return };
        let rows = self.readers.as_ref().map(|(_, rows)| rows.as_slice()).unwrap_or_default();
        if rows.is_empty() {
            let line = format!("kcat -b {} -G mygroup {}", store.connection.bootstrap().unwrap_or("HOST:PORT"), self.topic);
            let what_to_do = "No consumer group has committed an offset on it or is assigned to it. Start one:";
            widgets::empty_state(ui, icons::USERS_THREE, "No consumer group reads this topic", what_to_do, None);
            parts::command_line(ui, cx, &line);
            return;
        }
        let response = Table::new("Consumers of this topic", &READER_COLUMNS, rows.len())
            .selected(self.selected_reader)
            .show(ui, |row, column| reader_cell(&rows[row], column));
        if let Some(row) = response.opened.and_then(|row| rows.get(row)) {
            cx.push(Command::Navigate(Route::Group(row.group.clone())));
        }
        self.selected_reader = response.selected.or(self.selected_reader);
    }
}

fn totals(ui: &mut Ui, topic: &Topic) {
    let under_replicated = topic.under_replicated_partitions();
    let records = topic.records().map_or_else(|| "–".to_owned(), format::integer);
    let bytes = topic.bytes().map_or_else(|| "–".to_owned(), text::bytes);
    let rate = topic.rates.map_or_else(|| "–".to_owned(), |rates| format::per_s(rates.records_per_s));
    let byte_rate = topic.rates.and_then(|rates| rates.bytes_per_s).map(|rate| format!("{}/s", format::bytes(rate))).unwrap_or_default();
    let replication = format::integer(topic.replication_factor() as u64);
    let offline = topic.partitions.iter().filter(|partition| partition.leader.is_none()).count();
    let in_sync = if offline > 0 {
        format!("{} without a leader", text::counted(offline as u64, "partition"))
    } else if under_replicated == 0 {
        "all in sync".to_owned()
    } else {
        format!("{} under-replicated", text::counted(under_replicated as u64, "partition"))
    };
    let tiles = [
        StatTile {
            label: "Records",
            value: &records,
            note: "high watermark − log start",
            help: "An upper bound: compaction and transaction markers leave offsets without records",
            ..StatTile::default()
        },
        StatTile { label: "Size", value: &bytes, note: "on the leaders' disks", ..StatTile::default() },
        StatTile { label: "Written", value: &rate, note: &byte_rate, ..StatTile::default() },
        StatTile { label: "Replicas", value: &replication, note: &in_sync, ..StatTile::default() },
    ];
    ui.columns_const(|columns: &mut [Ui; 4]| {
        for (column, tile) in columns.iter_mut().zip(tiles) {
            tile.show(column);
        }
    });
}

fn partition_cell(row: &PartitionRow, column: usize) -> TableCell<'_> {
    match column {
        0 => TableCell::mono(&*row.number),
        1 => TableCell::mono(&*row.leader),
        2 => TableCell::mono(&*row.replicas),
        3 => TableCell::mono(&*row.isr),
        4 => TableCell::mono(&*row.log_start),
        5 => TableCell::mono(&*row.high_watermark),
        6 => TableCell::mono(&*row.records).with_bar(row.share),
        7 => TableCell::mono(&*row.bytes),
        8 => TableCell::mono(&*row.rate),
        _ if row.is_offline => TableCell::badge(icons::WARNING_CIRCLE, "No leader", Tone::Danger),
        _ if row.is_under_replicated => TableCell::badge(icons::WARNING, "Under-replicated", Tone::Warning),
        _ if row.is_leader_moved => TableCell::badge(icons::INFO, "Not the preferred leader", Tone::Info),
        _ => TableCell::badge(icons::CHECK, "In sync", Tone::Ok),
    }
}

fn config_cell(entry: &ConfigEntry, column: usize) -> TableCell<'_> {
    let is_set = entry.source == ConfigSource::Topic;
    match column {
        0 => TableCell::mono(&*entry.name),
        1 => entry.value.as_deref().map_or_else(
            || TableCell::text("hidden by the broker").subdued(),
            |value| if value.is_empty() { TableCell::text("empty").subdued() } else { TableCell::mono(value) },
        ),
        2 => TableCell::text(detail_rows::value_note(entry)).subdued(),
        _ if is_set => TableCell::badge(icons::CHECK, detail_rows::source_label(entry.source), Tone::Info),
        _ => TableCell::text(detail_rows::source_label(entry.source)).subdued(),
    }
}

fn reader_cell(row: &ReaderRow, column: usize) -> TableCell<'_> {
    match column {
        0 => {
            let (icon, tone) = parts::verdict_look(row.verdict);
            TableCell::badge(icon, row.verdict.label(), tone)
        }
        1 => TableCell::text(row.group.as_str()),
        2 => TableCell::text(&*row.state).subdued(),
        3 => TableCell::mono(&*row.members),
        4 => TableCell::mono(&*row.lag),
        _ => TableCell::text(&*row.evidence).subdued(),
    }
}

const fn number(title: &'static str, width: f32) -> TableColumn<'static> {
    TableColumn { title, width, is_number: true, is_sortable: false }
}

const fn words(title: &'static str, width: f32) -> TableColumn<'static> {
    TableColumn { title, width, is_number: false, is_sortable: false }
}
