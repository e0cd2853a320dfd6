//! Guided demos. Event time runs far from the clock here: a minute of a demo is some weeks of payments.

use serde::de::DeserializeOwned;

use super::{
    meta::{BAD_RULE, CARD_TESTING, HOLIDAY, MODEL_OFF, RING},
    records::{Alert, Decision, Ring},
    rules::RISKY_TERMINAL,
    settings::{ALERTS, DECISIONS, RINGS},
};
use crate::pipelines::shape::{Act, Expectation, Observed, Scenario, Step};

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[MULES, THIEVES, TERMINALS, BAD_DAY];

const MULES: Scenario = Scenario {
    id: "ring",
    title: "A ring of mules opens",
    story: "Accounts that share devices are one ring: it is found from its first payments, and its card appears",
    length_s: 45,
    steps: &[
        calm("Card payments come in, each is judged in milliseconds. The map shows where cards are used, the graph who shares devices."),
        Step {
            at_s: 15,
            says: "A gang opens a ring of accounts that use the same few phones. No single payment of theirs looks odd.",
            acts: &[Act::Fault(RING)],
            expects: Some(Expectation {
                id: "ring_is_found",
                what: "a ring of at least six accounts is named, which no household is",
                within_s: 25,
                topic: RINGS,
                is_met_by: |record| read::<Ring>(record).is_some_and(|ring| ring.accounts.len() >= 6),
            }),
        },
    ],
};

const THIEVES: Scenario = Scenario {
    id: "card_testing",
    title: "Thieves try stolen cards",
    story: "A burst of tiny payments, then the large ones: the pattern is found before the money is gone",
    length_s: 45,
    steps: &[
        calm("Normal days: a few alerts, most payments pass."),
        Step {
            at_s: 15,
            says: "Bots try twenty stolen cards with tiny amounts, to see which still work.",
            acts: &[Act::Fault(CARD_TESTING)],
            expects: Some(Expectation {
                id: "testing_is_told",
                what: "an alert names the testing of cards, or the large payment after small ones",
                within_s: 20,
                topic: ALERTS,
                is_met_by: |record| {
                    read::<Alert>(record)
                        .is_some_and(|alert| alert.rule.contains("card-testing") || alert.rule.contains("small-then-large"))
                },
            }),
        },
    ],
};

/// The scenario in which terminals fall to thieves, and else none do.
pub(super) const THIEVES_AT_TERMINALS: &str = "terminals";

const TERMINALS: Scenario = Scenario {
    id: THIEVES_AT_TERMINALS,
    title: "Terminals fall to thieves",
    story: "Payments at a tampered terminal look like any other: the first victims who call give it away, and what follows is held",
    length_s: 24,
    steps: &[
        Step {
            at_s: 0,
            says: "A calm week. Some card holders have the bank's messages on their phone, most read a statement at the end of the month.",
            acts: &[Act::Rate(500)],
            expects: None,
        },
        Step {
            at_s: 4,
            says: "Thieves tamper with twenty terminals. The amounts are honest ones, no rule and no model can tell them apart.",
            acts: &[Act::Fault("compromise_terminals:terminals=20")],
            expects: Some(Expectation {
                id: "terminal_is_found",
                what: "a payment is held because of what is known of its terminal",
                within_s: 10,
                topic: DECISIONS,
                is_met_by: |record| read::<Decision>(record).is_some_and(|it| it.rules_fired.iter().any(|rule| rule == RISKY_TERMINAL)),
            }),
        },
        Step {
            at_s: 14,
            says: "Two victims of one terminal have called, so the next payments there wait for a reviewer, whose verdicts count as well.",
            acts: &[],
            expects: None,
        },
    ],
};

const BAD_DAY: Scenario = Scenario {
    id: "bad_day",
    title: "A bad day for the fraud team",
    story: "The model is lost on a holiday, then somebody pushes a bad rule: rules decide alone, every payment is still decided",
    length_s: 60,
    steps: &[
        Step {
            at_s: 0,
            says: "Ten days of payments, quickly: frauds are charged back after a week, and only then is there something to learn from.",
            acts: &[Act::Rate(1_500)],
            expects: None,
        },
        Step {
            at_s: 14,
            says: "Rules and a model decide together, at an ordinary pace.",
            acts: &[Act::Rate(400)],
            expects: Some(Expectation {
                id: "model_decides",
                what: "a payment is decided with a model",
                within_s: 5,
                topic: DECISIONS,
                is_met_by: |record| read::<Decision>(record).is_some_and(|decision| decision.model_version > 0),
            }),
        },
        Step {
            at_s: 20,
            says: "Ten times the payments a second: a holiday. Nothing may be skipped.",
            acts: &[Act::Fault(HOLIDAY)],
            expects: None,
        },
        Step {
            at_s: 22,
            says: "The model is gone, in the middle of it. Rules go on alone: recall falls, and nobody waits.",
            acts: &[Act::Fault(MODEL_OFF)],
            expects: Some(Expectation {
                id: "rules_decide_alone",
                what: "a payment is decided without a model",
                within_s: 8,
                topic: DECISIONS,
                is_met_by: |record| read::<Decision>(record).is_some_and(|decision| decision.model_version == 0),
            }),
        },
        Step {
            at_s: 33,
            says: "The newest model is back in service.",
            acts: &[],
            expects: Some(Expectation {
                id: "model_decides_again",
                what: "a payment is decided with a model again",
                within_s: 7,
                topic: DECISIONS,
                is_met_by: |record| read::<Decision>(record).is_some_and(|decision| decision.model_version > 0),
            }),
        },
        Step {
            at_s: 40,
            says: "Somebody pushes a rule that blocks everybody. Precision falls to nothing, until the rule is rolled back.",
            acts: &[Act::Fault(BAD_RULE)],
            expects: Some(Expectation {
                id: "everybody_is_blocked",
                what: "a payment is blocked by the bad rule",
                within_s: 8,
                topic: DECISIONS,
                is_met_by: |record| read::<Decision>(record).is_some_and(|it| it.rules_fired.iter().any(|rule| rule == BAD_RULE)),
            }),
        },
        Step {
            at_s: 52,
            says: "Rolled back: the rules are a topic, so the last good version is one record away. Payments pass again.",
            acts: &[],
            expects: Some(Expectation {
                id: "payments_pass_again",
                what: "a payment passes after the rule is gone",
                within_s: 8,
                topic: DECISIONS,
                is_met_by: |record| read::<Decision>(record).is_some_and(|decision| decision.rules_fired.is_empty()),
            }),
        },
    ],
};

const fn calm(says: &'static str) -> Step {
    Step { at_s: 0, says, acts: &[], expects: None }
}

fn read<T: DeserializeOwned>(record: &Observed<'_>) -> Option<T> {
    serde_json::from_slice(record.value?).ok()
}
