//! Given series as a world: table by table, row by row.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use serde::Serialize;
use weir_model::Problem;

use super::{
    files::{self, Given},
    table::{self, Rejected, Series},
};
use crate::{
    pipelines::{
        iot::{
            series::Sample,
            settings::{DLQ, SERIES, TRUTH},
        },
        shape::{Command, Emit, GivenTopic, RunParams, World},
    },
    sim::iot::TruthRecord,
};

/// Samples on their way.
const WAITING_MAX: u64 = 20_000;
/// The longest part of a bad line that is kept.
const SHOWN_MAX: usize = 2_000;

/// Tables as a world.
pub(in crate::pipelines::iot) struct SeriesWorld {
    files: VecDeque<Given>,
    /// Topics whose records the files are; they are gone with them.
    _topics: Vec<GivenTopic>,
    /// Series of the newest file that are still to be told, each with its whole name.
    open: VecDeque<(Arc<str>, Series)>,
    row: usize,
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
    /// Finds the tables: files, folders, and topics of the run's cluster, with commas between them.
    pub(in crate::pipelines::iot) fn open(input: &str, run: &RunParams) -> Result<Self, Problem> {
        let failed = |why: String| {
            let what = format!("{input} can't be read as series");
            Problem::new(what, why, "Give CSV or JSON lines with a timestamp and a value, a folder of such files, or a topic")
        };
        let (mut files, mut topics, mut taken) = (VecDeque::new(), Vec::new(), BTreeSet::new());
        for part in files::parts(input) {
            let topic = run.connection.as_ref().map(|connection| GivenTopic::fetch(connection, part, &run.name)).transpose()?.flatten();
            let part = topic.as_ref().map_or_else(|| part.to_owned(), GivenTopic::input);
            files.extend(files::find(&part, &mut taken).map_err(failed)?);
            topics.extend(topic);
        }
        if files.is_empty() {
            return Err(failed("it names nothing".to_owned()));
        }
        Ok(Self { files, _topics: topics, open: VecDeque::new(), row: 0, now_ms: run.start_at.0, samples: 0 })
    }

    fn open_next(&mut self, out: &mut Emit) {
        let Some(given) = self.files.pop_front() else { return };
        let name = given.name.as_str();
        match files::text_of(&given.path).and_then(|text| table::read(&text, &given.mapping)) {
            Err(error) => self.reject(out, &Letter { file: name, line: 0, text: "", error: &error }),
            Ok(read) => {
                for Rejected { line, text, why } in read.rejected {
                    let text: String = text.chars().take(SHOWN_MAX).collect();
                    self.reject(out, &Letter { file: name, line, text: &text, error: &why });
                }
                for series in read.series {
                    let whole = if series.name.is_empty() { name.to_owned() } else { format!("{name}:{}", series.name) };
                    let given = given.labels.of(&given.path, &series.times());
                    for (first_row, last_row) in if given.is_empty() { series.windows() } else { given } {
                        let truth = TruthRecord::SeriesWindow { series: whole.clone(), first_row, last_row };
                        send(out, TRUTH, "truth", &truth, self.now_ms);
                    }
                    self.open.push_back((whole.into(), series));
                }
            }
        }
    }

    fn reject(&self, out: &mut Emit, letter: &Letter<'_>) {
        send(out, DLQ, letter.file, letter, self.now_ms);
    }
}

impl World for SeriesWorld {
    /// At once: given data waits for nothing but those who read it.
    fn due_ns(&self) -> u128 {
        0
    }

    fn next(&mut self, out: &mut Emit) {
        let Some((name, series)) = self.open.front() else { return self.open_next(out) };
        let Some((ts, figures)) = series.row(self.row) else {
            self.open.pop_front();
            self.row = 0;
            return;
        };
        let (row, rows, value) = (self.row as u64, Some(series.len() as u64), figures.first().copied().unwrap_or_default());
        let figures = if series.is_machine { figures.to_vec() } else { Vec::new() };
        send(out, SERIES, name, &Sample { row, ts, value, rows, figures }, self.now_ms);
        self.samples += 1;
        self.row += 1;
    }

    fn set_rate(&mut self, _: u32) {}

    fn events(&self) -> u64 {
        self.samples
    }

    fn is_over(&self) -> bool {
        self.open.is_empty() && self.files.is_empty()
    }

    fn waiting_max(&self) -> Option<u64> {
        Some(WAITING_MAX)
    }

    fn command(&mut self, _: &Command) -> Option<i64> {
        None
    }

    fn finish(&mut self, _: &mut Emit) {}
}

fn send(out: &mut Emit, topic: &'static str, key: &str, value: &impl Serialize, timestamp_ms: i64) {
    // Plain structures of texts and numbers always have JSON.
    if let Ok(value) = serde_json::to_vec(value) {
        out.send(topic, key, value, timestamp_ms);
    }
}
