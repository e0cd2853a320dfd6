//! Progress at a pace people can read: redrawn in place on a terminal, a line now and then elsewhere.

use std::{
    fmt,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use super::output::{end_progress, progress};

const ON_A_TERMINAL: Duration = Duration::from_millis(250);
const IN_A_LOG: Duration = Duration::from_secs(5);

/// Decides when the next line of progress is due.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    last: Option<Instant>,
}

impl Pace {
    /// The first line is due at once.
    pub(crate) fn new() -> Self {
        Self { every: if io::stderr().is_terminal() { ON_A_TERMINAL } else { IN_A_LOG }, last: None }
    }

    /// Shows the line if it is time.
    pub(crate) fn show<T: fmt::Display>(&mut self, line: impl FnOnce() -> T) {
        if self.last.is_none_or(|last| last.elapsed() >= self.every) {
            self.last = Some(Instant::now());
            progress(line());
        }
    }

    /// Ends the line that was redrawn.
    pub(crate) fn end(&mut self) {
        if self.last.take().is_some() {
            end_progress();
        }
    }
}
