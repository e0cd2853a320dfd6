//! Walks a request's bytes before the codec may decode them.
//!
//! The codec asks for the memory of an array as soon as it has read its count: 22 bytes that claim 2^31 topics make it ask for 154 GB, and
//! the failing allocation ends the process. The walk reads the same bytes by the same rules, but allocates nothing: a count or length that
//! the remaining bytes can't hold, or more elements than the limit, and the request is refused.

use std::str;
use std::sync::{Arc, LazyLock};

use super::shapes::{SHAPES, Shape};

/// A walk over one frame, from after the correlation id.
pub(crate) struct Guard<'a> {
    bytes: &'a [u8],
    position: usize,
    elements_left: usize,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(bytes: &'a [u8], max_elements: usize) -> Self {
        Self { bytes, position: 0, elements_left: max_elements }
    }

    /// How far the walk has come.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The rest of the request header: the client's name, which is never compact, and tagged fields from header version 2 on.
    pub(crate) fn header(&mut self, header_version: i16) -> Result<Arc<str>, GuardError> {
        let length = self.i16()?;
        let client_id = match usize::try_from(length) {
            Ok(length) => str::from_utf8(self.take(length)?).map_err(|_| GuardError::ClientId)?,
            Err(_) => "",
        };
        if header_version >= 2 {
            self.tagged_fields(&[], Form { version: 0, flexible: true })?;
        }
        Ok(Arc::from(client_id))
    }

    /// The body. Bytes after its end are left alone, as Kafka leaves them: librdkafka sends three with every Metadata request for all
    /// topics (it reserves four bytes for a count that takes one).
    pub(crate) fn body(&mut self, key: i16, version: i16) -> Result<(), GuardError> {
        let Some(parsed) = PARSED.iter().find(|parsed| parsed.key == key) else {
            return Err(GuardError::NoShape { key });
        };
        // What follows the end is passed over, as Apache Kafka does: librdkafka leaves three bytes there when it asks for the metadata
        // of all topics (it reserves four for an array count that takes one).
        self.structure(&parsed.fields, Form { version, flexible: version >= parsed.flexible_from })
    }

    fn structure(&mut self, fields: &[Field], form: Form) -> Result<(), GuardError> {
        for field in
            fields.iter().filter(|field| field.tag.is_none() && field.versions.0 <= form.version && form.version <= field.versions.1)
        {
            self.value(&field.kind, form)?;
        }
        if form.flexible { self.tagged_fields(fields, form) } else { Ok(()) }
    }

    fn value(&mut self, kind: &Kind, form: Form) -> Result<(), GuardError> {
        match kind {
            Kind::Fixed(size) => self.take(*size).map(drop),
            Kind::Text => match self.length(form, Self::i16_length)? {
                Some(length) => self.take(length).map(drop),
                None => Ok(()),
            },
            Kind::Bytes => match self.length(form, Self::i32_length)? {
                Some(length) => self.take(length).map(drop),
                None => Ok(()),
            },
            Kind::Array(element) => {
                let count = self.length(form, Self::i32_length)?.unwrap_or(0);
                self.count(count)?;
                (0..count).try_for_each(|_| self.value(element, form))
            }
            Kind::Struct(fields) => self.structure(fields, form),
            // The codec takes any byte but 1 for null.
            Kind::Nullable(fields) => match self.take(1)? {
                [1] => self.structure(fields, form),
                _ => Ok(()),
            },
        }
    }

    fn tagged_fields(&mut self, fields: &[Field], form: Form) -> Result<(), GuardError> {
        let count = self.unsigned_varint()? as usize;
        self.count(count)?;
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            let size = self.unsigned_varint()? as usize;
            let end = self.position.checked_add(size).filter(|end| *end <= self.bytes.len()).ok_or_else(|| self.too_long(size))?;
            // The codec ignores the size of a tag it knows, so the two must agree, or it would read on from somewhere we have not walked.
            if let Some(known) = fields.iter().find(|field| field.tag == Some(tag)) {
                self.value(&known.kind, form)?;
                if self.position != end {
                    return Err(GuardError::TagSize { tag });
                }
            }
            self.position = end;
        }
        Ok(())
    }

    /// Each element takes at least a byte; nothing with fewer bytes left can hold them.
    fn count(&mut self, count: usize) -> Result<(), GuardError> {
        if count > self.bytes.len() - self.position {
            return Err(self.too_long(count));
        }
        self.elements_left = self.elements_left.checked_sub(count).ok_or(GuardError::TooManyElements)?;
        Ok(())
    }

    /// A length or count; `None` is null.
    fn length(&mut self, form: Form, classic: fn(&mut Self) -> Result<i32, GuardError>) -> Result<Option<usize>, GuardError> {
        if form.flexible {
            return Ok((self.unsigned_varint()? as usize).checked_sub(1));
        }
        match classic(self)? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_| GuardError::Negative { length }),
        }
    }

    fn i16(&mut self) -> Result<i16, GuardError> {
        let bytes = self.take(2)?;
        Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i16_length(&mut self) -> Result<i32, GuardError> {
        self.i16().map(i32::from)
    }

    fn i32_length(&mut self) -> Result<i32, GuardError> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// As the codec reads it: five bytes at most, bits beyond the 32nd fall off.
    fn unsigned_varint(&mut self) -> Result<u32, GuardError> {
        let mut value = 0;
        for index in 0..5 {
            let byte = u32::from(self.take(1)?[0]);
            value |= (byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], GuardError> {
        let end = self.position.checked_add(size).filter(|end| *end <= self.bytes.len()).ok_or_else(|| self.too_long(size))?;
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn too_long(&self, wanted: usize) -> GuardError {
        GuardError::TooLong { wanted, position: self.position, remaining: self.bytes.len() - self.position }
    }
}

#[derive(Clone, Copy)]
struct Form {
    version: i16,
    flexible: bool,
}

struct Parsed {
    key: i16,
    flexible_from: i16,
    fields: Vec<Field>,
}

struct Field {
    tag: Option<u32>,
    versions: (i16, i16),
    kind: Kind,
}

enum Kind {
    Fixed(usize),
    Text,
    Bytes,
    Array(Box<Kind>),
    Struct(Vec<Field>),
    Nullable(Vec<Field>),
}

static PARSED: LazyLock<Vec<Parsed>> = LazyLock::new(|| SHAPES.iter().map(parse).collect());

fn parse(shape: &Shape) -> Parsed {
    let mut text = shape.fields;
    Parsed { key: shape.key, flexible_from: shape.flexible_from, fields: parse_fields(&mut text) }
}

/// Fields up to a closing brace or the end. The table is ours: a mistake in it is found by the test below, not by a user.
fn parse_fields(text: &mut &str) -> Vec<Field> {
    let mut fields = Vec::new();
    loop {
        *text = text.trim_start();
        let Some((name, rest)) = text.split_once(':').filter(|_| !text.starts_with('}')) else {
            *text = text.strip_prefix('}').unwrap_or(text);
            return fields;
        };
        *text = rest;
        let kind = parse_kind(text);
        let mut versions = (0, i16::MAX);
        if let Some(rest) = text.strip_prefix('@') {
            let end = rest.find([' ', ']', '}']).unwrap_or(rest.len());
            let (from, to) = rest[..end].split_once('-').unwrap_or((&rest[..end], &rest[..end]));
            versions = (from.parse().unwrap_or(0), to.parse().unwrap_or(i16::MAX));
            *text = &rest[end..];
        }
        fields.push(Field { tag: name.strip_prefix('#').and_then(|tag| tag.parse().ok()), versions, kind });
    }
}

fn parse_kind(text: &mut &str) -> Kind {
    if let Some(rest) = text.strip_prefix('[') {
        *text = rest;
        let element = parse_kind(text);
        *text = text.strip_prefix(']').unwrap_or(text);
        return Kind::Array(Box::new(element));
    }
    if let Some(rest) = text.strip_prefix("?{") {
        *text = rest;
        return Kind::Nullable(parse_fields(text));
    }
    if let Some(rest) = text.strip_prefix('{') {
        *text = rest;
        return Kind::Struct(parse_fields(text));
    }
    let end = text.find([' ', ']', '}', '@']).unwrap_or(text.len());
    let word = &text[..end];
    *text = &text[end..];
    match word {
        "i8" => Kind::Fixed(1),
        "i16" => Kind::Fixed(2),
        "i32" => Kind::Fixed(4),
        "i64" => Kind::Fixed(8),
        "uuid" => Kind::Fixed(16),
        "bytes" => Kind::Bytes,
        _ => Kind::Text,
    }
}

/// Why bytes are not the request they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuardError {
    /// A count or length the frame can't hold.
    #[error("byte {position} of the request announces {wanted} bytes or elements, but only {remaining} bytes follow")]
    TooLong {
        /// What is announced.
        wanted: usize,
        /// Where.
        position: usize,
        /// What is there.
        remaining: usize,
    },
    /// A length below -1.
    #[error("the request has a length of {length}")]
    Negative {
        /// The length.
        length: i32,
    },
    /// More elements than the limit allows.
    #[error("the request has more array elements than this broker reads at once; split it")]
    TooManyElements,
    /// A tagged field that is not as long as it says.
    #[error("tagged field {tag} of the request is not as long as it says")]
    TagSize {
        /// Its number.
        tag: u32,
    },
    /// The client's name is not UTF-8.
    #[error("the client id is not UTF-8")]
    ClientId,
    /// A fault of ours: an API without a shape.
    #[error("the broker has no shape for API key {key}")]
    NoShape {
        /// The API.
        key: i16,
    },
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
