//! The viewers as a run drives them: records when they are due, faults with their knobs, and what players hear.

use std::sync::Arc;

use serde::Serialize;

use super::{
    meta::{BAD_ENCODE_TITLE, FAULTS},
    settings::{
        AD_DECISIONS, AD_EVENTS, AD_REQUESTS, CAMPAIGNS, CHAT, COMMANDS, HOME_ROW, PARTITIONS, PLAYBACK, PRESENCE, PRESENT_MS, QOE,
        REACTIONS, TITLES_TABLE, TRUTH,
    },
};
use crate::{
    pipelines::shape::{Command, Emit, EmitRecord, Observed, RunParams, World},
    sim::media::{
        APPS, AdRequest, CDNS, DEVICES, FaultKind, Generator, GeneratorParams, ISPS, Presence, PresenceAction, REGIONS, ROOMS, RoomId,
        TITLES, Topic, TruthRecord, ViewerId, campaigns, room_name, title_id, titles,
    },
};

/// The world of a run.
pub(super) struct Viewers {
    generator: Generator,
}

/// The catalogue and the campaigns of a run, before anybody watches or asks for an ad.
pub(super) fn tell_tables(run: &RunParams, out: &mut Emit) {
    for title in titles(run.params.seed) {
        out.send(TITLES_TABLE, title.video_id.0.clone(), json(&title), run.start_at.0);
    }
    for campaign in campaigns(run.params.seed, run.start_at.0) {
        out.send(CAMPAIGNS, campaign.campaign_id.0.clone(), json(&campaign), run.start_at.0);
    }
}

impl Viewers {
    pub(super) fn new(params: GeneratorParams) -> Self {
        Self { generator: Generator::new(params) }
    }

    fn tell_truth(&mut self, out: &mut Emit) {
        for truth in self.generator.take_truth() {
            out.send(TRUTH, "truth", json(&truth), self.generator.now_ms());
        }
    }
}

impl World for Viewers {
    fn due_ns(&self) -> u128 {
        self.generator.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        let record = self.generator.generate();
        out.send(topic_of(record.topic), record.key, record.value, record.timestamp_ms);
        self.tell_truth(out);
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.generator.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.generator.events()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        let (kind, for_ms) = fault_of(command)?;
        self.generator.inject(kind, for_ms);
        Some(for_ms)
    }

    fn hears(&self) -> Vec<Arc<str>> {
        [COMMANDS, AD_DECISIONS, HOME_ROW].map(Into::into).into()
    }

    fn hear(&mut self, record: &Observed<'_>) {
        let Some(value) = record.value else { return };
        // Whoever else writes to these topics may write nonsense; players do not listen to it.
        match record.topic {
            COMMANDS => serde_json::from_slice(value).map(|command| self.generator.command(command)).unwrap_or_default(),
            AD_DECISIONS => serde_json::from_slice(value).map(|decision| self.generator.ad_decided(&decision)).unwrap_or_default(),
            HOME_ROW => serde_json::from_slice(value).map(|row| self.generator.home_row(&row)).unwrap_or_default(),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Emit) {
        self.tell_truth(out);
        let now_ms = self.generator.now_ms();
        out.send(TRUTH, "truth", json(&TruthRecord::Totals(self.generator.truth().clone())), now_ms);
        // Time goes on in every partition, so that the last windows of the rooms close; nobody is in this room.
        let ts = now_ms + PRESENT_MS / 2;
        let nobody = Presence { room: RoomId::default(), user_id: ViewerId::default(), action: PresenceAction::Leave, ts };
        // Nor asks for an ad: whoever waits for a slow server gets an answer.
        let nothing = AdRequest { ts, ..AdRequest::default() };
        for (topic, value) in [(PRESENCE, json(&nobody)), (AD_REQUESTS, json(&nothing))] {
            for partition in 0..PARTITIONS {
                let (partition, key, value) = (Some(partition), Some(Vec::new()), Some(value.clone()));
                out.push(EmitRecord { topic, partition, key, value, timestamp_ms: ts });
            }
        }
    }
}

/// The topic of a kind of record.
pub(super) fn topic_of(topic: Topic) -> &'static str {
    match topic {
        Topic::Qoe => QOE,
        Topic::Playback => PLAYBACK,
        Topic::Presence => PRESENCE,
        Topic::Chat => CHAT,
        Topic::Reactions => REACTIONS,
        Topic::AdRequests => AD_REQUESTS,
        Topic::AdEvents => AD_EVENTS,
    }
}

