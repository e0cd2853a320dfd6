//! JSON values that stand in an array, or over several lines each, as one value a line.

use std::io::{self, BufRead, Read};

/// Whether a file that begins so has objects in an array, or one that goes on in the next line.
pub(super) fn is_json_to_part(start: &[u8]) -> bool {
    let mut signs = start.iter().filter(|byte| !byte.is_ascii_whitespace());
    match (signs.next(), signs.next()) {
        (Some(b'['), Some(b'{' | b']')) => true,
        (Some(b'{'), _) => start.trim_ascii_start().get(1..).is_some_and(|rest| {
            let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
            blank.clone().any(|byte| *byte == b'\n')
        }),
        _ => false,
    }
}

/// The values, one a line; what is no JSON comes as it is.
pub(super) struct JsonLines<R> {
    reader: R,
    depth: u32,
    is_array: bool,
    is_text: bool,
    is_protected: bool,
    out: Vec<u8>,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, depth: 0, is_array: false, is_text: false, is_protected: false, out: Vec::new() }
    }

    fn byte(&mut self, byte: u8) {
        let outer = u32::from(self.is_array);
        if self.is_text {
            self.is_text = self.is_protected || byte != b'"';
            self.is_protected = !self.is_protected && byte == b'\\';
            self.out.push(byte);
            return;
        }
        match byte {
            b'[' if self.depth == 0 && !self.is_array => {
                (self.is_array, self.depth) = (true, 1);
                return;
            }
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => {
                let is_outer = self.depth <= outer;
                self.depth = self.depth.saturating_sub(1);
                if is_outer {
                    self.is_array = false;
                    return;
                }
            }
            b'"' => self.is_text = true,
            b'\n' | b'\r' if self.depth > outer => return self.out.push(b' '),
            _ if self.depth <= outer && (byte.is_ascii_whitespace() || byte == b',') => return,
            _ => {}
        }
        self.out.push(byte);
        if self.depth == outer && matches!(byte, b']' | b'}') {
            self.out.push(b'\n');
        }
    }
}

impl<R: BufRead> Read for JsonLines<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.out.is_empty() {
            let bytes = self.reader.fill_buf()?.to_vec();
            if bytes.is_empty() {
                return Ok(0);
            }
            bytes.iter().for_each(|byte| self.byte(*byte));
            self.reader.consume(bytes.len());
        }
        let count = self.out.len().min(out.len());
        out[..count].copy_from_slice(&self.out[..count]);
        self.out.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_one_a_line() {
        let check = |text: &str, expect: &str| {
            assert!(is_json_to_part(text.as_bytes()), "{text}");
            // However the bytes come.
            for size in [1, 3, 1_000] {
                let mut read = String::new();
                JsonLines::new(io::BufReader::with_capacity(size, text.as_bytes())).read_to_string(&mut read).unwrap();
                assert_eq!(read, expect, "{text} by {size}");
            }
        };
        check("[{\"a\":1},\n {\"a\":[2, {\"b\":3}]}]\n", "{\"a\":1}\n{\"a\":[2, {\"b\":3}]}\n");
        check("{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n", "{ \"a\": 1 }\n{ \"a\": 2 }\n");
        check(r#"[{"a":"]},\"{\\"},{"b":2}]"#, "{\"a\":\"]},\\\"{\\\\\"}\n{\"b\":2}\n");
        check("[]", "");
        check("[{\"a\":1},{\"a\":", "{\"a\":1}\n{\"a\":");
        check("[{\"a\":1}][{\"a\":2}]", "{\"a\":1}\n{\"a\":2}\n");
        for text in ["{\"a\":1}\n{\"a\":2}", "[29/Mar/2025] x", "a,b", "", "{ \"a\":1}"] {
            assert!(!is_json_to_part(text.as_bytes()), "{text}");
        }
    }
}
