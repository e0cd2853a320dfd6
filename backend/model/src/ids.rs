//! Identifiers as types of their own, so that a partition can't be passed where an offset is meant.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as Kafka spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

text_id! {
    /// A topic's name.
    TopicName
}
text_id! {
    /// A consumer group's `group.id`.
    GroupId
}
text_id! {
    /// The id a group coordinator gave to one member.
    MemberId
}
text_id! {
    /// A pipeline's short name, as `weir run` takes it.
    PipelineId
}
text_id! {
    /// A fault's short name within its pipeline.
    FaultId
}
text_id! {
    /// A guided demo, unique within its pipeline.
    ScenarioId
}
number_id! {
    /// A partition's number within its topic.
    PartitionId, i32
}
number_id! {
    /// A broker's node id.
    BrokerId, i32
}
number_id! {
    /// A record's offset within its partition.
    Offset, i64
}
number_id! {
    /// Milliseconds since the Unix epoch, UTC.
    TimestampMs, i64
}
number_id! {
    /// Tells the answers of one message query from those of the query before it.
    QueryId, u64
}

impl FaultId {
    /// This fault with some of its knobs set: `cdn_down:cdn=cdn-b,region=eu`.
    pub fn with_knobs<'a>(&self, knobs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let knobs: Vec<String> = knobs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        if knobs.is_empty() { self.clone() } else { format!("{}:{}", self.name(), knobs.join(",")).into() }
    }

    /// Its name without knobs.
    pub fn name(&self) -> &str {
        self.split().0
    }

    /// The knobs that are set, such as `cdn=cdn-b,region=eu`; empty for none.
    pub fn knobs(&self) -> &str {
        self.split().1
    }

    fn split(&self) -> (&str, &str) {
        self.as_str().split_once(':').unwrap_or((self.as_str(), ""))
    }
}

impl TimestampMs {
    /// The wall clock now.
    pub fn now() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds from `earlier` to this, negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A partition of a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's number.
    pub partition: PartitionId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_with_its_knobs() {
        let check = |knobs: &[(&str, &str)], expect: (&str, &str, &str)| {
            let fault = FaultId::from("cdn_down").with_knobs(knobs.iter().copied());
            assert_eq!((fault.as_str(), fault.name(), fault.knobs()), expect);
        };
        check(&[], ("cdn_down", "cdn_down", ""));
        check(&[("cdn", "cdn-b")], ("cdn_down:cdn=cdn-b", "cdn_down", "cdn=cdn-b"));
        check(&[("cdn", "cdn-b"), ("region", "eu")], ("cdn_down:cdn=cdn-b,region=eu", "cdn_down", "cdn=cdn-b,region=eu"));
    }
}
