//! How a pipeline is described, and the one way in which every description is run.
//!
//! A pipeline says what its topics are, which applications work on them, what world writes to them, how the run is judged and what the
//! dashboard shows; [`start`] does the rest. Whatever is measured is read from topics, so that it holds for processors elsewhere too.

mod alerts;
mod check;
mod event_headers;
mod experiment;
mod given_topic;
mod ids;
mod join;
mod preparation;
pub mod rehearsal;
mod run;
mod scenario;
mod source;
mod topics;
mod watch;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use weir_model::{Dashboard, FaultId, PipelineAction, PipelineMeta, PipelineParams, Problem, TimestampMs};

use crate::{
    client::Connection,
    stream::{Topology, TopologyError, app::Guarantee},
};

pub(super) use check::names_and_checks;
pub use check::{Checker, Facts, NoChecks, RenewedVerdicts};
pub(super) use event_headers::EventHeaders;
pub(super) use experiment::experiment;
pub(super) use given_topic::GivenTopic;
pub(super) use ids::text_key;
pub use preparation::Preparation;
pub use run::{failed, start};
pub use scenario::{Act, Expectation, Scenario, Step};
pub use topics::{Cleanup, TopicSpec};

/// A pipeline. Has no state of its own: everything a run needs is made from [`RunParams`].
pub trait Shape: Send + Sync + 'static {
    /// What the card shows.
    fn meta(&self) -> PipelineMeta;

    /// Its topics; `_truth.<pipeline>` among them, which no topology may read.
    fn topics(&self) -> Vec<TopicSpec>;

    /// The applications that work on them.
    ///
    /// # Errors
    /// When a topology is not right.
    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError>;

    /// Rows of its tables that are there before anything happens: written, and acknowledged, before the applications start, so that none of
    /// them meets an event without them.
    fn rows(&self, _run: &RunParams, _out: &mut Emit) {}

    /// What writes the input.
    fn world(&self, run: &RunParams) -> Box<dyn World>;

    /// Real data in place of the world, where `--input` names some.
    ///
    /// # Errors
    /// When the pipeline takes none, or not this.
    fn input(&self, input: &str, _run: &RunParams) -> Result<Box<dyn World>, Problem> {
        Err(Problem::new(
            format!("{} can't read {input}", self.meta().title),
            "this pipeline takes no data in place of its generator",
            "Leave --input out",
        ))
    }

    /// What judges the run.
    fn checkers(&self, run: &RunParams) -> Vec<Box<dyn Checker>>;

    /// The dashboard, empty.
    fn dashboard(&self, run: &RunParams) -> Box<dyn DashboardFold>;

    /// Ways to break the processing on purpose, each with the check that must turn red.
    fn sabotages(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Whether a sabotage breaks what only given data have, so that without them no check could turn red.
    fn needs_input(&self, _sabotage: &str) -> bool {
        false
    }

    /// The checks, each with the topic that holds what it judges.
    fn judged(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Faults that come with a sabotage whose check would have nothing to judge without them, written as on the command line.
    fn provocations(&self, _sabotage: &str) -> &'static [&'static str] {
        &[]
    }

    /// Guided demos, which its card lists ([`Scenario::meta`]).
    fn scenarios(&self) -> &'static [Scenario] {
        &[]
    }
}

/// What a run is made from.
#[derive(Clone, Debug)]
pub struct RunParams {
    /// Names the run; begins with the time of its start, so that the greatest name is the newest run.
    pub name: Arc<str>,
    /// What was asked for.
    pub params: PipelineParams,
    /// Event time of the first event.
    pub start_at: TimestampMs,
    /// The cluster, for `--input` that names a topic; `None` in rehearsals.
    pub connection: Option<Connection>,
    /// Whom to tell while given data is made ready, and when to end that.
    pub preparation: Preparation,
    defaults: BTreeMap<Arc<str>, f64>,
}

impl RunParams {
    /// A run of a pipeline.
    pub fn new(meta: &PipelineMeta, params: PipelineParams) -> Self {
        let start_at = params.start_at.unwrap_or_else(TimestampMs::now);
        let defaults = meta.params.iter().map(|param| (Arc::clone(&param.name), param.default)).collect();
        Self {
            name: format!("{:013}-{:x}", TimestampMs::now().0, params.seed).into(),
            params,
            start_at,
            connection: None,
            preparation: Preparation::default(),
            defaults,
        }
    }

    /// A setting of the pipeline's own (`--set name=value`), or its default; 0 for one that the card does not list.
    pub fn setting(&self, name: &str) -> f64 {
        self.params.settings.get(name).or_else(|| self.defaults.get(name)).copied().unwrap_or(0.0)
    }

    /// Whether this was broken on purpose.
    pub fn is_sabotaged(&self, how: &str) -> bool {
        self.params.sabotage.as_deref() == Some(how)
    }
}

/// An application of a pipeline.
#[derive(Clone, Debug)]
pub struct AppSpec {
    /// What it does; its name is the consumer group.
    pub topology: Topology,
    /// What it promises, unless the run is told otherwise (`--eos`).
    pub guarantee: Guarantee,
    /// Stream threads, unless the run is told otherwise (`--instances`).
    pub instances: u16,
    /// How often it commits when it works exactly once, where what it passes on to itself must not wait for as long as usual
    /// ([`crate::stream::app::AppConfig::new`]).
    pub commit_interval: Option<Duration>,
}

