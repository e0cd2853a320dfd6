//! What holds of every pipeline.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use weir_model::{Availability, Cell, CheckVerdict, RunReport, TimestampMs, WidgetBody};

use super::{
    altered::Altered,
    shape::{Command, Emit, EmitRecord, Observed, RunParams, World, rehearsal::rehearse},
    *,
};

#[test]
fn every_card_says_what_it_is() {
    let metas = metas();
    assert_eq!(metas.len(), 10);
    let ids: BTreeSet<_> = metas.iter().map(|meta| meta.id.clone()).collect();
    assert_eq!(ids.len(), metas.len(), "names are unique");
    for (meta, pipeline) in metas.iter().zip(ALL) {
        assert_eq!(meta.availability == Availability::Ready, pipeline.shape.is_some(), "{}", meta.id);
        assert!(!meta.title.is_empty() && !meta.story.is_empty() && !meta.story.contains('\n'), "{}", meta.id);
        assert!(meta.id.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", meta.id);
        assert!(meta.params.iter().all(|param| (param.min..=param.max).contains(&param.default)), "{}", meta.id);
        assert_eq!(meta.availability == Availability::Ready, !meta.topics.is_empty(), "{}", meta.id);
    }
}

#[test]
fn each_topic_is_one_pipelines_own_or_shared_by_all() {
    let owners = |topic: &str| metas().iter().filter(|meta| meta.owns_topic(topic)).map(|meta| meta.id.clone()).collect::<Vec<_>>();
    for shape in shapes() {
        let meta = shape.meta();
        let run = RunParams::new(&meta, defaults(&meta));
        let mut topics: BTreeSet<String> = shape.topics().iter().map(|spec| spec.name.to_owned()).collect();
        topics.insert(format!("_run.{}", meta.id));
        for spec in shape.apps(&run).expect("topologies are right") {
            let description = spec.topology.description();
            assert!(meta.groups.iter().any(|group| group.as_str() == spec.topology.app()), "{} is not on the card", spec.topology.app());
            topics.insert(format!("{}.dlq", spec.topology.app()));
            topics.extend(description.repartition_topics.iter().map(|topic| topic.to_string()));
            topics.extend(description.subtopologies.iter().flat_map(|part| &part.changelogs).map(|(_, changelog)| changelog.to_string()));
        }
        topics.remove(weir_model::ALERTS_TOPIC);
        for topic in topics {
            assert_eq!(owners(&topic), std::slice::from_ref(&meta.id), "{topic}");
        }
    }
    for topic in [weir_model::ALERTS_TOPIC, "orders", "clickstream-processor", "clickstream-processor-notes", "media"] {
        assert!(owners(topic).is_empty(), "{topic}");
    }
}

#[test]
fn what_cant_start_says_why() {
    let params = PipelineParams { rate_per_s: 10, seed: 1, speed: 60, start_at: None, events_max: None, ..PipelineParams::default() };
    let start = |id: &str, params| {
        let (updates, _reader) = crate::updates::channel(|| {});
        start(&id.into(), params, Connection::new("127.0.0.1:1", []), updates).expect_err("it can't start")
    };
    assert!(start("nonsense", params.clone()).what_to_do.contains("clickstream"));
    assert!(start("payments", params.clone()).why.contains("planned"));
    assert!(start("clickstream", PipelineParams { rate_per_s: 9, ..params.clone() }).why.contains("10 to 50000"));
    let blind = PipelineParams { sabotage: Some("blame_parts".into()), speed: 1, rate_per_s: 1_000, ..params.clone() };
    assert!(start("media", blind).what_to_do.contains("--input"));
    assert!(start("clickstream", PipelineParams { speed: 0, ..params }).why.contains("1 to 1000"));
}

/// Every pipeline that can run.
fn shapes() -> impl Iterator<Item = Box<dyn Shape>> {
    ALL.iter().filter_map(|pipeline| pipeline.shape).map(|shape| shape())
}

/// What a card starts with.
fn defaults(meta: &PipelineMeta) -> PipelineParams {
    let default = |name: &str| meta.params.iter().find(|param| &*param.name == name).map_or(1.0, |param| param.default);
    let (rate_per_s, seed, speed) = (default("rate_per_s") as u32, default("seed") as u64, default("speed") as u32);
    PipelineParams { rate_per_s, seed, speed, ..PipelineParams::default() }
}

/// A run without a broker, and a hash over all its records.
fn run(shape: &dyn Shape, params: PipelineParams) -> (RunReport, u64) {
    let mut hasher = DefaultHasher::new();
    let report = rehearse(shape, params, &mut |record: &Observed<'_>| {
        (record.topic, record.key, record.value, record.timestamp_ms).hash(&mut hasher);
    });
    (report.expect("topologies are right"), hasher.finish())
}

