//! Errors and news in the words of the person who reads them.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::TimestampMs;

/// A failure as a person needs it: what happened, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What did not work, in one sentence.
    pub what: Arc<str>,
    /// The reason, as exact as it is known. Never holds a secret.
    pub why: Arc<str>,
    /// The next step that helps.
    pub what_to_do: Arc<str>,
}

impl Problem {
    /// A problem from its three sentences.
    pub fn new(what: impl Into<Arc<str>>, why: impl Into<Arc<str>>, what_to_do: impl Into<Arc<str>>) -> Self {
        Self { what: what.into(), why: why.into(), what_to_do: what_to_do.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.what, self.why, self.what_to_do)
    }
}

impl std::error::Error for Problem {}

/// How urgent a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeLevel {
    /// Worth knowing.
    Info,
    /// Something the user asked for is done.
    Success,
    /// Works, but not as it should.
    Warning,
    /// Does not work.
    Error,
}

/// One line of news for the user; the window shows it as a toast, the command line on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How urgent.
    pub level: NoticeLevel,
    /// The headline.
    pub title: Arc<str>,
    /// The rest, possibly empty.
    pub detail: Arc<str>,
    /// When it happened.
    pub at: TimestampMs,
}

impl Notice {
    /// The notice that tells of a problem.
    pub fn of_problem(problem: &Problem, at: TimestampMs) -> Self {
        let detail = format!("{}. {}", problem.why, problem.what_to_do);
        Self { level: NoticeLevel::Error, title: Arc::clone(&problem.what), detail: detail.into(), at }
    }
}
