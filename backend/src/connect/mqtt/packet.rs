//! Control packets and their bytes (chapters 2 and 3 of the standard).

/// A packet may have so many bytes; the standard allows 256 MB.
pub(super) const PACKET_MAX: usize = 1 << 20;
/// The protocol level of 3.1.1.
const LEVEL: u8 = 4;

/// Bytes that are no packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no MQTT packet: {0}")]
pub struct Malformed(pub &'static str);

/// A message under its topic.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// Newcomers get it too.
    pub is_retained: bool,
}

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Publish {
    /// What.
    pub message: Message,
    /// Names it until it is acknowledged; 0 for quality of service 0.
    pub id: u16,
    /// It was perhaps sent before.
    pub is_dup: bool,
}

/// A control packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A client introduces itself.
    Connect {
        /// Who.
        client_id: String,
        /// It wants to know nothing of before.
        is_clean: bool,
        /// It will be heard of at least this often; 0 for never.
        keep_alive_s: u16,
        /// What is to be published when it goes without a word.
        will: Option<Message>,
        /// The protocol it speaks is not this one.
        is_foreign: bool,
    },
    /// And is welcome, or not.
    ConnAck {
        /// There is a session of before.
        is_present: bool,
        /// 0 for welcome.
        code: u8,
    },
    /// A message.
    Publish(Publish),
    /// It has arrived.
    PubAck(u16),
    /// Topics a client wants, with quality of service.
    Subscribe(u16, Vec<(String, u8)>),
    /// It gets them so.
    SubAck(u16, Vec<u8>),
    /// Topics it wants no more.
    Unsubscribe(u16, Vec<String>),
    /// It gets them no more.
    UnsubAck(u16),
    /// Are you there?
    PingReq,
    /// Yes.
    PingResp,
    /// A client goes with a word.
    Disconnect,
}

