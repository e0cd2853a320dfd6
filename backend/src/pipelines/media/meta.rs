//! The card.

use std::sync::Arc;

use weir_model::{Availability, KnobKind, KnobMeta, PipelineMeta};

use super::{
    scenarios::SCENARIOS,
    settings::{
        ADS_APP, BILLING_APP, BUDGET_APP, DISORDER_SETTING, ENGAGEMENT_APP, ID, INCIDENTS_APP, INPUTS, LIVE_APP, QOE_APP, REMEDIES_SETTING,
        RESULTS, VIEWS_MIN, VIEWS_MIN_SETTING,
    },
};
use crate::{
    pipelines::{
        card::{fault, param},
        shape::Scenario,
    },
    sim::media::{APPS, CDNS, DEVICES, DISORDER_MAX_MS, ISPS, REGIONS, ROOMS, TITLES, room_name, title_id},
};

/// The title with bad renditions, unless another is named: liked, but too few watch it to move the service's figures.
pub(super) const BAD_ENCODE_TITLE: &str = "title-07";
/// Faults: name, label, for how long by default, and what will be seen.
pub(super) const FAULTS: [(&str, &str, i64, &str); 10] = [
    (
        "cdn_down",
        "CDN down",
        45_000,
        "A CDN delivers nothing (knobs cdn, region): within seconds an incident names it, players move to another CDN, stalls fall",
    ),
    ("isp_congested", "Network jammed", 45_000, "A network is jammed (knobs isp, region): an incident names it, bitrates are capped there"),
    ("peering", "Peering broken", 45_000, "A CDN and a network lose each other (knobs cdn, isp, region): an incident names both"),
    (
        "bad_release",
        "Bad release",
        45_000,
        "A release fails on one device (knobs app, device): an incident names both, the app is rolled back",
    ),
    (
        "bad_encode",
        "Bad encode of a title",
        45_000,
        "A title stalls on everything (knob title): its bad reports rise, it leaves the home row, and comes back when it plays again",
    ),
    (
        "ad_server_slow",
        "Ad server slow",
        20_000,
        "Requests wait for seconds: decisions take longer, fewer requests get an ad in time, and it heals when the queue is empty",
    ),
    ("chat_raid", "Chat raid", 20_000, "Bots flood a room (knob room): messages rise, and are hidden"),
    ("goal_moment", "Goal", 15_000, "Everybody in a room cheers (knob room): fifty times the emoji, more events a second, the mood rises"),
    (
        "ad_budget_race",
        "Ad budget race",
        20_000,
        "Everybody asks for an ad, and one dear campaign wants them all: not a cent beyond its budget",
    ),
    (
        "kill_processor",
        "Kill processors",
        5_000,
        "A thread of each application dies in its transaction: another goes on, every figure stays exact",
    ),
];

/// What the card shows.
pub fn meta() -> PipelineMeta {
    let groups = [QOE_APP, INCIDENTS_APP, ENGAGEMENT_APP, LIVE_APP, ADS_APP, BUDGET_APP, BILLING_APP];
    PipelineMeta {
        id: ID.into(),
        title: "Media streaming".into(),
        story: "Players by the thousand: an incident is found within seconds, its cause named, and the players moved out of its way".into(),
        availability: Availability::Ready,
        topics: INPUTS.iter().chain(&RESULTS).map(|name| (*name).into()).collect(),
        groups: groups.map(Into::into).into(),
        params: vec![
            param("rate_per_s", "Rate", "events/s", 50.0, 20_000.0, 1_000.0, true),
            param("speed", "Event time", "x the clock", 1.0, 1.0, 1.0, false),
            param(VIEWS_MIN_SETTING, "Views of an incident", "views", 5.0, 10_000.0, VIEWS_MIN, false),
            param(REMEDIES_SETTING, "Remedies: 1 on, 0 off", "", 0.0, 1.0, 1.0, false),
            param(DISORDER_SETTING, "Records late by at most", "ms", 0.0, 10_000.0, DISORDER_MAX_MS as f64, false),
            param("seed", "Seed", "", 0.0, f64::from(u32::MAX), 42.0, false),
        ],
        faults: FAULTS.map(|row| fault(row, knobs)).into(),
        scenarios: SCENARIOS.iter().map(Scenario::meta).collect(),
        sabotages: Vec::new(), // the list of pipelines adds the shape's
        checks: Vec::new(),    // the same
    }
}

/// What can be chosen of a fault.
fn knobs(fault: &str) -> Vec<KnobMeta> {
    fn one_of<T: Into<Arc<str>>>(name: &str, label: &str, default: &str, all: impl IntoIterator<Item = T>) -> KnobMeta {
        KnobMeta::new(name, label, default, KnobKind::OneOf(all.into_iter().map(Into::into).collect()))
    }
    let cdn = || one_of("cdn", "CDN", CDNS[1].0, CDNS.map(|(name, _)| name));
    let isp = || one_of("isp", "Network", ISPS[2].0, ISPS.map(|(name, ..)| name));
    let region = || one_of("region", "Region", "any", REGIONS.map(|(name, _)| name));
    let room = || one_of("room", "Room", room_name(0).as_str(), (0..ROOMS).map(|room| room_name(room).0));
    let app = || one_of("app", "Release", APPS[0].0, APPS.map(|(name, _)| name));
    let device = || one_of("device", "Device", DEVICES[1].0, DEVICES.map(|(name, ..)| name));
    match fault {
        "cdn_down" => vec![cdn(), region()],
        "isp_congested" => vec![isp(), region()],
        "peering" => vec![cdn(), isp(), region()],
        "bad_release" => vec![app(), device()],
        "bad_encode" => vec![one_of("title", "Title", BAD_ENCODE_TITLE, (0..TITLES).map(|title| title_id(title).0))],
        "chat_raid" | "goal_moment" => vec![room()],
        _ => Vec::new(),
    }
}
