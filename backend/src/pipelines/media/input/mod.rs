//! Real incidents in place of players: counts by minute and attributes from CSV, with the labelled cause where it is known.
//!
//! The header names the columns; case does not matter. These have a meaning, every other column is a dimension:
//!
//! | what | names |
//! |---|---|
//! | time | `time`, `timestamp`, `ts`, `minute`, `min`, `datetime`, `date` |
//! | views | `total`, `cnt`, `count`, `views`, `attempts` |
//! | failures | `failures`, `failed`, `fail`, `value`, `errors`, `bad` |
//! | case | `case`, `incident`, `data`: rows of different cases have nothing to do with each other |
//! | label | `cause`, `root_cause`, `label`: `cdn=B&isp=3`, several causes with `;` between them, or `{'cdn': 'B', 'isp': 3}` |
//! | time of the incident | `anomaly_at`, `incident_at`, `at`; else the first minute with a label; else the worst minute |
//!
//! Times are epoch seconds, epoch milliseconds, or `2020-08-06 12:07[:00]`. A file beside it, or a table of its own, may hold the labels
//! ([`labels`]).

mod csv;
mod labels;
mod time;

use std::collections::BTreeMap;

use super::records::Slice;
use crate::sim::media::Shown;
pub use labels::{Label, labels, parse_cause};
pub(in crate::pipelines) use time::parse_ms;

/// Cases in a file, and leaves in a minute, at most; rows beyond are told as rejected.
const CASES_MAX: usize = 10_000;
const ROWS_MAX: usize = 20_000_000;
/// The length of a slice of given data.
pub const MINUTE_MS: i64 = 60_000;

/// An incident with what came before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its minutes, in order.
    pub slices: Vec<Slice>,
    /// The labelled causes; empty where none are known.
    pub causes: Vec<Shown>,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The line, the header being 1.
    pub line: usize,
    /// As it stands there.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheets {
    /// Cases, by name.
    pub cases: Vec<Case>,
    /// Rows without effect.
    pub rejected: Vec<Rejected>,
}

/// Reads a file. `name` is the case of rows that name none; `labels` are those of a table beside it.
///
/// # Errors
/// When the header lacks what every row needs.
pub fn read(text: &str, name: &str, labels: &[Label]) -> Result<Sheets, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, header)) = lines.next() else { return Err("the file is empty".to_owned()) };
    let columns = Columns::of(header)?;
    let (mut building, mut rejected) = (BTreeMap::<String, Building>::new(), Vec::new());
    for (at, line) in lines {
        let result = if at < ROWS_MAX { columns.row(line) } else { Err(format!("beyond {ROWS_MAX} rows")) };
        match result {
            Ok(row) => {
                let case = row.case.clone().unwrap_or_else(|| name.to_owned());
                if building.len() >= CASES_MAX && !building.contains_key(&case) {
                    rejected.push(Rejected { line: at + 1, text: line.to_owned(), reason: format!("beyond {CASES_MAX} cases") });
                    continue;
                }
                building.entry(case).or_default().add(row);
            }
            Err(reason) => rejected.push(Rejected { line: at + 1, text: line.to_owned(), reason }),
        }
    }
    let label_of = |name: &str| labels.iter().find(|label| label.case == *name);
    let cases = building.into_iter().map(|(name, built)| built.finish(&columns.dimensions, label_of(&name), &name)).collect();
    Ok(Sheets { cases, rejected })
}

/// Where what stands.
struct Columns {
    time: usize,
    total: usize,
    failures: usize,
    case: Option<usize>,
    cause: Option<usize>,
    at: Option<usize>,
    places: Vec<usize>,
    dimensions: Vec<String>,
    count: usize,
}

struct Row {
    case: Option<String>,
    start_ms: i64,
    values: Vec<String>,
    total: u64,
    failures: u64,
    causes: Vec<Shown>,
    at_ms: Option<i64>,
}

impl Columns {
    fn of(header: &str) -> Result<Self, String> {
        let names: Vec<_> = csv::fields(header.trim_start_matches('\u{feff}')).iter().map(|name| name.trim().to_lowercase()).collect();
        let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
        let need = |what: &str, known: &[&str]| find(known).ok_or_else(|| format!("no column for {what}: name it {}", known.join(", ")));
        let time = need("the time", &["time", "timestamp", "ts", "minute", "min", "datetime", "date"])?;
        let total = need("views", &["total", "cnt", "count", "views", "attempts"])?;
        let failures = need("failures", &["failures", "failed", "fail", "value", "errors", "bad"])?;
        let (case, cause) = (find(&["case", "incident", "data"]), find(&["cause", "root_cause", "label"]));
        let at = find(&["anomaly_at", "incident_at", "at"]);
        let is_taken = |place: &usize| [Some(time), Some(total), Some(failures), case, cause, at].contains(&Some(*place));
        // A column without a name is the row number that some programs write.
        let is_named = |place: &usize| !names[*place].is_empty() && !names[*place].starts_with("unnamed");
        let places: Vec<_> = (0..names.len()).filter(|place| !is_taken(place) && is_named(place)).collect();
        if places.is_empty() {
            return Err("no column is left for a dimension".to_owned());
        }
        let dimensions = places.iter().map(|place| names[*place].clone()).collect();
        Ok(Self { time, total, failures, case, cause, at, places, dimensions, count: names.len() })
    }

