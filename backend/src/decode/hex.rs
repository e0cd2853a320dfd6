//! Bytes as they are, in hexadecimal. Fits everything.

use std::fmt::Write as _;

use weir_model::DecoderName;

use super::Decoder;

pub(super) const DECODER: Decoder = Decoder { name: DecoderName("hex"), decode };

/// A preview needs no more.
const BYTES_MAX: usize = 256;

fn decode(bytes: Option<&[u8]>) -> Result<String, String> {
    let bytes = bytes.unwrap_or_default();
    let mut out = String::new();
    for (at, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        let separator = if at == 0 { "" } else { " " };
        // Writing to a string does not fail.
        let _ = write!(out, "{separator}{byte:02x}");
    }
    if bytes.len() > BYTES_MAX {
        out.push('…');
    }
    Ok(out)
}
