//! The newest matches first: partitions are read backwards in growing blocks until no unread record can be newer than those found.

use std::collections::HashMap;

use weir_model::{MessageQuery, Record, StopReason};

use super::{Extent, POLL_INTERVAL, Patience, scan::Scan};
use crate::client::{ClientError, Reader, ReaderEvent};

/// The first block of a partition, at least.
const BLOCK_RECORDS_MIN: i64 = 200;
/// Blocks double up to this size.
const BLOCK_RECORDS_MAX: i64 = 500_000;

/// How far one partition was read, from its end towards its start.
struct Progress {
    extent: Extent,
    /// Everything from here to the end was read.
    read_from: i64,
    block: i64,
    /// The oldest timestamp read; unread records are taken to be no newer.
    oldest_ms: i64,
}

pub(super) fn newest(reader: &Reader, query: &MessageQuery, extents: &[Extent], scan: &mut Scan<'_>) -> Result<StopReason, ClientError> {
    // Without a filter, one block of each partition is likely to hold what is asked for.
    let partition_count = extents.iter().filter(|extent| !extent.is_empty()).count().max(1);
    let first_block = if query.contains.is_empty() { i64::try_from(query.limit / partition_count).unwrap_or(i64::MAX) } else { 0 };
    let mut partitions: Vec<Progress> = extents
        .iter()
        .filter(|extent| !extent.is_empty())
        .map(|extent| Progress {
            extent: *extent,
            read_from: extent.end,
            block: first_block.clamp(BLOCK_RECORDS_MIN, BLOCK_RECORDS_MAX),
            oldest_ms: i64::MAX,
        })
        .collect();
    for extent in extents {
        scan.begin(extent.partition, extent.end);
    }
    let mut found: Vec<Record> = Vec::new();
    let stopped = loop {
        let cutoff_ms = found.get(query.limit.wrapping_sub(1)).map(timestamp_ms);
        let is_wanted = |it: &Progress| it.read_from > it.extent.log_start && cutoff_ms.is_none_or(|cutoff_ms| it.oldest_ms > cutoff_ms);
        let blocks: HashMap<i32, (i64, i64)> = partitions
            .iter_mut()
            .filter(|it| is_wanted(it))
            .map(|it| {
                let to = it.read_from;
                it.read_from = to.saturating_sub(it.block).max(it.extent.log_start);
                it.block = (it.block.saturating_mul(2)).min(BLOCK_RECORDS_MAX);
                (it.extent.partition, (it.read_from, to))
            })
            .collect();
        if blocks.is_empty() {
            break if cutoff_ms.is_some() { StopReason::Limit } else { StopReason::End };
        }
        if !read_blocks(reader, &blocks, scan, &mut |timestamp_ms, partition, record| {
            if let Some(it) = partitions.iter_mut().find(|it| it.extent.partition == partition) {
                it.oldest_ms = it.oldest_ms.min(timestamp_ms);
            }
            found.extend(record);
        })? {
            break StopReason::Cancelled;
        }
        // Newest first; stable within a partition. What can't be among the newest any more makes room.
        found.sort_by(|a, b| timestamp_ms(b).cmp(&timestamp_ms(a)).then(a.partition.cmp(&b.partition)).then(b.offset.cmp(&a.offset)));
        found.truncate(query.limit);
    };
    // Rows are sent by rising time, as they would have arrived.
    for record in found.into_iter().rev() {
        scan.emit(record);
    }
    Ok(stopped)
}

/// Reads a block of each partition; false when the query is to end.
fn read_blocks(
    reader: &Reader,
    blocks: &HashMap<i32, (i64, i64)>,
    scan: &mut Scan<'_>,
    take: &mut dyn FnMut(i64, i32, Option<Record>),
) -> Result<bool, ClientError> {
    let mut ends: HashMap<i32, i64> = blocks.iter().map(|(partition, (_, to))| (*partition, *to)).collect();
    reader.assign(blocks.iter().map(|(partition, (from, _))| (*partition, *from)))?;
    let mut patience = Patience::new();
    while !ends.is_empty() {
        if !scan.tick() {
            return Ok(false);
        }
        let event = reader.poll(POLL_INTERVAL)?;
        if event.is_some() {
            patience.heard();
        }
        match event {
            None => patience.check(reader)?,
            Some(ReaderEvent::End(partition)) => {
                ends.remove(&partition);
            }
            Some(ReaderEvent::Record(record)) => {
                let (partition, offset) = (record.partition(), record.offset());
                let Some(to) = ends.get(&partition).copied() else { continue };
                if offset + 1 >= to {
                    ends.remove(&partition);
                }
                if offset < to {
                    let at_ms = record.timestamp_ms().unwrap_or(0);
                    take(at_ms, partition, scan.look(&record));
                }
            }
        }
    }
    for (partition, (from, to)) in blocks {
        scan.reached_down(*partition, *from);
        scan.reached(*partition, *to);
    }
    Ok(true)
}

fn timestamp_ms(record: &Record) -> i64 {
    record.timestamp.map_or(0, |at| at.0)
}
