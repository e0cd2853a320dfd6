//! Real parts at the edges: what speaks other protocols than Kafka's.

pub mod mqtt;
