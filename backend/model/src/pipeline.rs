//! Pipelines: what there is to start, how it runs, how it is judged.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::Serialize;

use crate::{FaultId, GroupId, PipelineId, Problem, ScenarioId, ScenarioMeta, ScenarioView, TimestampMs, TopicName};

/// What a card shows before anything runs.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineMeta {
    /// Its short name.
    pub id: PipelineId,
    /// Its title.
    pub title: Arc<str>,
    /// One line: what it shows about Kafka.
    pub story: Arc<str>,
    /// Whether it can be started.
    pub availability: Availability,
    /// The topics it writes, inputs first.
    pub topics: Vec<TopicName>,
    /// The consumer groups it runs.
    pub groups: Vec<GroupId>,
    /// What can be set; empty for planned pipelines.
    pub params: Vec<ParamMeta>,
    /// What can be broken on purpose.
    pub faults: Vec<FaultMeta>,
    /// Guided demos.
    pub scenarios: Vec<ScenarioMeta>,
    /// Ways to break its processing on purpose, to see a check fail.
    pub sabotages: Vec<SabotageMeta>,
    /// What its runs are judged by.
    pub checks: Vec<CheckMeta>,
}

/// Where all pipelines write their alerts; it is no pipeline's own.
pub const ALERTS_TOPIC: &str = "alerts";

impl PipelineMeta {
    /// Whether a topic is this pipeline's own, to be deleted when it is reset: one it writes, its dead letters, its truth, its runs, or one
    /// that an application of it made for itself.
    pub fn owns_topic(&self, topic: &str) -> bool {
        let is_named = topic != ALERTS_TOPIC && self.topics.iter().any(|own| own.as_str() == topic);
        let is_beside = ["_truth.", "_run."].iter().any(|prefix| topic.strip_prefix(prefix) == Some(self.id.as_str()))
            || topic.strip_suffix(".dlq") == Some(self.id.as_str());
        let is_of_group = |group: &GroupId| {
            topic.strip_prefix(group.as_str()).is_some_and(|rest| {
                let is_internal = rest.starts_with('-') && ["-changelog", "-repartition"].iter().any(|suffix| rest.ends_with(suffix));
                rest == ".dlq" || is_internal
            })
        };
        is_named || is_beside || self.groups.iter().any(is_of_group)
    }
}

/// Whether a pipeline can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready,
    /// Not built yet; the card says so.
    Planned,
}

/// A figure that can be set before or during a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamMeta {
    /// Such as `rate_per_s`.
    pub name: Arc<str>,
    /// For people.
    pub label: Arc<str>,
    /// Such as `events/s`.
    pub unit: Arc<str>,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The value it starts with.
    pub default: f64,
    /// Whether it can change during a run.
    pub is_live: bool,
}

/// Something that can be broken on purpose.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultMeta {
    /// Its short name.
    pub id: FaultId,
    /// For people.
    pub label: Arc<str>,
    /// What will be seen, and how it heals.
    pub effect: Arc<str>,
    /// It heals by itself after this time.
    pub heals_after_ms: u64,
    /// What can be chosen of it; none are, unless they are named: see [`FaultId::with_knobs`].
    pub knobs: Vec<KnobMeta>,
}

/// Something of a fault that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnobMeta {
    /// Such as `cdn`.
    pub name: Arc<str>,
    /// For people.
    pub label: Arc<str>,
    /// What it is when it is not chosen, such as `cdn-b`, `any`.
    pub default: Arc<str>,
    /// What it can be.
    pub kind: KnobKind,
}

/// What a knob can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnobKind {
    /// One of these.
    OneOf(Vec<Arc<str>>),
    /// A whole number, from the first to the second.
    Number(i64, i64),
    /// A name.
    Name,
}

impl KnobMeta {
    /// A knob.
    pub fn new(name: &str, label: &str, default: impl Into<Arc<str>>, kind: KnobKind) -> Self {
        Self { name: name.into(), label: label.into(), default: default.into(), kind }
    }

    /// Whether this can be its value. A fault's knobs stand in one line, so that a name can't hold what divides them.
    pub fn fits(&self, value: &str) -> bool {
        match &self.kind {
            KnobKind::OneOf(options) => options.iter().any(|option| **option == *value),
            KnobKind::Number(min, max) => value.parse().is_ok_and(|number: i64| (*min..=*max).contains(&number)),
            KnobKind::Name => !value.is_empty() && !value.contains([',', '=']),
        }
    }
}

