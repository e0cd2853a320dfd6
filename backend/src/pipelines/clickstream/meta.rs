//! The card.

use weir_model::{Availability, PipelineMeta};

use crate::{
    pipelines::{
        card::{fault, param},
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
    let spike =
        format!("{SPIKE_FACTOR} times the traffic (at most 100,000 events/s) for {} s: rates jump, lag must stay near 0", SPIKE_MS / 1_000);
    let offline = format!(
        "Three phones in ten hold their events back for {} minutes of event time, then send all at once: sessions take them in, windows of \
         counts are closed and drop them. Some owners go on elsewhere when a session's gap is over: the phone's events make both one",
        OFFLINE_EVENT_MS / 60_000
    );
    let as_ms = |for_ms: u64| i64::try_from(for_ms).unwrap_or(i64::MAX);
    let faults = [
        (TRAFFIC_SPIKE, "Traffic spike", as_ms(SPIKE_MS), spike.as_str()),
        (PHONES_OFFLINE, "Phones offline", OFFLINE_EVENT_MS / SPEED as i64, &offline),
        (
            BOT_SWARM,
            "Bot swarm",
            as_ms(CROWD_MS),
            "Robots ask for pages far faster than people: each is named within seconds, and left out of the A/B test",
        ),
        (
            CELEBRITY_KEY,
            "Celebrity key",
            as_ms(CROWD_MS),
            "Everybody uses one account: its partition takes most of the events, and no person is so fast, so it is named a robot",
        ),
        (
            "kill_processor",
            "Kill a processor",
            5_000,
            "A thread of each application dies in its transaction: another goes on, every figure stays exact",
        ),
    ];
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
        faults: faults.map(|row| fault(row, |_| Vec::new())).into(),
        scenarios: SCENARIOS.iter().map(Scenario::meta).collect(),
        sabotages: Vec::new(), // the list of pipelines adds the shape's
        checks: Vec::new(),    // the same
    }
}
