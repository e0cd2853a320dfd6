//! A table of values over time, as the series that are in it.

use std::collections::BTreeMap;

use super::{
    format::Rows,
    mapping::{Mapping, Meaning, PASSED_OVER},
};
use crate::pipelines::given::{Dialect, Numbers, Sniff};

/// Columns of values that are read, and series of one table.
const COLUMNS_MAX: usize = 64;
const SERIES_MAX: usize = 10_000;
/// What stands where nothing was measured.
const MISSING: [&str; 9] = ["", "nan", "na", "n/a", "null", "none", "-", "?", "\\n"];
/// Labels in words that say that all is well.
const WELL: [&str; 6] = ["false", "f", "no", "n", "normal", "ok"];
/// A clock is set back now and then; of a table in which more steps than one in so many run back, rows are out of order.
const STEPS_BACK_SHARE: usize = 100;

/// A table, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Its series, in the order in which they first come.
    pub(super) series: Vec<Series>,
    /// Lines that could not be read.
    pub(super) rejected: Vec<Rejected>,
}

/// A line that could not be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rejected {
    /// Its number, from 1.
    pub(super) line: usize,
    /// What stands there.
    pub(super) text: String,
    /// Why it is none.
    pub(super) why: String,
}

/// Values of one thing over time, or figures of one machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    /// Its name within the table; empty where that has no other.
    pub(super) name: String,
    /// Whether its figures belong together: labels by row say of all of them at once that something is wrong.
    pub(super) is_machine: bool,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    at_ms: i64,
    figures: Vec<f64>,
    is_anomalous: bool,
}

impl Series {
    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// When a row was taken, and what was measured.
    pub(super) fn row(&self, at: usize) -> Option<(i64, &[f64])> {
        self.rows.get(at).map(|row| (row.at_ms, row.figures.as_slice()))
    }

    /// When each row was taken.
    pub(super) fn times(&self) -> Vec<i64> {
        self.rows.iter().map(|row| row.at_ms).collect()
    }

    /// First and last rows of what the table itself calls anomalous.
    pub(super) fn windows(&self) -> Vec<(u64, u64)> {
        let (mut windows, mut first) = (Vec::new(), 0);
        for run in self.rows.chunk_by(|one, other| one.is_anomalous == other.is_anomalous) {
            let next = first + run.len() as u64;
            if run.first().is_some_and(|row| row.is_anomalous) {
                windows.push((first, next - 1));
            }
            first = next;
        }
        windows
    }

    fn set_in_order(&mut self) {
        let back = self.rows.windows(2).filter(|pair| matches!(pair, [one, other] if other.at_ms < one.at_ms)).count();
        if back * STEPS_BACK_SHARE > self.rows.len() {
            self.rows.sort_by_key(|row| row.at_ms);
        }
    }
}

/// Reads a table.
///
/// # Errors
/// Why it is none.
pub(super) fn read(text: &str, mapping: &Mapping) -> Result<Table, String> {
    let rows = Rows::of(text)?;
    let places = Places::of(&rows, mapping)?;
    let (mut table, mut known) = (Table::default(), BTreeMap::new());
    for (line, text, fields) in rows.iter() {
        if let Err(why) = fields.and_then(|fields| places.read(&fields, &mut table.series, &mut known)) {
            table.rejected.push(Rejected { line, text: text.to_owned(), why });
        }
    }
    table.series.iter_mut().for_each(Series::set_in_order);
    Ok(table)
}

/// Which column says what.
struct Places {
    /// One column, or a date's and a clock's.
    time: Vec<usize>,
    values: Vec<(usize, String)>,
    series: Vec<usize>,
    label: Option<usize>,
    dialect: Dialect,
}

impl Places {
    fn of(rows: &Rows<'_>, mapping: &Mapping) -> Result<Self, String> {
        let names = &rows.names;
        let told = |meaning| mapping.places(meaning, names);
        let time = told(Meaning::Time)?;
        if time.is_empty() {
            let names = names.join(", ");
            return Err(format!("no column is a time; there are: {names}; name it behind a question mark: FILE?timestamp=COLUMN"));
        }
        let (series, label) = (told(Meaning::Series)?, told(Meaning::Label)?.first().copied());
        let mut values = told(Meaning::Value)?;
        if values.is_empty() {
            let is_free = |at: &usize| {
                let name = names.get(*at).map_or("", String::as_str);
                // A column without a name is the row number that some programs write.
                let is_named = !name.is_empty() && !name.starts_with("unnamed") && !PASSED_OVER.contains(&name);
                !time.contains(at) && Some(*at) != label && !series.contains(at) && is_named
            };
            values = numbers(rows, (0..names.len()).filter(is_free).collect());
        }
        if values.is_empty() {
            return Err(format!("no column has values; there are: {}", names.join(", ")));
        }
        let named = |at: usize| (at, names.get(at).cloned().unwrap_or_default());
        let values = values.into_iter().take(COLUMNS_MAX).map(named).collect();
        let mut places = Self { time, values, series, label, dialect: Dialect::default() };
        let mut sniff = Sniff::new(mapping.dialect);
        for fields in rows.iter().filter_map(|(.., fields)| fields.ok()) {
            if sniff.is_enough() {
                break;
            }
            sniff.time(&places.time_of(&fields));
            places.values.iter().for_each(|(at, _)| sniff.number(fields.get(*at).map_or("", String::as_str)));
        }
        places.dialect = sniff.dialect()?;
        Ok(places)
    }

