//! Given series as a world: table by table, row by row.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use weir_model::Problem;

use super::{
    labels::Labels,
    table::{self, Table},
};
use crate::{
    pipelines::{
        iot::{
            series::Sample,
            settings::{DLQ, SERIES, TRUTH},
        },
        shape::{Command, Emit, RunParams, World},
    },
    sim::{Schedule, iot::TruthRecord},
};

/// Tables of one folder.
const TABLES_MAX: usize = 10_000;
/// Folders in folders that are looked into.
const DEPTH_MAX: usize = 4;
/// Samples on their way.
const WAITING_MAX: u64 = 20_000;
/// The longest part of a bad line that is kept.
const SHOWN_MAX: usize = 2_000;

/// Tables as a world.
#[derive(Debug)]
pub(in crate::pipelines::iot) struct SeriesWorld {
    root: PathBuf,
    tables: VecDeque<PathBuf>,
    labels: Labels,
    open: Option<(String, Table)>,
    row: usize,
    schedule: Schedule,
    /// Records are stamped with the run's time: the log keeps records by their own, and the data may be years old.
    now_ms: i64,
    samples: u64,
}

/// A line or a table that could not be read.
#[derive(Serialize)]
struct Letter<'a> {
    file: &'a str,
    line: usize,
    text: &'a str,
    error: &'a str,
}

impl SeriesWorld {
    /// Finds the tables.
    pub(in crate::pipelines::iot) fn open(path: &Path, run: &RunParams) -> Result<Self, Problem> {
        let failed = |why: String| {
            let what = format!("{} can't be read as series", path.display());
            Problem::new(what, why, "Give a CSV with the columns timestamp and value, or a folder of such files")
        };
        // Labels stand beside the tables or above them, wherever the path is told from.
        let path = &path.canonicalize().map_err(|error| failed(error.to_string()))?;
        let path = &corpus(path).unwrap_or_else(|| path.clone());
        let mut tables = Vec::new();
        if path.is_dir() {
            find(path, DEPTH_MAX, &mut tables).map_err(|error| failed(error.to_string()))?;
        } else {
            fs::metadata(path).map_err(|error| failed(error.to_string()))?;
            tables.push(path.to_owned());
        }
        tables.sort();
        if tables.is_empty() {
            return Err(failed("there is no .csv in it".to_owned()));
        }
        let root = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        Ok(Self {
            root: root.to_owned(),
            tables: tables.into(),
            labels: Labels::near(path).map_err(failed)?,
            open: None,
            row: 0,
            schedule: Schedule::new(run.params.rate_per_s),
            now_ms: run.start_at.0,
            samples: 0,
        })
    }

    fn open_next(&mut self, out: &mut Emit) {
        self.row = 0;
        let Some(path) = self.tables.pop_front() else { return };
        let name = path.strip_prefix(&self.root).unwrap_or(&path).display().to_string();
        match fs::read_to_string(&path).map_err(|error| error.to_string()).and_then(|text| table::read(&text)) {
            Err(error) => self.reject(out, &Letter { file: &name, line: 0, text: "", error: &error }),
            Ok(mut read) => {
                for (line, text, error) in std::mem::take(&mut read.rejected) {
                    let text: String = text.chars().take(SHOWN_MAX).collect();
                    self.reject(out, &Letter { file: &name, line, text: &text, error: &error });
                }
                let given = self.labels.of(&path, &read.times);
                let windows = if given.is_empty() { read.windows.clone() } else { given };
                for series in series_of(&name, &read) {
                    for (first_row, last_row) in &windows {
                        let series = series.clone();
                        let truth = TruthRecord::SeriesWindow { series, first_row: *first_row, last_row: *last_row };
                        send(out, TRUTH, "truth", &truth, self.now_ms);
                    }
                }
                self.open = Some((name, read));
            }
        }
    }

    fn reject(&self, out: &mut Emit, letter: &Letter<'_>) {
        send(out, DLQ, letter.file, letter, self.now_ms);
    }
}

impl World for SeriesWorld {
    fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        let Some((name, table)) = &self.open else { return self.open_next(out) };
        let Some(ts) = table.times.get(self.row).copied() else {
            self.open = None;
            return;
        };
        self.schedule.advance();
        let (row, rows) = (self.row as u64, Some(table.times.len() as u64));
        let figures: Vec<f64> = table.columns.iter().filter_map(|(_, values)| values.get(self.row).copied()).collect();
        let names = series_of(name, table);
        if table.is_machine() {
            let value = figures.first().copied().unwrap_or_default();
            names.iter().for_each(|name| send(out, SERIES, name, &Sample { row, ts, value, rows, figures: figures.clone() }, self.now_ms));
        } else {
            for (name, value) in names.iter().zip(&figures) {
                send(out, SERIES, name, &Sample { row, ts, value: *value, rows, figures: Vec::new() }, self.now_ms);
            }
        }
        self.samples += names.len() as u64;
        self.row += 1;
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.schedule.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.samples
    }

    fn is_over(&self) -> bool {
        self.open.is_none() && self.tables.is_empty()
    }

    fn waiting_max(&self) -> Option<u64> {
        Some(WAITING_MAX)
    }

    fn command(&mut self, _: &Command) -> Option<i64> {
        None
    }

    fn finish(&mut self, _: &mut Emit) {}
}

/// A table of one column is a series; so is one whose columns are judged together; of others each column is.
fn series_of(name: &str, table: &Table) -> Vec<String> {
    if table.columns.len() == 1 || table.is_machine() {
        return vec![name.to_owned()];
    }
    table.columns.iter().map(|(column, _)| format!("{name}:{column}")).collect()
}

/// A benchmark's folder has its tables in `data` and labels in `labels`; what else is in it is no input.
fn corpus(path: &Path) -> Option<PathBuf> {
    let data = path.join("data");
    (data.is_dir() && path.join("labels").is_dir()).then_some(data)
}

fn find(folder: &Path, depth: usize, tables: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth > 0 {
            find(&path, depth - 1, tables)?;
        } else if path.extension().is_some_and(|extension| extension == "csv") && tables.len() < TABLES_MAX {
            tables.push(path);
        }
    }
    Ok(())
}

fn send(out: &mut Emit, topic: &'static str, key: &str, value: &impl Serialize, timestamp_ms: i64) {
    // Plain structures of texts and numbers always have JSON.
    if let Ok(value) = serde_json::to_vec(value) {
        out.send(topic, key, value, timestamp_ms);
    }
}
