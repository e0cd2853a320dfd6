//! Bytes as a person reads them: text as it is, or sixteen bytes a line in hex. Pure; lines are made when they come into view.

use std::ops::Range;

/// Bytes of a hex line.
pub(super) const HEX_BYTES_PER_LINE: usize = 16;
/// How many hex lines these bytes take.
pub(super) fn hex_line_count(len_bytes: usize) -> usize {
    len_bytes.div_ceil(HEX_BYTES_PER_LINE)
}

/// One hex line: position, bytes, and the printable ones among them.
pub(super) fn hex_line(bytes: &[u8], line: usize) -> String {
    use std::fmt::Write as _;
    let from = line * HEX_BYTES_PER_LINE;
    let part = bytes.get(from..bytes.len().min(from + HEX_BYTES_PER_LINE)).unwrap_or_default();
    let mut text = format!("{from:08x}  ");
    for at in 0..HEX_BYTES_PER_LINE {
        let gap = if at == HEX_BYTES_PER_LINE / 2 { " " } else { "" };
        // Writing into a String can't fail.
        let _ = match part.get(at) {
            Some(byte) => write!(text, "{gap}{byte:02x} "),
            None => write!(text, "{gap}   "),
        };
    }
    text.push(' ');
    text.extend(part.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '·' }));
    text
}

/// All bytes as hex digits, for the clipboard.
pub(super) fn hex_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the lines of a text begin and end: at its line ends, and after so many characters.
pub(super) fn text_lines(text: &str, chars_per_line: usize) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut from = 0;
    let mut chars = 0;
    for (at, c) in text.char_indices() {
        if c == '\n' || chars == chars_per_line {
            lines.push(from..at);
            (from, chars) = if c == '\n' { (at + 1, 0) } else { (at, 1) };
        } else {
            chars += 1;
        }
    }
    lines.push(from..text.len());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_lines_say_where_and_what() {
        let check = |bytes: &[u8], line: usize, expect: &str| assert_eq!(hex_line(bytes, line), expect);
        let check_short = |bytes: &[u8], line: usize, hex: &str, text: &str| check(bytes, line, &format!("{hex:<60}{text}"));
        check_short(b"Weir\x00\xff", 0, "00000000  57 65 69 72 00 ff", "Weir··");
        check_short(&[0x41; 18], 1, "00000010  41 41", "AA");
        assert_eq!((hex_line_count(0), hex_line_count(16), hex_line_count(17)), (0, 1, 2));
    }

    #[test]
    fn a_text_loses_nothing_to_its_lines() {
        let check = |text: &str, expect: &[&str]| {
            let lines: Vec<&str> = text_lines(text, 3).into_iter().map(|line| &text[line]).collect();
            assert_eq!(lines, expect, "{text:?}");
        };
        check("", &[""]);
        check("abc", &["abc"]);
        check("abcd", &["abc", "d"]);
        check("ab\n\ncdef\n", &["ab", "", "cde", "f", ""]);
        check("äöüß", &["äöü", "ß"]);
    }
}
