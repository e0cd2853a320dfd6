//! The card.

use weir_model::{Availability, FaultMeta, ParamMeta, PipelineMeta};

use super::{scenarios::SCENARIOS, settings::ID, shape::TOPICS};
use crate::pipelines::{
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
/// How long faults that heal by themselves last, in milliseconds of the wall clock.
pub(super) const HEALS_AFTER_MS: i64 = 10_000;

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
    let fault = |id: &str, label: &str, effect: &str| FaultMeta {
        id: id.into(),
        label: label.into(),
        effect: effect.into(),
        heals_after_ms: HEALS_AFTER_MS.unsigned_abs(),
    };
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
            param("reviewers", "Held payments are reviewed", "0 or 1", 0.0, 1.0, 1.0, false),
        ],
        faults: vec![
            fault(RING, "Launch a ring", "A ring of mule accounts opens: its card appears, its accounts are blocked"),
            fault(CARD_TESTING, "Card testing", "Bots try 20 stolen cards: a burst of alerts by card-testing and small-then-large"),
            fault(TAKEOVER, "Account takeover", "Credentials of 10 customers leak: amounts five times the usual are held or blocked"),
            fault(TERMINALS, "Compromise terminals", "Five terminals fall to thieves: missed for a week, then blocked by their risk"),
            fault(COPIES, "Copy cards", "Ten cards are used far away: alerts by impossible-travel, points all over the map"),
            fault(HOLIDAY, "Holiday", "Ten times the payments a day for a day: nothing is skipped"),
            fault(MODEL_OFF, "Take the model away", "Rules decide alone and recall falls; the model comes back by itself"),
            fault(BAD_RULE, "Push a bad rule", "A rule blocks everybody: precision falls to nothing until it is rolled back"),
        ],
        scenarios: SCENARIOS.iter().map(Scenario::meta).collect(),
    }
}
