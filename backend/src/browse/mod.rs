//! Finding messages without joining a group. Every query ends with a receipt: what was looked at, and why it stopped.

mod backward;
mod forward;
mod scan;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use weir_model::{MessageQuery, Problem, Start, StopReason};

use crate::{
    client::{Admin, ClientError, Connection, OffsetSpec, Reader},
    updates::Updates,
};

use scan::Scan;

/// A cluster that does not answer a question about offsets within this time fails the query.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A query that has something left to read and hears nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How soon a stop is noticed while nothing comes.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Tells a running query to end. Clones are one flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the query at its next step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Runs a query to its end; rows and receipts go out as updates. Blocks: it needs a thread of its own.
pub fn run(connection: &Connection, query: &MessageQuery, updates: &Updates, cancel: &Cancel) {
    let mut scan = Scan::new(query, updates, cancel);
    // The binding panics on a header's name that is not UTF-8; whoever waits for the receipt must get one all the same.
    let found = catch_unwind(AssertUnwindSafe(|| find(connection, query, &mut scan)));
    let stopped = match found {
        Ok(Ok(reason)) => reason,
        Ok(Err(Ok(error))) => StopReason::Failed(error.problem(format!("{} could not be read", query.topic))),
        Ok(Err(Err(problem))) => StopReason::Failed(problem),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            let why = format!("an internal error: {}", text.unwrap_or("no message"));
            StopReason::Failed(Problem::new(format!("{} could not be read", query.topic), why, "Read another range, and please report it"))
        }
    };
    scan.finish(stopped);
}

/// Offsets of one partition when the query began.
#[derive(Debug, Clone, Copy)]
struct Extent {
    partition: i32,
    log_start: i64,
    end: i64,
}

/// A problem of our own, or an error of the client.
type Failed = Result<ClientError, Problem>;

fn find(connection: &Connection, query: &MessageQuery, scan: &mut Scan<'_>) -> Result<StopReason, Failed> {
    let admin = Admin::new(connection, ANSWER_MAX).map_err(Ok)?;
    let extents = extents(&admin, query)?;
    if query.limit == 0 {
        return Ok(StopReason::Limit);
    }
    let reader = Reader::new(connection, query.topic.as_str(), false).map_err(Ok)?;
    if query.start == Start::Newest {
        let stopped = backward::newest(&reader, query, &extents, scan).map_err(Ok)?;
        if !query.follow || stopped != StopReason::Limit && stopped != StopReason::End {
            return Ok(stopped);
        }
        let starts = extents.iter().map(|extent| (extent.partition, extent.end)).collect();
        return forward::read(&reader, query, &extents, starts, scan).map_err(Ok);
    }
    let starts = starts(&admin, query, &extents)?;
    forward::read(&reader, query, &extents, starts, scan).map_err(Ok)
}

/// Notices that a cluster went silent while there was something left to read.
struct Patience {
    heard_at: Instant,
}

impl Patience {
    fn new() -> Self {
        Self { heard_at: Instant::now() }
    }

    fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Nothing came this time.
    fn check(&self, reader: &Reader) -> Result<(), ClientError> {
        if self.heard_at.elapsed() < SILENCE_MAX { Ok(()) } else { Err(reader.take_last_error().unwrap_or_else(ClientError::no_answer)) }
    }
}

fn extents(admin: &Admin, query: &MessageQuery) -> Result<Vec<Extent>, Failed> {
    let topic = query.topic.as_str();
    let metadata = admin.metadata(Some(topic)).map_err(Ok)?;
    let described = metadata.topics.into_iter().find(|it| it.name == topic).ok_or_else(|| Err(unknown_topic(topic)))?;
    let known = described.partitions.map_err(|error| if error.is_unknown_topic() { Err(unknown_topic(topic)) } else { Ok(error) })?;
    let mut wanted: Vec<(String, i32)> = known.iter().map(|it| (topic.to_owned(), it.id)).collect();
    if let Some(partitions) = &query.partitions {
        if let Some(missing) = partitions.iter().find(|it| wanted.iter().all(|(_, id)| *id != it.0)) {
            return Err(Err(Problem::new(
                format!("{topic} has no partition {missing}"),
                format!("it has {} partitions, from 0", wanted.len()),
                "Choose one of them",
            )));
        }
        wanted.retain(|(_, id)| partitions.iter().any(|it| it.0 == *id));
    }
    let list = |spec| -> Result<Vec<(i32, i64)>, Failed> {
        let listed = admin.list_offsets(&wanted, spec).map_err(Ok)?;
        listed.into_iter().map(|it| Ok((it.partition, it.offset.map_err(Ok)?.unwrap_or(0)))).collect()
    };
    let (log_starts, ends) = (list(OffsetSpec::Earliest)?, list(OffsetSpec::Latest)?);
    let mut extents: Vec<Extent> = log_starts
        .into_iter()
        .filter_map(|(partition, log_start)| {
            let end = ends.iter().find(|(id, _)| *id == partition)?.1;
            Some(Extent { partition, log_start, end })
        })
        .collect();
    extents.sort_by_key(|extent| extent.partition);
    Ok(extents)
}

fn starts(admin: &Admin, query: &MessageQuery, extents: &[Extent]) -> Result<Vec<(i32, i64)>, Failed> {
    let each = |start: &dyn Fn(&Extent) -> i64| extents.iter().map(|extent| (extent.partition, start(extent))).collect();
    Ok(match query.start {
        Start::Beginning => each(&|extent| extent.log_start),
        Start::End | Start::Newest => each(&|extent| extent.end),
        // The receipt shows where each partition really began.
        Start::Offset(offset) => each(&|extent| offset.0.clamp(extent.log_start, extent.end)),
        Start::Last(count) => each(&|extent| extent.end.saturating_sub_unsigned(count).max(extent.log_start)),
        Start::Timestamp(at) => {
            let partitions: Vec<_> = extents.iter().map(|extent| (query.topic.to_string(), extent.partition)).collect();
            let listed = admin.list_offsets(&partitions, OffsetSpec::Timestamp(at.0)).map_err(Ok)?;
            each(&|extent| {
                let found = listed.iter().find(|it| it.partition == extent.partition);
                found.and_then(|it| it.offset.clone().ok().flatten()).unwrap_or(extent.end)
            })
        }
    })
}

fn unknown_topic(topic: &str) -> Problem {
    Problem::new(
        format!("There is no topic {topic}"),
        "the cluster does not know it, or you may not see it",
        "Check the name; `weir topics` lists what there is",
    )
}
