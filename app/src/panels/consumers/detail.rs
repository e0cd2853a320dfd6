//! One group: its verdict with the evidence, lag over time, members, and every partition with the way to its unread records.

use std::sync::Arc;

use egui::{Align, Layout, ScrollArea, Ui};
use weir_model::{Group, GroupId, GroupsSnapshot, MessageQuery, QueryId, Series, Start};
use weir_ui_kit::{
    format, icons,
    plot::{self, TimeLine, TimeSeries},
    table::{ROW_HEIGHT, Table, TableCell, TableColumn},
    widgets::{self, StatTile, Tone},
};

use super::{
    Wish,
    partitions::{self, Column, MemberRow, PartitionRow},
    rows::kind_label,
};
use crate::panels::{Command, PanelContext, Route, parts, text};

/// Rows of a table that stands above others; the rest is reached by scrolling in it.
const TABLE_ROWS_MAX: usize = 14;
/// Rows asked for when the unread records are shown.
const UNREAD_LIMIT: usize = 500;
/// Below this width members are left to their own table.
const MEMBER_SHOWN_FROM: f32 = 820.0;
/// Below this width rates are left to the figures above.
const RATES_SHOWN_FROM: f32 = 700.0;
/// Points a chart needs to say something.
const CHART_POINTS_MIN: usize = 2;

const MEMBER_COLUMNS: [TableColumn<'static>; 6] = [
    words("Client id", 140.0),
    words("Member id", 220.0),
    words("Host", 120.0),
    words("Instance id", 110.0),
    TableColumn { title: "Partitions", width: 84.0, is_number: true, is_sortable: false },
    words("Assignment", 320.0),
];

pub(super) struct Detail {
    group: GroupId,
    selected: Option<usize>,
    derived: Option<Derived>,
    history: Option<(u64, Vec<(i64, f64)>)>,
}

/// Rows with what they were made from.
struct Derived {
    groups: Arc<GroupsSnapshot>,
    partitions: Vec<PartitionRow>,
    members: Vec<MemberRow>,
}