    fn row(&self, line: &str) -> Result<Row, String> {
        let fields = csv::fields(line);
        if fields.len() != self.count {
            return Err(format!("{} fields, the header has {}", fields.len(), self.count));
        }
        let field = |place: usize| fields[place].trim();
        let count = |place: usize, what: &str| {
            let number = field(place).parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0 && *number < 1e15);
            number.map(|number| number.round() as u64).ok_or_else(|| format!("{what} is {:?}, no count", field(place)))
        };
        let time_ms = |place: usize| time::parse_ms(field(place)).ok_or_else(|| format!("{:?} is no time", field(place)));
        let (start_ms, total, failures) = (time_ms(self.time)?, count(self.total, "total")?, count(self.failures, "failures")?);
        if failures > total {
            return Err(format!("{failures} failures of {total} views"));
        }
        let text = |place: Option<usize>| place.map(field).filter(|text| !text.is_empty());
        Ok(Row {
            case: text(self.case).map(str::to_owned),
            start_ms: start_ms - start_ms.rem_euclid(MINUTE_MS),
            values: self.places.iter().map(|place| labels::plain(field(*place))).collect(),
            total,
            failures,
            causes: text(self.cause).map(parse_cause).unwrap_or_default(),
            at_ms: self.at.filter(|place| !field(*place).is_empty()).map(time_ms).transpose()?,
        })
    }
}

type Cells = BTreeMap<Vec<String>, (u64, u64)>;

/// A case while its rows come in.
#[derive(Default)]
struct Building {
    minutes: BTreeMap<i64, Cells>,
    causes: Vec<Shown>,
    labelled: Vec<i64>,
    at_ms: Option<i64>,
}

impl Building {
    fn add(&mut self, row: Row) {
        let sums = self.minutes.entry(row.start_ms).or_default().entry(row.values).or_default();
        *sums = (sums.0 + row.total, sums.1 + row.failures);
        self.at_ms = self.at_ms.or(row.at_ms);
        if !row.causes.is_empty() {
            self.labelled.push(row.start_ms);
        }
        for cause in row.causes {
            if !self.causes.contains(&cause) {
                self.causes.push(cause);
            }
        }
    }

    fn finish(mut self, dimensions: &[String], label: Option<&Label>, name: &str) -> Case {
        if let Some(label) = label {
            self.causes.clone_from(&label.causes);
            self.at_ms = label.at_ms.or(self.at_ms);
        }
        let asked_ms = self.asked_ms();
        let slice = |(start_ms, cells): (i64, Cells)| Slice {
            start_ms,
            end_ms: start_ms + MINUTE_MS,
            dimensions: dimensions.to_vec(),
            cells: cells.into_iter().map(|(values, (total, failures))| (values, total, failures)).collect(),
            source: 0,
            is_asked: Some(start_ms) == asked_ms,
            has_more: false,
        };
        Case { name: name.to_owned(), slices: self.minutes.into_iter().map(slice).collect(), causes: self.causes }
    }

    /// The minute whose cause is asked for.
    fn asked_ms(&self) -> Option<i64> {
        let minute = |at_ms: i64| at_ms - at_ms.rem_euclid(MINUTE_MS);
        let given = self.at_ms.map(minute).filter(|at| self.minutes.contains_key(at));
        let first = self.labelled.iter().min().copied();
        // A label on every row says nothing about the time.
        let first = first.filter(|first| self.minutes.keys().next().is_some_and(|earliest| earliest < first));
        given.or(first).or_else(|| self.worst_minute())
    }

    fn worst_minute(&self) -> Option<i64> {
        let rate = |cells: &Cells| {
            let (total, failures) = cells.values().fold((0, 0), |(total, failures), sums| (total + sums.0, failures + sums.1));
            failures as f64 / (total as f64).max(1.0)
        };
        let rates = self.minutes.iter().map(|(start_ms, cells)| (rate(cells), *start_ms));
        rates.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, start_ms)| start_ms)
    }
}

#[cfg(test)]
mod tests;
