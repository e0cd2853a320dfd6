//! Packets of MQTT 3.1.1 (OASIS standard, 2014), to and from bytes. QoS 0 and 1; a client that sends QoS 2 is told off by closing.

use std::sync::Arc;

use super::filter::{is_filter, is_topic};

/// Bytes of a packet, its header included.
pub(super) const PACKET_MAX: usize = 256 * 1024;
/// Filters of one SUBSCRIBE.
const FILTERS_MAX: usize = 64;
/// Four bytes of seven bits hold the length.
const LENGTH_BYTES_MAX: usize = 4;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Connect(Connect),
    ConnAck { session_present: bool, code: u8 },
    Publish(Publish),
    PubAck(u16),
    Subscribe { id: u16, filters: Vec<(String, u8)> },
    SubAck { id: u16, codes: Vec<u8> },
    Unsubscribe { id: u16, filters: Vec<String> },
    UnsubAck(u16),
    PingReq,
    PingResp,
    Disconnect,
}

/// Who connects, and what is to be said when it goes without a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Connect {
    pub(super) client_id: String,
    pub(super) clean_session: bool,
    pub(super) keep_alive_s: u16,
    pub(super) will: Option<Publish>,
}

/// A message; `id` is `None` for QoS 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) topic: Arc<str>,
    pub(super) payload: Arc<[u8]>,
    pub(super) id: Option<u16>,
    pub(super) retain: bool,
    pub(super) dup: bool,
}

/// What is no packet, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not MQTT 3.1.1: {0}")]
pub(super) struct Malformed(pub(super) &'static str);

/// Reads the first packet of `bytes` and how many bytes it took; `None` when more must come.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Packet, usize)>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    // Reserved flags (section 2.2.2) are 2 for these three, and 0 otherwise but for PUBLISH. Nothing is waited for after a wrong byte.
    let flags = if matches!(first >> 4, 6 | 8 | 10) { 2 } else { 0 };
    if first >> 4 != 3 && first & 0x0f != flags {
        return Err(Malformed("reserved flags"));
    }
    let mut length = 0_usize;
    for (at, &byte) in rest.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 != 0 {
            continue;
        }
        let total = 2 + at + length;
        if total > PACKET_MAX {
            return Err(Malformed("the packet is too large"));
        }
        return match rest.get(at + 1..at + 1 + length) {
            Some(body) => Ok(Some((decode_body(first, body)?, total))),
            None => Ok(None),
        };
    }
    if rest.len() >= LENGTH_BYTES_MAX { Err(Malformed("the length has more than four bytes")) } else { Ok(None) }
}

fn decode_body(first: u8, body: &[u8]) -> Result<Packet, Malformed> {
    let mut body = Body(body);
    let (kind, flags) = (first >> 4, first & 0x0f);
    let packet = match kind {
        1 => Packet::Connect(decode_connect(&mut body)?),
        2 => Packet::ConnAck { session_present: body.byte()? & 1 == 1, code: body.byte()? },
        3 => return decode_publish(flags, body),
        4 => Packet::PubAck(body.id()?),
        8 => {
            let (id, mut filters) = (body.id()?, Vec::new());
            while !body.0.is_empty() {
                filters.push((body.filter(filters.len())?, body.byte()?));
            }
            if filters.is_empty() || filters.iter().any(|(_, qos)| *qos > 2) {
                return Err(Malformed("a subscription without filter, or of no QoS"));
            }
            Packet::Subscribe { id, filters }
        }
        9 => Packet::SubAck { id: body.id()?, codes: std::mem::take(&mut body.0).to_vec() },
        10 => {
            let (id, mut filters) = (body.id()?, Vec::new());
            while !body.0.is_empty() {
                filters.push(body.filter(filters.len())?);
            }
            Packet::Unsubscribe { id, filters }
        }
        11 => Packet::UnsubAck(body.id()?),
        12 => Packet::PingReq,
        13 => Packet::PingResp,
        14 => Packet::Disconnect,
        _ => return Err(Malformed("a packet of QoS 2, or of no known kind")),
    };
    if body.0.is_empty() { Ok(packet) } else { Err(Malformed("bytes after the packet's end")) }
}

