//! A small pipeline, described as all are and run as all are.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use weir_backend::{
    pipelines::{
        RunningPipeline,
        shape::{self, AppSpec, Checker, Cleanup, Command, DashboardFold, Emit, Facts, Observed, RunParams, Shape, TopicSpec, World},
    },
    sim::Schedule,
    stream::{Topology, TopologyError, app::Guarantee},
    truth::check,
    updates::{self, UpdatesReader},
};
use weir_model::{
    Availability, Check, CheckVerdict, Dashboard, FaultId, FaultMeta, Phase, PipelineMeta, PipelineParams, PipelineStatus, RunReport,
    Source, Span, TimestampMs, Update, Widget, WidgetBody,
};

use crate::support::{Cluster, DEADLINE};

const NUMBERS: &str = "toy.numbers";
const COUNTS: &str = "toy.counts";

struct Toy;

impl Shape for Toy {
    fn meta(&self) -> PipelineMeta {
        PipelineMeta {
            id: "toy".into(),
            title: "Toy".into(),
            story: "Counts numbers".into(),
            availability: Availability::Ready,
            topics: vec![NUMBERS.into(), COUNTS.into()],
            groups: vec!["toy".into()],
            params: Vec::new(),
            faults: vec![FaultMeta {
                id: "hush".into(),
                label: "Hush".into(),
                effect: "None".into(),
                heals_after_ms: 1,
                knobs: Vec::new(),
            }],
            scenarios: Vec::new(),
            sabotages: Vec::new(),
            checks: Vec::new(),
        }
    }

    fn topics(&self) -> Vec<TopicSpec> {
        [NUMBERS, COUNTS].map(|name| TopicSpec { name, partitions: 3, cleanup: Cleanup::Delete }).into()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        let is_sabotaged = run.is_sabotaged("drop");
        let topology = Topology::new("toy", move |builder| {
            let numbers = builder.stream::<String, u64>(NUMBERS).filter(move |number| !is_sabotaged || number.value != 77);
            numbers.group_by("by-digit", |number| (number.value % 10).to_string()).count().to_stream().to(COUNTS);
        })?;
        Ok(vec![AppSpec { instances: 2, ..AppSpec::new(topology, Guarantee::ExactlyOnce) }])
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(Numbers { schedule: Schedule::new(run.params.rate_per_s), next: 0 })
    }

    fn checkers(&self, _: &RunParams) -> Vec<Box<dyn Checker>> {
        vec![Box::new(Counted::default())]
    }

    fn dashboard(&self, _: &RunParams) -> Box<dyn DashboardFold> {
        Box::<Results>::default()
    }
}

struct Numbers {
    schedule: Schedule,
    next: u64,
}

impl World for Numbers {
    fn due_ns(&self) -> u128 {
        self.schedule.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        out.send(NUMBERS, format!("k{}", self.next % 5), self.next.to_string(), i64::try_from(self.next).unwrap());
        self.next += 1;
        self.schedule.advance();
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.schedule.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.next
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        (command.fault.as_str() == "hush").then_some(60_000)
    }

    fn finish(&mut self, out: &mut Emit) {
        out.send(NUMBERS, "malformed", "no number", 0);
    }
}

/// How many counts were published.
#[derive(Default)]
struct Results(u32);

impl DashboardFold for Results {
    fn observe(&mut self, record: &Observed<'_>, _: TimestampMs) {
        self.0 += u32::from(record.topic == COUNTS);
    }

    fn dashboard(&self, _: TimestampMs) -> Dashboard {
        let body = WidgetBody::Number { value: Some(self.0.into()), unit: "".into(), decimals: 0, history: Arc::default() };
        let source = Source::Topic(COUNTS.into());
        Dashboard {
            event_time: None,
            widgets: vec![Widget { id: "counts".into(), title: "Counts".into(), help: "".into(), span: Span::Tile, source, body }],
        }
    }
}

/// The last count of each digit equals a plain count, and each count from 1 on was published once.
#[derive(Default)]
struct Counted {
    numbers: BTreeMap<u64, u64>,
    counts: BTreeMap<u64, Vec<u64>>,
}

impl Checker for Counted {
    fn observe(&mut self, record: &Observed<'_>) {
        let number = |bytes: Option<&[u8]>| std::str::from_utf8(bytes?).ok()?.parse::<u64>().ok();
        match (record.topic, number(record.key), number(record.value)) {
            (NUMBERS, _, Some(value)) => *self.numbers.entry(value % 10).or_default() += 1,
            (COUNTS, Some(key), Some(value)) => self.counts.entry(key).or_default().push(value),
            _ => {}
        }
    }

    fn verdicts(&self, _: &Facts) -> Vec<Check> {
        let expected: BTreeMap<u64, Vec<u64>> = self.numbers.iter().map(|(digit, count)| (*digit, (1..=*count).collect())).collect();
        vec![check("counts_equal", expected == self.counts, format!("{} digits", self.counts.len()))]
    }
}

