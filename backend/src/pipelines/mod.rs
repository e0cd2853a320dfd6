//! The pipelines.

pub mod clickstream;