impl KnobMeta {
    /// What is meant by a typed value: an option by its whole name or by what stands behind its last dash, in any case (`B` for `cdn-b`).
    fn meant(&self, typed: &str) -> Option<String> {
        let KnobKind::OneOf(options) = &self.kind else { return self.fits(typed).then(|| typed.to_owned()) };
        let is_meant = |option: &&Arc<str>| {
            let short = option.rsplit('-').next().unwrap_or(option);
            option.eq_ignore_ascii_case(typed) || short.eq_ignore_ascii_case(typed)
        };
        options.iter().find(is_meant).map(ToString::to_string)
    }
}

impl FaultMeta {
    /// A fault as somebody typed it, such as `cdn_down:cdn=B,region=eu`; its name was read already.
    ///
    /// # Errors
    /// What of it can't be, and what can.
    pub fn with_knobs(&self, typed: &str) -> Result<FaultId, String> {
        let mut knobs = Vec::new();
        for knob in typed.split(',').map(str::trim).filter(|knob| !knob.is_empty()) {
            let (name, value) = knob.split_once('=').ok_or_else(|| format!("`{knob}` is no knob; write NAME=VALUE"))?;
            let known = self.knobs.iter().find(|known| *known.name == *name.trim());
            let known = known.ok_or_else(|| match self.knobs.iter().map(|knob| &*knob.name).collect::<Vec<_>>() {
                names if names.is_empty() => format!("{} has no knobs", self.id),
                names => format!("{} has no knob {name}; there is: {}", self.id, names.join(", ")),
            })?;
            let meant = known.meant(value.trim()).ok_or_else(|| format!("{name} can't be {value}; it is {}", known.kind))?;
            knobs.push(format!("{}={meant}", known.name));
        }
        Ok(if knobs.is_empty() { self.id.clone() } else { format!("{}:{}", self.id, knobs.join(",")).as_str().into() })
    }
}

impl std::fmt::Display for KnobKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OneOf(options) => write!(f, "one of: {}", options.join(", ")),
            Self::Number(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Name => f.write_str("a name"),
        }
    }
}

/// A way to break a pipeline's processing on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SabotageMeta {
    /// Its short name.
    pub id: Arc<str>,
    /// The check that turns red.
    pub check: Arc<str>,
}

/// What a check is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckMeta {
    /// Its short name ([`Check::id`]).
    pub id: Arc<str>,
    /// The topic that holds what it judges; its badge leads there.
    pub topic: TopicName,
}

/// How to run a pipeline.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PipelineParams {
    /// Events per second of wall-clock time.
    pub rate_per_s: u32,
    /// The generator's seed: equal seeds give equal events.
    pub seed: u64,
    /// How many times faster than the clock event time runs.
    pub speed: u32,
    /// Event time of the first event; `None` for the wall clock at the start.
    pub start_at: Option<TimestampMs>,
    /// Stop after so many events; `None` to go on.
    pub events_max: Option<u64>,
    /// Settings of the pipeline's own, by the names its card lists; those not named have their defaults.
    pub settings: BTreeMap<Arc<str>, f64>,
    /// Exactly once, at least once, or as the pipeline says.
    pub is_exactly_once: Option<bool>,
    /// Stream threads of each application, or as many as the pipeline says.
    pub instances: Option<u16>,
    /// Where the state of this process is kept on disk, so that it may be larger than memory and the next start reads only what is missing;
    /// `None` for memory alone.
    pub state_dir: Option<PathBuf>,
    /// Bytes of that state each application holds in memory beside what is not committed, or as many as is usual.
    pub state_cache_bytes: Option<u64>,
    /// How many other processes keep a warm copy of each task's state; `None` for none.
    pub standby_replicas: Option<u16>,
    /// Take part in a run that another process leads: process only.
    pub is_joining: bool,
    /// Show the run that another process leads: process nothing.
    pub is_watching: bool,
    /// Real data in place of the generator: a file or a topic, as the pipeline reads it.
    pub input: Option<Arc<str>>,
    /// Something of the processing broken on purpose, to see a check fail.
    pub sabotage: Option<Arc<str>>,
    /// What breaks when, in milliseconds of the generator's time, so that equal runs break alike.
    pub faults: Vec<(u64, FaultId)>,
    /// A guided demo to follow, which also says when the run ends.
    pub scenario: Option<ScenarioId>,
}

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Phase {
    /// Not started, or stopped.
    #[default]
    Stopped,
    /// Creating topics, joining groups.
    Starting,
    /// Generating and processing.
    Running,
    /// The generator waits; processors go on.
    Paused,
    /// Draining, writing last results.
    Stopping,
    /// Ended by an error.
    Failed(Problem),
}

impl Phase {
    /// A short label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Stopping => "Stopping",
            Self::Failed(_) => "Failed",
        }
    }

    /// Whether it uses the cluster now.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused | Self::Stopping)
    }
}

