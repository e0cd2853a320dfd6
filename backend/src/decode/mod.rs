//! Turns bytes into something to read. Decoders are tried in the order of one list; the first that fits wins, and those before it say why not.

mod hex;
mod json;
mod null;
mod text;

use weir_model::DecoderName;

/// Characters of a preview; a detail view has all of them.
const PREVIEW_CHARS_MAX: usize = 400;

/// A way to read bytes.
pub struct Decoder {
    /// Its name on screen.
    pub name: DecoderName,
    /// A line to show, or why the bytes are not of this kind.
    pub decode: fn(Option<&[u8]>) -> Result<String, String>,
}

/// All decoders, most telling first. The last one always fits.
pub const DECODERS: &[Decoder] = &[null::DECODER, json::DECODER, text::DECODER, hex::DECODER];

/// What a list shows of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Which decoder fitted.
    pub decoder: DecoderName,
    /// One line, shortened.
    pub preview: String,
    /// Why the decoders before it did not fit, a line each.
    pub notes: String,
}

/// Decodes a key or a value.
pub fn decode(bytes: Option<&[u8]>) -> Decoded {
    let mut notes = String::new();
    for decoder in DECODERS {
        match (decoder.decode)(bytes) {
            Ok(line) => return Decoded { decoder: decoder.name, preview: shorten(&line), notes },
            Err(reason) => notes.push_str(&format!("{}: {reason}\n", decoder.name.0)),
        }
    }
    Decoded { decoder: hex::DECODER.name, preview: String::new(), notes }
}

fn shorten(line: &str) -> String {
    let mut chars = line.chars();
    let mut short: String = chars.by_ref().take(PREVIEW_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fitting_decoder_wins() {
        let check = |bytes: Option<&[u8]>, decoder: &str, preview: &str| {
            let decoded = decode(bytes);
            assert_eq!((decoded.decoder.0, decoded.preview.as_str()), (decoder, preview), "{bytes:?}");
        };
        check(None, "null", "null");
        check(Some(b""), "text", "");
        check(Some(br#"{"id": 9007199254740993}"#), "json", r#"{"id":9007199254740993}"#);
        check(Some(b"[1, 2.50]"), "json", "[1,2.50]");
        check(Some(b"plain"), "text", "plain");
        check(Some("two\nlines".as_bytes()), "text", "two lines");
        check(Some(b"\xff\x00\x01"), "hex", "ff 00 01");
        check(Some(br#"{"broken": "#), "text", r#"{"broken": "#);
    }

    #[test]
    fn who_does_not_fit_says_why() {
        assert_eq!(decode(Some(b"\xff")).notes.lines().count(), 3);
        assert!(decode(Some(b"{\"a\" 1}")).notes.contains("json: "), "{}", decode(Some(b"{\"a\" 1}")).notes);
    }

    #[test]
    fn a_long_value_is_marked_as_shortened() {
        let decoded = decode(Some("x".repeat(10_000).as_bytes()));
        assert_eq!(decoded.preview.chars().count(), PREVIEW_CHARS_MAX + 1);
        assert!(decoded.preview.ends_with('…'));
    }
}