fn decode_connect(body: &mut Body<'_>) -> Result<Connect, Malformed> {
    if body.bytes()? != b"MQTT" || body.byte()? != 4 {
        return Err(Malformed("another protocol or version"));
    }
    let flags = body.byte()?;
    let keep_alive_s = body.u16()?;
    let client_id = body.text()?;
    if flags & 1 != 0 || flags & 0x18 == 0x18 || flags & 0x04 == 0 && flags & 0x38 != 0 || flags & 0xc0 == 0x40 {
        return Err(Malformed("flags of CONNECT that contradict each other"));
    }
    let will = if flags & 0x04 == 0 {
        None
    } else {
        let (topic, payload) = (body.text()?, body.bytes()?);
        if !is_topic(&topic) {
            return Err(Malformed("a will's topic"));
        }
        // A will of QoS 2 is told at least once.
        let id = (flags & 0x18 != 0).then_some(0);
        Some(Publish { topic: topic.into(), payload: payload.into(), id, retain: flags & 0x20 != 0, dup: false })
    };
    // Everybody on the loopback interface may connect: names and passwords are read and not asked for.
    if flags & 0x80 != 0 {
        body.bytes()?;
    }
    if flags & 0x40 != 0 {
        body.bytes()?;
    }
    Ok(Connect { client_id, clean_session: flags & 0x02 != 0, keep_alive_s, will })
}

fn decode_publish(flags: u8, mut body: Body<'_>) -> Result<Packet, Malformed> {
    let topic = body.text()?;
    if !is_topic(&topic) {
        return Err(Malformed("a topic with wildcards, or without a name"));
    }
    let id = match flags >> 1 & 3 {
        0 => None,
        1 => Some(body.id()?),
        _ => return Err(Malformed("QoS 2 is not served")),
    };
    Ok(Packet::Publish(Publish { topic: topic.into(), payload: body.0.into(), id, retain: flags & 1 != 0, dup: flags & 8 != 0 }))
}

struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed("the packet ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|bytes| bytes.iter().fold(0, |_, byte| *byte))
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn id(&mut self) -> Result<u16, Malformed> {
        self.u16().and_then(|id| if id == 0 { Err(Malformed("packet identifier 0")) } else { Ok(id) })
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("text that is not UTF-8"))
    }

    fn filter(&mut self, before: usize) -> Result<String, Malformed> {
        let filter = self.text()?;
        if before >= FILTERS_MAX || !is_filter(&filter) {
            return Err(Malformed("a filter that is not one, or too many"));
        }
        Ok(filter)
    }
}

/// Appends a packet's bytes. Text and payloads are ours, and short enough ([`PACKET_MAX`] is checked by whoever takes them in).
pub(super) fn encode(packet: &Packet, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    let first = match packet {
        Packet::Connect(connect) => {
            encode_connect(connect, &mut body);
            0x10
        }
        Packet::ConnAck { session_present, code } => {
            body.extend([u8::from(*session_present), *code]);
            0x20
        }
        Packet::Publish(publish) => {
            text(publish.topic.as_bytes(), &mut body);
            publish.id.iter().for_each(|id| body.extend(id.to_be_bytes()));
            body.extend_from_slice(&publish.payload);
            0x30 | u8::from(publish.dup) << 3 | u8::from(publish.id.is_some()) << 1 | u8::from(publish.retain)
        }
        Packet::PubAck(id) | Packet::UnsubAck(id) => {
            body.extend(id.to_be_bytes());
            if matches!(packet, Packet::PubAck(_)) { 0x40 } else { 0xb0 }
        }
        Packet::Subscribe { id, filters } => {
            body.extend(id.to_be_bytes());
            for (filter, qos) in filters {
                text(filter.as_bytes(), &mut body);
                body.push(*qos);
            }
            0x82
        }
        Packet::SubAck { id, codes } => {
            body.extend(id.to_be_bytes());
            body.extend_from_slice(codes);
            0x90
        }
        Packet::Unsubscribe { id, filters } => {
            body.extend(id.to_be_bytes());
            filters.iter().for_each(|filter| text(filter.as_bytes(), &mut body));
            0xa2
        }
        Packet::PingReq => 0xc0,
        Packet::PingResp => 0xd0,
        Packet::Disconnect => 0xe0,
    };
    out.push(first);
    let mut length = body.len();
    loop {
        let byte = (length % 128) as u8;
        length /= 128;
        out.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            break;
        }
    }
    out.extend(body);
}

