//! The only place that knows how Kafka's messages look on the wire.
//!
//! The codec crate allocates by counts it has not checked, so nothing reaches it before [`guard`] has walked the bytes. API files use its
//! message types through [`messages`]; a client's record batches are never given to it at all (see `crate::log::batch`).

mod error_codes;
mod error_names;
mod frame;
pub(crate) mod guard;
mod shapes;

pub(crate) use error_codes::{ErrorCodes, Place};
pub(crate) use error_names::{error_by_name, error_name};
pub(crate) use frame::{FrameBounds, FrameError, RequestHead, split_frame};
pub(crate) use kafka_protocol::ResponseError;
pub(crate) use kafka_protocol::messages;
pub(crate) use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use bytes::{BufMut as _, Bytes, BytesMut};

/// Decodes a request body that the guard has passed.
pub(crate) fn decode<R: Decodable>(mut body: Bytes, version: i16) -> Result<R, CodecError> {
    R::decode(&mut body, version).map_err(|reason| CodecError::Decode(format!("{reason:#}")))
}

/// A whole response frame: length, header, body.
pub(crate) fn encode_response<R: Encodable + HeaderVersion>(
    correlation_id: i32,
    response: &R,
    version: i16,
) -> Result<BytesMut, CodecError> {
    let failed = |reason| CodecError::Encode(format!("{reason:#}"));
    let body_bytes = response.compute_size(version).map_err(failed)?;
    let mut frame = BytesMut::with_capacity(LENGTH_BYTES + 5 + body_bytes);
    frame.put_i32(0);
    frame.put_i32(correlation_id);
    if R::header_version(version) >= 1 {
        frame.put_u8(0); // No tagged fields.
    }
    response.encode(&mut frame, version).map_err(failed)?;
    let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(|_| CodecError::Encode("the response is larger than 2 GiB".into()))?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// Bytes of the length before each frame.
pub(crate) const LENGTH_BYTES: usize = 4;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// The guard refused the bytes.
    #[error("{0}")]
    Guard(#[from] guard::GuardError),
    /// The codec could not read the body.
    #[error("the request can't be decoded: {0}")]
    Decode(String),
    /// The codec could not write the response: a fault of ours.
    #[error("the response can't be encoded: {0}")]
    Encode(String),
    /// Any of these, with the API it happened to.
    #[error("{name} version {version}: {source}")]
    Of {
        /// The API.
        name: &'static str,
        /// The request's version.
        version: i16,
        /// What happened.
        source: Box<CodecError>,
    },
}

impl CodecError {
    /// Names the API it happened to.
    pub(crate) fn of(self, name: &'static str, version: i16) -> Self {
        Self::Of { name, version, source: Box::new(self) }
    }
}

/// Kafka's code of a result: 0 when it went well.
pub(crate) fn error_code(error: Option<ResponseError>) -> i16 {
    error.map_or(0, |error| error.code())
}

/// A string for a response.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}
