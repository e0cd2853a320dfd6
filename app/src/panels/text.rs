//! Small texts that several lists share.

use std::sync::Arc;

use weir_ui_kit::format;

/// What stands where a figure is not known. Never a zero.
pub(crate) fn unknown() -> Arc<str> {
    "–".into()
}

/// `1 record`, `1,234 records`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", format::integer(count), if count == 1 { "" } else { "s" })
}

/// A size given as a whole number.
pub(crate) fn bytes(bytes: u64) -> String {
    format::bytes(bytes as f64)
}

/// A field of a CSV line (RFC 4180): quoted when it holds what would end it.
pub(crate) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_quoted_only_when_they_must_be() {
        let check = |text: &str, expect: &str| assert_eq!(csv_field(text), expect);
        check("plain", "plain");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(
            (counted(1, "record"), counted(0, "record"), counted(1_234, "record")),
            ("1 record".into(), "0 records".into(), "1,234 records".into())
        );
    }
}
