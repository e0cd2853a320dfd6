//! A pipeline's dashboard as data: the pipeline says what to show, the app knows how to draw it.

use std::sync::Arc;

use crate::{GroupId, TimestampMs, TopicName};

/// What a dashboard shows at one moment, in reading order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Dashboard {
    /// The newest event time seen, which may run faster than the clock; `None` before the first event.
    pub event_time: Option<TimestampMs>,
    /// The widgets.
    pub widgets: Vec<Widget>,
}

/// One widget.
#[derive(Clone, Debug, PartialEq)]
pub struct Widget {
    /// Stable within its dashboard, such as `events_per_s`.
    pub id: Arc<str>,
    /// The heading.
    pub title: Arc<str>,
    /// One line that explains the figure to a newcomer.
    pub help: Arc<str>,
    /// How wide it wants to be.
    pub span: Span,
    /// Where the figures come from; a click leads there.
    pub source: Source,
    /// What it shows.
    pub body: WidgetBody,
}

/// Widths, in twelfths of the page; narrow windows stack them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// 2 of 12, for single figures.
    Tile,
    /// 4 of 12.
    Third,
    /// 6 of 12.
    Half,
    /// 8 of 12.
    TwoThirds,
    /// 12 of 12.
    Full,
}

impl Span {
    /// Columns of twelve.
    pub fn columns(self) -> u8 {
        match self {
            Self::Tile => 2,
            Self::Third => 4,
            Self::Half => 6,
            Self::TwoThirds => 8,
            Self::Full => 12,
        }
    }
}

/// What lies behind a figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A topic's records.
    Topic(TopicName),
    /// A consumer group's progress.
    Group(GroupId),
}

/// What a widget shows.
#[derive(Clone, Debug, PartialEq)]
pub enum WidgetBody {
    /// One big figure.
    Number {
        /// The figure; `None` while unknown.
        value: Option<f64>,
        /// Such as `events/s`, `%`, `users`.
        unit: Arc<str>,
        /// Digits after the point.
        decimals: u8,
        /// Its recent history, oldest first.
        history: Arc<[f64]>,
    },
    /// Lines over time.
    TimeSeries {
        /// The unit of the y axis.
        unit: Arc<str>,
        /// The lines.
        lines: Vec<Line>,
    },
    /// The largest of many, best first.
    TopK {
        /// The unit of the values.
        unit: Arc<str>,
        /// The rows.
        rows: Vec<TopRow>,
    },
    /// Steps that ever fewer pass.
    Funnel {
        /// From first to last.
        stages: Vec<FunnelStage>,
    },
    /// Estimates with their uncertainty, for comparing variants.
    Intervals {
        /// The unit of the estimates.
        unit: Arc<str>,
        /// The variants.
        variants: Vec<Variant>,
        /// What the comparison says, in one sentence.
        conclusion: Arc<str>,
    },
    /// Rows and columns.
    Table {
        /// The columns.
        columns: Vec<Column>,
        /// The rows, each as long as `columns`.
        rows: Vec<Vec<Cell>>,
    },
}

/// One line of a time series.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: Arc<str>,
    /// Event time and value, oldest first.
    pub points: Arc<[(TimestampMs, f64)]>,
}

/// One row of a top-K list.
#[derive(Clone, Debug, PartialEq)]
pub struct TopRow {
    /// What is counted.
    pub label: Arc<str>,
    /// Its count.
    pub value: f64,
}

/// One step of a funnel.
#[derive(Clone, Debug, PartialEq)]
pub struct FunnelStage {
    /// The step's name.
    pub label: Arc<str>,
    /// How many reached it.
    pub count: u64,
}

/// One variant of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its name.
    pub name: Arc<str>,
    /// How many were observed.
    pub n: u64,
    /// The estimate.
    pub estimate: f64,
    /// The lower bound of its interval.
    pub low: f64,
    /// The upper bound of its interval.
    pub high: f64,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub title: Arc<str>,
    /// Numbers stand on the right.
    pub is_number: bool,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A text.
    Text(Arc<str>),
    /// An exact number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A time.
    Time(TimestampMs),
    /// A length of time.
    DurationMs(i64),
}
