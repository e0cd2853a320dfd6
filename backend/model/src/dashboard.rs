//! A pipeline's dashboard as data: the pipeline says what to show, the app knows how to draw it.

use std::sync::Arc;

use crate::{EditorRow, GroupId, QueueRow, TimestampMs, TopicName, Verb};

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

impl Widget {
    /// The records behind one of its rows, cells, or places. A label without a space is an identifier, and stands so in the records behind
    /// it; what has spaces is prose, and leads no further than [`Self::source`].
    pub fn records_with(&self, label: &str) -> Option<Trace> {
        let is_identifier = !label.is_empty() && !label.contains(char::is_whitespace);
        is_identifier.then(|| self.trace(Some(label.into()), None)).flatten()
    }

    /// The records from a moment on, such as when something began.
    pub fn records_from(&self, at: TimestampMs) -> Option<Trace> {
        self.trace(None, Some(at))
    }

    fn trace(&self, contains: Option<Arc<str>>, from: Option<TimestampMs>) -> Option<Trace> {
        match &self.source {
            Source::Topic(topic) => Some(Trace { topic: topic.clone(), contains, from }),
            Source::Group(_) => None,
        }
    }
}

/// Records that a figure was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Their topic.
    pub topic: TopicName,
    /// A text that each holds; `None` for all.
    pub contains: Option<Arc<str>>,
    /// None is older than this; `None` for the newest.
    pub from: Option<TimestampMs>,
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
        /// Spans of time behind the lines, such as when something was wrong.
        bands: Vec<LaneSpan>,
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
    /// Values by row and column, as colours: many of the same thing at one glance.
    Heat {
        /// The unit of the values.
        unit: Arc<str>,
        /// Digits after the point.
        decimals: u8,
        /// Above the columns; none for cells without names of their own.
        columns: Vec<Arc<str>>,
        /// The rows.
        rows: Vec<HeatRow>,
        /// Values from `scale.0` on take on colour, from `scale.1` on they have all of it.
        scale: (f64, f64),
        /// What much of it means.
        severity: Severity,
        /// What the values 0, 1, 2 and so on are called where they are states; empty for measures.
        states: Vec<Arc<str>>,
    },
    /// Spans of time in lanes: sessions, windows, incidents.
    Lanes {
        /// From top to bottom.
        lanes: Vec<Lane>,
        /// Where stream time stands.
        cursor: Option<TimestampMs>,
    },
    /// Figures between bounds, each with the band it should be in.
    Gauges {
        /// From top to bottom.
        gauges: Vec<Gauge>,
    },
    /// What flows from where to where, as ribbons.
    Sankey {
        /// The unit of what flows.
        unit: Arc<str>,
        /// The places.
        nodes: Vec<FlowNode>,
        /// What flows between them.
        edges: Vec<FlowEdge>,
    },
    /// What is connected with what, as boxes and arrows, such as a topology with its rates.
    Graph {
        /// The unit of what goes along the arrows.
        unit: Arc<str>,
        /// The boxes.
        nodes: Vec<FlowNode>,
        /// The arrows.
        edges: Vec<FlowEdge>,
    },
    /// Places on a map of the world.
    Map {
        /// The unit of the values.
        unit: Arc<str>,
        /// The places.
        points: Vec<MapPoint>,
    },
    /// What went wrong, worst and newest first.
    Incidents {
        /// The incidents.
        incidents: Vec<Incident>,
    },
    /// What waits for a decision, each with the same verbs.
    Queue {
        /// What waits, most urgent first; as far as it is shown.
        rows: Vec<QueueRow>,
        /// All that waits.
        waiting: u64,
        /// What can be done.
        verbs: Vec<Verb>,
    },
    /// Texts that can be tried, put in force, and taken away.
    Editor {
        /// What is in force.
        rows: Vec<EditorRow>,
        /// How to write one.
        hint: Arc<str>,
        /// What can be done.
        verbs: Vec<Verb>,
        /// What came of the last action.
        answer: Arc<str>,
    },
    /// What happened, newest first.
    Feed {
        /// The entries.
        entries: Vec<FeedEntry>,
    },
    /// Rows and columns.
    Table {
        /// The columns.
        columns: Vec<Column>,
        /// The rows, each as long as `columns`.
        rows: Vec<Vec<Cell>>,
    },
    /// Another body, of one of many that the user chooses.
    Chosen {
        /// Of which one.
        chooser: Chooser,
        /// What is shown of it.
        body: Box<WidgetBody>,
    },
}

