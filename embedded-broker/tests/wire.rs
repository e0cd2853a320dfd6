//! The broker over the wire: raw frames on real sockets, against a broker in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

#[path = "wire/client.rs"]
mod client;
#[path = "wire/cluster.rs"]
mod cluster;
#[path = "wire/configs.rs"]
mod configs;
#[path = "wire/consumers.rs"]
mod consumers;
#[path = "wire/data.rs"]
mod data;
#[path = "wire/every_api.rs"]
mod every_api;
#[path = "wire/hostile.rs"]
mod hostile;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/start.rs"]
mod start;
#[path = "wire/topics.rs"]
mod topics;
#[path = "wire/transactions.rs"]
mod transactions;
