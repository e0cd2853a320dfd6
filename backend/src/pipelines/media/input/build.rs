//! A case from its rows: minutes, what is asked about them, and the causes that are known.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Case, Label, MINUTE_MS,
    columns::{Measure, Row},
    minute_of,
};
use crate::{pipelines::media::records::Slice, sim::media::Shown};

/// Minutes that a forecast is the mean of.
const FORECAST_MINUTES: usize = 10;
/// Minutes that are asked about where nothing is labelled; of more, the last.
const ASKED_MAX: usize = 2_000;

/// What a leaf's rows of a minute say together.
#[derive(Clone, Default)]
struct Sums {
    total: u64,
    failures: u64,
    /// As it is and as forecast, by part.
    parts: Vec<(f64, f64)>,
}

type Cells = BTreeMap<Vec<String>, Sums>;

/// A case while its rows come in.
#[derive(Default)]
pub(super) struct Building {
    minutes: BTreeMap<i64, Cells>,
    /// Labels of rows, by minute.
    labelled: BTreeMap<i64, Vec<Shown>>,
    at_ms: Option<i64>,
    is_series: bool,
}

impl Building {
    pub(super) fn add(&mut self, row: Row) {
        let start_ms = row.start_ms.unwrap_or(0);
        let sums = self.minutes.entry(start_ms).or_default().entry(row.values).or_default();
        let mut add = |parts: &[(f64, f64)]| {
            sums.parts.resize(parts.len(), (0.0, 0.0));
            for (sum, part) in sums.parts.iter_mut().zip(parts) {
                *sum = (sum.0 + part.0, sum.1 + part.1);
            }
        };
        match row.measure {
            Measure::Counts(total, failures) => (sums.total, sums.failures) = (sums.total + total, sums.failures + failures),
            Measure::Forecast(parts, count) => add(&parts[..count]),
            Measure::Series(value) => {
                add(&[(value, 0.0)]);
                self.is_series = true;
            }
        }
        self.at_ms = self.at_ms.or(row.at_ms);
        for cause in row.causes {
            let causes = self.labelled.entry(start_ms).or_default();
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
    }

    pub(super) fn finish(mut self, dimensions: &[String], labels: &[Label], name: String) -> Case {
        if self.is_series {
            self.forecast();
        }
        let (asked, causes) = self.asked(&name, labels);
        let slice = |(start_ms, cells): (i64, Cells)| Slice {
            start_ms,
            end_ms: start_ms + MINUTE_MS,
            dimensions: dimensions.to_vec(),
            is_asked: asked.contains(&start_ms),
            forecasts: cells
                .iter()
                .filter(|(_, sums)| !sums.parts.is_empty())
                .map(|(values, sums)| (values.clone(), sums.parts.clone()))
                .collect(),
            cells: cells
                .into_iter()
                .filter(|(_, sums)| sums.parts.is_empty())
                .map(|(values, it)| (values, it.total, it.failures))
                .collect(),
            source: 0,
            watched_ms: Vec::new(),
            has_more: false,
        };
        Case { slices: self.minutes.into_iter().map(slice).collect(), causes, name }
    }

    /// The minutes whose causes are asked for, and those that are known.
    fn asked(&self, name: &str, labels: &[Label]) -> (BTreeSet<i64>, Vec<(String, Vec<Shown>)>) {
        let minute = |at_ms: i64| at_ms - at_ms.rem_euclid(MINUTE_MS);
        let of_minute = |label: &&Label| label.at_ms.map(minute).is_some_and(|at| self.minutes.contains_key(&at));
        let own: Vec<_> = labels.iter().filter(|label| label.names(name)).collect();
        // Labels of minutes, where no case is called what they say.
        let own = if own.is_empty() { labels.iter().filter(of_minute).collect() } else { own };
        if let [first, second, ..] = own[..]
            && first.at_ms != second.at_ms
        {
            let timed = own.iter().filter(|label| of_minute(label)).filter_map(|label| Some((minute(label.at_ms?), label.causes.clone())));
            let mut by_minute = BTreeMap::<i64, Vec<Shown>>::new();
            timed.for_each(|(at, causes)| by_minute.entry(at).or_default().extend(causes));
            return by_minutes(name, by_minute);
        }
        let mut begun = self.labelled.clone();
        let mut before = None;
        begun.retain(|_, causes| before.replace(causes.clone()).as_ref() != Some(causes));
        if own.is_empty() && begun.len() > 1 {
            return by_minutes(name, begun);
        }
        let (label, causes) = (own.first(), own.iter().flat_map(|label| label.causes.clone()).collect::<Vec<_>>());
        let causes = if causes.is_empty() { begun.into_values().next().unwrap_or_default() } else { causes };
        if causes.is_empty() && labels.is_empty() && self.at_ms.is_none() {
            // The first of several minutes has nothing to be compared with, unless it comes with its forecast.
            let skipped = usize::from(self.minutes.len() > 1 && (self.is_series || self.is_counted()));
            let asked = self.minutes.keys().skip(skipped.max(self.minutes.len().saturating_sub(ASKED_MAX)));
            return (asked.copied().collect(), Vec::new());
        }
        let given = label.and_then(|label| label.at_ms).or(self.at_ms).map(minute).filter(|at| self.minutes.contains_key(at));
        let first = self.labelled.keys().next().copied();
        // A label on every row says nothing about the time.
        let first = first.filter(|first| self.minutes.keys().next().is_some_and(|earliest| earliest < first));
        let asked = given.or(first).or_else(|| self.worst_minute());
        let causes = if causes.is_empty() { Vec::new() } else { vec![(name.to_owned(), causes)] };
        (asked.into_iter().collect(), causes)
    }

    fn is_counted(&self) -> bool {
        self.minutes.values().flat_map(BTreeMap::values).any(|sums| sums.parts.is_empty())
    }

    fn worst_minute(&self) -> Option<i64> {
        let badness = |cells: &Cells| {
            let (total, failures) = cells.values().fold((0, 0), |sum, it| (sum.0 + it.total, sum.1 + it.failures));
            let (off, forecast) =
                cells.values().flat_map(|it| &it.parts).fold((0.0, 0.0), |sum, part| (sum.0 + part.0 - part.1, sum.1 + part.1));
            failures as f64 / (total as f64).max(1.0) + (off / forecast.max(1.0)).abs()
        };
        let by_badness = self.minutes.iter().map(|(start_ms, cells)| (badness(cells), *start_ms));
        by_badness.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, start_ms)| start_ms)
    }

    /// Each minute's forecast: the mean of those before it.
    fn forecast(&mut self) {
        let minutes: Vec<Cells> = self.minutes.values().cloned().collect();
        for (at, cells) in self.minutes.values_mut().enumerate() {
            let before = &minutes[at.saturating_sub(FORECAST_MINUTES)..at];
            if before.is_empty() {
                cells.values_mut().flat_map(|sums| &mut sums.parts).for_each(|part| part.1 = part.0);
                continue;
            }
            // What was there and is gone is a deviation too.
            for values in before.iter().flat_map(BTreeMap::keys) {
                let sums = cells.entry(values.clone()).or_default();
                sums.parts.resize(1, (0.0, 0.0));
                let past = before.iter().filter_map(|minute| minute.get(values)).map(|sums| sums.parts[0].0);
                sums.parts[0].1 = past.sum::<f64>() / before.len() as f64;
            }
        }
    }
}

/// Several minutes with causes of their own.
fn by_minutes(name: &str, causes: BTreeMap<i64, Vec<Shown>>) -> (BTreeSet<i64>, Vec<(String, Vec<Shown>)>) {
    (causes.keys().copied().collect(), causes.into_iter().map(|(at, causes)| (minute_of(name, at), causes)).collect())
}
