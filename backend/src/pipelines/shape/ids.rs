//! Names of things as types of their own, so that a buyer can't be passed where an item is meant. They stand in records as plain text.

/// Makes a type of a name, fit to key records and state by.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ::serde::Serialize, ::serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as it stands in records.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(name: T) -> Self {
                Self(name.into())
            }
        }

        /// Maps by this type are asked by borrowed names.
        impl ::std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        $crate::pipelines::shape::text_key!($name);
    };
}

/// Lets a type around a `String` be a key, by the bytes of its text.
macro_rules! text_key {
    ($name:ident) => {
        impl $crate::stream::Key for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }

            fn decode(bytes: &[u8]) -> Result<Self, $crate::stream::Malformed> {
                String::decode(bytes).map(Self)
            }

            fn encode_sorted(&self, out: &mut Vec<u8>) {
                self.0.encode_sorted(out);
            }

            fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, $crate::stream::Malformed> {
                String::decode_sorted(bytes).map(Self)
            }
        }
    };
}

pub(in crate::pipelines) use {text_id, text_key};
