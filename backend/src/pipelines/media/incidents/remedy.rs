//! What players are told to do about an incident.

use crate::{
    pipelines::media::{rca::Leaf, records::Incident},
    sim::media::{APPS, PlayerAction, PlayerCommand},
};

/// How long players obey; if the fault is still there then, it is found again.
const OBEY_MS: i64 = 180_000;
/// The bitrate that a jammed network still carries, kbit/s.
const CAPPED_KBIT_S: u32 = 1_200;

/// The command for the players an incident is about; `None` when nothing is known that helps.
pub(super) fn choose(
    incident: &Incident,
    dimensions: &[String],
    names: &[Vec<String>],
    leaves: &[Leaf],
    now_ms: i64,
) -> Option<PlayerCommand> {
    let attributes = &incident.cause.attributes;
    let value_of = |name: &str| attributes.iter().find(|(dimension, _)| dimension == name).map(|(_, value)| value.as_str());
    let action = if let Some(cdn) = value_of("cdn") {
        PlayerAction::SwitchCdn { to: healthiest_cdn(attributes, cdn, dimensions, names, leaves)? }
    } else if let Some(app_version) = value_of("app_version") {
        PlayerAction::RollBackApp { to: APPS.iter().map(|(name, _)| *name).find(|name| *name != app_version)?.to_owned() }
    } else if value_of("isp").is_some() {
        PlayerAction::CapBitrate { kbit_s: CAPPED_KBIT_S }
    } else {
        return None;
    };
    Some(PlayerCommand {
        command_id: format!("{}-1", incident.incident_id),
        incident_id: incident.incident_id.clone(),
        attributes: attributes.clone(),
        action,
        until_ms: now_ms + OBEY_MS,
        ts: now_ms,
    })
}

/// What a command does, for people.
pub(super) fn describe(command: &PlayerCommand) -> String {
    match &command.action {
        PlayerAction::SwitchCdn { to } => format!("players moved to {to}"),
        PlayerAction::CapBitrate { kbit_s } => format!("bitrate capped at {kbit_s} kbit/s"),
        PlayerAction::RollBackApp { to } => format!("app rolled back to {to}"),
    }
}

/// The CDN that fails least for the same viewers.
fn healthiest_cdn(
    attributes: &[(String, String)],
    sick: &str,
    dimensions: &[String],
    names: &[Vec<String>],
    leaves: &[Leaf],
) -> Option<String> {
    let at_cdn = dimensions.iter().position(|name| name == "cdn")?;
    let value_of = |leaf: &Leaf, at: usize| names.get(at).and_then(|names| names.get(leaf.values[at] as usize)).cloned();
    let others = attributes.iter().filter(|(name, _)| name != "cdn");
    let others: Vec<_> = others.filter_map(|(name, value)| Some((dimensions.iter().position(|known| known == name)?, value))).collect();
    let rate_of = |cdn: &String| {
        let of_cdn = leaves.iter().filter(|leaf| value_of(leaf, at_cdn).as_ref() == Some(cdn));
        let same = of_cdn.filter(|leaf| others.iter().all(|(at, value)| value_of(leaf, *at).as_ref() == Some(value)));
        let (failures, total) = same.fold((0.0, 0.0), |(failures, total), leaf| (failures + leaf.failures, total + leaf.total));
        // Without views nothing is known, and one in two is assumed to fail.
        (failures + 1.0) / (total + 2.0)
    };
    let healthy = names.get(at_cdn)?.iter().filter(|cdn| *cdn != sick);
    healthy.min_by(|a, b| rate_of(a).total_cmp(&rate_of(b))).cloned()
}