#[test]
fn equal_seeds_give_equal_runs_and_others_others() {
    for shape in shapes() {
        let params = |seed| PipelineParams { seed, events_max: Some(1_500), ..defaults(&shape.meta()) };
        let (first, again, other) = (run(&*shape, params(5)), run(&*shape, params(5)), run(&*shape, params(6)));
        assert_eq!(first, again, "{}", shape.meta().id);
        assert_ne!(first.1, other.1, "{}", shape.meta().id);
    }
}

#[test]
fn only_declared_topics_are_used_and_none_reads_the_truth() {
    for shape in shapes() {
        let (meta, declared) = (shape.meta(), shape.topics().iter().map(|spec| spec.name.to_owned()).collect::<BTreeSet<_>>());
        let mut used = BTreeSet::new();
        let params = PipelineParams { events_max: Some(1_500), ..defaults(&meta) };
        let run = RunParams::new(&meta, params.clone());
        let report = rehearse(&*shape, params, &mut |record: &Observed<'_>| {
            used.insert(record.topic.to_owned());
        });
        for check in &report.expect("topologies are right").checks {
            let topic = shape.judged().iter().find(|(id, _)| *id == &*check.id).map(|(_, topic)| *topic);
            assert!(topic.is_some_and(|topic| declared.contains(topic)), "{}: {} is about {topic:?}", meta.id, check.id);
        }
        assert!(used.is_subset(&declared), "{}: {:?} are not declared", meta.id, used.difference(&declared).collect::<Vec<_>>());
        for spec in shape.apps(&run).expect("topologies are right") {
            let description = spec.topology.description();
            let sources = description.subtopologies.iter().flat_map(|part| &part.source_topics).chain(&description.global_topics);
            for topic in sources {
                assert!(!topic.starts_with("_truth"), "{} reads {topic}", spec.topology.app());
            }
        }
    }
}

#[test]
fn every_scenario_shows_what_it_says() {
    for shape in shapes() {
        let meta = shape.meta();
        let listed: Vec<_> = meta.scenarios.iter().map(|scenario| scenario.id.as_str()).collect();
        assert_eq!(listed, shape.scenarios().iter().map(|scenario| scenario.id).collect::<Vec<_>>(), "{}'s card", meta.id);
        for scenario in shape.scenarios() {
            let defaults = defaults(&meta);
            // What a demo shows does not hang on the rate; half of it takes half the time here.
            let params = PipelineParams { scenario: Some(scenario.id.into()), rate_per_s: defaults.rate_per_s / 2, ..defaults };
            let (report, _) = run(&*shape, params);
            assert!(scenario.steps.iter().any(|step| step.expects.is_some()), "{} expects nothing", scenario.id);
            for check in &report.checks {
                assert_ne!(check.verdict, CheckVerdict::Fail, "{} {}: {} {}", meta.id, scenario.id, check.id, check.evidence);
            }
            for expected in scenario.steps.iter().filter_map(|step| step.expects) {
                let check = report.checks.iter().find(|check| &*check.id == expected.id).expect("each expectation is checked");
                assert_eq!(check.verdict, CheckVerdict::Pass, "{} {}: {} {}", meta.id, scenario.id, check.id, check.evidence);
            }
        }
    }
}

/// As `weir run NAME --for 60s --sabotage HOW` does it: the fault that makes it show comes with it.
#[test]
fn a_sabotage_that_needs_a_fault_brings_it_and_is_found() {
    for shape in shapes() {
        let meta = shape.meta();
        for (sabotage, check) in shape.sabotages().iter().filter(|(name, _)| !shape.provocations(name).is_empty()) {
            let defaults = defaults(&meta);
            let rate_per_s = defaults.rate_per_s / 2;
            let events_max = Some(u64::from(rate_per_s) * 60);
            let (report, _) = run(&*shape, PipelineParams { sabotage: Some((*sabotage).into()), rate_per_s, events_max, ..defaults });
            let found = report.checks.iter().find(|it| *it.id == **check).expect("its check");
            assert_eq!(found.verdict, CheckVerdict::Fail, "{} {sabotage}: {} {}", meta.id, found.id, found.evidence);
        }
    }
}

#[test]
fn late_repeated_and_malformed_input_does_no_harm() {
    for shape in shapes() {
        let id = shape.meta().id;
        let params = PipelineParams { events_max: Some(1_500), ..defaults(&shape.meta()) };
        let mut records: BTreeMap<String, u64> = BTreeMap::new();
        let hostile = Altered::world(shape, |shape, run| Box::new(HostileWorld { world: shape.world(run), records: 0 }));
        let report = rehearse(&hostile, params, &mut |record: &Observed<'_>| {
            *records.entry(record.topic.to_owned()).or_default() += 1;
        });
        assert!(report.is_ok(), "{id}: {report:?}");
        assert!(records.keys().any(|topic| topic.ends_with(".dlq")), "{id} has no dead letters: {records:?}");
    }
}

