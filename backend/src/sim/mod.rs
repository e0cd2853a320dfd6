//! Worlds and generators: seeded, pure functions of virtual time, so that equal seeds give equal bytes.
//!
//! Nothing here sleeps, reads a clock or sends anything; whoever drives a generator decides when an event leaves.

pub mod clickstream;
pub mod fraud;
pub mod iot;
pub mod media;
mod random;
mod schedule;

pub use random::{Random, Zipf, hash64};
pub use schedule::Schedule;
