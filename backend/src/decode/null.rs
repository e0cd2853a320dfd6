//! No bytes at all: a null key, or a tombstone.

use weir_model::DecoderName;

use super::Decoder;

pub(super) const DECODER: Decoder = Decoder { name: DecoderName("null"), decode };

fn decode(bytes: Option<&[u8]>) -> Result<String, String> {
    match bytes {
        None => Ok("null".to_owned()),
        Some(bytes) => Err(format!("there are {} bytes", bytes.len())),
    }
}