#[test]
fn what_a_dashboard_names_leads_to_records() {
    const START: TimestampMs = TimestampMs(1_790_000_000_000);
    for shape in shapes() {
        let meta = shape.meta();
        let params = PipelineParams { events_max: Some(6_000), start_at: Some(START), ..defaults(&meta) };
        let mut fold = shape.dashboard(&RunParams::new(&meta, params.clone()));
        let (mut texts, mut newest): (BTreeMap<String, String>, _) = (BTreeMap::new(), START);
        rehearse(&*shape, params, &mut |record: &Observed<'_>| {
            newest = newest.max(TimestampMs(record.timestamp_ms));
            fold.observe(record, TimestampMs(record.timestamp_ms));
            let text = texts.entry(record.topic.to_owned()).or_default();
            for part in [record.key, record.value].into_iter().flatten() {
                text.push_str(&String::from_utf8_lossy(part));
                text.push('\n');
            }
        })
        .expect("topologies are right");
        texts.values_mut().for_each(|text| *text = text.to_lowercase());
        let mut traces = 0;
        for widget in &fold.dashboard(newest).widgets {
            for trace in labels(&widget.body).iter().filter_map(|label| widget.records_with(label)) {
                let (text, label) = (texts.get(trace.topic.as_str()), trace.contains.as_deref().unwrap_or_default().to_lowercase());
                assert!(
                    text.is_some_and(|text| text.contains(&label)),
                    "{} {}: no record of {} holds {label}",
                    meta.id,
                    widget.id,
                    trace.topic
                );
                traces += 1;
            }
        }
        assert!(traces > 0, "{}: nothing on its dashboard leads to a record", meta.id);
    }
}

/// What a widget's rows, places and boxes are called.
fn labels(body: &WidgetBody) -> Vec<Arc<str>> {
    match body {
        WidgetBody::TopK { rows, .. } => rows.iter().map(|row| Arc::clone(&row.label)).collect(),
        WidgetBody::Heat { rows, .. } => rows.iter().map(|row| Arc::clone(&row.label)).collect(),
        WidgetBody::Graph { nodes, .. } => nodes.iter().map(|node| Arc::clone(&node.label)).collect(),
        WidgetBody::Map { points, .. } => points.iter().map(|point| Arc::clone(&point.label)).collect(),
        WidgetBody::Queue { rows, .. } => rows.iter().map(|row| Arc::clone(&row.subject)).collect(),
        WidgetBody::Table { rows, .. } => {
            let text = |cell: &Cell| if let Cell::Text(text) = cell { Some(Arc::clone(text)) } else { None };
            rows.iter().filter_map(|row| row.iter().find_map(text)).collect()
        }
        _ => Vec::new(),
    }
}

/// A world that repeats records, sends some again an hour later, and writes nonsense.
struct HostileWorld {
    world: Box<dyn World>,
    records: u64,
}

/// An hour: later than any grace.
const LATE_MS: i64 = 3_600_000;

impl World for HostileWorld {
    fn due_ns(&self) -> u128 {
        self.world.due_ns()
    }

    fn next(&mut self, out: &mut Emit) {
        self.world.next(out);
        for record in out.take() {
            self.records += 1;
            let is_event = record.partition.is_none() && !record.topic.starts_with("_truth");
            let cut = record.value.as_ref().map(|value| value[..value.len() / 2].to_vec());
            let of = |record: &EmitRecord| match self.records % 50 {
                _ if !is_event => Vec::new(),
                0 => vec![record.clone()],
                10 => vec![EmitRecord { timestamp_ms: record.timestamp_ms - LATE_MS, ..record.clone() }],
                20 => vec![EmitRecord { value: cut, ..record.clone() }],
                30 => vec![EmitRecord { value: Some(vec![0xff, 0x00, b'{']), key: Some(vec![0xfe]), ..record.clone() }],
                40 => vec![EmitRecord { value: None, ..record.clone() }, EmitRecord { key: None, ..record.clone() }],
                _ => Vec::new(),
            };
            let changed = of(&record);
            out.push(record);
            changed.into_iter().for_each(|record| out.push(record));
        }
    }

    fn set_rate(&mut self, rate_per_s: u32) {
        self.world.set_rate(rate_per_s);
    }

    fn events(&self) -> u64 {
        self.world.events()
    }

    fn command(&mut self, command: &Command) -> Option<i64> {
        self.world.command(command)
    }

    fn hears(&self) -> Vec<Arc<str>> {
        self.world.hears()
    }

    fn hear(&mut self, record: &Observed<'_>) {
        self.world.hear(record);
    }

    fn finish(&mut self, out: &mut Emit) {
        self.world.finish(out);
    }
}
