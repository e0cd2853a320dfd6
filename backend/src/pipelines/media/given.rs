//! Given data as a world: cases of a file or a folder, slice by slice, with their labels as the truth.

use std::{collections::VecDeque, fs, path::Path};

use serde::Serialize;

use super::{
    input::{self, Case, Label, Rejected},
    settings::{DLQ, SLICES, TRUTH},
    world::json,
};
use crate::{
    pipelines::shape::{Command, Emit, World},
    sim::media::TruthRecord,
};

/// Cells in one record: a record must not be larger than a broker takes.
const CELLS_MAX: usize = 2_000;

/// Given data that is read case by case.
pub(super) struct Given {
    cases: VecDeque<Case>,
    rejected: VecDeque<(String, Rejected)>,
    /// Records are stamped with the time of the run: the log keeps its records by their own time, and the data may be years old.
    now_ms: i64,
    events: u64,
}

/// A row without effect, as its topic has it.
#[derive(Serialize)]
struct Letter<'a> {
    file: &'a str,
    line: usize,
    text: &'a str,
    error: &'a str,
}

impl Given {
    /// Reads a file, or all `.csv` of a folder: each a case, with the labels in a file named `labels` or `anomaly` beside them.
    pub(super) fn read(path: &Path, start_at_ms: i64) -> Result<Self, String> {
        let mut given = Self { cases: VecDeque::new(), rejected: VecDeque::new(), now_ms: start_at_ms, events: 0 };
        let of_file = |error: std::io::Error, path: &Path| format!("{}: {error}", path.display());
        if !path.is_dir() {
            let labels = path.with_extension("labels.csv");
            let labels = if labels.is_file() {
                input::labels(&fs::read_to_string(&labels).map_err(|error| of_file(error, &labels))?)
            } else {
                Vec::new()
            };
            given.take(path, &labels)?;
            return Ok(given);
        }
        let entries = fs::read_dir(path).map_err(|error| of_file(error, path))?;
        let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort();
        let is_labels = |path: &Path| path.file_stem().is_some_and(|stem| stem == "labels" || stem == "anomaly");
        let (of_labels, sheets): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| is_labels(path));
        let mut labels = Vec::new();
        for path in of_labels {
            labels.extend(input::labels(&fs::read_to_string(&path).map_err(|error| of_file(error, &path))?));
        }
        for path in sheets.iter().filter(|path| path.extension().is_some_and(|extension| extension == "csv")) {
            given.take(path, &labels)?;
        }
        if given.cases.is_empty() { Err(format!("no case in {}", path.display())) } else { Ok(given) }
    }

    fn take(&mut self, path: &Path, labels: &[Label]) -> Result<(), String> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let sheets = input::read(&text, &name, labels).map_err(|error| format!("{}: {error}", path.display()))?;
        self.cases.extend(sheets.cases);
        self.rejected.extend(sheets.rejected.into_iter().map(|rejected| (name.to_string(), rejected)));
        Ok(())
    }

    fn reject(&mut self, out: &mut Emit) -> bool {
        let Some((file, Rejected { line, text, reason })) = self.rejected.pop_front() else { return false };
        let letter = Letter { file: &file, line, text: &text, error: &reason };
        out.send(DLQ, file.clone(), json(&letter), self.now_ms);
        true
    }
}

impl World for Given {
    /// At once: given data waits for nothing.
    fn due_ns(&self) -> u128 {
        0
    }

    fn next(&mut self, out: &mut Emit) {
        if self.reject(out) {
            return;
        }
        let Some(case) = self.cases.front_mut() else { return };
        if !case.causes.is_empty() {
            let truth = TruthRecord::Cause { case: case.name.clone(), causes: std::mem::take(&mut case.causes) };
            out.send(TRUTH, "truth", json(&truth), self.now_ms);
        }
        if case.slices.is_empty() {
            self.cases.pop_front();
            return;
        }
        let mut slice = case.slices.remove(0);
        let cells = std::mem::take(&mut slice.cells);
        let parts = cells.chunks(CELLS_MAX).count();
        for (at, part) in cells.chunks(CELLS_MAX).enumerate() {
            slice.cells = part.to_vec();
            slice.has_more = at + 1 < parts;
            self.now_ms += 1;
            self.events += 1;
            out.send(SLICES, case.name.clone(), json(&slice), self.now_ms);
        }
    }

    fn set_rate(&mut self, _: u32) {}

    fn events(&self) -> u64 {
        self.events
    }

    fn is_over(&self) -> bool {
        self.cases.is_empty() && self.rejected.is_empty()
    }

    fn command(&mut self, _: &Command) -> Option<i64> {
        None
    }

    fn finish(&mut self, out: &mut Emit) {
        while self.reject(out) {}
    }
}
