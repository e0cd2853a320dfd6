//! Guided demos.

use super::{
    records::{Merge, Stats},
    settings::{ATTRIBUTION, BOTS, MERGES, OFFERS, OFFERS_TAKEN, STATS},
};
use crate::pipelines::shape::{Act, Expectation, Scenario, Step};

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[BOT_SWARM, LATE_PHONES, ABANDONED_CARTS];

const BOT_SWARM: Scenario = Scenario {
    id: "bot_swarm",
    title: "A swarm of robots",
    story: "Robots flood the shop: each is named within seconds and left out of the A/B test; a processor dies, and nothing is lost",
    length_s: 25,
    steps: &[
        Step {
            at_s: 0,
            says: "A web shop, sixty times as fast as the clock. People look around, fill carts, pay.",
            acts: &[Act::Rate(200)],
            expects: None,
        },
        Step {
            at_s: 5,
            says: "Robots come and ask for page after page. Watch the robots: nobody can read that fast for that long.",
            acts: &[Act::Fault("bot_swarm")],
            expects: Some(Expectation { id: "robots_are_named", what: "a robot is named", within_s: 10, topic: BOTS, is_met_by: |_| true }),
        },
        Step {
            at_s: 15,
            says: "A processor is killed in its transaction. Another takes its partitions and goes on where the last commit was.",
            acts: &[Act::Fault("kill_processor")],
            expects: None,
        },
        Step {
            at_s: 16,
            says: "The windows of counts close as before, and at the end every figure is compared with a recomputation.",
            acts: &[],
            expects: Some(Expectation {
                id: "counting_goes_on",
                what: "windows of counts are closed again",
                within_s: 10,
                topic: STATS,
                is_met_by: |_| true,
            }),
        },
    ],
};

const LATE_PHONES: Scenario = Scenario {
    id: "late_phones",
    title: "Phones come back late",
    story: "Phones lose their connection and send everything at once: late events join sessions, or are counted as too late",
    length_s: 60,
    steps: &[
        Step {
            at_s: 0,
            says: "Events carry their own time. What arrives late belongs where it happened, not where it arrived.",
            acts: &[Act::Rate(200)],
            expects: None,
        },
        Step {
            at_s: 10,
            says: "Three phones in ten go offline. Some owners are back half an hour later, elsewhere: a second session. Watch the lanes.",
            acts: &[Act::Fault("phones_offline")],
            expects: Some(Expectation {
                id: "sessions_merge",
                what: "what a phone held back makes two sessions one",
                within_s: 50,
                topic: MERGES,
                is_met_by: |record| {
                    let merge = record.value.and_then(|value| serde_json::from_slice::<Merge>(value).ok());
                    merge.is_some_and(|merge| merge.parts.len() > 1)
                },
            }),
        },
        Step {
            at_s: 12,
            says: "After two minutes most phones are back, and send all they held. Watch the late and dropped counters.",
            acts: &[],
            expects: Some(Expectation {
                id: "late_events_are_counted",
                what: "events too late for their window of counts are counted",
                within_s: 15,
                topic: STATS,
                is_met_by: |record| {
                    let stats = record.value.and_then(|value| serde_json::from_slice::<Stats>(value).ok());
                    stats.is_some_and(|stats| stats.totals.window_late_dropped > 0)
                },
            }),
        },
    ],
};

const ABANDONED_CARTS: Scenario = Scenario {
    id: "abandoned_carts",
    title: "Carts left behind",
    story: "Who fills a cart and falls silent gets an offer while the session is open, and some come back for it; each purchase is credited to \
            the last advertisement",
    length_s: 40,
    steps: &[
        Step {
            at_s: 0,
            says: "Some fill a cart and pay. Some fill a cart and wander off.",
            acts: &[Act::Rate(200)],
            expects: Some(Expectation {
                id: "offers_are_made",
                what: "an offer goes to somebody whose cart was left for ten minutes",
                within_s: 25,
                topic: OFFERS,
                is_met_by: |_| true,
            }),
        },
        Step {
            at_s: 10,
            says: "Every purchase is joined with the advertisements its buyer followed within the hour before: the last one gets it.",
            acts: &[],
            expects: Some(Expectation {
                id: "purchases_are_attributed",
                what: "a purchase is attributed to an advertisement",
                within_s: 25,
                topic: ATTRIBUTION,
                is_met_by: |_| true,
            }),
        },
        Step {
            at_s: 12,
            says: "Visitors hear of the offers. Some come back for what they left, and pay, while the session is still the same.",
            acts: &[],
            expects: Some(Expectation {
                id: "offers_bring_buyers",
                what: "somebody buys soon after an offer",
                within_s: 28,
                topic: OFFERS_TAKEN,
                is_met_by: |_| true,
            }),
        },
    ],
};
