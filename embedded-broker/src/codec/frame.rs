//! Frames on a connection, and the header each request begins with.

use bytes::{Buf as _, Bytes, BytesMut};

use super::LENGTH_BYTES;
use crate::config::Limits;

/// Key, version and correlation id: what must be there before a frame's size can be judged.
const HEAD_BYTES: usize = 8;
const PRODUCE_KEY: i16 = 0;

/// How large frames may be, and how small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameBounds {
    least: usize,
    produce: usize,
    other: usize,
}

impl FrameBounds {
    /// Requests of a client that is let in.
    pub(crate) fn requests(limits: &Limits) -> Self {
        Self { least: HEAD_BYTES, produce: limits.max_produce_frame_bytes, other: limits.max_control_frame_bytes }
    }

    /// Requests of a client that has not logged in.
    pub(crate) fn unauthenticated(limits: &Limits) -> Self {
        let most = limits.max_unauthenticated_frame_bytes;
        Self { least: HEAD_BYTES, produce: most, other: most }
    }

    /// SASL tokens without a header.
    pub(crate) fn raw_tokens(limits: &Limits) -> Self {
        Self { least: 0, ..Self::unauthenticated(limits) }
    }
}

/// Takes the next whole frame, without its length, off `buffer`. `Ok(None)`: it is not all there yet; `missing` bytes are.
pub(crate) fn split_frame(buffer: &mut BytesMut, bounds: FrameBounds) -> Result<Result<Bytes, usize>, FrameError> {
    let Some(length) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(Err(LENGTH_BYTES - buffer.len()));
    };
    let announced = i32::from_be_bytes(*length);
    let length = usize::try_from(announced).map_err(|_| FrameError::NegativeLength { announced })?;
    if length < bounds.least {
        return Err(FrameError::TooShort { length });
    }
    if length > bounds.other {
        check_large(buffer, length, bounds)?;
    }
    let whole = LENGTH_BYTES + length;
    if buffer.len() < whole {
        return Ok(Err(whole - buffer.len()));
    }
    buffer.advance(LENGTH_BYTES);
    Ok(Ok(buffer.split_to(length).freeze()))
}

/// Only Produce may be this large, and even it has an end.
fn check_large(buffer: &[u8], length: usize, bounds: FrameBounds) -> Result<(), FrameError> {
    let key = buffer.get(LENGTH_BYTES..LENGTH_BYTES + 2).map(|key| i16::from_be_bytes([key[0], key[1]]));
    let max_bytes = match key {
        None | Some(PRODUCE_KEY) => bounds.produce,
        Some(_) => bounds.other,
    };
    if length > max_bytes { Err(FrameError::TooLong { length, max_bytes }) } else { Ok(()) }
}

/// Who asks what, in which version.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
}

impl RequestHead {
    /// Reads the part of the header that all its versions share.
    pub(crate) fn read(frame: &mut Bytes) -> Result<Self, FrameError> {
        if frame.len() < HEAD_BYTES {
            return Err(FrameError::TooShort { length: frame.len() });
        }
        Ok(Self { key: frame.get_i16(), version: frame.get_i16(), correlation_id: frame.get_i32() })
    }
}

/// Why a connection's bytes are not Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// A length below zero.
    #[error("a frame announces {announced} bytes; this is not the Kafka protocol (TLS or HTTP on the plaintext port?)")]
    NegativeLength {
        /// What the frame said.
        announced: i32,
    },
    /// Not even a header fits.
    #[error("a frame of {length} bytes is too short for a request header")]
    TooShort {
        /// What the frame said.
        length: usize,
    },
    /// More than the limit.
    #[error(
        "a frame announces {length} bytes, more than the limit of {max_bytes}; this is not the Kafka protocol, or the client's batches are too large"
    )]
    TooLong {
        /// What the frame said.
        length: usize,
        /// The limit.
        max_bytes: usize,
    },
}