impl Detail {
    pub(super) fn new(group: GroupId) -> Self {
        Self { group, selected: None, derived: None, history: None }
    }

    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) -> Option<Wish> {
        let store = cx.store;
        let group = store.groups.value().and_then(|groups| groups.group(&self.group));
        let mut wish = self.header(ui, cx, group);
        let groups = parts::loaded(ui, cx, &store.groups)?;
        let Some(group) = group else {
            let what_to_do = "It was deleted, its offsets expired, or this cluster never had it.";
            if widgets::empty_state(ui, icons::USERS_THREE, &format!("There is no group {}", self.group), what_to_do, Some("All groups")) {
                wish = Some(Wish::Back);
            }
            return wish;
        };
        parts::partial(ui, &groups.partial);
        if !self.derived.as_ref().is_some_and(|derived| Arc::ptr_eq(&derived.groups, groups)) {
            let (partitions, members) = (partitions::rows(group), partitions::member_rows(group));
            self.derived = Some(Derived { groups: Arc::clone(groups), partitions, members });
        }
        self.derive_history(store.lag_records.get(&self.group));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            verdict_ui(ui, group);
            self.totals(ui, group);
            self.chart(ui);
            self.partitions_ui(ui, cx);
            self.members_ui(ui, group);
            ui.add_space(16.0);
        });
        wish
    }

    fn header(&self, ui: &mut Ui, cx: &mut PanelContext<'_>, group: Option<&Group>) -> Option<Wish> {
        let mut wish = None;
        ui.horizontal(|ui| {
            if widgets::icon_button(ui, icons::ARROW_LEFT, "Back to all groups").clicked() {
                wish = Some(Wish::Back);
            }
            widgets::title(ui, self.group.as_str());
            if widgets::icon_button(ui, icons::COPY, "Copy group id").clicked() {
                cx.push(Command::Copy { text: self.group.to_string(), what: "Group id" });
            }
            if let Some(group) = group {
                let is_active = !group.members.is_empty();
                widgets::badge(ui, "", group.state.as_str(), if is_active { Tone::Info } else { Tone::Neutral });
                parts::as_of(ui, cx.store.groups.as_of(), cx.now);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    ui.add_enabled_ui(!is_active, |ui| {
                        let why = if is_active { "Delete group (only once it has no members)" } else { "Delete group" };
                        if widgets::icon_button(ui, icons::TRASH, why).clicked() {
                            wish = Some(Wish::Delete(self.group.clone()));
                        }
                    });
                });
            }
        });
        ui.add_space(4.0);
        wish
    }

    fn derive_history(&mut self, series: Option<&Series>) {
        let Some(series) = series else {
            self.history = None;
            return;
        };
        if self.history.as_ref().is_none_or(|(version, _)| *version != series.version()) {
            self.history = Some((series.version(), series.points().map(|(at, value)| (at.0, value)).collect()));
        }
    }

    fn totals(&self, ui: &mut Ui, group: &Group) {
        let lag = group.lag_records().map_or_else(|| "–".to_owned(), format::integer);
        let sum = |rate: fn(&weir_model::GroupPartition) -> Option<f64>| group.partitions.iter().filter_map(rate).reduce(|a, b| a + b);
        let (consumed, produced) = (sum(|it| it.consumed_per_s), sum(|it| it.produced_per_s));
        let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), format::per_s);
        let (consumed, produced) = (rate(consumed), rate(produced));
        let members = format::integer(group.members.len() as u64);
        let uncommitted = group.partitions.iter().filter(|partition| partition.committed_offset.is_none()).count();
        let lag_note = if uncommitted > 0 {
            format!("without {} never committed", text::counted(uncommitted as u64, "partition"))
        } else {
            "end − committed".to_owned()
        };
        let assignor = if group.assignor.is_empty() {
            kind_label(group.kind).to_owned()
        } else {
            format!("{}, {}", kind_label(group.kind), group.assignor)
        };
        let tiles = [
            StatTile { label: "Lag (records)", value: &lag, note: &lag_note, ..StatTile::default() },
            StatTile { label: "Consumed", value: &consumed, note: "committed, all partitions", ..StatTile::default() },
            StatTile { label: "Produced", value: &produced, note: "to the same partitions", ..StatTile::default() },
            StatTile { label: "Members", value: &members, note: &assignor, ..StatTile::default() },
        ];
        ui.columns_const(|columns: &mut [Ui; 4]| {
            for (column, tile) in columns.iter_mut().zip(tiles) {
                tile.show(column);
            }
        });
    }

    fn chart(&self, ui: &mut Ui) {
        let Some((_, points)) = self.history.as_ref().filter(|(_, points)| points.len() >= CHART_POINTS_MIN) else { return };
        ui.add_space(4.0);
        widgets::card(ui, "Lag over time", |ui| {
            let lines = [TimeLine { name: "Lag", points }];
            plot::time_series(ui, &TimeSeries { id: "lag", lines: &lines, unit: "records", height: 150.0, ..TimeSeries::default() });
        });
    }

    fn partitions_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let Some(Derived { partitions: rows, .. }) = &self.derived else { return };
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let heading = match rows.first() {
                Some(first) if rows.iter().all(|row| row.topic == first.topic) => format!("Partitions of {} ({})", first.topic, rows.len()),
                _ => format!("Partitions ({})", rows.len()),
            };
            widgets::section(ui, &heading);
            let unread = self.selected.and_then(|row| rows.get(row)).filter(|row| row.first_unread.is_some());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| match unread {
                Some(row) => {
                    let label = format!("{}  Show {}", icons::CHATS_CIRCLE, text::counted(row.unread_records, "unread record"));
                    if widgets::secondary_button(ui, &label).clicked() {
                        show_unread(cx, row);
                    }
                }
                None if rows.iter().any(|row| row.first_unread.is_some()) => {
                    _ = widgets::subdued(ui, "Choose a partition to see its unread records");
                }
                None => {}
            });
        });
        if rows.is_empty() {
            widgets::subdued(ui, "No partition is committed or assigned: there is no lag to tell of yet.");
            return;
        }
        let width = ui.available_width();
        let is_one_topic = rows.windows(2).all(|pair| pair[0].topic == pair[1].topic);
        let is_shown = |column: Column| match column {
            Column::Topic => !is_one_topic,
            Column::Member => width >= MEMBER_SHOWN_FROM,
            Column::Produced | Column::Consumed => width >= RATES_SHOWN_FROM,
            _ => true,
        };
        let columns: Vec<Column> = Column::ALL.into_iter().filter(|column| is_shown(*column)).collect();
        let headings: Vec<TableColumn<'_>> = columns.iter().map(|column| partition_heading(*column)).collect();
        let response = Table::new("Partitions of the group", &headings, rows.len())
            .selected(self.selected)
            .height(table_height(rows.len()))
            .show(ui, |row, column| partition_cell(&rows[row], columns[column]));
        if let Some(row) = response.opened.and_then(|row| rows.get(row)) {
            show_unread(cx, row);
        }
        self.selected = response.selected.or(self.selected);
        if let Some(row) = self.selected.and_then(|row| rows.get(row)) {
            let (icon, tone) = parts::verdict_look(row.verdict);
            widgets::icon_text(ui, icon, &format!("{}-{}: {}", row.topic, row.partition, row.evidence), tone);
        }
    }

    fn members_ui(&self, ui: &mut Ui, group: &Group) {
        let Some(Derived { members, .. }) = &self.derived else { return };
        ui.add_space(4.0);
        widgets::section(ui, &format!("Members ({})", members.len()));
        if members.is_empty() {
            widgets::subdued(ui, "Nobody reads for this group now; its committed offsets stay until offsets.retention.minutes is over.");
            return;
        }
        let idle = members.iter().filter(|member| member.is_idle).count();
        if idle > 0 && !group.partitions.is_empty() {
            let note = format!(
                "{} without a partition: there are more members than partitions, or they subscribe to something else",
                text::counted(idle as u64, "member")
            );
            widgets::icon_text(ui, icons::INFO, &note, Tone::Info);
        }
        Table::new("Members", &MEMBER_COLUMNS, members.len())
            .height(table_height(members.len()))
            .show(ui, |row, column| member_cell(&members[row], column));
    }
}

