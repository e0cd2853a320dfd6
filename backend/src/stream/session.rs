//! Session windows: as long as somebody is active, ended by a gap of inactivity.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

/// How sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    /// Records of a key at most this far apart belong to the same session.
    pub gap_ms: i64,
    /// A session stays open this much longer than the gap, for late records.
    pub grace_ms: i64,
}

impl SessionWindows {
    /// Sessions that end before this are closed (`closeTime` in `KStreamSessionWindowAggregate`).
    pub fn close_time(&self, stream_time_ms: i64) -> i64 {
        stream_time_ms - self.gap_ms - self.grace_ms
    }
}

/// What a session keeps; two that a late record bridges become one.
pub trait SessionAggregate: Default {
    /// Takes the other session in. Must not depend on the order of merging.
    fn merge(&mut self, other: Self);
}

/// One session of one key.
#[derive(Clone, Debug)]
pub struct Session<A> {
    /// The earliest timestamp in it.
    pub start_ms: i64,
    /// The latest timestamp in it.
    pub end_ms: i64,
    /// What was kept of its records; `None` once the final result is out.
    value: Option<A>,
}

/// A final result.
#[derive(Clone, Debug)]
pub struct ClosedSession<A> {
    /// Whose session.
    pub key: Arc<str>,
    /// The earliest timestamp in it.
    pub start_ms: i64,
    /// The latest timestamp in it.
    pub end_ms: i64,
    /// What was kept of its records.
    pub value: A,
}

/// When to look at a session again, a timestamp inside it, and whose it is. A session that grew since is found out then, so a
/// record costs no entry; a merge leaves several, and those that find nothing to do vanish.
type Expiry = (i64, i64, Arc<str>);

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It opened a session or extended one.
    Accepted,
    /// It made so many open sessions one, at least two.
    Merged(usize),
    /// Its session is closed: it is late and was dropped.
    Late,
}

/// The sessions of one task by key.
///
/// A closed session stays as a mark until no record can be close to it any more, which makes a late neighbour late too.
#[derive(Clone, Debug)]
pub struct SessionStore<A> {
    windows: SessionWindows,
    /// Sorted by start, more than a gap apart.
    by_key: HashMap<Arc<str>, Vec<Session<A>>>,
    expiry: BinaryHeap<Reverse<Expiry>>,
    open: usize,
}

impl<A: SessionAggregate> SessionStore<A> {
    /// No sessions yet.
    pub fn new(windows: SessionWindows) -> Self {
        Self { windows, by_key: HashMap::new(), expiry: BinaryHeap::new(), open: 0 }
    }

    /// Open sessions.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The open sessions' values with the times they end at, in no order.
    pub fn iter_open(&self) -> impl Iterator<Item = (i64, &A)> {
        self.by_key.values().flatten().filter_map(|session| Some((session.end_ms, session.value.as_ref()?)))
    }

    /// Adds a record at this stream time, which includes it.
    pub fn add(&mut self, key: &str, timestamp_ms: i64, stream_time_ms: i64, update: impl FnOnce(&mut A)) -> Added {
        let close_time = self.windows.close_time(stream_time_ms);
        let (near_from, near_to) = (timestamp_ms - self.windows.gap_ms, timestamp_ms + self.windows.gap_ms);
        let Some(sessions) = self.by_key.get_mut(key) else {
            if timestamp_ms < close_time {
                return Added::Late;
            }
            let key: Arc<str> = key.into();
            self.expiry.push(Reverse((timestamp_ms, timestamp_ms, Arc::clone(&key))));
            self.by_key.insert(key, vec![Session::first(timestamp_ms, update)]);
            self.open += 1;
            return Added::Accepted;
        };
        let first = sessions.partition_point(|session| session.end_ms < near_from);
        let near = first + sessions[first..].iter().take_while(|session| session.start_ms <= near_to).count();
        let is_closed = |session: &Session<A>| session.value.is_none() || session.end_ms < close_time;
        if sessions[first..near].iter().any(is_closed) || (first == near && timestamp_ms < close_time) {
            return Added::Late;
        }
        if first == near {
            if let Some((key, _)) = self.by_key.get_key_value(key) {
                self.expiry.push(Reverse((timestamp_ms, timestamp_ms, Arc::clone(key))));
            }
            if let Some(sessions) = self.by_key.get_mut(key) {
                sessions.insert(first, Session::first(timestamp_ms, update));
            }
            self.open += 1;
            return Added::Accepted;
        }
        let merged: Vec<_> = sessions.drain(first + 1..near).collect();
        let target = &mut sessions[first];
        let bridged = merged.len() + 1;
        self.open -= merged.len();
        target.extend(timestamp_ms, merged, update);
        if bridged > 1 { Added::Merged(bridged) } else { Added::Accepted }
    }

