//! Given data as a world: cases of a file or a folder, slice by slice, with their labels as the truth.

use std::collections::VecDeque;

use serde::Serialize;

use super::{
    input::{self, Case, Rejected},
    records::Slice,
    settings::{DLQ, SLICES, TRUTH},
    world::json,
};
use crate::{
    pipelines::shape::{Command, Emit, World},
    sim::media::TruthRecord,
};

/// Cells in one record: a record must not be larger than a broker takes.
const CELLS_MAX: usize = 2_000;
/// Leaves with their forecast in one record: they are looked at together.
const LEAVES_MAX: usize = 20_000;

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
    /// Reads a file, or a folder of them.
    pub(super) fn read(input: &str, start_at_ms: i64) -> Result<Self, String> {
        let (sheets, rejected) = input::open(input)?;
        let (cases, rejected) = (sheets.cases.into(), rejected.into());
        Ok(Self { cases, rejected, now_ms: start_at_ms, events: 0 })
    }

    fn reject(&mut self, out: &mut Emit) -> bool {
        let Some((file, Rejected { line, text, reason })) = self.rejected.pop_front() else { return false };
        let letter = Letter { file: &file, line, text: &text, error: &reason };
        out.send(DLQ, file.clone(), json(&letter), self.now_ms);
        true
    }
}

/// Keeps as many leaves as fit, the largest; how many that leaves out.
fn keep_largest(slice: &mut Slice) -> usize {
    let left_out = slice.forecasts.len().saturating_sub(LEAVES_MAX);
    if left_out > 0 {
        let size = |parts: &[(f64, f64)]| parts.iter().map(|part| part.0.abs() + part.1.abs()).sum::<f64>();
        slice.forecasts.sort_by(|a, b| size(&b.1).total_cmp(&size(&a.1)).then_with(|| a.0.cmp(&b.0)));
        slice.forecasts.truncate(LEAVES_MAX);
    }
    left_out
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
        for (case, causes) in std::mem::take(&mut case.causes) {
            out.send(TRUTH, "truth", json(&TruthRecord::Cause { case, causes }), self.now_ms);
        }
        if case.slices.is_empty() {
            self.cases.pop_front();
            return;
        }
        let mut slice = case.slices.remove(0);
        let left_out = keep_largest(&mut slice);
        if left_out > 0 {
            let error = format!("{left_out} leaves of {} left out, the smallest: a record has room for {LEAVES_MAX}", slice.start_ms);
            let letter = Letter { file: &case.name, line: 0, text: "", error: &error };
            out.send(DLQ, case.name.clone(), json(&letter), self.now_ms);
        }
        if !slice.forecasts.is_empty() {
            self.now_ms += 1;
            self.events += 1;
            out.send(SLICES, case.name.clone(), json(&slice), self.now_ms);
            return;
        }
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
