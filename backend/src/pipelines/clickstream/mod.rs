//! Clickstream: what the visitors of a web shop do, as it happens.
//!
//! ```text
//! generator ──► user_activity ──► group clickstream-processor ──► clickstream.{sessions,stats,page_stats,…}──► dashboard
//!   (seeded)     (by user_id)       (one task per partition)                 (final results)                      (reads topics only)
//! ```
//!
//! Two smaller applications go on from there: `clickstream-recommender` learns from `clickstream.item_pairs` what goes with an item, and
//! `clickstream-attribution` joins `clickstream.purchases` with advertisements (a stream, by time) and with the catalogue
//! `clickstream.items` (a global table).
//!
//! The loop is closed: visitors hear of `offers`, and some of those who left a cart come back for one, which
//! `clickstream.offers_taken` tells. They think it over for eight minutes of event time or more: equal seeds give equal runs as long as an
//! offer is heard within that.
//!
//! Semantics, as Kafka Streams documents them (see [`crate::stream`]): event time is the event's `timestamp`; stream time, per
//! partition, never regresses; a window of counts closes at its end plus 10 s of grace, a session when stream time exceeds its
//! end by 30 minutes plus grace; each final result is published once per cause, under a key that makes a repetition harmless. The run's
//! end closes what is open.
//!
//! `--input` takes access logs, CSV, JSON or a topic in place of the generator (see `input`). Windows then have two minutes of grace,
//! which covers lines a minute out of order, and the file's end closes every session; `--set session_gap_s=…` and `--set grace_s=…`
//! choose others. Every session stands in `clickstream.sessions`: run against a broker that stays (`weir broker`, then
//! `weir run clickstream --bootstrap 127.0.0.1:9092 --input access.log`), then `weir consume clickstream.sessions`.
//!
//! At the end, the run is checked: the topics are read again and everything is recomputed plainly.

mod attribution;
mod checks;
mod dashboard;
mod experiment;
mod given;
mod ids;
mod input;
mod meta;
mod offers;
mod pages;
mod processor;
mod recommend;
pub mod records;
mod sabotage;
mod sales;
mod scenarios;
mod sessions;
pub mod settings;
mod shape;
#[cfg(test)]
mod tests;
mod topology;
mod visit;
mod world;

pub use dashboard::Fold;
pub use ids::{ClickId, ItemId, PurchaseId, UserId, VisitId};
pub use meta::meta;
pub use pages::page_name;
pub use shape::shape;
pub use topology::topology;
