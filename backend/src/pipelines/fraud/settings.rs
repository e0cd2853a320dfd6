//! What the pipeline is made of: names, windows, limits.

/// The pipeline's short name.
pub const ID: &str = "fraud";
/// Payments, keyed by account.
pub const TRANSACTIONS: &str = "transaction_events";
/// Frauds that became known, by a call within hours or for sure a week later, keyed by transaction.
pub const CHARGEBACKS: &str = "chargebacks";
/// What reviewers say of held payments, keyed by transaction.
pub const VERDICTS: &str = "fraud.verdicts";
/// Rules, keyed by rule; compacted.
pub const RULES: &str = "rules";
/// Models, keyed by role.
pub const MODELS: &str = "fraud.models";
/// The versions of the model that learns online, keyed by role.
pub const ONLINE_MODELS: &str = "fraud.online_models";
/// What was decided, keyed by account: one for each payment.
pub const DECISIONS: &str = "decisions";
/// Scores with the features they rest on, keyed by transaction.
pub const SCORES: &str = "fraud_scores";
/// Held payments for the review queue, keyed by transaction.
pub const CASES: &str = "cases";
/// Rings of accounts, keyed by ring; compacted.
pub const RINGS: &str = "rings";
/// The ring each account belongs to, keyed by account; compacted.
pub const RING_MEMBERS: &str = "fraud.ring_members";
/// Features with labels, keyed by transaction.
pub const EXAMPLES: &str = "fraud.examples";
/// Alerts of all pipelines.
pub const ALERTS: &str = "alerts";
/// Payments that can't be read, with the reason: the detector's dead letters.
pub const DEAD_LETTERS: &str = "fraud-detector.dlq";
/// Examples that can't be read: the trainer's dead letters.
pub const TRAINER_DEAD_LETTERS: &str = "fraud-trainer.dlq";
/// What the world knows and no topology reads.
pub const TRUTH: &str = "_truth.fraud";
/// The group that decides.
pub const GROUP: &str = "fraud-detector";
/// The group that learns, apart so that learning never delays a decision.
pub const TRAINER_GROUP: &str = "fraud-trainer";
/// Partitions of the topics that are keyed by account, transaction or terminal.
pub const PARTITIONS: i32 = 6;

/// The key of the model that decides.
pub const CHAMPION: &str = "champion";
/// The key of the model that learns online.
pub const ONLINE: &str = "online";
/// The key of what takes the champion out of service while it stands in the topic of models, whoever is champion meanwhile.
pub const SUSPENDED: &str = "suspended";

/// An hour in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// A day in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Frauds are known for sure after this (the handbook's feedback delay): terminal risk ends so long ago.
pub const LABEL_DELAY_MS: i64 = 7 * DAY_MS;
/// How much later than that a label is waited for, before a payment counts as honest.
pub const LABEL_SLACK_MS: i64 = 6 * HOUR_MS;
/// Payments whose id was seen within this are repetitions.
pub const DEDUPE_MS: i64 = DAY_MS;
/// A payment that comes up to so much later than others of its account is judged by the account's past as it was when it was made. What
/// comes later is decided all the same, by what is still known, and counted as late.
pub const LATE_MS: i64 = 60_000;
/// The setting for how late payments come, in seconds.
pub const DISORDER: &str = "disorder_s";
/// How far apart in event time partitions may be read.
pub const GRACE_MS: i64 = 60_000;

/// One honest example in so many is learnt from, with so many times the weight.
pub const HONEST_SAMPLE: u64 = 5;

/// The checks, each with the topic that holds what it judges.
pub const JUDGED: [(&str, &str); 4] =
    [("decisions_equal_payments", DECISIONS), ("features_equal_batch", EXAMPLES), ("holds_have_cases", CASES), ("rings_found", RINGS)];
