//! What stands in the topics. Field names are a public format.

use serde::{Deserialize, Serialize};

use super::{
    features::Features,
    ids::{AccountId, CardId, DeviceId, MerchantId, RingId, TerminalId, TransactionId, UserId},
};
pub use crate::pipelines::alert::Alert;

/// A record of `transaction_events`. The first five fields are needed; the more of the others are there, the more can be told.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Transaction {
    /// Unique.
    pub transaction_id: TransactionId,
    /// Who pays.
    pub account_id: AccountId,
    /// Where.
    pub terminal_id: TerminalId,
    /// Event time, epoch ms.
    pub ts: i64,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// ISO currency.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ccy: String,
    /// `pos` or `online`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// ISO country of the terminal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// Where the terminal is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Where the terminal is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// With what.
    #[serde(default, skip_serializing_if = "DeviceId::is_empty")]
    pub device_id: DeviceId,
    /// From which network address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// By which of the account's cards.
    #[serde(default, skip_serializing_if = "CardId::is_empty")]
    pub card_id: CardId,
    /// The account's holder.
    #[serde(default, skip_serializing_if = "UserId::is_empty")]
    pub user_id: UserId,
    /// Whose terminal it is.
    #[serde(default, skip_serializing_if = "MerchantId::is_empty")]
    pub merchant_id: MerchantId,
    /// What is sold there, by its code (ISO 18245).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mcc: String,
}

/// A record of `chargebacks` or `fraud.verdicts`: what a payment was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Which payment.
    pub transaction_id: TransactionId,
    /// Whose.
    pub account_id: AccountId,
    /// Where.
    pub terminal_id: TerminalId,
    /// When it was made.
    pub ts: i64,
    /// How much it was.
    #[serde(default)]
    pub amount_minor: i64,
    /// Whether it was a fraud.
    pub is_fraud: bool,
    /// Who says so.
    pub source: LabelSource,
}

/// Who labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSource {
    /// The card's holder, after a week.
    Chargeback,
    /// The card's holder, within hours, who saw a payment on the phone and called.
    Call,
    /// A reviewer, after hours.
    Review,
}

/// A payment with what the account's past says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enriched {
    /// The payment.
    pub transaction: Transaction,
    /// The features known so far.
    pub features: Features,
    /// It came so much later than others of its account that what was known when it was made is known no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_late: bool,
}

/// What to do with a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Let it through.
    Allow,
    /// Keep it until somebody has looked.
    Hold,
    /// Refuse it.
    Block,
}

impl Action {
    /// All, mildest first.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Hold, Self::Block];

    /// As it stands in the topics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Block => "block",
        }
    }
}

/// A record of `decisions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Which payment.
    pub transaction_id: TransactionId,
    /// Whose.
    pub account_id: AccountId,
    /// Where.
    pub terminal_id: TerminalId,
    /// When it was made.
    pub ts: i64,
    /// How much.
    pub amount_minor: i64,
    /// By which of the account's cards, where that is known.
    #[serde(default, skip_serializing_if = "CardId::is_empty")]
    pub card_id: CardId,
    /// What to do.
    pub action: Action,
    /// The rules that fired.
    pub rules_fired: Vec<String>,
    /// How likely a fraud, by the model; `None` without one.
    pub score: Option<f64>,
    /// Which model; 0 without one.
    pub model_version: u64,
    /// How likely a fraud, by the model that learns online, as it was then; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_score: Option<f64>,
    /// Who asked for what was done, or more, of `rules`, `model` and `online`, which advises; nobody for a payment that passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contributed: Vec<String>,
    /// The most important reasons, in words.
    pub why: Vec<String>,
    /// What each of `why` rests on, in its order: a rule's id or a feature's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why_of: Vec<String>,
    /// What stopped it; `None` for a payment that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Where the terminal is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<(f64, f64)>,
    /// The payment came so much later than others of its account that it was judged by what was left of the account's past.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_late: bool,
    /// How long it took from the payment's arrival in the task that decides, in microseconds; 0 in virtual time.
    #[serde(default)]
    pub latency_us: i64,
}

/// What stopped a payment, and the figure that was too high or too low for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The rule, or `model`.
    pub by: String,
    /// What was measured.
    pub value: f64,
    /// What it was measured against.
    pub threshold: f64,
}

/// A record of `fraud_scores`: what the decision rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Which payment.
    pub transaction_id: TransactionId,
    /// Whose.
    pub account_id: AccountId,
    /// When it was made.
    pub ts: i64,
    /// How likely a fraud; `None` without a model.
    pub score: Option<f64>,
    /// Which model; 0 without one.
    pub model_version: u64,
    /// How likely a fraud, by the model that learns online; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_score: Option<f64>,
    /// The features.
    pub features: Features,
    /// What each feature did to the score, in log-odds, largest first; only those that matter.
    pub contributions: Vec<(String, f64)>,
}

/// A record of `cases`: a held payment for the review queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Which payment.
    pub transaction_id: TransactionId,
    /// Whose.
    pub account_id: AccountId,
    /// Where.
    pub terminal_id: TerminalId,
    /// When it was made.
    pub ts: i64,
    /// How much.
    pub amount_minor: i64,
    /// By which of the account's cards: the one to stop.
    #[serde(default, skip_serializing_if = "CardId::is_empty")]
    pub card_id: CardId,
    /// How likely a fraud.
    pub score: Option<f64>,
    /// Why it is held.
    pub why: Vec<String>,
    /// What each of `why` rests on, in its order: a rule's id or a feature's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why_of: Vec<String>,
}

impl Case {
    /// What a reviewer's click says.
    pub fn verdict(&self, is_fraud: bool) -> Label {
        Label {
            transaction_id: self.transaction_id.clone(),
            account_id: self.account_id.clone(),
            terminal_id: self.terminal_id.clone(),
            ts: self.ts,
            amount_minor: self.amount_minor,
            is_fraud,
            source: LabelSource::Review,
        }
    }
}

/// A record of `fraud.examples`: a payment as it was judged, and what it turned out to be.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Example {
    /// Which payment.
    pub transaction_id: TransactionId,
    /// When it was made.
    pub ts: i64,
    /// The features.
    pub features: Features,
    /// What the models said of it before anybody knew; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The one that learns online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online_score: Option<f64>,
    /// What it was.
    pub is_fraud: bool,
}

/// A record of `rings`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ring {
    /// Which ring: its first account.
    pub ring_id: RingId,
    /// Its accounts.
    pub accounts: Vec<AccountId>,
    /// The devices they share.
    pub devices: Vec<DeviceId>,
    /// The network addresses they share.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Which account used which device or address.
    pub links: Vec<(AccountId, String)>,
    /// When it was first seen.
    pub since: i64,
}
