//! MQTT 3.1.1: devices, a broker for them in this process, and the bridge to Kafka.
//!
//! ```text
//! device ─PUBLISH─► broker ─PUBLISH─► bridge ─produce─► Kafka
//!        ◄─PUBACK── (ours)  ◄─PUBACK──        ◄──ack───
//! ```
//!
//! An acknowledgement goes the whole way back: a device keeps a message until Kafka has it, and sends it again otherwise. Brokers of others
//! (Mosquitto) acknowledge once they have stored it, and keep it for the bridge's session, which acknowledges after Kafka all the same.
//!
//! The codec is ours because it is small: rumqttd brings 166 packages and has little upkeep, and clients acknowledge before Kafka has.

mod bridge;
mod broker;
mod device;
mod filter;
mod framed;
mod packet;
#[cfg(test)]
mod tests;

pub use bridge::{Bridge, BridgeOptions};
pub use broker::{Broker, BrokerCounts, BrokerOptions};
pub use device::{Fleet, FleetCounts, FleetOptions, Heard};