impl Packet {
    /// Appends the bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let first = match self {
            Self::Connect { client_id, is_clean, keep_alive_s, will, .. } => {
                text(&mut body, "MQTT");
                let of_will = will.as_ref().map_or(0, |will| 0x04 | 0x08 | (u8::from(will.is_retained) << 5));
                body.extend([LEVEL, (u8::from(*is_clean) << 1) | of_will]);
                body.extend(keep_alive_s.to_be_bytes());
                text(&mut body, client_id);
                if let Some(will) = will {
                    text(&mut body, &will.topic);
                    bytes(&mut body, &will.payload);
                }
                0x10
            }
            Self::ConnAck { is_present, code } => {
                body.extend([u8::from(*is_present), *code]);
                0x20
            }
            Self::Publish(Publish { message, id, is_dup }) => {
                text(&mut body, &message.topic);
                if *id > 0 {
                    body.extend(id.to_be_bytes());
                }
                body.extend(&message.payload);
                0x30 | (u8::from(*is_dup) << 3) | (u8::from(*id > 0) << 1) | u8::from(message.is_retained)
            }
            Self::PubAck(id) => with_id(&mut body, *id, 0x40),
            Self::Subscribe(id, filters) => {
                body.extend(id.to_be_bytes());
                for (filter, quality) in filters {
                    text(&mut body, filter);
                    body.push(*quality);
                }
                0x82
            }
            Self::SubAck(id, codes) => {
                body.extend(id.to_be_bytes());
                body.extend(codes);
                0x90
            }
            Self::Unsubscribe(id, filters) => {
                body.extend(id.to_be_bytes());
                filters.iter().for_each(|filter| text(&mut body, filter));
                0xa2
            }
            Self::UnsubAck(id) => with_id(&mut body, *id, 0xb0),
            Self::PingReq => 0xc0,
            Self::PingResp => 0xd0,
            Self::Disconnect => 0xe0,
        };
        out.push(first);
        let mut length = body.len();
        while length > 127 {
            out.push((length % 128) as u8 | 0x80);
            length /= 128;
        }
        out.push(length as u8);
        out.append(&mut body);
    }

    /// Takes the first packet out of what was read; `None` where it is not whole yet.
    ///
    /// # Errors
    /// When the bytes are no packet, or one that is larger than allowed; nothing after them can be read.
    pub fn decode(read: &mut Vec<u8>) -> Result<Option<Self>, Malformed> {
        let Some(first) = read.first().copied() else { return Ok(None) };
        let (mut length, mut header) = (0_usize, 1);
        loop {
            let Some(byte) = read.get(header).copied() else { return Ok(None) };
            length |= usize::from(byte & 0x7f) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if header > 4 {
                return Err(Malformed("its length has more than four bytes"));
            }
        }
        if length > PACKET_MAX {
            return Err(Malformed("it is larger than a megabyte"));
        }
        if read.len() < header + length {
            return Ok(None);
        }
        let packet = Self::of(first, &mut Body(&read[header..header + length]))?;
        read.drain(..header + length);
        Ok(Some(packet))
    }

    fn of(first: u8, body: &mut Body<'_>) -> Result<Self, Malformed> {
        Ok(match first >> 4 {
            1 => return connect(body),
            2 => Self::ConnAck { is_present: body.byte()? & 1 == 1, code: body.byte()? },
            3 => {
                let (is_dup, quality, is_retained) = (first & 8 != 0, (first >> 1) & 3, first & 1 == 1);
                let topic = body.text()?;
                if quality > 1 || topic.is_empty() || topic.contains(['+', '#']) {
                    return Err(Malformed("quality of service 2, or no topic to publish to"));
                }
                let id = if quality == 1 { body.id()? } else { 0 };
                Self::Publish(Publish { message: Message { topic, payload: body.0.to_vec(), is_retained }, id, is_dup })
            }
            4 => Self::PubAck(body.id()?),
            8 => {
                let (id, mut filters) = (body.id()?, Vec::new());
                while !body.0.is_empty() {
                    filters.push((body.text()?, body.byte()?));
                }
                Self::Subscribe(id, filters)
            }
            9 => Self::SubAck(body.id()?, body.0.to_vec()),
            10 => {
                let (id, mut filters) = (body.id()?, Vec::new());
                while !body.0.is_empty() {
                    filters.push(body.text()?);
                }
                Self::Unsubscribe(id, filters)
            }
            11 => Self::UnsubAck(body.id()?),
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            _ => return Err(Malformed("a type that is reserved or not spoken here")),
        })
    }
}

fn connect(body: &mut Body<'_>) -> Result<Packet, Malformed> {
    let (name, level, flags) = (body.text()?, body.byte()?, body.byte()?);
    let keep_alive_s = body.number()?;
    let client_id = body.text()?;
    let will = if flags & 0x04 == 0 {
        None
    } else {
        Some(Message { topic: body.text()?, payload: body.bytes()?.to_vec(), is_retained: flags & 0x20 != 0 })
    };
    // Name and password may follow; the embedded broker listens on loopback alone and asks for none.
    Ok(Packet::Connect { client_id, is_clean: flags & 0x02 != 0, keep_alive_s, will, is_foreign: name != "MQTT" || level != LEVEL })
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len().min(usize::from(u16::MAX));
    out.extend((length as u16).to_be_bytes());
    out.extend(&bytes[..length]);
}

fn text(out: &mut Vec<u8>, text: &str) {
    bytes(out, text.as_bytes());
}

fn with_id(out: &mut Vec<u8>, id: u16, first: u8) -> u8 {
    out.extend(id.to_be_bytes());
    first
}

/// What is left of a packet.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?.first().copied().unwrap_or(0))
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from(self.byte()?) << 8 | u16::from(self.byte()?))
    }

    fn id(&mut self) -> Result<u16, Malformed> {
        match self.number()? {
            0 => Err(Malformed("a packet identifier is never 0")),
            id => Ok(id),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.number()?;
        self.take(length.into())
    }

    fn text(&mut self) -> Result<String, Malformed> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("its text is no UTF-8"))?;
        Ok(text.to_owned())
    }
}
