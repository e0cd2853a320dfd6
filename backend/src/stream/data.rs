//! What flows between operators, and how keys and values become bytes where they leave a task.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

/// One record on its way from operator to operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<K, V> {
    /// Decides the partition, and which state it meets.
    pub key: K,
    /// What happened.
    pub value: V,
    /// When it happened, in epoch milliseconds: event time.
    pub timestamp_ms: i64,
}

impl<K: Clone, V> Record<K, V> {
    /// The same key and time with another value.
    pub fn with_value<W>(&self, value: W) -> Record<K, W> {
        Record { key: self.key.clone(), value, timestamp_ms: self.timestamp_ms }
    }
}

impl<K, V: Clone> Record<K, V> {
    /// The same value and time under another key.
    pub fn with_key<L>(&self, key: L) -> Record<L, V> {
        Record { key, value: self.value.clone(), timestamp_ms: self.timestamp_ms }
    }
}

/// Bytes that are not what a topology says they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// What a record can be keyed by. Equal keys must have equal bytes: these choose the partition and name the state.
///
/// A topic whose keys may be null is read by an `Option`: such records pass through operators that look at each record alone, and are dropped
/// and counted where state needs a key. A type without a null says that the key is needed from the beginning.
pub trait Key: Clone + Ord + Debug + 'static {
    /// What stands for a null key, where the type has it.
    fn null() -> Option<Self> {
        None
    }

    /// Whether this is a null key.
    fn is_null(&self) -> bool {
        false
    }

    /// Appends the bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads them back.
    ///
    /// # Errors
    /// When the bytes are no such key.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed>;

    /// Appends other bytes, which sort as the keys do, whatever stands behind them: by these a store on disk finds and orders its entries.
    /// A key of several parts appends each part's, in the order in which they are compared.
    fn encode_sorted(&self, out: &mut Vec<u8>);

    /// Takes those bytes off the front.
    ///
    /// # Errors
    /// When they are no such key.
    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed>;

    /// The bytes alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The sorted bytes alone.
    fn to_sorted_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_sorted(&mut out);
        out
    }
}

/// What ends a text among sorted bytes. A zero within it is written as `[0, 1]`, so that a text that goes on sorts behind.
const END: [u8; 2] = [0, 0];

fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        out.push(*byte);
        if *byte == 0 {
            out.push(1);
        }
    }
    out.extend_from_slice(&END);
}

fn decode_text(bytes: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = Vec::new();
    loop {
        match **bytes {
            [0, 0, ref rest @ ..] => {
                *bytes = rest;
                return Ok(text);
            }
            [0, 1, ref rest @ ..] => {
                text.push(0);
                *bytes = rest;
            }
            [byte, ref rest @ ..] if byte > 0 => {
                text.push(byte);
                *bytes = rest;
            }
            _ => return Err(Malformed("a text among sorted bytes has no end".to_owned())),
        }
    }
}

impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(std::str::from_utf8(bytes).map_err(|error| Malformed(format!("the key is no UTF-8: {error}")))?.to_owned())
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        encode_text(self.as_bytes(), out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        Self::decode(&decode_text(bytes)?)
    }
}

impl Key for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Ok(bytes.to_vec())
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        encode_text(self, out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        decode_text(bytes)
    }
}

/// A key that may be null.
impl<K: Key> Key for Option<K> {
    fn null() -> Option<Self> {
        Some(None)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|key| key.encode(out));
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        K::decode(bytes).map(Some)
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        self.iter().for_each(|key| key.encode_sorted(out));
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let Some((is_some, rest)) = bytes.split_first() else { return Err(Malformed("the key has no bytes".to_owned())) };
        *bytes = rest;
        (*is_some > 0).then(|| K::decode_sorted(bytes)).transpose()
    }
}

/// Big-endian, as Kafka's `LongSerializer`.
impl Key for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = bytes.try_into().map_err(|_| Malformed(format!("the key has {} bytes, an integer has 8", bytes.len())))?;
        Ok(Self::from_be_bytes(bytes))
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        (self ^ Self::MIN).encode(out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let (number, rest) = bytes.split_at_checked(size_of::<Self>()).ok_or_else(|| Malformed("too short for an integer".to_owned()))?;
        *bytes = rest;
        Self::decode(number).map(|number| number ^ Self::MIN)
    }
}

