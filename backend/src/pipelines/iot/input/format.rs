//! Texts to rows of fields: CSV with any of the usual separators, or JSON by lines.

use std::collections::BTreeMap;

use crate::pipelines::given::{Dates, Numbers, flat_object, logical_lines, separator_of, split};

/// Names of fields of one text.
const NAMES_MAX: usize = 256;

/// A text as rows.
pub(super) struct Rows<'a> {
    /// What the fields are called, in lower case.
    pub(super) names: Vec<String>,
    lines: Vec<(usize, &'a str)>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Csv(char),
    Json,
}

impl<'a> Rows<'a> {
    /// Recognises the format by the first line.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        let first = text.lines().find(|line| !line.trim().is_empty()).ok_or("it is empty")?;
        if first.trim_start().starts_with('{') {
            let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim().is_empty());
            let mut rows = Self { names: Vec::new(), lines: lines.collect(), kind: Kind::Json };
            rows.names = rows.json_names();
            return Ok(rows);
        }
        let separator = separator_of(first);
        let mut lines = logical_lines(text, separator);
        let (_, first) = *lines.first().ok_or("it is empty")?;
        let header = split(first, separator).fields;
        let names = match headless(&header) {
            Some(names) => names,
            None => {
                // It comes again where a file was put together of several.
                lines.retain(|(_, line)| *line != first);
                header.iter().map(|name| name.trim().to_lowercase()).collect()
            }
        };
        Ok(Self { names, lines, kind: Kind::Csv(separator) })
    }

    /// Rows with their line's number from 1, the line, and its fields in the order of the names, empty where there is none; or why it is none.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'a str, Result<Vec<String>, String>)> {
        self.lines.iter().map(|(number, line)| (*number, *line, self.read(line)))
    }

    fn read(&self, line: &str) -> Result<Vec<String>, String> {
        match self.kind {
            Kind::Csv(separator) => {
                let row = split(line, separator);
                if row.is_open {
                    return Err("a quote in it is not closed".to_owned());
                }
                let fields = row.fields;
                let is_short = fields.len() < self.names.len();
                if is_short { Err(format!("it has {} fields, the header {}", fields.len(), self.names.len())) } else { Ok(fields) }
            }
            Kind::Json => {
                let mut object = flat_object(line)?;
                Ok(self.names.iter().map(|name| object.remove(name).unwrap_or_default()).collect())
            }
        }
    }

    /// All names, in the order in which they first come.
    fn json_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.lines.iter().filter_map(|(_, line)| flat_object(line).ok()).flat_map(BTreeMap::into_keys) {
            if names.len() < NAMES_MAX && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Names for a table that begins with its first row: a time, and a number or more.
fn headless(first: &[String]) -> Option<Vec<String>> {
    let (time, values) = first.split_first()?;
    (Dates::default().is_time(time) && Numbers::may_be(values.first()?)).then_some(())?;
    let value = |at: usize| if values.len() == 1 { "value".to_owned() } else { format!("value{}", at + 1) };
    Some(std::iter::once("timestamp".to_owned()).chain((0..values.len()).map(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_first_line() {
        let check = |text: &str, names: &[&str], rows: &[&[&str]]| {
            let read = Rows::of(text).unwrap();
            assert_eq!(read.names, names, "{text}");
            let got: Vec<_> = read.iter().map(|(.., fields)| fields.unwrap()).collect();
            assert_eq!(got, rows, "{text}");
        };
        check("Time,Value\r\n1,2\r\n\r\n", &["time", "value"], &[&["1", "2"]]);
        check("t;\"a;\"\"b\"\n1;\"x;y\"\n", &["t", "a;\"b"], &[&["1", "x;y"]]);
        check("t\ta\n1\t2\n", &["t", "a"], &[&["1", "2"]]);
        check(
            "2014-01-01 00:00:00,5\n2014-01-01 00:05:00,6\n",
            &["timestamp", "value"],
            &[&["2014-01-01 00:00:00", "5"], &["2014-01-01 00:05:00", "6"]],
        );
        check("1566397800,5,6\n", &["timestamp", "value1", "value2"], &[&["1566397800", "5", "6"]]);
        check(
            "{\"TS\":1,\"v\":{\"x\":2.5}}\n{\"ts\":2,\"is_on\":true}\n",
            &["ts", "v.x", "is_on"],
            &[&["1", "2.5", ""], &["2", "", "true"]],
        );
        check("29/03/2025 14:05;12,5\n", &["timestamp", "value"], &[&["29/03/2025 14:05", "12,5"]]);
        check("t,a\n1,\"x\ny\"\nt,a\n2,z\n", &["t", "a"], &[&["1", "x\ny"], &["2", "z"]]);
        assert!(Rows::of("\n \n").is_err());
    }

    #[test]
    fn what_is_no_row_says_why() {
        let check = |text: &str, why: &str| {
            let rows = Rows::of(text).unwrap();
            let bad = rows.iter().find_map(|(number, _, fields)| Some((number, fields.err()?))).unwrap();
            assert!(bad.0 == 2 && bad.1.contains(why), "{text}: {bad:?}");
        };
        check("ts,a,b\n1,2\n", "it has 2 fields, the header 3");
        check("{\"ts\":1}\n{\"ts\":\n", "no JSON");
        check("{\"ts\":1}\n[1]\n", "no JSON object");
    }
}
