//! Labels: which combination of attributes caused an incident, as tables and lists write it.

use super::time;
use crate::{
    pipelines::given::{Dates, logical_lines, separator_of, split},
    sim::media::Shown,
};

/// The label of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which case.
    pub case: String,
    /// When it happened.
    pub at_ms: Option<i64>,
    /// Its causes.
    pub causes: Vec<Shown>,
}

impl Label {
    /// Whether it is the label of this case: by its whole name, or by that of its file.
    pub fn names(&self, case: &str) -> bool {
        self.case == case || case.rsplit(['/', '\\']).next() == Some(&self.case)
    }
}

/// Reads labels: a CSV with the columns case, time and cause, a table with the columns timestamp and set, or a list in YAML with `data`, `timestamp` and `cause`.
pub fn labels(text: &str) -> Vec<Label> {
    let is_list = text.lines().any(|line| line.trim_start().starts_with("- "));
    if is_list { list(text) } else { table(text) }
}

fn list(text: &str) -> Vec<Label> {
    let mut labels = Vec::<Label>::new();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let is_first = line.starts_with("- ");
        let Some((name, value)) = line.trim_start_matches("- ").split_once(':') else { continue };
        if is_first {
            labels.push(Label { case: String::new(), at_ms: None, causes: Vec::new() });
        }
        let Some(label) = labels.last_mut() else { continue };
        let value = value.trim();
        match name.trim() {
            "data" | "case" | "name" => label.case = value.trim_matches(['\'', '"']).to_owned(),
            "timestamp" | "time" | "at" => label.at_ms = time::parse_ms(value.trim_matches(['\'', '"']), Dates::default()),
            "cause" | "root_cause" | "label" => label.causes = parse_cause(value),
            _ => {}
        }
    }
    labels.retain(|label| !label.case.is_empty());
    labels
}

fn table(text: &str) -> Vec<Label> {
    let separator = separator_of(text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default());
    let rows: Vec<_> = logical_lines(text, separator).into_iter().map(|(_, row)| split(row, separator).fields).collect();
    let Some((header, rows)) = rows.split_first() else { return Vec::new() };
    let header: Vec<_> = header.iter().map(|name| name.trim().to_lowercase()).collect();
    let find = |known: &[&str]| header.iter().position(|name| known.contains(&name.as_str()));
    let (case, at) = (find(&["case", "data", "name", "file"]), find(&["timestamp", "time", "at", "anomaly_at"]));
    // Where times name the cases, the time as it is written is the name.
    let Some((case, cause)) = case.or(at).zip(find(&["set", "cause", "root_cause", "label"])) else { return Vec::new() };
    let label = |fields: &Vec<String>| {
        Some(Label {
            case: fields.get(case)?.trim().trim_end_matches(".csv").to_owned(),
            at_ms: at.and_then(|at| time::parse_ms(fields.get(at)?.trim(), Dates::default())),
            causes: parse_cause(fields.get(cause)?),
        })
    };
    rows.iter().filter_map(label).collect()
}

/// Reads causes: `a=1&b=2;c=3`, `{'a': 1, 'b': 2}`, `[{"a": 1}, {"c": 3}]`.
pub fn parse_cause(text: &str) -> Vec<Shown> {
    let text = text.trim().trim_matches(['[', ']']);
    let one = |text: &str| {
        let pairs = text.trim().trim_matches(['{', '}', ' ']).split([',', '&']);
        let pair = |pair: &str| {
            let (name, value) = pair.split_once(['=', ':'])?;
            Some((plain(name).to_lowercase(), plain(value)))
        };
        let mut shown: Shown = pairs.filter_map(pair).collect();
        shown.sort_unstable();
        shown
    };
    let causes = text.split(';').flat_map(|part| part.split("},"));
    causes.map(one).filter(|shown| !shown.is_empty()).collect()
}

/// A value without quotes, and without the `.0` that some programs write behind whole numbers.
pub(super) fn plain(text: &str) -> String {
    let text = text.trim().trim_matches(['\'', '"']).trim();
    let is_whole = text.strip_suffix(".0").filter(|whole| !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()));
    is_whole.unwrap_or(text).to_owned()
}
