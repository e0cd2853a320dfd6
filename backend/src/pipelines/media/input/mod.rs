//! Real incidents in place of players: counts by minute and attributes, or measures with their forecast, from CSV or JSON by lines, with
//! the labelled cause where it is known.
//!
//! The header (or the first object's keys) names the columns; case does not matter. These have a meaning, every other column is a
//! dimension. A mapping behind the name (`incidents.csv?total=requests&failures=err&dims=cdn,isp`) names columns itself.
//!
//! | what | names |
//! |---|---|
//! | `time` | `time`, `timestamp`, `ts`, `minute`, `min`, `datetime`, `date` |
//! | `total`: views | `total`, `cnt`, `count`, `views`, `attempts`, `requests` |
//! | `failures` | `failures`, `failed`, `fail`, `value`, `errors`, `bad`, `stalls`; or `successes`, `success`, `ok` |
//! | `actual`, `forecast`: any measure | `real`, `actual`, `observed`, `value` · `predict`, `predicted`, `forecast`, `expected`, `baseline` |
//! | the same of a quotient | `real_a`, `predict_a`, `real_b`, `predict_b`; or two files `<name>.a.csv` and `<name>.b.csv` |
//! | `value`: a measure without forecast | `value`, `count`, `cnt`, `kpi`: the mean of the ten minutes before is its forecast |
//! | `case` | `case`, `incident`, `data`: rows of different cases have nothing to do with each other |
//! | `cause`: the label | `cause`, `root_cause`, `label`: `cdn=B&isp=3`, several causes with `;` between them, or `{'cdn': 'B', 'isp': 3}` |
//! | `at`: time of the incident | `anomaly_at`, `incident_at`, `at`; else the first minute with a label; else the worst minute |
//!
//! Times and numbers may be written in any usual way; `dates=dmy` or `mdy` and `decimal=comma` or `point` say which where a file leaves it
//! open. A file in the same folder, or a table of its own, may hold the
//! labels ([`labels`]). Where there are none at all, the cause of every minute is asked for.

mod build;
mod columns;
mod folder;
mod labels;
mod time;

use std::collections::BTreeMap;

use super::records::Slice;
use crate::{pipelines::given::Told, sim::media::Shown};
use build::Building;
pub use columns::Mapping;
use columns::{Columns, Lines};
pub use folder::open;
pub use labels::{Label, labels, parse_cause};

/// Cases in a file, and rows, at most; what is beyond is told as rejected.
const CASES_MAX: usize = 10_000;
const ROWS_MAX: usize = 20_000_000;
/// The length of a slice of given data.
pub const MINUTE_MS: i64 = 60_000;

/// Given data that belongs together, with what came before what is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its minutes, in order.
    pub slices: Vec<Slice>,
    /// The labelled causes: of the case as a whole, or of some of its minutes ([`minute_of`]); empty where none are known.
    pub causes: Vec<(String, Vec<Shown>)>,
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

/// A minute of a case, as labels and results name it.
pub fn minute_of(case: &str, start_ms: i64) -> String {
    format!("{case}@{start_ms}")
}

/// Reads a file. `name` is the case of rows that name none; `labels` are those of a table beside it.
///
/// # Errors
/// When the header lacks what every row needs.
pub fn read(text: &str, name: &str, labels: &[Label], mapping: &Mapping) -> Result<Sheets, String> {
    let first = text.lines().find(|line| !line.trim().is_empty()).ok_or("the file is empty")?;
    let (format, header) = Lines::of(first)?;
    let mut columns = Columns::of(&header, mapping)?;
    // The header comes again where a file was put together of several.
    let lines = format.lines(text).into_iter().filter(|(_, line)| format.is_headless() || *line != first.trim_end());
    let (mut told, fields) = (Told::default(), |(_, line): (usize, &str)| format.fields(line, &header).ok());
    for (name, value) in mapping {
        told.take(name, value)?;
    }
    columns.look(lines.clone().filter_map(fields), told)?;
    let (mut building, mut rejected) = (BTreeMap::<String, Building>::new(), Vec::new());
    for (at, line) in lines {
        let row = if at <= ROWS_MAX { format.fields(line, &header) } else { Err(format!("beyond {ROWS_MAX} rows")) };
        match row.and_then(|fields| columns.row(&fields)) {
            Ok(row) => {
                let case = row.case.clone().unwrap_or_else(|| name.to_owned());
                if building.len() >= CASES_MAX && !building.contains_key(&case) {
                    rejected.push(Rejected { line: at, text: line.to_owned(), reason: format!("beyond {CASES_MAX} cases") });
                    continue;
                }
                building.entry(case).or_default().add(row);
            }
            Err(reason) => rejected.push(Rejected { line: at, text: line.to_owned(), reason }),
        }
    }
    let cases = building.into_iter().map(|(name, built)| built.finish(&columns.dimensions, labels, name)).collect();
    Ok(Sheets { cases, rejected })
}

#[cfg(test)]
mod tests;