impl AppSpec {
    /// An application of one thread that commits as often as usual.
    pub fn new(topology: Topology, guarantee: Guarantee) -> Self {
        Self { topology, guarantee, instances: 1, commit_interval: None }
    }
}

/// What writes a pipeline's input: a seeded, pure function of virtual time and of the commands it gets.
pub trait World: Send {
    /// When the next records are due, in nanoseconds of the wall clock since the start ([`crate::sim::Schedule`]).
    fn due_ns(&self) -> u128;

    /// Makes the records that are due next, and moves on.
    fn next(&mut self, out: &mut Emit);

    /// Another rate from the next record on.
    fn set_rate(&mut self, rate_per_s: u32);

    /// Events made, which `--for` counts.
    fn events(&self) -> u64;

    /// Those of them that reached the cluster by a way of the world's own, not with [`Emit`].
    fn bridged(&self) -> u64 {
        0
    }

    /// Whether nothing more will come, as of a file that was read.
    fn is_over(&self) -> bool {
        false
    }

    /// How many records may wait in the topics between here and the last result, where time is read from data and not from the clock: what is
    /// far ahead of the rest would make the rest late.
    fn waiting_max(&self) -> Option<u64> {
        None
    }

    /// Breaks something on purpose; gives for how many milliseconds of the wall clock, or `None` for a fault it does not know.
    fn command(&mut self, command: &Command) -> Option<i64>;

    /// Topics whose records the world obeys: closed loops, as players that change their network.
    fn hears(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// A record of such a topic.
    fn hear(&mut self, _record: &Observed<'_>) {}

    /// The run ends: makes what is still held back, and what closes open windows.
    fn finish(&mut self, out: &mut Emit);
}

/// Something to break: `cdn_down:cdn=B,region=eu`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which fault.
    pub fault: FaultId,
    /// How, where it can be chosen.
    pub knobs: BTreeMap<String, String>,
}

impl Command {
    /// Reads a fault with its knobs, as the command line has it.
    pub fn parse(text: &FaultId) -> Self {
        let (fault, knobs) = text.as_str().split_once(':').unwrap_or((text.as_str(), ""));
        let knobs = knobs.split(',').filter_map(|knob| knob.split_once('='));
        Self { fault: fault.into(), knobs: knobs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect() }
    }
}

/// What a world wrote.
#[derive(Debug, Default)]
pub struct Emit {
    pub(super) records: Vec<EmitRecord>,
    pub(super) partitions: BTreeMap<String, i32>,
}

/// One record of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmitRecord {
    /// The topic, one of the pipeline's.
    pub topic: &'static str,
    /// The partition; `None` lets the key decide. What is told to chosen partitions is no event: it is not counted as generated.
    pub partition: Option<i32>,
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Event time, which is the record's timestamp.
    pub timestamp_ms: i64,
}

impl Emit {
    /// Writes a record under a key.
    pub fn send(&mut self, topic: &'static str, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>, timestamp_ms: i64) {
        self.records.push(EmitRecord { topic, partition: None, key: Some(key.into()), value: Some(value.into()), timestamp_ms });
    }

    /// Writes any record.
    pub fn push(&mut self, record: EmitRecord) {
        self.records.push(record);
    }

    /// How many partitions a topic has, for what every partition must be told; 0 in tests.
    pub fn partitions_of(&self, topic: &str) -> i32 {
        self.partitions.get(topic).copied().unwrap_or(0)
    }

    /// What was written so far, taken out: for tests.
    pub fn take(&mut self) -> Vec<EmitRecord> {
        std::mem::take(&mut self.records)
    }
}

/// A record as checkers, dashboards and worlds see it.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Event time.
    pub timestamp_ms: i64,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

impl<'a> Observed<'a> {
    fn of(record: &'a crate::client::IncomingRecord<'_>) -> Self {
        Self {
            topic: record.topic(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp_ms: record.timestamp_ms().unwrap_or(0),
            key: record.key(),
            value: record.value(),
            headers: record.headers(),
        }
    }

    /// The value of the last header of that name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().rfind(|(key, _)| *key == name)?.1
    }
}

/// A dashboard, folded from topics alone: it works the same when other processes do the processing.
pub trait DashboardFold: Send {
    /// Takes a record in; `at` is when it came.
    fn observe(&mut self, record: &Observed<'_>, at: TimestampMs);

    /// The dashboard as of now.
    fn dashboard(&self, now: TimestampMs) -> Dashboard;

    /// What somebody did in a widget, as records to write.
    ///
    /// # Errors
    /// When it can't be done, or only its answer counts; the user is told.
    fn act(&mut self, action: &PipelineAction, _out: &mut Emit) -> Result<(), Problem> {
        Err(Problem::new(
            format!("Nothing was done in {}", action.widget),
            "this dashboard takes no actions",
            "This is a defect of this program; please report it",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_may_have_knobs() {
        let command = Command::parse(&"cdn_down:cdn=B, region=eu".into());
        assert_eq!(command.fault.as_str(), "cdn_down");
        assert_eq!(command.knobs, [("cdn".to_owned(), "B".to_owned()), ("region".to_owned(), "eu".to_owned())].into());
        assert!(Command::parse(&"spike".into()).knobs.is_empty());
    }
}
