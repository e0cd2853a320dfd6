//! MQTT 3.1.1 (OASIS standard, 2014) for devices: an embedded broker, and a client that works with it or any other, such as Mosquitto.
//!
//! Quality of service 0 and 1, last will, sessions that outlive a connection, retained messages. Quality 2 is left out: who counts
//! readings by their numbers needs no exactly-once hop by hop.

mod broker;
mod client;
mod packet;
mod sessions;
#[cfg(test)]
mod tests;

pub use broker::{Broker, Saved};
pub use client::{Client, ClientOptions, Event};
pub use packet::{Malformed, Message, Packet, Publish};