/// One of many that the user chooses: a user, a device. The choice comes back as a [`PipelineAction`](crate::PipelineAction) with the verb
/// [`Chooser::VERB`] and the chosen name as its subject; an empty subject lets the pipeline choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Chooser {
    /// What is chosen, such as `user`.
    pub what: Arc<str>,
    /// The one that is shown; empty before there is one.
    pub value: Arc<str>,
    /// Whether the user chose it, rather than the pipeline.
    pub is_chosen: bool,
    /// Some to choose from; any other name can be typed.
    pub options: Vec<Arc<str>>,
}

impl Chooser {
    /// The verb of the action.
    pub const VERB: &str = "choose";
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

/// How something stands, or how much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Severity {
    /// Nothing special.
    #[default]
    Neutral,
    /// As it should be.
    Ok,
    /// Worth knowing.
    Info,
    /// Needs a look.
    Warning,
    /// Broken.
    Critical,
}

/// One row of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatRow {
    /// Its name.
    pub label: Arc<str>,
    /// Its cells; `None` where nothing is known.
    pub values: Vec<Option<f64>>,
    /// Who each cell is, where cells are things of their own such as devices; empty where row and column say it.
    pub names: Vec<Arc<str>>,
}

/// One lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Its name.
    pub label: Arc<str>,
    /// What happened in it.
    pub spans: Vec<LaneSpan>,
}

/// One span of time in a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSpan {
    /// From here.
    pub from: TimestampMs,
    /// Up to here.
    pub to: TimestampMs,
    /// What it is.
    pub label: Arc<str>,
    /// How it stands.
    pub severity: Severity,
}

/// A figure between its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// What is measured.
    pub label: Arc<str>,
    /// The figure; `None` while unknown.
    pub value: Option<f64>,
    /// Its unit.
    pub unit: Arc<str>,
    /// Digits after the point.
    pub decimals: u8,
    /// The ends of the scale.
    pub bounds: (f64, f64),
    /// Where all is well.
    pub good: (f64, f64),
}

/// A place that something flows through.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowNode {
    /// Its name.
    pub label: Arc<str>,
    /// One more thing to know; may be empty.
    pub note: Arc<str>,
    /// How it stands.
    pub severity: Severity,
}

/// What flows between two nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowEdge {
    /// Out of this node, by its place in the list.
    pub from: usize,
    /// Into this one.
    pub to: usize,
    /// How much.
    pub value: f64,
}

/// A place on a map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapPoint {
    /// Its name.
    pub label: Arc<str>,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// How much of it there is: the area of its circle.
    pub value: f64,
    /// How it stands.
    pub severity: Severity,
}

/// Something that went wrong, or did and is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// What it is, in a few words.
    pub title: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// The same in a word, such as `critical`, `resolved`.
    pub state: Arc<str>,
    /// Since when.
    pub from: TimestampMs,
    /// Until when; `None` while it goes on.
    pub to: Option<TimestampMs>,
    /// Names and values.
    pub facts: Vec<(Arc<str>, Arc<str>)>,
    /// What is done about it; may be empty.
    pub note: Arc<str>,
    /// What lies behind it.
    pub source: Source,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEntry {
    /// When.
    pub at: TimestampMs,
    /// How it matters.
    pub severity: Severity,
    /// What it was, in a sentence.
    pub text: Arc<str>,
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
    /// A share in percent.
    Percent(f64),
    /// A length of time.
    DurationMs(i64),
    /// No figure, and why there is none.
    Missing(Arc<str>),
}
