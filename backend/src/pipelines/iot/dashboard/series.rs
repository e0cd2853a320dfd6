//! The dashboard of given series: how far each was read, what was found in it, and what that is worth so far.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use weir_model::{
    Cell, Chooser, Column, Dashboard, FeedEntry, LaneSpan, Line, PipelineAction, Problem, Severity, Span, TimestampMs, Widget, WidgetBody,
};

use super::{chosen, read, unknown, widget};
use crate::{
    pipelines::{
        iot::{
            detect::ALARM_SCORE,
            input::SeriesJudge,
            series::{Sample, SampleScore},
            settings::{ANOMALIES, DLQ, SERIES, SERIES_SCORES, TRUTH},
        },
        shape::{Checker, DashboardFold, Emit, Observed},
    },
    sim::iot::TruthRecord,
};

/// Series that are known, and those of them of which points are kept for the chart, with how many.
const SERIES_MAX: usize = 10_000;
const TRACED_MAX: usize = 200;
const POINTS_MAX: usize = 1_500;
/// Rows of the table, entries of the feed, names that are offered.
const ROWS_MAX: usize = 14;
const FEED_MAX: usize = 14;
const OPTIONS_MAX: usize = 100;
/// The running score is renewed after so many more scored rows, or a twentieth of all, and with each series that ends.
const RENEW_ROWS: u64 = 2_000;

/// A scored row.
#[derive(Clone, Copy, Debug)]
struct Point {
    row: u64,
    at_ms: i64,
    value: f64,
    score: f64,
    is_alarm: bool,
}

/// A series as far as it was read.
#[derive(Debug, Default)]
struct Progress {
    rows: Option<u64>,
    scored: u64,
    alarms: u64,
    windows: Vec<(u64, u64)>,
    found: u64,
    points: VecDeque<Point>,
}

/// What is known of given series.
#[derive(Debug, Default)]
pub(in crate::pipelines::iot) struct SeriesFold {
    judge: SeriesJudge,
    series: BTreeMap<Arc<str>, Progress>,
    /// The series of the newest score.
    newest: Option<Arc<str>>,
    chosen: Option<Arc<str>>,
    /// Newest first.
    findings: VecDeque<(TimestampMs, String)>,
    scored: u64,
    renewed_at: u64,
    running: BTreeMap<String, f64>,
    dead_letters: u64,
}

impl SeriesFold {
    fn progress(&mut self, name: &str) -> Option<(Arc<str>, &mut Progress)> {
        let name = match self.series.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None if self.series.len() >= SERIES_MAX => return None,
            None => Arc::from(name),
        };
        let progress = self.series.entry(Arc::clone(&name)).or_default();
        Some((name, progress))
    }

    fn score(&mut self, name: &str, score: &SampleScore) {
        let has_room = self.series.len() <= TRACED_MAX;
        let Some((name, progress)) = self.progress(name) else { return };
        if score.row < progress.scored {
            return; // told twice
        }
        progress.scored = score.row + 1;
        progress.alarms += u64::from(score.is_alarm);
        progress.found += u64::from(score.is_alarm && progress.first_in_window(score.row));
        if has_room || !progress.points.is_empty() {
            let SampleScore { row, ts, value, score, is_alarm, .. } = *score;
            progress.points.push_back(Point { row, at_ms: ts, value, score, is_alarm });
            if progress.points.len() > POINTS_MAX {
                progress.points.pop_front();
            }
        }
        let is_over = progress.rows == Some(progress.scored);
        if score.is_alarm {
            let text = format!("{name}: row {} is strange, {} with score {:.2}", score.row, score.value, score.score);
            self.findings.push_front((TimestampMs(score.ts), text));
            self.findings.truncate(FEED_MAX);
        }
        self.newest = Some(name);
        self.scored += 1;
        if is_over || self.scored >= self.renewed_at + RENEW_ROWS.max(self.renewed_at / 20) {
            self.renewed_at = self.scored;
            self.running = self.judge.scores_so_far();
        }
    }

    fn shown(&self) -> Option<(&Arc<str>, &Progress)> {
        let name = self.chosen.as_ref().or(self.newest.as_ref())?;
        self.series.get_key_value(name)
    }
}

impl Progress {
    /// Whether an alarm is the first in a labelled window.
    fn first_in_window(&self, row: u64) -> bool {
        let window = self.windows.iter().find(|(first, last)| (*first..=*last).contains(&row));
        window.is_some_and(|(first, _)| !self.points.iter().any(|point| point.is_alarm && (*first..row).contains(&point.row)))
    }
}

