//! Consumers: which group is behind, since when, will it catch up, and where exactly.

mod detail;
mod list;
mod partitions;
mod rows;
#[cfg(test)]
mod tests;

use egui::Ui;
use weir_model::{Cluster, GroupId, Request};
use weir_ui_kit::{
    icons,
    widgets::{self, Tone},
};

use super::{Panel, PanelContext, PanelMeta, Route, parts, text};
use detail::Detail;
use list::List;

/// The panel.
pub const META: PanelMeta = PanelMeta {
    id: super::CONSUMERS,
    title: "Consumers",
    icon: icons::USERS_THREE,
    help: "Consumer groups with members, assignment and lag; each verdict names its evidence",
    make: || Box::new(ConsumersPanel::default()),
};

/// The list, or one group's detail over it.
#[derive(Default)]
struct ConsumersPanel {
    list: List,
    detail: Option<Detail>,
    /// The group that is about to be deleted.
    deleting: Option<GroupId>,
}

/// What the list or the detail wants of the panel.
enum Wish {
    Open(GroupId),
    Back,
    Delete(GroupId),
}

impl Panel for ConsumersPanel {
    fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        match cx.arrival.take() {
            Some(Route::Group(id)) => self.detail = Some(Detail::new(id)),
            Some(Route::Panel(_)) => self.detail = None,
            _ => {}
        }
        let wish = parts::screen(ui, |ui| match &mut self.detail {
            Some(detail) => detail.ui(ui, cx),
            None => self.list.ui(ui, cx),
        });
        match wish {
            Some(Wish::Open(id)) => self.detail = Some(Detail::new(id)),
            Some(Wish::Back) => self.detail = None,
            Some(Wish::Delete(id)) => self.deleting = Some(id),
            None => {}
        }
        if let Some(id) = self.deleting.clone()
            && delete_ui(ui, cx, &id)
        {
            self.deleting = None;
        }
    }
}

/// Asks once more before a group goes; true when the dialog is done.
fn delete_ui(ui: &Ui, cx: &mut PanelContext<'_>, id: &GroupId) -> bool {
    let store = cx.store;
    let group = store.groups.value().and_then(|groups| groups.group(id));
    let members = group.map_or(0, |group| group.members.len());
    let commits = group.map_or(0, |group| group.partitions.iter().filter(|partition| partition.committed_offset.is_some()).count());
    let mut is_done = false;
    let wants_out = parts::dialog(ui, "delete group", &format!("Delete group {id}?"), |ui| {
        if members > 0 {
            let note = format!(
                "It has {}. Kafka deletes only empty groups: stop its consumers first.",
                text::counted(members as u64, "active member")
            );
            widgets::icon_text(ui, icons::WARNING, &note, Tone::Warning);
        } else {
            let cluster = store.connection.cluster().map_or("the cluster", Cluster::label);
            let note = format!(
                "This forgets its committed offsets of {} on {cluster}. It can't be undone.",
                text::counted(commits as u64, "partition")
            );
            widgets::icon_text(ui, icons::WARNING, &note, Tone::Danger);
            widgets::subdued(ui, "A consumer that comes back begins where its auto.offset.reset says.");
        }
        ui.add_space(8.0);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add_enabled_ui(members == 0, |ui| {
                if widgets::danger_button(ui, "Delete group").clicked() {
                    cx.request(Request::DeleteGroup(id.clone()));
                    is_done = true;
                }
            });
            is_done |= widgets::secondary_button(ui, "Cancel").clicked();
        });
    });
    wants_out || is_done
}
