//! Choosing a cluster: the embedded broker, one used lately, or another by address and librdkafka's properties.

use egui::{Context, Modal, Ui};
use weir_model::{Cluster, ClusterProperty, ConnectionState, Secret};
use weir_ui_kit::{
    icons,
    widgets::{Failure, Tone, badge, error_state, labelled_field, primary_button, secondary_button, section, subdued},
};

use super::settings::RecentCluster;
use crate::panels::Command;

/// An open menu with what was typed into it. Lives in memory only: properties may be secrets.
#[derive(Default)]
pub(super) struct ClusterMenu {
    bootstrap: String,
    properties: String,
    complaint: String,
}

impl ClusterMenu {
    /// Draws it. False when it is to close.
    pub(super) fn ui(
        &mut self,
        ctx: &Context,
        connection: &ConnectionState,
        recent: &[RecentCluster],
        commands: &mut Vec<Command>,
    ) -> bool {
        let mut chosen = None;
        let modal = Modal::new(egui::Id::unique("cluster menu")).show(ctx, |ui| {
            ui.set_width(520.0_f32.min(ui.ctx().content_rect().width() - 64.0));
            section(ui, "Cluster");
            if let ConnectionState::Failed { problem, cluster } = connection
                && error_state(ui, Failure { what: &problem.what, why: &problem.why, what_to_do: &problem.what_to_do })
            {
                chosen = Some(cluster.clone());
            }
            ui.horizontal(|ui| {
                if secondary_button(ui, &format!("{}  Local: the embedded broker", icons::HARD_DRIVES)).clicked() {
                    chosen = Some(Cluster::Local);
                }
                if matches!(connection.cluster(), Some(Cluster::Local)) {
                    badge(ui, icons::CHECK, "in use", Tone::Ok);
                }
            });
            for recent in recent {
                self.recent(ui, recent, &mut chosen);
            }
            ui.separator();
            self.form(ui, &mut chosen);
        });
        let is_done = chosen.is_some();
        commands.extend(chosen.map(Command::Connect));
        !is_done && !modal.should_close()
    }

    fn recent(&mut self, ui: &mut Ui, recent: &RecentCluster, chosen: &mut Option<Cluster>) {
        if !secondary_button(ui, &format!("{}  {}", icons::PLUGS, recent.bootstrap)).clicked() {
            return;
        }
        match recent.cluster() {
            Some(cluster) => *chosen = Some(cluster),
            None => {
                self.bootstrap.clone_from(&recent.bootstrap);
                let kept = recent.properties.iter().map(|(name, value)| format!("{name}={value}\n"));
                self.properties = kept.chain(recent.secrets.iter().map(|name| format!("{name}=\n"))).collect();
                self.complaint = "Secrets are not kept: fill in the empty properties".to_owned();
            }
        }
    }

    fn form(&mut self, ui: &mut Ui, chosen: &mut Option<Cluster>) {
        labelled_field(ui, "Bootstrap address", &mut self.bootstrap, "HOST:PORT[,HOST:PORT …]");
        let name = subdued(ui, "librdkafka properties, one a line, as after -X; needed for TLS and SASL");
        let edit = egui::TextEdit::multiline(&mut self.properties)
            .hint_text("security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.username=…\nsasl.password=…")
            .desired_rows(4)
            .desired_width(f32::INFINITY)
            .font(egui::TextStyle::Monospace);
        ui.add(edit).labelled_by(name.id);
        if !self.complaint.is_empty() {
            ui.colored_label(weir_ui_kit::tokens(ui).meaning.warning, &self.complaint);
        }
        if primary_button(ui, "Connect").clicked() {
            match parse(&self.bootstrap, &self.properties) {
                Ok(cluster) => *chosen = Some(cluster),
                Err(complaint) => self.complaint = complaint,
            }
        }
    }
}

fn parse(bootstrap: &str, properties: &str) -> Result<Cluster, String> {
    let bootstrap = bootstrap.trim();
    if bootstrap.is_empty()
        || bootstrap
            .split(',')
            .any(|part| part.trim().rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()))
    {
        return Err("The address has to be HOST:PORT, or several with commas".to_owned());
    }
    let lines = properties.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let properties = lines.map(|line| {
        let line = line.strip_prefix("-X").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or_else(|| "Each property has to be name=value".to_owned())?;
        Ok(ClusterProperty { name: name.trim().into(), value: Secret::new(value.trim()) })
    });
    Ok(Cluster::Remote { bootstrap: bootstrap.into(), properties: properties.collect::<Result<_, String>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_cluster_or_a_complaint() {
        assert!(parse("", "").is_err());
        assert!(parse("host", "").is_err());
        assert!(parse("host:99999", "").is_err());
        assert!(parse("host:9092", "no equals sign").is_err());
        let Ok(Cluster::Remote { bootstrap, properties }) =
            parse(" a:1,b:2 ", "# comment\n-X security.protocol=SSL\nsasl.password = p=q \n")
        else {
            panic!("valid")
        };
        assert_eq!(&*bootstrap, "a:1,b:2");
        assert_eq!((&*properties[1].name, properties[1].value.reveal()), ("sasl.password", "p=q"));
    }
}
