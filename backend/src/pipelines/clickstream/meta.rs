//! The card.

use weir_model::{Availability, FaultMeta, ParamMeta, PipelineMeta};

use crate::{
    pipelines::{
        clickstream::{
            scenarios::SCENARIOS,
            settings::{
                ATTRIBUTION_APP, DISORDER, GRACE, GRACE_MS, GROUP, ID, OFFER_TAKERS, RECOMMENDER_APP, SESSION_GAP, SESSION_GAP_MS, SKEW,
                TOPICS,
            },
        },
        shape::Scenario,
    },
    sim::clickstream::{self as sim, CROWD_MS, DISORDER_MS, OFFLINE_EVENT_MS, SPIKE_FACTOR, SPIKE_MS},
};

/// The fault that multiplies the rate.
pub(super) const TRAFFIC_SPIKE: &str = "traffic_spike";
/// The fault that holds phones' events back.
pub(super) const PHONES_OFFLINE: &str = "phones_offline";
/// The fault that sends robots.
pub(super) const BOT_SWARM: &str = "bot_swarm";
/// The fault that makes one key hot.
pub(super) const CELEBRITY_KEY: &str = "celebrity_key";
/// The speed of event time by default: a gap of 30 minutes passes in 30 seconds.
const SPEED: f64 = 60.0;

/// What the card shows.
pub fn meta() -> PipelineMeta {
    let param = |name: &str, label: &str, unit: &str, min, max, default, is_live| ParamMeta {
        name: name.into(),
        label: label.into(),
        unit: unit.into(),
        min,
        max,
        default,
        is_live,
    };
    let spike =
        format!("{SPIKE_FACTOR} times the traffic (at most 100,000 events/s) for {} s: rates jump, lag must stay near 0", SPIKE_MS / 1_000);
    let offline = format!(
        "Three phones in ten hold their events back for {} minutes of event time, then send all at once: sessions take them in, windows of \
         counts are closed and drop them. Some owners go on elsewhere when a session's gap is over: the phone's events make both one",
        OFFLINE_EVENT_MS / 60_000
    );
    PipelineMeta {
        id: ID.into(),
        title: "Clickstream".into(),
        story: "Every click of a web shop as it happens: sessions, funnel, top pages and an A/B test, in event time".into(),
        availability: Availability::Ready,
        topics: TOPICS.map(Into::into).into(),
        groups: [GROUP, RECOMMENDER_APP, ATTRIBUTION_APP].map(Into::into).into(),
        params: vec![
            param("rate_per_s", "Rate", "events/s", 10.0, 50_000.0, 1_000.0, true),
            param("speed", "Event time", "x the clock", 1.0, 1_000.0, SPEED, false),
            param(SESSION_GAP, "Session gap", "s", 1.0, 86_400.0, (SESSION_GAP_MS / 1_000) as f64, false),
            param(GRACE, "Grace", "s", 0.0, 3_600.0, (GRACE_MS / 1_000) as f64, false),
            param(DISORDER, "Disorder", "s", 0.0, 600.0, (DISORDER_MS / 1_000) as f64, false),
            param(OFFER_TAKERS, "Offers taken", "of carts left", 0.0, 1.0, sim::OFFER_TAKERS, false),
            param(SKEW, "Skew of items", "", 0.0, 3.0, sim::SKEW, false),
            param("seed", "Seed", "", 0.0, f64::from(u32::MAX), 42.0, false),
        ],
        faults: vec![
            FaultMeta {
                id: TRAFFIC_SPIKE.into(),
                label: "Traffic spike".into(),
                effect: spike.into(),
                heals_after_ms: SPIKE_MS,
                knobs: Vec::new(),
            },
            FaultMeta {
                id: PHONES_OFFLINE.into(),
                label: "Phones offline".into(),
                effect: offline.into(),
                heals_after_ms: OFFLINE_EVENT_MS.unsigned_abs() / SPEED as u64,
                knobs: Vec::new(),
            },
            FaultMeta {
                id: BOT_SWARM.into(),
                label: "Bot swarm".into(),
                effect: "Robots ask for pages far faster than people: each is named within seconds, and left out of the A/B test".into(),
                heals_after_ms: CROWD_MS,
                knobs: Vec::new(),
            },
            FaultMeta {
                id: CELEBRITY_KEY.into(),
                label: "Celebrity key".into(),
                effect:
                    "Everybody uses one account: its partition takes most of the events, and no person is so fast, so it is named a robot"
                        .into(),
                heals_after_ms: CROWD_MS,
                knobs: Vec::new(),
            },
            FaultMeta {
                id: "kill_processor".into(),
                label: "Kill a processor".into(),
                effect: "A thread of each application dies in its transaction: another goes on, every figure stays exact".into(),
                heals_after_ms: 5_000,
                knobs: Vec::new(),
            },
        ],
        scenarios: SCENARIOS.iter().map(Scenario::meta).collect(),
        sabotages: Vec::new(), // the list of pipelines adds the shape's
        checks: Vec::new(),    // the same
    }
}