/// A fault with its knobs, and for how long; `None` for one that is not known, or not so.
fn fault_of(command: &Command) -> Option<(FaultKind, i64)> {
    let (name, _, default_ms, _) = FAULTS.iter().find(|(name, ..)| *name == command.fault.as_str())?;
    let knob = |name: &str| command.knobs.get(name).map(String::as_str);
    let for_ms = match knob("for") {
        Some(text) => text.trim_end_matches('s').parse::<i64>().ok().filter(|seconds| (1..=3_600).contains(seconds))? * 1_000,
        None => *default_ms,
    };
    let cdn = || one_of(&CDNS.map(|(name, _)| name), knob("cdn"), 1);
    let isp = || one_of(&ISPS.map(|(name, ..)| name), knob("isp"), 2);
    let region = || knob("region").map_or(Some(None), |_| one_of(&REGIONS.map(|(name, _)| name), knob("region"), 0).map(Some));
    let title = || (0..TITLES).find(|number| title_id(*number).as_str() == knob("title").unwrap_or(BAD_ENCODE_TITLE));
    let room = || (0..ROOMS).find(|number| knob("room").is_none_or(|room| room == room_name(*number).as_str()));
    let kind = match *name {
        "cdn_down" => FaultKind::CdnDown { cdn: cdn()?, region: region()? },
        "isp_congested" => FaultKind::IspCongested { isp: isp()?, region: region()? },
        "peering" => FaultKind::Peering { cdn: cdn()?, isp: isp()?, region: region()? },
        "bad_release" => {
            let app_version = one_of(&APPS.map(|(name, _)| name), knob("app"), 0)?;
            FaultKind::BadRelease { app_version, device: one_of(&DEVICES.map(|(name, ..)| name), knob("device"), 1)? }
        }
        "bad_encode" => FaultKind::BadEncode { title: title()? },
        "ad_server_slow" => FaultKind::AdServerSlow,
        "chat_raid" => FaultKind::ChatRaid { room: room()? },
        "goal_moment" => FaultKind::GoalMoment { room: room()? },
        "ad_budget_race" => FaultKind::AdBudgetRace,
        _ => return None,
    };
    Some((kind, for_ms))
}

/// A name as it is, or its last part alone: `cdn-b`, `b` and `B` are the same.
fn one_of(names: &[&str], knob: Option<&str>, default: usize) -> Option<String> {
    let Some(wanted) = knob else { return names.get(default).map(|name| (*name).to_owned()) };
    let is_it =
        |name: &&&str| name.eq_ignore_ascii_case(wanted) || name.rsplit('-').next().is_some_and(|last| last.eq_ignore_ascii_case(wanted));
    names.iter().find(is_it).map(|name| (*name).to_owned())
}

/// Plain structures of texts and numbers always have a JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_the_card_is_known_with_and_without_knobs() {
        let of = |text: &str| fault_of(&Command::parse(&text.into()));
        for (name, _, default_ms, _) in FAULTS.iter().filter(|(name, ..)| *name != "kill_processor") {
            assert_eq!(of(name).map(|(_, for_ms)| for_ms), Some(*default_ms), "{name}");
        }
        let down = |cdn: &str, region: Option<&str>| FaultKind::CdnDown { cdn: cdn.to_owned(), region: region.map(str::to_owned) };
        assert_eq!(of("cdn_down:cdn=B,region=eu,for=30s"), Some((down("cdn-b", Some("eu")), 30_000)));
        assert_eq!(of("cdn_down:cdn=cdn-c"), Some((down("cdn-c", None), 45_000)));
        assert_eq!(of("chat_raid:room=chess"), Some((FaultKind::ChatRaid { room: 3 }, 20_000)));
        assert_eq!(of("bad_encode:title=title-03"), Some((FaultKind::BadEncode { title: 3 }, 45_000)));
        for wrong in [
            "bad_encode:title=title-99",
            "cdn_down:cdn=z",
            "cdn_down:region=mars",
            "chat_raid:room=kitchen",
            "cdn_down:for=never",
            "earthquake",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
