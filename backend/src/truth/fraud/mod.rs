//! The fraud pipeline against its truth: every payment decided once, features as a plain recomputation has them, rings found, and what
//! the decisions were worth. It is told records one by one, in any order between topics; payments of an account in their order.

mod batch;
mod bootstrap;
mod delays;
mod judge;
mod scores;
mod terminals;
#[cfg(test)]
mod tests;
mod weeks;

pub use batch::Batch;
pub use bootstrap::{Intervals, intervals};
pub use delays::{Delay, Delays, victim};
pub use judge::{Judge, RINGS_RECALL_MIN};
pub use weeks::{Judged, Week, test_weeks, weeks};
