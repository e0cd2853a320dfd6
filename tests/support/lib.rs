//! What the tests of the whole share: the source tree, brokers to test against, clients that are not ours.

pub mod broker;
pub mod client;
pub mod sources;