fn verdict_ui(ui: &mut Ui, group: &Group) {
    let Some(verdict) = group.verdict() else { return };
    let (icon, tone) = parts::verdict_look(verdict.verdict);
    ui.horizontal_wrapped(|ui| {
        widgets::badge(ui, icon, verdict.verdict.label(), tone);
        widgets::subdued(ui, &*verdict.evidence);
    });
}

fn show_unread(cx: &mut PanelContext<'_>, row: &PartitionRow) {
    let Some(offset) = row.first_unread else { return };
    cx.push(Command::Navigate(Route::Query(MessageQuery {
        id: QueryId(0), // the messages panel gives it a fresh one
        topic: row.topic.clone(),
        partitions: Some(vec![row.partition]),
        start: Start::Offset(offset),
        limit: UNREAD_LIMIT,
        follow: false,
        contains: "".into(),
    })));
}

fn table_height(rows: usize) -> f32 {
    (rows.clamp(1, TABLE_ROWS_MAX) as f32 + 1.0) * ROW_HEIGHT + 12.0
}

fn partition_heading(column: Column) -> TableColumn<'static> {
    let width = match column {
        Column::Verdict => 136.0,
        Column::Topic => 150.0,
        Column::Partition => 72.0,
        Column::Committed | Column::End => 100.0,
        Column::Lag => 88.0,
        Column::Consumed | Column::Produced => 88.0,
        Column::Eta => 96.0,
        Column::Member => 120.0,
    };
    TableColumn { title: column.title(), width, is_number: column.is_number(), is_sortable: false }
}

fn partition_cell(row: &PartitionRow, column: Column) -> TableCell<'_> {
    let text = &**row.text(column);
    match column {
        Column::Verdict => {
            let (icon, tone) = parts::verdict_look(row.verdict);
            TableCell::badge(icon, text, tone)
        }
        Column::Topic => TableCell::text(text),
        Column::Member => TableCell::text(text).subdued(),
        _ if text == "–" => TableCell::mono(text).subdued(),
        _ => TableCell::mono(text),
    }
}

fn member_cell(row: &MemberRow, column: usize) -> TableCell<'_> {
    match column {
        0 => TableCell::text(&*row.client_id),
        1 => TableCell::mono(&*row.member_id).subdued(),
        2 => TableCell::mono(&*row.host).subdued(),
        3 => TableCell::mono(&*row.instance_id).subdued(),
        4 => TableCell::mono(&*row.partitions),
        _ if row.is_idle => TableCell::text(&*row.assignment).subdued(),
        _ => TableCell::text(&*row.assignment),
    }
}

const fn words(title: &'static str, width: f32) -> TableColumn<'static> {
    TableColumn { title, width, is_number: false, is_sortable: false }
}
