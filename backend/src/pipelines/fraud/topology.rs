//! The two applications: one decides, one learns.

use super::{
    account::{Accounts, FromAccounts, Member},
    decide::{Policy, alert, case, decide, score},
    ids::{AccountId, TransactionId},
    model::{Learnt, Model, Online, Trainer, TrainerParams},
    records::{Action, Decision, Enriched, Example, Label, Score, Transaction},
    rings::{Found, Member as RingMember, RingFinder},
    rules::Rule,
    settings::{
        ALERTS, CASES, CHAMPION, CHARGEBACKS, DECISIONS, DEDUPE_MS, EXAMPLES, GRACE_MS, GROUP, HONEST_SAMPLE, LABEL_DELAY_MS,
        LABEL_SLACK_MS, MODELS, ONLINE, ONLINE_MODELS, RING_MEMBERS, RINGS, RULES, SCORES, SUSPENDED, TRAINER_GROUP, TRANSACTIONS,
        VERDICTS,
    },
    terminal::{AtTerminal, Terminals},
};
use crate::stream::{JoinWindows, Record, Stream, StreamsBuilder, Topology, TopologyError};

/// How the application that decides is made.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct DetectorParams {
    /// Where scores become actions.
    pub policy: Policy,
    /// What is broken on purpose, to see a check fail.
    pub sabotage: Option<Sabotage>,
}

/// Ways to break the processing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Payments that come twice are decided twice.
    NoDedupe,
    /// Rings are not looked for.
    NoRings,
    /// Accounts forget their payments.
    ShortMemory,
    /// Held payments don't come into the review queue.
    NoCases,
    /// Terminals learn of no fraud.
    NoTerminalRisk,
}

impl Sabotage {
    /// Each with its name and the check that must fail.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::NoDedupe, "no_dedupe", "decisions_equal_payments"),
        (Self::NoRings, "no_rings", "rings_found"),
        (Self::ShortMemory, "short_memory", "features_equal_batch"),
        (Self::NoCases, "no_cases", "holds_have_cases"),
        (Self::NoTerminalRisk, "no_terminal_risk", "features_equal_batch"),
    ];
}

/// The application that decides.
///
/// # Errors
/// Never, unless the topology itself is wrong.
pub fn detector(params: DetectorParams) -> Result<Topology, TopologyError> {
    Topology::new(GROUP, move |builder| {
        let accounts = accounts(builder, params.sabotage);
        if params.sabotage != Some(Sabotage::NoRings) {
            rings(&accounts);
        }
        let labels = builder.stream::<TransactionId, Label>(CHARGEBACKS).merge(&builder.stream(VERDICTS));
        let assessed = terminals(&accounts, &labels, params.sabotage);
        decisions(builder, &assessed, params, &labels);
    })
}

/// The application that learns.
///
/// # Errors
/// Never, unless the topology itself is wrong.
pub fn trainer(params: TrainerParams) -> Result<Topology, TopologyError> {
    Topology::new(TRAINER_GROUP, move |builder| {
        let examples = builder.stream::<TransactionId, Example>(EXAMPLES);
        let learnt = examples.process(Trainer::STORE, Trainer::store(), None, |store| Trainer::new(store, params));
        let model = |learnt: &Learnt| if let Learnt::Model(model) = learnt { Some(model.clone()) } else { None };
        learnt.flat_map_values(move |record| model(&record.value)).to(MODELS);
        let online = |learnt: &Learnt| if let Learnt::Online(online) = learnt { Some(online.clone()) } else { None };
        learnt.flat_map_values(move |record| online(&record.value)).to(ONLINE_MODELS);
    })
}

/// Each payment once, with what its account's past says of it.
fn accounts(builder: &StreamsBuilder, sabotage: Option<Sabotage>) -> Stream<AccountId, FromAccounts> {
    let payments = builder.stream_by_time::<AccountId, Transaction>(TRANSACTIONS, time_of);
    let id = |record: &Record<AccountId, Transaction>| record.value.transaction_id.to_string();
    let once = if sabotage == Some(Sabotage::NoDedupe) { payments } else { payments.deduplicate("seen", DEDUPE_MS, id) };
    let members = builder.table::<AccountId, RingMember>(RING_MEMBERS, "ring-members");
    let with_ring =
        once.left_join_table(&members, |record, member| -> Member { (record.value.clone(), member.map_or(0, |member| member.accounts)) });
    let is_forgetful = sabotage == Some(Sabotage::ShortMemory);
    with_ring.process(Accounts::STORE, Accounts::store(), None, move |store| Accounts::new(store, is_forgetful))
}

/// Accounts and devices that met for the first time lead to rings.
fn rings(accounts: &Stream<AccountId, FromAccounts>) {
    let edges = accounts.flat_map_values(|record| match &record.value {
        FromAccounts::Edge(edge) => Some(edge.clone()),
        FromAccounts::Payment(_) => None,
    });
    // All under one key: a ring may reach from any account to any other.
    let found = edges.select_key(|_| "edges".to_owned()).process(RingFinder::STORE, RingFinder::store(), None, RingFinder::new);
    let member = |found: &Found| match found {
        Found::Member(member) => Some(member.clone()),
        Found::Ring(_) => None,
    };
    found.flat_map_values(move |record| member(&record.value)).to(RING_MEMBERS);
    let ring = |found: &Found| match found {
        Found::Ring(ring) => Some(ring.clone()),
        Found::Member(_) => None,
    };
    found.flat_map_values(move |record| ring(&record.value)).to(RINGS);
}

