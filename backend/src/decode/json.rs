//! JSON objects and arrays. Numbers are kept as they were written: no digit of an integer beyond 2^53 is lost.

use weir_model::DecoderName;

use super::{Decoder, PREVIEW_CHARS_MAX};

pub(super) const DECODER: Decoder = Decoder { name: DecoderName("json"), decode };

fn decode(bytes: Option<&[u8]>) -> Result<String, String> {
    let bytes = bytes.ok_or("it is null")?;
    // A bare number or word is valid JSON too, but nobody means it so.
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => {}
        _ => return Err("it begins with neither { nor [".to_owned()),
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| error.to_string())?;
    // Valid JSON is valid UTF-8; taking white space out of the text itself leaves every number as it stands.
    std::str::from_utf8(bytes).map(compact).map_err(|error| error.to_string())
}

fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(PREVIEW_CHARS_MAX));
    let (mut is_in_string, mut is_escaped) = (false, false);
    let mut count = 0;
    for c in text.chars() {
        if count > PREVIEW_CHARS_MAX {
            break; // one more than is shown, so that the cut is marked
        }
        if is_in_string {
            is_in_string = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            is_in_string = c == '"';
        }
        out.push(c);
        count += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_only_outside_of_strings() {
        assert_eq!(compact(r#"{ "a b" : "c \" d" , "e\\" : [ 1 ] }"#), r#"{"a b":"c \" d","e\\":[1]}"#);
    }
}
