//! A web shop and its visitors: who comes, what they do, and the event each step leaves.
//!
//! The rate is a promise: exactly one event per slot of the schedule. A slot goes to the visitor who is due; when nobody is due,
//! somebody arrives. So the number of concurrent visitors follows the rate by itself, for every seed. The daily wave therefore
//! shows in who is there (countries wake up one after the other, phones in the evening), not in how many.

mod crowd;
mod event;
mod generator;
mod shop;
mod visitor;
mod writer;

pub use event::{Action, Event, Metadata};
pub use generator::{
    CROWD_MS, CatalogueItem, DISORDER_MS, Generator, GeneratorParams, Joined, OFFER_TAKERS, OFFLINE_EVENT_MS, Record, SPIKE_FACTOR,
    SPIKE_MS, Touch, Truth,
};
pub use shop::{CONVERSION, SKEW, VARIANTS};
pub use visitor::THINK_MAX_MS;