fn encode_connect(connect: &Connect, body: &mut Vec<u8>) {
    text(b"MQTT", body);
    let mut flags = u8::from(connect.clean_session) << 1;
    if let Some(will) = &connect.will {
        flags |= 0x04 | u8::from(will.id.is_some()) << 3 | u8::from(will.retain) << 5;
    }
    body.extend([4, flags]);
    body.extend(connect.keep_alive_s.to_be_bytes());
    text(connect.client_id.as_bytes(), body);
    if let Some(will) = &connect.will {
        text(will.topic.as_bytes(), body);
        text(&will.payload, body);
    }
}

fn text(bytes: &[u8], body: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend_from_slice(&bytes[..usize::from(length)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn publishes() -> impl Strategy<Value = Publish> {
        ("[a-z]{1,5}(/[a-z]{0,5}){0,3}", any::<Vec<u8>>(), prop::option::of(1_u16..), any::<bool>(), any::<bool>())
            .prop_map(|(topic, payload, id, retain, dup)| Publish { topic: topic.into(), payload: payload.into(), id, retain, dup })
    }

    fn packets() -> impl Strategy<Value = Packet> {
        let wills = prop::option::of(publishes().prop_map(|will| Publish { id: will.id.map(|_| 0), dup: false, ..will }));
        let filters = || prop::collection::vec("[a-z]{1,5}(/[a-z+]){0,3}", 1..5);
        prop_oneof![
            ("[a-z0-9]{0,9}", any::<bool>(), any::<u16>(), wills).prop_map(|(client_id, clean_session, keep_alive_s, will)| {
                Packet::Connect(Connect { client_id, clean_session, keep_alive_s, will })
            }),
            (any::<bool>(), any::<u8>()).prop_map(|(session_present, code)| Packet::ConnAck { session_present, code }),
            publishes().prop_map(Packet::Publish),
            (1_u16..).prop_map(Packet::PubAck),
            (1_u16.., filters(), 0_u8..=2).prop_map(|(id, filters, qos)| {
                Packet::Subscribe { id, filters: filters.into_iter().map(|filter| (filter, qos)).collect() }
            }),
            (1_u16.., any::<Vec<u8>>()).prop_map(|(id, codes)| Packet::SubAck { id, codes }),
            (1_u16.., filters()).prop_map(|(id, filters)| Packet::Unsubscribe { id, filters }),
            Just(Packet::PingReq),
            Just(Packet::Disconnect),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_no_prefix_of_it(packet in packets(), after in any::<Vec<u8>>()) {
            let mut bytes = Vec::new();
            encode(&packet, &mut bytes);
            let length = bytes.len();
            for end in 0..length {
                prop_assert_eq!(decode(&bytes[..end]), Ok(None));
            }
            bytes.extend(after);
            prop_assert_eq!(decode(&bytes), Ok(Some((packet, length))));
        }

        #[test]
        fn any_bytes_are_survived(bytes in any::<Vec<u8>>()) {
            if let Ok(Some((_, length))) = decode(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    #[test]
    fn known_bytes_are_what_the_standard_says() {
        // Figure 3.6 and table 3.9 of the standard.
        let connect = [0x10, 16, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 10, 0, 4, b'w', b'e', b'i', b'r'];
        let wanted = Connect { client_id: "weir".to_owned(), clean_session: true, keep_alive_s: 10, will: None };
        assert_eq!(decode(&connect), Ok(Some((Packet::Connect(wanted), connect.len()))));
        assert!(decode(&[0x34, 5, 0, 1, b'a', 0, 1]).is_err(), "QoS 2");
        assert!(decode(&[0x30, 0xff, 0xff, 0xff, 0x7f]).is_err(), "too large");
        assert!(decode(&[0x30, 0xff, 0xff, 0xff, 0xff]).is_err(), "a length of five bytes");
    }
}
