//! JSON as a tree of lines, with every number exactly as it was written and duplicate names kept. Pure: the window draws what this lists.

use std::collections::HashSet;

/// Bytes up to which a value is shown as a tree; a larger one is shown as text, which says so.
pub(super) const TREE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Entries below the root that begin opened: more would bury the first look.
const OPEN_DEPTH: u16 = 3;

/// A document as lines in reading order.
#[derive(Debug, PartialEq)]
pub(super) struct JsonTree {
    nodes: Vec<Node>,
}

/// One line of the tree.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// How deep below the root.
    pub(super) depth: u16,
    /// Its name in an object or number in an array; `None` for the root.
    pub(super) name: Option<String>,
    /// What it is.
    pub(super) kind: Kind,
    /// A scalar as it was written; `3 fields` or `7 items` for the others.
    pub(super) text: String,
    /// One past its last descendant.
    end: usize,
}

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// Digits, as written.
    Number,
    /// `true`, `false`.
    Bool,
    /// `null`
    Null,
}

impl JsonTree {
    /// The tree of an object or array; `None` when the bytes are anything else, broken, or too large.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > TREE_BYTES_MAX || !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return None;
        }
        // serde_json checks the grammar and bounds the depth; the scanner below only cuts what is known to be well formed.
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).ok()?;
        let mut scanner = Scanner { text: std::str::from_utf8(bytes).ok()?, at: 0, nodes: Vec::new() };
        scanner.value(0, None)?;
        Some(Self { nodes: scanner.nodes })
    }

    /// The line of that number.
    pub(super) fn node(&self, at: usize) -> Option<&Node> {
        self.nodes.get(at)
    }

    /// Containers that begin closed.
    pub(super) fn closed_at_first(&self) -> HashSet<usize> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.is_container() && node.depth >= OPEN_DEPTH).map(|(at, _)| at).collect()
    }

    /// The numbers of the lines to show when these containers are closed.
    pub(super) fn visible(&self, closed: &HashSet<usize>) -> Vec<usize> {
        let mut visible = Vec::new();
        let mut at = 0;
        while let Some(node) = self.nodes.get(at) {
            visible.push(at);
            at = if closed.contains(&at) { node.end } else { at + 1 };
        }
        visible
    }
}

impl Node {
    /// Whether it holds other lines.
    pub(super) fn is_container(&self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Array)
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node>,
}

impl Scanner<'_> {
    fn value(&mut self, depth: u16, name: Option<String>) -> Option<()> {
        self.skip_space();
        let kind = match self.peek()? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b't' | b'f' => Kind::Bool,
            b'n' => Kind::Null,
            _ => Kind::Number,
        };
        let index = self.nodes.len();
        self.nodes.push(Node { depth, name, kind, text: String::new(), end: index + 1 });
        let text = match kind {
            Kind::Object => counted(self.members(depth)?, "field", "fields"),
            Kind::Array => counted(self.items(depth)?, "item", "items"),
            Kind::String => self.string()?.to_owned(),
            Kind::Number | Kind::Bool | Kind::Null => self.word().to_owned(),
        };
        let end = self.nodes.len();
        let node = self.nodes.get_mut(index)?;
        (node.text, node.end) = (text, end);
        Some(())
    }

    fn members(&mut self, depth: u16) -> Option<usize> {
        self.at += 1;
        let mut count = 0;
        loop {
            self.skip_space();
            match self.peek()? {
                b'}' => break,
                b',' => self.at += 1,
                _ => {
                    let quoted = self.string()?;
                    let name = serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_owned());
                    self.skip_space();
                    self.at += 1; // the colon
                    self.value(depth + 1, Some(name))?;
                    count += 1;
                }
            }
        }
        self.at += 1;
        Some(count)
    }

    fn items(&mut self, depth: u16) -> Option<usize> {
        self.at += 1;
        let mut count = 0;
        loop {
            self.skip_space();
            match self.peek()? {
                b']' => break,
                b',' => self.at += 1,
                _ => {
                    self.value(depth + 1, Some(count.to_string()))?;
                    count += 1;
                }
            }
        }
        self.at += 1;
        Some(count)
    }

    fn string(&mut self) -> Option<&str> {
        let from = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(from..self.at)
    }

    fn word(&mut self) -> &str {
        let from = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b',' | b'}' | b']') && !byte.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Option<Vec<String>> {
        let tree = JsonTree::parse(text.as_bytes())?;
        let line = |node: &Node| format!("{}{}: {}", " ".repeat(node.depth.into()), node.name.as_deref().unwrap_or("$"), node.text);
        Some(tree.nodes.iter().map(line).collect())
    }

    #[test]
    fn every_line_is_as_it_was_written() {
        let check = |text: &str, expect: &[&str]| assert_eq!(lines(text).unwrap_or_default(), expect, "{text}");
        check(
            r#"{"id": 9007199254740993, "big":123456789012345678901234567890 }"#,
            &["$: 2 fields", " id: 9007199254740993", " big: 123456789012345678901234567890"],
        );
        check(r#"{"a":1,"a":1.50}"#, &["$: 2 fields", " a: 1", " a: 1.50"]);
        check(
            r#"[true, null, {"b": [ ]}, "x\"]"]"#,
            &["$: 4 items", " 0: true", " 1: null", " 2: 1 field", "  b: 0 items", " 3: \"x\\\"]\""],
        );
        check(r#"{"naïve \u00e9": "ü"}"#, &["$: 1 field", " naïve é: \"ü\""]);
    }

    #[test]
    fn what_is_no_document_has_no_tree() {
        for text in ["", "12", "\"text\"", "{\"a\" 1}", "{\"a\": 1", "nonsense"] {
            assert_eq!(lines(text), None, "{text}");
        }
    }

    #[test]
    fn a_closed_container_hides_what_it_holds() {
        let tree = JsonTree::parse(br#"{"a": {"b": 1, "c": 2}, "d": 3}"#).expect("it is valid");
        let visible = |closed: &[usize]| tree.visible(&closed.iter().copied().collect());
        assert_eq!(visible(&[]), [0, 1, 2, 3, 4]);
        assert_eq!(visible(&[1]), [0, 1, 4]);
        assert_eq!(visible(&[0]), [0]);
    }
}
