//! Real parts at the edges of pipelines: what brings data from elsewhere to Kafka, and back.

pub mod mqtt;
pub mod prometheus;
pub mod webhook;
