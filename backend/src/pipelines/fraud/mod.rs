//! Fraud detection: card payments judged while the customer waits.
//!
//! ```text
//! transaction_events ─► dedupe ─► accounts: velocity, spending, travel, devices ─┬─► terminals: risk ─► model ─► rules ─► decisions
//!  (by account)              (by account)        │ new device or   (by terminal) ▲                                    ├─► cases (holds)
//!                                                ▼ address                       │                                    └─► alerts
//!                              rings: union-find over both ─► ring_members       │
//! chargebacks (some call,  ───┬─────────────────────────────────────────────────┤
//!  others after 7 days)       │
//! fraud.verdicts (review)  ───┴─► ⋈ fraud_scores by transaction ─► fraud.examples ─► group fraud-trainer ─► fraud.models
//! ```
//!
//! The features are the Fraud Detection Handbook's (customers' spending and terminals' risk over 1, 7 and 30 days, risk as of seven
//! days ago, because younger frauds are not known yet) and those that streams are good at. Rules and models are topics that every
//! task has whole: publishing one is deploying it. A label is joined with the features as they were when the decision was made, so
//! training never sees what serving could not. What terminals have seen is known by calls of card holders within hours, by reviewers' verdicts
//! on what was held, and by chargebacks at last: a terminal that falls to thieves is found by its first victims.
//!
//! Payments come late, some behind lines that were down. Up to [`settings::LATE_MS`] they are judged by their account's past as of when they
//! were made; what comes later is decided by what is left of it and counted. No decision is made twice.

pub mod account;
mod dashboard;
mod decide;
pub mod features;
mod ids;
pub mod input;
mod judged;
mod latency;
mod meta;
pub mod model;
mod reasons;
pub mod records;
pub mod replay;
pub mod rings;
pub mod rules;
mod scenarios;
pub mod settings;
mod shape;
pub mod terminal;
#[cfg(test)]
mod tests;
mod topology;
mod world;

pub use dashboard::Fold;
pub use decide::Policy;
pub use ids::{AccountId, CardId, DeviceId, MerchantId, RingId, TerminalId, TransactionId, UserId};
pub use meta::meta;
pub use shape::shape;
pub use topology::{DetectorParams, Sabotage, detector, trainer};