/// How a run goes.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineStatus {
    /// Which pipeline.
    pub id: PipelineId,
    /// Where the run is.
    pub phase: Phase,
    /// With what it runs.
    pub params: PipelineParams,
    /// Events generated per second over the last second.
    pub produced_per_s: f64,
    /// Events processed per second over the last second.
    pub processed_per_s: f64,
    /// Counters by snake_case name.
    pub counts: BTreeMap<String, u64>,
    /// Produce-to-process time.
    pub latency: Latency,
    /// Verdicts so far.
    pub checks: Vec<Check>,
    /// Faults at work, with the time each heals.
    pub active_faults: Vec<(FaultId, TimestampMs)>,
    /// The guided demo it follows.
    pub scenario: Option<Arc<ScenarioView>>,
}

impl PipelineStatus {
    /// Of a run of which nothing is measured yet.
    pub fn unmeasured(id: PipelineId, phase: Phase, params: PipelineParams) -> Self {
        Self {
            id,
            phase,
            params,
            produced_per_s: 0.0,
            processed_per_s: 0.0,
            counts: BTreeMap::new(),
            latency: Latency::default(),
            checks: Vec::new(),
            active_faults: Vec::new(),
            scenario: None,
        }
    }
}

/// Produce-to-process time, from record timestamp to the processor having seen it.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize)]
pub struct Latency {
    /// The median, in milliseconds.
    pub p50: f64,
    /// The 99th percentile, in milliseconds.
    pub p99: f64,
}

/// One verdict against ground truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its short name.
    pub id: Arc<str>,
    /// The verdict.
    pub verdict: CheckVerdict,
    /// The figures it rests on, in one sentence.
    pub evidence: Arc<str>,
}

/// Pass, fail, or not yet known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// Too early to tell.
    Pending,
}

/// The line a run ends with (`weir run … --json`). Field names are a public format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// Which pipeline.
    pub pipeline: PipelineId,
    /// Of which program.
    pub version: Arc<str>,
    /// With which seed.
    pub seed: u64,
    /// By which guided demo, if any.
    pub scenario: Option<ScenarioId>,
    /// Counters by name.
    pub counts: BTreeMap<String, u64>,
    /// Produce-to-process time.
    pub latency_ms: Latency,
    /// The verdicts.
    pub checks: Vec<Check>,
    /// Figures against truth, by name.
    pub scores: BTreeMap<String, f64>,
    /// What went wrong beside the results, such as state that could not be kept. The line has the field only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_knows_what_fits() {
        let check = |kind: &KnobKind, value: &str, expect: bool| {
            assert_eq!(KnobMeta::new("k", "K", "", kind.clone()).fits(value), expect, "{kind:?} {value:?}");
        };
        let one_of = KnobKind::OneOf(vec!["eu".into(), "na".into()]);
        check(&one_of, "eu", true);
        check(&one_of, "mars", false);
        let percent = KnobKind::Number(1, 100);
        for (value, expect) in [("1", true), ("100", true), ("0", false), ("101", false), ("1.5", false), ("", false)] {
            check(&percent, value, expect);
        }
        for (value, expect) in [("field-0001", true), ("", false), ("a,b", false), ("a=b", false)] {
            check(&KnobKind::Name, value, expect);
        }
    }

    #[test]
    fn a_typed_fault_means_what_it_says_or_is_told_what_it_can_be() {
        let one_of = |options: &[&str]| KnobKind::OneOf(options.iter().map(|option| Arc::from(*option)).collect());
        let knobs = vec![
            KnobMeta::new("cdn", "CDN", "cdn-b", one_of(&["cdn-a", "cdn-b"])),
            KnobMeta::new("region", "Region", "any", one_of(&["eu", "na"])),
            KnobMeta::new("percent", "Percent", "30", KnobKind::Number(1, 100)),
        ];
        let fault = FaultMeta { id: "down".into(), label: "Down".into(), effect: "It is down".into(), heals_after_ms: 1, knobs };
        let check = |typed: &str, expect: Result<&str, &str>| match (fault.with_knobs(typed), expect) {
            (Ok(read), Ok(expected)) => assert_eq!(read.as_str(), expected),
            (Err(why), Err(says)) => assert!(why.contains(says), "{why}"),
            (read, expected) => panic!("{typed}: {read:?}, not {expected:?}"),
        };
        check("", Ok("down"));
        check("cdn=B,region=EU", Ok("down:cdn=cdn-b,region=eu"));
        check("cdn=cdn-a, percent=5", Ok("down:cdn=cdn-a,percent=5"));
        check("cdn=c", Err("one of: cdn-a, cdn-b"));
        check("percent=0", Err("from 1 to 100"));
        check("cnd=a", Err("there is: cdn, region, percent"));
        check("fast", Err("NAME=VALUE"));
    }
}