/// A key in a window of time: `[start, end)` of a time window, `[start, end]` of a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windowed<K> {
    /// Where the window begins.
    pub start_ms: i64,
    /// The key.
    pub key: K,
    /// Where it ends.
    pub end_ms: i64,
}

impl<K> Windowed<K> {
    /// Where the window begins and ends.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        Some((self.start_ms, self.end_ms))
    }
}

/// The key's bytes, then start and end: what `TimeWindowedSerializer` writes, with the end, so that sessions fit too.
impl<K: Key> Key for Windowed<K> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.start_ms.encode(out);
        self.end_ms.encode(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let short = || Malformed(format!("{} bytes are too few for a window", bytes.len()));
        let (rest, end) = bytes.split_last_chunk::<8>().ok_or_else(short)?;
        let (key, start) = rest.split_last_chunk::<8>().ok_or_else(short)?;
        Ok(Self { start_ms: i64::from_be_bytes(*start), key: K::decode(key)?, end_ms: i64::from_be_bytes(*end) })
    }

    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.start_ms.encode_sorted(out);
        self.key.encode_sorted(out);
        self.end_ms.encode_sorted(out);
    }

    fn decode_sorted(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let (start_ms, key, end_ms) = (i64::decode_sorted(bytes)?, K::decode_sorted(bytes)?, i64::decode_sorted(bytes)?);
        Ok(Self { start_ms, key, end_ms })
    }
}

/// What can be stored and published: as JSON, readable in the message browser.
pub trait Value: Clone + Debug + Serialize + DeserializeOwned + 'static {
    /// The bytes.
    ///
    /// # Errors
    /// When the value has no JSON, for instance a map with keys that are no strings.
    fn to_bytes(&self) -> Result<Vec<u8>, Malformed> {
        serde_json::to_vec(self).map_err(|error| Malformed(format!("the value can't be written as JSON: {error}")))
    }

    /// Reads them back.
    ///
    /// # Errors
    /// When the bytes are no such value.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        serde_json::from_slice(bytes).map_err(|error| Malformed(format!("the value does not have the expected fields: {error}")))
    }
}

impl<T: Clone + Debug + Serialize + DeserializeOwned + 'static> Value for T {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn returns<K: Key>(key: &K) {
        assert_eq!(K::decode(&key.to_bytes()).as_ref(), Ok(key));
    }

    /// Sorted bytes return, and sort as the keys do even where others follow.
    fn sorts<K: Key>(keys: [K; 2], follows: &[u8]) {
        let [left, right] = keys.each_ref().map(|key| [key.to_sorted_bytes().as_slice(), follows].concat());
        let mut rest = left.as_slice();
        assert_eq!(K::decode_sorted(&mut rest).as_ref(), Ok(&keys[0]));
        assert_eq!(rest, follows);
        assert_eq!(left.cmp(&right), keys[0].cmp(&keys[1]), "{keys:?}");
    }

    /// Short texts that have much in common, zeros among it.
    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', 'a', '\u{ff}']), 0..4).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn keys_return_from_their_bytes(text in ".*", number: i64, start_ms: i64, end_ms: i64) {
            returns(&text);
            returns(&number);
            returns(&Some(text.clone()));
            returns(&Windowed { start_ms, key: text, end_ms });
        }

        #[test]
        fn sorted_bytes_sort_as_their_keys(
            texts in [text(), text()],
            numbers in [-2_i64..2, -2_i64..2],
            far: [i64; 2],
            follows in prop::collection::vec(any::<u8>(), 0..3),
        ) {
            sorts(texts.clone(), &follows);
            sorts(texts.clone().map(String::into_bytes), &follows);
            sorts(texts.clone().map(|text| Some(text).filter(|text| text.len() != 1)), &follows);
            sorts(numbers, &follows);
            sorts(far, &follows);
            let window = |at: usize| Windowed { start_ms: numbers[at], key: texts[at].clone(), end_ms: numbers[1 - at] };
            sorts([window(0), window(1)], &follows);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(String::decode(&[0xff]).is_err() && i64::decode(b"123").is_err() && Windowed::<String>::decode(b"too short").is_err());
        for mut wrong in [&b"no end"[..], &[0], &[0, 2]] {
            assert!(String::decode_sorted(&mut wrong).is_err());
        }
        assert!(Option::<i64>::decode_sorted(&mut &[][..]).is_err() && i64::decode_sorted(&mut &[1][..]).is_err());
    }
}
