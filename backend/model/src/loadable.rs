//! What a screen knows about something that has to be asked for.

use crate::{Problem, TimestampMs};

/// A value with the time it was true.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped<T> {
    /// The value.
    pub value: T,
    /// When the backend read it.
    pub as_of: TimestampMs,
}

/// Not asked, loading, ready, or failed; the last value stays readable through loading and failure, marked by its age.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Loadable<T> {
    /// Nobody asked yet.
    #[default]
    NotAsked,
    /// Asked, not answered; the value from before, if any.
    Loading(Option<Stamped<T>>),
    /// Answered.
    Ready(Stamped<T>),
    /// The last attempt failed; the value from before, if any.
    Failed {
        /// What went wrong.
        problem: Problem,
        /// The last good value.
        stale: Option<Stamped<T>>,
    },
}

impl<T> Loadable<T> {
    /// The newest value known, stale or not.
    pub fn value(&self) -> Option<&T> {
        self.stamped().map(|stamped| &stamped.value)
    }

    /// When the newest known value was true.
    pub fn as_of(&self) -> Option<TimestampMs> {
        self.stamped().map(|stamped| stamped.as_of)
    }

    /// Why the last attempt failed, if it did.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Failed { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The newest value with its time.
    pub fn stamped(&self) -> Option<&Stamped<T>> {
        match self {
            Self::NotAsked => None,
            Self::Loading(stale) | Self::Failed { stale, .. } => stale.as_ref(),
            Self::Ready(stamped) => Some(stamped),
        }
    }

    /// Marks the value as asked for, keeping the old one.
    pub fn begin(&mut self) {
        *self = Self::Loading(self.take_stamped());
    }

    /// Takes in an answer.
    pub fn finish(&mut self, answer: Result<Stamped<T>, Problem>) {
        *self = match answer {
            Ok(stamped) => Self::Ready(stamped),
            Err(problem) => Self::Failed { problem, stale: self.take_stamped() },
        };
    }

    fn take_stamped(&mut self) -> Option<Stamped<T>> {
        match std::mem::take(self) {
            Self::NotAsked => None,
            Self::Loading(stale) | Self::Failed { stale, .. } => stale,
            Self::Ready(stamped) => Some(stamped),
        }
    }
}
