//! Names of payments, accounts and terminals, each its own type.

use serde::{Deserialize, Serialize};

use crate::{
    sim::hash64,
    stream::{Key, Malformed},
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl Key for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }

            fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
                String::decode(bytes).map(Self)
            }

            fn encode_sorted(&self, out: &mut Vec<u8>) {
                self.0.encode_sorted(out);
            }

            fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
                String::decode_sorted(bytes).map(Self)
            }
        }

        impl $name {
            /// A number to know it by where ids are many.
            pub fn hash(&self) -> u64 {
                hash_of(&self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
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
