//! The receipt of a query in words: what was looked at, what was found, what was missing, why it stopped. Pure.

use weir_model::{MESSAGES_MAX, MessageQuery, Offset, PartitionId, PartitionRange, Receipt, Start, StopReason};
use weir_ui_kit::format;

use crate::panels::text;

/// A receipt as the bar shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReceiptText {
    /// `Reading`, `Following` or why it stopped.
    pub(super) state: String,
    /// What the state means and what to do.
    pub(super) state_help: String,
    /// `12 of 3,400 records matched`.
    pub(super) matched: String,
    /// `1.2 MiB in 85 ms`.
    pub(super) cost: String,
    /// `7 partitions`.
    pub(super) partitions: String,
    /// `41 offsets held no record`; empty when none.
    pub(super) gaps: String,
    /// One line a partition, for the tooltip.
    pub(super) ranges: String,
}

/// Ranges spelled out in the tooltip; beyond it their number is told.
const RANGES_LISTED_MAX: usize = 24;

/// The words of a receipt.
pub(super) fn text(receipt: &Receipt, follow: bool) -> ReceiptText {
    let (state, state_help) = state(receipt, follow);
    let gaps = gaps(receipt);
    ReceiptText {
        state,
        state_help,
        matched: format!(
            "{} of {} scanned match",
            format::integer(receipt.records_matched),
            text::counted(receipt.records_scanned, "record")
        ),
        cost: format!(
            "{} in {}",
            text::bytes(receipt.bytes_scanned),
            format::duration_ms(i64::try_from(receipt.elapsed_ms).unwrap_or(i64::MAX))
        ),
        partitions: text::counted(receipt.ranges.len() as u64, "partition"),
        gaps: if gaps == 0 { String::new() } else { format!("{} held no record", text::counted(gaps, "offset")) },
        ranges: ranges(&receipt.ranges),
    }
}

/// How to go on from a receipt: a button's words and its query. `None` while the query runs, or when nothing is left to read.
pub(super) fn continuation(query: &MessageQuery, receipt: &Receipt) -> Option<(&'static str, MessageQuery)> {
    let stopped = receipt.stopped.as_ref()?;
    if *stopped == StopReason::End {
        return None;
    }
    if matches!(stopped, StopReason::Failed(_)) {
        return Some(("Try again", query.clone()));
    }
    if query.follow && matches!(query.start, Start::Newest | Start::End | Start::Last(_)) {
        return Some(("Resume", query.clone()));
    }
    let is_forward = !matches!(query.start, Start::Newest | Start::Last(_));
    if let ([range], true) = (receipt.ranges.as_slice(), is_forward) {
        return Some(("Continue", MessageQuery { start: Start::Offset(range.to), ..query.clone() }));
    }
    // One start offset can't fit several partitions without skipping or repeating records, so the same question is asked for more rows.
    match stopped {
        StopReason::Limit if query.limit < MESSAGES_MAX => {
            Some(("Show twice as many", MessageQuery { limit: query.limit.saturating_mul(2).min(MESSAGES_MAX), ..query.clone() }))
        }
        StopReason::Limit => None,
        _ => Some(("Run again", query.clone())),
    }
}

/// Offsets inside the ranges that held no record.
pub(super) fn gaps(receipt: &Receipt) -> u64 {
    let gap = |range: &PartitionRange| u64::try_from(range.to.0.saturating_sub(range.from.0)).unwrap_or(0).saturating_sub(range.records);
    receipt.ranges.iter().map(gap).sum()
}

fn state(receipt: &Receipt, follow: bool) -> (String, String) {
    let (state, help) = match &receipt.stopped {
        None if follow => ("Following", "Records appear as they arrive"),
        None => ("Reading", "The ranges below grow until the end or the limit"),
        Some(StopReason::Limit) => ("Paused at the row limit", "There may be more: continue, or raise the limit"),
        Some(StopReason::End) => ("Complete", "Read to the end of every partition"),
        Some(StopReason::Cancelled) => ("Stopped", "You stopped it; the ranges say how far it came"),
        Some(StopReason::Failed(problem)) => return (problem.what.to_string(), format!("{}. {}", problem.why, problem.what_to_do)),
    };
    (state.to_owned(), help.to_owned())
}

