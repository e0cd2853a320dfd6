//! The first card: which cluster this is, its address to copy, and commands to try against it.

use egui::Ui;
use weir_model::{Cluster, ConnectionState};
use weir_ui_kit::widgets::{Tone, copy_field, section, skeleton, status_dot, subdued};

use crate::panels::{
    Command, PanelContext,
    grid::{LastCell, cell_card, grid},
};

/// The address and the commands share the row evenly.
const SPANS: [u8; 2] = [6, 6];
/// Rows of the outline while the broker starts.
const SKELETON_ROWS: usize = 2;
/// The topic of the commands to try.
const TOPIC: &str = "hello";

pub(super) fn ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let store = cx.store;
    grid(ui, "cluster", &SPANS, LastCell::Grows, |ui, cell, height| {
        cell_card(ui, height, |ui| match cell {
            0 => address(ui, &store.connection, cx),
            _ => commands(ui, &store.connection, cx),
        })
    });
}

fn address(ui: &mut Ui, connection: &ConnectionState, cx: &mut PanelContext<'_>) {
    let (text, tone) = match connection {
        ConnectionState::Connected { cluster: Cluster::Local, .. } => ("Embedded broker running".to_owned(), Tone::Ok),
        ConnectionState::Connected { .. } => ("Connected".to_owned(), Tone::Ok),
        ConnectionState::Connecting(Cluster::Local) => ("Embedded broker starting …".to_owned(), Tone::Info),
        ConnectionState::Connecting(cluster) => (format!("Connecting to {} …", cluster.label()), Tone::Info),
        ConnectionState::Failed { cluster, .. } => (format!("{} does not answer", cluster.label()), Tone::Danger),
        ConnectionState::Idle => ("Not connected".to_owned(), Tone::Neutral),
    };
    status_dot(ui, &text, tone);
    let ConnectionState::Connected { bootstrap, data_dir, .. } = connection else {
        waiting(ui, connection);
        return;
    };
    subdued(ui, "Bootstrap address for every Kafka client");
    copy(ui, bootstrap, "Bootstrap address", cx);
    if let Some(data_dir) = data_dir {
        subdued(ui, "Data folder");
        copy(ui, data_dir, "Data folder", cx);
    }
}

fn commands(ui: &mut Ui, connection: &ConnectionState, cx: &mut PanelContext<'_>) {
    section(ui, "Try it from a terminal");
    let ConnectionState::Connected { cluster, bootstrap, .. } = connection else {
        waiting(ui, connection);
        return;
    };
    let kcat = kcat(cluster, bootstrap);
    for (arguments, what) in [
        (format!("-P -t {TOPIC}"), "Command to write messages"),
        (format!("-C -t {TOPIC}"), "Command to read messages"),
        (format!("-G mygroup {TOPIC}"), "Command to read as a group"),
    ] {
        copy(ui, &format!("{kcat} {arguments}"), what, cx);
    }
}

/// The outline of what comes; nothing comes where nobody answers, as the banner above says.
fn waiting(ui: &mut Ui, connection: &ConnectionState) {
    match connection {
        ConnectionState::Failed { .. } => drop(subdued(ui, "Shown once the cluster answers.")),
        _ => skeleton(ui, SKELETON_ROWS),
    }
}

/// kcat with the cluster's address. Values of properties may be passwords, so only names are shown.
fn kcat(cluster: &Cluster, bootstrap: &str) -> String {
    let properties = match cluster {
        Cluster::Local => &[][..],
        Cluster::Remote { properties, .. } => properties,
    };
    let options: String = properties.iter().map(|property| format!(" -X {}=…", property.name)).collect();
    format!("kcat -b {bootstrap}{options}")
}

fn copy(ui: &mut Ui, text: &str, what: &'static str, cx: &mut PanelContext<'_>) {
    if copy_field(ui, text, what) {
        cx.push(Command::Copy { text: text.to_owned(), what });
    }
}
