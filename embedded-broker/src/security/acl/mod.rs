//! Access control lists: who may do what to which resource (KIP-11, KIP-290).
//!
//! `model` has Kafka's words, `rules` decides (pure), `store` keeps the bindings on disk.

mod model;
mod rules;
mod store;

pub(crate) use model::{Binding, Filter, Operation, PatternType, Permission, ResourceType};
pub(crate) use store::Acls;

/// The name of the one resource of type Cluster.
pub(crate) const CLUSTER: &str = "kafka-cluster";