impl DashboardFold for SeriesFold {
    fn observe(&mut self, record: &Observed<'_>, _: TimestampMs) {
        self.judge.observe(record);
        let key = String::from_utf8_lossy(record.key.unwrap_or_default());
        match record.topic {
            SERIES => read(record, |sample: Sample| {
                if sample.row == 0
                    && let Some((_, progress)) = self.progress(&key)
                {
                    progress.rows = sample.rows;
                }
            }),
            SERIES_SCORES => read(record, |score| self.score(&key, &score)),
            TRUTH => read(record, |truth| {
                if let TruthRecord::SeriesWindow { series, first_row, last_row } = truth
                    && let Some((_, progress)) = self.progress(&series)
                {
                    progress.windows.push((first_row, last_row));
                }
            }),
            DLQ => self.dead_letters += 1,
            _ => {}
        }
    }

    fn dashboard(&self, _: TimestampMs) -> Dashboard {
        let event_time = self.shown().and_then(|(_, progress)| progress.points.back()).map(|point| TimestampMs(point.at_ms));
        let mut widgets = tiles(self);
        widgets.extend([values(self), strangeness(self), progress(self), findings(self)]);
        Dashboard { event_time, widgets }
    }

    fn act(&mut self, action: &PipelineAction, _: &mut Emit) -> Result<(), Problem> {
        self.chosen = match chosen(action, "series")? {
            Some(wanted) => {
                Some(self.series.get_key_value(&*wanted).map(|(name, _)| Arc::clone(name)).ok_or_else(|| unknown("series", &wanted))?)
            }
            None => None,
        };
        Ok(())
    }
}

fn tiles(fold: &SeriesFold) -> Vec<Widget> {
    let number =
        |value: Option<f64>, unit: String, decimals| WidgetBody::Number { value, unit: unit.into(), decimals, history: Arc::default() };
    let over = fold.series.values().filter(|progress| progress.rows == Some(progress.scored)).count();
    let sum = |of: fn(&Progress) -> u64| fold.series.values().map(of).sum::<u64>();
    let (windows, found) = (sum(|progress| progress.windows.len() as u64), sum(|progress| progress.found));
    let mut tiles = vec![
        widget(
            "series_read",
            "Series",
            "Read to their ends, of those that were begun",
            Span::Tile,
            SERIES,
            number(Some(over as f64), format!("of {}", fold.series.len()), 0),
        ),
        widget(
            "rows_scored",
            "Rows",
            "Rows of all series that were scored",
            Span::Tile,
            SERIES_SCORES,
            number(Some(fold.scored as f64), "scored".to_owned(), 0),
        ),
        widget(
            "alarms",
            "Alarms",
            "Rows that are told as strange",
            Span::Tile,
            ANOMALIES,
            number(Some(sum(|progress| progress.alarms) as f64), String::new(), 0),
        ),
        widget(
            "windows_found",
            "Labels found",
            "Labelled stretches with an alarm in them, of those that were told so far",
            Span::Tile,
            SERIES_SCORES,
            number((windows > 0).then_some(found as f64), format!("of {windows}"), 0),
        ),
        widget(
            "dead_letters",
            "Unreadable",
            "Lines and files that could not be read; each with the reason in the topic",
            Span::Tile,
            DLQ,
            number(Some(fold.dead_letters as f64), String::new(), 0),
        ),
    ];
    let scores = [
        (
            "nab_standard_as_told",
            "NAB so far",
            "The benchmark's standard profile of what was read, at the pipeline's own threshold; the report has the best one",
            1,
        ),
        ("skab_f1", "F1 so far", "Precision and recall of anomalous rows in one figure, as the Skoltech benchmark counts", 2),
    ];
    tiles.extend(scores.into_iter().filter_map(|(id, title, help, decimals)| {
        let score = *fold.running.get(id)?;
        Some(widget(id, title, help, Span::Tile, SERIES_SCORES, number(Some(score), String::new(), decimals)))
    }));
    tiles
}

