//! Names of payments, accounts and terminals, each its own type.

use crate::{ids::text_id, pipelines::shape::text_key, sim::hash64};

/// A type whose values also have a number.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        text_id!($(#[$doc])* $name);
        text_key!($name);

        impl $name {
            /// A number to know it by where ids are many.
            pub fn hash(&self) -> u64 {
                hash_of(&self.0)
            }
        }
    };
}

id!(
    /// A payment's name.
    TransactionId
);
id!(
    /// A card account's name.
    AccountId
);
id!(
    /// A terminal's name.
    TerminalId
);

/// A number to know a name by where names are many.
pub(super) fn hash_of(name: &str) -> u64 {
    name.bytes().fold(0, |hash, byte| hash64(hash, u64::from(byte)))
}
