//! Quality of experience: reports of players become counts by cell, every few seconds for the watch, every minute for the record.

use std::collections::BTreeMap;

use super::{
    Options, Sabotage,
    records::{Counts, CubeRow, Slice},
    settings::{CUBE, CUBE_MS, QOE, QOE_APP, QOE_GRACE_MS, SLICE_MS, SLICES},
};
use crate::{
    sim::media::{Cell, Qoe, SessionId},
    stream::{Forward, Processor, Record, Store, StoreHandle, Topology, TopologyError, Windowed},
};

/// What separates values in a key; no value has it, because what comes in is stripped of control characters.
const SEPARATOR: char = '\u{1f}';

/// Reports to slices and to the cube.
///
/// # Errors
/// Never, as long as no topic is read twice.
pub fn topology(options: &Options) -> Result<Topology, TopologyError> {
    let (run, forgets_failed_starts) = (options.run.clone(), options.is(Sabotage::ForgetFailedStarts));
    Topology::new(QOE_APP, move |builder| {
        let run = run.clone();
        let reports =
            builder.stream::<SessionId, Qoe>(QOE).filter(move |record| !(forgets_failed_starts && record.value.is_failed_start()));
        // Of the two lengths the short one is shown.
        let window_of =
            |window: &Windowed<String>| window.bounds().filter(|(start_ms, end_ms)| end_ms.checked_sub(*start_ms) == Some(SLICE_MS));
        let store = Store::<Windowed<String>, Counts>::expiring(|window, _| window.end_ms).in_windows(window_of, QOE_GRACE_MS);
        let counted = reports.process("cells", store, None, |cells| Count { cells, run });
        counted.flat_map_values(|record| record.value.as_slice()).to(SLICES);
        counted.flat_map_values(|record| record.value.as_row()).to(CUBE);
    })
}

/// What comes out: a slice or a row of the cube.
#[derive(Clone, Debug)]
enum Counted {
    Slice(Slice),
    Row(CubeRow),
}

impl Counted {
    fn as_slice(&self) -> Option<Slice> {
        if let Self::Slice(slice) = self { Some(slice.clone()) } else { None }
    }

    fn as_row(&self) -> Option<CubeRow> {
        if let Self::Row(row) = self { Some(row.clone()) } else { None }
    }
}

/// Counts reports in both windows; a window's results come once, when it is closed.
struct Count {
    cells: StoreHandle<Windowed<String>, Counts>,
    run: String,
}

impl Processor<SessionId, Qoe, String, Counted> for Count {
    fn process(&mut self, record: &Record<SessionId, Qoe>, out: &mut Forward<'_, String, Counted>) {
        let report = &record.value;
        let counts = counts_of(report);
        let key = key_of(&report.cell);
        let now = out.stream_time_ms();
        let mut is_late = false;
        for size_ms in [SLICE_MS, CUBE_MS] {
            let start_ms = record.timestamp_ms - record.timestamp_ms.rem_euclid(size_ms);
            let window = Windowed { start_ms, key: key.clone(), end_ms: start_ms + size_ms };
            if window.end_ms + QOE_GRACE_MS <= now {
                is_late = true;
                continue;
            }
            self.cells.borrow_mut().update(&window, Counts::default, |sums| sums.add(&counts));
        }
        if is_late {
            out.count_late();
        }
    }

    fn stream_time_advanced(&mut self, out: &mut Forward<'_, String, Counted>) {
        let before_ms = out.stream_time_ms().saturating_sub(QOE_GRACE_MS).saturating_add(1);
        let mut slices = BTreeMap::<i64, (Vec<_>, Vec<_>)>::new();
        loop {
            let Some((window, counts)) = self.cells.borrow_mut().pop_expired(before_ms) else { break };
            let values: Vec<_> = window.key.split(SEPARATOR).map(str::to_owned).collect();
            if window.end_ms - window.start_ms == SLICE_MS {
                let (cells, watched_ms) = slices.entry(window.start_ms).or_default();
                cells.push((values, counts.total, counts.failures));
                watched_ms.push(counts.played_ms + counts.stalled_ms);
            } else {
                let row = CubeRow { window_start: window.start_ms, window_end: window.end_ms, values, counts };
                let key = row.values.join("|");
                out.send(&Record { key, value: Counted::Row(row), timestamp_ms: window.end_ms - 1 });
            }
        }
        for (start_ms, (cells, watched_ms)) in slices {
            let dimensions = Cell::DIMENSIONS.map(str::to_owned).to_vec();
            let source = out.origin().partition;
            let slice = Slice {
                start_ms,
                end_ms: start_ms + SLICE_MS,
                dimensions,
                cells,
                source,
                watched_ms,
                is_asked: false,
                has_more: false,
                forecasts: Vec::new(),
            };
            let timestamp_ms = slice.end_ms - 1;
            out.send(&Record { key: self.run.clone(), value: Counted::Slice(slice), timestamp_ms });
        }
    }
}

fn key_of(cell: &Cell) -> String {
    cell.values().map(|value| value.replace(char::is_control, "")).join(&SEPARATOR.to_string())
}

/// What one report counts.
pub(crate) fn counts_of(report: &Qoe) -> Counts {
    let is_start = report.msd.is_some() || report.is_exit_before_start();
    Counts {
        total: 1,
        failures: u64::from(report.is_bad()),
        attempts: u64::from(is_start),
        start_failures: u64::from(report.is_failed_start()),
        exits_before_start: u64::from(report.is_exit_before_start()),
        startup_ms: u64::from(report.msd.unwrap_or(0)),
        stalled_ms: u64::from(report.bsd),
        played_ms: u64::from(report.played_ms),
        kbit_s: u64::from(report.br),
    }
}
