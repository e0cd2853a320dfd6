//! Names of things as keys of records and state.

/// Lets types around a `String` be keys, by the bytes of their text.
macro_rules! text_key {
    ($($name:ident),+ $(,)?) => {
        $(
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
        )+
    };
}

pub(in crate::pipelines) use text_key;
