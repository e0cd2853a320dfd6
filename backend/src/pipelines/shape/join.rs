//! One run, several processes: the process that leads writes down what the run is, and others take part in its processing.
//!
//! The consumer groups share out the work and changelogs move the state; all that must be told is where the run begins in each topic.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::executor::block_on;
use serde::{Deserialize, Serialize};
use weir_model::{PipelineId, PipelineParams, Problem, TimestampMs};

use super::{RunParams, topics::Ends};
use crate::client::{Admin, ClientError, Connection, OutgoingRecord, Producer, Reader, ReaderEvent};

/// How long the cluster may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The one key of the topic.
const KEY: &[u8] = b"run";

/// What the leader tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    run: String,
    seed: u64,
    rate_per_s: u32,
    speed: u32,
    start_at_ms: i64,
    settings: BTreeMap<String, f64>,
    is_exactly_once: Option<bool>,
    sabotage: Option<String>,
    /// Where the run begins.
    pub(super) since: Ends,
    /// It is over: members leave.
    pub(super) is_over: bool,
}

impl Header {
    pub(super) fn new(run: &RunParams, since: &Ends) -> Self {
        let params = &run.params;
        Self {
            run: run.name.to_string(),
            seed: params.seed,
            rate_per_s: params.rate_per_s,
            speed: params.speed,
            start_at_ms: run.start_at.0,
            settings: params.settings.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
            is_exactly_once: params.is_exactly_once,
            sabotage: params.sabotage.as_deref().map(str::to_owned),
            since: since.clone(),
            is_over: false,
        }
    }

    /// The run's parameters, with how much this process takes part.
    pub(super) fn params(&self, own: &RunParams) -> RunParams {
        let params = PipelineParams {
            seed: self.seed,
            rate_per_s: self.rate_per_s,
            speed: self.speed,
            start_at: Some(TimestampMs(self.start_at_ms)),
            settings: self.settings.iter().map(|(name, value)| (Arc::from(name.as_str()), *value)).collect(),
            is_exactly_once: self.is_exactly_once,
            sabotage: self.sabotage.as_deref().map(Into::into),
            ..own.params.clone()
        };
        RunParams { name: self.run.as_str().into(), params, start_at: TimestampMs(self.start_at_ms), ..own.clone() }
    }
}

/// The topic of a pipeline's runs.
fn topic(id: &PipelineId) -> String {
    format!("_run.{id}")
}

/// Tells what the run is.
pub(super) fn tell(connection: &Connection, id: &PipelineId, header: &Header) -> Result<(), Problem> {
    let failed = |error: ClientError| error.problem(format!("What the run of {id} is could not be told"));
    let (topic, admin) = (topic(id), Admin::new(connection, ANSWER_MAX).map_err(failed)?);
    match block_on(admin.create_topic(&topic, 1, -1, &[("cleanup.policy", "compact")])) {
        Err(error) if !error.is_topic_exists() => return Err(failed(error)),
        _ => {}
    }
    // Texts and numbers under text keys always have a JSON form.
    let value = serde_json::to_vec(header).unwrap_or_default();
    let producer = Producer::new(connection).map_err(failed)?;
    let record = OutgoingRecord { topic: &topic, key: Some(KEY), value: Some(&value), ..OutgoingRecord::default() };
    producer.send(record).map_err(failed)?.map_err(|_full| failed(ClientError::no_answer()))?;
    producer.flush(ANSWER_MAX).map_err(failed)?;
    producer.first_error().map_or(Ok(()), |error| Err(failed(error)))
}

/// Hears what runs there are.
pub(super) struct Runs {
    id: PipelineId,
    reader: Reader,
}

impl Runs {
    /// Reads from the first run on.
    pub(super) fn new(connection: &Connection, id: &PipelineId) -> Result<Self, Problem> {
        let failed = |error: ClientError| error.problem(format!("There is no run of {id} to take part in"));
        let reader = Reader::new(connection, &topic(id), false).map_err(failed)?;
        let admin = Admin::new(connection, ANSWER_MAX).map_err(failed)?;
        let none = |error: ClientError| {
            let help = "Start one without --join first, and name its cluster here: --bootstrap HOST:PORT";
            Problem::new(format!("There is no run of {id} to take part in"), error.to_string(), help)
        };
        let first = admin.list_offsets(&[(topic(id), 0)], crate::client::OffsetSpec::Earliest).map_err(none)?.into_iter().next();
        let first = first.map_or(Ok(None), |listed| listed.offset).map_err(failed)?.unwrap_or(0);
        reader.assign([(0, first)]).map_err(failed)?;
        Ok(Self { id: id.clone(), reader })
    }

    /// The newest run told since the last call, once all that was told is read; waits at most so long.
    pub(super) fn newest(&self, wait: Duration) -> Result<Option<Header>, Problem> {
        let mut newest = None;
        loop {
            match self.reader.poll(wait).map_err(|error| error.problem(format!("The runs of {} can't be read", self.id)))? {
                Some(ReaderEvent::Record(record)) => {
                    newest = record.value().and_then(|value| serde_json::from_slice(value).ok()).or(newest);
                }
                Some(ReaderEvent::End(_)) | None => return Ok(newest),
            }
        }
    }
}
