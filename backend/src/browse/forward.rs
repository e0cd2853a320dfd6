//! Reading from chosen offsets towards the end, and beyond it when the query follows.

use std::collections::{HashMap, HashSet};

use weir_model::{MessageQuery, Start, StopReason};

use super::{Extent, POLL_INTERVAL, Patience, scan::Scan};
use crate::client::{ClientError, Reader, ReaderEvent};

pub(super) fn read(
    reader: &Reader,
    query: &MessageQuery,
    extents: &[Extent],
    starts: Vec<(i32, i64)>,
    scan: &mut Scan<'_>,
) -> Result<StopReason, ClientError> {
    // What is left to read of each partition; a query that follows never has nothing left.
    let mut ends: HashMap<i32, i64> = extents.iter().map(|extent| (extent.partition, extent.end)).collect();
    for (partition, from) in &starts {
        scan.begin(*partition, *from);
        if ends.get(partition).is_some_and(|end| from >= end) {
            ends.remove(partition);
        }
    }
    reader.assign(starts)?;
    let mut threshold = Threshold::new(query.start);
    let already_matched = scan.matched();
    let mut patience = Patience::new();
    while scan.matched() - already_matched < query.limit as u64 {
        if ends.is_empty() && !query.follow {
            return Ok(StopReason::End);
        }
        if !scan.tick() {
            return Ok(StopReason::Cancelled);
        }
        let event = reader.poll(POLL_INTERVAL)?;
        if event.is_some() || ends.is_empty() {
            patience.heard(); // with nothing left to read, silence is what is expected
        }
        match event {
            None => patience.check(reader)?,
            Some(ReaderEvent::End(partition)) => {
                // The rest of the range is a gap: compacted away, or markers of transactions.
                if let Some(end) = ends.remove(&partition) {
                    scan.reached(partition, end);
                }
            }
            Some(ReaderEvent::Record(record)) => {
                let (partition, offset) = (record.partition(), record.offset());
                let end = ends.get(&partition).copied();
                let is_beyond = end.is_none_or(|end| offset >= end) && !query.follow;
                if end.is_some_and(|end| offset + 1 >= end) {
                    ends.remove(&partition);
                }
                // What came after the query began is not part of it.
                if is_beyond || threshold.is_below(partition, record.timestamp_ms()) {
                    continue;
                }
                if let Some(record) = scan.look(&record) {
                    scan.emit(record);
                }
            }
        }
    }
    Ok(StopReason::Limit)
}

/// Brokers may answer the question for a time with the offset of the batch that holds it: what is older is skipped, up to the first record
/// of each partition that is not.
struct Threshold {
    at_ms: Option<i64>,
    passed: HashSet<i32>,
}

impl Threshold {
    fn new(start: Start) -> Self {
        let at_ms = if let Start::Timestamp(at) = start { Some(at.0) } else { None };
        Self { at_ms, passed: HashSet::new() }
    }

    fn is_below(&mut self, partition: i32, timestamp_ms: Option<i64>) -> bool {
        let Some(at_ms) = self.at_ms.filter(|_| !self.passed.contains(&partition)) else { return false };
        let is_below = timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms < at_ms);
        if !is_below {
            self.passed.insert(partition);
        }
        is_below
    }
}
