//! Whether the table of open sessions is one: each session is in it before its final result, and none stays in it.

use std::collections::{HashMap, HashSet};

use weir_model::Check;

use super::digest;
use crate::{
    pipelines::clickstream::records::{OpenSession, open_key},
    truth::{check, pending},
};

/// What was seen of a run's open sessions.
#[derive(Debug, Default)]
pub struct OpenCheck {
    run: String,
    /// By digest of the key: whether it is in the table.
    sessions: HashMap<u64, bool>,
    /// Digests of the keys of final sessions.
    closed: HashSet<u64>,
    updates: u64,
}

impl OpenCheck {
    /// Nothing seen yet.
    pub fn new(run: &str) -> Self {
        Self { run: run.to_owned(), ..Self::default() }
    }

    /// A record of the table; nothing under a key withdraws it.
    pub fn observe(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else {
            // What this run never told is another one's.
            self.sessions.entry(digest(&key)).and_modify(|is_open| *is_open = false);
            return;
        };
        if serde_json::from_slice(value).is_ok_and(|open: OpenSession| open.run == self.run) {
            self.updates += 1;
            self.sessions.insert(digest(&key), true);
        }
    }

    /// A final session.
    pub fn closed(&mut self, user_id: &str, start: i64) {
        self.closed.insert(digest(&open_key(user_id, start).as_bytes()));
    }

    /// `open_sessions_end`: each session was told while it was open, and is withdrawn when it is so no more, on its own or in another one.
    pub fn verdict(&self) -> Check {
        let id = "open_sessions_end";
        if self.closed.is_empty() {
            return pending(id, "no session was closed yet");
        }
        let left = self.sessions.values().filter(|is_open| **is_open).count();
        let untold = self.closed.iter().filter(|key| !self.sessions.contains_key(key)).count();
        let absorbed = self.sessions.keys().filter(|key| !self.closed.contains(key)).count();
        let (told, closed) = (self.sessions.len(), self.closed.len());
        let mut evidence = format!(
            "{told} sessions told by {} updates while they were open: {closed} closed, {absorbed} began earlier after all, or became part of others",
            self.updates
        );
        if left + untold > 0 {
            evidence += &format!("; {left} still in the table, {untold} never told");
        }
        check(id, left + untold == 0, evidence)
    }
}

#[cfg(test)]
mod tests {
    use weir_model::CheckVerdict::{self, Fail, Pass, Pending};

    use super::*;

    /// `Some` is an update of a session of "u" that began then, `None` withdraws it.
    fn verdict(table: &[(i64, Option<&str>)], closed: &[i64]) -> CheckVerdict {
        let mut check = OpenCheck::new("r");
        for (start, run) in table {
            let open = run.map(|run| OpenSession {
                run: run.to_owned(),
                partition: 0,
                user_id: "u".into(),
                start: *start,
                end: start + 5,
                events: 2,
                pages: 1,
            });
            let value = open.map(|open| serde_json::to_vec(&open).expect("JSON"));
            check.observe(open_key("u", *start).as_bytes(), value.as_deref());
        }
        closed.iter().for_each(|start| check.closed("u", *start));
        check.verdict().verdict
    }

    #[test]
    fn what_is_open_ends() {
        let (told, gone) = (Some("r"), None);
        assert_eq!(verdict(&[(1, told), (1, told), (9, told), (9, gone), (1, gone)], &[1]), Pass, "one became part of the other");
        assert_eq!(verdict(&[(1, told), (1, gone), (5, gone), (7, Some("other"))], &[1]), Pass, "another run's are none of ours");
        assert_eq!(verdict(&[(1, told), (9, told), (1, gone)], &[1]), Fail, "one stays");
        assert_eq!(verdict(&[(1, told), (1, gone), (1, told)], &[1]), Fail, "told after its end");
        assert_eq!(verdict(&[(1, told), (1, gone)], &[1, 9]), Fail, "one was never told");
        assert_eq!(verdict(&[(1, told)], &[]), Pending);
    }
}
