//! The pipeline as the runner takes it.

use std::time::Duration;

use weir_model::{Dashboard, PipelineAction, PipelineMeta, Problem, TimestampMs};

use super::{
    Fold,
    judged::Judged,
    meta,
    model::TrainerParams,
    scenarios::SCENARIOS,
    settings::{
        ALERTS, CASES, CHARGEBACKS, DEAD_LETTERS, DECISIONS, EXAMPLES, JUDGED, MODELS, ONLINE_MODELS, PARTITIONS, RING_MEMBERS, RINGS,
        RULES, SCORES, TRAINER_DEAD_LETTERS, TRANSACTIONS, TRUTH, VERDICTS,
    },
    topology::{DetectorParams, Sabotage, detector, trainer},
    world::{FileWorld, PaymentWorld},
};
use crate::{
    pipelines::shape::{
        AppSpec, Checker, Cleanup, DashboardFold, Emit, GivenTopic, Observed, RunParams, Scenario, Shape, TopicSpec, World,
        names_and_checks,
    },
    stream::{TopologyError, app::Guarantee},
};

/// What an account's past says of a payment reaches the terminals in a transaction, all that it holds at once; there payments wait in a row
/// for their decision. Half the time between two transactions is half the row.
const COMMIT_INTERVAL: Duration = Duration::from_millis(50);

const fn topic(name: &'static str, partitions: i32, cleanup: Cleanup) -> TopicSpec {
    TopicSpec { name, partitions, cleanup }
}

/// Every topic, inputs first. Event time runs far from the wall clock, so that nothing may be deleted by its age. Models and rings belong
/// to one run: a model of another would know its future.
pub(super) const TOPICS: [TopicSpec; 16] = [
    topic(TRANSACTIONS, PARTITIONS, Cleanup::BySize),
    topic(CHARGEBACKS, PARTITIONS, Cleanup::BySize),
    topic(VERDICTS, PARTITIONS, Cleanup::BySize),
    topic(RULES, 1, Cleanup::Compact),
    topic(MODELS, 1, Cleanup::BySize),
    topic(ONLINE_MODELS, 1, Cleanup::BySize),
    topic(DECISIONS, PARTITIONS, Cleanup::BySize),
    topic(SCORES, PARTITIONS, Cleanup::BySize),
    topic(CASES, PARTITIONS, Cleanup::BySize),
    topic(RINGS, 1, Cleanup::BySize),
    topic(RING_MEMBERS, PARTITIONS, Cleanup::BySize),
    topic(EXAMPLES, 1, Cleanup::BySize),
    topic(ALERTS, 1, Cleanup::BySize),
    topic(DEAD_LETTERS, 1, Cleanup::BySize),
    topic(TRAINER_DEAD_LETTERS, 1, Cleanup::BySize),
    topic(TRUTH, 1, Cleanup::BySize),
];

/// The pipeline, to be started by [`crate::pipelines::start`].
pub fn shape() -> Box<dyn Shape> {
    Box::new(Fraud)
}

/// The pipeline.
struct Fraud;

impl Shape for Fraud {
    fn meta(&self) -> PipelineMeta {
        meta()
    }

    fn topics(&self) -> Vec<TopicSpec> {
        TOPICS.into()
    }

    fn apps(&self, run: &RunParams) -> Result<Vec<AppSpec>, TopologyError> {
        let sabotage = Sabotage::ALL.into_iter().find(|(_, name, _)| run.is_sabotaged(name)).map(|(sabotage, ..)| sabotage);
        let detector = detector(DetectorParams { sabotage, ..DetectorParams::default() })?;
        let trainer = trainer(TrainerParams::default())?;
        Ok(vec![
            AppSpec { commit_interval: Some(COMMIT_INTERVAL), ..AppSpec::new(detector, Guarantee::ExactlyOnce) },
            AppSpec::new(trainer, Guarantee::AtLeastOnce),
        ])
    }

    fn world(&self, run: &RunParams) -> Box<dyn World> {
        Box::new(PaymentWorld::new(run))
    }

    fn input(&self, input: &str, run: &RunParams) -> Result<Box<dyn World>, Problem> {
        let topic = run.connection.as_ref().map(|connection| GivenTopic::fetch(connection, input, &run.name)).transpose()?.flatten();
        let input = topic.as_ref().map_or_else(|| input.to_owned(), GivenTopic::input);
        // A topic's lines may lose their name after this: the open file stays.
        Ok(Box::new(FileWorld::open(&input, run)?))
    }

    fn checkers(&self, _: &RunParams) -> Vec<Box<dyn Checker>> {
        vec![Box::new(Judged::default())]
    }

    fn dashboard(&self, _: &RunParams) -> Box<dyn DashboardFold> {
        Box::new(Fold::default())
    }

    fn scenarios(&self) -> &'static [Scenario] {
        SCENARIOS
    }

    fn provocations(&self, sabotage: &str) -> &'static [&'static str] {
        match sabotage {
            "no_rings" => &["launch_ring"],
            _ => &[],
        }
    }

    fn judged(&self) -> &'static [(&'static str, &'static str)] {
        &JUDGED
    }

    fn sabotages(&self) -> &'static [(&'static str, &'static str)] {
        const ALL: [(&str, &str); Sabotage::ALL.len()] = names_and_checks(&Sabotage::ALL);
        &ALL
    }
}

impl DashboardFold for Fold {
    fn observe(&mut self, record: &Observed<'_>, at: TimestampMs) {
        self.time(record, at);
        Self::observe(self, record.topic, record.key, record.value, at);
    }

    fn dashboard(&self, now: TimestampMs) -> Dashboard {
        Self::dashboard(self, now)
    }

    fn act(&mut self, action: &PipelineAction, out: &mut Emit) -> Result<(), Problem> {
        Self::act(self, action, out)
    }
}
