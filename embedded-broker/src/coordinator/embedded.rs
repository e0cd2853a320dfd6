//! What classic consumers say to each other inside JoinGroup and SyncGroup: `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`.
//!
//! The coordinator reads them where it must know what consumers read and hold: for OffsetDelete, for expiry, and to move a group from the
//! classic protocol to the consumer protocol and back. All versions begin alike; what a later version adds at the end is not needed.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Partitions by topic name.
pub(crate) type NamedPartitions = Vec<(String, Vec<i32>)>;

/// The protocol type of consumers, whose metadata is read here.
pub(crate) const CONSUMER_PROTOCOL: &str = "consumer";

/// What a consumer says when it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) version: i16,
    pub(crate) topics: Vec<String>,
    /// Version 1: what it still holds (cooperative rebalancing).
    pub(crate) owned: NamedPartitions,
    /// Version 2: since which generation. -1: it does not say.
    pub(crate) generation: i32,
}

/// `None`: it is not a subscription.
pub(crate) fn parse_subscription(mut from: &[u8]) -> Option<Subscription> {
    let from = &mut from;
    let version = from.try_get_i16().ok()?;
    let topics = array(from, text)?;
    let mut subscription = Subscription { version, topics, owned: Vec::new(), generation: -1 };
    // The oldest clients end here or after their user data.
    if !from.is_empty() {
        let user_data = from.try_get_i32().ok()?;
        skip(from, usize::try_from(user_data).unwrap_or(0))?;
    }
    if version >= 1 && !from.is_empty() {
        subscription.owned = array(from, topic_partitions)?;
    }
    if version >= 2 && !from.is_empty() {
        subscription.generation = from.try_get_i32().ok()?;
    }
    Some(subscription)
}

/// `None`: it is not an assignment. Nothing at all is an empty one.
pub(crate) fn parse_assignment(mut from: &[u8]) -> Option<NamedPartitions> {
    if from.is_empty() {
        return Some(Vec::new());
    }
    let from = &mut from;
    from.try_get_i16().ok()?;
    array(from, topic_partitions)
}

/// An assignment for a member that speaks this version.
pub(crate) fn encode_assignment<'a>(version: i16, assigned: impl ExactSizeIterator<Item = (&'a str, &'a [i32])>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_i32(assigned.len() as i32);
    for (topic, partitions) in assigned {
        out.put_i16(topic.len() as i16);
        out.put_slice(topic.as_bytes());
        out.put_i32(partitions.len() as i32);
        partitions.iter().for_each(|partition| out.put_i32(*partition));
    }
    // No user data.
    out.put_i32(-1);
    out.freeze()
}

fn topic_partitions(from: &mut &[u8]) -> Option<(String, Vec<i32>)> {
    Some((text(from)?, array(from, |from| from.try_get_i32().ok())?))
}

fn text(from: &mut &[u8]) -> Option<String> {
    let len = usize::try_from(from.try_get_i16().ok()?).ok()?;
    let text = std::str::from_utf8(skip(from, len)?).ok()?;
    Some(text.to_owned())
}

fn skip<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (skipped, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(skipped)
}

fn array<T>(from: &mut &[u8], mut element: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    // Not reserved ahead: the count may lie, the bytes that follow can't.
    let mut elements = Vec::new();
    for _ in 0..from.try_get_i32().ok()?.max(0) {
        elements.push(element(from)?);
    }
    Some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_or_refused() {
        let check = |metadata: &[u8], expect: Option<&[&str]>| {
            let expect = expect.map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(parse_subscription(metadata).map(|read| read.topics), expect, "{metadata:?}");
        };
        check(b"\0\0\0\0\0\0", Some(&[]));
        check(b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0", Some(&["a", "bc"]));
        check(b"\0\0\x7f\xff\xff\xff\0\x01a", None);
        check(b"\0\0\0\0\0\x01\xff\xff", None);
        check(b"\0\0\0\0\0\x01\0\x01\xff", None);
        check(b"", None);
    }

    #[test]
    fn what_is_held_and_since_when_is_read() {
        let metadata = b"\0\x02\0\0\0\x01\0\x01a\0\0\0\x02xy\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x05\0\0\0\x09";
        let expect = Subscription { version: 2, topics: vec!["a".into()], owned: vec![("a".into(), vec![0, 5])], generation: 9 };
        assert_eq!(parse_subscription(metadata), Some(expect));
        assert_eq!(parse_subscription(&metadata[..metadata.len() - 5]), None, "a torn list");
    }

    #[test]
    fn an_assignment_is_read_as_it_was_written() {
        let written = encode_assignment(1, [("a", &[0, 5][..]), ("b", &[])].into_iter());
        assert_eq!(parse_assignment(&written), Some(vec![("a".into(), vec![0, 5]), ("b".into(), vec![])]));
        assert_eq!(parse_assignment(b""), Some(vec![]));
        assert_eq!(parse_assignment(b"\0\0\0\0\0\x01"), None);
    }
}