    /// The next session that stream time has closed.
    pub fn pop_closed(&mut self, stream_time_ms: i64) -> Option<ClosedSession<A>> {
        let close_time = self.windows.close_time(stream_time_ms);
        loop {
            let Reverse((due_ms, ..)) = self.expiry.peek()?;
            if *due_ms >= close_time {
                return None;
            }
            let Reverse((_, inside_ms, key)) = self.expiry.pop()?;
            if let Some(closed) = self.expire(&key, inside_ms, close_time) {
                return Some(closed);
            }
        }
    }

    /// The next open session, whatever the stream time: for the end of a run. Forgets the marks of closed ones.
    pub fn pop_any(&mut self) -> Option<ClosedSession<A>> {
        while let Some(Reverse((_, inside_ms, key))) = self.expiry.pop() {
            if let Some(closed) = self.expire(&key, inside_ms, i64::MAX) {
                return Some(closed);
            }
        }
        None
    }

    /// Closes the session around `inside_ms` if it is time, and forgets closed ones that nothing can be close to any more.
    fn expire(&mut self, key: &Arc<str>, inside_ms: i64, close_time: i64) -> Option<ClosedSession<A>> {
        let sessions = self.by_key.get_mut(key)?;
        let at = sessions.partition_point(|session| session.end_ms < inside_ms);
        let session = sessions.get_mut(at).filter(|session| session.start_ms <= inside_ms)?;
        let (start_ms, end_ms) = (session.start_ms, session.end_ms);
        // A record up to one gap away is a neighbour, and it is in time itself up to one gap further on.
        let mark_until_ms = end_ms.saturating_add(self.windows.gap_ms * 2);
        if session.value.is_some() && end_ms >= close_time {
            self.expiry.push(Reverse((end_ms, end_ms, Arc::clone(key))));
            return None;
        }
        if let Some(value) = session.value.take() {
            self.open -= 1;
            self.expiry.push(Reverse((mark_until_ms, end_ms, Arc::clone(key))));
            return Some(ClosedSession { key: Arc::clone(key), start_ms, end_ms, value });
        }
        if mark_until_ms >= close_time {
            return None; // left over from a merge; the mark has its own entry
        }
        // However far the next open session starts now: late records may still extend it backwards, gap by gap, to this one.
        let next_end_ms = sessions.get(at + 1).filter(|next| next.value.is_some()).map(|next| next.end_ms);
        match next_end_ms {
            Some(next_end_ms) if next_end_ms >= close_time => self.expiry.push(Reverse((next_end_ms, end_ms, Arc::clone(key)))),
            _ => drop(sessions.remove(at)),
        }
        if self.by_key.get(key).is_some_and(Vec::is_empty) {
            self.by_key.remove(key);
        }
        None
    }
}

impl<A: SessionAggregate> Session<A> {
    fn first(timestamp_ms: i64, update: impl FnOnce(&mut A)) -> Self {
        let mut value = A::default();
        update(&mut value);
        Self { start_ms: timestamp_ms, end_ms: timestamp_ms, value: Some(value) }
    }

    fn extend(&mut self, timestamp_ms: i64, merged: Vec<Self>, update: impl FnOnce(&mut A)) {
        let value = self.value.get_or_insert_default();
        self.start_ms = self.start_ms.min(timestamp_ms);
        self.end_ms = self.end_ms.max(timestamp_ms);
        for other in merged {
            self.end_ms = self.end_ms.max(other.end_ms);
            value.merge(other.value.unwrap_or_default());
        }
        update(value);
    }
}

#[cfg(test)]
mod tests;
