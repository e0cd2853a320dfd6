//! What the stream applications of a running pipeline do: their graph with live rates, tasks, stores, windows, and what happened last.

mod graph;
mod history;
mod stores;
mod tasks;
mod windows;

use egui::Ui;
use weir_model::{PipelineId, PipelineMeta, Store, StreamsApp, StreamsView};
use weir_ui_kit::{
    format, icons,
    widgets::{card, empty_state, link, segmented, subdued, title},
};

use super::{
    Command, PIPELINES, Panel, PanelContext, PanelMeta, Route,
    grid::{LastCell, cell_card, grid, scrolled},
};
use stores::Stores;

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::STREAMS,
    title: "Streams",
    icon: icons::STACK,
    help: "What stream applications do inside: graph, tasks, state stores, windows, rebalances",
    make: || Box::new(StreamsPanel::default()),
};

#[derive(Default)]
struct StreamsPanel {
    /// The pipeline that was asked for.
    pipeline: Option<PipelineId>,
    /// The application, by its place.
    app: usize,
    has_all_operators: bool,
    stores: Stores,
}

impl Panel for StreamsPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        if let Some(Route::Streams(id)) = cx.arrival.take() {
            self.pipeline = Some(id);
        }
        let store = cx.store;
        scrolled(ui, |ui| {
            title(ui, META.title);
            let known = known(store);
            let Some(shown) =
                known.iter().position(|(meta, _)| Some(&meta.id) == self.pipeline.as_ref()).or((!known.is_empty()).then_some(0))
            else {
                return empty(ui, cx);
            };
            let mut chosen = shown;
            let titles: Vec<(usize, &str)> = known.iter().enumerate().map(|(at, (meta, _))| (at, &*meta.title)).collect();
            if titles.len() > 1 {
                segmented(ui, &mut chosen, &titles);
            }
            let Some((meta, view)) = known.get(chosen) else { return };
            if chosen != shown {
                self.app = 0;
            }
            self.pipeline = Some(meta.id.clone());
            self.apps(ui, meta, view, cx);
        });
    }
}

impl StreamsPanel {
    fn apps(&mut self, ui: &mut Ui, meta: &PipelineMeta, view: &StreamsView, cx: &mut PanelContext<'_>) {
        let names: Vec<(usize, &str)> = view.apps.iter().enumerate().map(|(at, app)| (at, app.group.as_str())).collect();
        self.app = self.app.min(names.len().saturating_sub(1));
        if names.len() > 1 {
            segmented(ui, &mut self.app, &names);
        }
        let Some(app) = view.apps.get(self.app) else { return };
        summary(ui, meta, app, cx);
        ui.add_space(4.0);
        card(ui, "Topology", |ui| {
            ui.checkbox(&mut self.has_all_operators, "Show every operator");
            graph::ui(ui, app, self.has_all_operators, cx);
        });
        ui.add_space(12.0);
        let spans = [6, 6, 12, 12];
        let stores = &mut self.stores;
        grid(ui, "streams", &spans, LastCell::Grows, |ui, at, height| {
            cell_card(ui, height, |ui| match at {
                0 => tasks::ui(ui, app),
                1 => history::ui(ui, app),
                2 => stores.ui(ui, &meta.id, app, cx),
                _ => windows::ui(ui, app),
            })
        });
    }
}

fn summary(ui: &mut Ui, meta: &PipelineMeta, app: &StreamsApp, cx: &mut PanelContext<'_>) {
    ui.horizontal_wrapped(|ui| {
        if link(ui, &format!("group {}", app.group)).on_hover_text("Its members, partitions and lag").clicked() {
            cx.push(Command::Navigate(Route::Group(app.group.clone())));
        }
        let phases: Vec<_> = app.threads.iter().map(|thread| thread.phase.to_lowercase()).collect();
        let counted = |count: u64, what: &str| format!("{} {what}", format::integer(count));
        let figures = [
            format!("{} records/s", format::si(app.processed_per_s)),
            format!("{} ({})", counted(app.threads.len() as u64, "threads here"), phases.join(", ")),
            counted(app.tasks.len() as u64, "tasks here"),
            counted(app.commits.0, "commits"),
            counted(app.commits.1, "aborted"),
            counted(app.rebalances, "rebalances"),
            counted(app.threads.iter().map(|thread| thread.replaced).sum(), "threads replaced"),
        ];
        subdued(ui, figures.join("    "));
        if let Some((median, worst)) = app.commit_ms {
            subdued(ui, format!("commits take {median} ms, at most {worst}"));
        }
        if let Some(age_ms) = app.threads.iter().filter_map(|thread| thread.transaction_age_ms).max() {
            subdued(ui, format!("transaction open for {age_ms} ms"));
        }
        if link(ui, "Dashboard").clicked() {
            cx.push(Command::Navigate(Route::Dashboard(meta.id.clone())));
        }
    });
}

/// Pipelines whose applications were seen, running or not.
fn known(store: &Store) -> Vec<(&PipelineMeta, &StreamsView)> {
    let view = |meta: &PipelineMeta| store.runs.get(&meta.id).and_then(|run| run.streams.as_deref());
    store.pipelines.iter().filter_map(|meta| Some((meta, view(meta)?))).filter(|(_, view)| !view.apps.is_empty()).collect()
}

fn empty(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let what_to_do =
        "Start a pipeline: what its stream applications do shows here. Those of other processes are seen as members of their groups.";
    let action = format!("{}  Pipelines", icons::FLOW_ARROW);
    if empty_state(ui, icons::STACK, "No stream application runs in this program", what_to_do, Some(&action)) {
        cx.push(Command::Navigate(Route::Panel(PIPELINES)));
    }
}
