//! What players are told to do about an incident.

use crate::{
    pipelines::media::{rca::Leaf, records::Incident},
    sim::media::{PlayerAction, PlayerCommand},
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
        PlayerAction::SwitchCdn { to: healthiest(&Sick { attributes, dimension: "cdn", value: cdn }, dimensions, names, leaves)? }
    } else if let Some(app_version) = value_of("app_version") {
        PlayerAction::RollBackApp {
            to: newest_healthy(&Sick { attributes, dimension: "app_version", value: app_version }, dimensions, names, leaves)?,
        }
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

/// The dimension in which a command moves players elsewhere.
pub(super) fn moves(command: &PlayerCommand) -> Option<&'static str> {
    match command.action {
        PlayerAction::SwitchCdn { .. } => Some("cdn"),
        PlayerAction::RollBackApp { .. } => Some("app_version"),
        PlayerAction::CapBitrate { .. } => None,
    }
}

/// What a command does, for people.
pub(super) fn describe(command: &PlayerCommand) -> String {
    match &command.action {
        PlayerAction::SwitchCdn { to } => format!("players moved to {to}"),
        PlayerAction::CapBitrate { kbit_s } => format!("bitrate capped at {kbit_s} kbit/s"),
        PlayerAction::RollBackApp { to } => format!("app rolled back to {to}"),
    }
}

/// What fails, by the value of the dimension in which players can be moved.
struct Sick<'a> {
    attributes: &'a [(String, String)],
    dimension: &'a str,
    value: &'a str,
}

/// The value that fails least for the same viewers.
fn healthiest(sick: &Sick<'_>, dimensions: &[String], names: &[Vec<String>], leaves: &[Leaf]) -> Option<String> {
    let rates = rates(sick, dimensions, names, leaves)?.into_iter().filter(|(value, _)| value != sick.value);
    rates.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(value, _)| value)
}

/// The newest version that fails at most half as often for the same viewers; else the one that fails least.
fn newest_healthy(sick: &Sick<'_>, dimensions: &[String], names: &[Vec<String>], leaves: &[Leaf]) -> Option<String> {
    let rates = rates(sick, dimensions, names, leaves)?;
    let sick_rate = rates.iter().find(|(value, _)| value == sick.value).map_or(1.0, |(_, rate)| *rate);
    let healthy = rates.iter().filter(|(value, rate)| value != sick.value && *rate <= sick_rate / 2.0);
    let newest = healthy.max_by_key(|(value, _)| version(value)).map(|(value, _)| value.clone());
    newest.or_else(|| healthiest(sick, dimensions, names, leaves))
}

/// The numbers of a version, so that 8.10 is newer than 8.9.
fn version(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// How often each value of a dimension fails for the same viewers.
fn rates(sick: &Sick<'_>, dimensions: &[String], names: &[Vec<String>], leaves: &[Leaf]) -> Option<Vec<(String, f64)>> {
    let at_value = dimensions.iter().position(|name| name == sick.dimension)?;
    let name_of = |leaf: &Leaf, at: usize| names.get(at).and_then(|names| names.get(leaf.values[at] as usize));
    let others = sick.attributes.iter().filter(|(name, _)| name != sick.dimension);
    let others: Vec<_> = others.filter_map(|(name, value)| Some((dimensions.iter().position(|known| known == name)?, value))).collect();
    let rate_of = |value: &String| {
        let of_value = leaves.iter().filter(|leaf| name_of(leaf, at_value) == Some(value));
        let same = of_value.filter(|leaf| others.iter().all(|(at, value)| name_of(leaf, *at) == Some(value)));
        let (failures, total) = same.fold((0.0, 0.0), |(failures, total), leaf| (failures + leaf.failures, total + leaf.total));
        // Without views nothing is known, and one in two is assumed to fail.
        (failures + 1.0) / (total + 2.0)
    };
    Some(names.get(at_value)?.iter().map(|value| (value.clone(), rate_of(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_rolled_back_to_the_newest_that_is_healthy() {
        let of = |text: &str| text.to_owned();
        let dimensions = [of("app_version"), of("device")];
        let names = [["8.9", "8.10", "8.11", "8.2"].map(of).to_vec(), vec![of("tv"), of("web")]];
        let attributes = [(of("app_version"), of("8.11")), (of("device"), of("tv"))];
        let check = |failures: [f64; 4], expect: &str| {
            let leaf = |values: [u32; 2], failures| Leaf { values: values.into(), total: 100.0, failures, expected: 1.0, wander: 1.0 };
            let on_tv = failures.iter().enumerate().map(|(at, failures)| leaf([at as u32, 0], *failures));
            let leaves: Vec<_> = on_tv.chain([leaf([1, 1], 100.0)]).collect();
            let sick = Sick { attributes: &attributes, dimension: "app_version", value: "8.11" };
            assert_eq!(newest_healthy(&sick, &dimensions, &names, &leaves).as_deref(), Some(expect), "{failures:?}");
        };
        check([1.0, 1.0, 50.0, 1.0], "8.10");
        check([2.0, 40.0, 50.0, 1.0], "8.9");
        check([45.0, 46.0, 50.0, 44.0], "8.2");
    }
}
