//! Reads the result topics and publishes the dashboard, a few times a second and only when something changed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use weir_model::{Problem, TimestampMs, Update};

use crate::{
    client::{Connection, Reader, ReaderEvent},
    pipelines::clickstream::{Fold, settings::ID, topics::Ends},
    updates::Updates,
};

/// At most four dashboards a second.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(250);
/// Without results the figures that fade with time are looked at this often.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a round waits for a first record.
const ROUND: Duration = Duration::from_millis(100);
/// Records of one topic taken per round, so that no topic starves.
const RECORDS_PER_ROUND: usize = 20_000;
/// A topic that gave nothing in so many rounds was read to its end.
const QUIET_ROUNDS: u32 = 5;

/// Reads from these offsets on until `is_done`, and then to the end. Blocks; belongs on a thread of its own.
pub(super) fn watch(
    connection: &Connection,
    starts: &[(&'static str, Ends)],
    updates: &Updates,
    is_done: &AtomicBool,
) -> Result<(), Problem> {
    let mut readers = Vec::new();
    for (topic, offsets) in starts {
        let failed = |error: crate::client::ClientError| error.problem(format!("The dashboard can't read {topic}"));
        let reader = Reader::new(connection, topic, false).map_err(failed)?;
        reader.assign((0..).zip(offsets.iter().copied())).map_err(failed)?;
        readers.push((*topic, reader));
    }
    let (mut fold, mut is_changed, mut quiet) = (Fold::default(), true, 0);
    let (mut published_at, mut published) = (Instant::now(), None);
    loop {
        // Asked before the round: what is written until now will be read in it or the next ones.
        let was_done = is_done.load(Ordering::Acquire);
        let records = read_round(&readers, &mut fold)?;
        (is_changed, quiet) = (is_changed || records > 0, if records > 0 { 0 } else { quiet + 1 });
        let is_over = was_done && quiet >= QUIET_ROUNDS;
        let since = published_at.elapsed();
        if is_over || (is_changed && since >= PUBLISH_INTERVAL) || since >= IDLE_INTERVAL {
            let dashboard = Arc::new(fold.dashboard(TimestampMs::now()));
            if published.as_ref() != Some(&dashboard) {
                published = Some(Arc::clone(&dashboard));
                updates.publish(Update::Dashboard(ID.into(), dashboard));
            }
            (is_changed, published_at) = (false, Instant::now());
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Takes what is there of every topic; waits a little when there is nothing.
fn read_round(readers: &[(&'static str, Reader)], fold: &mut Fold) -> Result<usize, Problem> {
    let mut records = 0;
    for (topic, reader) in readers {
        for _ in 0..RECORDS_PER_ROUND {
            match reader.poll(Duration::ZERO) {
                Ok(Some(ReaderEvent::Record(record))) => {
                    if let Some(value) = record.value() {
                        fold.observe(topic, value, TimestampMs::now());
                    }
                    records += 1;
                }
                Ok(Some(ReaderEvent::End(_))) => {}
                Ok(None) => break,
                Err(error) => return Err(error.problem(format!("The dashboard can't read {topic}"))),
            }
        }
    }
    if records == 0 {
        std::thread::sleep(ROUND);
    }
    Ok(records)
}
