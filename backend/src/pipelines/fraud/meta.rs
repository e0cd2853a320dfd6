//! The card.

use weir_model::{Availability, KnobKind, KnobMeta, PipelineMeta};

use super::{
    scenarios::SCENARIOS,
    settings::{DISORDER, ID},
    shape::TOPICS,
};
use crate::pipelines::{
    card::{fault, param},
    fraud::settings::{GROUP, TRAINER_GROUP},
    shape::Scenario,
};

/// Mule accounts that share devices.
pub(super) const RING: &str = "launch_ring";
/// Many small payments, then a large one.
pub(super) const CARD_TESTING: &str = "card_testing";
/// Credentials leak: account takeover.
pub(super) const TAKEOVER: &str = "account_takeover";
/// Terminals fall to thieves.
pub(super) const TERMINALS: &str = "compromise_terminals";
/// Cards are copied and used far away.
pub(super) const COPIES: &str = "copy_cards";
/// Ten times the payments.
pub(super) const HOLIDAY: &str = "holiday";
/// The model is taken away.
pub(super) const MODEL_OFF: &str = "model_off";
/// A rule that blocks everybody.
pub(super) const BAD_RULE: &str = "bad_rule";
/// Threads die; every run knows it.
const KILL_PROCESSOR: &str = "kill_processor";

/// What can be broken: its name, its label, for how many milliseconds of the wall clock, and what is seen then.
pub(super) const FAULTS: [(&str, &str, i64, &str); 9] = [
    (RING, "Launch a ring", 10_000, "A ring of mule accounts opens: its card appears, its accounts are blocked"),
    (CARD_TESTING, "Card testing", 5_000, "Bots try 20 stolen cards: a burst of alerts by card-testing and small-then-large"),
    (
        TAKEOVER,
        "Account takeover",
        15_000,
        "Credentials of 10 customers leak: amounts five times the usual are held or blocked, until they are changed",
    ),
    (
        TERMINALS,
        "Compromise terminals",
        30_000,
        "Five terminals fall to thieves: missed until the first victims call, then held for what is known of them, until repaired",
    ),
    (COPIES, "Copy cards", 5_000, "Ten cards are used far away: alerts by impossible-travel, points all over the map"),
    (HOLIDAY, "Holiday", 5_000, "Ten times the payments a second (at most 100,000): nothing is skipped"),
    (MODEL_OFF, "Take the model away", 10_000, "Rules decide alone and recall falls, until the newest model is back"),
    (BAD_RULE, "Push a bad rule", 10_000, "A rule blocks everybody: precision falls to nothing until it is rolled back"),
    (
        KILL_PROCESSOR,
        "Kill processors",
        5_000,
        "A thread of each application dies in its transaction: another goes on, every payment is decided once",
    ),
];

/// What the card shows.
pub fn meta() -> PipelineMeta {
    PipelineMeta {
        id: ID.into(),
        title: "Fraud detection".into(),
        story: "Card payments judged in milliseconds by rules and a model that learns from late labels; rings of accounts found".into(),
        availability: Availability::Ready,
        topics: TOPICS.iter().map(|topic| topic.name.into()).collect(),
        groups: vec![GROUP.into(), TRAINER_GROUP.into()],
        params: vec![
            param("rate_per_s", "Rate", "payments/s", 10.0, 20_000.0, 1_000.0, true),
            param("seed", "Seed", "", 0.0, f64::from(u32::MAX), 42.0, false),
            param("customers", "Customers", "", 10.0, 100_000.0, 1_000.0, false),
            param("terminals", "Terminals", "", 10.0, 200_000.0, 2_000.0, false),
            param("compromised_per_day", "Terminals compromised", "a day", 0.0, 100.0, 1.0, false),
            param("leaks_per_day", "Credentials leaked", "a day", 0.0, 100.0, 1.0, false),
            param("extras", "Rings, bursts and copied cards", "x", 0.0, 100.0, 1.0, false),
            param(DISORDER, "Payments come late by up to", "s", 0.0, 3_600.0, 10.0, false),
            param("reviewers", "Held payments are reviewed", "0 or 1", 0.0, 1.0, 1.0, false),
        ],
        faults: FAULTS.map(|row| fault(row, knobs)).into(),
        scenarios: SCENARIOS.iter().map(Scenario::meta).collect(),
        sabotages: Vec::new(), // the list of pipelines adds the shape's
        checks: Vec::new(),    // the same
    }
}

/// What can be chosen of a fault.
fn knobs(fault: &str) -> Vec<KnobMeta> {
    let count = |name: &str, label: &str, default: &str| vec![KnobMeta::new(name, label, default, KnobKind::Number(1, 1_000))];
    match fault {
        CARD_TESTING => count("cards", "Cards", "20"),
        TAKEOVER => count("customers", "Customers", "10"),
        TERMINALS => count("terminals", "Terminals", "5"),
        COPIES => count("cards", "Cards", "10"),
        _ => Vec::new(),
    }
}
