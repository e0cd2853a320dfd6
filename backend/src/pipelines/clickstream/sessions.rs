//! One user's sessions as a store keeps them. They are checked against a plain recomputation. A closed session stays as a mark until no record can be close to it any more, so that a late neighbour is late too.

use serde::{Deserialize, Serialize};

use crate::{
    pipelines::clickstream::visit::Visit,
    stream::{Added, SessionAggregate as _, SessionWindows},
};

/// One session; the visit is `None` once its final result is out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) visit: Option<Visit>,
}

/// A session whose result is final.
pub(super) struct Closed {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) visit: Visit,
}

/// Adds an event to sessions sorted by start, more than a gap apart.
pub(super) fn add(
    windows: SessionWindows,
    sessions: &mut Vec<Saved>,
    timestamp_ms: i64,
    now_ms: i64,
    update: impl FnOnce(&mut Visit),
) -> Added {
    let close_time = windows.close_time(now_ms);
    let (near_from, near_to) = (timestamp_ms - windows.gap_ms, timestamp_ms + windows.gap_ms);
    let first = sessions.partition_point(|session| session.end_ms < near_from);
    let near = first + sessions[first..].iter().take_while(|session| session.start_ms <= near_to).count();
    let is_closed = |session: &Saved| session.visit.is_none() || session.end_ms < close_time;
    if sessions[first..near].iter().any(is_closed) || (first == near && timestamp_ms < close_time) {
        return Added::Late;
    }
    if first == near {
        let mut visit = Visit::default();
        update(&mut visit);
        sessions.insert(first, Saved { start_ms: timestamp_ms, end_ms: timestamp_ms, visit: Some(visit) });
        return Added::Accepted;
    }
    let merged: Vec<_> = sessions.drain(first + 1..near).collect();
    let target = &mut sessions[first];
    let bridged = merged.len() + 1;
    target.start_ms = target.start_ms.min(timestamp_ms);
    target.end_ms = target.end_ms.max(timestamp_ms);
    let visit = target.visit.get_or_insert_default();
    for other in merged {
        target.end_ms = target.end_ms.max(other.end_ms);
        visit.merge(other.visit.unwrap_or_default());
    }
    update(visit);
    if bridged > 1 { Added::Merged(bridged) } else { Added::Accepted }
}

/// When something of these sessions is to be closed or forgotten: once this is before the close time.
pub(super) fn due_ms(gap_ms: i64, sessions: &[Saved]) -> i64 {
    let due = |at: usize| if sessions[at].visit.is_some() { sessions[at].end_ms } else { mark_until_ms(gap_ms, sessions, at) };
    (0..sessions.len()).map(due).min().unwrap_or(i64::MIN)
}

/// A record up to one gap away is a neighbour, and it is in time itself up to one gap further on. However far the next open session
/// starts now: late records may still extend it backwards, gap by gap, to this one.
fn mark_until_ms(gap_ms: i64, sessions: &[Saved], at: usize) -> i64 {
    let next_end_ms = sessions.get(at + 1).filter(|next| next.visit.is_some()).map(|next| next.end_ms);
    (sessions[at].end_ms + gap_ms * 2).max(next_end_ms.unwrap_or(i64::MIN))
}

/// Closes what ended before the close time, and forgets marks that nothing can be close to any more.
pub(super) fn close(gap_ms: i64, sessions: &mut Vec<Saved>, close_time: i64) -> Vec<Closed> {
    let can_go = |at: usize| sessions[at].visit.is_none() && mark_until_ms(gap_ms, sessions, at) < close_time;
    let is_over: Vec<_> = (0..sessions.len()).map(can_go).collect();
    let mut is_over = is_over.into_iter();
    sessions.retain(|_| !is_over.next().unwrap_or(false));
    let due = sessions.iter_mut().filter(|session| session.end_ms < close_time);
    due.filter_map(|session| session.visit.take().map(|visit| Closed { start_ms: session.start_ms, end_ms: session.end_ms, visit }))
        .collect()
}