/// The chosen series, else the one that is being read: values, with what is labelled and what was found behind them.
fn values(fold: &SeriesFold) -> Widget {
    let (mut lines, mut bands) = (Vec::new(), Vec::new());
    if let Some((name, progress)) = fold.shown() {
        lines.push(Line {
            name: Arc::clone(name),
            points: progress.points.iter().map(|point| (TimestampMs(point.at_ms), point.value)).collect(),
        });
        bands = progress.bands();
    }
    let options = fold.newest.iter().chain(fold.series.keys().filter(|name| Some(*name) != fold.newest.as_ref()));
    let chooser = Chooser {
        what: "series".into(),
        value: fold.shown().map_or_else(|| "".into(), |(name, _)| Arc::clone(name)),
        is_chosen: fold.chosen.is_some(),
        options: options.take(OPTIONS_MAX).cloned().collect(),
    };
    let body = Box::new(WidgetBody::TimeSeries { unit: "".into(), lines, bands });
    let help = "The newest values of a series, unless you choose another of the one that is being read; bands are labels and alarms";
    widget("series", "Values", help, Span::TwoThirds, SERIES_SCORES, WidgetBody::Chosen { chooser, body })
}

fn strangeness(fold: &SeriesFold) -> Widget {
    let points = fold.shown().map(|(_, progress)| &progress.points).into_iter().flatten();
    let points: Arc<[_]> = points.map(|point| (TimestampMs(point.at_ms), point.score)).collect();
    let limit = points.first().into_iter().chain(points.last()).map(|(at, _)| (*at, ALARM_SCORE)).collect();
    let lines = vec![Line { name: "score".into(), points }, Line { name: "alarm from here on".into(), points: limit }];
    let body = WidgetBody::TimeSeries { unit: "0 to 1".into(), lines, bands: Vec::new() };
    widget("series_score", "How strange", "The score of each value of the same series", Span::Third, SERIES_SCORES, body)
}

impl Progress {
    fn bands(&self) -> Vec<LaneSpan> {
        let span = |from: &Point, to: &Point, label: &str, severity| LaneSpan {
            from: TimestampMs(from.at_ms),
            to: TimestampMs(to.at_ms.max(from.at_ms)),
            label: label.into(),
            severity,
        };
        let labelled = self.windows.iter().filter_map(|(first, last)| {
            let is_in = |point: &&Point| (*first..=*last).contains(&point.row);
            Some(span(self.points.iter().find(is_in)?, self.points.iter().rfind(is_in)?, "labelled", Severity::Info))
        });
        let alarms = self.points.iter().filter(|point| point.is_alarm).map(|point| span(point, point, "alarm", Severity::Critical));
        labelled.chain(alarms).collect()
    }
}

fn progress(fold: &SeriesFold) -> Widget {
    // What is being read comes first, then what has most alarms.
    let mut series: Vec<_> = fold.series.iter().collect();
    series.sort_by_key(|(name, progress)| (Some(*name) != fold.newest.as_ref(), std::cmp::Reverse(progress.alarms)));
    let integer = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let row = |(name, progress): &(&Arc<str>, &Progress)| {
        let share = progress.rows.map_or_else(|| "".into(), |rows| format!("{} %", progress.scored * 100 / rows.max(1)).into());
        let labels = format!("{} of {}", progress.found, progress.windows.len()).into();
        vec![Cell::Text(Arc::clone(name)), integer(progress.scored), Cell::Text(share), integer(progress.alarms), Cell::Text(labels)]
    };
    let mut rows: Vec<_> = series.iter().take(ROWS_MAX).map(row).collect();
    if series.len() > ROWS_MAX {
        let blank = || Cell::Text("".into());
        rows.push(vec![Cell::Text(format!("and {} more", series.len() - ROWS_MAX).into()), blank(), blank(), blank(), blank()]);
    }
    let titles = [("Series", false), ("Rows", true), ("Read", true), ("Alarms", true), ("Labels found", true)];
    let columns = titles.map(|(title, is_number)| Column { title: title.into(), is_number }).into();
    let help = "Each series of the input: the one that is being read, then those with most alarms";
    widget("series_progress", "Series", help, Span::TwoThirds, SERIES_SCORES, WidgetBody::Table { columns, rows })
}

fn findings(fold: &SeriesFold) -> Widget {
    let entry = |(at, text): &(TimestampMs, String)| FeedEntry { at: *at, severity: Severity::Warning, text: text.as_str().into() };
    let body = WidgetBody::Feed { entries: fold.findings.iter().map(entry).collect() };
    widget("series_findings", "Found", "What is strange, newest first, by the series' own time", Span::Third, ANOMALIES, body)
}
