//! Kafka's flexible encoding (KIP-482), as far as record values need it: compact lengths and tagged fields.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use uuid::Uuid;

use super::RecordError;

pub(super) fn put_uvarint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// An array's length; its elements follow.
pub(super) fn put_count(out: &mut BytesMut, count: usize) {
    put_uvarint(out, u32::try_from(count).unwrap_or(u32::MAX - 1).saturating_add(1));
}

pub(super) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.put_slice(bytes);
}

pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    put_bytes(out, text.as_bytes());
}

pub(super) fn put_nullable_text(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => put_uvarint(out, 0),
    }
}

pub(super) fn put_no_tags(out: &mut BytesMut) {
    out.put_u8(0);
}

/// Reads what the functions above write. Never reserves by a count it has not seen the bytes of.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn i8(&mut self) -> Result<i8, RecordError> {
        self.0.try_get_i8().map_err(|_| RecordError::Truncated)
    }

    pub(super) fn i16(&mut self) -> Result<i16, RecordError> {
        self.0.try_get_i16().map_err(|_| RecordError::Truncated)
    }

    pub(super) fn i32(&mut self) -> Result<i32, RecordError> {
        self.0.try_get_i32().map_err(|_| RecordError::Truncated)
    }

    pub(super) fn i64(&mut self) -> Result<i64, RecordError> {
        self.0.try_get_i64().map_err(|_| RecordError::Truncated)
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, RecordError> {
        self.0.try_get_u128().map(Uuid::from_u128).map_err(|_| RecordError::Truncated)
    }

    pub(super) fn uvarint(&mut self) -> Result<u32, RecordError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.0.try_get_u8().map_err(|_| RecordError::Truncated)?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(RecordError::Truncated)
    }

    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(RecordError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn nullable_text(&mut self) -> Result<Option<String>, RecordError> {
        let Some(len) = self.uvarint()?.checked_sub(1) else { return Ok(None) };
        String::from_utf8(self.slice(len as usize)?.to_vec()).map(Some).map_err(|_| RecordError::NotUtf8)
    }

    pub(super) fn text(&mut self) -> Result<String, RecordError> {
        Ok(self.nullable_text()?.unwrap_or_default())
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, RecordError> {
        let len = self.uvarint()?.saturating_sub(1) as usize;
        Ok(Bytes::copy_from_slice(self.slice(len)?))
    }

    pub(super) fn array<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T, RecordError>) -> Result<Vec<T>, RecordError> {
        let count = self.uvarint()?.saturating_sub(1);
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Hands every tagged field to `each`; those nobody knows are passed over.
    pub(super) fn tags(&mut self, mut each: impl FnMut(u32, &'a [u8]) -> Result<(), RecordError>) -> Result<(), RecordError> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let len = self.uvarint()? as usize;
            each(tag, self.slice(len)?)?;
        }
        Ok(())
    }

    pub(super) fn skip_tags(&mut self) -> Result<(), RecordError> {
        self.tags(|_, _| Ok(()))
    }
}