    fn time_of(&self, fields: &[String]) -> String {
        let parts: Vec<_> = self.time.iter().map(|at| fields.get(*at).map_or("", |field| field.trim())).collect();
        parts.join(" ")
    }

    /// Adds a row to the series it belongs to.
    fn read(&self, fields: &[String], all: &mut Vec<Series>, known: &mut BTreeMap<String, usize>) -> Result<(), String> {
        let field = |at: usize| fields.get(at).map_or("", |field| field.trim());
        let (time, Dialect { dates, numbers }) = (self.time_of(fields), self.dialect);
        let at_ms = dates.parse_since_1970_ms(&time).ok_or_else(|| dates.why_not(&time))?;
        let is_anomalous = self.label.is_some_and(|at| is_anomalous(field(at)));
        let id = self.series.iter().map(|at| field(*at)).collect::<Vec<_>>().join(" ");
        let cells: Vec<_> = self.values.iter().map(|(at, _)| number(field(*at), numbers)).collect();
        if !cells.iter().any(|cell| matches!(cell, Ok(Some(_)))) {
            let bad = cells.into_iter().find_map(Result::err);
            return Err(bad.unwrap_or_else(|| "it has no value".to_owned()));
        }
        let mut cells = cells.into_iter().map(|cell| cell.ok().flatten());
        if self.label.is_some() && self.values.len() > 1 {
            let series = series_of(id, true, all, known)?;
            let before = series.rows.last().map(|row| row.figures.clone());
            // What was not measured is as it was.
            let held = |(at, cell): (usize, Option<f64>)| cell.or_else(|| before.as_ref()?.get(at).copied());
            let figures = cells.enumerate().map(held).collect::<Option<_>>().ok_or("a value is missing, and there is none before it")?;
            series.rows.push(Row { at_ms, figures, is_anomalous });
            return Ok(());
        }
        for (_, column) in &self.values {
            let Some(value) = cells.next().flatten() else { continue };
            let name = match (self.values.len(), id.is_empty()) {
                (1, _) => id.clone(),
                (_, true) => column.clone(),
                (_, false) => format!("{id}:{column}"),
            };
            series_of(name, false, all, known)?.rows.push(Row { at_ms, figures: vec![value], is_anomalous });
        }
        Ok(())
    }
}

fn series_of<'a>(
    name: String,
    is_machine: bool,
    all: &'a mut Vec<Series>,
    known: &mut BTreeMap<String, usize>,
) -> Result<&'a mut Series, String> {
    let at = match known.get(&name) {
        Some(at) => *at,
        None if all.len() >= SERIES_MAX => return Err(format!("its series is one too many: a table may have {SERIES_MAX}")),
        None => {
            known.insert(name.clone(), all.len());
            all.push(Series { name, is_machine, rows: Vec::new() });
            all.len() - 1
        }
    };
    all.get_mut(at).ok_or_else(|| "its series is lost".to_owned())
}

/// Those of the columns whose cells are numbers, where there is something in them, more often than not.
fn numbers(rows: &Rows<'_>, columns: Vec<usize>) -> Vec<usize> {
    let mut counts = vec![(0_usize, 0_usize); columns.len()];
    for fields in rows.iter().filter_map(|(.., fields)| fields.ok()) {
        for (at, (numbers, texts)) in columns.iter().zip(&mut counts) {
            let field = fields.get(*at).map_or("", |field| field.trim());
            match () {
                () if is_missing(field) => {}
                () if Numbers::may_be(field) => *numbers += 1,
                () => *texts += 1,
            }
        }
    }
    columns.into_iter().zip(counts).filter(|(_, (numbers, texts))| numbers > texts).map(|(at, _)| at).collect()
}

fn is_missing(text: &str) -> bool {
    // Programs write infinities too.
    MISSING.iter().any(|missing| text.eq_ignore_ascii_case(missing)) || text.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

/// A number, nothing, or why it is neither.
fn number(text: &str, numbers: Numbers) -> Result<Option<f64>, String> {
    if is_missing(text) {
        return Ok(None);
    }
    numbers.parse(text).map(Some)
}

fn is_anomalous(label: &str) -> bool {
    match number(label, Numbers::default()) {
        Ok(number) => number.is_some_and(|number| number > 0.0),
        Err(_) => !WELL.iter().any(|well| label.eq_ignore_ascii_case(well)),
    }
}

#[cfg(test)]
mod tests;
