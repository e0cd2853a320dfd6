//! What the tests of the whole share: the source tree, brokers to test against, clients that are not ours, and a checker of what they saw.

pub mod broker;
pub mod client;
pub mod history;
pub mod sources;
pub mod usage;
