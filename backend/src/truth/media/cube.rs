//! Quality of experience: slices and the cube against a plain recount of what players reported.

use std::collections::BTreeMap;

use weir_model::Check;

use super::Seen;
use crate::{
    pipelines::media::{
        qoe::counts_of,
        records::{Counts, CubeRow, Slice},
        settings::{CUBE, CUBE_MS, QOE, QOE_GRACE_MS, SLICE_MS, SLICES},
    },
    sim::media::Qoe,
    truth::{check, pending},
};

/// Cells of windows that are compared; a longer run is judged by its first ones.
const CELLS_MAX: usize = 200_000;

/// A window, by its length and its start, and a cell of it.
type Place = (i64, i64, Vec<String>);

/// Counts reports again.
#[derive(Debug, Default)]
pub struct Cube {
    /// What was reported and came in time, with the partition it was counted in.
    sent: BTreeMap<(i32, Place), Counts>,
    told: BTreeMap<Place, Counts>,
    /// The newest event time of each partition: what closes windows there.
    stream_time_ms: BTreeMap<i32, i64>,
    reports: u64,
    late: u64,
    is_given: bool,
}

impl Cube {
    /// Takes a record in.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        match seen.topic {
            QOE => {
                if let Some(report) = seen.read::<Qoe>() {
                    self.report(&report, seen);
                }
            }
            SLICES if !self.is_given => {
                let Some(slice) = seen.read::<Slice>() else { return };
                self.is_given |= slice.end_ms - slice.start_ms != SLICE_MS || slice.is_asked;
                if self.is_given {
                    return;
                }
                for (values, total, failures) in slice.cells {
                    let counts = Counts { total, failures, ..Counts::default() };
                    self.add_told((SLICE_MS, slice.start_ms, values), &counts);
                }
            }
            CUBE => {
                if let Some(row) = seen.read::<CubeRow>() {
                    self.add_told((CUBE_MS, row.window_start, row.values), &row.counts);
                }
            }
            _ => {}
        }
    }

    fn add_told(&mut self, place: Place, counts: &Counts) {
        if self.told.len() < CELLS_MAX || self.told.contains_key(&place) {
            self.told.entry(place).or_default().add(counts);
        }
    }

    fn report(&mut self, report: &Qoe, seen: &Seen<'_>) {
        let now_ms = self.stream_time_ms.entry(seen.partition).or_insert(i64::MIN);
        *now_ms = (*now_ms).max(seen.timestamp_ms);
        self.reports += 1;
        let counts = counts_of(report);
        let mut is_late = false;
        for size_ms in [SLICE_MS, CUBE_MS] {
            let start_ms = seen.timestamp_ms - seen.timestamp_ms.rem_euclid(size_ms);
            if start_ms + size_ms + QOE_GRACE_MS <= *now_ms {
                is_late = true;
                continue;
            }
            // A slice tells two of the counts.
            let counts = if size_ms == CUBE_MS { counts } else { Counts { total: 1, failures: counts.failures, ..Counts::default() } };
            let key = (seen.partition, (size_ms, start_ms, report.cell.values().map(str::to_owned).to_vec()));
            if self.sent.len() < CELLS_MAX || self.sent.contains_key(&key) {
                self.sent.entry(key).or_default().add(&counts);
            }
        }
        self.late += u64::from(is_late);
    }

    /// `cube_equals_reports`: each window that closed tells what its reports say, cell by cell.
    pub fn verdicts(&self, is_over: bool) -> Vec<Check> {
        let id = "cube_equals_reports";
        if self.is_given {
            return Vec::new(); // whoever counted that, no player reported it
        }
        if !is_over {
            return vec![pending(id, format!("{} reports; counted again at the end", self.reports))];
        }
        if self.sent.len() >= CELLS_MAX {
            return vec![pending(id, format!("more than the {CELLS_MAX} cells that are counted again"))];
        }
        let mut expected = BTreeMap::<&Place, Counts>::new();
        for ((partition, place), counts) in &self.sent {
            let now_ms = self.stream_time_ms.get(partition).copied().unwrap_or(i64::MIN);
            if place.0 + place.1 + QOE_GRACE_MS <= now_ms {
                expected.entry(place).or_default().add(counts);
            }
        }
        if expected.is_empty() {
            return vec![pending(id, "no window closed")];
        }
        let places: std::collections::BTreeSet<_> = expected.keys().copied().chain(self.told.keys()).collect();
        let of = |place: &Place| (expected.get(place).copied().unwrap_or_default(), self.told.get(place).copied().unwrap_or_default());
        let wrong: Vec<_> = places.iter().filter(|place| of(place).0 != of(place).1).collect();
        let sum = |of: fn(&Counts) -> u64| expected.values().map(of).sum::<u64>();
        let (attempts, exits, kbit_s, reports_in) =
            (sum(|it| it.attempts), sum(|it| it.exits_before_start), sum(|it| it.kbit_s), sum(|it| it.total));
        let mean_kbit_s = kbit_s / reports_in.max(1);
        let (cells, reports, late) = (places.len(), self.reports, self.late);
        let mut evidence = format!(
            "{cells} cells of windows with {attempts} starts, {exits} of them given up, at {mean_kbit_s} kbit/s, of {reports} reports, {late} of them too late for a window"
        );
        if let Some(place) = wrong.first() {
            let (expected, told) = of(place);
            evidence += &format!("; {} differ, first {place:?}: {told:?}, not {expected:?}", wrong.len());
        }
        vec![check(id, wrong.is_empty(), evidence)]
    }
}
