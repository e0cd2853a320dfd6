//! Clickstream.

pub mod records;
pub mod settings;
mod task;
mod visit;

pub use task::ClickstreamTask;
