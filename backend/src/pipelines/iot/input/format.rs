//! Texts to rows of fields: CSV with any of three separators (RFC 4180; a row is a line), JSON by lines, or one JSON array.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pipelines::times::parse_since_1970_ms;

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

/// A JSON array as lines; any other text as it is.
///
/// # Errors
/// When it begins as an array and is none.
pub(super) fn flat(text: String) -> Result<String, String> {
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if !text.trim_start().starts_with('[') {
        return Ok(text);
    }
    let rows: Vec<Value> = serde_json::from_str(&text).map_err(|error| format!("it is no JSON: {error}"))?;
    Ok(rows.iter().map(|row| format!("{row}\n")).collect())
}

impl<'a> Rows<'a> {
    /// Recognises the format by the first line.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of(text: &'a str) -> Result<Self, String> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim().is_empty());
        let mut lines: Vec<_> = lines.collect();
        let (_, first) = *lines.first().ok_or("it is empty")?;
        if first.trim_start().starts_with('{') {
            let mut rows = Self { names: Vec::new(), lines, kind: Kind::Json };
            rows.names = rows.json_names();
            return Ok(rows);
        }
        let separator = [',', ';', '\t'].into_iter().max_by_key(|separator| (first.matches(*separator).count(), *separator == ','));
        let separator = separator.unwrap_or(',');
        let header = fields(first, separator);
        let names = match headless(&header) {
            Some(names) => names,
            None => {
                lines.remove(0);
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
                let fields = fields(line, separator);
                let is_short = fields.len() < self.names.len();
                if is_short { Err(format!("it has {} fields, the header {}", fields.len(), self.names.len())) } else { Ok(fields) }
            }
            Kind::Json => {
                let mut object = object(line)?;
                Ok(self.names.iter().map(|name| object.remove(name).unwrap_or_default()).collect())
            }
        }
    }

    /// All names, in the order in which they first come.
    fn json_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.lines.iter().filter_map(|(_, line)| object(line).ok()).flat_map(BTreeMap::into_keys) {
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
    parse_since_1970_ms(time)?;
    values.first()?.trim().parse::<f64>().ok()?;
    let value = |at: usize| if values.len() == 1 { "value".to_owned() } else { format!("value{}", at + 1) };
    Some(std::iter::once("timestamp".to_owned()).chain((0..values.len()).map(value)).collect())
}

/// Fields of a JSON object by name; those of objects in it as `outer.inner`.
fn object(line: &str) -> Result<BTreeMap<String, String>, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(_) = value else { return Err("it is no JSON object".to_owned()) };
    let mut flat = BTreeMap::new();
    flatten("", value, &mut flat);
    Ok(flat)
}

fn flatten(name: &str, value: Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (inner, value) in fields {
                let inner = inner.to_lowercase();
                flatten(&if name.is_empty() { inner } else { format!("{name}.{inner}") }, value, into);
            }
        }
        Value::Null | Value::Array(_) => {}
        Value::String(text) => drop(into.insert(name.to_owned(), text)),
        other => drop(into.insert(name.to_owned(), other.to_string())),
    }
}

/// The fields of a line of CSV; one in quotes may hold the separator, and a doubled quote is one.
fn fields(line: &str, separator: char) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if is_quoted || field.trim().is_empty() => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_first_line() {
        let check = |text: &str, names: &[&str], rows: &[&[&str]]| {
            let text = flat(text.to_owned()).unwrap();
            let read = Rows::of(&text).unwrap();
            assert_eq!(read.names, names, "{text}");
            let got: Vec<_> = read.iter().map(|(.., fields)| fields.unwrap()).collect();
            assert_eq!(got, rows, "{text}");
        };
        check("\u{feff}Time,Value\r\n1,2\r\n\r\n", &["time", "value"], &[&["1", "2"]]);
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
        check("[{\"ts\":1,\"v\":2},\n {\"ts\":3,\"v\":null}]", &["ts", "v"], &[&["1", "2"], &["3", ""]]);
        assert!(Rows::of("\n \n").is_err());
        assert!(flat("[1,".to_owned()).is_err());
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
