//! Names of payments, of who pays whom by what, and of rings, each its own type.

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
id!(
    /// A card's name; an account may have several. Empty where none is known.
    CardId
);
text_id!(
    /// The name of an account's holder; empty where none is known.
    UserId
);
text_id!(
    /// The name of what is paid with, such as a phone; empty where none is known.
    DeviceId
);
text_id!(
    /// The name of a terminal's merchant; empty where none is known.
    MerchantId
);
text_id!(
    /// A ring's name: its first account's.
    RingId
);

/// A number to know a name by where names are many.
pub(super) fn hash_of(name: &str) -> u64 {
    name.bytes().fold(0, |hash, byte| hash64(hash, u64::from(byte)))
}
