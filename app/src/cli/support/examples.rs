//! Examples and the fields of JSON Lines, as `--help` shows them.

use std::fmt::Write as _;

use super::output::Field;

/// A command line and what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Example {
    /// What to type.
    pub(crate) line: &'static str,
    /// What happens.
    pub(crate) what: &'static str,
}

/// The examples as a section of help.
pub(crate) fn section(examples: &[Example]) -> String {
    let mut text = String::from("Examples:");
    for example in examples {
        // Writing to a String can't fail.
        let _ = write!(text, "\n  {}\n      {}", example.line, example.what);
    }
    text
}

/// The fields of a command's JSON Lines as a section of long help.
pub(crate) fn json_section(fields: &[Field]) -> String {
    let mut text = String::from("With --json, one object a line on stdout; null where unknown. Fields:");
    let width = fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
    for field in fields {
        let _ = write!(text, "\n  {:width$}  {}", field.name, field.meaning);
    }
    text
}