struct Run {
    running: RunningPipeline,
    updates: UpdatesReader,
    status: Option<Arc<PipelineStatus>>,
    report: Option<Arc<RunReport>>,
    dashboard: Option<Arc<Dashboard>>,
}

impl Run {
    fn start(cluster: &Cluster, params: PipelineParams) -> Self {
        let (updates, reader) = updates::channel(|| {});
        let running = shape::start(Box::new(Toy), params, cluster.connection.clone(), updates).unwrap();
        Self { running, updates: reader, status: None, report: None, dashboard: None }
    }

    fn follow(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so(self) {
            match self.updates.recv(deadline.saturating_duration_since(Instant::now())) {
                Some(Update::PipelineStatus(status)) => {
                    assert!(!matches!(status.phase, Phase::Failed(_)), "{:?}", status.phase);
                    self.status = Some(status);
                }
                Some(Update::RunReport(report)) => self.report = Some(report),
                Some(Update::Dashboard(_, dashboard)) => self.dashboard = Some(dashboard),
                Some(_) => {}
                None => panic!("{what}: did not happen; {:?}", self.status),
            }
        }
    }

    fn end(mut self) -> Arc<RunReport> {
        self.follow("the report comes", |run| run.report.is_some());
        self.report.unwrap()
    }
}

fn params() -> PipelineParams {
    PipelineParams { rate_per_s: 2_000, seed: 1, speed: 1, events_max: Some(1_000), ..PipelineParams::default() }
}

fn verdict(report: &RunReport) -> CheckVerdict {
    report.checks.iter().find(|check| &*check.id == "counts_equal").unwrap().verdict
}

#[test]
fn a_run_ends_with_a_report_and_the_next_one_begins_anew() {
    let cluster = Cluster::start(&[]);
    for guarantee in [None, Some(false)] {
        let report = Run::start(&cluster, PipelineParams { is_exactly_once: guarantee, ..params() }).end();
        assert_eq!(verdict(&report), CheckVerdict::Pass, "{report:?}");
        assert_eq!((report.counts["generated"], report.counts["delivered"], report.counts["malformed"]), (1_001, 1_001, 1));
        assert!(report.counts["commits"] > 0 && report.latency_ms.p99 > 0.0, "{report:?}");
    }
}

#[test]
fn a_killed_processor_changes_nothing_and_a_sabotaged_one_is_found() {
    let cluster = Cluster::start(&[]);
    let mut run = Run::start(&cluster, PipelineParams { events_max: None, instances: Some(1), ..params() });
    let processed = |run: &Run| run.status.as_ref().map_or(0, |status| status.counts["processed"]);
    run.follow("it processes", |run| processed(run) > 500);
    run.running.inject(&FaultId::from("kill_processor"));
    run.running.inject(&FaultId::from("hush:how=loud"));
    run.follow("faults are shown and the thread is replaced", |run| {
        run.status.as_ref().is_some_and(|status| status.counts["threads_replaced"] == 1 && status.active_faults.len() == 2)
    });
    run.running.stop();
    let report = run.end();
    assert_eq!(verdict(&report), CheckVerdict::Pass, "{report:?}");
    let report = Run::start(&cluster, PipelineParams { sabotage: Some("drop".into()), ..params() }).end();
    assert_eq!(verdict(&report), CheckVerdict::Fail, "{report:?}");
}

#[test]
fn another_process_takes_part_and_leaves_when_the_run_is_over() {
    let cluster = Cluster::start(&[]);
    let mut leader = Run::start(&cluster, PipelineParams { events_max: None, instances: Some(1), ..params() });
    let processed = |run: &Run| run.status.as_ref().map_or(0, |status| status.counts["processed"]);
    leader.follow("it processes", |run| processed(run) > 100);
    let mut member = Run::start(&cluster, PipelineParams { is_joining: true, instances: Some(1), ..params() });
    member.follow("the other process takes work over", |run| processed(run) > 100);
    leader.running.stop();
    let report = leader.end();
    assert_eq!(verdict(&report), CheckVerdict::Pass, "{report:?}");
    assert!(member.end().checks.is_empty(), "the process that leads judges");
}

#[test]
fn a_run_that_is_led_elsewhere_can_be_watched_from_its_beginning() {
    let cluster = Cluster::start(&[]);
    let mut leader = Run::start(&cluster, PipelineParams { events_max: None, ..params() });
    leader.follow("results are shown", |run| run.dashboard.as_ref().is_some_and(|shown| **shown != Results(0).dashboard(TimestampMs(0))));
    let mut watcher = Run::start(&cluster, PipelineParams { is_watching: true, ..params() });
    watcher.follow("results are shown here too", |run| run.dashboard.is_some());
    leader.running.stop();
    let is_over = |run: &Run| run.status.as_ref().is_some_and(|status| status.phase == Phase::Stopped);
    leader.follow("the run ends", is_over);
    watcher.follow("that is noticed", is_over);
    assert_eq!(watcher.dashboard, leader.dashboard);
    assert_eq!(watcher.report, None, "who watches does not judge");
}
