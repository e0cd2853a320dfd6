//! Who a connection acts for.

use std::fmt;
use std::sync::Arc;

/// Kafka's principal type of users, the only one there is.
pub(crate) const USER: &str = "User";
const ANONYMOUS: &str = "ANONYMOUS";

/// A user, as ACLs name him: `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Principal {
    name: Arc<str>,
}

impl Principal {
    pub(crate) fn user(name: &str) -> Self {
        Self { name: Arc::from(name) }
    }

    /// Whoever came without saying who he is.
    pub(crate) fn anonymous() -> Self {
        Self::user(ANONYMOUS)
    }

    /// The name without `User:`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{USER}:{}", self.name)
    }
}
