//! Everything of Weir that talks to Kafka. Knows no egui.
//!
//! [`Handle`] is the whole backend behind two bounded queues; the rest is one file per use case.

pub mod browse;
pub mod client;
pub mod cluster;
pub mod connect;
pub mod decode;
mod envelope;
pub mod export;
pub mod groups;
mod handle;
mod ids;
pub mod lag;
mod local;
pub mod operations;
pub mod pipelines;
pub mod poller;
pub mod sim;
pub mod stream;
pub mod truth;
pub mod updates;

pub use envelope::envelope;
pub use handle::{Handle, HandleConfig};
pub use local::{Durability, LocalBroker, LocalBrokerOptions, SecurityProtocol, default_data_dir, fault_help};
