//! A pipeline as before its first start: what its runs left on the cluster is shown, and deleted once that is confirmed.

use egui::{Align, Id, Layout, RichText, ScrollArea, Ui};
use weir_model::{ClusterSnapshot, PipelineId, PipelineMeta, Request, Topic};
use weir_ui_kit::{
    format, icons,
    theme::{self, size},
    widgets::{self, Tone, secondary_button, subdued},
};

use crate::panels::{PanelContext, parts, text};

/// The list of topics scrolls beyond this height.
const LIST_HEIGHT: f32 = 200.0;

/// Offers to delete what the pipeline's runs left; nothing where they left nothing. It must not run.
pub(super) fn button(ui: &mut Ui, meta: &PipelineMeta, cx: &mut PanelContext<'_>) {
    let Some(cluster) = cx.store.cluster.value() else { return };
    let topics = left(meta, cluster);
    if topics.is_empty() {
        return;
    }
    let asked = Id::unique("reset pipeline");
    let help = format!("Delete what its runs left: {}", text::counted(topics.len() as u64, "topic"));
    if secondary_button(ui, "Reset…").on_hover_text(help).clicked() {
        ui.data_mut(|data| data.insert_temp(asked, meta.id.clone()));
    }
    if ui.data(|data| data.get_temp::<PipelineId>(asked)).is_none_or(|id| id != meta.id) {
        return;
    }
    let mut is_done = false;
    let heading = format!("Reset {}?", meta.title);
    let wants_out = parts::dialog(ui, "reset pipeline", &heading, |ui| is_done = confirm(ui, meta, &topics, cx));
    if wants_out || is_done {
        ui.data_mut(|data| data.remove::<PipelineId>(asked));
    }
}

fn left<'a>(meta: &PipelineMeta, cluster: &'a ClusterSnapshot) -> Vec<&'a Topic> {
    cluster.topics.iter().filter(|topic| meta.owns_topic(topic.name.as_str())).collect()
}

/// Shows what goes; true when it is decided.
fn confirm(ui: &mut Ui, meta: &PipelineMeta, topics: &[&Topic], cx: &mut PanelContext<'_>) -> bool {
    let records: u64 = topics.iter().filter_map(|topic| topic.records()).sum();
    let on = cx.store.connection.cluster().map_or("the cluster", weir_model::Cluster::label);
    let what = format!(
        "This deletes {} with {} and the offsets of {} on {on}. It can't be undone.",
        text::counted(topics.len() as u64, "topic"),
        text::counted(records, "record"),
        text::counted(meta.groups.len() as u64, "consumer group"),
    );
    widgets::icon_text(ui, icons::WARNING, &what, Tone::Danger);
    subdued(ui, "Topics that pipelines share, such as alerts, stay.");
    ScrollArea::vertical().max_height(LIST_HEIGHT).show(ui, |ui| {
        for topic in topics {
            ui.horizontal(|ui| {
                ui.label(RichText::new(topic.name.as_str()).font(theme::mono(size::SMALL)));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let records = topic.records().map_or_else(|| "–".to_owned(), format::integer);
                    ui.label(RichText::new(records).font(theme::mono(size::SMALL)));
                });
            });
        }
    });
    ui.add_space(4.0);
    let mut is_done = false;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if widgets::danger_button(ui, "Delete and reset").clicked() {
            cx.request(Request::ResetPipeline(meta.id.clone()));
            is_done = true;
        }
        is_done |= secondary_button(ui, "Cancel").clicked();
    });
    is_done
}
