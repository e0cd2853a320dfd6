//! What happens in the cluster: the write rate, the busiest topics, the groups by urgency.

use egui::Ui;
use weir_model::{ConnectionState, Request, Verdict};
use weir_ui_kit::{
    plot::{BarRow, TimeLine, TimeSeries, bar_list, time_series},
    table::{Table, TableCell, TableColumn},
    widgets::{error_state, link, section, skeleton, subdued},
};

use super::figures::Figures;
use crate::panels::{CONSUMERS, Command, PanelContext, Route, grid::cell_card, parts};

/// The height of the chart.
const CHART_HEIGHT: f32 = 200.0;
/// Rows of the outline while a list is on its way.
const SKELETON_ROWS: usize = 5;

pub(super) fn write_rate(ui: &mut Ui, height: f32, figures: &Figures, cx: &mut PanelContext<'_>) -> f32 {
    cell_card(ui, height, |ui| {
        section(ui, "Write rate");
        if figures.rate_points.len() < 2 {
            let has_topics = cx.store.cluster.value().is_some_and(|cluster| cluster.user_topics().next().is_some());
            let why = if has_topics {
                "Rates need two readings of the offsets; the second is on its way."
            } else {
                "There is no topic to write to yet."
            };
            waiting(ui, cx, why);
            return;
        }
        let lines = [TimeLine { name: "Records", points: &figures.rate_points }];
        let series = TimeSeries { id: "write rate", lines: &lines, unit: "records/s", height: CHART_HEIGHT, ..TimeSeries::default() };
        time_series(ui, &series);
    })
}

pub(super) fn busiest_topics(ui: &mut Ui, height: f32, figures: &Figures, cx: &mut PanelContext<'_>) -> f32 {
    cell_card(ui, height, |ui| {
        section(ui, if figures.is_by_rate { "Busiest topics" } else { "Largest topics" });
        if figures.busiest.is_empty() {
            waiting(ui, cx, "No topic holds a record yet. Write the first with the command above, or start a pipeline.");
            return;
        }
        let rows: Vec<BarRow<'_>> = figures.busiest.iter().map(|(name, value)| BarRow { label: name.as_str(), value: *value }).collect();
        let unit = if figures.is_by_rate { "records/s" } else { "records" };
        let pressed = bar_list(ui, &rows, unit, |at| figures.busiest.get(at).map(|(name, _)| format!("Open topic {name}")));
        if let Some((name, _)) = pressed.and_then(|at| figures.busiest.get(at)) {
            cx.push(Command::Navigate(Route::Topic(name.clone())));
        }
    })
}

pub(super) fn groups(ui: &mut Ui, height: f32, figures: &Figures, cx: &mut PanelContext<'_>) -> f32 {
    const COLUMNS: [TableColumn<'static>; 5] = [
        TableColumn { title: "Group", width: 220.0, is_number: false, is_sortable: false },
        TableColumn { title: "Verdict", width: 140.0, is_number: false, is_sortable: false },
        TableColumn { title: "Lag", width: 110.0, is_number: true, is_sortable: false },
        TableColumn { title: "State", width: 170.0, is_number: false, is_sortable: false },
        TableColumn { title: "Why", width: 260.0, is_number: false, is_sortable: false },
    ];
    cell_card(ui, height, |ui| {
        section(ui, "Consumer groups, the most urgent first");
        if figures.urgent.is_empty() {
            waiting(ui, cx, "No consumer group yet. Start one with kcat -G, or start a pipeline.");
            return;
        }
        let height = (figures.urgent.len() as f32 + 1.2) * weir_ui_kit::table::ROW_HEIGHT + 8.0;
        let shown = Table::new("Urgent groups", &COLUMNS, figures.urgent.len()).height(height).show(ui, |row, column| {
            let Some(group) = figures.urgent.get(row) else { return TableCell::default() };
            match column {
                0 => TableCell::mono(group.id.as_str()),
                1 => verdict_cell(group.verdict),
                2 => TableCell::mono(group.lag.as_str()),
                3 => TableCell::text(group.state.as_str()).subdued(),
                _ => TableCell::text(&*group.evidence).subdued(),
            }
        });
        if let Some(group) = shown.selected.or(shown.opened).and_then(|row| figures.urgent.get(row)) {
            cx.push(Command::Navigate(Route::Group(group.id.clone())));
        }
        if figures.groups_hidden > 0 && link(ui, &format!("{} more groups", figures.groups_hidden)).clicked() {
            cx.push(Command::Navigate(Route::Panel(CONSUMERS)));
        }
    })
}

fn verdict_cell(verdict: Option<Verdict>) -> TableCell<'static> {
    let Some(verdict) = verdict else { return TableCell::text("–").subdued() };
    let (icon, tone) = parts::verdict_look(verdict);
    TableCell::badge(icon, verdict.label(), tone)
}

/// What stands in a card that has nothing to show: why, or the outline of what is on its way.
fn waiting(ui: &mut Ui, cx: &mut PanelContext<'_>, when_empty: &str) {
    let store = cx.store;
    match &store.connection {
        ConnectionState::Failed { .. } => drop(subdued(ui, "The cluster does not answer.")),
        ConnectionState::Idle | ConnectionState::Connecting(_) => skeleton(ui, SKELETON_ROWS),
        ConnectionState::Connected { .. } => match store.cluster.problem().or(store.groups.problem()) {
            Some(problem) => {
                if error_state(ui, parts::failure(problem)) {
                    cx.request(Request::Refresh);
                }
            }
            None if store.cluster.value().is_none() => skeleton(ui, SKELETON_ROWS),
            None => drop(subdued(ui, when_empty)),
        },
    }
}