fn ranges(ranges: &[PartitionRange]) -> String {
    let line = |range: &PartitionRange| {
        let PartitionRange { partition, from: Offset(from), to: Offset(to), records } = range;
        let PartitionId(partition) = partition;
        if to <= from {
            return format!("partition {partition}: from {}, nothing yet", format::integer(*from));
        }
        let (first, last) = (format::integer(*from), format::integer(i128::from(*to) - 1));
        format!("partition {partition}: offsets {first} to {last}, {}", text::counted(*records, "record"))
    };
    let mut lines: Vec<String> = ranges.iter().take(RANGES_LISTED_MAX).map(line).collect();
    if ranges.len() > RANGES_LISTED_MAX {
        lines.push(format!("and {} more partitions", ranges.len() - RANGES_LISTED_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use weir_model::{Problem, QueryId};

    use super::*;

    fn receipt(stopped: Option<StopReason>) -> Receipt {
        let range = |partition: i32, from: i64, to: i64, records: u64| PartitionRange {
            partition: PartitionId(partition),
            from: Offset(from),
            to: Offset(to),
            records,
        };
        Receipt {
            ranges: vec![range(0, 0, 1_000, 990), range(1, 5, 5, 0)],
            records_scanned: 990,
            records_matched: 12,
            bytes_scanned: 2_048,
            stopped,
            elapsed_ms: 85,
        }
    }

    #[test]
    fn the_words_keep_every_figure() {
        let text = text(&receipt(Some(StopReason::Limit)), false);
        assert_eq!(text.state, "Paused at the row limit");
        assert_eq!(text.matched, "12 of 990 records scanned match");
        assert_eq!(text.cost, "2.0 KiB in 85 ms");
        assert_eq!(text.gaps, "10 offsets held no record");
        assert_eq!(text.ranges, "partition 0: offsets 0 to 999, 990 records\npartition 1: from 5, nothing yet");
    }

    #[test]
    fn every_state_has_its_word() {
        let check = |stopped: Option<StopReason>, follow: bool, expect: &str| assert_eq!(text(&receipt(stopped), follow).state, expect);
        check(None, true, "Following");
        check(None, false, "Reading");
        check(Some(StopReason::End), true, "Complete");
        check(Some(StopReason::Cancelled), true, "Stopped");
        check(Some(StopReason::Failed(Problem::new("Could not read", "no leader", "Wait"))), true, "Could not read");
    }

    #[test]
    fn a_continuation_skips_nothing() {
        let check = |start: Start, follow: bool, partitions: usize, stopped: Option<StopReason>, expect: Option<(&str, Start, usize)>| {
            let mut receipt = receipt(stopped);
            receipt.ranges.truncate(partitions);
            let query = MessageQuery { id: QueryId(1), topic: "t".into(), partitions: None, start, limit: 10, follow, contains: "".into() };
            let next = continuation(&query, &receipt).map(|(label, next)| (label, next.start, next.limit));
            assert_eq!(next, expect, "{start:?} {follow} {partitions}");
        };
        let limit = Some(StopReason::Limit);
        check(Start::Beginning, false, 1, limit.clone(), Some(("Continue", Start::Offset(Offset(1_000)), 10)));
        check(Start::Beginning, false, 2, limit.clone(), Some(("Show twice as many", Start::Beginning, 20)));
        check(Start::Newest, false, 1, limit.clone(), Some(("Show twice as many", Start::Newest, 20)));
        check(Start::Newest, true, 2, limit, Some(("Resume", Start::Newest, 10)));
        check(Start::Newest, false, 2, Some(StopReason::Cancelled), Some(("Run again", Start::Newest, 10)));
        check(Start::Beginning, false, 1, Some(StopReason::End), None);
        check(Start::Beginning, false, 1, None, None);
    }
}
