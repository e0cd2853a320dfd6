//! The names a group coordinator deals in, each its own type so that none is taken for another.
//!
//! They are shared, copied strings: a slice of a request's buffer would keep the whole frame in memory for as long as the group lives.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(Arc<str>);

        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        // Maps keyed by the id can be asked with a plain &str.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A group's name, chosen by its members.
    GroupId
}
id! {
    /// A member's name, chosen by the coordinator and unique for every incarnation.
    MemberId
}
id! {
    /// A static member's name, chosen by its operator and kept over restarts (KIP-345).
    InstanceId
}
id! {
    /// A topic's name.
    TopicName
}

/// Who waits for an answer. The runtime gives each request one; a parked join or sync keeps it until the rebalance moves on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaiterId(pub(crate) u64);
