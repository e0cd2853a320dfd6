//! What a request concerns, and its refusal: asked of the gates that stand before each API for access (`api::access`), which know both.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::security::ResourceType;

/// Answers a gate in place of ACLs.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Refuses; otherwise it only listens.
    refuses: bool,
    /// Only this topic is meant.
    topic: Option<String>,
    named_topic: AtomicBool,
    named_any_topic: AtomicBool,
    named_coordinated: AtomicBool,
}

impl Probe {
    /// Allows what it is asked for and remembers what that was.
    pub(crate) fn listening(topic: Option<&str>) -> Self {
        Self { topic: topic.map(str::to_owned), ..Self::default() }
    }

    /// Refuses everything, or everything about a topic.
    pub(crate) fn refusing(topic: Option<&str>) -> Self {
        Self { refuses: true, topic: topic.map(str::to_owned), ..Self::default() }
    }

    /// What a gate asks.
    pub(crate) fn may(&self, resource: ResourceType, name: &str) -> bool {
        let is_meant = self.topic.as_deref().is_none_or(|topic| topic == name);
        match resource {
            ResourceType::Topic => {
                self.named_any_topic.store(true, Relaxed);
                self.named_topic.fetch_or(is_meant, Relaxed);
                !(self.refuses && is_meant)
            }
            // Who may do something to the whole cluster is not asked about its topics.
            ResourceType::Cluster => false,
            _ => {
                self.named_coordinated.store(true, Relaxed);
                !(self.refuses && self.topic.is_none())
            }
        }
    }

    pub(crate) fn named_topic(&self) -> bool {
        self.named_topic.load(Relaxed)
    }

    pub(crate) fn named_any_topic(&self) -> bool {
        self.named_any_topic.load(Relaxed)
    }

    /// A group or a transaction.
    pub(crate) fn named_coordinated(&self) -> bool {
        self.named_coordinated.load(Relaxed)
    }
}
