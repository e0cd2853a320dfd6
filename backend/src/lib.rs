//! Everything of Weir that talks to Kafka. Knows no egui.

pub mod pipelines;
pub mod sim;
pub mod stream;
pub mod truth;
