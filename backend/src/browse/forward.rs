//! Reading from chosen offsets towards the end, and beyond it when the query follows.

use std::{collections::HashMap, time::Duration};

use weir_model::{MessageQuery, StopReason};

use super::{Extent, scan::Scan};
use crate::client::{ClientError, Reader, ReaderEvent};

/// How soon a stop is noticed while nothing comes.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

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
    let already_matched = scan.matched();
    while scan.matched() - already_matched < query.limit as u64 {
        if ends.is_empty() && !query.follow {
            return Ok(StopReason::End);
        }
        if !scan.tick() {
            return Ok(StopReason::Cancelled);
        }
        match reader.poll(POLL_INTERVAL)? {
            None => {}
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
                if is_beyond {
                    continue; // it came after the query began
                }
                if let Some(record) = scan.look(&record) {
                    scan.emit(record);
                }
            }
        }
    }
    Ok(StopReason::Limit)
}
