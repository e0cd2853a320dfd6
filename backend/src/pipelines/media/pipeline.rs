//! The pipeline as every run needs it described.

use std::collections::BTreeMap;

use weir_model::{Check, PipelineMeta, Problem};

use super::{
    Detection, Options, Sabotage,
    dashboard::Fold,
    given::Given,
    meta::meta,
    scenarios::SCENARIOS,
    settings::{
        ALERTS, CAMPAIGNS, DEAD_LETTERS, DISORDER_SETTING, DLQ, INCIDENTS, INPUTS, JUDGED, LEASES, PARTITIONS, REMEDIES_SETTING, RESULTS,
        SLICES, TITLES_TABLE, TRUTH, VIEWS_MIN_SETTING,
    },
    topologies,
    world::{Viewers, tell_tables},
};
use crate::{
    pipelines::shape::{
        AppSpec, Checker, Cleanup, DashboardFold, Emit, Facts, GivenTopic, Observed, RenewedVerdicts, RunParams, Scenario, Shape,
        TopicSpec, World, names_and_checks,
    },
    sim::media::GeneratorParams,
    stream::{TopologyError, app::Guarantee},
    truth::{Seen, media::MediaTruth},
};

/// The pipeline, to be started by [`crate::pipelines::start`].
pub fn shape() -> Box<dyn Shape> {
    Box::new(Media)
}

/// Media streaming.
#[derive(Clone, Copy, Debug)]
pub struct Media;

impl Shape for Media {
    fn meta(&self) -> PipelineMeta {
        meta()
    }

    fn topics(&self) -> Vec<TopicSpec> {
        // What a run leaves behind says nothing to the next one: budgets and figures begin anew.
        let spec = |name: &'static str| {
            let is_small = [SLICES, INCIDENTS, CAMPAIGNS, ALERTS, TRUTH, DLQ].contains(&name) || DEAD_LETTERS.contains(&name);
            let cleanup = match name {
                // Whoever looks later finds how each incident ended; a run writes its campaigns and titles over those of the run before.
                INCIDENTS | CAMPAIGNS | TITLES_TABLE => Cleanup::Compact,
                // What is lent counts as long as a run lasts, and alerts stay until there are too many.
                LEASES | ALERTS => Cleanup::BySize,
                _ => Cleanup::Delete,
            };
            TopicSpec { name, partitions: if is_small { 1 } else { PARTITIONS }, cleanup }
        };
        INPUTS.iter().chain(&RESULTS).chain(&DEAD_LETTERS).copied().chain([TRUTH, DLQ]).map(spec).collect()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        let sabotage = run.params.sabotage.as_deref().and_then(Sabotage::named);
        let detection = Detection { views_min: run.setting(VIEWS_MIN_SETTING), is_remedied: run.setting(REMEDIES_SETTING) >= 0.5 };
        let options = Options { run: run.name.to_string(), sabotage, detection };
        let spec = |topology| AppSpec::new(topology, Guarantee::ExactlyOnce);
        Ok(topologies(&options)?.into_iter().map(spec).collect())
    }

    fn rows(&self, run: &RunParams, out: &mut Emit) {
        tell_tables(run, out);
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        let disorder_ms = run.setting(DISORDER_SETTING) as i64;
        let params = GeneratorParams { seed: run.params.seed, rate_per_s: run.params.rate_per_s, start_at_ms: run.start_at.0, disorder_ms };
        Box::new(Viewers::new(params))
    }

    fn input(&self, input: &str, run: &RunParams) -> Result<Box<dyn World>, Problem> {
        let topic = run.connection.as_ref().map(|connection| GivenTopic::fetch(connection, input, &run.name)).transpose()?.flatten();
        let lines = topic.as_ref().map_or_else(|| input.to_owned(), GivenTopic::input);
        let given = Given::read(&lines, run.start_at.0).map_err(|error| {
            Problem::new(
                format!("Media can't read {input}"),
                error,
                "Give a CSV or JSONL, or a folder of them, with columns for time, total, failures (or real and predict) and the dimensions; name others behind it: FILE?total=requests&failures=err",
            )
        })?;
        Ok(Box::new(given))
    }

    fn checkers(&self, _: &RunParams) -> Vec<Box<dyn Checker>> {
        vec![Box::new(Judge::default())]
    }

    fn dashboard(&self, _: &RunParams) -> Box<dyn DashboardFold> {
        Box::new(Fold::default())
    }

    fn scenarios(&self) -> &'static [Scenario] {
        SCENARIOS
    }

    fn provocations(&self, sabotage: &str) -> &'static [&'static str] {
        match sabotage {
            "blame_widest" | "sleep_through" | "scatter" => &["cdn_down:cdn=cdn-b,region=eu"],
            "trust_everybody" => &["chat_raid"],
            "ignore_budgets" => &["ad_budget_race"],
            _ => &[],
        }
    }

    fn needs_input(&self, sabotage: &str) -> bool {
        // The players' incidents are judged by other checks than labelled ones.
        ["blame_parts", "leave_unanswered"].contains(&sabotage)
    }

    fn judged(&self) -> &'static [(&'static str, &'static str)] {
        &JUDGED
    }

    fn sabotages(&self) -> &'static [(&'static str, &'static str)] {
        const ALL: [(&str, &str); Sabotage::ALL.len()] = names_and_checks(&Sabotage::ALL);
        &ALL
    }
}

/// The truth as a run asks it.
#[derive(Default)]
struct Judge {
    truth: MediaTruth,
    /// Rows of given data that could not be read.
    malformed: u64,
    /// Those, and records that an application could not read.
    dead_letters: u64,
    known: RenewedVerdicts,
}

impl Checker for Judge {
    fn observe(&mut self, record: &Observed<'_>) {
        self.known.observed();
        self.malformed += u64::from(record.topic == DLQ);
        self.dead_letters += u64::from(record.topic == DLQ || DEAD_LETTERS.contains(&record.topic));
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        self.truth.observe(&Seen { topic: record.topic, partition: record.partition, key, value, timestamp_ms: record.timestamp_ms });
    }

    fn verdicts(&self, facts: &Facts) -> Vec<Check> {
        self.known.get(facts, || self.truth.verdicts(facts.is_over))
    }

    fn scores(&self, _: &Facts) -> BTreeMap<String, f64> {
        self.truth.scores()
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        [("malformed", self.malformed), ("dead_letters", self.dead_letters)].map(|(name, count)| (name.to_owned(), count)).into()
    }
}
