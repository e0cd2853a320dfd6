//! UTF-8 text.

use weir_model::DecoderName;

use super::Decoder;

pub(super) const DECODER: Decoder = Decoder { name: DecoderName("text"), decode };

fn decode(bytes: Option<&[u8]>) -> Result<String, String> {
    let text = std::str::from_utf8(bytes.ok_or("it is null")?).map_err(|error| format!("not UTF-8: {error}"))?;
    match text.chars().find(|c| c.is_control() && !c.is_ascii_whitespace()) {
        Some(control) => Err(format!("it holds the control character {}", control.escape_unicode())),
        None => Ok(text.to_owned()),
    }
}