/// Each payment with what its terminal's past says of it; labels teach the terminals.
fn terminals(
    accounts: &Stream<AccountId, FromAccounts>,
    labels: &Stream<TransactionId, Label>,
    sabotage: Option<Sabotage>,
) -> Stream<AccountId, Enriched> {
    let payments = accounts.flat_map_values(|record| match &record.value {
        FromAccounts::Payment(enriched) => Some(AtTerminal::Payment(enriched.clone())),
        FromAccounts::Edge(_) => None,
    });
    let payments = payments.select_key(|record| match &record.value {
        AtTerminal::Payment(enriched) => enriched.transaction.terminal_id.clone(),
        AtTerminal::Label(label) => label.terminal_id.clone(),
    });
    let labels = labels.select_key(|record| record.value.terminal_id.clone());
    let labels = labels.map_values(|record| AtTerminal::Label(record.value.clone()));
    let both = payments.repartition("by-terminal").merge(&labels.repartition("labels-by-terminal"));
    let assessed = both.process(Terminals::STORE, Terminals::store(), None, move |store| {
        Terminals::new(store, sabotage == Some(Sabotage::NoTerminalRisk))
    });
    assessed.select_key(|record| record.value.transaction.account_id.clone())
}

/// Scores, rules, decisions; and the features joined with the labels that come later.
fn decisions(
    builder: &StreamsBuilder,
    assessed: &Stream<AccountId, Enriched>,
    params: DetectorParams,
    labels: &Stream<TransactionId, Label>,
) {
    let DetectorParams { policy, sabotage } = params;
    let models = builder.global_table::<String, Model>(MODELS, "models");
    let rules = builder.global_table::<String, Rule>(RULES, "rule-book");
    let (champion, suspended) = (CHAMPION.to_owned(), SUSPENDED.to_owned());
    let scored = assessed.join_whole(&models, move |record, models| {
        let is_suspended = models.get(&suspended).is_some();
        let model = models.get(&champion).filter(|_| !is_suspended);
        (record.value.clone(), score(&record.value, model.as_deref()), is_suspended)
    });
    let online_models = builder.global_table::<String, Online>(ONLINE_MODELS, "online-models");
    let online = ONLINE.to_owned();
    let scored = scored.join_whole(&online_models, move |record, models| {
        let (enriched, score, is_suspended) = record.value.clone();
        let model = models.get(&online).filter(|_| !is_suspended);
        let online_score = model.map(|model| model.score(&enriched.features));
        (enriched, Score { online_score, ..score })
    });
    let decided = scored.join_whole(&rules, move |record, rules| {
        let (enriched, score) = &record.value;
        let rules: Vec<_> = rules.iter().map(|(_, rule)| rule).collect();
        decide(enriched, score, rules.iter().map(|rule| &**rule), &policy)
    });
    let decided = decided.map_values_timed(|record, latency_us| Decision { latency_us, ..record.value.clone() });
    decided.to(DECISIONS);
    outcomes(&decided, sabotage);
    let scores = scored.select_key(|record| record.value.0.transaction.transaction_id.clone()).map_values(|record| record.value.1.clone());
    scores.to(SCORES);
    examples(&scores.repartition("scores"), labels);
}

fn outcomes(decided: &Stream<AccountId, Decision>, sabotage: Option<Sabotage>) {
    let is_lost = sabotage == Some(Sabotage::NoCases);
    let held = decided.filter(move |record| record.value.action == Action::Hold && !is_lost);
    held.select_key(|record| record.value.transaction_id.clone()).map_values(|record| case(&record.value)).to(CASES);
    decided.flat_map_values(|record| alert(&record.value)).to(ALERTS);
}

/// The features as they were when the decision was made, with the label that came later; none until the delay has passed means honest.
fn examples(scores: &Stream<TransactionId, Score>, labels: &Stream<TransactionId, Label>) {
    let windows = JoinWindows { before_ms: 0, after_ms: LABEL_DELAY_MS + LABEL_SLACK_MS, grace_ms: GRACE_MS };
    let all = scores.left_join(labels, windows, "label", |transaction_id, score, label| Example {
        transaction_id: transaction_id.clone(),
        ts: score.ts,
        features: score.features,
        score: score.score,
        online_score: score.online_score,
        is_fraud: label.is_some_and(|label| label.is_fraud),
    });
    all.filter(|record| record.value.is_fraud || is_sampled(&record.key)).to(EXAMPLES);
}

/// One honest payment in so many, the same ones each time.
fn is_sampled(payment: &TransactionId) -> bool {
    payment.hash().is_multiple_of(HONEST_SAMPLE)
}

fn time_of(value: &[u8]) -> Option<i64> {
    #[derive(serde::Deserialize)]
    struct Time {
        ts: i64,
    }
    serde_json::from_slice::<Time>(value).ok().map(|time| time.ts)
}
